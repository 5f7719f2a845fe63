//! What is asked about the persons of teams.

use std::path::PathBuf;

use clap::Subcommand;

use super::super::names::{SomeList, Who};

/// Verbs of `team`.
#[derive(Debug, Subcommand)]
pub enum Team {
    /// Add a person to a list's team.
    Add {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// The person's name.
        #[arg(long)]
        name: String,
        /// The person's OpenPGP certificate; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// What the person does.
        #[arg(long)]
        role: Option<String>,
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
    /// Remove a person from the team.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}
