//! The roster on its way out of a relay and into one: the files of a directory, or what another program's list offers.

use serde::{Deserialize, Serialize};

use super::Certificate;
use crate::id::{Fingerprint, ListName, OrgName};
use crate::mail::address::Address;

/// What is asked about the roster as files.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RosterRequest {
    /// The roster as files, signed. [`RosterAnswer::Exported`].
    Export {
        /// Only this list, and the organisations of its members.
        list: Option<ListName>,
        /// The manifest of a former export and its signatures: where they still hold, they stay as they are.
        kept: Vec<RosterFile>,
    },
    /// Certificates as files of an export. [`RosterAnswer::Files`].
    Certificates {
        /// Which.
        certificates: Vec<Fingerprint>,
    },
    /// A roster from elsewhere. [`RosterAnswer::Plan`] with what would change; with what was agreed to
    /// [`super::Answer::Done`].
    Import {
        /// Where it comes from.
        source: RosterSource,
        /// Whether what a rule is against is left out; else nothing is imported then.
        skip: bool,
        /// Whether somebody who was removed may come back by it, and somebody who was suspended by a vote or for cause
        /// may be active again.
        bring_back: bool,
        /// The digest of the plan that the admin agreed to.
        agreed: Option<String>,
    },
}

/// What the daemon says about the roster as files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RosterAnswer {
    /// An exported roster.
    Exported {
        /// All files except the certificates.
        files: Vec<RosterFile>,
        /// Whose certificates belong to it; the manifest has them.
        certificates: Vec<Fingerprint>,
    },
    /// Some files of an exported roster.
    Files(Vec<RosterFile>),
    /// What an import would change.
    Plan(PlanRow),
}

/// A file of an exported roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterFile {
    /// Its path below the directory, its parts divided by `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Where an import comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RosterSource {
    /// A directory that `roster export` made. Whoever is missing there leaves.
    Directory {
        /// Its files, the manifest and its signatures among them.
        files: Vec<RosterFile>,
        /// Whose signature counts beside those of this installation's lists.
        signer: Option<Certificate>,
    },
    /// What another program has. Nobody leaves by it.
    Offer(Offer),
}

/// Who is to belong, by another program's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What it was read from, for the journal: `schleuder` or `csv`. Never a path.
    pub from: String,
    /// The list, unless a row names its own.
    pub list: Option<ListName>,
    /// One each.
    pub rows: Vec<OfferRow>,
    /// Certificates in any number: those that rows name are taken from them.
    pub certs: Vec<Certificate>,
    /// Whether a row without a fingerprint gets the one certificate that has its address. Not where strangers could put
    /// certificates into the keyring.
    pub by_address: bool,
    /// What could not be read as a row.
    pub unread: Vec<Unread>,
}

/// One person or role address that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferRow {
    /// Where copies go.
    pub address: Address,
    /// The certificate, if it is known.
    pub fingerprint: Option<Fingerprint>,
    /// Of which list, if it is not the one of the whole offer.
    pub list: Option<ListName>,
    /// Whether it is one of those who run the list.
    pub team: bool,
    /// Whether copies go there now.
    pub delivery: bool,
    /// The organisation, and its name in full.
    pub org: OrgName,
    /// The organisation's name in full.
    pub title: String,
    /// The person's name.
    pub name: Option<String>,
    /// What the person does.
    pub role: Option<String>,
}

/// Something that is no row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// What or who.
    pub what: String,
    /// Why it cannot be read.
    pub why: String,
}

/// What an import would do, or has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRow {
    /// What would change.
    pub items: Vec<PlanItem>,
    /// Who of those it names cannot receive mail today.
    pub unreachable: Vec<UnreachableRow>,
    /// What the admin should know besides.
    pub remarks: Vec<String>,
    /// What the admin agrees to: an import with another one changes nothing.
    pub digest: String,
}

/// One difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    /// The list; nothing for an organisation.
    pub list: Option<String>,
    /// `add`, `change`, `remove` or `none`, where there is only a rule against it.
    pub change: String,
    /// The organisation or the address.
    pub who: String,
    /// What of it, such as `standing: active, before: suspended`.
    pub what: Vec<String>,
    /// The rule against it.
    pub rule: Option<String>,
}

/// Somebody who cannot receive mail today.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreachableRow {
    /// The list.
    pub list: String,
    /// Who.
    pub address: String,
    /// Why.
    pub problem: String,
}
