//! Which list, and what for, an address names: a pure look-up, filled from the settings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ListName, Token};
use crate::mail::address::{Address, Domain, NotAnAddress};

/// What a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `security@`: anyone writes, the team reads.
    Intake,
    /// Distributors: the team writes, active members and the team read.
    Announce,
    /// Active members write and read.
    Discuss,
    /// An openly archived list: it takes no mail and has no key.
    Public,
}

impl Kind {
    /// Every kind, as written in files.
    pub const NAMES: &'static str = "intake, announce, discuss, public";

    /// Whether mail in the clear is refused in the session already.
    #[must_use]
    pub const fn encrypted_only(self) -> bool {
        matches!(self, Self::Announce | Self::Discuss)
    }

    /// Whether the list takes mail at all, and so has a key.
    #[must_use]
    pub const fn takes_mail(self) -> bool {
        !matches!(self, Self::Public)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Intake => "intake",
            Self::Announce => "announce",
            Self::Discuss => "discuss",
            Self::Public => "public",
        })
    }
}

/// What one of a list's addresses is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Mail for the list's readers.
    Post,
    /// `-request`: commands and applications.
    Request,
    /// `-reporter`: team and reporter of a case (intake lists).
    Reporter,
    /// `-owner`: the admins.
    Owner,
    /// `-bounces+TOKEN`: the return path of one parcel.
    Bounces(Token),
    /// `postmaster@` a domain of ours (RFC 5321 §4.5.1).
    Postmaster,
}

/// One list as addresses see it.
#[derive(Clone, Debug)]
pub struct ListEntry {
    /// Its name.
    pub name: ListName,
    /// Its posting address.
    pub address: Address,
    /// What it is for.
    pub kind: Kind,
    /// Whether it refuses mail in the clear (always true where the kind says so).
    pub encrypted_only: bool,
}

/// What an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The list.
    pub list: ListName,
    /// The list's kind.
    pub kind: Kind,
    /// Whether posts in the clear are refused.
    pub encrypted_only: bool,
    /// What the address is for.
    pub purpose: Purpose,
}

/// All addresses of ours.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    lists: Vec<ListEntry>,
}

/// The fixed addresses of a list that people write to: each is a User ID of the list's certificate, because mail
/// programs pick keys by exact address.
///
/// # Errors
/// When the local part grows too long.
pub fn fixed_addresses(address: &Address, kind: Kind) -> Result<Vec<Address>, NotAnAddress> {
    let mut all = vec![address.clone(), address.with_suffix("-request")?];
    if kind == Kind::Intake {
        all.push(address.with_suffix("-reporter")?);
    }
    Ok(all)
}

impl Directory {
    /// A directory of these lists.
    #[must_use]
    pub fn new(lists: Vec<ListEntry>) -> Self {
        Self { lists }
    }

    /// The lists themselves.
    #[must_use]
    pub fn lists(&self) -> &[ListEntry] {
        &self.lists
    }

    /// Whether a domain has at least one list.
    #[must_use]
    pub fn owns(&self, domain: &Domain) -> bool {
        self.lists.iter().any(|l| l.address.domain() == domain)
    }

    /// What `<postmaster>` without a domain names (RFC 5321 §4.1.1.3): the first list's domain has it.
    #[must_use]
    pub fn bare_postmaster(&self) -> Option<Address> {
        let list = self.postmasters_list(|_| true)?;
        Address::new("postmaster", list.address.domain().clone()).ok()
    }

    /// What this address names, if it is ours.
    #[must_use]
    pub fn resolve(&self, address: &Address) -> Option<Destination> {
        let named = self.lists.iter().find_map(|list| purpose(list, address).map(|p| destination(list, p)));
        named.or_else(|| {
            let list = self.postmasters_list(|l| l.address.domain() == address.domain())?;
            // RFC 5321 §4.5.1: postmaster is always there, in any case of letters.
            let ours = address.local().eq_ignore_ascii_case("postmaster");
            ours.then(|| destination(list, Purpose::Postmaster))
        })
    }

    /// The list whose team answers as postmaster: an intake list where there is one, else any that takes mail.
    fn postmasters_list(&self, here: impl Fn(&ListEntry) -> bool) -> Option<&ListEntry> {
        let find = |fits: fn(Kind) -> bool| self.lists.iter().find(|l| here(l) && fits(l.kind));
        find(|kind| kind == Kind::Intake).or_else(|| find(Kind::takes_mail))
    }
}

fn destination(list: &ListEntry, purpose: Purpose) -> Destination {
    Destination { list: list.name.clone(), kind: list.kind, encrypted_only: list.encrypted_only, purpose }
}

fn purpose(list: &ListEntry, address: &Address) -> Option<Purpose> {
    if list.address.domain() != address.domain() || !list.kind.takes_mail() {
        return None;
    }
    let local = address.local().to_lowercase();
    let rest = local.strip_prefix(&list.address.local().to_lowercase())?;
    match rest {
        "" => Some(Purpose::Post),
        "-request" => Some(Purpose::Request),
        "-reporter" if list.kind == Kind::Intake => Some(Purpose::Reporter),
        "-owner" => Some(Purpose::Owner),
        _ => rest.strip_prefix("-bounces+").and_then(|t| t.parse().ok()).map(Purpose::Bounces),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let list = |name: &str, kind: Kind| ListEntry {
            name: name.parse().unwrap(),
            address: format!("{name}@lists.example.org").parse().unwrap(),
            kind,
            encrypted_only: kind.encrypted_only(),
        };
        Directory::new(vec![
            list("security", Kind::Intake),
            list("distrib", Kind::Announce),
            list("pub", Kind::Public),
        ])
    }

    fn purpose_of(address: &str) -> Option<Purpose> {
        directory().resolve(&address.parse().unwrap()).map(|d| d.purpose)
    }

    #[test]
    fn every_fixed_address_has_its_purpose() {
        assert_eq!(purpose_of("Security@LISTS.example.org"), Some(Purpose::Post));
        assert_eq!(purpose_of("security-request@lists.example.org"), Some(Purpose::Request));
        assert_eq!(purpose_of("security-reporter@lists.example.org"), Some(Purpose::Reporter));
        assert_eq!(
            purpose_of("distrib-reporter@lists.example.org"),
            None,
            "only intake lists have reporters"
        );
        assert_eq!(purpose_of("distrib-owner@lists.example.org"), Some(Purpose::Owner));
        assert_eq!(purpose_of("Postmaster@lists.example.org"), Some(Purpose::Postmaster));
    }

    #[test]
    fn a_return_path_needs_a_whole_token() {
        let token = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(
            purpose_of(&format!("distrib-bounces+{token}@lists.example.org")),
            Some(Purpose::Bounces(token.parse().unwrap()))
        );
        assert_eq!(purpose_of("distrib-bounces+abc@lists.example.org"), None);
        assert_eq!(purpose_of("distrib-bounces@lists.example.org"), None);
    }

    #[test]
    fn what_is_not_ours_is_nobody() {
        assert_eq!(purpose_of("security@example.org"), None);
        assert_eq!(purpose_of("securityx@lists.example.org"), None);
        assert_eq!(purpose_of("pub@lists.example.org"), None, "a public list takes no mail");
    }

    #[test]
    fn user_ids_cover_what_people_write_to() {
        let at: Address = "security@lists.example.org".parse().unwrap();
        assert_eq!(fixed_addresses(&at, Kind::Intake).unwrap().len(), 3);
        assert_eq!(fixed_addresses(&at, Kind::Announce).unwrap().len(), 2);
    }
}
