//! Whether an address is one of a role: a person's own goes with the person, and a free mail service knows no organisation.

use std::fmt;

use crate::mail::address::Address;
use crate::policy::Membership;

/// Why an address is no role address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It is at a service where anybody gets an address.
    Freemail(String),
    /// No part of it is a word that the policy knows for a role.
    Personal(String),
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Freemail(domain) => write!(f, "no role address: {domain} gives an address to anybody"),
            Self::Personal(local) => {
                write!(f, "no role address: \"{local}\" names no role that the policy knows")
            }
        }
    }
}

/// What speaks against an address where the policy wants role addresses; nothing where it does not.
#[must_use]
pub fn flag(address: &Address, rules: &Membership) -> Option<Flag> {
    if rules.role_address_only != Some(true) {
        return None;
    }
    let domain = address.domain().as_str();
    let at = |free: &str| {
        let free = free.to_lowercase();
        domain == free || domain.strip_suffix(&free).is_some_and(|left| left.ends_with('.'))
    };
    if rules.freemail_domains.iter().any(|free| at(free.as_str())) {
        return Some(Flag::Freemail(domain.to_owned()));
    }
    let local = address.local().to_lowercase();
    let mut parts = local.split(|c: char| !c.is_alphanumeric()).chain([local.as_str()]);
    let is_role = |part: &str| rules.role_words.iter().any(|word| word.as_str().to_lowercase() == part);
    if rules.role_words.is_empty() || parts.any(is_role) {
        return None;
    }
    Some(Flag::Personal(address.local().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn rules(membership: &str) -> Membership {
        let text = format!("[policy]\nid = \"x\"\nversion = \"1\"\n[membership]\n{membership}");
        Policy::parse(&text).unwrap().membership
    }

    fn flagged(address: &str, rules: &Membership) -> Option<Flag> {
        flag(&address.parse().unwrap(), rules)
    }

    #[test]
    fn persons_and_free_mail_are_flagged_and_roles_are_not() {
        let rules = rules(
            "role_address_only = true\nrole_words = [\"security\", \"psirt\"]\nfreemail_domains = [\"gmail.com\"]",
        );
        for role in [
            "security@acme.example",
            "PSIRT@acme.example",
            "acme-security@acme.example",
            "security+ke@a.example",
        ] {
            assert_eq!(flagged(role, &rules), None, "{role}");
        }
        for free in ["security@gmail.com", "security@GMAIL.com", "psirt@eu.gmail.com"] {
            assert!(matches!(flagged(free, &rules), Some(Flag::Freemail(_))), "{free}");
        }
        for person in ["ada.lovelace@acme.example", "insecurity@acme.example", "securitas@acme.example"] {
            assert!(matches!(flagged(person, &rules), Some(Flag::Personal(_))), "{person}");
        }
        assert_eq!(flagged("security@notgmail.com", &rules), None);
    }

    #[test]
    fn what_the_policy_does_not_ask_for_is_not_flagged() {
        assert_eq!(
            flagged("ada@gmail.com", &rules("role_words = [\"psirt\"]\nfreemail_domains = [\"gmail.com\"]")),
            None
        );
        assert_eq!(flagged("ada@gmail.com", &rules("role_address_only = true")), None, "no word is known");
    }

    #[test]
    fn the_presets_words_know_what_people_use() {
        let kubeedge = Policy::parse(include_str!("../../config/policies/kubeedge.toml")).unwrap().membership;
        for role in
            ["security@debian.example", "vendor-security@x.example", "psirt@x.example", "secalert@x.example"]
        {
            assert_eq!(flagged(role, &kubeedge), None, "{role}");
        }
        for free in ["gmail.com", "outlook.com", "qq.com", "163.com", "gmx.de", "proton.me"] {
            assert!(
                matches!(flagged(&format!("security@{free}"), &kubeedge), Some(Flag::Freemail(_))),
                "{free}"
            );
        }
    }
}
