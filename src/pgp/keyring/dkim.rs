//! The keys that sign leaving mail for DKIM: a pair for each domain, one of them active.
//!
//! ```text
//! DIR/dkim/<domain>/<name>.pgp   both secret keys, PKCS #8 in PEM, in a message that the passphrase opens, 0600
//!                   <name>.txt   their public halves: selector, algorithm, base64, 0600
//!                   active       the name of the pair that signs; without it the first name does, 0600
//! ```
//!
//! A new pair beside an older one signs nothing until it is made active, so that it can be published first.

use std::path::{Path, PathBuf};

use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use zeroize::Zeroizing;

use super::files::{discard, files, hand_over, make_dir, place, read, replace};
use super::{DKIM, KeyDir, KeyError, Passphrase, opened_secret};
use crate::dkim::{Algorithm, Pair, Record, SecretKey};
use crate::pgp::keys::seal_secret;
use crate::time::Timestamp;

/// RFC 8301 §3.2: "Signers SHOULD use RSA keys of at least 2048 bits"; a larger one needs TCP in many a resolver.
const RSA_BITS: u32 = 2048;
/// More than two keys in PEM ever are, in bytes.
const MOST: usize = 16 * 1024;
const ACTIVE: &str = "active";

impl KeyDir {
    /// Makes a pair of keys for a domain. The first one of a domain is active at once, a further one is not. The files
    /// belong to whom the key directory belongs.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn create_dkim(&self, domain: &str, pass: &Passphrase, now: Timestamp) -> Result<Pair, KeyError> {
        let there = self.dkim(domain)?;
        let name = self.unused_name(domain, &there, now);
        let mut pem = Zeroizing::new(Vec::new());
        let mut public = String::new();
        for algorithm in Algorithm::ALL {
            let key = generate(algorithm).map_err(|_| KeyError::Library("make a key"))?;
            let one = key.private_key_to_pem_pkcs8().map_err(|_| KeyError::Library("write a key"))?;
            pem.extend_from_slice(&Zeroizing::new(one));
            let record = record(domain, &name, algorithm, &key)?;
            let Record { selector, key, .. } = &record;
            public.push_str(&format!("{selector} {} {key}\n", algorithm.name()));
        }
        let sealed = seal_secret(&pem, pass).map_err(|_| KeyError::Library("lock a key"))?;
        let above = self.0.join(DKIM);
        make_dir(&above)?;
        hand_over(&above, &self.0)?;
        // No domain begins with a dot.
        let draft = above.join(format!(".new-{domain}"));
        discard(&draft)?;
        make_dir(&draft)?;
        // A wrong clock gives a new pair the first name: which one signs is written down before there are two.
        if let Some(signing) = there.iter().find(|pair| pair.active) {
            self.mark(domain, &signing.name)?;
        }
        let names = [format!("{name}.txt"), format!("{name}.pgp"), ACTIVE.to_owned()];
        replace(&draft.join(&names[0]), public.as_bytes(), 0o600)?;
        replace(&draft.join(&names[1]), &sealed, 0o600)?;
        let active = there.is_empty();
        let mut placed: Vec<&str> = names.iter().map(String::as_str).collect();
        if active {
            replace(&draft.join(ACTIVE), format!("{name}\n").as_bytes(), 0o600)?;
        } else {
            placed.pop();
        }
        hand_over(&draft, &self.0)?;
        place(&draft, &self.dkim_dir(domain), &placed)?;
        let path = self.public_file(domain, &name);
        let records = records(domain, &path, &public)?;
        Ok(Pair { name, active, records })
    }

    /// The domains that have a folder of keys, whether a list is there still or not.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn dkim_domains(&self) -> Result<Vec<String>, KeyError> {
        let names = files(&self.0.join(DKIM))?.into_iter().filter(|path| path.is_dir());
        let names = names.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        // No domain begins with a dot: that is one in the making.
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        Ok(names)
    }

    /// The public halves of a domain's pairs, the oldest first as their names say; none when it has no keys.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], and when the folder cannot be read.
    pub fn dkim(&self, domain: &str) -> Result<Vec<Pair>, KeyError> {
        let dir = self.dkim_dir(domain);
        let mut names: Vec<String> = files(&dir)?
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "pgp"))
            .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
            .collect();
        // They begin with the day they were made on, and the second one of a day is longer.
        names.sort();
        let marked = match read(&dir.join(ACTIVE)) {
            Ok(text) => Some(String::from_utf8_lossy(&text).trim().to_owned()),
            Err(KeyError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        if marked.as_ref().is_some_and(|marked| !names.contains(marked)) {
            return Err(KeyError::Malformed(dir.join(ACTIVE)));
        }
        let active = marked.or_else(|| names.first().cloned());
        let mut pairs = Vec::new();
        for name in names {
            let path = self.public_file(domain, &name);
            let text = String::from_utf8(read(&path)?).map_err(|_| KeyError::Malformed(path.clone()))?;
            let active = active.as_ref() == Some(&name);
            pairs.push(Pair { records: records(domain, &path, &text)?, name, active });
        }
        Ok(pairs)
    }

    /// The active pair of a domain, unlocked; empty when it has no keys.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], [`KeyError::Mismatch`], and as [`KeyDir::dkim`].
    pub fn load_dkim(&self, domain: &str, pass: &Passphrase) -> Result<Vec<SecretKey>, KeyError> {
        let Some(pair) = self.dkim(domain)?.into_iter().find(|pair| pair.active) else {
            return Ok(Vec::new());
        };
        let path = self.dkim_dir(domain).join(format!("{}.pgp", pair.name));
        let malformed = || KeyError::Malformed(path.clone());
        let pem = opened_secret(&path, pass, MOST)?;
        let mut keys = Vec::new();
        for one in blocks(&pem) {
            let key = PKey::private_key_from_pem(one).map_err(|_| malformed())?;
            let algorithm = if key.id() == Id::RSA { Algorithm::Rsa } else { Algorithm::Ed25519 };
            let record = record(domain, &pair.name, algorithm, &key)?;
            let pkcs8 = Zeroizing::new(key.private_key_to_pkcs8().map_err(|_| malformed())?);
            keys.push(SecretKey::new(record, pkcs8));
        }
        // What is published must be what signs.
        if !keys.iter().map(|key| &key.record).eq(&pair.records) {
            return Err(KeyError::Mismatch { secret: path, cert: self.public_file(domain, &pair.name) });
        }
        Ok(keys)
    }

    /// Lets another pair of the domain sign from the daemon's next reload on.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is no such pair, and when the file cannot be written.
    pub fn activate_dkim(&self, domain: &str, name: &str) -> Result<(), KeyError> {
        let path = self.public_file(domain, name);
        if !self.dkim(domain)?.iter().any(|pair| pair.name == name) {
            return Err(KeyError::Missing(path));
        }
        self.mark(domain, name)
    }

    /// Writes down which pair signs.
    fn mark(&self, domain: &str, name: &str) -> Result<(), KeyError> {
        let dir = self.dkim_dir(domain);
        replace(&dir.join(ACTIVE), format!("{name}\n").as_bytes(), 0o600)?;
        hand_over(&dir, &self.0)
    }

    fn dkim_dir(&self, domain: &str) -> PathBuf {
        // A list named "dkim" has this folder as well, with files in it and no folders.
        self.0.join(DKIM).join(domain)
    }

    fn public_file(&self, domain: &str, name: &str) -> PathBuf {
        self.dkim_dir(domain).join(format!("{name}.txt"))
    }

    /// `vs` and the day, which says how old the key is wherever the selector is seen; a second one of the same day gets a
    /// letter. It stands behind all that there are, also where the clock is behind them.
    fn unused_name(&self, domain: &str, there: &[Pair], now: Timestamp) -> String {
        let day: String = now.to_string().chars().filter(|c| *c != '-').take(8).collect();
        let today = format!("vs{day}");
        let days = there.iter().filter_map(|pair| pair.name.get(..today.len()));
        let base = days.chain([today.as_str()]).max().unwrap_or_default().to_owned();
        let letters = ('b'..='z').map(|letter| format!("{base}{letter}"));
        let mut names = std::iter::once(base.clone()).chain(letters);
        let dir = self.dkim_dir(domain);
        let free = |name: &String| {
            there.iter().all(|pair| pair.name < *name)
                && ["txt", "pgp"].iter().all(|e| !dir.join(format!("{name}.{e}")).exists())
        };
        // The twenty-seventh finds the last name taken, and is refused.
        names.find(free).unwrap_or_else(|| format!("{base}z"))
    }
}

