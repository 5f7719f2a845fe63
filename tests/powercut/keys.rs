//! Keys and settings: without them no mail on the disk can be opened, so they have to be there first.

use std::fs::{self, File};
use std::time::Duration;

use sequoia_openpgp::serialize::SerializeInto;

use crate::life::below;
use crate::outside::daemon::Daemon;
use crate::outside::image::{Kind, Shelf};
use crate::outside::install::{ANNOUNCE, Install, SECURITY};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::openpgp::{armored, cert, person, sign_encrypt};
use crate::outside::sink::Sink;
use crate::outside::smtp::Client;
use crate::people::{Engine, Stage, send_to};

/// How often a key is imported.
const IMPORTS: usize = 4;

/// The power is cut when `init` has said that it is done, and again after the very first mail.
pub(crate) fn first_day(shelf: &Shelf, kind: Kind) {
    let sink = Sink::start();
    let disk = shelf.mount(shelf.blank(kind));
    let install = Install::bare_in(disk.place());
    let after_init = shelf.mount_again(disk.cut(shelf));
    let made = Install::found_in(after_init.place());
    made.settle(&sink.smarthost(), &[]);
    let daemon = Daemon::start(&made);
    for list in ["security", "distrib-announce"] {
        let expected = fs::read_to_string(install.root().join("keys").join(list).join("cert.asc")).unwrap();
        assert_eq!(made.ok(&["key", "export", list]), expected);
    }
    daemon.stop();
    drop(after_init);

    install.settle(&sink.smarthost(), &[]);
    // An editor syncs what it has written.
    File::open(install.config()).unwrap().sync_all().unwrap();
    let daemon = Daemon::start(&install);
    let mail = clear("rita@reporter.example", SECURITY, "First", "It overflows.");
    let reply = Client::tcp(daemon.smtp()).ehlo().mail("rita@reporter.example", &[SECURITY], &mail);
    let after_mail = disk.cut(shelf);
    assert_eq!(reply.code, 250);
    daemon.kill();
    let after_mail = shelf.mount_again(after_mail);
    let install = Install::found_in(after_mail.place());
    install.hand_over();
    let daemon = Daemon::start(&install);
    // It waited for a reader.
    let ada = person("ada@team.example");
    install.team("ada@team.example", &armored(&ada));
    sink.wait_for("ada@team.example", 1);
    daemon.stop();
    eprintln!("{kind:?}: the first mail of a new installation was acknowledged and is found");
}

/// The power is cut while a list gets another key, and when it has been told that it has it.
pub(crate) fn imports(shelf: &Shelf, kind: Kind) {
    let stage = Stage::set_up(shelf, &Engine { name: "redb", keeps: true }, kind);
    for _ in 0..IMPORTS {
        import(shelf, &stage);
    }
    eprintln!(
        "{kind:?}: {IMPORTS} keys imported, the power cut during each and after it: the list has the key it should"
    );
}

fn import(shelf: &Shelf, stage: &Stage) {
    let disk = shelf.mount(stage.disk.twin(shelf));
    let install = Install::found_in(disk.place());
    let daemon = Daemon::start(&install);
    // A mail to the key that the list has now, which waits.
    install.ok(&["list", "pause", "distrib-announce"]);
    let inside = entity("ada@team.example", "Power", "To the former key.");
    let mail =
        pgp_mime("ada@team.example", ANNOUNCE, &sign_encrypt(&stage.people[0].1, &stage.announce, &inside));
    assert_eq!(Client::tcp(daemon.smtp()).ehlo().mail("ada@team.example", &[ANNOUNCE], &mail).code, 250);

    let key = person(ANNOUNCE);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), key.as_tsk().armored().to_vec().unwrap()).unwrap();
    let during = std::thread::scope(|scope| {
        let during = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(below(60)));
            disk.cut(shelf)
        });
        let file = file.path().to_str().unwrap();
        install.ok(&["key", "import", "distrib-announce", file, "--yes"]);
        during.join().unwrap()
    });
    let after = disk.cut(shelf);
    daemon.kill();

    for (cut, over) in [(during, false), (after, true)] {
        let cut = shelf.mount_again(cut);
        let install = Install::found_in(cut.place());
        let sink = Sink::start();
        send_to(&install, &sink);
        let daemon = Daemon::start(&install);
        let used = cert(&install.ok(&["key", "export", "distrib-announce"])).fingerprint();
        let permitted = used == key.fingerprint() || (!over && used == stage.announce.fingerprint());
        assert!(permitted, "the list has the key {used}");
        install.ok(&["list", "resume", "distrib-announce"]);
        sink.wait_for_all(stage.people.len());
        daemon.stop();
    }
}
