//! What is asked about the persons of teams.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::names::{SomeList, Who, Why};
use crate::control::wire::{Address, OrgName};

/// Verbs of `team`.
#[derive(Debug, Subcommand)]
pub enum Team {
    /// Add a person to a list's team, by the admin's decision.
    Add {
        /// Of which list, who, and as what.
        #[command(flatten)]
        person: NewPerson,
        /// The day on which the term began, where the policy has terms; today when not given.
        #[arg(long, value_name = "DAY")]
        term_starts: Option<String>,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Show the team of one list or of all.
    #[command(visible_alias = "list")]
    Ls {
        /// Of which list.
        #[command(flatten)]
        list: SomeList,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
        /// Only who receives nothing now, or nothing any more in so many days; exit code 65 when there is somebody.
        #[arg(long, value_name = "DAYS")]
        within: Option<u64>,
    },
    /// Show one person of a team: what they are there, and for how long.
    Show {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Begin a person's term anew, by the admin's decision.
    Term {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// The day on which it began; today when not given.
        #[arg(long, value_name = "DAY")]
        starts: Option<String>,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Appoint a person, or appoint anew, by signed approvals of the body that the policy names.
    Appoint {
        /// Of which list, who, and as what.
        #[command(flatten)]
        person: NewPerson,
        /// A statement that somebody of the body has signed; once for each.
        #[arg(long, value_name = "FILE", required = true)]
        approval: Vec<PathBuf>,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Put a person in the place of another one for the rest of the term.
    Replace {
        /// In whose place.
        #[arg(long, value_name = "ADDRESS")]
        old: Address,
        /// Of which list, who comes, and as what; as what the other one was when not given.
        #[command(flatten)]
        person: NewPerson,
        /// The statement that whoever may replace has signed.
        #[arg(long, value_name = "FILE")]
        statement: PathBuf,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// The bodies that approve persons of teams.
    #[command(subcommand)]
    Body(Body),
    /// Remove a person from the team.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Also where the team becomes smaller than its policy wants it.
        #[arg(long, requires = "reason")]
        below_minimum: bool,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// A person who comes into a team.
#[derive(Debug, Args)]
pub struct NewPerson {
    /// Of which list, and who.
    #[command(flatten)]
    pub who: Who,
    /// The person's name.
    #[arg(long)]
    pub name: String,
    /// The person's OpenPGP certificate; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// What the person is there; several times for several roles.
    #[arg(long)]
    pub role: Vec<String>,
    /// The organisation that the person works for.
    #[arg(long)]
    pub org: Option<OrgName>,
}

/// Verbs of `team body`.
#[derive(Debug, Subcommand)]
pub enum Body {
    /// Record somebody of a body, with the certificate that signs.
    Add {
        /// Which body, as the policy names it.
        body: String,
        /// Who.
        address: Address,
        /// The OpenPGP certificate; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Show who is of which body.
    #[command(visible_alias = "list")]
    Ls {
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Take somebody out of a body.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Which body.
        body: String,
        /// Who.
        address: Address,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}
