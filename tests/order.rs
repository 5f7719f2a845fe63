//! Durable, then 250: the order of the daemon's system calls, mail by mail. Between the reading of a mail's last dot and
//! the 250 on the same connection lie the writes of its body, their sync, the rename, the sync of the folder, and the
//! commit of the index that names it: pages, sync, header, sync.
//!
//! And for what is relayed: no commit names a body before the body is durable.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures and skips"
)]

mod outside;

#[path = "order/made_up.rs"]
mod made_up;
#[path = "order/rules.rs"]
mod rules;
#[path = "order/trace.rs"]
mod trace;

use std::net::SocketAddr;

use outside::daemon::Daemon;
use outside::install::{Install, SECURITY, binary};
use outside::mail::clear;
use outside::openpgp::{armored, person};
use outside::random;
use outside::sink::Sink;
use outside::smtp::Client;
use outside::strace::Strace;
use rules::{forgotten, judge};
use trace::{Call, parse};

/// The clients that send at the same time, and the mails of each.
const CLIENTS: usize = 4;
const MAILS: usize = 4;

/// Everything that can read a mail, write to the store, sync, rename, or answer.
const CALLS: &str = "trace=read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,pwritev2,ftruncate,\
                     fallocate,fsync,fdatasync,rename,renameat,renameat2";

#[test]
fn each_250_comes_after_the_syncs_of_file_folder_and_index() {
    if !Strace::is_possible() {
        return;
    }
    let sink = Sink::start();
    let install = Install::edited(&sink.smarthost(), &[("[lmtp]\n#listen", "[lmtp]\nlisten")]);
    let daemon = Daemon::start(&install);
    install.team("ada@team.example", &armored(&person("ada@team.example")));
    let out = install.tmp().join("trace");
    let all = ["-ttt", "-yy", "-xx", "-s", "400000", "-o", out.to_str().unwrap(), "-e", CALLS];
    let strace = Strace::attach(&daemon, &all);

    let smtp = daemon.smtp();
    let clients: Vec<_> = (0..CLIENTS).map(|n| std::thread::spawn(move || send(smtp, n))).collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    // One mail, two recipients, two answers.
    let mut lmtp = Client::unix(&daemon.lmtp()).lhlo();
    let owner = "security-owner@lists.example";
    assert_eq!(lmtp.mail("rita@reporter.example", &[SECURITY, owner], &report(10)).code, 250);
    assert_eq!(lmtp.reply().code, 250);
    sink.wait_for_all(CLIENTS * MAILS + 1);
    daemon.stop();
    strace.end();

    let events = parse(&std::fs::read_to_string(&out).unwrap());
    let found = judge(&events, &install.root().join("data"));
    eprintln!("{} system calls; {found}", events.len());
    assert!(found.wrong.is_empty(), "\n{}\n", found.wrong.join("\n"));
    assert_eq!(found.acknowledged, CLIENTS * MAILS + 2, "each 250 was seen");
    assert!(found.bodies > CLIENTS * MAILS + 1, "bodies that go out were seen as well");
}

#[test]
fn each_folder_that_init_makes_is_synced_into_the_one_above() {
    if !Strace::is_possible() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let deep = place.path().join("new/folders/relay");
    let mut init = std::process::Command::new(binary());
    init.args(["init", "--domain", "lists.example", "--preset", "kubeedge", "--dir"]).arg(&deep);
    let trace = Strace::of(&mut init, &["-ttt", "-yy", "-xx", "-e", &format!("{CALLS},mkdir")]);
    let events = parse(&trace);
    assert!(events.iter().any(|event| event.call == Call::Made(deep.join("keys"))), "the trace is of init");
    assert_eq!(forgotten(&events), Vec::<std::path::PathBuf>::new());
}

fn send(smtp: SocketAddr, n: usize) {
    let mut client = Client::tcp(smtp).ehlo();
    for mail in 0..MAILS {
        // Among the short ones some that take several chunks.
        let lines = if (n + mail).is_multiple_of(MAILS) { 4000 } else { 10 };
        assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &report(lines)).code, 250);
    }
}

fn report(lines: usize) -> Vec<u8> {
    clear("rita@reporter.example", SECURITY, "Order", &format!("{}\n", random(60)).repeat(lines))
}
