//! Every golden mail through the pure relay.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use support::golden::{Golden, Outcome as Expected, load_all};
use support::reader::{find, on_the_wire, packets, read_copy};
use support::world::{NOW, Sent, Setting, member_id};
use vouchsafe::mime::read::read;
use vouchsafe::mime::scan::scan;
use vouchsafe::pgp::open::{How, open};
use vouchsafe::relay::gate::closed_name;
use vouchsafe::relay::{Outcome, Post};

#[test]
fn every_golden_mail_becomes_what_it_should() {
    let setting = Setting::new();
    let fixture = setting.fixture();
    let all = load_all();
    assert!(all.len() >= 20, "there are golden mails: {}", all.len());
    let mut failed = Vec::new();
    for golden in &all {
        let raw = golden.render(&fixture);
        let run = std::panic::AssertUnwindSafe(|| check(golden, &raw, &setting));
        if std::panic::catch_unwind(run).is_err() {
            failed.push(format!("{} ({})", golden.name, golden.why));
        }
    }
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), all.len(), failed.join("\n"));
}

fn check(golden: &Golden, raw: &[u8], setting: &Setting) {
    let (name, expect) = (&golden.name, &golden.expect);
    assert_eq!(how(raw, setting, &expect.list), expect.how, "{name}: how it was protected");
    let sent = Sent::to(&expect.list, raw);
    match (setting.relay(&sent), expect.outcome) {
        (Ok(Outcome::Post(post)), Expected::Post) => check_post(golden, &post, setting),
        (Ok(Outcome::Hold { reason, .. }), Expected::Hold) => {
            assert_eq!(Some(reason.to_string()), expect.reason, "{name}: why it is held");
        }
        (Ok(Outcome::Drop(reason)), Expected::Drop) => {
            assert_eq!(Some(reason.to_string()), expect.reason, "{name}: why it is dropped");
        }
        (Ok(Outcome::Post(_)), other) => panic!("{name}: posted and not {other:?}"),
        (Ok(Outcome::Hold { reason, .. }), other) => panic!("{name}: held ({reason}) and not {other:?}"),
        (Ok(Outcome::Drop(reason)), other) => panic!("{name}: dropped ({reason}) and not {other:?}"),
        (Err(fault), other) => panic!("{name}: {fault}, and not {other:?}"),
    }
}

fn how(raw: &[u8], setting: &Setting, list: &str) -> Option<String> {
    let message = read(scan(raw, &setting.limits.mime).ok()?).ok()?;
    let certs: Vec<_> = setting.certs.values().cloned().collect();
    let opened = open(&message, &setting.lists[list].1, &certs, NOW, &setting.limits);
    Some(match opened.how() {
        How::PgpMime => "pgp-mime".to_owned(),
        How::Inline => "inline".to_owned(),
        How::Clear => "clear".to_owned(),
        How::Closed(why) => format!("closed:{}", closed_name(why)),
    })
}

fn check_post(golden: &Golden, post: &Post, setting: &Setting) {
    let (name, expect) = (&golden.name, &golden.expect);
    assert_eq!(Some(&post.verdict), expect.verdict.as_ref(), "{name}: verdict");
    assert_eq!(post.signer, expect.signer.as_deref().map(member_id), "{name}: signer");
    assert!(!post.copies.is_empty(), "{name}: somebody reads it");
    for (index, copy) in post.copies.iter().enumerate() {
        let wire = on_the_wire(post, index);
        let reader = copy.member.as_str().trim_start_matches("m-");
        let key = &setting.person(reader).key;
        let from = setting.list_cert(&expect.list);
        let read =
            read_copy(&wire, key, from, NOW).unwrap_or_else(|| panic!("{name}: {reader} cannot open it"));
        golden.check_copy(&read);
        for secret in golden.secrets() {
            for (what, bytes) in [("copy", &wire), ("packets", &packets(&wire))] {
                let seen = find(bytes, &secret).is_some();
                assert!(!seen, "{name}: {:?} is seen in the {what}", String::from_utf8_lossy(&secret));
            }
        }
    }
}
