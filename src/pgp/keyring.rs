//! The relay's own keys on disk. Secret keys are locked under the passphrase by OpenPGP's own means, so that `gpg`
//! reads them in an emergency.
//!
//! ```text
//! DIR/<list>/secret.asc         locked secret key, 0600      DIR/<list>/cert.asc        what everybody may have
//! DIR/<list>/secret-<fpr>.asc   former ones: old mail opens  DIR/<list>/revocation.asc  for the day it leaks, 0600
//! DIR/spool/<millis>-<fpr>.asc  spool keys, locked, 0600     DIR/tags.pgp               locked tag key, 0600
//! ```
//!
//! Directories are 0700. Every file is written beside its place, synced, moved there, and the directory synced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sequoia_openpgp as openpgp;

use openpgp::parse::Parse;
use zeroize::Zeroizing;

use super::cert::{Cert, identity};
use super::decrypt::{Bounds, Keys, decrypt};
pub use super::key_error::KeyError;
pub use super::keys::{ListKey, Passphrase, SpoolCert, SpoolKeys, TagKey, UserId};
use super::keys::{
    armored_key, armored_revocation, lock, new_list_key, new_spool_key, revocation, seal_tag, serves_a_list,
    unlock,
};
use crate::id::{Entropy, Fingerprint, ListName};
use crate::secret::Plaintext;
use crate::time::Timestamp;

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

/// The directory that holds all keys of the relay.
#[derive(Clone, Debug)]
pub struct KeyDir(PathBuf);

impl KeyDir {
    /// At this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes a list's key: version 4, Ed25519 and Cv25519, one User ID per address, no expiry, and a revocation
    /// certificate.
    ///
    /// # Errors
    /// [`KeyError::Exists`] when the list has a key.
    pub fn create_list(
        &self,
        list: &ListName,
        ids: &[UserId],
        pass: &Passphrase,
        now: Timestamp,
    ) -> Result<Cert, KeyError> {
        let dir = self.list_dir(list);
        let place = dir.join(SECRET);
        if place.exists() {
            return Err(KeyError::Exists(place));
        }
        let (key, revocation) = new_list_key(ids, now).map_err(|_| KeyError::Library("make a key"))?;
        let cert = Cert::from_openpgp(key.clone())?;
        let locked = lock(key, pass).map_err(|_| KeyError::Library("lock a key"))?;
        make_dir(&dir)?;
        // The secret key last: a list has a key when that is there.
        replace(&dir.join(REVOCATION), &revocation_file(&revocation)?, 0o600)?;
        replace(&dir.join(CERT), cert.armored().as_bytes(), 0o644)?;
        create(&place, &key_file(&locked)?)?;
        Ok(cert)
    }

    /// Takes over a secret key that was made elsewhere. A former key stays beside it, so that old mail still opens.
    ///
    /// # Errors
    /// [`KeyError::ImportNoKey`], [`KeyError::ImportLocked`], [`KeyError::ImportUnfit`] say what is wrong with it.
    pub fn import_list(
        &self,
        list: &ListName,
        key: &Plaintext,
        theirs: Option<&Passphrase>,
        ours: &Passphrase,
        now: Timestamp,
    ) -> Result<Cert, KeyError> {
        let key = openpgp::Cert::from_bytes(key.expose()).map_err(|_| KeyError::ImportNoKey)?;
        if !key.is_tsk() {
            return Err(KeyError::ImportNoKey);
        }
        let key = unlock(key, theirs).map_err(|_| KeyError::ImportLocked)?;
        if !serves_a_list(&key, now) {
            return Err(KeyError::ImportUnfit);
        }
        let revocation = revocation(&key, now);
        let dir = self.list_dir(list);
        make_dir(&dir)?;
        let place = dir.join(SECRET);
        let mut locked = lock(key, ours).map_err(|_| KeyError::Library("lock a key"))?;
        if place.exists() {
            let former = read_key(&place)?;
            if former.fingerprint() == locked.fingerprint() {
                // The same key in a newer state: nothing of the former is lost.
                locked = former.merge_public_and_secret(locked).map_err(|_| KeyError::ImportNoKey)?;
            } else {
                let keep = dir.join(format!("secret-{}.asc", former.fingerprint().to_hex()));
                replace(&keep, &key_file(&former)?, 0o600)?;
            }
        }
        let cert = Cert::from_openpgp(locked.clone())?;
        if let Some(revocation) = revocation {
            replace(&dir.join(REVOCATION), &revocation_file(&revocation)?, 0o600)?;
        }
        replace(&place, &key_file(&locked)?, 0o600)?;
        replace(&dir.join(CERT), cert.armored().as_bytes(), 0o644)?;
        Ok(cert)
    }

    /// A list's certificate, without any passphrase.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when the list has none.
    pub fn list_cert(&self, list: &ListName) -> Result<Cert, KeyError> {
        Ok(Cert::parse(&read(&self.list_dir(list).join(CERT))?)?)
    }

    /// A list's key, unlocked, with its former ones.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], [`KeyError::Missing`], [`KeyError::Malformed`].
    pub fn load_list(&self, list: &ListName, pass: &Passphrase) -> Result<ListKey, KeyError> {
        let dir = self.list_dir(list);
        let place = dir.join(SECRET);
        let current = unlock_file(&place, pass)?;
        let mut former = Vec::new();
        for path in files(&dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("secret-") && name.ends_with(".asc") {
                former.push(unlock_file(&path, pass)?);
            }
        }
        ListKey::assemble(current, &former).ok_or(KeyError::Malformed(place))
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
            keys.push((unlock_file(&path, pass)?, made_at));
        }
        SpoolKeys::assemble(&keys).ok_or(KeyError::Missing(self.spool_dir()))
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

