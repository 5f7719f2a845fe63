//! Logging in at a smarthost (RFC 4954): PLAIN (RFC 4616), LOGIN and XOAUTH2, as lines in and lines out.
//!
//! Whoever calls this has made sure that nobody else hears it: the connection is encrypted and verified, or does not
//! leave this machine. The password is read anew for each login and wiped behind it.

use std::path::PathBuf;
use std::time::Duration;

use base64_simd::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::credential::{Secret, Source, Unusable};

/// How long the command that makes a token may take.
const TOKEN_TIME: Duration = Duration::from_secs(30);

/// `[egress.auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// Who we are there.
    pub username: String,
    /// A file (mode 0600) with the password, or with a token for XOAUTH2.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The name of a systemd credential that holds it.
    #[serde(default)]
    pub password_credential: Option<String>,
    /// A program and its arguments; the first line of its output is a token for XOAUTH2.
    #[serde(default)]
    pub token_command: Option<Vec<String>>,
    /// How to log in.
    #[serde(default)]
    pub mechanism: Choice,
}

/// Which mechanism to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The first that the host offers of PLAIN and LOGIN; XOAUTH2 with a token command.
    #[default]
    Auto,
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN, which some large providers still ask for.
    Login,
    /// XOAUTH2: a bearer token.
    Xoauth2,
}

impl AuthSettings {
    /// Looks for settings that contradict each other.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.username.is_empty() || self.username.contains(['\0', '\r', '\n', '\u{1}']) {
            return Err("username is empty or has a control character");
        }
        self.place().map(|_| ())
    }

    /// Reads the password as a login would, where it is kept; a token is not made for a look.
    ///
    /// # Errors
    /// Why there is none.
    pub fn look(&self) -> Result<(), Unusable> {
        match self.place() {
            Ok(Place::Kept(source)) => source.read().map(drop),
            _ => Ok(()),
        }
    }

    fn place(&self) -> Result<Place, &'static str> {
        let (file, credential) = (self.password_file.as_deref(), self.password_credential.as_deref());
        match &self.token_command {
            None => Source::of(file, credential).map(Place::Kept),
            Some(_) if file.is_some() || credential.is_some() => {
                Err("token_command is set beside a password: leave one of them out")
            }
            Some(_) if !matches!(self.mechanism, Choice::Auto | Choice::Xoauth2) => {
                Err("a token is for mechanism = \"xoauth2\" only")
            }
            Some(words) if words.first().is_none_or(|program| !program.starts_with('/')) => {
                Err("token_command has to begin with the absolute path of a program")
            }
            Some(words) => Ok(Place::Command(words.clone())),
        }
    }
}

#[derive(Clone, Debug)]
enum Place {
    Kept(Source),
    Command(Vec<String>),
}

/// Who we are at a smarthost, and where the proof of it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    username: String,
    choice: Choice,
    place: Place,
}

impl Login {
    /// # Errors
    /// As [`AuthSettings::check`].
    pub(crate) fn new(settings: &AuthSettings) -> Result<Self, &'static str> {
        settings.check()?;
        let place = settings.place()?;
        let choice = match (&place, settings.mechanism) {
            (Place::Command(_), Choice::Auto) => Choice::Xoauth2,
            (_, choice) => choice,
        };
        Ok(Self { username: settings.username.clone(), choice, place })
    }

    /// Reads the password now, or has a token made.
    ///
    /// # Errors
    /// Why there is none, without a byte of it.
    pub(crate) async fn secret(&self) -> Result<Secret, String> {
        match &self.place {
            Place::Kept(source) => {
                let source = source.clone();
                let read = tokio::task::spawn_blocking(move || source.read()).await;
                read.map_err(|_| "reading it broke off".to_owned())?.map_err(|why| why.to_string())
            }
            Place::Command(words) => token(words).await,
        }
    }

    /// The mechanism to use of those that the host offers.
    pub(crate) fn mechanism(&self, offered: Offered) -> Option<Mechanism> {
        let order: &[Mechanism] = match self.choice {
            Choice::Auto => &[Mechanism::Plain, Mechanism::Login],
            Choice::Plain => &[Mechanism::Plain],
            Choice::Login => &[Mechanism::Login],
            Choice::Xoauth2 => &[Mechanism::Xoauth2],
        };
        order.iter().copied().find(|mechanism| offered.has(*mechanism))
    }

    /// Begins a login.
    pub(crate) fn begin(&self, mechanism: Mechanism, secret: Secret) -> Exchange {
        Exchange { mechanism, username: self.username.clone(), secret, said: 0 }
    }
}

