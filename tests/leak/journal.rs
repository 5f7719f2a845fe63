//! What goes to journald: its native protocol, received where journald would.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::outside::daemon::Daemon;
use crate::outside::image::in_own_namespace;
use crate::outside::install::{Install, SECURITY};
use crate::outside::openpgp::{armored, person};
use crate::outside::sink::Sink;
use crate::outside::smtp::Client;
use crate::outside::until;
use crate::scan::Scanner;
use crate::trap::Canaries;

/// Where systemd-journald listens.
const FOLDER: &str = "/run/systemd/journal";

/// In journald's place.
struct Journal(Arc<Mutex<Vec<Vec<u8>>>>);

impl Journal {
    fn take_the_place() -> Self {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "none", "/run"]).status();
        assert!(mounted.unwrap().success());
        std::fs::create_dir_all(FOLDER).unwrap();
        let place = format!("{FOLDER}/socket");
        let socket = UnixDatagram::bind(&place).unwrap();
        std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o666)).unwrap();
        let records = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&records);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            while let Ok(length) = socket.recv(&mut buffer) {
                kept.lock().unwrap().push(buffer[..length].to_vec());
            }
        });
        Self(records)
    }

    /// A record whose message begins like this, once it is there, as its fields.
    fn record(&self, message: &str) -> Vec<(String, String)> {
        until(message, || {
            let records = self.0.lock().unwrap();
            let all = records.iter().map(|record| fields(record));
            let is_it = |(name, value): &(String, String)| name == "MESSAGE" && value.starts_with(message);
            all.into_iter().find(|fields| fields.iter().any(is_it))
        })
    }
}

/// systemd's "Native Journal Protocol": `NAME=value\n`, or `NAME\n`, a 64-bit little-endian length, value, `\n`.
fn fields(mut record: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut found = Vec::new();
    while let Some(end) = record.iter().position(|b| *b == b'\n') {
        let (line, rest) = (&record[..end], &record[end + 1..]);
        if let Some(at) = line.iter().position(|b| *b == b'=') {
            found.push((text(&line[..at]), text(&line[at + 1..])));
            record = rest;
        } else {
            let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
            found.push((text(line), text(&rest[8..8 + length])));
            record = &rest[8 + length + 1..];
        }
    }
    found
}

#[test]
fn what_goes_to_journald_has_fields_and_no_content() {
    if !in_own_namespace("journal::what_goes_to_journald_has_fields_and_no_content") {
        return;
    }
    let journal = Journal::take_the_place();
    let sink = Sink::start();
    let changes = [("#to = \"auto\"", "to = \"journald\""), ("[lmtp]\n#listen", "[lmtp]\nlisten")];
    let install = Install::edited(&sink.smarthost(), &changes);
    let daemon = Daemon::spawn(&install, &[("VOUCHSAFE_LOG", "trace")]);
    until("it answers", || (install.run(&["status"]).code == 0).then_some(()));
    let ada = "ada@team.example";
    install.team(ada, &armored(&person(ada)));
    let canaries = Canaries::new();
    let mut client = Client::unix(&daemon.lmtp()).lhlo();
    assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &canaries.clear(SECURITY)).code, 250);
    sink.wait_for(ada, 1);
    client.quit();

    let attempt = journal.record("attempt");
    let has = |name: &str| attempt.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    // People read the fields as well, and not only programs.
    assert!(has("MESSAGE").unwrap().contains(" code=250 outcome=Delivered"), "{attempt:?}");
    assert_eq!(has("SYSLOG_IDENTIFIER"), Some("vouchsafe"));
    assert_eq!(
        (has("CODE"), has("TARGET")),
        (Some("250"), Some("vouchsafe::egress::delivery")),
        "{attempt:?}"
    );
    assert!(has("PARCEL").is_some_and(|id| !id.is_empty()) && has("PRIORITY").is_some(), "{attempt:?}");
    // One more record, so that everything before it has come.
    drop(std::os::unix::net::UnixStream::connect(install.root().join("control.sock")).unwrap());
    journal.record("a connection to the admin socket ended without a request");
    std::thread::sleep(Duration::from_millis(50));
    let records = journal.0.lock().unwrap();
    // An empty record asks whether anybody is there; one that is too long would come as a file.
    assert!(records.iter().skip(1).all(|record| !record.is_empty()), "every record is looked at");
    let all = records.concat();
    let found = Scanner::new(&canaries.all()).bytes("the journal", &all);
    assert!(found.is_empty(), "content in the journal");
    assert!(!all.windows(ada.len()).any(|part| part == ada.as_bytes()), "no reader's address");
    assert!(daemon.log().is_empty(), "nothing on standard error: {}", daemon.log());
}
