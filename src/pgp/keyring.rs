//! The relay's own keys on disk. Secret keys are locked under the passphrase by OpenPGP's own means, so that `gpg`
//! reads them in an emergency.
//!
//! ```text
//! DIR/<list>/secret.asc         locked secret key, 0600      DIR/<list>/cert.asc        what everybody may have
//! DIR/<list>/secret-<fpr>.asc   former ones: old mail opens  DIR/<list>/revocation.asc  for the day it leaks, 0600
//!                                                            DIR/<list>/revocation-<fpr>.asc  of a former key, 0600
//! DIR/spool/<millis>-<fpr>.asc  spool keys, locked, 0600     DIR/tags.pgp               locked tag key, 0600
//! DIR/dkim/<domain>/            see `dkim`
//! ```
//!
//! Directories are 0700. Every file is written beside its place, synced, moved there, and the directory synced.

mod destroy;
mod dkim;
mod files;
mod import;
mod passphrase;

use std::fs;
use std::path::{Path, PathBuf};

use sequoia_openpgp as openpgp;

use openpgp::parse::Parse;
use zeroize::Zeroizing;

use self::files::{
    CERT, create, discard, exposed, files, hand_over, make_dir, place, read, read_secret, replace,
    sweep_drafts, sync_dir,
};
use super::cert::{Cert, identity};
use super::decrypt::{Bounds, Keys, decrypt};
pub use super::key_error::KeyError;
pub use super::keys::{ListKey, Passphrase, SpoolCert, SpoolKeys, TagKey, UserId};
use super::keys::{armored_key, armored_revocation, lock, new_list_key, new_spool_key, seal_secret, unlock};
use crate::failpoint::{self, Point};
use crate::id::{Entropy, ListName};
use crate::time::Timestamp;

/// The directory that holds all keys of the relay.
#[derive(Clone, Debug)]
pub struct KeyDir(PathBuf);

impl KeyDir {
    /// At this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes a list's key: version 4, Ed25519 and Cv25519, one User ID per address, no expiry, and a revocation
    /// certificate. The files belong to whom the key directory belongs.
    ///
    /// # Errors
    /// [`KeyError::Exists`] when the list has a key. Nothing was changed then.
    pub fn create_list(
        &self,
        list: &ListName,
        ids: &[UserId],
        pass: &Passphrase,
        now: Timestamp,
    ) -> Result<Cert, KeyError> {
        let dir = self.list_dir(list);
        // Without the secret key the others are what is left of it: only they can revoke it.
        if let Some(there) =
            [SECRET, CERT, REVOCATION].map(|name| dir.join(name)).into_iter().find(|p| p.exists())
        {
            return Err(KeyError::Exists(there));
        }
        let (key, revocation) = new_list_key(ids, now).map_err(|_| KeyError::Library("make a key"))?;
        let cert = Cert::from_openpgp(key.clone())?;
        let locked = lock(key, pass).map_err(|_| KeyError::Library("lock a key"))?;
        make_dir(&self.0)?;
        // All in a folder of another name, which then gets its own: a crash leaves a whole key or none.
        let draft = self.list_draft(list);
        discard(&draft)?;
        make_dir(&draft)?;
        replace(&draft.join(REVOCATION), &revocation_file(&revocation)?, 0o600)?;
        replace(&draft.join(CERT), cert.armored().as_bytes(), 0o644)?;
        replace(&draft.join(SECRET), &key_file(&locked)?, 0o600)?;
        hand_over(&draft, &self.0)?;
        failpoint::hit(Point::ListKeyDrafted);
        place(&draft, &dir, &[REVOCATION, CERT, SECRET])?;
        failpoint::hit(Point::ListKeyPlaced);
        Ok(cert)
    }

    /// Makes the names of these lists' keys, of the spool keys, of the tag key and of DKIM's durable.
    ///
    /// # Errors
    /// When a directory cannot be synced.
    pub fn sync(&self, lists: &[ListName]) -> Result<(), KeyError> {
        let dirs = lists.iter().map(|list| self.list_dir(list)).chain([self.spool_dir()]);
        let all = dirs.chain(self.dkim_folders()?).filter(|dir| dir.is_dir()).chain([self.0.clone()]);
        all.into_iter().try_for_each(|dir| sync_dir(&dir))
    }

