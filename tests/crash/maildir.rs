//! Deaths while a mail goes from a maildir to the spool: it is relayed once, and the folder is empty.

use std::fs;
use std::os::unix::fs::chown;
use std::time::Duration;

use vouchsafe::failpoint::Point;

use crate::keys::Tally;
use crate::outside::daemon::Daemon;
use crate::outside::install::{Install, NOBODY, SECURITY, built};
use crate::outside::openpgp::{armored, person};
use crate::outside::sink::Sink;
use crate::outside::{is_root, until};

const PATIENCE: Duration = Duration::from_secs(8);

/// Dies once at each step between the commit and the end of all that remembers it.
pub(crate) fn deaths() -> Tally {
    let sink = Sink::start();
    let section =
        format!("[maildir.in]\npath = \"mail\"\nrecipient = \"{SECURITY}\"\nevery = \"1s\"\n\n[limits]");
    let install = Install::of(built(), &sink.smarthost(), &[("[limits]", &section)]);
    let new = install.root().join("mail/new");
    for name in ["new", "cur", "tmp"] {
        fs::create_dir_all(install.root().join("mail").join(name)).unwrap();
    }
    install.hand_over();
    let (ada, mut tally) = ("ada@team.example", Tally::default());
    let daemon = Daemon::start(&install);
    install.team(ada, &armored(&person(ada)));
    daemon.kill();
    for (nth, point) in
        [Point::MaildirTaken, Point::MaildirRemoved, Point::MaildirSynced].into_iter().enumerate()
    {
        let file = new.join(format!("{nth}.report"));
        fs::write(&file, "Subject: a report\n\nIt overflows.\n").unwrap();
        if is_root() {
            chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let there = tally.daemon(&install, point, 1, PATIENCE, || {});
        assert!(there, "{} was not reached", point.name());
        let daemon = Daemon::start(&install);
        sink.wait_for(ada, nth + 1);
        until("the folder is empty", || fs::read_dir(&new).unwrap().next().is_none().then_some(()));
        let (status, log) = daemon.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(sink.taken_for(ada).len(), nth + 1, "{}: relayed once", point.name());
    }
    tally
}
