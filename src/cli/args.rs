//! What can be typed. Operators script these commands: verbs, flags and their meaning stay as they are.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::examples;
use super::nouns::{Breach, Hold, Ignore, Journal, Key, List, Member, Org, Queue, Roster, Store, Team};

/// An encrypted mailing-list relay for embargoed vulnerability reports.
///
/// `demo`, `init`, `serve`, `check`, `ingest`, `routes`, `completions`, `man`, `key new` and `key dkim` do their work themselves. Every other command asks
/// the running daemon, over the admin socket that the configuration names. The configuration is the file that --config
/// names; else the one that $VOUCHSAFE_CONFIG names; else /etc/vouchsafe/relay.toml.
#[derive(Debug, Parser)]
#[command(name = "vouchsafe", version)]
pub struct Args {
    /// The configuration [env: VOUCHSAFE_CONFIG] [default: /etc/vouchsafe/relay.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// The configuration: what `--config` names, else `$VOUCHSAFE_CONFIG` unless it is empty, else the usual place.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        let by_env =
            || std::env::var_os("VOUCHSAFE_CONFIG").filter(|name| !name.is_empty()).map(PathBuf::from);
        self.config.clone().or_else(by_env).unwrap_or_else(|| PathBuf::from("/etc/vouchsafe/relay.toml"))
    }
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a relay at work on this machine, in a folder that is removed afterwards.
    Demo,
    /// Make a new installation: configuration and keys.
    Init(Init),
    /// Run the daemon.
    Serve,
    /// Name every problem of the configuration with its remedy, without starting.
    Check {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
        /// Look up what DNS says of the lists' domains, too.
        #[arg(long)]
        dns: bool,
    },
    /// Take one mail from a mail server's pipe and hand it to the running daemon.
    Ingest(Ingest),
    /// Print the lists' addresses as a table for Postfix.
    Routes,
    /// Write what a shell completes this program's commands with to standard output.
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Write the manual pages, into man1 and man5 below a folder.
    Man {
        /// The folder; it is made when it is missing.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// What the running daemon is asked.
    #[command(flatten)]
    Admin(Admin),
}

/// Where and what to install.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The folder for configuration, keys and store.
    #[arg(long, value_name = "DIR", required_unless_present = "service", conflicts_with = "service")]
    pub dir: Option<PathBuf>,
    /// Lay it out for the systemd unit: /etc/vouchsafe, /var/lib/vouchsafe, /run/vouchsafe. Needs root.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub service: bool,
    /// The domain of the lists' addresses.
    #[arg(long)]
    pub domain: String,
    /// The policy to start from.
    #[arg(long)]
    pub preset: Preset,
    /// A file with the passphrase for the lists' secret keys.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// One mail from a pipe.
///
/// It exits with 0 once the mail is sealed and durable. 75 says that the mail server shall try again; 65, 67, 69 and 77 that
/// the mail is refused for good (sysexits.h). It needs no more of the settings than where the daemon listens, and nothing of
/// them with --socket.
#[derive(Debug, clap::Args)]
pub struct Ingest {
    /// The envelope sender; empty is the null sender. Where it is not given or no address, the mbox line before the header
    /// names it, else Return-Path, else From.
    #[arg(long, short = 'f', value_name = "ADDRESS", allow_hyphen_values = true)]
    pub sender: Option<String>,
    /// The daemon's LMTP socket; the configuration is not read then.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Take the recipient from this header field, which the mail server wrote.
    #[arg(long, value_name = "FIELD", conflicts_with = "recipients", required_unless_present = "recipients")]
    pub recipient_from: Option<RecipientField>,
    /// How many seconds each step may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub timeout: u64,
    /// Whom the mail is for.
    #[arg(value_name = "RECIPIENT")]
    pub recipients: Vec<String>,
}

/// A header field in which mail servers write the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecipientField {
    /// Delivered-To: whom it was delivered to.
    DeliveredTo,
    /// X-Original-To: whom it was sent to, before aliases.
    XOriginalTo,
}

