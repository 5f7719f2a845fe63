//! What is asked about organisations.

use clap::Subcommand;

use crate::control::wire::OrgName;

/// Verbs of `org`.
#[derive(Debug, Subcommand)]
pub enum Org {
    /// Add an organisation.
    Add {
        /// Its short name.
        name: OrgName,
        /// Its name in full.
        #[arg(long)]
        title: Option<String>,
    },
    /// Show all organisations.
    #[command(visible_alias = "list")]
    Ls {
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one organisation and its contacts.
    Show {
        /// Which.
        name: OrgName,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
}