/// Has a token made. The command gets no input, and is ended when it takes too long.
async fn token(words: &[String]) -> Result<Secret, String> {
    let [program, arguments @ ..] = words else { return Err("there is no command".to_owned()) };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let running = command.kill_on_drop(true).output();
    let ended = tokio::time::timeout(TOKEN_TIME, running).await;
    let output = ended
        .map_err(|_| format!("{program} made no token within {} s", TOKEN_TIME.as_secs()))?
        .map_err(|why| format!("{program} cannot be run ({})", why.kind()))?;
    let made = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(format!("{program} failed ({})", output.status));
    }
    Secret::first_line(made, &format!("the output of {program}")).map_err(|why| why.to_string())
}

/// The mechanisms that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    Login,
    Xoauth2,
}

/// Which of them a host offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offered {
    plain: bool,
    login: bool,
    xoauth2: bool,
}

impl Offered {
    /// Takes the words behind AUTH in an EHLO reply (RFC 4954 §3).
    pub(crate) fn add<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for word in words {
            match word.to_ascii_uppercase().as_str() {
                "PLAIN" => self.plain = true,
                "LOGIN" => self.login = true,
                "XOAUTH2" => self.xoauth2 = true,
                _ => {}
            }
        }
    }

    fn has(self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::Plain => self.plain,
            Mechanism::Login => self.login,
            Mechanism::Xoauth2 => self.xoauth2,
        }
    }
}

/// A login under way. It has a first line, and an answer to each challenge.
pub(crate) struct Exchange {
    mechanism: Mechanism,
    username: String,
    secret: Secret,
    /// How many challenges were answered.
    said: u8,
}

impl Exchange {
    /// The command that begins it, with its line end.
    pub(crate) fn command(&self) -> Zeroizing<Vec<u8>> {
        match self.mechanism {
            Mechanism::Plain => line("AUTH PLAIN ", &self.proof()),
            // Its two parts are asked for, each by a challenge.
            Mechanism::Login => Zeroizing::new(b"AUTH LOGIN\r\n".to_vec()),
            Mechanism::Xoauth2 => line("AUTH XOAUTH2 ", &self.proof()),
        }
    }

    /// The answer to the next challenge, whatever it says; none when the host asks for more than there is.
    pub(crate) fn answer(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.said = self.said.saturating_add(1);
        match (self.mechanism, self.said) {
            (Mechanism::Login, 1) => Some(line("", self.username.as_bytes())),
            (Mechanism::Login, 2) => Some(line("", self.secret.as_bytes())),
            // The host explains the refusal in a challenge and gives its verdict after an empty answer.
            (Mechanism::Xoauth2, 1) => Some(line("", b"")),
            _ => None,
        }
    }

    /// Whether a text repeats what must not be shown.
    pub(crate) fn is_repeated_in(&self, text: &str) -> bool {
        let encoded = |bytes: &[u8]| Zeroizing::new(STANDARD.encode_to_string(bytes));
        let text = text.as_bytes();
        let holds = |what: &[u8]| !what.is_empty() && memchr::memmem::find(text, what).is_some();
        holds(self.secret.as_bytes())
            || holds(encoded(self.secret.as_bytes()).as_bytes())
            || holds(encoded(&self.proof()).as_bytes())
    }

    /// What is sent with the command, before it is encoded.
    fn proof(&self) -> Zeroizing<Vec<u8>> {
        let (user, secret) = (self.username.as_bytes(), self.secret.as_bytes());
        let parts: &[&[u8]] = match self.mechanism {
            // RFC 4616 §2: [authzid] NUL authcid NUL passwd.
            Mechanism::Plain => &[b"\0", user, b"\0", secret],
            Mechanism::Login => &[],
            Mechanism::Xoauth2 => &[b"user=", user, b"\x01auth=Bearer ", secret, b"\x01\x01"],
        };
        // Made in one piece of the right size, so that no part of it stays elsewhere.
        Zeroizing::new(parts.concat())
    }
}

