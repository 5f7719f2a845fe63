//! The keys that sign leaving mail for DKIM: shown, made where they are missing, renewed, put to use.

use std::fmt;

use crate::config::Config;
use crate::dkim::{Pair, Record};
use crate::egress::lookup::{Lookup, NoAnswer};
use crate::egress::route::RouteError;
use crate::mail::address::Domain;
use crate::pgp::keyring::{KeyDir, KeyError, Passphrase};
use crate::time::Clock;

/// Why there is no such key.
#[derive(Debug, thiserror::Error)]
pub enum DkimError {
    /// No list has an address there.
    #[error("no list has its address at {domain}, only at: {known}")]
    Unknown {
        /// The domain.
        domain: Domain,
        /// The domains that there are.
        known: String,
    },
    /// A new pair is there already.
    #[error(
        "{domain} has a new pair of keys already, {name}: publish its records, then run `vouchsafe key dkim --activate \
         {domain}`"
    )]
    Waiting {
        /// The domain.
        domain: Domain,
        /// The pair.
        name: String,
    },
    /// Nothing could take the active pair's place.
    #[error("{0} has no new pair of keys: make one with `vouchsafe key dkim --rotate {0}`")]
    NothingNew(Domain),
    /// DNS does not have it yet, so that nobody could verify its signatures.
    #[error(
        "{name} is not published as it should be: {why}. Publish this, wait until it is seen everywhere, and run the \
         command again:\n{zone_line}"
    )]
    Unpublished {
        /// The record's name.
        name: String,
        /// What DNS says.
        why: String,
        /// What it should say.
        zone_line: String,
    },
    /// DNS does not answer.
    #[error("{0}; with --without-dns nothing is looked up")]
    NoAnswer(#[from] NoAnswer),
    /// There is no name service.
    #[error(transparent)]
    Dns(#[from] RouteError),
    /// The keys cannot be read or written.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The pairs of one domain that matter: the active one, and what waits to take its place.
#[derive(Clone, Debug)]
pub struct DomainKeys {
    /// The domain.
    pub domain: Domain,
    /// Its pairs, the active one first.
    pub pairs: Vec<Pair>,
}

impl DomainKeys {
    pub(super) fn read(config: &Config, domain: &Domain) -> Result<Self, KeyError> {
        let all = KeyDir::new(&config.keys.path).dkim(domain.as_str())?;
        Ok(Self { domain: domain.clone(), pairs: all.into_iter().skip_while(|pair| !pair.active).collect() })
    }

    /// The newest pair that signs nothing yet.
    fn waiting(&self) -> Option<&Pair> {
        self.pairs.iter().rfind(|pair| !pair.active)
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let record = |record: &Record| serde_json::json!({ "name": record.name(), "type": "TXT", "value": record.value() });
        let pair = |pair: &Pair| {
            let records: Vec<_> = pair.records.iter().map(record).collect();
            serde_json::json!({ "name": pair.name, "active": pair.active, "records": records })
        };
        serde_json::json!({
            "domain": self.domain.as_str(),
            "pairs": self.pairs.iter().map(pair).collect::<Vec<_>>(),
        })
    }
}

/// As a zone file has it; what is said besides stands behind a semicolon (RFC 1035 §5.1).
impl fmt::Display for DomainKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = &self.domain;
        for pair in &self.pairs {
            let name = &pair.name;
            if pair.active {
                writeln!(f, "; {domain}: {name} signs what leaves")?;
            } else {
                writeln!(
                    f,
                    "; {domain}: {name} signs nothing yet; once this is published: vouchsafe key dkim --activate {domain}"
                )?;
            }
            for record in &pair.records {
                writeln!(f, "{}", record.zone_line())?;
            }
        }
        Ok(())
    }
}

/// The keys of this domain, or of all domains of the lists.
///
/// # Errors
/// When no list is there, or the keys cannot be read.
pub fn dkim_keys(config: &Config, domain: Option<&Domain>) -> Result<Vec<DomainKeys>, DkimError> {
    let all = config.domains();
    let wanted: Vec<&Domain> = all.iter().copied().filter(|one| domain.is_none_or(|d| d == *one)).collect();
    match domain {
        Some(domain) if wanted.is_empty() => {
            let known = all.iter().map(|domain| domain.as_str()).collect::<Vec<_>>().join(", ");
            Err(DkimError::Unknown { domain: domain.clone(), known })
        }
        _ => {
            Ok(wanted.into_iter().map(|domain| DomainKeys::read(config, domain)).collect::<Result<_, _>>()?)
        }
    }
}

/// Makes a pair for each of these domains that has none; with `rotate` also for those that have one.
///
/// # Errors
/// When a new pair waits already, when the passphrase is not that of the other keys, or when the files cannot be written.
pub fn make_dkim(
    config: &Config,
    domains: &[DomainKeys],
    rotate: bool,
    passphrase: &Passphrase,
    clock: &dyn Clock,
) -> Result<(), DkimError> {
    let keys = KeyDir::new(&config.keys.path);
    // With another passphrase than the rest the daemon could not open them.
    keys.load_tags(passphrase)?;
    let wanted = domains.iter().filter(|domain| rotate || domain.pairs.is_empty());
    for DomainKeys { domain, .. } in wanted.clone() {
        let waiting = domains.iter().filter(|d| d.domain == *domain).find_map(DomainKeys::waiting);
        if let Some(Pair { name, .. }) = waiting {
            return Err(DkimError::Waiting { domain: domain.clone(), name: name.clone() });
        }
    }
    for DomainKeys { domain, .. } in wanted {
        keys.create_dkim(domain.as_str(), passphrase, clock.now())?;
    }
    Ok(())
}

/// Lets the new pair of each of these domains sign, from the daemon's next reload on: once DNS has it, unless that is not
/// to be looked up.
///
/// # Errors
/// When a domain has no new pair, or DNS does not have it.
pub fn activate_dkim(config: &Config, domains: &[DomainKeys], look_up: bool) -> Result<(), DkimError> {
    let new =
        |keys: &DomainKeys| keys.waiting().cloned().ok_or_else(|| DkimError::NothingNew(keys.domain.clone()));
    let pairs = domains.iter().map(new).collect::<Result<Vec<Pair>, _>>()?;
    if look_up {
        let lookup = Lookup::new(&config.dns)?;
        pairs.iter().flat_map(|pair| &pair.records).try_for_each(|record| published(&lookup, record))?;
    }
    let keys = KeyDir::new(&config.keys.path);
    for (pair, DomainKeys { domain, .. }) in pairs.iter().zip(domains) {
        keys.activate_dkim(domain.as_str(), &pair.name)?;
    }
    Ok(())
}

/// RFC 6376 §3.6.2.2: "TXT RRs MUST be unique for a particular selector name".
fn published(lookup: &Lookup, record: &Record) -> Result<(), DkimError> {
    let found = lookup.txt(&record.name())?;
    let why = match found.as_slice() {
        [] => "there is no such record".to_owned(),
        [one] => match record.compare(one) {
            Ok(()) => return Ok(()),
            Err(difference) => format!("what is there {difference}"),
        },
        _ => "there are several of this name".to_owned(),
    };
    let (name, zone_line) = (record.name(), record.zone_line());
    Err(DkimError::Unpublished { name, why, zone_line })
}
