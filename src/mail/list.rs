//! A list and its rules, as the settings and its policy have them.

use std::sync::{Arc, LazyLock};

use crate::id::ListName;
use crate::mail::address::Address;
use crate::mail::directory::Kind;
use crate::policy::{Membership, Moderation, Policy, TermsText};

/// A list and its rules.
#[derive(Clone, Debug)]
pub struct List {
    /// Its short name.
    pub name: ListName,
    /// What people call it.
    pub title: String,
    /// Its posting address.
    pub address: Address,
    /// Where its readers may answer: its posting address, or its team's where they may not post.
    pub answer_to: Address,
    /// What it is for.
    pub kind: Kind,
    /// The intake list whose team posts here and reads along (announce lists).
    pub team: Option<ListName>,
    /// Whether every reader gets a body of its own, with Intended Recipient.
    pub individual: bool,
    /// The policy that it follows, if it follows one.
    pub policy: Option<Arc<Policy>>,
}

impl List {
    /// What its policy says of membership; nothing where it follows none.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        static NONE: LazyLock<Membership> = LazyLock::new(Membership::default);
        self.policy.as_ref().map_or(&*NONE, |policy| &policy.membership)
    }

    /// What its policy says of held mail; nothing where it follows none.
    #[must_use]
    pub fn moderation(&self) -> &Moderation {
        static NONE: LazyLock<Moderation> = LazyLock::new(Moderation::default);
        self.policy.as_ref().map_or(&*NONE, |policy| &policy.moderation)
    }

    /// The text that its contacts accept, if its policy names one.
    #[must_use]
    pub fn terms(&self) -> Option<&TermsText> {
        self.policy.as_ref()?.terms_text.as_ref()
    }

    /// The list whose members decide for this one: the team that it names, or an intake list's own.
    #[must_use]
    pub fn deciding(&self) -> Option<&ListName> {
        self.team.as_ref().or_else(|| (self.kind == Kind::Intake).then_some(&self.name))
    }

    /// Its address for requests.
    #[must_use]
    pub fn request(&self) -> Address {
        self.address.with_suffix("-request").unwrap_or_else(|_| self.address.clone())
    }
}
