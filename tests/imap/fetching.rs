//! Mail that is fetched, and what becomes of it in the mailbox.

use std::time::Instant;

use crate::outside::copy::contains;
use crate::outside::dovecot::{Dovecot, PASSWORD};
use crate::outside::until;
use crate::stage::{Stage, at, unsigned};

#[test]
fn a_report_is_relayed_and_gone_and_news_are_heard_at_once() {
    let Some(dovecot) = Dovecot::start() else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "")) else { return };
    let (report, entity) = stage.report("An overflow");
    dovecot.deliver(&report);
    let daemon = stage.start();
    let copies = stage.sink.wait_for(&stage.people.ada.address, 1);
    assert!(stage.people.ada.can_open(&copies[0].data));
    assert_eq!(stage.subjects(1), ["An overflow"]);
    dovecot.holds("", 0);
    assert!(stage.problems().is_empty(), "{:?}", stage.problems());
    // It waits now, and would look by itself in an hour.
    let begun = Instant::now();
    dovecot.deliver(&unsigned("A second one"));
    let copies = stage.sink.wait_for(&stage.people.ada.address, 2);
    eprintln!("IDLE: from delivery to the reader's copy in {:?}", copies[1].at.duration_since(begun));
    assert_eq!(stage.subjects(2), ["A second one", "An overflow"]);
    dovecot.holds("", 0);
    assert!(!contains(daemon.log().as_bytes(), &entity[entity.len() - 16..]));
}

#[test]
fn nothing_is_told_at_the_finest_level_of_logs_nor_left_on_a_disk() {
    let Some(dovecot) = Dovecot::start() else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "auth = \"login\"")) else { return };
    let daemon = crate::outside::daemon::Daemon::start_with(&stage.install, &[("VOUCHSAFE_LOG", "trace")]);
    let canary = crate::outside::random(24);
    dovecot.deliver(&unsigned(&canary));
    assert_eq!(stage.subjects(1), std::slice::from_ref(&canary));
    dovecot.holds("", 0);
    // Only a loud log tells that somebody came to the admin socket and said nothing.
    drop(std::os::unix::net::UnixStream::connect(stage.install.root().join("control.sock")).unwrap());
    assert!(daemon.wait_for_line("ended without a request"), "the log is loud");
    let log = daemon.stop().1;
    let base64 = data_encoding::BASE64.encode(PASSWORD.as_bytes());
    for secret in [canary.as_str(), PASSWORD, &base64, "It overflows"] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
    let mut folders = vec![stage.install.whole().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if let Ok(bytes) = std::fs::read(&entry) {
                assert!(!contains(&bytes, canary.as_bytes()), "{} holds content", entry.display());
            }
        }
    }
}

#[test]
fn where_nothing_listens_mail_is_fetched_all_the_same() {
    let Some(dovecot) = Dovecot::start() else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "")) else { return };
    stage.install.edit("listen = [\"127.0.0.1:0\"]", "listen = []");
    let daemon = stage.start();
    dovecot.deliver(&unsigned("one"));
    assert_eq!(stage.subjects(1), ["one"]);
    dovecot.holds("", 0);
    let (_, log) = daemon.stop();
    assert!(log.contains("stopped") && !log.contains("served no more"), "{log}");
}

#[test]
fn a_list_whose_address_a_reload_changes_marks_no_mail() {
    let Some(dovecot) = Dovecot::start() else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "")) else { return };
    let daemon = stage.start();
    stage.install.edit("address = \"security@lists.example\"", "address = \"reports@lists.example\"");
    stage.install.edit(
        "recipient = \"security@lists.example\"\npassword",
        "recipient = \"reports@lists.example\"\npassword",
    );
    stage.install.ok(&["reload"]);
    dovecot.deliver(&unsigned("one"));
    until("status says that a restart is due", || {
        stage.problems().iter().any(|p| p.contains("restart the daemon")).then_some(())
    });
    assert_eq!(daemon.count_lines("is not taken in from a mailbox"), 0, "{}", daemon.log());
    daemon.stop();
    let _daemon = stage.start();
    dovecot.holds("", 0);
}

#[test]
fn starttls_and_login_lead_there_too_and_polling_is_enough() {
    let Some(dovecot) = Dovecot::start() else { return };
    let polled = at(&dovecot, "tls = \"starttls\"\nauth = \"login\"\nidle = false\n")
        .replace("poll = \"1h\"", "poll = \"200ms\"")
        .replace(&format!("port = {}", dovecot.imaps.port()), &format!("port = {}", dovecot.imap.port()));
    let Some(stage) = Stage::set(&polled) else { return };
    let _daemon = stage.start();
    dovecot.deliver(&unsigned("one"));
    stage.sink.wait_for(&stage.people.ada.address, 1);
    dovecot.deliver(&unsigned("two"));
    assert_eq!(stage.subjects(2), ["one", "two"]);
    dovecot.holds("", 0);
}

#[test]
fn what_is_taken_in_is_moved_where_that_is_wanted() {
    for capability in ["", "imap_capability = IMAP4rev1 UIDPLUS IDLE\n"] {
        let Some(dovecot) = Dovecot::with(capability) else { return };
        let moved = at(&dovecot, "after = \"move\"\nmove_to = \"Relayed\"");
        let Some(stage) = Stage::set(&moved) else { return };
        let _daemon = stage.start();
        dovecot.deliver(&unsigned("one"));
        dovecot.deliver(&unsigned("two"));
        assert_eq!(stage.subjects(2), ["one", "two"], "with {capability:?}");
        dovecot.holds("", 0);
        assert_eq!(dovecot.holds(".Relayed", 2).len(), 2);
    }
}

