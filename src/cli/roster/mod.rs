//! What an import reads and an export writes: the directory of a roster, another program's list, a table, keyrings. The
//! daemon touches none of these files.

mod folder;
mod keybox;
mod keys;
mod names;
mod schleuder;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) use self::folder::{is_whole, kept, store};
use self::names::{fingerprint, org_of};
use super::failure::Failure;
use crate::control::wire::{Address, ErrorKind, ListName, Offer, OfferRow, OrgName, RosterSource, Unread};

/// The largest table that is read, in bytes.
const MAX_TABLE: usize = 8 << 20;

/// The directory of an exported roster.
pub(super) fn directory(path: &Path, signer: Option<&Path>) -> Result<RosterSource, Failure> {
    let signer = signer.map(super::input::certificate).transpose()?;
    Ok(RosterSource::Directory { files: folder::load(path)?, signer })
}

/// A list of Schleuder: its database, and its GnuPG home or certificates that were exported from it.
pub(super) fn schleuder(
    database: &Path,
    address: Option<&str>,
    certificates: Option<&Path>,
    orgs: &BTreeMap<String, OrgName>,
    list: Option<ListName>,
) -> Result<RosterSource, Failure> {
    let there = schleuder::read(database, address).map_err(|error| {
        let next = match error {
            schleuder::NoList::InUse(_) => {
                "stop Schleuder, or copy the database with `sqlite3 db.sqlite '.backup copy.sqlite'`, and read the copy"
            }
            schleuder::NoList::Database(_) | schleuder::NoList::Tables => "give the file that database: in schleuder.yml names",
            schleuder::NoList::Which(_) => "say which with --address",
        };
        let what = format!("no list of Schleuder was read from {}", database.display());
        Failure::new(ErrorKind::Data, &what, &error.to_string(), next)
    })?;
    let (mut rows, mut unread) = (Vec::new(), Vec::new());
    for subscription in there.subscriptions {
        let what = subscription.email.clone();
        match row_of(subscription, orgs) {
            Ok(row) => rows.push(row),
            Err(why) => unread.push(Unread { what, why }),
        }
    }
    let home = match certificates {
        Some(path) => path.to_owned(),
        None => home(database, &there.email)?,
    };
    let wanted: BTreeSet<_> = rows.iter().filter_map(|row: &OfferRow| row.fingerprint).collect();
    let certs = keys::certificates(&home, Some(&wanted))?;
    // Schleuder takes keys into that keyring that came by mail: an address in one proves nothing.
    Ok(RosterSource::Offer(Offer {
        from: "schleuder".to_owned(),
        list,
        rows,
        certs,
        by_address: false,
        unread,
    }))
}

fn home(database: &Path, email: &str) -> Result<PathBuf, Failure> {
    let lists = database.parent().unwrap_or(Path::new(".")).join("lists");
    schleuder::home(&lists, email).filter(|home| home.is_dir()).ok_or_else(|| {
        Failure::new(
            ErrorKind::NotFound,
            &format!("the GnuPG home of {email} was not found"),
            &format!("it is not below {}", lists.display()),
            "give it with --certificates: lists_dir in schleuder.yml, then the host, then the name of the list",
        )
    })
}

fn row_of(there: schleuder::Subscription, orgs: &BTreeMap<String, OrgName>) -> Result<OfferRow, String> {
    let address: Address = there.email.parse().map_err(|error| format!("it is no address: {error}"))?;
    let bare: String = there.fingerprint.split_whitespace().collect();
    let fingerprint = (!bare.is_empty()).then(|| fingerprint(&bare)).transpose()?;
    let (name, title) = org_of(None, &address)?;
    let org = orgs.get(address.domain().as_str()).cloned().unwrap_or(name);
    Ok(OfferRow {
        address,
        fingerprint,
        list: None,
        team: there.admin,
        delivery: there.delivery,
        org,
        title,
        name: None,
        role: None,
    })
}

/// A table of people, and their certificates. The names of columns that mean nothing here come along.
pub(super) fn table(
    path: &Path,
    certificates: &Path,
    list: Option<ListName>,
) -> Result<(RosterSource, Vec<String>), Failure> {
    let table = table::read(&folder::read(path, MAX_TABLE)?).map_err(|error| {
        let what = format!("{} cannot be read", path.display());
        Failure::new(
            ErrorKind::Data,
            &what,
            &error.to_string(),
            "save it as CSV in UTF-8, with the names of its columns",
        )
    })?;
    // One that names no certificate needs all of them.
    let known: Option<BTreeSet<_>> = table.rows.iter().map(|row| row.fingerprint).collect();
    let certs = keys::certificates(certificates, known.as_ref())?;
    let (rows, unread) = (table.rows, table.unread);
    let offer = Offer { from: "csv".to_owned(), list, rows, certs, by_address: true, unread };
    Ok((RosterSource::Offer(offer), table.ignored))
}
