//! What the admin was told, held against the journal: each thing that went wrong once, whatever died in between.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use sequoia_openpgp::Cert;

use crate::lane::Lane;
use crate::load::Setting;
use crate::outside::copy::{armored_part, header};
use crate::outside::daemon::Daemon;
use crate::outside::openpgp::open;
use crate::outside::sink::Taken;
use crate::outside::smtp::Client;
use crate::verdict::permitted;

/// Who is told.
pub(crate) const ADMIN: &str = "root@admin.example";

/// How often what is called so, by the journal and in notices alike.
type Counts = BTreeMap<&'static str, usize>;

/// The admin in `relay.toml`.
pub(crate) fn settings() -> String {
    format!("notify = [{{ address = \"{ADMIN}\", certificate = \"admin.asc\" }}]\nalert_every = \"1s\"\n")
}

impl Lane {
    /// Sends a bounce for each copy that is taken, until the daemon is gone.
    pub(crate) fn return_copies(&self, daemon: &Daemon) -> JoinHandle<()> {
        let (smtp, sink) = (daemon.smtp(), self.setting.sink.watcher());
        std::thread::spawn(move || {
            let mut seen = sink.count();
            let Some(mut client) = Client::try_tcp(smtp) else { return };
            if !client.say(b"EHLO mx.example\r\n") || client.hear().is_none() {
                return;
            }
            loop {
                let taken = sink.after(seen);
                seen += taken.len();
                // What comes back of the relay's own letters is journalled, and told by no other.
                for copy in taken.iter().filter(|copy| copy.header("Auto-Submitted").is_none()) {
                    if client.try_mail("", &[&copy.reverse_path], BOUNCE).is_none() {
                        return;
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
                if !client.say(b"NOOP\r\n") || client.hear().is_none() {
                    return;
                }
            }
        })
    }

    /// What the journal says went wrong; the daemon is not running, so that one is started.
    pub(crate) fn alerts_by_the_journal(&self) -> Counts {
        let daemon = Daemon::start(&self.setting.install);
        let rows = self.setting.install.json(&["journal", "ls", "--all"]);
        daemon.stop();
        self.setting.sink.next_generation();
        let mut counts = Counts::new();
        for row in rows.as_array().unwrap() {
            let event = &row["event"];
            let what = match event["kind"].as_str().unwrap() {
                "failed" => "refused",
                "expired" => "given up",
                "bounced" => "bounced",
                "held" if event["reason"] == "quarantined" => "quarantined",
                "held" => "held",
                "missed" => "readers missed",
                _ => continue,
            };
            *counts.entry(what).or_default() += 1;
        }
        counts
    }
}

const BOUNCE: &[u8] = b"From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; \
    boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; \
    mx.example\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n";

/// Opens every notice. One that came twice is the very same, and came from another process.
pub(crate) fn judge(setting: &Setting, admin: &Cert, journal: &Counts) {
    let mut notices: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    for taken in setting.sink.taken_for(ADMIN) {
        notices.entry(taken.header("Message-ID").unwrap()).or_default().push(taken);
    }
    let mut told = Counts::new();
    for (id, mut same) in notices {
        permitted(&id, &mut same);
        let list =
            if same[0].reverse_path.starts_with("security") { &setting.security } else { &setting.announce };
        let entity = open(admin, list, &armored_part(&same[0].data)).unwrap();
        let subject = header(&entity, "Subject").unwrap();
        let (_, counts) = subject.split_once("the relay needs an admin: ").expect("a notice");
        for count in counts.split(", ") {
            let (number, what) = count.split_once(' ').unwrap();
            let known = ["refused", "given up", "bounced", "quarantined", "held", "readers missed"];
            let what = known.into_iter().find(|known| *known == what).expect("a known kind");
            *told.entry(what).or_default() += number.parse::<usize>().unwrap();
        }
    }
    assert_eq!(&told, journal, "each alert is told once, and none is lost");
}
