//! A look at, or a hand in, the system calls of a running daemon.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::daemon::Daemon;
use super::{in_ci, is_root, skip};

/// strace at work on a daemon; let go when dropped.
pub struct Strace(Child);

impl Strace {
    /// Whether it can be used; if not, that is said aloud. The daemon lets nobody but root look at it.
    pub fn is_possible() -> bool {
        if !is_root() {
            assert!(!in_ci(), "only root can trace the daemon");
            eprintln!("SKIPPED: only root can trace the daemon");
            return false;
        }
        if Command::new("strace").arg("-V").output().is_err() {
            skip("strace");
            return false;
        }
        true
    }

    /// Takes hold of all threads of a daemon; from here on nothing that it does is missed.
    pub fn attach(daemon: &Daemon, options: &[&str]) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &daemon.pid().to_string()])
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "strace: {line}");
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self(strace)
    }

    /// Runs a program to its end; returns what was written down.
    pub fn of(program: &mut Command, options: &[&str]) -> String {
        let out = tempfile::NamedTempFile::new().unwrap();
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-o"])
            .arg(out.path())
            .args(options)
            .arg(program.get_program())
            .args(program.get_args());
        assert!(strace.output().unwrap().status.success(), "{program:?} under strace");
        std::fs::read_to_string(out.path()).unwrap()
    }

    /// Waits until it has written down everything of a daemon that has ended.
    pub fn end(mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