    /// Removes what a crash left of attempts to write the keys of these lists, the spool keys and the tag key. For a
    /// daemon that has loaded them all, so that nobody is making one of them.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn sweep(&self, lists: &[ListName]) -> Result<(), KeyError> {
        lists.iter().try_for_each(|list| discard(&self.list_draft(list)))?;
        let dirs = lists.iter().map(|list| self.list_dir(list)).chain([self.spool_dir(), self.0.clone()]);
        for dir in dirs {
            sweep_drafts(&dir)?;
        }
        Ok(())
    }

    /// A list's certificate, without any passphrase.
    ///
    /// # Errors
    /// [`KeyError::MissingList`] when the list has none.
    pub fn list_cert(&self, list: &ListName) -> Result<Cert, KeyError> {
        let dir = self.list_dir(list);
        let bytes = read(&dir.join(CERT)).map_err(|error| match error {
            KeyError::Missing(path) if !dir.join(SECRET).exists() => {
                KeyError::MissingList { path, list: list.clone() }
            }
            error => error,
        })?;
        Ok(Cert::parse(&bytes)?)
    }

    /// A list's key, unlocked, with its former ones.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], and as [`KeyDir::inspect_list`].
    pub fn load_list(&self, list: &ListName, pass: &Passphrase) -> Result<ListKey, KeyError> {
        let mut unlocked = Vec::new();
        for (path, key) in self.locked_list(list)? {
            unlocked.push(unlock_key(key, &path, pass)?);
        }
        let place = self.list_dir(list).join(SECRET);
        let (current, former) = unlocked.split_first().ok_or_else(|| KeyError::Missing(place.clone()))?;
        ListKey::assemble(current.clone(), former).ok_or(KeyError::Malformed(place))
    }

    /// Whether a list's files are what they should be, as far as that shows without the passphrase.
    ///
    /// # Errors
    /// [`KeyError::MissingList`], [`KeyError::Malformed`], [`KeyError::Exposed`], [`KeyError::Unlocked`],
    /// [`KeyError::Mismatch`].
    pub fn inspect_list(&self, list: &ListName) -> Result<(), KeyError> {
        self.locked_list(list).map(|_| ())
    }

    /// The current key first.
    fn locked_list(&self, list: &ListName) -> Result<Vec<(PathBuf, openpgp::Cert)>, KeyError> {
        let dir = self.list_dir(list);
        let place = dir.join(SECRET);
        let current = locked_key(&place).map_err(|error| match error {
            KeyError::Missing(path) => KeyError::MissingList { path, list: list.clone() },
            error => error,
        })?;
        let mut keys = vec![(place.clone(), current)];
        for path in files(&dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("secret-") && name.ends_with(".asc") {
                let key = locked_key(&path)?;
                keys.push((path, key));
            }
        }
        let public = self.list_cert(list)?.fingerprint();
        // That of a former key is left by an import that was cut short, and `KeyDir::publish` ends it.
        if keys.iter().all(|(_, key)| identity(&key.fingerprint()) != Some(public)) {
            return Err(KeyError::Mismatch { secret: place, cert: dir.join(CERT) });
        }
        Ok(keys)
    }

    /// Sees that a list's public file is that of its current key.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn publish(&self, list: &ListName, key: &ListKey) -> Result<(), KeyError> {
        if self.list_cert(list)?.fingerprint() == key.cert().fingerprint() {
            return Ok(());
        }
        replace(&self.list_dir(list).join(CERT), key.cert().armored().as_bytes(), 0o644)
    }

    /// Everything in the directory that others could read or change: the daemon refuses to start over it.
    #[must_use]
    pub fn exposed(&self) -> Vec<KeyError> {
        let below = |dir: &PathBuf| {
            let mut all = files(dir).unwrap_or_default();
            all.sort();
            all
        };
        let mut all = vec![self.0.clone()];
        let mut level = below(&self.0);
        // DIR/dkim/<domain>/<file> is the deepest; a link in a circle ends there, too.
        for _ in 0..3 {
            let inside = level.iter().flat_map(below).collect();
            all.append(&mut level);
            level = inside;
        }
        // What a link points to counts; one that leads nowhere is found by whoever needs it.
        all.iter().filter_map(|path| exposed(path, &fs::metadata(path).ok()?)).collect()
    }

    /// Makes a new spool key beside the others: version 6, X25519.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create_spool(&self, pass: &Passphrase, now: Timestamp) -> Result<SpoolCert, KeyError> {
        let key = new_spool_key(now).map_err(|_| KeyError::Library("make a key"))?;
        let public = SpoolCert::new(&key, now).ok_or(KeyError::Library("make a key"))?;
        let locked = lock(key, pass).map_err(|_| KeyError::Library("lock a key"))?;
        let dir = self.spool_dir();
        make_dir(&dir)?;
        // Wide enough that names sort by age.
        let name = format!("{:015}-{}.asc", now.millis().max(0), public.fingerprint());
        create(&dir.join(name), &key_file(&locked)?)?;
        Ok(public)
    }

    /// All spool keys, unlocked.
    ///
    /// # Errors
    /// As [`KeyDir::load_list`].
    pub fn load_spool(&self, pass: &Passphrase) -> Result<SpoolKeys, KeyError> {
        let mut keys = Vec::new();
        for (path, made_at) in self.spool_files()? {
            keys.push((unlock_key(locked_key(&path)?, &path, pass)?, made_at));
        }
        SpoolKeys::assemble(&keys).ok_or(KeyError::Missing(self.spool_dir()))
    }

    /// Whether the spool keys are what they should be, as far as that shows without the passphrase.
    ///
    /// # Errors
    /// As [`KeyDir::inspect_list`].
    pub fn inspect_spool(&self) -> Result<(), KeyError> {
        self.spool_files()?.iter().try_for_each(|(path, _)| locked_key(path).map(|_| ()))
    }

    /// The public half of the newest spool key, without any passphrase.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is none.
    pub fn spool_cert(&self) -> Result<SpoolCert, KeyError> {
        let newest = self.spool_files()?.into_iter().next();
        let (path, made_at) = newest.ok_or_else(|| KeyError::Missing(self.spool_dir()))?;
        SpoolCert::new(&read_key(&path)?.strip_secret_key_material(), made_at)
            .ok_or(KeyError::Malformed(path))
    }

    /// Makes the tag key: 32 random bytes in a password-encrypted OpenPGP message.
    ///
    /// # Errors
    /// [`KeyError::Exists`] when there is one: with another, no replay is recognised and no thread holds.
    pub fn create_tags(&self, pass: &Passphrase, entropy: &Entropy) -> Result<(), KeyError> {
        let tag = TagKey(entropy.bytes());
        let sealed = seal_secret(tag.as_bytes(), pass).map_err(|_| KeyError::Library("lock a key"))?;
        make_dir(&self.0)?;
        create(&self.0.join(TAGS), &sealed)
    }

    /// The tag key, unlocked.
    ///
    /// # Errors
    /// As [`KeyDir::load_list`].
    pub fn load_tags(&self, pass: &Passphrase) -> Result<TagKey, KeyError> {
        let path = self.0.join(TAGS);
        let bytes = opened_secret(&path, pass, 32)?;
        let bytes =
            Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Malformed(path))?);
        Ok(TagKey(*bytes))
    }

    fn list_dir(&self, list: &ListName) -> PathBuf {
        // A list named "spool" shares that directory and no file name: spool keys start with digits.
        self.0.join(list.as_str())
    }

    fn list_draft(&self, list: &ListName) -> PathBuf {
        // No list has a dot in its name.
        self.0.join(format!(".new-{list}"))
    }

    /// Those that hold keys of DKIM, and the one that holds them.
    fn dkim_folders(&self) -> Result<Vec<PathBuf>, KeyError> {
        let above = self.0.join(DKIM);
        Ok(files(&above)?.into_iter().filter(|path| path.is_dir()).chain([above]).collect())
    }

    fn spool_dir(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// The newest first.
    fn spool_files(&self) -> Result<Vec<(PathBuf, Timestamp)>, KeyError> {
        let mut found = Vec::new();
        for path in files(&self.spool_dir())? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let made_at = name.strip_suffix(".asc").and_then(|name| name.split_once('-')?.0.parse().ok());
            if let Some(millis) = made_at {
                found.push((path.clone(), Timestamp::from_millis(millis)));
            }
        }
        found.sort_by(|(a_path, a), (b_path, b)| (b, b_path).cmp(&(a, a_path)));
        Ok(found)
    }
}

