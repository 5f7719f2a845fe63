//! What is asked about breaches of the embargo. What leaked comes from files: arguments are for all to see.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::names::{OneList, SomeList};
use crate::control::wire::OrgName;
use crate::id::BreachId;

/// Verbs of `breach`.
#[derive(Debug, Subcommand)]
pub enum Breach {
    /// Report a leak: the team is alarmed. What is told goes to the team, encrypted, and is kept nowhere.
    Open {
        /// Of which list's embargo.
        #[command(flatten)]
        list: OneList,
        /// The organisation that broke it, where that is known.
        #[arg(long)]
        org: Option<OrgName>,
        /// What is told.
        #[command(flatten)]
        told: Told,
        /// Since when the leak is known, where not everything can be told yet: 2026-01-31T12:00:00Z.
        #[arg(long, value_name = "TIME")]
        known_since: Option<String>,
    },
    /// Tell more about a leak.
    Answer {
        /// Which, as `ls` shows it.
        id: BreachId,
        /// What is told.
        #[command(flatten)]
        told: Told,
    },
    /// Show the breaches, those that are open first.
    #[command(visible_alias = "list")]
    Ls {
        /// Of which list.
        #[command(flatten)]
        list: SomeList,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one breach: never what leaked.
    Show {
        /// Which, as `ls` shows it.
        id: BreachId,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Close a breach, by the team's decision.
    Close {
        /// Which, as `ls` shows it.
        id: BreachId,
        /// The organisation that broke the embargo, where the report does not say it.
        #[arg(long)]
        org: Option<OrgName>,
        /// It counts against that organisation.
        #[arg(long, required_unless_present = "no_strike", conflicts_with = "no_strike")]
        strike: bool,
        /// It counts against nobody.
        #[arg(long)]
        no_strike: bool,
    },
}

/// What is told of a leak, from files; `-` reads standard input.
#[derive(Debug, Args)]
pub struct Told {
    /// A file that says what leaked.
    #[arg(long, value_name = "FILE")]
    pub what: Option<PathBuf>,
    /// A file that says to whom.
    #[arg(long, value_name = "FILE")]
    pub to_whom: Option<PathBuf>,
    /// A file that says what prevents the next one.
    #[arg(long, value_name = "FILE")]
    pub prevention: Option<PathBuf>,
}
