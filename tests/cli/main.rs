//! The command line as operators script it: what each line asks of the daemon, and what comes of each answer. The
//! daemon is a closure behind the real socket.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod lines;

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use vouchsafe::cli::{self, Command, Failure, Terminal};
use vouchsafe::control::server::{Server, Settings};
use vouchsafe::control::wire::{Answer, OrgRequest, Page, Part, Request, TeamRequest};

const ID: &str = "agm4vvc2abcdefghijklmnopqa";
const CERT: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A daemon that remembers what it was asked and answers from a closure.
struct Daemon {
    _runtime: Runtime,
    _stop: watch::Sender<bool>,
    dir: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Daemon {
    fn saying(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert.asc"), CERT).unwrap();
        std::fs::write(dir.path().join("pass"), "hunter2\n").unwrap();
        let (stop, stopped) = watch::channel(false);
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let memory = Arc::clone(&asked);
        let _inside = runtime.enter();
        let server = Server::bind(&Settings { socket: dir.path().join("s"), group: None }).unwrap();
        runtime.spawn(server.serve(
            Arc::new(move |request, _peer| {
                memory.lock().unwrap().push(serde_json::to_value(&request).unwrap());
                answer(&request)
            }),
            stopped,
        ));
        drop(_inside);
        Self { _runtime: runtime, _stop: stop, dir, asked }
    }

    fn obliging() -> Self {
        Self::saying(|request| match request {
            Request::Status => Answer::Status(Box::default()),
            Request::ListLs => Answer::Lists(Vec::new()),
            Request::ListShow { .. } => Answer::List(Box::default()),
            Request::KeyLs => Answer::Keys(Vec::new()),
            Request::KeyExport { .. } => Answer::Certificate { armored: CERT.to_owned() },
            Request::Org(OrgRequest::Ls) => Answer::Orgs(Vec::new()),
            Request::Org(OrgRequest::Register) => Answer::Register(Vec::new()),
            Request::Org(OrgRequest::Show { .. }) => Answer::Org(Box::default()),
            Request::MemberLs { .. } | Request::Team(TeamRequest::Ls { .. }) => Answer::Members(Vec::new()),
            Request::MemberShow { .. } => Answer::Member(Box::default()),
            Request::HoldLs { .. } => Answer::Holds(Page { rows: Vec::new(), more: None }),
            Request::HoldShow { .. } => Answer::Hold(Box::default()),
            Request::QueueLs { .. } => Answer::Parcels(Page { rows: Vec::new(), more: None }),
            Request::QueueShow { .. } => Answer::Parcel(Box::default()),
            Request::JournalLs { .. } => Answer::Journal(Page { rows: Vec::new(), more: None }),
            Request::JournalVerify { .. } => {
                Answer::Verified { chains: Vec::new(), head_found: None, done: Part::default() }
            }
            Request::QueueRetryAll { .. } => Answer::Retried { tried: 7, done: Part::default() },
            _ => Answer::Done { what: "done".to_owned(), remarks: Vec::new() },
        })
    }

    fn run(&self, line: &str) -> Result<String, Failure> {
        self.run_before(line, &Terminal::none())
    }

    fn run_before(&self, line: &str, terminal: &Terminal) -> Result<String, Failure> {
        let mut out = Vec::new();
        cli::run_with(admin(&self.filled(line)), &self.dir.path().join("s"), &mut out, terminal)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// `CERT` and `PASS` in a line are files of this daemon's folder, `ID` is a well-formed id.
    fn filled(&self, line: &str) -> String {
        let file = |name: &str| self.dir.path().join(name).display().to_string();
        line.replace("CERT", &file("cert.asc")).replace("PASS", &file("pass")).replace("ID", ID)
    }

    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn parsed(line: &str) -> Result<cli::Args, clap::Error> {
    cli::parse_from(std::iter::once("vouchsafe").chain(line.split_whitespace()).map(Into::into))
}

fn admin(line: &str) -> cli::Admin {
    match parsed(line).unwrap_or_else(|e| panic!("{line}: {e}")).command {
        Command::Admin(command) => command,
        other => panic!("{line}: {other:?}"),
    }
}
