//! Mails and certificates made to exhaust: each is sent to the daemon as anybody could, and is done with in under a second
//! of its time and a hundred mebibytes of its memory. Right behind it comes an honest mail by the same sender, which is
//! relayed.
//!
//! The release binary is measured where there is one; `VOUCHSAFE_TEST_BINARY` sets another. Time is the time that the
//! process was at work (proc(5), `stat`): the wall clock of a busy machine says nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures"
)]

mod outside;

#[path = "bombs/certificates.rs"]
mod certificates;
#[path = "bombs/mails.rs"]
mod mails;
#[path = "bombs/messages.rs"]
mod messages;
#[path = "bombs/packets.rs"]
mod packets;
#[path = "bombs/stage.rs"]
mod stage;

use stage::Stage;

#[test]
fn messages_that_unpack_to_too_much_are_held() {
    let mut stage = Stage::set();
    let bombs = messages::all(&stage.ada, &stage.list);
    stage.survives(&bombs);
}

#[test]
fn mails_that_are_too_deep_too_wide_or_all_header_are_refused_or_held() {
    let mut stage = Stage::set();
    let bombs = mails::all(&stage.ada, &stage.list);
    stage.survives(&bombs);
}

#[test]
fn certificates_that_take_long_are_refused() {
    let mut stage = Stage::set();
    stage.refuses(&certificates::all());
}

#[test]
fn requests_of_the_relay_itself_cost_no_more() {
    let mut stage = Stage::set();
    let bombs = mails::requests(&stage.ada, &stage.list);
    stage.survives_as_request(&bombs);
}
