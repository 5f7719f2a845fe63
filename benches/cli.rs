//! How long each answer of the command line takes: the whole process, from its start to its end, on an idle daemon with
//! 1,000 members with certificates of their own and a journal of 100,000 entries.
//!
//! `cargo bench --bench cli` prints a table in Markdown. `VOUCHSAFE_BENCH_CLI=FILE` writes it to a file as well;
//! `VOUCHSAFE_BENCH_PROGRAM=FILE` times another program than the one of this build.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, missing_docs)]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vouchsafe::id::{Entropy, ListName, MemberId, OrgName};
use vouchsafe::ledger::journal::{Actor, Event, Journal, Note};
use vouchsafe::ledger::registry::Registry;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::person::{Person, Sort};
use vouchsafe::roster::membership::{Member, Role, Standing};
use vouchsafe::store::contract::Batch;
use vouchsafe::time::{Clock, SystemClock, Timestamp};

const MEMBERS: usize = 1_000;
const ENTRIES: usize = 100_000;
/// How often each command is timed.
const ROUNDS: usize = 21;
const LIST: &str = "distrib-announce";

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let relay = Relay::new();
    let mut rows = relay.reading();
    rows.extend(relay.changing());
    let report = report(&rows, relay.durable_write());
    print!("{report}");
    if let Some(file) = std::env::var_os("VOUCHSAFE_BENCH_CLI") {
        fs::write(file, report).unwrap();
    }
}

/// A command, its first time after the daemon's start, and the further ones.
struct Timed {
    command: String,
    first: Duration,
    further: Vec<Duration>,
}

fn report(rows: &[Timed], durable: Duration) -> String {
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let mut text = format!(
        "## Command line\n\nWhole processes, from start to end, against an idle daemon with {MEMBERS} members and {ENTRIES} \
         journal entries; in milliseconds. A durable write of 4 KiB to the same disk took {} ms (median): each change \
         waits for at least one.\n\n| command | quickest | median | slowest | first |\n|---|---:|---:|---:|---:|\n",
        ms(durable)
    );
    for row in rows {
        let mut further = row.further.clone();
        further.sort();
        let (median, slowest) = (further[further.len() / 2], *further.last().unwrap());
        let times = [further[0], median, slowest, row.first].map(ms);
        let _ = writeln!(text, "| `{}` | {} |", row.command, times.join(" | "));
    }
    text
}

/// An installation with its daemon.
struct Relay {
    folder: TempDir,
    daemon: Child,
    /// Certificates that nobody has yet.
    spare: Vec<PathBuf>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn program() -> OsString {
    std::env::var_os("VOUCHSAFE_BENCH_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_vouchsafe").into())
}

fn vouchsafe(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.env("VOUCHSAFE_CONFIG", folder.join("relay.toml")).stdin(Stdio::null());
    command
}

impl Relay {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let mut init = vouchsafe(place);
        init.args(["init", "--domain", "lists.example.org", "--preset", "kubeedge", "--dir"]).arg(place);
        assert!(init.output().unwrap().status.success());
        let settings = place.join("relay.toml");
        let text = fs::read_to_string(&settings).unwrap();
        let text =
            text.replace("127.0.0.1:2525", "127.0.0.1:0").replace("#allow_swap = false", "allow_swap = true");
        fs::write(&settings, text).unwrap();
        let people = people(MEMBERS + ROUNDS + 1);
        let spare = people.iter().skip(MEMBERS).enumerate().map(|(nth, cert)| {
            let file = place.join(format!("spare{nth}.asc"));
            fs::write(&file, cert.armored()).unwrap();
            file
        });
        let spare = spare.collect();
        fs::write(place.join("first.asc"), people[0].armored()).unwrap();
        fill(place, &people[..MEMBERS]);
        let log = File::create(place.join("log")).unwrap();
        let daemon = vouchsafe(place).arg("serve").stderr(log).spawn().unwrap();
        let relay = Self { folder, daemon, spare };
        let until = Instant::now() + Duration::from_secs(60);
        while !relay.run(&["key", "ls"]).1 {
            let log = fs::read_to_string(relay.folder.path().join("log")).unwrap();
            assert!(Instant::now() < until, "the daemon does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        relay
    }

    /// Runs a command; how long it took, and whether it went well.
    fn run(&self, words: &[&str]) -> (Duration, bool) {
        let mut command = vouchsafe(self.folder.path());
        command.args(words);
        let begun = Instant::now();
        let output = command.output().unwrap();
        (begun.elapsed(), output.status.success())
    }

    /// Times a command whose words may differ from round to round.
    fn timed<'a>(&self, name: &str, words: impl Fn(usize) -> Vec<&'a str>) -> Timed {
        let once = |nth: usize| {
            let words = words(nth);
            let (time, well) = self.run(&words);
            assert!(well, "{words:?}");
            time
        };
        Timed { command: name.to_owned(), first: once(0), further: (1..=ROUNDS).map(once).collect() }
    }

