//! What is asked about the journal.

use clap::Subcommand;

use super::super::names::SomeList;

/// Verbs of `journal`.
#[derive(Debug, Subcommand)]
pub enum Journal {
    /// Show the newest entries, oldest first.
    #[command(visible_alias = "list")]
    Ls {
        /// Of which list.
        #[command(flatten)]
        list: SomeList,
        /// How many of the newest.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
        /// All of them.
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Compute the hash chains anew; exit code 65 when one is broken.
    Verify {
        /// Of which list.
        #[command(flatten)]
        list: SomeList,
        /// The hash of an entry that was kept elsewhere: is it in the chain still?
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
}