const SECRET: &str = "secret.asc";
const REVOCATION: &str = "revocation.asc";
const TAGS: &str = "tags.pgp";
const DKIM: &str = "dkim";
/// 2026-01-01.
const SECRET_POLICY_SECS: i64 = 1_767_225_600;

fn unlock_key(key: openpgp::Cert, path: &Path, pass: &Passphrase) -> Result<openpgp::Cert, KeyError> {
    unlock(key, Some(pass)).map_err(|_| KeyError::WrongPassphrase(path.to_owned()))
}

/// A secret key that nobody else can read, and that only a passphrase opens.
fn locked_key(path: &Path) -> Result<openpgp::Cert, KeyError> {
    let key = openpgp::Cert::from_bytes(&read_secret(path)?)
        .ok()
        .filter(openpgp::Cert::is_tsk)
        .ok_or_else(|| KeyError::Malformed(path.to_owned()))?;
    match key.keys().unencrypted_secret().next() {
        Some(_) => Err(KeyError::Unlocked(path.to_owned())),
        None => Ok(key),
    }
}

fn read_key(path: &Path) -> Result<openpgp::Cert, KeyError> {
    openpgp::Cert::from_bytes(&read(path)?).map_err(|_| KeyError::Malformed(path.to_owned()))
}

/// What only the passphrase opens, and nobody else can read: at most `most` bytes.
fn opened_secret(path: &Path, pass: &Passphrase, most: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bounds = Bounds { plaintext: most, attempts: 1, nesting: 1 };
    // No signature and no certificate: the policy's time decides nothing but the packet types.
    let at = Timestamp::from_secs(SECRET_POLICY_SECS);
    let content = decrypt(&read_secret(path)?, &Keys::Password(&pass.0), bounds, at, None)
        .map_err(|_| KeyError::WrongPassphrase(path.to_owned()))?;
    Ok(Zeroizing::new(content.bytes.expose().to_vec()))
}

fn key_file(locked: &openpgp::Cert) -> Result<Vec<u8>, KeyError> {
    armored_key(locked).map_err(|_| KeyError::Library("write a key"))
}

fn revocation_file(revocation: &openpgp::Packet) -> Result<Vec<u8>, KeyError> {
    armored_revocation(revocation).map_err(|_| KeyError::Library("write a revocation certificate"))
}
