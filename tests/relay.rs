//! The pure relay with real keys: who gets what, and what nobody sees.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "relay/announce.rs"]
mod announce;
#[path = "relay/applicants.rs"]
mod applicants;
#[path = "relay/automatic.rs"]
mod automatic;
#[path = "relay/bounces.rs"]
mod bounces;
#[path = "relay/contacts.rs"]
mod contacts;
#[path = "relay/copies.rs"]
mod copies;
#[path = "relay/gpg.rs"]
mod gpg;
#[path = "relay/intake.rs"]
mod intake;
#[path = "relay/johnny.rs"]
mod johnny;
#[path = "relay/kept.rs"]
mod kept;
#[path = "relay/oracle.rs"]
mod oracle;
#[path = "relay/outside.rs"]
mod outside;
#[path = "relay/proof.rs"]
mod proof;
#[path = "relay/replay.rs"]
mod replay;
#[path = "relay/rsa.rs"]
mod rsa;
#[path = "support/mod.rs"]
mod support;
#[path = "relay/verdicts.rs"]
mod verdicts;

use std::sync::OnceLock;

use support::reader::{Read, on_the_wire, read_copy};
use support::world::{NOW, Posted, Sent, Setting, readers};
use vouchsafe::id::Fingerprint;
use vouchsafe::relay::gate::{DropReason, Reason};
use vouchsafe::relay::{Fault, Outcome};

/// One world for all tests of this binary: nothing in it ever changes.
fn setting() -> &'static Setting {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    SETTING.get_or_init(Setting::new)
}

/// An entity with a protected Subject.
const ENTITY: &[u8] = b"Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\n\
    From: Ada at home <ada@ada.example>\r\nSubject: Overflow\r\nMessage-ID: <inner-id@inner.example>\r\n\r\nA heap overflow in the parser.\r\n";

fn held(outcome: Result<Outcome, Fault>) -> (Reason, Option<Fingerprint>) {
    match outcome {
        Ok(Outcome::Hold { reason, signer }) => (reason, signer),
        Ok(Outcome::Post(post)) => panic!("posted to {:?}", readers(&Posted::of(*post))),
        Ok(Outcome::Drop(reason)) => panic!("dropped: {reason}"),
        Ok(Outcome::Returned { .. } | Outcome::Request { .. }) => panic!("a bounce"),
        Err(fault) => panic!("{fault}"),
    }
}

fn dropped(outcome: Result<Outcome, Fault>) -> DropReason {
    match outcome {
        Ok(Outcome::Drop(reason)) => reason,
        Ok(Outcome::Post(_)) => panic!("posted"),
        Ok(Outcome::Hold { reason, .. }) => panic!("held: {reason}"),
        Ok(Outcome::Returned { .. } | Outcome::Request { .. }) => panic!("a bounce"),
        Err(fault) => panic!("{fault}"),
    }
}

/// The copy for this reader, opened with that reader's key.
fn copy_of(post: &Posted, reader: &str, list: &str) -> Read {
    let index =
        readers(post).iter().position(|r| r == reader).unwrap_or_else(|| panic!("no copy for {reader}"));
    let wire = on_the_wire(post, index);
    let setting = setting();
    read_copy(&wire, &setting.person(reader).key, setting.list_cert(list), NOW)
        .unwrap_or_else(|| panic!("{reader} cannot open it"))
}

/// Posts a mail to a list and opens Ada's copy.
fn ada_reads(sent: &Sent<'_>) -> Read {
    copy_of(&setting().post(sent), "ada", sent.list)
}
