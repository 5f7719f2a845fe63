//! The program: its own commands, and the admin commands that the running daemon is asked.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use vouchsafe::check::{self, AtWork, CannotReceive};
use vouchsafe::cli::{self, Admin, Command, Key};
use vouchsafe::config::{self, Config, NoPassphrase};
use vouchsafe::control::client;
use vouchsafe::control::wire::{Answer, Request, TeamRequest};
use vouchsafe::daemon::{self, Fatal, hygiene};
use vouchsafe::demo;
use vouchsafe::failpoint;
use vouchsafe::id::{Entropy, ListName};
use vouchsafe::ingest::{self, Door, Failure, Order, Place, Recipients};
use vouchsafe::init::{self, DkimError, DomainKeys, Layout, NewListError, PUBLISH};
use vouchsafe::logging;
use vouchsafe::mail::address::Domain;
use vouchsafe::pgp::keyring::{KeyError, Passphrase};
use vouchsafe::routes;
use vouchsafe::secret::Plaintext;
use vouchsafe::time::SystemClock;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped as it is freed, in the libraries that handle plaintext too.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// Exit codes of sysexits.h.
mod exit {
    pub(super) const USAGE: u8 = 64;
    pub(super) const NO_INPUT: u8 = 66;
    pub(super) const UNAVAILABLE: u8 = 69;
    pub(super) const SOFTWARE: u8 = 70;
    pub(super) const CANT_CREATE: u8 = 73;
    pub(super) const IO: u8 = 74;
    pub(super) const CONFIG: u8 = 78;
}

fn main() -> ExitCode {
    // Every command: `init` makes secret keys, an admin command may carry one.
    hygiene::harden();
    if let Err(text) = arm_failpoint() {
        let _ = writeln!(io::stderr(), "error: {text}");
        return ExitCode::from(exit::USAGE);
    }
    let args = cli::parse();
    let path = args.config();
    let done = match args.command {
        Command::Demo => demo(),
        Command::Init(init) => make(&init),
        Command::Serve => serve(&path),
        Command::Check { json, dns } => return checked(&path, json, dns),
        Command::Ingest(args) => ingest(args, &path),
        Command::Routes => show_routes(&path),
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => manual(&dir),
        Command::Admin(Admin::Key(Key::New { list })) => new_key(&list.0, &path),
        Command::Admin(Admin::Key(key @ Key::Dkim { .. })) => dkim(&key, &path),
        Command::Admin(command) => admin(command, &path),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::from(code)
        }
    }
}

/// A debug build dies where a test wants it; a release build does not even look.
fn arm_failpoint() -> Result<(), String> {
    if !failpoint::ENABLED {
        return Ok(());
    }
    std::env::var("VOUCHSAFE_FAILPOINT").map_or(Ok(()), |wanted| failpoint::arm(&wanted))
}

type Outcome = Result<(), (u8, String)>;

fn failed(code: u8) -> impl Fn(&dyn Display) -> (u8, String) {
    move |error| (code, format!("error: {error}"))
}

fn demo() -> Outcome {
    demo::run(&mut io::stdout()).map_err(|error| failed(exit::SOFTWARE)(&error))
}

fn completions(shell: cli::Shell) -> Outcome {
    io::stdout().write_all(&cli::completions(shell)).map_err(|error| failed(exit::IO)(&error))
}

fn manual(dir: &Path) -> Outcome {
    cli::write_pages(dir).map_err(|error| {
        failed(exit::CANT_CREATE)(&format!(
            "the manual pages cannot be written below {}: {error}; give a folder that you may write",
            dir.display()
        ))
    })
}

fn make(args: &cli::Init) -> Outcome {
    let preset = match args.preset {
        cli::Preset::Kubeedge => init::Preset::KubeEdge,
        cli::Preset::Edgex => init::Preset::EdgeX,
    };
    let domain: Domain = args.domain.parse().map_err(|error| {
        (exit::USAGE, format!("error: \"{}\" cannot be the lists' domain: {error}", args.domain))
    })?;
    let given = args.passphrase_file.as_deref();
    let layout = args.dir.clone().map_or(Layout::Service, Layout::Folder);
    let made = init::init(&layout, &domain, preset, given, &SystemClock, &Entropy::kernel());
    let made = made.map_err(|error| failed(exit::CANT_CREATE)(&error))?;
    write!(io::stdout(), "{made}").map_err(|error| failed(exit::IO)(&error))
}