    fn reading(&self) -> Vec<Timed> {
        let lines = [
            "--version",
            "status",
            "list ls",
            "list show distrib-announce",
            "member ls",
            "member show distrib-announce p7@host7.example",
            "org ls",
            "org show org7",
            "team ls",
            "hold ls",
            "queue ls",
            "journal ls",
            "journal ls --limit 1000",
            "journal verify",
            "key ls",
            "key export security",
        ];
        let with_json = lines.iter().flat_map(|line| {
            let json = format!("{line} --json");
            let has_none = ["--version", "key export security"].contains(line);
            [Some((*line).to_owned()), (!has_none).then_some(json)].into_iter().flatten()
        });
        with_json.map(|line| self.timed(&line, |_| line.split(' ').collect())).collect()
    }

    fn changing(&self) -> Vec<Timed> {
        let who = [LIST, "p7@host7.example"];
        let new: Vec<String> = (0..self.spare.len()).map(|nth| format!("new{nth}@host.example")).collect();
        let certs: Vec<&str> = self.spare.iter().map(|file| file.to_str().unwrap()).collect();
        let own = self.folder.path().join("first.asc");
        let own = own.to_str().unwrap();
        let mut rows = vec![
            self.timed("member add", |n| {
                vec!["member", "add", LIST, &new[n], "--org", "org7", "--cert", certs[n]]
            }),
            self.timed("member set-cert", |_| {
                vec!["member", "set-cert", LIST, "p0@host0.example", "--cert", own]
            }),
            self.timed("member remove", |n| vec!["member", "remove", LIST, &new[n], "--yes"]),
        ];
        for (noun, [one, other], what) in
            [("member", ["suspend", "resume"], &who[..]), ("list", ["pause", "resume"], &who[..1])]
        {
            let name = format!("{noun} {one}, {noun} {other}");
            rows.push(
                self.timed(&name, |n| {
                    [&[noun, if n.is_multiple_of(2) { one } else { other }], what].concat()
                }),
            );
        }
        rows
    }

    /// What a durable write to this disk costs by itself.
    fn durable_write(&self) -> Duration {
        let mut file = File::create(self.folder.path().join("probe")).unwrap();
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                file.write_all(&[7; 4096]).unwrap();
                file.sync_data().unwrap();
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    }
}

/// The certificates of invented people.
fn people(count: usize) -> Vec<Cert> {
    // As old as most people's.
    let at = SystemClock.now().before(Duration::from_secs(365 * 24 * 3600));
    let one = |nth: usize| {
        let address = format!("p{nth}@host{nth}.example");
        Person::generate("Somebody", &address, Sort::V4, at, None).unwrap().cert().clone()
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let each = count.div_ceil(workers);
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..workers)
            .map(|worker| (worker * each).min(count)..((worker + 1) * each).min(count))
            .map(|range| scope.spawn(move || range.map(one).collect::<Vec<Cert>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

/// Puts members and journal into a store that no daemon has open yet.
fn fill(place: &Path, people: &[Cert]) {
    let settings = vouchsafe::store::Settings { path: place.join("data"), ..Default::default() };
    let store = vouchsafe::store::open(&settings).unwrap();
    let (registry, journal) = (Registry::new(store.clone()), Journal::new(store));
    let (now, entropy) = (SystemClock.now(), Entropy::kernel());
    let list: ListName = LIST.parse().unwrap();
    let org = |nth: usize| -> OrgName { format!("org{nth}").parse().unwrap() };
    let read = registry.roster().unwrap();
    let mut roster = (*read.roster).clone();
    let mut batch = Batch::new();
    for (nth, cert) in people.iter().enumerate() {
        let member = Member {
            id: MemberId::random(&entropy),
            address: format!("p{nth}@host{nth}.example").parse().unwrap(),
            fingerprint: cert.fingerprint(),
            role: Role::Contact { org: org(nth) },
            standing: Standing::Active,
            since: now,
            format: None,
            file: vouchsafe::roster::membership::MemberFile::default(),
        };
        roster = roster.add_org(&org(nth), "An organisation".to_owned(), now).unwrap().0;
        roster = roster.add_member(&list, member).unwrap().0;
        Registry::set_cert(&mut batch, cert.fingerprint(), cert.to_bytes());
    }
    Registry::set_roster(&mut batch, &read, &roster).unwrap();
    journal.commit(&batch, &[], now).unwrap();
    history(&journal, &list, now);
}

/// A long life of the list, as the journal tells it.
fn history(journal: &Journal, list: &ListName, now: Timestamp) {
    let event = |nth: usize| Event::Paused { paused: nth.is_multiple_of(2) };
    let note =
        |nth| Note { list: Some(list.clone()), actor: Actor::Admin(0), event: event(nth), reason: None };
    let notes: Vec<Note> = (0..ENTRIES).map(note).collect();
    for part in notes.chunks(5_000) {
        journal.commit(&Batch::new(), part, now).unwrap();
    }
}