/// A line of the exchange: a command's beginning, and bytes in base64 (RFC 4954 §4).
fn line(command: &str, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let encoded = Zeroizing::new(STANDARD.encode_to_string(bytes));
    Zeroizing::new([command.as_bytes(), encoded.as_bytes(), b"\r\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> AuthSettings {
        toml::from_str(text).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::first_line(Zeroizing::new(text.as_bytes().to_vec()), "a test").unwrap()
    }

    fn exchange(mechanism: Mechanism) -> Exchange {
        let login = Login::new(&settings("username = \"tim\"\npassword_file = \"/p\"")).unwrap();
        login.begin(mechanism, secret("tanstaaftanstaaf"))
    }

    fn text(line: &Zeroizing<Vec<u8>>) -> &str {
        std::str::from_utf8(line).unwrap()
    }

    #[test]
    fn plain_is_one_line() {
        let mut plain = exchange(Mechanism::Plain);
        // The first response of RFC 4616 §4.
        assert_eq!(text(&plain.command()), "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n");
        assert!(plain.answer().is_none());
    }

    #[test]
    fn login_gives_name_and_password_when_asked() {
        let mut login = exchange(Mechanism::Login);
        assert_eq!(text(&login.command()), "AUTH LOGIN\r\n");
        assert_eq!(text(&login.answer().unwrap()), "dGlt\r\n");
        assert_eq!(text(&login.answer().unwrap()), "dGFuc3RhYWZ0YW5zdGFhZg==\r\n");
        assert!(login.answer().is_none());
    }

    #[test]
    fn xoauth2_answers_the_explanation_of_a_refusal_with_nothing() {
        let mut token = exchange(Mechanism::Xoauth2);
        let command = token.command();
        let proof = text(&command).strip_prefix("AUTH XOAUTH2 ").unwrap().trim_end();
        assert_eq!(
            STANDARD.decode_to_vec(proof).unwrap(),
            b"user=tim\x01auth=Bearer tanstaaftanstaaf\x01\x01"
        );
        assert_eq!(text(&token.answer().unwrap()), "\r\n");
        assert!(token.answer().is_none());
    }

    #[test]
    fn a_reply_that_repeats_the_password_is_known() {
        let plain = exchange(Mechanism::Plain);
        for echo in ["no tanstaaftanstaaf", "AHRpbQB0YW5zdGFhZnRhbnN0YWFm?", "dGFuc3RhYWZ0YW5zdGFhZg=="] {
            assert!(plain.is_repeated_in(echo), "{echo}");
        }
        assert!(!plain.is_repeated_in("5.7.8 Error: authentication failed: UGFzc3dvcmQ6"));
    }

    #[test]
    fn the_first_mechanism_that_both_know_is_used() {
        let of = |lines: &str, offered: &str| {
            let mut all = Offered::default();
            all.add(offered.split(' '));
            Login::new(&settings(&format!("username = \"u\"\n{lines}"))).unwrap().mechanism(all)
        };
        let (password, token) = ("password_file = \"/p\"", "token_command = [\"/bin/true\"]");
        assert_eq!(of(password, "GSSAPI login PLAIN"), Some(Mechanism::Plain));
        assert_eq!(of(password, "CRAM-MD5 LOGIN XOAUTH2"), Some(Mechanism::Login));
        assert_eq!(of(password, "CRAM-MD5 XOAUTH2"), None, "a password is no token");
        assert_eq!(of(token, "PLAIN XOAUTH2"), Some(Mechanism::Xoauth2));
        assert_eq!(of(&format!("{password}\nmechanism = \"login\""), "PLAIN LOGIN"), Some(Mechanism::Login));
        assert_eq!(of(&format!("{password}\nmechanism = \"xoauth2\""), "PLAIN"), None);
    }

    #[test]
    fn contradictions_are_named() {
        for lines in [
            "username = \"\"\npassword_file = \"/p\"",
            "username = \"u\"",
            "username = \"u\"\npassword_file = \"/p\"\npassword_credential = \"p\"",
            "username = \"u\"\npassword_file = \"/p\"\ntoken_command = [\"/bin/true\"]",
            "username = \"u\"\ntoken_command = [\"true\"]",
            "username = \"u\"\ntoken_command = []",
            "username = \"u\"\ntoken_command = [\"/bin/true\"]\nmechanism = \"plain\"",
        ] {
            assert!(settings(lines).check().is_err(), "{lines}");
        }
    }

    #[tokio::test]
    async fn a_token_is_the_first_line_of_the_commands_output() {
        let of = |command: &str| {
            let lines = format!("username = \"u\"\ntoken_command = [\"/bin/sh\", \"-c\", \"{command}\"]");
            Login::new(&settings(&lines)).unwrap()
        };
        assert_eq!(of("echo t0ken; echo more").secret().await.unwrap().as_bytes(), b"t0ken");
        for (command, says) in [("true", "empty"), ("echo t0ken; exit 3", "failed")] {
            let why = of(command).secret().await.err().unwrap();
            assert!(why.contains(says) && !why.contains("t0ken"), "{why}");
        }
        let missing = settings("username = \"u\"\ntoken_command = [\"/nowhere/token\"]");
        assert!(Login::new(&missing).unwrap().secret().await.err().unwrap().contains("/nowhere/token"));
    }
}