fn serve(path: &Path) -> Outcome {
    let config = Config::load(path).map_err(|error| failed(exit::CONFIG)(&error))?;
    let filter = log(&config)?;
    let passphrase = passphrase(&config, false)?;
    daemon::serve(&config, passphrase, filter).map_err(|error| {
        let code = match error {
            Fatal::Admin(_) | Fatal::Keys(_) | Fatal::Dkim(_) | Fatal::Route(_) | Fatal::Unclean(_) => {
                exit::CONFIG
            }
            Fatal::Store(_) => exit::IO,
            Fatal::Listen(_) | Fatal::Control(_) | Fatal::Metrics { .. } | Fatal::Runtime(_) => {
                exit::UNAVAILABLE
            }
            Fatal::Broken => exit::SOFTWARE,
        };
        failed(code)(&error)
    })
}

fn ingest(args: cli::Ingest, path: &Path) -> Outcome {
    // To a mail server any code that it does not know is a refusal for good.
    std::panic::set_hook(Box::new(|_| {}));
    let broke_down = |_| Err(Failure::later("the program broke down; please report it"));
    let done = std::panic::catch_unwind(|| hand_in(args, path)).unwrap_or_else(broke_down);
    done.map_err(|failure| (failure.code as u8, failure.to_string()))
}

fn hand_in(args: cli::Ingest, path: &Path) -> Result<(), Failure> {
    let door = match args.socket {
        Some(socket) => Door::Lmtp(Place::Unix(socket)),
        // What is wrong here the admin can mend while the mail waits.
        None => config::door(path).map_err(|error| Failure::later(error.to_string()))?,
    };
    let field = args.recipient_from.map(|field| Recipients::Field(field.name()));
    let recipients = field.unwrap_or(Recipients::Named(args.recipients));
    let patience = Duration::from_secs(args.timeout);
    let order = Order { door, sender: args.sender, recipients, patience };
    ingest::ingest(&order, &mut io::stdin().lock())
}

fn show_routes(path: &Path) -> Outcome {
    let config = Config::load(path).map_err(|error| failed(exit::CONFIG)(&error))?;
    let nowhere = "the relay listens nowhere, so no way leads to it: set [lmtp] listen or [smtp] listen";
    let table = routes::postfix(&config).ok_or_else(|| failed(exit::CONFIG)(&nowhere))?;
    io::stdout().write_all(table.as_bytes()).map_err(|error| failed(exit::IO)(&error))
}

fn new_key(list: &ListName, path: &Path) -> Outcome {
    let config = Config::load(path).map_err(|error| failed(exit::CONFIG)(&error))?;
    let passphrase = passphrase(&config, true)?;
    let (made, dkim) = init::new_list(&config, list, &passphrase, &SystemClock).map_err(|error| {
        let code = match error {
            NewListError::Unknown { .. } => exit::NO_INPUT,
            NewListError::Public(_) => exit::USAGE,
            NewListError::Key(KeyError::Exists(_)) => exit::CANT_CREATE,
            NewListError::Key(_) => exit::CONFIG,
        };
        failed(code)(&error)
    })?;
    write!(
        io::stdout(),
        "{made}{}\nnext: let the daemon know it with `vouchsafe reload`, and publish what `vouchsafe key export {list}` shows\n",
        dkim.map_or_else(String::new, |keys| format!("{PUBLISH}\n{keys}"))
    )
    .map_err(|error| failed(exit::IO)(&error))
}

/// Shows the records of the keys that sign; makes, renews and activates the keys.
fn dkim(key: &Key, path: &Path) -> Outcome {
    let Key::Dkim { domain, rotate, activate, without_dns, json } = key else { return Ok(()) };
    let config = Config::load(path).map_err(|error| failed(exit::CONFIG)(&error))?;
    let parse = |text: &String| {
        text.parse::<Domain>()
            .map_err(|error| failed(exit::USAGE)(&format!("\"{text}\" is no domain: {error}")))
    };
    let domain = domain.as_ref().map(parse).transpose()?;
    let told = |error: DkimError| {
        let code = match error {
            DkimError::Unknown { .. } => exit::NO_INPUT,
            DkimError::Waiting { .. } | DkimError::NothingNew(_) => exit::CANT_CREATE,
            DkimError::Unpublished { .. } | DkimError::NoAnswer(_) => exit::UNAVAILABLE,
            DkimError::Dns(_) | DkimError::Key(_) => exit::CONFIG,
        };
        failed(code)(&error)
    };
    let keys = || init::dkim_keys(&config, domain.as_ref()).map_err(told);
    let there = keys()?;
    if *activate {
        init::activate_dkim(&config, &there, !without_dns).map_err(told)?;
    } else if *rotate || there.iter().any(|keys| keys.pairs.is_empty()) {
        let passphrase = passphrase(&config, true)?;
        init::make_dkim(&config, &there, *rotate, &passphrase, &SystemClock).map_err(told)?;
    }
    let shown = keys()?;
    let text = if *json {
        format!("{:#}\n", serde_json::Value::from(shown.iter().map(DomainKeys::to_json).collect::<Vec<_>>()))
    } else {
        shown.iter().map(ToString::to_string).collect()
    };
    io::stdout().write_all(text.as_bytes()).map_err(|error| failed(exit::IO)(&error))
}

