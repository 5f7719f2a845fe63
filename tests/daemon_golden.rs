//! Every golden mail, sent by SMTP to a running daemon: what the pure relay does with it (`tests/golden.rs`) the whole
//! program does as well.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud how much it did"
)]

mod outside;
#[path = "daemon_golden/stage.rs"]
mod stage;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use outside::sink::Taken;
use serde_json::Value;
use stage::{Stage, list_name};
use support::golden::{Golden, Outcome, Smtp, load_all};
use support::template::Rendered;
use vouchsafe::time::{Clock, SystemClock};

/// None is left out: mails that need a moved clock carry signatures of the past, which the templates can make.
#[test]
fn every_golden_mail_becomes_through_the_daemon_what_it_should() {
    let stage = Stage::set();
    let all = load_all();
    assert!(all.len() >= 20, "there are golden mails: {}", all.len());
    let (mut seen, mut failed) = (BTreeMap::<String, usize>::new(), Vec::new());
    for golden in &all {
        let became = catch_unwind(AssertUnwindSafe(|| play(golden, &stage)));
        let became = became.unwrap_or_else(|_| {
            failed.push(format!("{} ({})", golden.name, golden.why));
            "failed".to_owned()
        });
        *seen.entry(became).or_default() += 1;
    }
    eprintln!("{} golden mails played, none skipped: {seen:?}", all.len());
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), all.len(), failed.join("\n"));

    // Nothing came of anything else.
    let refused = seen.get("refused").copied().unwrap_or_default();
    let (outcomes, taken) = (stage.outcomes(), stage.sink.taken());
    assert_eq!(outcomes.len() + refused, all.len(), "one outcome for each mail that was taken");
    let copies: u64 = outcomes.iter().filter_map(|event| event["copies"].as_u64()).sum();
    assert_eq!(u64::try_from(taken.len()).unwrap(), copies, "and no copy more than the journal knows of");
    for stranger in ["sue", "mallory"] {
        let address = &stage.people[stranger].address;
        assert!(taken.iter().all(|copy| copy.recipient != *address), "{stranger} reads nothing");
    }
    stage.install.ok(&["journal", "verify"]);
}

/// Sends one mail and compares; returns what became of it.
fn play(golden: &Golden, stage: &Stage) -> String {
    let (name, expect) = (&golden.name, &golden.expect);
    let before = stage.sink.taken().len();
    let sent = golden.render(&stage.fixture);
    let reply = stage.send(&stage.fixture.lists[&expect.list].address, &sent.raw);
    if reply.code != 250 {
        assert_eq!(expect.smtp, Smtp::Refused, "{name}: {reply:?}");
        assert!(reply.code == 550 && reply.text.contains("takes encrypted mail only"), "{name}: {reply:?}");
        return "refused".to_owned();
    }
    let mail = reply.text.rsplit_once(' ').unwrap().1;
    let event = stage.outcome(mail);
    // Whatever was expected, its copies are waited for: the next mail's are told apart from them.
    let count = usize::try_from(event["copies"].as_u64().unwrap_or(0)).unwrap();
    let copies = stage.copies(before, count);
    assert_eq!(expect.smtp, Smtp::Taken, "{name}: the session took it");
    let kind = match expect.outcome {
        Outcome::Post => "relayed",
        Outcome::Hold => "held",
        Outcome::Drop => "dropped",
    };
    assert_eq!(event["kind"], kind, "{name}: {event}");
    match expect.outcome {
        Outcome::Post => check_post(golden, &sent, &event, &copies, stage),
        Outcome::Hold => check_hold(golden, mail, stage),
        Outcome::Drop => assert_eq!(event["reason"].as_str(), expect.reason.as_deref(), "{name}: why"),
    }
    kind.to_owned()
}

fn check_post(golden: &Golden, sent: &Rendered, event: &Value, copies: &[Taken], stage: &Stage) {
    let (name, expect) = (&golden.name, &golden.expect);
    assert_eq!(event["verdict"].as_str(), expect.verdict.as_deref(), "{name}: verdict");
    let signer = expect.signer.as_deref().map_or(Value::Null, |signer| stage.member_id(signer));
    assert_eq!(event["signer"], signer, "{name}: signer");
    let reader = |copy: &Taken| copy.recipient.split('@').next().unwrap().to_owned();
    let mut readers: Vec<_> = copies.iter().map(reader).collect();
    readers.sort_unstable();
    assert_eq!(readers, Stage::readers(&expect.list), "{name}: who reads it");
    for copy in copies {
        let (key, list) = (&stage.people[&reader(copy)].key, &stage.certs[&expect.list]);
        golden.check_wire(&copy.data, sent, key, list, SystemClock.now());
    }
}

fn check_hold(golden: &Golden, mail: &str, stage: &Stage) {
    let (name, expect) = (&golden.name, &golden.expect);
    let held = stage.install.json(&["hold", "ls"]);
    let row = held.as_array().unwrap().iter().find(|row| row["id"] == mail);
    let row = row.unwrap_or_else(|| panic!("{name}: {mail} is not among the held mails"));
    assert_eq!(row["reason"].as_str(), expect.reason.as_deref(), "{name}: why it is held");
    assert_eq!(row["list"], list_name(&expect.list), "{name}: of which list");
}
