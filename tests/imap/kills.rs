//! Death at each step between FETCH and EXPUNGE: no mail is lost, and none is relayed twice, although nothing in these
//! would be known again.

use std::collections::BTreeSet;
use std::sync::Mutex;

use vouchsafe::failpoint::Point;

use crate::outside::PATIENCE;
use crate::outside::daemon::Daemon;
use crate::outside::dovecot::Dovecot;
use crate::outside::until;
use crate::stage::{Stage, at, unsigned};

/// A server that can MOVE, and one that can only copy.
const MOVING: &str = "after = \"move\"\nmove_to = \"Relayed\"";
const COPYING: &str = "imap_capability = IMAP4rev1 UIDPLUS IDLE\n";

/// Dies at `point`, for the `nth` time that it is there, with three mails waiting.
fn die(point: Point, nth: usize, capability: &str, after: &str, renumbered: bool) -> bool {
    let Some(mut dovecot) = Dovecot::with(capability) else { return false };
    let Some(stage) = Stage::set(&at(&dovecot, after)) else { return false };
    let names = ["one", "three", "two"];
    names.iter().for_each(|name| dovecot.deliver(&unsigned(name)));
    let wanted = format!("{}:abort:{nth}", point.name());
    let mut daemon = Daemon::spawn(&stage.install, &[("VOUCHSAFE_FAILPOINT", &wanted)]);
    daemon.wait(PATIENCE).unwrap_or_else(|| panic!("{wanted} was not reached"));
    let reached = format!("failpoint {} reached", point.name());
    assert!(daemon.whole_log().contains(&reached), "{wanted}: {}", daemon.whole_log());
    if renumbered {
        dovecot.renumber();
    }
    let _daemon = stage.start();
    dovecot.holds("", 0);
    assert_eq!(stage.subjects(3), names, "after {wanted}");
    if after.contains("move") {
        // What was copied before the end may have been copied again.
        until("all are moved", || (dovecot.mails(".Relayed").len() >= 3).then_some(()));
    }
    true
}

#[test]
fn no_mail_is_lost_or_relayed_twice_wherever_the_daemon_dies() {
    let fetched = [Point::ImapFetched, Point::IntakeBegun, Point::IntakeSealed, Point::IntakeStored];
    let mut visits: Vec<_> = fetched.map(|point| (point, 2, "", "", false)).into();
    for point in [Point::IntakeCommitted, Point::ImapTaken, Point::ImapFlagged, Point::ImapExpunged] {
        visits.push((point, 1, "", "", false));
    }
    visits.push((Point::ImapForgotten, 1, "", "", false));
    visits.push((Point::ImapTaken, 1, "", MOVING, false));
    visits.push((Point::ImapCopied, 1, COPYING, MOVING, false));
    // And the mailbox is made anew before the next start: its UIDs mean nothing any more.
    visits.push((Point::ImapTaken, 1, "", "", true));
    visits.push((Point::IntakeCommitted, 2, "", "", true));
    let reached = Mutex::new(BTreeSet::new());
    let left = Mutex::new(visits);
    std::thread::scope(|scope| {
        let walk = || {
            while let Some((point, nth, capability, after, renumbered)) = { left.lock().unwrap().pop() } {
                if die(point, nth, capability, after, renumbered) {
                    reached.lock().unwrap().insert(point);
                }
            }
        };
        let walkers: Vec<_> = (0..3).map(|_| scope.spawn(walk)).collect();
        walkers.into_iter().for_each(|walker| walker.join().unwrap());
    });
    let reached = reached.into_inner().unwrap();
    if reached.is_empty() {
        return; // Said aloud: Dovecot or gpg is missing.
    }
    let ours = Point::ALL.iter().filter(|point| point.name().starts_with("imap-"));
    let missed: Vec<&Point> = ours.filter(|point| !reached.contains(point)).collect();
    assert!(missed.is_empty(), "these places were never reached: {missed:?}");
}
