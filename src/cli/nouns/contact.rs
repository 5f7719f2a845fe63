//! What is asked about what members have besides address and certificate.

use std::path::PathBuf;

use clap::Subcommand;

use super::super::names::{Who, Why};
use crate::control::wire::{Address, Fingerprint};

/// Verbs of `member alias`.
#[derive(Debug, Subcommand)]
pub enum Alias {
    /// Note a further address.
    Add {
        /// Of which list, and whose.
        #[command(flatten)]
        who: Who,
        /// The further address.
        #[arg(long, value_name = "ADDRESS")]
        alias: Address,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Forget one.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Of which list, and whose.
        #[command(flatten)]
        who: Who,
        /// The further address.
        #[arg(long, value_name = "ADDRESS")]
        alias: Address,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
}

/// Verbs of `member cert`.
#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Let a further certificate's signatures count. Mail goes to the main one, as before.
    Add {
        /// Of which list, and whose.
        #[command(flatten)]
        who: Who,
        /// The OpenPGP certificate; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Let them count no more.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Of which list, and whose.
        #[command(flatten)]
        who: Who,
        /// Which certificate, as `member show` names it.
        #[arg(long)]
        fingerprint: Fingerprint,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
}

/// Verbs of `member delivery`.
#[derive(Debug, Subcommand)]
pub enum Delivery {
    /// Send copies again.
    On {
        /// Of which list, and whom.
        #[command(flatten)]
        who: Who,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Send no copies. The member stays active: it may post and vote.
    Off {
        /// Of which list, and whom.
        #[command(flatten)]
        who: Who,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
}