fn generate(algorithm: Algorithm) -> Result<PKey<Private>, openssl::error::ErrorStack> {
    match algorithm {
        Algorithm::Ed25519 => PKey::generate_ed25519(),
        Algorithm::Rsa => PKey::from_rsa(Rsa::generate(RSA_BITS)?),
    }
}

/// What DNS should say of a key.
fn record(domain: &str, name: &str, algorithm: Algorithm, key: &PKey<Private>) -> Result<Record, KeyError> {
    let public = match algorithm {
        // RFC 8463 §4: "the public key itself", without any wrapping.
        Algorithm::Ed25519 => key.raw_public_key(),
        Algorithm::Rsa => key.public_key_to_der(),
    };
    let key = data_encoding::BASE64.encode(&public.map_err(|_| KeyError::Library("write a key"))?);
    let selector = format!("{name}-{}", algorithm.name());
    Ok(Record { domain: domain.to_owned(), selector, algorithm, key })
}

/// The records that a public file holds.
fn records(domain: &str, path: &Path, text: &str) -> Result<[Record; 2], KeyError> {
    let record = |(line, algorithm): (&str, Algorithm)| {
        let (selector, rest) = line.split_once(' ')?;
        let (name, key) = rest.split_once(' ')?;
        let (domain, selector, key) = (domain.to_owned(), selector.to_owned(), key.to_owned());
        (name == algorithm.name()).then_some(Record { domain, selector, algorithm, key })
    };
    let found: Option<Vec<Record>> = text.lines().zip(Algorithm::ALL).map(record).collect();
    found.and_then(|found| found.try_into().ok()).ok_or_else(|| KeyError::Malformed(path.to_owned()))
}

