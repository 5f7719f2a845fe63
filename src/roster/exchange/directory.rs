//! The files of a roster: one for each organisation, one for each list, and the certificates beside them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{Files, Portable};
use crate::id::{Fingerprint, ListName, NotAnId, OrgName};
use crate::roster::membership::{Member, Standing};
use crate::roster::org::Org;
use crate::roster::term::BodyMember;

/// The form that this release writes.
pub const FORMAT: u32 = 1;

const ORGS: &str = "organisations/";
const LISTS: &str = "lists/";
const CERTS: &str = "certificates/";

/// How much the others speak for.
const ROSTER: &str = "roster.toml";
/// Who is of which body. One file: a body may have any name.
const BODIES: &str = "bodies.toml";

#[derive(Serialize, Deserialize)]
struct RosterFile {
    format: u32,
    whole: bool,
}

#[derive(Serialize, Deserialize)]
struct OrgFile {
    format: u32,
    name: OrgName,
    organisation: Org,
}

#[derive(Serialize, Deserialize)]
struct ListFile {
    format: u32,
    list: ListName,
    #[serde(default)]
    member: Vec<Member>,
}

#[derive(Serialize, Deserialize)]
struct BodiesFile {
    format: u32,
    #[serde(default)]
    body: BTreeMap<String, Vec<BodyMember>>,
}

/// Why files are no roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoster {
    /// Not TOML, or not of this form.
    #[error("{file}: {why}")]
    Form {
        /// Which file.
        file: String,
        /// What is wrong, and where.
        why: String,
    },
    /// Written by a later release.
    #[error("{file} is of format {found}, and this release knows {FORMAT}: use the release that wrote it")]
    Later {
        /// Which file.
        file: String,
        /// Its format.
        found: u32,
    },
    /// The bodies are the whole roster's.
    #[error(
        "{0}: an export of some lists says nothing of bodies; `roster.toml` says that it is not the whole"
    )]
    Bodies(&'static str),
    /// A key that this release has nothing for.
    #[error("{file} has the key {key}, which this release does not know: it would be lost")]
    Unknown {
        /// Which file.
        file: String,
        /// The key, from the top.
        key: String,
    },
    /// A file that says it is another.
    #[error("{file} says that it is of {says}: a file has the name of what it is of")]
    Name {
        /// Which file.
        file: String,
        /// What stands in it.
        says: String,
    },
    /// A file at a place where none belongs.
    #[error("{0} is no file of a roster")]
    Stranger(String),
    /// An entry of somebody who does not belong.
    #[error("{file} has {address}, who is {standing}: leave the entry out")]
    Outside {
        /// Which file.
        file: String,
        /// Who.
        address: String,
        /// Where they stand.
        standing: Standing,
    },
    /// A record that TOML cannot hold.
    #[error("{0} cannot be written as TOML: {1}")]
    Unwritable(String, String),
}

/// The files of a roster, without manifest and signatures.
///
/// # Errors
/// [`NoRoster::Unwritable`].
pub fn render(roster: &Portable) -> Result<Files, NoRoster> {
    let mut files = Files::new();
    put(&mut files, ROSTER.to_owned(), &RosterFile { format: FORMAT, whole: roster.whole })?;
    if let Some(bodies) = &roster.bodies {
        put(&mut files, BODIES.to_owned(), &BodiesFile { format: FORMAT, body: bodies.clone() })?;
    }
    for (name, org) in &roster.orgs {
        let file = OrgFile { format: FORMAT, name: name.clone(), organisation: org.clone() };
        put(&mut files, format!("{ORGS}{name}.toml"), &file)?;
    }
    for (list, members) in &roster.lists {
        let file = ListFile { format: FORMAT, list: list.clone(), member: members.clone() };
        put(&mut files, format!("{LISTS}{list}.toml"), &file)?;
    }
    for (fingerprint, armored) in &roster.certs {
        files.insert(certificate(*fingerprint), armored.clone());
    }
    Ok(files)
}

