//! `vouchsafe demo` as people run it: it succeeds, says what it promises, and leaves nothing behind, however it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A demo that is running, with a directory for temporary files of its own.
struct Demo {
    child: Child,
    temporary: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        // Not below the target directory: a socket's path must be short.
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.arg("demo").env("TMPDIR", temporary.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self { child: child.unwrap(), temporary }
    }

    /// Reads the output up to the line that starts so, and returns it with that line.
    fn read_to(&mut self, start: &str) -> String {
        let mut said = String::new();
        let out = BufReader::with_capacity(1, self.child.stdout.as_mut().unwrap());
        for line in out.lines() {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.trim_start().starts_with(start) {
                return said;
            }
        }
        panic!("no line starts with {start:?}:\n{said}");
    }

    /// Waits for the end; its exit code and what it said on standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.child.wait().unwrap().code(), error)
    }

    fn left_behind(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process id of the relay, from the line that tells it.
fn relay(said: &str) -> String {
    let (_, rest) = said.split_once("process ").expect(said);
    rest.chars().take_while(char::is_ascii_digit).collect()
}

fn runs(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[test]
fn the_demo_shows_what_it_promises_and_leaves_nothing_behind() {
    let started = Instant::now();
    let mut demo = Demo::start();
    let said = demo.read_to("All as promised");
    assert_eq!(demo.end(), (Some(0), String::new()), "{said}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    for line in [
        "allow_swap = true",
        "distributor  Granite OS PSIRT   psirt@granite.example   v4 RSA-4096",
        "distributor  Mica Cloud PSIRT   vuln@mica.example       v6 Ed25519",
        "Slate Edge PSIRT: the relay remarks: the certificate expires ",
        "security is paused",
        "PKESK version 6, the session key wrapped for key ",
        "SEIPD version 2, encrypted data (AES-256, OCB)",
        "in there is the whole mail: envelope, headers and all",
        "all three; the list's signature is good, the report as sent, byte for byte",
        "From            Rosa Reyes (unverified) via Security Team",
        "Subject         [Security Team] Heap overflow in the tunnel handshake (canary",
        "| Signature:  by a key that is not on the roster: ",
        "| the tunnel copies its peer's name into 64 bytes without looking at the",
        "| Subject: [...]",
        "all 6, each with its reader's key",
        "| Signature:  good, by Ada Berg, made ",
        "42 tries with somebody else's key: none opens",
        "psirt@slate.example receives nothing: expired since ",
        "psirt@slate.example on distrib-announce cannot receive mail: expired since ",
        "missed: member m-",
        "held: unknown-signer",
        "reply           550",
        "a planted file with all 6 forms: found in every form, and removed",
        "9 copies: not found",
        "sound, head ",
        "SIGTERM         the relay came to its end: exit code 0",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert_eq!(said.matches("reply           250 2.0.0 Taken in as ").count(), 3, "{said}");
    assert_eq!(said.matches("(settings, keys, data): not found").count(), 2, "{said}");
    assert!(!said.contains('\x1b'), "no colours into a pipe");
    assert_eq!(demo.left_behind(), [""; 0]);
    assert!(!runs(&relay(&said)));
}

#[test]
fn an_interrupted_demo_takes_its_relay_and_its_directory_along() {
    let mut demo = Demo::start();
    // What comes next is a wait, until a certificate has expired.
    let said = demo.read_to("4. ");
    assert_eq!(demo.left_behind().len(), 1);
    assert!(runs(&relay(&said)));
    kill_process(Pid::from_child(&demo.child), Signal::INT).unwrap();
    let (code, error) = demo.end();
    assert_eq!(code, Some(70));
    assert!(error.contains("it was interrupted"), "{error}");
    assert_eq!(demo.left_behind(), [""; 0]);
    assert!(!runs(&relay(&said)));
}

#[test]
fn a_demo_whose_output_nobody_reads_ends_and_cleans_up() {
    let mut demo = Demo::start();
    let said = demo.read_to("relay ");
    drop(demo.child.stdout.take());
    let (code, error) = demo.end();
    assert_eq!(code, Some(70));
    assert!(error.contains("the output cannot be written"), "{error}");
    assert_eq!(demo.left_behind(), [""; 0]);
    assert!(!runs(&relay(&said)));
}

#[test]
fn a_place_that_cannot_be_used_is_named_with_a_remedy() {
    for (place, word) in [("/nonexistent", "TMPDIR"), (&*format!("/tmp/{}", "x".repeat(90)), "shorter")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        let output = command.arg("demo").env("TMPDIR", place).output().unwrap();
        assert_eq!(output.status.code(), Some(70));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(word), "{error}");
    }
}
