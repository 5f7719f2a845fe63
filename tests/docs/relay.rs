//! One installation as the documents make it: a folder, a daemon, a person with GnuPG.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::script::Names;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Relay {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
    daemon: Option<Child>,
}

impl Relay {
    /// `None`, aloud, where gpg is not installed; in CI that is a failure.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "gpg is missing: apt-get install gpg gpg-agent"
            );
            eprintln!("SKIPPED: gpg is not installed");
            return None;
        }
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("vs").permissions(private.clone()).tempdir().unwrap();
        let relay = Self { folder, variables: BTreeMap::new(), names: BTreeMap::new(), daemon: None };
        fs::create_dir(relay.path("gpg")).unwrap();
        fs::set_permissions(relay.path("gpg"), private).unwrap();
        relay.person("Ada Lovelace <ada@example.org>", "ada.asc");
        relay.person("Example Linux <psirt@linux.example>", "linux.asc");
        relay.person("Example Linux, next year <psirt@linux.example>", "linux-new.asc");
        Some(relay)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", self.path("gpg")).current_dir(self.folder.path());
        command.args(["--batch", "--quiet", "--no-tty", "--trust-model", "always"]);
        let output =
            command.args(["--pinentry-mode", "loopback", "--passphrase", ""]).args(args).output().unwrap();
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn person(&self, name: &str, file: &str) {
        self.gpg(&["--quick-generate-key", name, "default", "default", "never"]);
        let exported = self.gpg(&["--armor", "--export", &format!("={name}")]);
        fs::write(self.path(file), exported).unwrap();
    }

    /// Armored, to the certificate in a file, signed by nobody.
    pub(crate) fn encrypt(&self, certificate: &str, text: &str) -> String {
        fs::write(self.path("text"), text).unwrap();
        let armored =
            self.gpg(&["--armor", "--recipient-file", certificate, "--output", "-", "--encrypt", "text"]);
        String::from_utf8(armored).unwrap().replace('\n', "\r\n")
    }

    /// The command with the names that things really have.
    pub(crate) fn real(&self, command: &str) -> String {
        self.names.iter().fold(command.to_owned(), |text, (shown, real)| text.replace(shown, real))
    }

    pub(crate) fn learn(&mut self, names: Names) {
        self.names.extend(names);
    }

    /// Carries a command out; its output, or why it failed.
    pub(crate) fn run(&mut self, command: &str) -> Result<String, String> {
        let mut words = split(command);
        if let Some(variable) = command.strip_prefix("export ") {
            let (name, value) = variable.split_once('=').ok_or("export NAME=VALUE")?;
            self.variables.insert(name.to_owned(), value.to_owned());
            return Ok(String::new());
        }
        if words.first().map(String::as_str) != Some("vouchsafe") {
            return Err(
                "a console block runs vouchsafe and export only; use an sh block for others".to_owned()
            );
        }
        if words.last().is_some_and(|word| word == "&") {
            words.pop();
            self.serve(&words[1..]);
            return Ok(String::new());
        }
        let file = words.iter().position(|word| word == ">").map(|at| words.split_off(at)[1].clone());
        let output = self.program(&words[1..]).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
        if words.get(1).is_some_and(|verb| verb == "init") {
            self.fit();
        }
        if let Some(file) = file {
            fs::write(self.path(&file), &output.stdout).unwrap();
            return Ok(String::new());
        }
        Ok(String::from_utf8(output.stdout).unwrap())
    }

    fn program(&self, args: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(args).current_dir(self.folder.path()).envs(&self.variables);
        command
    }

    /// What a test may not do: take a fixed port, reach a real mail server, depend on this machine's swap.
    fn fit(&self) {
        let place = self.path("relay/relay.toml");
        let text = fs::read_to_string(&place).unwrap();
        // Bound and let go: nobody listens there.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let fitted = text
            .replace("listen = [\"127.0.0.1:2525\"]", "listen = [\"127.0.0.1:0\"]")
            .replace("smarthost = \"127.0.0.1:25\"", &format!("smarthost = \"{closed}\""))
            .replace("#allow_swap = false", "allow_swap = true")
            // Notices would wait in the queue among what the page shows.
            .replace("#notify = [{", "notify = []\n#notify = [{");
        assert_eq!(fitted.matches("127.0.0.1:0\"").count(), 1, "the settings look different");
        fs::write(place, fitted).unwrap();
    }

    /// Adds lines to the settings, which the running daemon has read already.
    pub(crate) fn add(&self, lines: &str) {
        let place = self.path("relay/relay.toml");
        let text = fs::read_to_string(&place).unwrap();
        fs::write(place, format!("{text}\n{lines}")).unwrap();
    }

    fn serve(&mut self, args: &[String]) {
        let log = File::create(self.path("log")).unwrap();
        let daemon = self.program(args).stdin(Stdio::null()).stderr(log).spawn().unwrap();
        self.daemon = Some(daemon);
        let _ = self.logged(" ready");
    }

    /// The first line of the log that holds this.
    fn logged(&self, wanted: &str) -> String {
        self.until(wanted, || {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            log.lines().find(|line| line.contains(wanted)).map(str::to_owned)
        })
    }

    /// Waits until `status` shows this.
    pub(crate) fn wait_for(&mut self, wanted: &str) {
        let _ = self.until(wanted, || {
            let output = self.program(&["status".to_owned()]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().contains(wanted).then(String::new)
        });
    }

    fn until(&self, wanted: &str, look: impl Fn() -> Option<String>) -> String {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(found) = look() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        panic!("there was no \"{wanted}\"; the log:\n{log}");
    }

    /// Sends a mail in as a client would.
    pub(crate) fn send(&self, to: &str, mail: &str) {
        let listening = self.logged("listening address=");
        let address = listening.rsplit_once("address=").unwrap().1.to_owned();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut replies = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        let data = format!("From: somebody@example.net\r\nTo: {to}\r\n{mail}.\r\n");
        let recipient = format!("RCPT TO:<{to}>\r\n");
        let lines =
            ["EHLO example.net\r\n", "MAIL FROM:<somebody@example.net>\r\n", &recipient, "DATA\r\n", &data];
        expect(&mut replies, '2');
        for line in lines {
            stream.write_all(line.as_bytes()).unwrap();
            expect(&mut replies, if line == "DATA\r\n" { '3' } else { '2' });
        }
        stream.write_all(b"QUIT\r\n").unwrap();
    }
}

fn expect(replies: &mut impl BufRead, code: char) {
    loop {
        let mut line = String::new();
        replies.read_line(&mut line).unwrap();
        assert!(line.starts_with(code), "{line:?}");
        if line.get(3..4) != Some("-") {
            return;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.path("gpg")).args(["--kill", "all"]).output();
    }
}

/// Words as a shell splits them, with double quotes.
fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, piece) in command.split('"').enumerate() {
        if place % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(super::split("a \"b c\" --d \"\" e"), ["a", "b c", "--d", "", "e"]);
    }
}