    /// Destroys a drained spool key: overwritten, synced, removed. On file systems that copy on write the old blocks
    /// may live on, locked under the passphrase.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is no such key.
    pub fn destroy_spool(&self, which: Fingerprint) -> Result<(), KeyError> {
        for (path, _) in self.spool_files()? {
            if identity(&read_key(&path)?.fingerprint()) != Some(which) {
                continue;
            }
            let mut file = OpenOptions::new().write(true).open(&path).map_err(io("open", &path))?;
            let len = file.metadata().map_err(io("read", &path))?.len();
            std::io::copy(&mut std::io::repeat(0).take(len), &mut file)
                .and_then(|_| file.sync_all())
                .and_then(|()| fs::remove_file(&path))
                .map_err(io("destroy", &path))?;
            return sync_parent(&path);
        }
        Err(KeyError::Missing(self.spool_dir().join(format!("*-{which}.asc"))))
    }

    /// Makes the tag key: 32 random bytes in a password-encrypted OpenPGP message.
    ///
    /// # Errors
    /// [`KeyError::Exists`] when there is one: with another, no replay is recognised and no thread holds.
    pub fn create_tags(&self, pass: &Passphrase, entropy: &Entropy) -> Result<(), KeyError> {
        let tag = TagKey(entropy.bytes());
        let sealed = seal_tag(&tag, pass).map_err(|_| KeyError::Library("lock a key"))?;
        make_dir(&self.0)?;
        create(&self.0.join(TAGS), &sealed)
    }

    /// The tag key, unlocked.
    ///
    /// # Errors
    /// As [`KeyDir::load_list`].
    pub fn load_tags(&self, pass: &Passphrase) -> Result<TagKey, KeyError> {
        let path = self.0.join(TAGS);
        let bounds = Bounds { plaintext: 32, attempts: 1, nesting: 1 };
        // No signature and no certificate: the policy's time decides nothing but the packet types.
        let at = Timestamp::from_secs(TAG_POLICY_SECS);
        let content = decrypt(&read(&path)?, &Keys::Password(&pass.0), bounds, at, None)
            .map_err(|_| KeyError::WrongPassphrase(path.clone()))?;
        let bytes = Zeroizing::new(
            <[u8; 32]>::try_from(content.bytes.expose()).map_err(|_| KeyError::Malformed(path))?,
        );
        Ok(TagKey(*bytes))
    }

    fn list_dir(&self, list: &ListName) -> PathBuf {
        // A list named "spool" shares that directory and no file name: spool keys start with digits.
        self.0.join(list.as_str())
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
const CERT: &str = "cert.asc";
const REVOCATION: &str = "revocation.asc";
const TAGS: &str = "tags.pgp";
/// 2026-01-01.
const TAG_POLICY_SECS: i64 = 1_767_225_600;

fn unlock_file(path: &Path, pass: &Passphrase) -> Result<openpgp::Cert, KeyError> {
    unlock(read_key(path)?, Some(pass)).map_err(|_| KeyError::WrongPassphrase(path.to_owned()))
}

fn read_key(path: &Path) -> Result<openpgp::Cert, KeyError> {
    openpgp::Cert::from_bytes(&read(path)?).map_err(|_| KeyError::Malformed(path.to_owned()))
}

fn key_file(locked: &openpgp::Cert) -> Result<Vec<u8>, KeyError> {
    armored_key(locked).map_err(|_| KeyError::Library("write a key"))
}

fn revocation_file(revocation: &openpgp::Packet) -> Result<Vec<u8>, KeyError> {
    armored_revocation(revocation).map_err(|_| KeyError::Library("write a revocation certificate"))
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| match source.kind() {
        ErrorKind::NotFound => KeyError::Missing(path),
        _ => KeyError::Io { what, path, source },
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    fs::read(path).map_err(io("read", path))
}

/// What lies in a directory; nothing when it does not exist.
fn files(dir: &Path) -> Result<Vec<PathBuf>, KeyError> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io("list", dir)(error)),
        Ok(entries) => entries.map(|entry| entry.map(|e| e.path()).map_err(io("list", dir))).collect(),
    }
}

fn make_dir(dir: &Path) -> Result<(), KeyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("create", dir))?;
    sync_parent(dir)
}

/// Writes a new 0600 file; never over another.
fn create(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let draft = draft(path, bytes, 0o600)?;
    // A hard link fails when the name is taken, a rename would not.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(io("remove", &draft))?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(KeyError::Exists(path.to_owned())),
        linked => linked.map_err(io("create", path)).and_then(|()| sync_parent(path)),
    }
}

/// Writes a file in place of any other.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
    let draft = draft(path, bytes, mode)?;
    fs::rename(&draft, path).map_err(io("replace", path))?;
    sync_parent(path)
}

fn draft(path: &Path, bytes: &[u8], mode: u32) -> Result<PathBuf, KeyError> {
    let draft = path.with_added_extension("new");
    // Left over from a crash.
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .map_err(io("create", &draft))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write", &draft))?;
    Ok(draft)
}

fn sync_parent(path: &Path) -> Result<(), KeyError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            File::open(parent).and_then(|dir| dir.sync_all()).map_err(io("sync", parent))
        }
        _ => Ok(()),
    }
}
