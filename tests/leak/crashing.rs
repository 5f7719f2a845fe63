//! Mail that brings the daemon or its worker down, at each named place: no trace then either, and no loss.

use crate::outside::PATIENCE;
use crate::outside::install::{ANNOUNCE, SECURITY};
use crate::trap::Trap;

fn crashes_at(point: &str) {
    for how in ["abort", "panic"] {
        let failpoint = format!("{point}:{how}");
        let Some(mut trap) = Trap::set(&[("VOUCHSAFE_FAILPOINT", &failpoint)]) else { return };
        let rita = trap.scene.people.rita.address.clone();
        let report = trap.scene.report(&trap.scene.people.rita, &trap.canaries.entity());
        let announcement = trap.scene.announcement(&trap.scene.people.ada, &trap.canaries.entity());
        if how == "abort" {
            // Taken, and then it dies over it: perhaps before its 250 is out.
            assert!(matches!(trap.report_and_run(), Some(250) | None), "{failpoint}");
            assert!(
                trap.scene.daemon.wait(PATIENCE).is_some_and(|status| !status.success()),
                "{failpoint}: it dies"
            );
        } else {
            trap.through_the_tap(&rita, SECURITY, &report);
            trap.scene.taken(&rita, SECURITY, &trap.canaries.clear(SECURITY));
            assert!(trap.scene.daemon.wait_for_line("a part of the daemon broke down"), "{failpoint}");
            assert!(trap.scene.daemon.wait_for_line("broke down over a mail"), "{failpoint}");
            assert!(trap.scene.daemon.is_alive(), "{failpoint}: the others go on");
        }
        trap.nothing_leaked(&failpoint);
        trap = trap.killed(&[]);
        trap.through_the_tap("ada@team.example", ANNOUNCE, &announcement);
        let reports = if how == "abort" { 1 } else { 2 };
        let copies = trap.scene.sink.wait_for(&trap.scene.people.bob.address, reports + 1);
        for copy in &copies {
            let intake = copy.reverse_path.starts_with("security");
            let list = if intake { &trap.scene.security } else { &trap.scene.announce };
            trap.canaries.are_in(&trap.scene.people.bob.open(&copy.data, list));
        }
        assert_eq!(copies.len(), reports + 1, "{failpoint}: relayed once, whatever happened");
        trap.look_at_every_screen();
        trap.nothing_leaked(&format!("{failpoint}, recovered"));
    }
}

#[test]
fn a_crash_before_the_mail_is_opened_leaves_no_trace() {
    crashes_at("before-relay");
}

#[test]
fn a_crash_with_the_mail_open_leaves_no_trace() {
    crashes_at("after-relay");
}

#[test]
fn a_crash_with_its_bodies_written_leaves_no_trace() {
    crashes_at("after-bodies");
}

#[test]
fn a_crash_after_the_commit_leaves_no_trace() {
    crashes_at("after-commit");
}
