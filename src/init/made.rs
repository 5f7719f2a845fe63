//! What a new installation consists of, and how it is told.

use std::fmt;
use std::path::PathBuf;

use super::dkim::DomainKeys;
use crate::id::{Fingerprint, ListName};
use crate::mail::address::Address;
use crate::mail::directory::Kind;

/// What stands above DNS records that were not there before.
pub const PUBLISH: &str =
    "; publish these in DNS, so that other mail servers know the lists' mail by its signatures";

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The settings file.
    pub config: PathBuf,
    /// The policy file.
    pub policy: PathBuf,
    /// The directory of the keys.
    pub keys: PathBuf,
    /// Where the passphrase is.
    pub passphrase: PathBuf,
    /// Whether it was made, rather than given.
    pub passphrase_made: bool,
    /// The lists, in the order of the file.
    pub lists: Vec<MadeList>,
    /// The fingerprint of the spool key.
    pub spool: Fingerprint,
    /// The keys that sign leaving mail.
    pub dkim: Vec<DomainKeys>,
    /// What to do now, for a person.
    pub next: String,
}

/// One list that was made.
#[derive(Clone, Debug)]
pub struct MadeList {
    /// Its name.
    pub name: ListName,
    /// What it is for.
    pub kind: Kind,
    /// The addresses that people write to, the posting address first.
    pub addresses: Vec<Address>,
    /// The fingerprint of its certificate; a public list has none.
    pub fingerprint: Option<Fingerprint>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for list in &self.lists {
            write!(f, "{list}")?;
        }
        writeln!(f, "spool certificate {}", self.spool)?;
        writeln!(f)?;
        writeln!(f, "settings    {}", self.config.display())?;
        writeln!(f, "policy      {}", self.policy.display())?;
        writeln!(
            f,
            "keys        {} (secret keys and revocation certificates: keep a copy elsewhere)",
            self.keys.display()
        )?;
        let made =
            if self.passphrase_made { "made just now: keep it apart from the keys" } else { "as given" };
        writeln!(f, "passphrase  {} ({made})", self.passphrase.display())?;
        writeln!(f)?;
        writeln!(
            f,
            "; publish these in DNS, so that other mail servers know the lists' mail by its signatures"
        )?;
        for keys in &self.dkim {
            write!(f, "{keys}")?;
        }
        writeln!(f)?;
        writeln!(f, "{}", self.next)
    }
}

impl fmt::Display for MadeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "list {} ({})", self.name, self.kind)?;
        for address in &self.addresses {
            writeln!(f, "    {address}")?;
        }
        match self.fingerprint {
            Some(fingerprint) => writeln!(f, "    certificate {fingerprint}"),
            None => writeln!(f, "    no certificate: it takes no mail"),
        }
    }
}
