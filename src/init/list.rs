//! The key of one more list. The daemon does not start without it, so the daemon cannot be asked for it.

use super::dkim::DomainKeys;
use super::made::MadeList;
use crate::config::Config;
use crate::id::ListName;
use crate::pgp::keyring::{KeyDir, KeyError, Passphrase};
use crate::time::Clock;

/// Why a list got no key.
#[derive(Debug, thiserror::Error)]
pub enum NewListError {
    /// `relay.toml` does not have it.
    #[error("there is no list {name} in relay.toml, only: {known}. Add [list.{name}] with its address first")]
    Unknown {
        /// The name.
        name: ListName,
        /// The names that there are.
        known: String,
    },
    /// It needs none.
    #[error("{0} is a public list: it takes no mail, and needs no key")]
    Public(ListName),
    /// The key could not be made or stored.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Makes the key of a list that is new in `config`, with a User ID for each of its addresses, locked under the
/// passphrase that locks the others; and the keys that sign its mail, where no list had an address at its domain. The files
/// belong to whom the key directory belongs.
///
/// # Errors
/// When there is no such list, when it has a key, when the passphrase is not that of the other keys, or when the files
/// cannot be written.
pub fn new_list(
    config: &Config,
    name: &ListName,
    passphrase: &Passphrase,
    clock: &dyn Clock,
) -> Result<(MadeList, Option<DomainKeys>), NewListError> {
    let list = config.list(name).ok_or_else(|| {
        let known: Vec<&str> = config.lists.iter().map(|list| list.name.as_str()).collect();
        NewListError::Unknown { name: name.clone(), known: known.join(", ") }
    })?;
    if !list.kind.takes_mail() {
        return Err(NewListError::Public(name.clone()));
    }
    let keys = KeyDir::new(&config.keys.path);
    // With another passphrase than the rest the daemon could not open it.
    keys.load_tags(passphrase)?;
    let cert = keys.create_list(name, &list.user_ids(), passphrase, clock.now())?;
    let made = MadeList {
        name: name.clone(),
        kind: list.kind,
        addresses: list.addresses.clone(),
        fingerprint: Some(cert.fingerprint()),
    };
    let domain = list.address.domain();
    // Whose domain is known and has no keys, has a mail server behind that signs, or was told by `check`.
    let known = config.lists.iter().any(|other| other.name != *name && other.address.domain() == domain);
    let signs = config.egress.dkim && config.domains().contains(&domain);
    if known || !signs || !keys.dkim(domain.as_str())?.is_empty() {
        return Ok((made, None));
    }
    keys.create_dkim(domain.as_str(), passphrase, clock.now())?;
    Ok((made, Some(DomainKeys::read(config, domain)?)))
}
