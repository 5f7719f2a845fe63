//! `[list.NAME]`: what `relay.toml` says about a list and what its policy says, brought together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::Source;
use super::source::ConfigError;
use crate::id::ListName;
use crate::mail::address::Address;
use crate::mail::directory::{Kind, fixed_addresses};
use crate::pgp::keyring::UserId;
use crate::policy::{ListKind, ListRules, Policy, Poster};

/// What an intake list does with a report in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clear {
    /// It is sealed on arrival and marked "came in the clear".
    #[default]
    Seal,
    /// It is refused in the session.
    Refuse,
}

/// `[list.NAME]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawList {
    address: Address,
    name: Option<String>,
    kind: Option<ListKind>,
    team: Option<ListName>,
    pub(super) policy: Option<PathBuf>,
    clear: Option<Clear>,
    #[serde(default)]
    individual: bool,
}

/// A list with everything known about it.
#[derive(Clone)]
pub struct List {
    /// Its short name.
    pub name: ListName,
    /// The name that people see.
    pub display: String,
    /// The address that people post to.
    pub address: Address,
    /// All addresses that people write to, the posting address first: the User IDs of its certificate. A public list
    /// has only its posting address, and no certificate.
    pub addresses: Vec<Address>,
    /// What it is for.
    pub kind: Kind,
    /// The intake list whose team posts here (announce lists).
    pub team: Option<ListName>,
    /// Who may post.
    pub posters: Vec<Poster>,
    /// What happens to reports in the clear (intake lists).
    pub clear: Clear,
    /// Whether each reader gets a body of its own.
    pub individual: bool,
    /// The policy that it follows.
    pub policy: Option<Arc<Policy>>,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}> ({})", self.name, self.address, self.kind)
    }
}

impl List {
    /// Whether it refuses mail in the clear.
    #[must_use]
    pub fn encrypted_only(&self) -> bool {
        self.kind.encrypted_only() || self.clear == Clear::Refuse
    }

    /// The User IDs that its certificate needs.
    #[must_use]
    pub fn user_ids(&self) -> Vec<UserId> {
        let id = |a: &Address| UserId { name: self.display.clone(), address: a.to_string() };
        self.addresses.iter().map(id).collect()
    }
}

/// Everything that all lists need to know of each other and of the policies.
pub(super) struct Lists<'a> {
    pub(super) source: &'a Source,
    pub(super) raw: &'a BTreeMap<ListName, RawList>,
    pub(super) policies: &'a BTreeMap<PathBuf, Arc<Policy>>,
}