impl RecipientField {
    /// The field's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeliveredTo => "Delivered-To",
            Self::XOriginalTo => "X-Original-To",
        }
    }
}

/// A published policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// KubeEdge: an intake list, and distributors who are vouched for.
    Kubeedge,
    /// EdgeX Foundry: a review team with yearly terms.
    Edgex,
}

impl Preset {
    /// Its name, as it is typed and as its policy file is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubeedge => "kubeedge",
            Self::Edgex => "edgex",
        }
    }
}

/// Reads this process's arguments. Help and mistakes are printed, and end the process: with 64 for a mistake.
#[must_use]
pub fn parse() -> Args {
    parse_from(std::env::args_os()).unwrap_or_else(|error| {
        let _ = error.print();
        std::process::exit(exit_code(&error));
    })
}

/// Reads arguments, the program's name first.
///
/// # Errors
/// When they make no command, or ask for help.
pub fn parse_from<I: IntoIterator<Item = OsString>>(arguments: I) -> Result<Args, clap::Error> {
    let matches = grammar().try_get_matches_from(arguments)?;
    Args::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar()))
}

/// The grammar, with examples in its help.
pub(super) fn grammar() -> clap::Command {
    examples::shown(Args::command())
}

/// The exit code for arguments that made no command: 64, `EX_USAGE` of sysexits.h; 0 when help was asked for.
#[must_use]
pub fn exit_code(error: &clap::Error) -> i32 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ => 64,
    }
}

/// What the running daemon is asked.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Show how the daemon is.
    Status {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
        /// Show it again and again, every so many seconds, until Ctrl-C; with --json one object a line.
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
              value_parser = clap::value_parser!(u64).range(1..=86_400))]
        watch: Option<u64>,
    },
    /// Let the daemon read its settings and certificates again, without an interruption.
    Reload,
    /// Mailing lists.
    #[command(subcommand)]
    List(List),
    /// The store, after it was restored from a backup.
    #[command(subcommand)]
    Store(Store),
    /// The lists' own keys.
    #[command(subcommand)]
    Key(Key),
    /// Organisations on the roster.
    #[command(subcommand)]
    Org(Org),
    /// Members: organisations' contacts.
    #[command(subcommand)]
    Member(Member),
    /// The persons of a list's team.
    #[command(subcommand)]
    Team(Team),
    /// The roster as files, for git and for other relays.
    #[command(subcommand)]
    Roster(Roster),
    /// Breaches of the embargo.
    #[command(subcommand)]
    Breach(Breach),
    /// Mail that is held for the admin's decision.
    #[command(subcommand)]
    Hold(Hold),
    /// Copies that wait to be delivered.
    #[command(subcommand)]
    Queue(Queue),
    /// Who did what, and when.
    #[command(subcommand)]
    Journal(Journal),
}

impl Admin {
    /// Whether a program reads what it shows: `--json`.
    pub(super) fn is_for_programs(&self) -> bool {
        match self {
            Self::Status { json, .. }
            | Self::List(List::Ls { json } | List::Show { json, .. })
            | Self::Key(Key::Ls { json } | Key::Dkim { json, .. })
            | Self::Org(Org::Ls { json, .. } | Org::Show { json, .. })
            | Self::Member(Member::Ls { json, .. } | Member::Show { json, .. })
            | Self::Roster(Roster::Import { json, .. })
            | Self::Team(Team::Ls { json, .. })
            | Self::Breach(Breach::Ls { json, .. } | Breach::Show { json, .. })
            | Self::Hold(Hold::Ls { json, .. } | Hold::Show { json, .. })
            | Self::Hold(Hold::Ignore(Ignore::Ls { json, .. }))
            | Self::Queue(Queue::Ls { json, .. } | Queue::Show { json, .. })
            | Self::Journal(Journal::Ls { json, .. } | Journal::Verify { json, .. }) => *json,
            _ => false,
        }
    }
}
