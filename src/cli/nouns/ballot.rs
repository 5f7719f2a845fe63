//! What is asked about ballots and removals: verbs of `org`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::control::wire::{Address, BallotId, ListName, OrgName, Reason};

/// Verbs of `org` about what the team decides.
#[derive(Debug, Subcommand)]
pub enum Decide {
    /// Record that somebody of the team approves: by a signed statement, or by your word for them.
    Approve(Vote),
    /// Record that somebody of the team objects.
    Object(Vote),
    /// Show the ballots of one list or of all.
    Ballots {
        /// Of which list.
        #[arg(long, value_name = "LIST")]
        list: Option<ListName>,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one ballot and its votes.
    Ballot {
        /// Which, as `ballots` shows it.
        id: BallotId,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Ask for a removal: those whom it is about are told, and the team votes.
    Removal {
        /// Who.
        address: Option<Address>,
        /// From which list.
        #[arg(long, value_name = "LIST")]
        list: ListName,
        /// In place of an address: all contacts of this organisation.
        #[arg(long, value_name = "ORG", conflicts_with = "address", required_unless_present = "address")]
        org: Option<OrgName>,
        /// Why: criterion, breach, probe, wish, idle or other.
        #[arg(long, required_unless_present = "withdraw")]
        reason: Option<Reason>,
        /// The same in words, for those whom it is about.
        #[arg(long)]
        text: Option<String>,
        /// Take it back: it is mended.
        #[arg(long, conflicts_with_all = ["reason", "text"])]
        withdraw: bool,
    },
}

/// A vote that the admin records.
#[derive(Debug, Args)]
pub struct Vote {
    /// In which ballot.
    pub ballot: BallotId,
    /// Whose.
    #[arg(long, value_name = "ADDRESS")]
    pub by: Address,
    /// Their signed statement; without it, it is your word.
    #[arg(long, value_name = "FILE")]
    pub statement: Option<PathBuf>,
}
