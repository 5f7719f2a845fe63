//! Secret keys that were made elsewhere: looked at first, taken over then.

use std::fs;

use sequoia_openpgp as openpgp;

use openpgp::parse::Parse;

use super::files::{create, io, make_dir, read, replace};
use super::{CERT, KeyDir, KeyError, Passphrase, REVOCATION, SECRET};
use super::{key_file, read_key, revocation_file};
use crate::id::ListName;
use crate::pgp::cert::Cert;
use crate::pgp::keys::{lock, revocation, serves_a_list, unlock};
use crate::secret::Plaintext;
use crate::time::Timestamp;

impl KeyDir {
    /// The certificate of a secret key that was made elsewhere, if it can serve a list. Nothing is written.
    ///
    /// # Errors
    /// [`KeyError::ImportNoKey`], [`KeyError::ImportLocked`], [`KeyError::ImportUnfit`] say what is wrong with it.
    pub fn examine(
        &self,
        key: &Plaintext,
        theirs: Option<&Passphrase>,
        now: Timestamp,
    ) -> Result<Cert, KeyError> {
        Ok(Cert::from_openpgp(opened(key, theirs, now)?)?)
    }

    /// Takes over a secret key that was made elsewhere. A former key stays beside it, so that old mail still opens, and
    /// so does its revocation certificate.
    ///
    /// # Errors
    /// As [`KeyDir::examine`], and when the files cannot be written.
    pub fn import_list(
        &self,
        list: &ListName,
        key: &Plaintext,
        theirs: Option<&Passphrase>,
        ours: &Passphrase,
        now: Timestamp,
    ) -> Result<Cert, KeyError> {
        let key = opened(key, theirs, now)?;
        let new_revocation = revocation(&key, now);
        let dir = self.list_dir(list);
        make_dir(&dir)?;
        let (place, revocation) = (dir.join(SECRET), dir.join(REVOCATION));
        let mut locked = lock(key, ours).map_err(|_| KeyError::Library("lock a key"))?;
        if place.exists() {
            let former = read_key(&place)?;
            if former.fingerprint() == locked.fingerprint() {
                // The same key in a newer state: nothing of the former is lost.
                locked = former.merge_public_and_secret(locked).map_err(|_| KeyError::ImportNoKey)?;
            } else {
                let name = former.fingerprint().to_hex();
                replace(&dir.join(format!("secret-{name}.asc")), &key_file(&former)?, 0o600)?;
                if revocation.exists() {
                    // Not over another: after an import that was cut short the one in its place is the new key's.
                    match create(&dir.join(format!("revocation-{name}.asc")), &read(&revocation)?) {
                        Ok(()) | Err(KeyError::Exists(_)) => {}
                        Err(error) => return Err(error),
                    }
                    fs::remove_file(&revocation).map_err(io("remove", &revocation))?;
                }
            }
        }
        let cert = Cert::from_openpgp(locked.clone())?;
        if let Some(new) = new_revocation {
            replace(&revocation, &revocation_file(&new)?, 0o600)?;
        }
        // A crash before the certificate leaves the former key's, which the next start replaces.
        replace(&place, &key_file(&locked)?, 0o600)?;
        replace(&dir.join(CERT), cert.armored().as_bytes(), 0o644)?;
        Ok(cert)
    }
}

/// The key, unlocked.
fn opened(key: &Plaintext, theirs: Option<&Passphrase>, now: Timestamp) -> Result<openpgp::Cert, KeyError> {
    let key = openpgp::Cert::from_bytes(key.expose()).map_err(|_| KeyError::ImportNoKey)?;
    if !key.is_tsk() {
        return Err(KeyError::ImportNoKey);
    }
    let key = unlock(key, theirs).map_err(|_| KeyError::ImportLocked)?;
    if !serves_a_list(&key, now) {
        return Err(KeyError::ImportUnfit);
    }
    Ok(key)
}
