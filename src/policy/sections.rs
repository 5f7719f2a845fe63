//! The sections of a policy file, one type each. A key that is not set is `None` (or an empty list): the policy does
//! not speak about it. Zero and `""` are refused.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration::{Period, many, optional};
use super::text::{Channel, Text};
use super::words::{
    AckAfter, AdvisoryField, BreachField, ClockStart, CvssVersion, FixOwner, Gate, Level, ListKind,
    Negotiation, NoticeField, Poster, PublicRoute, Reaction, ReplyTo, ReportFormat, Route, SeverityBasis,
    Strictness, VoucherRemoved,
};
use crate::id::ListName;

/// `[policy]`: which policy this is, and who approved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its short name.
    pub id: Text,
    /// Its version; cases bind to it.
    pub version: Text,
    /// Who approved it.
    pub approved_by: Option<Text>,
    /// When they did.
    pub approved_on: Option<jiff::civil::Date>,
}

/// `[intake]`: how a report is acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intake {
    /// Whether a receipt without content goes out at once.
    pub ack_auto: Option<bool>,
    /// How soon a person must have answered, from receipt.
    #[serde(with = "optional")]
    pub ack_human_deadline: Option<Duration>,
    /// After what a person answers, where the policy gives no time.
    pub ack_after: Option<AckAfter>,
    /// When the team is reminded, from receipt.
    #[serde(with = "optional")]
    pub ack_remind_at: Option<Duration>,
    /// When the admins and officers are told, from receipt.
    #[serde(with = "optional")]
    pub ack_escalate_at: Option<Duration>,
    /// Whether reporters are told how to reach single team members.
    pub publish_member_contacts: Option<bool>,
    /// What a report must say; missing ones are asked for once.
    pub required_fields: Vec<Text>,
}

/// `[triage]`: how a report is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Triage {
    /// How soon the team meets or votes, from receipt.
    #[serde(with = "optional")]
    pub meeting_deadline: Option<Duration>,
    /// What a missed meeting does.
    pub meeting_deadline_is: Option<Strictness>,
    /// What severity is measured by.
    pub severity_basis: Option<SeverityBasis>,
    /// Which CVSS versions are taken.
    pub cvss_versions: Vec<CvssVersion>,
    /// The levels of severity, worst first.
    pub levels: Vec<Level>,
    /// Where a report goes that is public already.
    pub already_public_route: Option<PublicRoute>,
    /// What the team may decide.
    pub reactions: Vec<Reaction>,
}

/// `[embargo]`: how long a case stays closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Embargo {
    /// When its clock starts.
    pub clock_start: Option<ClockStart>,
    /// The first day of publication, counted from there.
    pub min_days: Option<NonZeroU32>,
    /// The last day of publication.
    pub max_days: Option<NonZeroU32>,
    /// What passing the last day does.
    pub max_days_is: Option<Strictness>,
    /// Which proposal holds where parties differ.
    pub negotiate: Option<Negotiation>,
    /// What must be true before anything is published.
    pub publish_gate: Vec<Gate>,
}

/// `[notify.AUDIENCE]`: who is told before publication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// The list that the notice goes to.
    pub list: Option<ListName>,
    /// How long before publication the first notice must go out.
    #[serde(with = "optional")]
    pub first_notice_min: Option<Duration>,
    /// How long before publication the last notice must go out.
    #[serde(with = "optional")]
    pub final_notice_min: Option<Duration>,
    /// What a date nearer than that does.
    pub violation: Option<Strictness>,
    /// How many team members can waive it together, in writing.
    pub waiver_quorum: Option<NonZeroU32>,
    /// What a notice must contain.
    pub required: Vec<NoticeField>,
    /// What a notice contains or says "not yet" to.
    pub wanted: Vec<NoticeField>,
}

/// `[publish]`: where and how a case becomes public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publish {
    /// All the channels; publication stays open until each is done.
    pub channels: Vec<Channel>,
    /// What an announcement must contain.
    pub required: Vec<AdvisoryField>,
    /// The formats of the report.
    pub report: Vec<ReportFormat>,
    /// Whether announcements must link the release notes.
    pub release_notes_link_required: Option<bool>,
    /// Whether each release has a page of its known issues.
    pub release_known_issues_page: Option<bool>,
    /// How many minor releases a fix is ported back to.
    pub backport_minors: Option<NonZeroU32>,
}

/// `[list.NAME]`: what a list is for. Its addresses and keys stand in `relay.toml`, under the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRules {
    /// Its kind.
    pub kind: ListKind,
    /// The intake list whose team posts (announce lists).
    pub team: Option<ListName>,
    /// Who may post; what the kind says when left out.
    #[serde(default)]
    pub posters: Vec<Poster>,
    /// Whom an answer goes to.
    pub reply: Option<ReplyTo>,
}

/// `[severity_route]`: how a fix of each severity is shipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeverityRoute {
    /// Critical issues.
    pub critical: Option<Route>,
    /// High ones.
    pub high: Option<Route>,
    /// Medium ones.
    pub medium: Option<Route>,
    /// Low ones.
    pub low: Option<Route>,
}

/// `[tracker]`: what stands in the issue tracker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracker {
    /// Whether an embargoed issue may stand there.
    pub public_while_embargoed: Option<bool>,
    /// The label of security issues.
    pub label: Option<Text>,
    /// Who gets an issue that is fixed later.
    pub fix_later_assignee: Option<Text>,
}

/// `[third_party]`: issues in dependencies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThirdParty {
    /// Whether they take the same way as own issues.
    pub same_procedure: Option<bool>,
    /// Who fixes them.
    pub fix_owner: Option<FixOwner>,
    /// How often dependencies are looked through.
    #[serde(with = "optional")]
    pub monitor_every: Option<Duration>,
    /// The scanners whose results are taken in.
    pub scanners: Vec<Text>,
    /// The databases that are asked.
    pub feeds: Vec<Text>,
}

