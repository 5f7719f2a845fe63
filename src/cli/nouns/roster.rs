//! The grammar of `roster`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Subcommand, ValueEnum};

use crate::control::wire::{ListName, OrgName};

/// Verbs of `roster`.
#[derive(Debug, Subcommand)]
pub enum Roster {
    /// Write the roster into a directory of text files, signed by the lists' keys.
    Export {
        /// Where to: an empty directory, or a former export, which is brought up to date.
        #[arg(value_name = "DIR")]
        to: PathBuf,
        /// Only this list, and the organisations of its members.
        #[arg(long, value_name = "LIST")]
        list: Option<ListName>,
    },
    /// Show what a roster would change, and change it after you agreed.
    Import {
        /// The directory of an export, Schleuder's database, or a CSV file.
        #[arg(value_name = "FROM")]
        source: PathBuf,
        /// What it is.
        #[arg(long, value_enum, default_value = "vouchsafe")]
        from: Source,
        /// Only show what would change.
        #[arg(long)]
        dry_run: bool,
        /// Of an export: a certificate whose signature counts beside those of this installation's lists.
        #[arg(long, value_name = "FILE")]
        signed_by: Option<PathBuf>,
        /// Of the others: the certificates: a folder of files, one keyring, or a GnuPG home.
        #[arg(long, value_name = "PATH")]
        certificates: Option<PathBuf>,
        /// Of the others: for which list.
        #[arg(long, value_name = "LIST")]
        list: Option<ListName>,
        /// Of Schleuder: which of its lists, by address.
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        /// Of Schleuder: the organisation of a mail domain, where its name should be another.
        #[arg(long = "org", value_name = "DOMAIN=NAME")]
        orgs: Vec<DomainOrg>,
        /// Leave out what a rule is against, and import the others.
        #[arg(long)]
        skip: bool,
        /// Let also those in again who were removed here, or suspended by a vote or for cause.
        #[arg(long)]
        bring_back: bool,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
        /// The difference as a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
}

/// What a roster is imported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// A directory that `roster export` made.
    Vouchsafe,
    /// The SQLite database of Schleuder.
    Schleuder,
    /// A table: CSV, with the names of its columns in the first line.
    Csv,
}

/// The organisation of a mail domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainOrg {
    /// The domain.
    pub domain: String,
    /// Its organisation.
    pub org: OrgName,
}

impl FromStr for DomainOrg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (domain, org) =
            text.split_once('=').ok_or("give it as DOMAIN=NAME, such as acme.example=acme")?;
        let org = org.parse().map_err(|error: crate::id::NotAnId| error.to_string())?;
        Ok(Self { domain: domain.to_ascii_lowercase(), org })
    }
}
