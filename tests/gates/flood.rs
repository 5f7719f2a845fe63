//! Thousands of idle connections from many addresses, and one honest client.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

use crate::outside::daemon::Daemon;
use crate::outside::install::{Install, SECURITY};
use crate::outside::until;

/// How many push in, and how many of them at a time: the queue of a listening socket is as short as 128 on some machines.
const FLOOD: usize = 5_000;
const PUSHERS: usize = 100;

/// One flood at a time: this process has so many files, and the machine so many processors.
static ALONE: Mutex<()> = Mutex::new(());

/// A connection from an address of one's choice.
pub(crate) async fn from(address: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{address}:0").parse().unwrap())?;
    socket.connect(to).await
}

/// What a server says first, and the connection.
async fn greeted(address: &str, to: SocketAddr) -> (String, TcpStream) {
    let mut stream = from(address, to).await.unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => line.push(byte[0]),
            _ => break,
        }
    }
    (String::from_utf8(line).unwrap(), stream)
}

/// A whole session with a mail in it; how long it took from connecting to the answer to its last dot.
async fn honest(to: SocketAddr) -> Duration {
    let begun = Instant::now();
    let mut stream = BufReader::new(from("127.0.0.2", to).await.unwrap());
    let hello = format!("MAIL FROM:<rita@reporter.example>\r\nRCPT TO:<{SECURITY}>\r\nDATA\r\n");
    for (say, codes) in [
        ("", &["220"][..]),
        ("EHLO a.example\r\n", &["250"]),
        (&hello, &["250", "250", "354"]),
        ("Subject: x\r\n\r\nHelp.\r\n.\r\n", &["250"]),
    ] {
        stream.write_all(say.as_bytes()).await.unwrap();
        for code in codes {
            let mut line = String::new();
            loop {
                line.clear();
                stream.read_line(&mut line).await.unwrap();
                if line.as_bytes().get(3) != Some(&b'-') {
                    break;
                }
            }
            assert!(line.starts_with(code), "{say:?}: {line:?}");
        }
    }
    begun.elapsed()
}

/// A line of /proc/PID/status, in KiB.
fn memory(daemon: &Daemon, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// So many files may this process have open; false when it may not.
fn may_open(files: u64) -> bool {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if maximum.is_some_and(|maximum| maximum < files) {
        eprintln!("SKIPPED: this process may have {maximum:?} files open, not {files}");
        return false;
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum }).is_ok()
}

