//! What can go wrong with the relay's own keys, for people.

use std::path::PathBuf;

use super::cert::CertError;
use crate::id::ListName;

/// Why a key could not be made, stored or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key is there already and is never overwritten.
    #[error(
        "{} exists and is not overwritten: use `key import` to replace a list's key, or restore from a backup what is \
         missing beside it",
        .0.display()
    )]
    Exists(PathBuf),
    /// There is no such key, and another one cannot take its place.
    #[error("{} is missing: restore it from a backup", .0.display())]
    Missing(PathBuf),
    /// A list has no key.
    #[error(
        "{} is missing: if the list is new, make its key with `vouchsafe key new {list}`, else restore it from a backup",
        path.display()
    )]
    MissingList {
        /// The file.
        path: PathBuf,
        /// The list.
        list: ListName,
    },
    /// A file or folder of the key directory is open to others.
    #[error(
        "{} is open to others (mode {mode:04o}), who may have copied or changed what is in it: chmod {right:03o} it, \
         and make new keys if anybody else uses this machine",
        path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        right: u32,
    },
    /// A secret key that needs no passphrase.
    #[error(
        "{} holds a secret key without a passphrase, so whoever gets the file has the key: restore the locked one \
         from a backup, or import it into gpg, give it the keys' passphrase there (--passwd) and export it again",
        .0.display()
    )]
    Unlocked(PathBuf),
    /// The secret key is not the one of the public certificate.
    #[error(
        "{} is not the key of {}, so what people encrypt to that certificate could not be opened: restore both from \
         the same backup",
        secret.display(), cert.display()
    )]
    Mismatch {
        /// The secret key's file.
        secret: PathBuf,
        /// The certificate's file.
        cert: PathBuf,
    },
    /// Others can read it.
    #[error("{} can be read by others: chmod 600 it, and change the passphrase if anybody else uses this machine", .0.display())]
    Readable(PathBuf),
    /// The passphrase does not fit.
    #[error("the passphrase does not unlock {}: check which passphrase it was made with", .0.display())]
    WrongPassphrase(PathBuf),
    /// Not what it should be.
    #[error("{} is not a usable key: restore it from a backup", .0.display())]
    Malformed(PathBuf),
    /// The passphrase is empty.
    #[error("the passphrase is empty: give one, or let `init` make one")]
    EmptyPassphrase,
    /// The key to import is locked and its passphrase was not given or is wrong.
    #[error("the key to import is locked: give the passphrase it was exported with")]
    ImportLocked,
    /// The key to import is none.
    #[error(
        "this is not one OpenPGP secret key: export it with gpg --export-secret-keys --armor FINGERPRINT"
    )]
    ImportNoKey,
    /// The key to import cannot serve.
    #[error(
        "this key cannot serve a list: it needs living keys for signing and for encryption, with their secret halves"
    )]
    ImportUnfit,
    /// The certificate part is not usable.
    #[error(transparent)]
    Cert(#[from] CertError),
    /// The library failed.
    #[error("the OpenPGP library failed to {0}: check the names and addresses of the list")]
    Library(&'static str),
}
