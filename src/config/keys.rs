//! `[keys]`: where the relay's own keys lie, and where their passphrase comes from.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::Source;
use super::source::ConfigError;
use crate::pgp::keyring::{KeyError, Passphrase};
use crate::policy::duration;
use crate::secret::Plaintext;

/// `[keys]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// The directory of the keys.
    pub path: PathBuf,
    /// A file (mode 0600) that holds the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The name of a systemd credential that holds it.
    pub passphrase_credential: Option<String>,
    /// How old a spool key becomes before a new one takes its place.
    #[serde(deserialize_with = "duration::required")]
    pub spool_rotate: Duration,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            path: PathBuf::from("keys"),
            passphrase_file: None,
            passphrase_credential: None,
            spool_rotate: Duration::from_secs(30 * 86_400),
        }
    }
}

/// Where the passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// A file of ours.
    File(PathBuf),
    /// A systemd credential; `path` is `None` when this process was given none by systemd.
    Credential {
        /// Its name.
        name: String,
        /// Where it lies, below `$CREDENTIALS_DIRECTORY`.
        path: Option<PathBuf>,
    },
    /// A question at the terminal.
    Prompt,
}

/// No passphrase.
#[derive(Debug, thiserror::Error)]
pub enum NoPassphrase {
    /// The file or credential cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// systemd gave this process no credentials.
    #[error(
        "systemd gave this process no credentials, so \"{0}\" cannot be read: start it by its unit with \
         LoadCredentialEncrypted={0}:PATH"
    )]
    NoCredentials(String),
}

impl PassphraseSource {
    /// Reads the passphrase; `None` when a person has to be asked.
    ///
    /// # Errors
    /// When it is not there, is empty, or can be read by others.
    pub fn read(&self) -> Result<Option<Passphrase>, NoPassphrase> {
        match self {
            Self::Prompt => Ok(None),
            Self::File(path) => Ok(Some(Passphrase::from_file(path)?)),
            Self::Credential { name, path: None } => Err(NoPassphrase::NoCredentials(name.clone())),
            Self::Credential { path: Some(path), .. } => Ok(Some(credential(path)?)),
        }
    }
}

/// systemd lets the daemon's user in by an access control list, whose mask shows as group bits: unlike a file of
/// ours, a credential may look readable by its group.
fn credential(path: &Path) -> Result<Passphrase, KeyError> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => KeyError::Missing(path.to_owned()),
        _ => KeyError::Io { what: "read", path: path.to_owned(), source },
    };
    if std::fs::metadata(path).map_err(io)?.permissions().mode() & 0o007 != 0 {
        return Err(KeyError::Readable(path.to_owned()));
    }
    let mut bytes = std::fs::read(path).map_err(io)?;
    if let Some(end) = bytes.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        bytes.truncate(end);
    }
    let line = Plaintext::new(bytes);
    if line.is_empty() { Err(KeyError::EmptyPassphrase) } else { Ok(Passphrase::new(line)) }
}

impl Keys {
    /// Where the passphrase comes from. `credentials` is the value of `$CREDENTIALS_DIRECTORY`.
    #[must_use]
    pub fn passphrase_source(&self, credentials: Option<&Path>) -> PassphraseSource {
        match (&self.passphrase_file, &self.passphrase_credential) {
            (Some(file), _) => PassphraseSource::File(file.clone()),
            (None, Some(name)) => PassphraseSource::Credential {
                name: name.clone(),
                path: credentials.map(|directory| directory.join(name)),
            },
            (None, None) => PassphraseSource::Prompt,
        }
    }

    pub(super) fn verify(&self, source: &Source) -> Result<(), ConfigError> {
        let key = ["keys", "passphrase_credential"];
        let Some(name) = &self.passphrase_credential else { return Ok(()) };
        if self.passphrase_file.is_some() {
            let what = "passphrase_file and passphrase_credential are both set: leave one of them out";
            return Err(source.error(&key, what));
        }
        // systemd.exec(5): a credential's name is a file name.
        let right = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if right {
            return Ok(());
        }
        let what = format!(
            "\"{name}\" is not the name of a credential: give the NAME of LoadCredential=NAME:PATH, not a path"
        );
        Err(source.error(&key, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passphrase_has_one_source() {
        let prompt = Keys::default();
        assert_eq!(prompt.passphrase_source(None), PassphraseSource::Prompt);
        let credential = Keys { passphrase_credential: Some("pass".to_owned()), ..Keys::default() };
        let given = credential.passphrase_source(Some(Path::new("/run/credentials/v")));
        let path = Some(PathBuf::from("/run/credentials/v/pass"));
        assert_eq!(given, PassphraseSource::Credential { name: "pass".to_owned(), path });
        let file = Keys { passphrase_file: Some("/p".into()), ..Keys::default() };
        assert_eq!(file.passphrase_source(None), PassphraseSource::File("/p".into()));
    }

    #[test]
    fn a_credential_may_show_its_mask_but_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        std::fs::write(&path, "open sesame\n").unwrap();
        let source = PassphraseSource::Credential { name: "pass".to_owned(), path: Some(path.clone()) };
        let with_mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            source.read()
        };
        assert!(with_mode(0o440).unwrap().is_some());
        assert!(matches!(with_mode(0o444), Err(NoPassphrase::Key(KeyError::Readable(_)))));
        let outside = PassphraseSource::Credential { name: "pass".to_owned(), path: None };
        assert!(outside.read().err().unwrap().to_string().contains("LoadCredentialEncrypted=pass:PATH"));
    }
}