/// Where the certificate with this fingerprint lies.
#[must_use]
pub fn certificate(fingerprint: Fingerprint) -> String {
    format!("{CERTS}{fingerprint}.asc")
}

fn put<T: Serialize>(files: &mut Files, path: String, record: &T) -> Result<(), NoRoster> {
    let text =
        toml::to_string(record).map_err(|error| NoRoster::Unwritable(path.clone(), error.to_string()))?;
    files.insert(path, text);
    Ok(())
}

/// The roster in these files. Every key in them is known, or it is an error: nothing is lost on the way.
///
/// # Errors
/// [`NoRoster`] names the first file that is none of a roster.
pub fn parse(files: &Files) -> Result<Portable, NoRoster> {
    let mut roster = Portable::default();
    for (path, text) in files {
        let named = |folder: &str, ending: &str| {
            path.strip_prefix(folder).and_then(|name| name.strip_suffix(ending)).map(ToOwned::to_owned)
        };
        if path == ROSTER {
            roster.whole = read::<RosterFile>(path, text)?.whole;
        } else if path == BODIES {
            roster.bodies = Some(read::<BodiesFile>(path, text)?.body);
        } else if let Some(name) = named(ORGS, ".toml") {
            let file: OrgFile = read(path, text)?;
            same(path, &name, file.name.as_str())?;
            roster.orgs.insert(file.name, file.organisation);
        } else if let Some(name) = named(LISTS, ".toml") {
            let file: ListFile = read(path, text)?;
            same(path, &name, file.list.as_str())?;
            if let Some(other) = file.member.iter().find(|member| !member.belongs()) {
                let (standing, address) = (other.standing, other.address.to_string());
                return Err(NoRoster::Outside { file: path.clone(), address, standing });
            }
            roster.lists.insert(file.list, file.member);
        } else if let Some(name) = named(CERTS, ".asc") {
            let fingerprint: Fingerprint = name
                .parse()
                .map_err(|error: NotAnId| NoRoster::Form { file: path.clone(), why: error.to_string() })?;
            roster.certs.insert(fingerprint, text.clone());
        } else {
            return Err(NoRoster::Stranger(path.clone()));
        }
    }
    if roster.bodies.is_some() && !roster.whole {
        return Err(NoRoster::Bodies(BODIES));
    }
    roster.sort();
    Ok(roster)
}

fn read<T: Serialize + DeserializeOwned>(path: &str, text: &str) -> Result<T, NoRoster> {
    let form = |why: String| NoRoster::Form { file: path.to_owned(), why };
    let given: Table = text.parse().map_err(|error: toml::de::Error| form(error.to_string()))?;
    if let Some(found) = given.get("format").and_then(Value::as_integer).and_then(|n| u32::try_from(n).ok())
        && found > FORMAT
    {
        return Err(NoRoster::Later { file: path.to_owned(), found });
    }
    // From the text and not from the table: its errors say where.
    let record: T = toml::from_str(text).map_err(|error| form(error.to_string()))?;
    let again = Table::try_from(&record).map_err(|error| form(error.to_string()))?;
    match unknown(&Value::Table(given), &Value::Table(again)) {
        Some(key) => Err(NoRoster::Unknown { file: path.to_owned(), key }),
        None => Ok(record),
    }
}

/// The first key of what was given that is not in what was read of it.
fn unknown(given: &Value, known: &Value) -> Option<String> {
    match (given, known) {
        (Value::Table(given), Value::Table(known)) => given.iter().find_map(|(key, value)| {
            let Some(there) = known.get(key) else { return Some(key.clone()) };
            unknown(value, there).map(|below| format!("{key}.{below}"))
        }),
        (Value::Array(given), Value::Array(known)) => {
            given.iter().zip(known).find_map(|(given, known)| unknown(given, known))
        }
        _ => None,
    }
}

fn same(path: &str, name: &str, says: &str) -> Result<(), NoRoster> {
    if name == says { Ok(()) } else { Err(NoRoster::Name { file: path.to_owned(), says: says.to_owned() }) }
}

#[cfg(test)]
mod tests;
