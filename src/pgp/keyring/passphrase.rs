//! Where a passphrase comes from: typed, made, or in a file.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::files::{io, sync_parent};
use super::{KeyError, Passphrase};
use crate::id::Entropy;
use crate::secret::Plaintext;

impl Passphrase {
    /// From what a person typed.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "takes it over, so that no other copy stays")]
    pub fn new(passphrase: Plaintext) -> Self {
        Self(passphrase.expose().into())
    }

    /// A new one: 160 random bits in base32.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        let bytes = Zeroizing::new(entropy.bytes::<20>());
        let text = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&*bytes).to_ascii_lowercase());
        Self(text.as_str().into())
    }

    /// Reads it from a file, without the line end.
    ///
    /// # Errors
    /// [`KeyError::Readable`] when group or others can read the file, [`KeyError::EmptyPassphrase`].
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let mut file = File::open(path).map_err(io("open", path))?;
        let mode = file.metadata().map_err(io("read", path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Readable(path.to_owned()));
        }
        // Roomy enough that reading does not move it and leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        file.read_to_end(&mut bytes).map_err(io("read", path))?;
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        if line.is_empty() {
            return Err(KeyError::EmptyPassphrase);
        }
        Ok(Self(line.into()))
    }

    /// Writes it to a new file, 0600.
    ///
    /// # Errors
    /// [`KeyError::Exists`] rather than overwrite.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let line = Zeroizing::new(self.0.map(|bytes| [bytes.as_ref(), b"\n"].concat()));
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(KeyError::Exists(path.to_owned()));
            }
            file => file.map_err(io("create", path))?,
        };
        file.write_all(&line).and_then(|()| file.sync_all()).map_err(io("write", path))?;
        sync_parent(path)
    }
}