#[test]
fn without_uidplus_nobody_elses_deleted_mail_is_removed() {
    let Some(dovecot) = Dovecot::with("imap_capability = IMAP4rev1 IDLE\n") else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "")) else { return };
    dovecot.deliver(&unsigned("deleted by somebody"));
    dovecot.mark_as_deleted();
    dovecot.deliver(&unsigned("one"));
    let daemon = stage.start();
    assert_eq!(stage.subjects(1), ["one"]);
    let both_marked = || dovecot.mails("").iter().filter(|(flags, _)| flags.contains('T')).count() == 2;
    until("ours is marked as well, and nothing is removed", || both_marked().then_some(()));
    daemon.stop();
    let _daemon = stage.start();
    dovecot.deliver(&unsigned("two"));
    assert_eq!(stage.subjects(2), ["one", "two"], "what is marked is not taken in again");
    assert_eq!(dovecot.mails("").len(), 3);
}

#[test]
fn what_cannot_be_taken_in_is_left_and_named_once() {
    let Some(dovecot) = Dovecot::start() else { return };
    let by_field = at(&dovecot, "recipient_from = \"delivered-to\"");
    let Some(stage) = Stage::set(&by_field) else { return };
    stage.install.edit("#max_message = 52428800", "max_message = 20000");
    let to = |address: &str, rest: &[u8]| [format!("Delivered-To: {address}\r\n").as_bytes(), rest].concat();
    dovecot.deliver(&to("security@lists.example", &unsigned("before")));
    dovecot.deliver(&to("security@lists.example", &[unsigned("large"), vec![b'x'; 20_000]].concat()));
    dovecot.deliver(&to("somebody@else.example", &unsigned("another's")));
    dovecot.deliver(&unsigned("nobody's"));
    dovecot.deliver(&to(
        "security@lists.example",
        b"\0\r\r\n\x80--\nContent-Type: multipart/mixed;boundary=\n\n\0--",
    ));
    dovecot.deliver(&to("security@lists.example", &unsigned("after")));
    let daemon = stage.start();
    until("both are relayed", || (stage.sink.taken_for(&stage.people.ada.address).len() >= 2).then_some(()));
    // The broken one goes the way of every mail; these three stay.
    dovecot.holds("", 3);
    stage.quiet();
    until("the mailbox is named", || {
        stage.problems().iter().any(|p| p.starts_with("3 mails in the mailbox inbox")).then_some(())
    });
    let left = |daemon: &crate::outside::daemon::Daemon| daemon.count_lines("is not taken in from a mailbox");
    assert_eq!(left(&daemon), 3, "{}", daemon.log());
    for why in [
        "more than [limits] max_message",
        "Delivered-To field is none of the lists'",
        "no Delivered-To field",
    ] {
        assert_eq!(daemon.count_lines(why), 1, "{why}");
    }
    assert!(!daemon.log().contains("somebody@else"), "no address in the log");
    daemon.stop();
    let copies = stage.sink.taken_for(&stage.people.ada.address).len();
    let daemon = stage.start();
    dovecot.deliver(&to("security@lists.example", &unsigned("later")));
    stage.sink.wait_for(&stage.people.ada.address, copies + 1);
    dovecot.holds("", 3);
    assert_eq!(left(&daemon), 0, "they are named once");
    until("and still counted", || (!stage.problems().is_empty()).then_some(()));
}

#[test]
fn mail_that_cannot_be_taken_in_is_put_aside_where_that_is_wanted() {
    let Some(dovecot) = Dovecot::start() else { return };
    let aside = at(&dovecot, "recipient_from = \"x-original-to\"\naside = \"Not relayed\"");
    let Some(stage) = Stage::set(&aside) else { return };
    dovecot.deliver(&unsigned("nobody's"));
    dovecot.deliver(&[b"X-Original-To: security@lists.example\r\n", &unsigned("ours")[..]].concat());
    let _daemon = stage.start();
    assert_eq!(stage.subjects(1), ["ours"]);
    dovecot.holds("", 0);
    dovecot.holds(".Not relayed", 1);
}

#[test]
fn a_provider_that_goes_and_comes_back_is_named_and_attended_again() {
    let Some(mut dovecot) = Dovecot::start() else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "")) else { return };
    let daemon = stage.start();
    dovecot.deliver(&unsigned("one"));
    stage.sink.wait_for(&stage.people.ada.address, 1);
    for round in 0..3 {
        dovecot.interrupt();
        dovecot.deliver(&unsigned(&format!("while it is gone {round}")));
        let named = until("the mailbox is named", || stage.problems().pop());
        assert!(named.contains("no mail comes from the mailbox inbox since 20"), "{named}");
        dovecot.resume();
        until("it is attended again", || stage.problems().is_empty().then_some(()));
    }
    let expected = ["one", "while it is gone 0", "while it is gone 1", "while it is gone 2"];
    assert_eq!(stage.subjects(4), expected);
    dovecot.holds("", 0);
    assert_eq!(daemon.count_lines("mail comes from a mailbox again"), 3);
}

#[test]
fn a_mailbox_made_anew_is_not_relayed_again() {
    let Some(mut dovecot) = Dovecot::start() else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "")) else { return };
    let (one, two) = (unsigned("one"), unsigned("two"));
    dovecot.deliver(&one);
    let _daemon = stage.start();
    stage.sink.wait_for(&stage.people.ada.address, 1);
    dovecot.holds("", 0);
    // The provider restores an older state: new UIDs, and a mail that was taken in long ago.
    dovecot.renumber();
    dovecot.deliver(&one);
    dovecot.deliver(&two);
    assert_eq!(stage.subjects(2), ["one", "two"]);
    dovecot.holds("", 0);
    assert_eq!(stage.subjects(2), ["one", "two"]);
}
