//! Every golden mail through the pure relay.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "golden/forms.rs"]
mod forms;
#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;

use support::golden::{Golden, Outcome as Expected, Smtp, load_all};
use support::reader::{find, on_the_wire};
use support::template::Rendered;
use support::world::{NOW, Posted, Sent, Setting, member_id};
use vouchsafe::ingress::Budget;
use vouchsafe::ingress::session::{Action, Event, Session, Terms, Tls};
use vouchsafe::ingress::settings::Limits;
use vouchsafe::mail::arrival::Via;
use vouchsafe::mail::directory::{Directory, ListEntry};
use vouchsafe::mime::read::read;
use vouchsafe::mime::scan::scan;
use vouchsafe::pgp::keyring::ListKey;
use vouchsafe::pgp::open::{How, open};
use vouchsafe::relay::Outcome;
use vouchsafe::relay::gate::closed_name;
use vouchsafe::relay::world::List;

#[test]
fn every_golden_mail_becomes_what_it_should() {
    let setting = Setting::new();
    let fixture = setting.fixture();
    let all = load_all();
    assert!(all.len() >= 20, "there are golden mails: {}", all.len());
    let mut failed = Vec::new();
    for golden in &all {
        let rendered = golden.render(&fixture);
        let run = std::panic::AssertUnwindSafe(|| check(golden, &rendered, &setting));
        if std::panic::catch_unwind(run).is_err() {
            failed.push(format!("{} ({})", golden.name, golden.why));
        }
    }
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), all.len(), failed.join("\n"));
}

fn check(golden: &Golden, rendered: &Rendered, setting: &Setting) {
    let (name, expect, raw) = (&golden.name, &golden.expect, rendered.raw.as_slice());
    assert_eq!(in_the_session(raw, setting, &expect.list), expect.smtp, "{name}: what the session says");
    assert_eq!(how(raw, setting, &expect.list), expect.how, "{name}: how it was protected");
    let sent = Sent::to(&expect.list, raw);
    match (setting.relay(&sent), expect.outcome) {
        (Ok(Outcome::Post(post)), Expected::Post) => {
            check_post(golden, rendered, &Posted::of(*post), setting)
        }
        (Ok(Outcome::Hold { reason, .. }), Expected::Hold) => {
            assert_eq!(Some(reason.to_string()), expect.reason, "{name}: why it is held");
        }
        (Ok(Outcome::Drop(reason)), Expected::Drop) => {
            assert_eq!(Some(reason.to_string()), expect.reason, "{name}: why it is dropped");
        }
        (Ok(Outcome::Post(_)), other) => panic!("{name}: posted and not {other:?}"),
        (Ok(Outcome::Hold { reason, .. }), other) => panic!("{name}: held ({reason}) and not {other:?}"),
        (Ok(Outcome::Drop(reason)), other) => panic!("{name}: dropped ({reason}) and not {other:?}"),
        (Ok(Outcome::Returned { .. } | Outcome::Request { .. }), other) => {
            panic!("{name}: no post and not {other:?}")
        }
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

fn check_post(golden: &Golden, sent: &Rendered, post: &Posted, setting: &Setting) {
    let (name, expect) = (&golden.name, &golden.expect);
    assert_eq!(Some(&post.verdict), expect.verdict.as_ref(), "{name}: verdict");
    assert_eq!(post.signer, expect.signer.as_deref().map(member_id), "{name}: signer");
    assert!(!post.copies.is_empty(), "{name}: somebody reads it");
    for (index, copy) in post.copies.iter().enumerate() {
        let wire = on_the_wire(post, index);
        let reader = copy.member.as_str().trim_start_matches("m-");
        let key = &setting.person(reader).key;
        golden.check_wire(&wire, sent, key, setting.list_cert(&expect.list), NOW);
    }
}

/// What a session answers at the end of DATA.
fn in_the_session(raw: &[u8], setting: &Setting, list: &str) -> Smtp {
    let entry = |(list, _): &(List, ListKey)| ListEntry {
        name: list.name.clone(),
        address: list.address.clone(),
        kind: list.kind,
        encrypted_only: list.kind.encrypted_only(),
    };
    let directory = Arc::new(Directory::new(setting.lists.values().map(entry).collect()));
    let terms = Terms {
        via: Via::Smtp,
        hostname: "mx.example".to_owned(),
        client: "192.0.2.1".to_owned(),
        tls: Tls::Unavailable,
        limits: Limits::default(),
    };
    let mut session = Session::new(terms, directory, Budget::new(1 << 26));
    let address = &setting.lists[list].0.address;
    let commands =
        format!("EHLO a.example\r\nMAIL FROM:<rita@reporter.example>\r\nRCPT TO:<{address}>\r\nDATA\r\n");
    let _ = session.handle(Event::Connected, NOW);
    let _ = session.handle(Event::Bytes(commands.as_bytes()), NOW);
    assert!(find(raw, b"\r\n.").is_none(), "a line of the mail begins with a dot, which is not doubled here");
    let actions = session.handle(Event::Bytes(&[raw, b"\r\n.\r\n"].concat()), NOW);
    match actions.last() {
        Some(Action::TakeIn { .. }) => Smtp::Taken,
        Some(Action::Reply(reply)) if reply.starts_with(b"550-5.7.1 ") => Smtp::Refused,
        Some(Action::Reply(reply)) => panic!("{}", String::from_utf8_lossy(reply)),
        _ => panic!("the session says nothing"),
    }
}
