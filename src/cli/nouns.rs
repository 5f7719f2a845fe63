//! The nouns and their verbs. `ls` is also `list`, `remove` and `drop` are also `rm` and `delete`; what names a thing may
//! be given by flag or by position.

mod apply;
mod ballot;
mod breach;
mod contact;
mod hold;
mod journal;
mod org;
mod roster;
mod staff;
mod store;
mod team;

use std::path::PathBuf;

use clap::Subcommand;

pub(super) use self::apply::Joining;
pub(super) use self::ballot::{Decide, Vote};
pub use self::breach::{Breach, Told};
pub(super) use self::contact::{Alias, Cert, Delivery};
pub use self::hold::{Hold, Ignore};
pub use self::journal::Journal;
pub use self::org::Org;
pub use self::roster::{Roster, Source};
pub use self::staff::Staff;
pub use self::store::Store;
pub use self::team::Team;
pub(super) use self::team::{Body, NewPerson};
use super::names::{FormatOrRule, ListAndFile, OneList, SomeList, Who, Why, format, format_or_rule};
use crate::control::wire::{Format, ListName, OrgName, ParcelId};

/// Verbs of `list`.
#[derive(Debug, Subcommand)]
pub enum List {
    /// Show all lists.
    #[command(visible_alias = "list")]
    Ls {
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one list.
    Show {
        /// Which.
        #[command(flatten)]
        list: OneList,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Go on taking mail in, but work none of it off.
    Pause {
        /// Which.
        #[command(flatten)]
        list: OneList,
    },
    /// Work its mail off again.
    Resume {
        /// Which.
        #[command(flatten)]
        list: OneList,
    },
}

/// Verbs of `key`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Show the keys of all lists.
    #[command(visible_alias = "list")]
    Ls {
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Write a list's public certificate, armored, to standard output.
    Export {
        /// Which.
        #[command(flatten)]
        list: OneList,
    },
    /// Make the key of a list that is new in relay.toml; then restart the daemon.
    New {
        /// Which.
        #[command(flatten)]
        list: OneList,
    },
    /// Print the DKIM keys' DNS records, and make what is missing.
    Dkim {
        /// Of which domain; without it of all the lists'.
        domain: Option<String>,
        /// Make new keys beside the present ones: they sign once they are made active.
        #[arg(long, conflicts_with = "activate")]
        rotate: bool,
        /// Let new keys sign, from the daemon's next reload on, if DNS has their records.
        #[arg(long)]
        activate: bool,
        /// With --activate: take it that DNS has them.
        #[arg(long, requires = "activate")]
        without_dns: bool,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Give a list a secret key that exists already.
    Import {
        /// For which list, and from where.
        #[command(flatten)]
        what: ListAndFile,
        /// A file with the key's passphrase; without it, an encrypted key's passphrase is asked for.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Do not ask before it takes the place of another key.
        #[arg(long, short)]
        yes: bool,
    },
}

/// Verbs of `member`.
#[derive(Debug, Subcommand)]
pub enum Member {
    /// Add an organisation's contact as an active member, by the admin's decision.
    Add {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// Its organisation.
        #[arg(long)]
        org: OrgName,
        /// Its OpenPGP certificate; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// The message format for it, where the rule is not right (v1: SEIPDv1, v2: SEIPDv2).
        #[arg(long, value_parser = format)]
        format: Option<Format>,
        /// Have it accept the list's terms by itself first: nothing is delivered before.
        #[arg(long)]
        ask: bool,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Record a member's signed acceptance of the list's terms.
    Accept {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// The signed statement: lines `List:`, `Version:`, `Accepts:` with the text's SHA-256.
        #[arg(long, value_name = "FILE")]
        statement: PathBuf,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Ask a member by mail now whether its address is read.
    AskAlias {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
    },
    /// A contact's own people who need to know.
    #[command(subcommand)]
    Staff(Staff),
    /// Show the members of one list or of all.
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
    /// Show one member.
    Show {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Give a member another certificate, or a newer copy of the same.
    SetCert {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// Its OpenPGP certificate; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// Do not ask before another fingerprint takes the place of the pinned one.
        #[arg(long, short)]
        yes: bool,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Set the format of a member's copies, or leave it to the rule.
    SetFormat {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// v1 is SEIPDv1, v2 is SEIPDv2; `rule` lets the version of the key decide.
        #[arg(long, value_parser = format_or_rule)]
        format: FormatOrRule,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Further addresses of the same person or role, which a From may name.
    #[command(subcommand)]
    Alias(Alias),
    /// Further certificates, whose signatures count as the member's.
    #[command(subcommand)]
    Cert(Cert),
    /// Whether copies go to a member.
    #[command(subcommand)]
    Delivery(Delivery),
    /// Ask a member by mail whether it reads SEIPDv2: its answer sets the format.
    Probe {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
    },
    /// Let a member neither post nor read for a while.
    Suspend {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// End a suspension.
    Resume {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Remove a member, and withdraw its queued copies.
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Of which list, and who.
        #[command(flatten)]
        who: Who,
        /// Why.
        #[command(flatten)]
        why: Why,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// Verbs of `queue`.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// Show the queued copies.
    #[command(visible_alias = "list")]
    Ls {
        /// Of which list.
        #[command(flatten)]
        list: SomeList,
        /// Only those for this destination, as `queue show` names it: the smarthost, or a domain.
        #[arg(long, value_name = "NAME")]
        destination: Option<String>,
        /// As a JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one queued copy.
    Show {
        /// Which, as `ls` shows it.
        id: ParcelId,
        /// As a JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Try one deferred or failed copy again now, or all.
    Retry {
        /// Which, as `ls` shows it.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<ParcelId>,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// With --all: only those of this list.
        #[arg(long, requires = "all")]
        list: Option<ListName>,
    },
    /// Destroy one queued copy: its reader will not get it.
    #[command(visible_aliases = ["delete", "rm"])]
    Drop {
        /// Which, as `ls` shows it.
        id: ParcelId,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}