/// The PEM blocks of a text.
fn blocks(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begin = b"-----BEGIN ";
    let starts: Vec<usize> =
        pem.windows(begin.len()).enumerate().filter(|(_, at)| at == begin).map(|(at, _)| at).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([pem.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|(from, to)| pem.get(from..to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Plaintext;

    const DOMAIN: &str = "lists.example.org";

    #[test]
    fn a_pair_made_by_a_wrong_clock_waits_like_any_other() {
        let pass = Passphrase::new(Plaintext::new(b"pass".to_vec()));
        let day = |n: i64| Timestamp::from_secs(1_800_000_000 + n * 86_400);
        // With the file, and without it, as former releases left it.
        for former in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let keys = KeyDir::new(folder.path());
            let first = keys.create_dkim(DOMAIN, &pass, day(0)).unwrap();
            let active = keys.dkim_dir(DOMAIN).join(ACTIVE);
            assert_eq!(std::fs::read_to_string(&active).unwrap(), format!("{}\n", first.name));
            if former {
                std::fs::remove_file(&active).unwrap();
                assert_eq!(keys.dkim(DOMAIN).unwrap(), std::slice::from_ref(&first));
            }
            let second = keys.create_dkim(DOMAIN, &pass, day(-400)).unwrap();
            assert!(first.active && !second.active && first.name < second.name, "{}", second.name);
            assert_eq!(keys.dkim(DOMAIN).unwrap(), [first.clone(), second.clone()]);
            assert!(keys.load_dkim(DOMAIN, &pass).unwrap()[0].record.selector.starts_with(&first.name));
            // Even a name from elsewhere that stands in front of it changes nothing.
            for end in ["txt", "pgp"] {
                let dir = keys.dkim_dir(DOMAIN);
                let from = dir.join(format!("{}.{end}", second.name));
                std::fs::rename(from, dir.join(format!("vs19990101.{end}"))).unwrap();
            }
            let found = keys.dkim(DOMAIN).unwrap();
            assert_eq!(found.iter().map(|pair| pair.active).collect::<Vec<_>>(), [false, true]);
        }
    }
}