/// `[meetings]`: what the working group hears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Meetings {
    /// Whether it meets every week.
    pub wg_weekly: Option<bool>,
    /// The levels that are on its agenda.
    pub major_levels: Vec<Level>,
}

/// `[team]`: who handles reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Team {
    /// The fewest persons.
    pub min: Option<NonZeroU32>,
    /// The most persons.
    pub max: Option<NonZeroU32>,
    /// How long an appointment lasts.
    #[serde(with = "optional")]
    pub term: Option<Duration>,
    /// How its members are found.
    pub selection: Option<Text>,
    /// The seats that must be filled.
    pub composition: Vec<Seat>,
    /// Who approves a member.
    pub approval: Option<Approval>,
    /// The role that appoints a replacement within a term.
    pub replacement_by: Option<Text>,
    /// How long before a term's end its person and the team are reminded, each once.
    #[serde(with = "many")]
    pub remind: Vec<Duration>,
    /// How long a person goes on behind the end of the term; then nothing is delivered to them any more.
    #[serde(with = "optional")]
    pub grace: Option<Duration>,
    /// What is asked of a member.
    pub qualifications: Vec<Text>,
    /// How often it is told where the journal ends: 24 hours, if it is not said.
    pub journal_head_every: Option<Period>,
}

/// One seat of `team.composition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// The role.
    pub role: Text,
    /// How many persons at least.
    pub min: NonZeroU32,
    /// Whether it must be somebody who fills no other seat.
    #[serde(default)]
    pub not_same_person: bool,
}

/// `team.approval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The body that approves.
    pub body: Text,
    /// How many of its members must sign.
    pub quorum: Option<NonZeroU32>,
}

/// `[membership]`: who may belong to the members' list, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Membership {
    /// The criteria: built-in ones, or names from `own`.
    pub criteria: Vec<Text>,
    /// A project's own criteria: name and wording.
    pub own: BTreeMap<String, Text>,
    /// Whether contacts are to be role addresses. What is none is flagged.
    pub role_address_only: Option<bool>,
    /// The words that make a role address: `security@`, `acme-security@`.
    pub role_words: Vec<Text>,
    /// Domains where anybody gets an address, with what is below them.
    pub freemail_domains: Vec<Text>,
    /// What an address that is no role address does to whoever comes with it.
    pub not_role_address: Option<Strictness>,
    /// How many active members must vouch for an applicant.
    pub vouchers_required: Option<NonZeroU32>,
    /// Whether one of the same organisation may vouch.
    pub voucher_same_org: Option<bool>,
    /// How long members may vouch for an application, from when it came.
    #[serde(with = "optional")]
    pub voucher_period: Option<Duration>,
    /// What happens to those whom a removed member vouched for.
    pub voucher_removed: Option<VoucherRemoved>,
    /// How many applications to a list may be open.
    pub open_applications: Option<NonZeroU32>,
    /// How many letters go to strangers on a day, for each list: answers to forms, and as many questions for a confirmation.
    pub stranger_letters_per_day: Option<NonZeroU32>,
    /// How long an application stays open without a decision.
    #[serde(with = "optional")]
    pub application_period: Option<Duration>,
    /// How many team members admit an applicant for whom nobody can vouch yet.
    pub founding_quorum: Option<NonZeroU32>,
    /// How often a contact is asked to prove that it is read.
    #[serde(with = "optional")]
    pub alias_probe_every: Option<Duration>,
    /// How long it has for the answer.
    #[serde(with = "optional")]
    pub alias_probe_answer: Option<Duration>,
    /// How many unanswered probes in a row suspend it.
    pub alias_probe_misses: Option<NonZeroU32>,
    /// How long before the end of that time it is reminded, each once.
    #[serde(with = "many")]
    pub alias_probe_remind: Vec<Duration>,
    /// Whether an answer to the last probe ends the suspension by itself.
    pub alias_probe_return: Option<bool>,
    /// Whether the relay asks for the removal of whom it suspends for that.
    pub alias_probe_removal: Option<bool>,
    /// How often every criterion is looked at again.
    #[serde(with = "optional")]
    pub review_every: Option<Duration>,
    /// How many team members admit an applicant together.
    pub approval_quorum: Option<NonZeroU32>,
    /// Whether the people of one organisation have one vote together.
    pub one_vote_per_org: Option<bool>,
    /// How long a ballot is open before it lapses.
    #[serde(with = "optional")]
    pub ballot_closes: Option<Duration>,
    /// How long a closed ballot is kept to be looked at.
    #[serde(with = "optional")]
    pub ballot_kept: Option<Duration>,
    /// How many team members remove a member together.
    pub removal_quorum: Option<NonZeroU32>,
    /// How long a member has to meet a criterion again.
    #[serde(with = "optional")]
    pub cure_period: Option<Duration>,
}

/// `[moderation]`: mail that the gate holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Moderation {
    /// How long it waits for somebody who decides; then it is dropped.
    #[serde(with = "optional")]
    pub hold_expires: Option<Duration>,
    /// How long before that the team is reminded.
    #[serde(with = "optional")]
    pub hold_remind: Option<Duration>,
}

/// `[breach]`: a leak, and what follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breach {
    /// What the report of a leak must answer.
    pub report_fields: Vec<BreachField>,
    /// How soon it is due, from when the leak is known.
    #[serde(with = "optional")]
    pub report_deadline: Option<Duration>,
    /// How many breaches open a vote on removal.
    pub strikes_to_removal_vote: Option<NonZeroU32>,
}