/// Begins the log. `VOUCHSAFE_LOG` holds a filter such as `debug` or `vouchsafe::egress=trace`, and rules.
fn log(config: &Config) -> Result<logging::Filter, (u8, String)> {
    let [filter, journal_stream] = ["VOUCHSAFE_LOG", "JOURNAL_STREAM"].map(|name| std::env::var(name).ok());
    let environment =
        logging::Environment { filter: filter.as_deref(), journal_stream: journal_stream.as_deref() };
    logging::begin(&config.log, environment).map_err(|error| failed(exit::CONFIG)(&error))
}

/// `by_hand`: the command is run beside the unit, which alone gets the credential, so that a person is asked for it.
fn passphrase(config: &Config, by_hand: bool) -> Result<Passphrase, (u8, String)> {
    let source = config.keys.passphrase_source(credentials().as_deref());
    let error = failed(exit::CONFIG);
    match source.read() {
        Ok(Some(passphrase)) => return Ok(passphrase),
        Err(NoPassphrase::NoCredentials(_)) if by_hand && io::stdin().is_terminal() => {}
        read => drop(read.map_err(|e| error(&e))?),
    }
    if !io::stdin().is_terminal() {
        return Err(error(
            &"the keys' passphrase has no source, and there is no terminal to ask at; set passphrase_file or \
              passphrase_credential in [keys]",
        ));
    }
    let asked = dialoguer::Password::new().with_prompt("Passphrase of the keys").interact();
    Ok(Passphrase::new(Plaintext::new(asked.map_err(|e| error(&e))?.into_bytes())))
}

/// Where systemd puts credentials for this process.
fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

fn checked(path: &Path, json: bool, dns: bool) -> ExitCode {
    let report = check::check(path, &SystemClock, credentials().as_deref(), at_work);
    let report = if dns { check::with_dns(report, path) } else { report };
    let text = if json { format!("{:#}\n", report.to_json()) } else { report.to_string() };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(report.exit_code()),
        Err(_) => ExitCode::from(exit::IO),
    }
}

/// The store is the daemon's alone, so it is asked; none when it does not run.
fn at_work(config: &Config) -> Option<AtWork> {
    let ask = |request| client::ask(&config.control.socket, &request).ok();
    let mut rows = Vec::new();
    for request in [Request::MemberLs { list: None }, Request::Team(TeamRequest::Ls { list: None })] {
        match ask(request)? {
            Answer::Members(members) => rows.extend(members),
            _ => return None,
        }
    }
    let Answer::Lists(lists) = ask(Request::ListLs)? else { return None };
    let unread = lists.into_iter().filter(|list| list.readers == 0 && list.fingerprint.is_some());
    let unread: Vec<CannotReceive> = unread
        .map(|list| CannotReceive {
            list: list.name,
            address: list.address,
            problem: "it has no active reader, and its mail waits".to_owned(),
            from: None,
        })
        .collect();
    let flag = |row: &vouchsafe::control::wire::MemberRow| {
        Some((row.list.clone(), format!("{}: {}", row.address, row.flag.as_ref()?)))
    };
    let flagged = rows.iter().filter_map(flag).collect();
    // A row that says what is wrong and is received all the same tells of the days to come.
    let unreachable = rows.into_iter().filter(|row| row.problem.is_some());
    let found = |row: vouchsafe::control::wire::MemberRow| CannotReceive {
        list: row.list,
        address: row.address,
        problem: row.problem.unwrap_or_default(),
        from: row.expires.zip(row.days_left).filter(|_| row.can_receive),
    };
    let unreached: Vec<CannotReceive> = unreachable.map(found).chain(unread).collect();
    let Answer::Status(status) = ask(Request::Status)? else { return None };
    // Whom nothing reaches stands above, with the remedy.
    let told = |problem: &String| {
        unreached.iter().any(|who| problem.contains(&who.problem) && problem.contains(&who.list))
            || problem.contains("has no active reader")
    };
    let problems = status.problems.into_iter().filter(|problem| !told(problem)).collect();
    Some(AtWork { unreached, problems, flagged })
}

fn admin(command: Admin, path: &Path) -> Outcome {
    let config = Config::load(path).map_err(|error| failed(exit::CONFIG)(&error))?;
    let done = cli::run(command, &config.control.socket, &mut io::stdout().lock());
    done.map_err(|failure| (failure.exit_code(), failure.to_string()))
}
