//! Every dialog in `tests/dialogs/`, played over real sockets against a running daemon; and what it took in is then found
//! in its spool, as the dialog says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud how much it did and what it skips"
)]

mod outside;
#[path = "daemon_dialogs/relay.rs"]
mod relay;
#[path = "dialogs/runner.rs"]
mod runner;
#[path = "dialogs/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use relay::{Kept, Relay, Went};
use runner::{Script, check_afterwards, run_script, scripts};

/// Why a dialog cannot be played against a daemon, if so.
fn skipped(script: &Script) -> Option<&'static str> {
    let failing = script.needs.iter().any(|need| need.starts_with("intake="));
    failing.then_some("its intake has to fail at a given moment, and a daemon's disk does not fail on demand")
}

#[test]
fn every_dialog_goes_the_same_with_the_daemon() {
    let all = scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs"));
    let (skip, play): (Vec<&Script>, Vec<&Script>) = all.iter().partition(|script| skipped(script).is_some());
    assert!(play.len() >= 25, "there are dialogs: {}", play.len());
    let (without_tls, with_tls): (Vec<&Script>, Vec<&Script>) =
        play.into_iter().partition(|script| script.needs("notls"));
    let mut played = Vec::new();
    let relay = Relay::start();
    played.extend(with_tls.into_iter().map(|script| (script, run(script, &relay))));
    let relay = relay.without_tls();
    played.extend(without_tls.into_iter().map(|script| (script, run(script, &relay))));
    let kept = relay.stopped();

    let lmtp = played.iter().filter(|(script, _)| script.needs("lmtp")).count();
    eprintln!(
        "{} dialogs played, {lmtp} of them by LMTP; {} mails are in the spool",
        played.len(),
        kept.len()
    );
    for script in &skip {
        eprintln!("SKIPPED: {}: {}", script.name, skipped(script).unwrap_or_default());
    }
    let mut wrong: Vec<String> = played.iter().filter_map(|(_, went)| went.as_ref().err().cloned()).collect();
    let whole = played.iter().filter_map(|(script, went)| Some((*script, went.as_ref().ok()?)));
    let whole: Vec<_> = whole.collect();
    wrong.extend(whole.iter().filter_map(|(script, went)| check_kept(script, went, &kept).err()));
    assert!(wrong.is_empty(), "{} of {} dialogs:\n{}", wrong.len(), played.len(), wrong.join("\n"));
    nothing_else_is_there(&whole, &kept);
}

fn run(script: &Script, relay: &Relay) -> Result<Went, String> {
    let mut client = relay.connect(script);
    run_script(script, &mut client).map(|()| client.done())
}

/// What the dialog says about its mails is true of what lies in the spool.
fn check_kept(script: &Script, went: &Went, kept: &BTreeMap<String, Kept>) -> Result<(), String> {
    let lost = |id: &String| format!("{}: {id} was answered with 250 and is not in the spool", script.name);
    let found: Result<Vec<_>, _> =
        went.ids.iter().map(|id| kept.get(id).cloned().ok_or_else(|| lost(id))).collect();
    check_afterwards(script, &went.counts, &found?)
}

/// Every mail in the spool was answered with 250; one for several lists lies there once for each.
fn nothing_else_is_there(whole: &[(&Script, &Went)], kept: &BTreeMap<String, Kept>) {
    let lists = |id: &String| kept[id].0.recipients.iter().map(|r| &r.list).collect::<BTreeSet<_>>().len();
    let answered = whole.iter().flat_map(|(_, went)| &went.ids);
    assert_eq!(kept.len(), answered.map(lists).sum::<usize>(), "mail that nobody heard a 250 for");
}
