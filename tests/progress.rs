//! Long work shows how far it is: to a person at a terminal, and to nobody else.

// Helpers of tests are tests as well; clippy sees only functions marked as such.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use vouchsafe::control::server::{Server, Settings};
use vouchsafe::control::wire::{Answer, ChainRow, Part, Request};

/// A daemon whose journal takes a second and a half to verify, and who then thinks as long over its keys.
struct Slow {
    _runtime: Runtime,
    _stop: watch::Sender<bool>,
    folder: TempDir,
}

const LONG: Duration = Duration::from_millis(1500);

impl Slow {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut init = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        init.args(["init", "--domain", "lists.example.org", "--preset", "kubeedge", "--dir"])
            .arg(folder.path());
        assert!(init.output().unwrap().status.success());
        let runtime = Runtime::new().unwrap();
        let (stop, stopped) = watch::channel(false);
        let inside = runtime.enter();
        let server =
            Server::bind(&Settings { socket: folder.path().join("control.sock"), group: None }).unwrap();
        drop(inside);
        let (begun, parts) = (Instant::now(), AtomicU64::new(0));
        let begun = std::sync::Mutex::new(begun);
        let handler = move |request: Request, _| match request {
            Request::JournalVerify { after, .. } => {
                if after.is_none() {
                    *begun.lock().unwrap() = Instant::now();
                }
                let part = parts.fetch_add(1, Ordering::SeqCst);
                let goes_on = begun.lock().unwrap().elapsed() < LONG;
                let done = Part { looked: 1, total: 1_000_000, more: goes_on.then(|| part.to_string()) };
                let row = ChainRow { list: "security".to_owned(), sound: true, ..ChainRow::default() };
                let chains = if goes_on { Vec::new() } else { vec![row] };
                Answer::Verified { chains, head_found: None, done }
            }
            _ => {
                std::thread::sleep(LONG);
                Answer::Keys(Vec::new())
            }
        };
        runtime.spawn(server.serve(Arc::new(handler), stopped));
        Self { _runtime: runtime, _stop: stop, folder }
    }

    fn command(&self, program: &Path, args: &[&str]) -> Output {
        let settings = self.folder.path().join("relay.toml");
        let mut command = Command::new(program);
        command.args(args).env("VOUCHSAFE_CONFIG", settings).env("TERM", "xterm").stdin(Stdio::null());
        command.output().unwrap()
    }

    /// What a program writes that nobody watches.
    fn piped(&self, words: &[&str]) -> Output {
        self.command(Path::new(env!("CARGO_BIN_EXE_vouchsafe")), words)
    }

    /// What a person sees who types this: `script` gives the program a terminal.
    fn seen(&self, words: &str) -> Option<String> {
        if Command::new("script").arg("--version").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "script is not installed");
            eprintln!("SKIPPED: script is not installed");
            return None;
        }
        let line = format!("stty cols 120; {} {words}", env!("CARGO_BIN_EXE_vouchsafe"));
        let output = self.command(Path::new("script"), &["-qec", &line, "/dev/null"]);
        assert!(output.status.success(), "{output:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn a_person_sees_how_far_a_long_verification_is() {
    let slow = Slow::new();
    let Some(seen) = slow.seen("journal verify") else { return };
    assert!(seen.contains("verifying [") && seen.contains("of 1000000"), "{seen:?}");
    // Once the table is there, the bar has been wiped away.
    let (_, end) = seen.rsplit_once("verifying [").unwrap();
    let table = end.find("LIST").unwrap();
    assert!(end.find("\u{1b}[2K").unwrap() < table, "{end:?}");
}

#[test]
fn a_person_sees_that_the_daemon_is_waited_for() {
    let slow = Slow::new();
    let Some(seen) = slow.seen("key ls") else { return };
    assert!(seen.contains("waiting for the daemon"), "{seen:?}");
    assert!(seen.contains("no keys"), "{seen:?}");
}

#[test]
fn programs_see_nothing_of_it() {
    let slow = Slow::new();
    for words in [&["journal", "verify"][..], &["key", "ls"], &["journal", "verify", "--json"]] {
        let output = slow.piped(words);
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    }
    for words in ["journal verify --json", "key ls --json"] {
        let Some(seen) = slow.seen(words) else { return };
        assert!(
            !seen.contains("verifying") && !seen.contains("waiting") && !seen.contains('\u{1b}'),
            "{seen:?}"
        );
    }
    // A terminal for one of both is not enough: a pager would show the signs among the rows.
    let Some(seen) = slow.seen("journal verify | cat") else { return };
    assert!(seen.contains("LIST") && !seen.contains("verifying"), "{seen:?}");
}