/// A hundred at a time, each of which wants fifty connections; what each connection was told, all held open.
async fn flood(addresses: usize, to: SocketAddr) -> Vec<(String, TcpStream)> {
    let tasks: Vec<_> = (0..PUSHERS)
        .map(|n| {
            let address = format!("127.0.0.{}", 3 + n % addresses);
            tokio::spawn(async move {
                let mut held = Vec::new();
                for _ in 0..FLOOD / PUSHERS {
                    held.push(greeted(&address, to).await);
                }
                held
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all
}

#[test]
fn five_thousand_that_push_in_do_not_keep_the_honest_out() {
    let _alone = ALONE.lock();
    let install = Install::new("127.0.0.1:1");
    let daemon = Daemon::start(&install);
    if !may_open(FLOOD as u64 + 500) {
        return;
    }
    Runtime::new().unwrap().block_on(async {
        let (to, before) = (daemon.smtp(), memory(&daemon, "VmHWM:"));
        let alone = honest(to).await;
        for addresses in [4, 100] {
            let begun = Instant::now();
            let flooding = tokio::spawn(flood(addresses, to));
            let mut amid = Duration::ZERO;
            while !flooding.is_finished() {
                amid = amid.max(honest(to).await);
            }
            let all = flooding.await.unwrap();
            let took = begun.elapsed();
            let let_in = all.iter().filter(|(line, _)| line.starts_with("220 ")).count();
            let refused = all.iter().filter(|(line, _)| line.starts_with("421 4.7.0 ")).count();
            let after = honest(to).await;
            let peak = memory(&daemon, "VmHWM:");
            eprintln!(
                "{FLOOD} attempts from {addresses} addresses in {took:.2?}: {let_in} let in, {refused} told 421; an honest \
                 mail takes {alone:.2?} alone, at most {amid:.2?} meanwhile, {after:.2?} afterwards; VmHWM {before} -> {peak} KiB"
            );
            assert!((150..=950).contains(&let_in), "{let_in}");
            // Who is hung up on without a word is one of very many at once.
            assert!(refused >= (FLOOD - let_in) * 3 / 4, "{refused}");
            assert!(took < Duration::from_secs(10), "{took:?}");
            assert!(amid < Duration::from_secs(1) && after < Duration::from_secs(1), "{amid:?} {after:?}");
            assert!(peak - before < 60 * 1024, "memory has bounds: {before} -> {peak}");
            drop(all);
        }
    });
    assert!(daemon.count_lines("connections refused") <= 20, "a flood does not fill the log");
}

#[test]
fn five_thousand_that_stay_leave_the_daemon_quick_and_small() {
    let _alone = ALONE.lock();
    let changes = [
        ("#max_connections = 1000", "max_connections = 12000"),
        ("#max_connections_per_client = 50", "max_connections_per_client = 1000"),
    ];
    let install = Install::edited("127.0.0.1:1", &changes);
    // The usual soft limit: the daemon raises its own.
    let daemon = Daemon::start(&install);
    if !may_open(FLOOD as u64 + 500) {
        return;
    }
    Runtime::new().unwrap().block_on(async {
        let (to, before) = (daemon.smtp(), memory(&daemon, "VmHWM:"));
        let begun = Instant::now();
        let all = flood(100, to).await;
        let took = begun.elapsed();
        assert!(all.iter().all(|(line, _)| line.starts_with("220 ")), "all are let in");
        let (first, second) = (honest(to).await, honest(to).await);
        let peak = memory(&daemon, "VmHWM:");
        let sockets = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
        eprintln!(
            "{FLOOD} connections in {took:.2?}, {sockets} files open; an honest mail takes {first:.2?} and {second:.2?}; VmHWM \
             {before} -> {peak} KiB, {} KiB for each",
            (peak - before) / FLOOD
        );
        assert!(sockets >= FLOOD && first.max(second) < Duration::from_secs(1));
        assert!(peak - before < FLOOD * 24, "{before} -> {peak} KiB");
        drop(all);
    });
    until("their places are free again", || {
        let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
        (open < 200).then_some(())
    });
}

#[test]
fn without_files_the_daemon_waits_and_goes_on() {
    let install = Install::new("127.0.0.1:1");
    let daemon = Daemon::start(&install);
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    daemon.stop();
    let daemon = Daemon::start_with_files(&install, open + 15);
    assert!(daemon.log().contains("fewer files than max_connections"), "{}", daemon.log());
    Runtime::new().unwrap().block_on(async {
        let mut held = Vec::new();
        for _ in 0..40 {
            held.push(from("127.0.0.3", daemon.smtp()).await.unwrap());
        }
        assert!(daemon.wait_for_line("cannot accept a connection"));
        drop(held);
        let took = honest_when_there_are_files(daemon.smtp()).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
    });
    assert!(daemon.count_lines("cannot accept a connection") < 100, "with pauses");
}

/// The index wants files, too: some more than the socket alone.
async fn honest_when_there_are_files(to: SocketAddr) -> Duration {
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    honest(to).await;
    begun.elapsed()
}

#[test]
fn too_few_files_are_named_by_check_and_the_log() {
    let install = Install::new("127.0.0.1:1");
    let run = |verb: &str| {
        let line = format!(
            "ulimit -n 300 && exec timeout 3 {} --config {} {verb}",
            install.program().display(),
            install.config().display()
        );
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let told = run("check");
    assert!(told.contains("may have 300 files") && told.contains("max_connections"), "{told}");
}
