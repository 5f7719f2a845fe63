//! Passwords and tokens for other hosts: one line in a file that only the daemon's user can read, or in a systemd
//! credential. Read anew each time they are needed, so that a change needs no restart, and wiped when dropped.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// More than any password or token; a file that is longer is another file.
const LONGEST: u64 = 16 * 1024;

/// A password or token. It cannot be printed, cloned or serialised.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the first line of `bytes`.
    ///
    /// # Errors
    /// [`Unusable::Empty`] without `place`'s text.
    pub fn first_line(bytes: Zeroizing<Vec<u8>>, place: &str) -> Result<Self, Unusable> {
        let mut line = bytes;
        if let Some(end) = line.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            line.truncate(end);
        }
        if line.is_empty() { Err(Unusable::Empty(place.to_owned())) } else { Ok(Self(line)) }
    }

    /// The bytes, for the exchange that they are needed for.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Where a password is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file that only the daemon's user can read (mode 0600).
    File(PathBuf),
    /// The name of a systemd credential.
    Credential(String),
}

impl Source {
    /// From the two settings that can name one, of which exactly one has to be set.
    ///
    /// # Errors
    /// What is wrong with them, as a sentence that names `password_file` and `password_credential`.
    pub fn of(file: Option<&Path>, credential: Option<&str>) -> Result<Self, &'static str> {
        match (file, credential) {
            (Some(_), Some(_)) => {
                Err("password_file and password_credential are both set: leave one of them out")
            }
            (None, None) => Err("there is no password: set password_file or password_credential"),
            (Some(file), None) => Ok(Self::File(file.to_owned())),
            // systemd.exec(5): a credential's name is a file name.
            (None, Some(name)) if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) => {
                Err("password_credential is the NAME of LoadCredential=NAME:PATH, not a path")
            }
            (None, Some(name)) => Ok(Self::Credential(name.to_owned())),
        }
    }

    /// Reads it now. It blocks for as long as a small file takes.
    ///
    /// # Errors
    /// When it is not there, is empty, or can be read by others.
    pub fn read(&self) -> Result<Secret, Unusable> {
        self.read_in(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref())
    }

    fn read_in(&self, credentials: Option<&Path>) -> Result<Secret, Unusable> {
        match self {
            Self::File(path) => read(path, 0o077),
            // systemd lets the daemon's user in by an access control list, whose mask shows as group bits.
            Self::Credential(name) => match credentials {
                Some(folder) => read(&folder.join(name), 0o007),
                None => Err(Unusable::NoCredentials(name.clone())),
            },
        }
    }
}

fn read(path: &Path, others: u32) -> Result<Secret, Unusable> {
    let place = path.display().to_string();
    let failed = |why: std::io::Error| match why.kind() {
        ErrorKind::NotFound => Unusable::Missing(place.clone()),
        kind => Unusable::Unreadable { place: place.clone(), why: kind.to_string() },
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.permissions().mode() & others != 0 {
        return Err(Unusable::Open(place));
    }
    // Roomy enough that reading does not move it and leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or(usize::MAX) + 1));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > LONGEST) {
        return Err(Unusable::TooLong(place));
    }
    Secret::first_line(bytes, &place)
}

/// No password. Nothing here quotes one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing lies there.
    #[error("{0} is not there")]
    Missing(String),
    /// It lies there and cannot be read.
    #[error("{place} cannot be read ({why}); the daemon's user has to own it")]
    Unreadable {
        /// The file.
        place: String,
        /// What the system said.
        why: String,
    },
    /// Others can read it, too.
    #[error("{0} can be read by others; chmod 600 {0}")]
    Open(String),
    /// Its first line is empty.
    #[error("{0} has an empty first line; the password has to stand there")]
    Empty(String),
    /// Nobody has such a password.
    #[error("{0} is too long for a password")]
    TooLong(String),
    /// systemd gave this process no credentials.
    #[error(
        "systemd gave this process no credentials, so \"{0}\" cannot be read: start it by its unit with \
         LoadCredentialEncrypted={0}:PATH"
    )]
    NoCredentials(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    fn read_file(content: &[u8], mode: u32) -> Result<Vec<u8>, Unusable> {
        let (_folder, path) = with(content, mode);
        Source::File(path).read().map(|secret| secret.as_bytes().to_vec())
    }

    #[test]
    fn the_first_line_is_the_password() {
        for content in [&b"open sesame"[..], b"open sesame\n", b"open sesame\r\nsecond\n"] {
            assert_eq!(read_file(content, 0o600).unwrap(), b"open sesame");
        }
        assert!(matches!(read_file(b"\nsecond", 0o600), Err(Unusable::Empty(_))));
        assert!(matches!(read_file(b"", 0o400), Err(Unusable::Empty(_))));
        assert!(matches!(read_file(&[b'a'; 20_000], 0o600), Err(Unusable::TooLong(_))));
        assert!(matches!(Source::File("/nowhere/password".into()).read(), Err(Unusable::Missing(_))));
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        for mode in [0o640, 0o604, 0o620] {
            let refused = read_file(b"open sesame", mode).unwrap_err().to_string();
            assert!(refused.contains("chmod 600") && !refused.contains("sesame"), "{refused}");
        }
    }

    #[test]
    fn a_credential_may_show_its_mask_but_is_nobody_elses() {
        let named = Source::Credential("password".to_owned());
        for (mode, usable) in [(0o400, true), (0o440, true), (0o444, false)] {
            let (folder, _) = with(b"open sesame\n", mode);
            assert_eq!(named.read_in(Some(folder.path())).is_ok(), usable, "{mode:o}");
        }
        let outside = named.read_in(None).err().unwrap().to_string();
        assert!(outside.contains("LoadCredentialEncrypted=password:PATH"), "{outside}");
    }

    #[test]
    fn there_is_exactly_one_source() {
        let file = Some(Path::new("/p"));
        assert!(Source::of(file, Some("p")).is_err() && Source::of(None, None).is_err());
        assert_eq!(Source::of(file, None), Ok(Source::File("/p".into())));
        assert_eq!(Source::of(None, Some("p")), Ok(Source::Credential("p".to_owned())));
        for bad in ["", ".", "../p", "a/b"] {
            assert!(Source::of(None, Some(bad)).is_err(), "{bad}");
        }
    }
}