impl Lists<'_> {
    /// All lists, in the order of the file.
    pub(super) fn resolve(&self) -> Result<Vec<List>, ConfigError> {
        if self.raw.is_empty() {
            let what = "there is no list: add [list.NAME] with an address, for example [list.security]";
            return Err(self.source.error(&["list"], what));
        }
        let mut names: Vec<_> = self.raw.iter().collect();
        names.sort_by_key(|(name, _)| self.source.offset(&["list", name.as_str()]));
        let mut all: Vec<List> = Vec::new();
        for (name, raw) in names {
            let list = self.one(name, raw)?;
            self.overlaps(&list, &all)?;
            all.push(list);
        }
        Ok(all)
    }

    fn error(&self, name: &ListName, key: &str, what: impl Into<String>) -> ConfigError {
        self.source.error(&["list", name.as_str(), key], what)
    }

    fn policy(&self, raw: &RawList) -> Option<&Arc<Policy>> {
        self.policies.get(raw.policy.as_ref()?)
    }

    fn rules(&self, name: &ListName, raw: &RawList) -> Option<&ListRules> {
        self.policy(raw)?.list.get(name)
    }

    fn one(&self, name: &ListName, raw: &RawList) -> Result<List, ConfigError> {
        let kind = self.kind(name, raw)?;
        let display = raw.name.clone().unwrap_or_else(|| name.to_string());
        // RFC 5322 §3.2.3: these would need quotes, and some programs get quotes wrong.
        if display.trim().is_empty()
            || display.contains(|c: char| c.is_control() || "<>()[]:;@\\,\"".contains(c))
        {
            let what = "a display name is not empty and has none of < > ( ) [ ] : ; @ \\ , \"";
            return Err(self.error(name, "name", what));
        }
        if raw.clear.is_some() && kind != Kind::Intake {
            let what = format!(
                "only an intake list chooses what to do with mail in the clear, this one is \"{kind}\""
            );
            return Err(self.error(name, "clear", what));
        }
        if raw.individual && kind == Kind::Public {
            return Err(self.error(name, "individual", "a public list has no readers to seal to"));
        }
        let posters = self.rules(name, raw).map(|r| r.posters.clone()).filter(|p| !p.is_empty());
        Ok(List {
            name: name.clone(),
            display,
            address: raw.address.clone(),
            addresses: self.addresses(name, &raw.address, kind)?,
            kind,
            team: self.team(name, raw, kind)?,
            posters: posters.unwrap_or_else(|| vec![poster(kind)]),
            clear: raw.clear.unwrap_or_default(),
            individual: raw.individual,
            policy: self.policy(raw).cloned(),
        })
    }

    /// The policy owns the kind; without one `relay.toml` gives it, and the two never differ.
    fn kind(&self, name: &ListName, raw: &RawList) -> Result<Kind, ConfigError> {
        let policy = self.policy(raw);
        match (self.rules(name, raw).map(|r| r.kind), raw.kind) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                let (theirs, ours) = (theirs.as_str(), ours.as_str());
                let what =
                    format!("kind = \"{ours}\", but the policy says \"{theirs}\": leave the key out here");
                Err(self.error(name, "kind", what))
            }
            (Some(kind), _) | (None, Some(kind)) => Ok(upper(kind)),
            (None, None) => {
                let described =
                    policy.map(|p| p.list.keys().map(ListName::as_str).collect::<Vec<_>>().join(", "));
                let what = described.map_or_else(
                    || format!("\"{name}\" has no kind: set policy, or kind to one of {}", Kind::NAMES),
                    |lists| {
                        format!(
                            "the policy has no [list.{name}], only: {lists}. Use one of these names, or set kind to \
                             one of {}",
                            Kind::NAMES
                        )
                    },
                );
                Err(self.error(name, "policy", what))
            }
        }
    }

    fn team(&self, name: &ListName, raw: &RawList, kind: Kind) -> Result<Option<ListName>, ConfigError> {
        let theirs = self.rules(name, raw).and_then(|r| r.team.clone());
        let team = match (theirs, raw.team.clone()) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                let what =
                    format!("team = \"{ours}\", but the policy says \"{theirs}\": leave the key out here");
                return Err(self.error(name, "team", what));
            }
            (theirs, ours) => theirs.or(ours),
        };
        let intake = self.raw.iter().filter(|(n, r)| self.kind(n, r) == Ok(Kind::Intake));
        let intake: Vec<_> = intake.map(|(n, _)| n.as_str()).collect();
        let choice = if intake.is_empty() { "there is none yet".to_owned() } else { intake.join(", ") };
        match (kind, team) {
            (Kind::Announce, None) => {
                let what = format!(
                    "an announce list needs team = \"NAME\", the intake list whose team posts here ({choice})"
                );
                Err(self.error(name, "team", what))
            }
            (Kind::Announce, Some(team)) if !intake.contains(&team.as_str()) => {
                let what = format!("\"{team}\" is no intake list of this file, expected one of: {choice}");
                Err(self.error(name, "team", what))
            }
            (Kind::Announce, team) | (_, team @ None) => Ok(team),
            (_, Some(_)) => {
                let what = format!("only an announce list names a team, this one is \"{kind}\"");
                Err(self.error(name, "team", what))
            }
        }
    }

    fn addresses(&self, name: &ListName, address: &Address, kind: Kind) -> Result<Vec<Address>, ConfigError> {
        if address.local().eq_ignore_ascii_case("postmaster") {
            let what =
                "postmaster@ always belongs to the admins (RFC 5321 §4.5.1): give the list another address";
            return Err(self.error(name, "address", what));
        }
        if !kind.takes_mail() {
            return Ok(vec![address.clone()]);
        }
        // RFC 5321 §4.5.3.1.1: 64 octets, which the return path with its 26-character token needs most of.
        let longest = address.with_suffix("-bounces+abcdefghijklmnopqrstuvwxyz");
        longest.and_then(|_| fixed_addresses(address, kind)).map_err(|_| {
            let what =
                "the part before the @ is too long: 29 bytes at most, since -bounces+TOKEN is added to it";
            self.error(name, "address", what)
        })
    }

    /// No address may name two lists.
    fn overlaps(&self, list: &List, others: &[List]) -> Result<(), ConfigError> {
        for other in others {
            let clash = all_of(list).into_iter().find(|a| all_of(other).iter().any(|b| a.same_mailbox(b)));
            let clash =
                clash.or_else(|| [(list, other), (other, list)].into_iter().find_map(|(a, b)| bounces(a, b)));
            let Some(clash) = clash else { continue };
            let what = format!(
                "{clash} would belong to both \"{}\" and \"{}\": every list has its own addresses, also those with \
                 -request, -reporter, -owner and -bounces+ behind the name",
                other.name, list.name
            );
            return Err(self.error(&list.name, "address", what));
        }
        Ok(())
    }
}

/// Every address of a list that does not hold a token.
fn all_of(list: &List) -> Vec<Address> {
    let owner = list.kind.takes_mail().then(|| list.address.with_suffix("-owner").ok()).flatten();
    list.addresses.iter().cloned().chain(owner).collect()
}

/// An address of `list` that reads as a return path of `other`.
fn bounces(list: &List, other: &List) -> Option<Address> {
    let prefix = format!("{}-bounces+", other.address.local().to_lowercase());
    let inside =
        |a: &Address| a.domain() == other.address.domain() && a.local().to_lowercase().starts_with(&prefix);
    all_of(list).into_iter().find(inside).filter(|_| other.kind.takes_mail())
}

const fn upper(kind: ListKind) -> Kind {
    match kind {
        ListKind::Intake => Kind::Intake,
        ListKind::Announce => Kind::Announce,
        ListKind::Discuss => Kind::Discuss,
        ListKind::Public => Kind::Public,
    }
}

const fn poster(kind: Kind) -> Poster {
    match kind {
        Kind::Intake => Poster::Anyone,
        Kind::Announce => Poster::Team,
        Kind::Discuss => Poster::Members,
        Kind::Public => Poster::Relay,
    }
}
