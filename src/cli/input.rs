//! What a command takes in besides its arguments: files, and what a person at the terminal says.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use dialoguer::{Confirm, Password};
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::control::wire::{Certificate, ErrorKind, Secret};

/// The largest certificate or key that is read, in bytes: 1 MiB of packets, armored.
const MAX_FILE: usize = 1_500_000;

type Ask<T> = Box<dyn Fn(&str) -> Option<T>>;

/// The person at the terminal, if there is one. Each question is answered with nothing when there is none.
pub struct Terminal {
    confirm: Ask<bool>,
    passphrase: Ask<Secret>,
    tell: fn(&str),
    watched: bool,
}

impl Terminal {
    /// This process's terminal. Questions go to standard error, so that standard output can be redirected.
    #[must_use]
    pub fn of_this_process() -> Self {
        if !io::stderr().is_terminal() {
            return Self::none();
        }
        let mut terminal = Self::saying(
            |question| Confirm::new().with_prompt(question).default(false).interact().ok(),
            |question| {
                let typed = Password::new().with_prompt(question).report(false).interact().ok()?;
                Some(Secret::new(typed.into_bytes()))
            },
        );
        terminal.watched = io::stdout().is_terminal();
        terminal.tell = |text| _ = io::stderr().write_all(text.as_bytes());
        terminal
    }

    /// Whether somebody sees what a command says while it works: what is piped away is watched by nobody.
    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Nobody: a script, a timer, a pipe.
    #[must_use]
    pub fn none() -> Self {
        Self::saying(|_| None, |_| None)
    }

    /// Somebody who answers so: to yes-or-no questions, and when asked for a passphrase.
    #[must_use]
    pub fn saying(
        confirm: impl Fn(&str) -> Option<bool> + 'static,
        passphrase: impl Fn(&str) -> Option<Secret> + 'static,
    ) -> Self {
        Self { confirm: Box::new(confirm), passphrase: Box::new(passphrase), tell: |_| {}, watched: false }
    }

    /// What somebody has to see before a question about it.
    pub(super) fn tell(&self, text: &str) {
        (self.tell)(text);
    }

    /// Goes on only by `--yes` or a person's consent.
    pub(super) fn agree(&self, yes: bool, what: &str) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        match (self.confirm)(&format!("{what} Go on?")) {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::new(ErrorKind::Busy, "nothing has changed", "you said no", "")),
            None => Err(Failure::new(
                ErrorKind::Usage,
                "this needs your consent, and nothing has changed",
                &format!("{what} There is no terminal to ask on"),
                "run the command again with --yes",
            )),
        }
    }

    pub(super) fn passphrase(&self, question: &str) -> Result<Secret, Failure> {
        (self.passphrase)(question).ok_or_else(|| {
            Failure::new(
                ErrorKind::Usage,
                "the key is encrypted, and nothing has changed",
                "there is no terminal to ask for its passphrase on",
                "run the command again with --passphrase-file FILE",
            )
        })
    }
}

/// A public certificate from a file.
pub(super) fn certificate(path: &Path) -> Result<Certificate, Failure> {
    let bytes = read(path)?;
    // Armor says what it holds; whatever else is wrong, the daemon finds. A secret key must not even travel.
    if holds_secret(&bytes) {
        return Err(Failure::new(
            ErrorKind::Data,
            &format!("{} holds a secret key, and has not been sent", path.display()),
            "a member's secret key belongs to the member alone",
            "ask the member for the public certificate (gpg --armor --export, sq cert export)",
        ));
    }
    Ok(Certificate(bytes.to_vec()))
}

/// Whether there is an armored secret key in it, or it begins with a binary one.
pub(super) fn holds_secret(bytes: &[u8]) -> bool {
    // RFC 9580 §4.2: packet types 5 and 7 in the old and the new form of the header.
    let begins = |first: u8| matches!(first, 0x94..=0x97 | 0x9c..=0x9f | 0xc5 | 0xc7);
    bytes.first().copied().is_some_and(begins)
        || bytes.windows(SECRET_ARMOR.len()).any(|window| window == SECRET_ARMOR)
}

/// A text that is no secret.
pub(super) fn text(path: &Path) -> Result<Vec<u8>, Failure> {
    read(path).map(|mut bytes| std::mem::take(&mut *bytes))
}

/// RFC 9580 §6.2.
const SECRET_ARMOR: &[u8] = b"-----BEGIN PGP PRIVATE KEY BLOCK-----";

/// A secret key from a file.
pub(super) fn secret(path: &Path) -> Result<Secret, Failure> {
    read(path).map(|mut bytes| Secret::new(std::mem::take(&mut *bytes)))
}

/// A passphrase from a file: without the line end that editors leave behind it.
pub(super) fn passphrase(path: &Path) -> Result<Secret, Failure> {
    let mut bytes = read(path)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// A whole small file, read without a buffer between: it may be secret.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unread = |error: io::Error| {
        Failure::new(
            ErrorKind::NotFound,
            &format!("{} cannot be read", path.display()),
            &error.to_string(),
            "see that the file is there and yours to read",
        )
    };
    let file = if path == Path::new("-") {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(path)
    };
    // Of its full size from the start: a buffer that grows leaves pieces behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    file.and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unread)?;
    let wrong = |why| {
        let what = format!("{} is not what is needed", path.display());
        Failure::new(ErrorKind::Data, &what, why, "give one OpenPGP certificate or key, or one passphrase")
    };
    match bytes.len() {
        0 => Err(wrong("it is empty")),
        1..=MAX_FILE => Ok(bytes),
        _ => Err(wrong("it has more than 1 MiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn a_passphrase_loses_one_line_end_and_nothing_else() {
        for (content, expected) in [
            (&b"open sesame\n"[..], &b"open sesame"[..]),
            (b"open sesame\r\n", b"open sesame"),
            (b" open sesame \n\n", b" open sesame \n"),
            (b"open\r", b"open\r"),
        ] {
            let (_dir, path) = file(content);
            assert_eq!(passphrase(&path).unwrap_or_else(|e| panic!("{e}")).bytes(), expected);
        }
    }

    #[test]
    fn a_secret_key_is_not_sent_in_place_of_a_certificate() {
        let (_dir, path) = file(b"some words\n-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nabc");
        let failure = certificate(&path).unwrap_err();
        assert_eq!(failure.exit_code(), 65);
        assert!(failure.to_string().contains("secret key"), "{failure}");
        assert!(secret(&path).is_ok(), "but a key import takes it");
        for first in [0x95, 0x9d, 0xc5, 0xc7] {
            let (_dir, path) = file(&[first, 0x03, 0x58, 0x04]);
            assert!(certificate(&path).unwrap_err().to_string().contains("secret key"), "{first:#x}");
        }
    }

    #[test]
    fn missing_empty_and_huge_files_are_told_apart() {
        assert_eq!(certificate(Path::new("/nonexistent/cert.asc")).unwrap_err().exit_code(), 66);
        let (_dir, empty) = file(b"");
        assert_eq!(certificate(&empty).unwrap_err().exit_code(), 65);
        let (_dir, huge) = file(&vec![b'x'; MAX_FILE + 1]);
        let failure = certificate(&huge).unwrap_err();
        assert!(failure.to_string().contains("1 MiB"), "{failure}");
        let (_dir, largest) = file(&vec![b'x'; MAX_FILE]);
        assert!(certificate(&largest).is_ok());
    }
}
