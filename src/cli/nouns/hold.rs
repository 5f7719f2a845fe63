//! What is done with held mail.

use clap::Subcommand;

use super::super::names::{SomeList, Why};
use crate::control::wire::{Fingerprint, ListName, SpoolId};

/// Verbs of `hold`.
#[derive(Debug, Subcommand)]
pub enum Hold {
    /// Show the held mails.
    #[command(visible_alias = "list")]
    Ls {
        /// Of which list.
        #[command(flatten)]
        list: SomeList,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one held mail: never its content.
    Show {
        /// Which, as `ls` shows it.
        id: SpoolId,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Have a held mail judged again, by the admin's leave.
    Release {
        /// Which, as `ls` shows it.
        id: SpoolId,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Destroy a held mail.
    #[command(visible_aliases = ["delete", "rm"])]
    Drop {
        /// Which, as `ls` shows it.
        id: SpoolId,
        /// And from now on whatever else its key signs, where that would be held.
        #[arg(long)]
        ignore: bool,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Keys whose mail is dropped where it would be held.
    #[command(subcommand)]
    Ignore(Ignore),
}

/// Verbs of `hold ignore`.
#[derive(Debug, Subcommand)]
pub enum Ignore {
    /// Show the keys that are ignored.
    #[command(visible_alias = "list")]
    Ls {
        /// Of which list.
        #[command(flatten)]
        list: SomeList,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Hold again what a key signs.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Of which list.
        list: ListName,
        /// Which key: its whole fingerprint, as `ls` shows it.
        key: Fingerprint,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
}
