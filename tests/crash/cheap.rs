//! Keys that open at once. A daemon that is started a thousand times would spend most of its life on passphrases, which
//! cost what they cost on purpose; so an installation of these tests gets its keys locked anew, as cheaply as OpenPGP
//! allows.

use std::fs;
use std::path::{Path, PathBuf};

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::cert::amalgamation::key::PrimaryKey;
use openpgp::crypto::{Password, S2K};
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use openpgp::types::{AEADAlgorithm, HashAlgorithm, SymmetricAlgorithm};

/// Locks the lists' keys and the spool keys of an installation anew. The tag key stays as it is.
pub(crate) fn cheapen(root: &Path) {
    let passphrase = fs::read_to_string(root.join("passphrase")).unwrap();
    let passphrase = Password::from(passphrase.trim());
    for path in secret_keys(&root.join("keys")) {
        let cert = openpgp::Cert::from_file(&path).unwrap();
        let mut packets: Vec<Packet> = Vec::new();
        for ka in cert.keys().secret() {
            let (public, secret) = ka.key().clone().take_secret();
            let secret = secret.decrypt(&public, &passphrase).unwrap();
            let s2k = S2K::new_iterated(HashAlgorithm::SHA256, 1024).unwrap();
            let aead = (public.version() == 6).then_some(AEADAlgorithm::OCB);
            let secret =
                secret.encrypt_with(&public, s2k, SymmetricAlgorithm::AES256, aead, &passphrase).unwrap();
            packets.push(if ka.primary() {
                public.role_into_primary().add_secret(secret).0.into()
            } else {
                public.role_into_subordinate().add_secret(secret).0.into()
            });
        }
        let locked = cert.strip_secret_key_material().insert_packets(packets).unwrap().0;
        fs::write(&path, locked.as_tsk().armored().to_vec().unwrap()).unwrap();
    }
}

fn secret_keys(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(secret_keys(&path));
        } else {
            let name = path.file_name().unwrap().to_str().unwrap();
            if name == "secret.asc" || name.starts_with(|c: char| c.is_ascii_digit()) {
                found.push(path);
            }
        }
    }
    found
}
