//! A policy file as a whole: its sections, and how it is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sections::{
    Breach, Embargo, Identity, Intake, ListRules, Meetings, Membership, Moderation, Notify, Publish,
    SeverityRoute, Team, ThirdParty, Tracker, Triage,
};
use super::terms::{Terms, TermsText};
use crate::id::ListName;

/// A whole policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `[policy]`: which policy this is.
    pub policy: Identity,
    /// `[intake]`: acknowledging reports.
    #[serde(default)]
    pub intake: Intake,
    /// `[triage]`: judging them.
    #[serde(default)]
    pub triage: Triage,
    /// `[embargo]`: keeping them closed.
    #[serde(default)]
    pub embargo: Embargo,
    /// `[notify.AUDIENCE]`: telling some before all.
    #[serde(default)]
    pub notify: BTreeMap<String, Notify>,
    /// `[publish]`: telling all.
    #[serde(default)]
    pub publish: Publish,
    /// `[list.NAME]`: the lists.
    #[serde(default)]
    pub list: BTreeMap<ListName, ListRules>,
    /// `[severity_route]`: shipping fixes.
    #[serde(default)]
    pub severity_route: SeverityRoute,
    /// `[tracker]`: the issue tracker.
    #[serde(default)]
    pub tracker: Tracker,
    /// `[third_party]`: dependencies.
    #[serde(default)]
    pub third_party: ThirdParty,
    /// `[meetings]`: the working group.
    #[serde(default)]
    pub meetings: Meetings,
    /// `[team]`: who handles reports.
    #[serde(default)]
    pub team: Team,
    /// `[membership]`: who may be told early.
    #[serde(default)]
    pub membership: Membership,
    /// `[moderation]`: held mail.
    #[serde(default)]
    pub moderation: Moderation,
    /// `[breach]`: leaks.
    #[serde(default)]
    pub breach: Breach,
    /// `[terms]`: what contacts accept.
    #[serde(default)]
    pub terms: Terms,
    /// The text that `terms.text` names, once it was read.
    #[serde(skip)]
    pub terms_text: Option<TermsText>,
}

impl Policy {
    /// Reads a policy file's text. What the words mean together is [`Policy::lint`]'s to judge.
    ///
    /// # Errors
    /// With the place, on anything that is no TOML, an unknown key, or a value that is not one of the allowed ones.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}
