//! What is asked about organisations.

use clap::{Args, Subcommand};

use super::super::names::Why;
use super::Joining;
use super::ballot::Decide;
use crate::control::wire::{ListName, OrgFields, OrgName};
use crate::time::Timestamp;

/// Verbs of `org`.
#[derive(Debug, Subcommand)]
pub enum Org {
    /// Add an organisation.
    Add {
        /// Its short name.
        name: OrgName,
        /// What is known of it.
        #[command(flatten)]
        about: About,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Change what is known of an organisation: what is given, and nothing else.
    Edit {
        /// Which.
        name: OrgName,
        /// What is new; an empty text takes away what was there.
        #[command(flatten)]
        about: About,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// What the team decides.
    #[command(flatten)]
    Decide(Decide),
    /// Show all organisations.
    #[command(visible_alias = "list")]
    Ls {
        /// The register that may be published: organisations with an active contact, without addresses.
        #[arg(long, conflicts_with = "overdue")]
        public: bool,
        /// Only those with a criterion that is not met, or was to be looked at again; exit code 65 when there are any.
        #[arg(long)]
        overdue: bool,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one organisation, its contacts, and how it stands by the criteria.
    Show {
        /// Which.
        name: OrgName,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Write down whether an organisation meets a criterion of a list's policy.
    Assess {
        /// Which organisation.
        name: OrgName,
        /// For which list.
        #[arg(long)]
        list: ListName,
        /// Which criterion, as the policy names it.
        criterion: String,
        /// Whether it is met.
        #[arg(value_parser = ["met", "unmet", "unknown"])]
        state: String,
        /// On what ground: a link, a name, a sentence. The journal keeps it.
        #[arg(long, value_name = "TEXT")]
        evidence: Option<String>,
        /// The day on which it is to be looked at again; without it the policy's review_every counts.
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
        review: Option<Timestamp>,
        /// Who found it; without it the admin who asks.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// About applications.
    #[command(flatten)]
    Applications(Joining),
}

/// What can be said of an organisation.
#[derive(Debug, Args)]
pub struct About {
    /// Its name in full.
    #[arg(long)]
    title: Option<String>,
    /// What sort it is.
    #[arg(long, value_parser = ["distribution", "vendor", "service", "project", "individual", "other"])]
    kind: Option<String>,
    /// Whose work it rebuilds: an organisation of the roster, or any name.
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Where it is to be found.
    #[arg(long, value_name = "URL")]
    website: Option<String>,
    /// Who uses what it makes, beyond itself.
    #[arg(long, value_name = "TEXT")]
    user_base: Option<String>,
    /// What shows that it belongs here.
    #[arg(long, value_name = "TEXT")]
    evidence: Option<String>,
}

impl From<About> for OrgFields {
    fn from(about: About) -> Self {
        let About { title, kind, upstream, website, user_base, evidence } = about;
        Self { title, kind, upstream, website, user_base, evidence }
    }
}

fn day(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::of_day(text).ok_or("it is a day, as 2027-01-31")
}
