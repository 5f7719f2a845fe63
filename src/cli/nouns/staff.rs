//! What is asked about a contact's own people.

use std::path::PathBuf;

use clap::Subcommand;

use super::super::names::{Who, Why};
use crate::id::MemberId;

/// Verbs of `member staff`.
#[derive(Debug, Subcommand)]
pub enum Staff {
    /// Record somebody of a contact's organisation who accepted the terms. No mail goes to them.
    Add {
        /// Of which list, and which contact.
        #[command(flatten)]
        who: Who,
        /// The person's name, as the statement has it.
        #[arg(long)]
        name: String,
        /// The signed statement: lines `List:`, `Version:`, `Accepts:` with the text's SHA-256, `Name:`.
        #[arg(long, value_name = "FILE")]
        statement: PathBuf,
        /// The person's OpenPGP certificate; without it the contact's has signed.
        #[arg(long, value_name = "FILE")]
        cert: Option<PathBuf>,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Forget somebody.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Of which list, and which contact.
        #[command(flatten)]
        who: Who,
        /// The person, as `member show` names it.
        #[arg(long)]
        person: MemberId,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
}
