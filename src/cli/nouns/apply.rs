//! What is asked about applications: verbs of `org`.

use std::path::PathBuf;

use clap::Subcommand;

use super::super::names::{OneList, SomeList};
use crate::control::wire::{ApplicationId, ListName};

/// Verbs of `org` that are about applications.
#[derive(Debug, Subcommand)]
pub enum Joining {
    /// Print the empty form of an application, with the policy's wording.
    Form {
        /// For which list.
        #[command(flatten)]
        list: OneList,
    },
    /// Hand in a form that was filled in.
    Apply {
        /// For which list.
        #[arg(long)]
        list: ListName,
        /// The form; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// The applicant's OpenPGP certificate.
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
    },
    /// Show all applications, those that are open first.
    Applications {
        /// To which list.
        #[command(flatten)]
        list: SomeList,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one application, with what it says and who vouched.
    Application {
        /// Which, as `applications` shows it.
        id: ApplicationId,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Record a signed statement by which a member vouches.
    Vouch {
        /// For which application.
        id: ApplicationId,
        /// The signed text: it names the application and the applicant's fingerprint. `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        statement: PathBuf,
        /// Its signature, where that is a file of its own.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
    },
    /// Take an application back.
    Withdraw {
        /// Which, as `applications` shows it.
        id: ApplicationId,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}
