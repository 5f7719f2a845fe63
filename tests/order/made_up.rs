//! Traces that nobody recorded: one that keeps the order, and each way to break it. The rules must tell them apart.

use std::path::{Path, PathBuf};

use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::rules::{forgotten, judge};
use crate::trace::{Call, Event, parse};

const MAIL: [u8; 16] = [1; 16];
const BODY: [u8; 16] = [2; 16];

fn data() -> &'static Path {
    Path::new("/data")
}

fn body() -> PathBuf {
    data().join("bodies").join(HEXLOWER.encode(&BODY))
}

fn draft() -> PathBuf {
    body().with_extension("tmp")
}

fn wrote(name: &str, bytes: &[u8]) -> Call {
    Call::Wrote(data().join(name), bytes.to_vec())
}

fn synced(name: &str) -> Call {
    Call::Synced(data().join(name))
}

/// One mail as it should be.
fn sound() -> Vec<Call> {
    let taken = format!("250 2.0.0 Taken in as {}\r\n", BASE32_NOPAD.encode(&MAIL).to_ascii_lowercase());
    vec![
        Call::Heard("client".to_owned()),
        Call::Wrote(draft(), b"first chunk".to_vec()),
        Call::Wrote(draft(), b"last chunk".to_vec()),
        Call::Synced(draft()),
        Call::Renamed(draft(), body()),
        synced("bodies"),
        wrote("index.redb", &[b"names ", &BODY[..]].concat()),
        wrote("index.redb", &[b"entries ", &MAIL[..], b" ", &BODY[..]].concat()),
        synced("index.redb"),
        wrote("index.redb", b"header"),
        synced("index.redb"),
        Call::Said("client".to_owned(), taken.into_bytes()),
    ]
}

fn wrong(calls: Vec<Call>) -> Vec<String> {
    let event = |(at, call)| Event { start: 10 * at, end: 10 * at + 5, call };
    let events: Vec<Event> = calls.into_iter().enumerate().map(event).collect();
    let found = judge(&events, data());
    assert_eq!(found.acknowledged, 1);
    found.wrong
}

/// The sound trace with the call at `from` moved to `to`, counted without it.
fn moved(from: usize, to: usize) -> Vec<Call> {
    let mut calls = sound();
    let call = calls.remove(from);
    calls.insert(to, call);
    calls
}

fn without(at: usize) -> Vec<Call> {
    let mut calls = sound();
    calls.remove(at);
    calls
}

#[test]
fn the_right_order_passes() {
    assert_eq!(wrong(sound()), Vec::<String>::new());
}

#[test]
fn every_wrong_order_is_found() {
    let broken = [
        ("250 before the last sync of the index", moved(11, 10)),
        ("250 before the body", moved(11, 1)),
        ("body not synced", without(3)),
        ("body written after its sync", moved(2, 3)),
        ("body written after its rename", moved(2, 4)),
        ("body renamed before its sync", moved(4, 3)),
        ("folder not synced", without(5)),
        ("folder synced before the rename", moved(5, 4)),
        ("index names the body before the folder's sync", moved(5, 7)),
        ("index not synced", without(10)),
        ("header before the pages are synced", without(8)),
        ("header not written", without(9)),
        ("header written after the last sync", moved(9, 10)),
        ("body begun before the last dot", moved(0, 2)),
        ("no dot at all", without(0)),
    ];
    for (what, calls) in broken {
        assert!(!wrong(calls).is_empty(), "not found: {what}");
    }
    let mut late = sound();
    late.insert(5, Call::Wrote(body(), b"more".to_vec()));
    assert!(!wrong(late).is_empty(), "not found: written under its own name");
}

#[test]
fn a_sync_counts_from_its_end_and_not_before() {
    let events = |end_of_last_sync: usize| -> Vec<Event> {
        let event = |(at, call)| Event { start: 10 * at, end: 10 * at + 5, call };
        let mut events: Vec<Event> = sound().into_iter().enumerate().map(event).collect();
        events[10].end = end_of_last_sync;
        events
    };
    assert!(judge(&events(105), data()).wrong.is_empty());
    assert!(!judge(&events(112), data()).wrong.is_empty(), "250 while the sync was under way");
}

#[test]
fn a_folder_that_is_not_synced_into_the_one_above_is_found() {
    let (above, dir) = (PathBuf::from("/above"), PathBuf::from("/above/dir"));
    let event = |(at, call)| Event { start: at, end: at, call };
    let events = |calls: [Call; 2]| calls.into_iter().enumerate().map(event).collect::<Vec<_>>();
    let (made, synced) = (Call::Made(dir.clone()), Call::Synced(above));
    assert_eq!(forgotten(&events([made.clone(), synced.clone()])), Vec::<PathBuf>::new());
    assert_eq!(forgotten(&events([synced, made])), [dir]);
}

#[test]
fn what_strace_writes_is_read() {
    let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let (file, from, to) = (hex("/data/f.tmp"), hex("/data/f.tmp"), hex("/data/f"));
    let said = hex("250 ok\r\n");
    let trace = format!(
        "7 1.0 recvfrom(15<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"{said}\", 16384, 0, NULL, NULL) = 8\n\
         7 1.1 recvfrom(15<TCP:[127.0.0.1:1->127.0.0.1:2]>, 0x7f, 16384, 0, NULL, NULL) = -1 EAGAIN (Later)\n\
         8 1.2 pwrite64(16<{file}>, \"\\x00\\xff\", 2, 0) = 2\n\
         8 1.3 fsync(16<{file}> <unfinished ...>\n\
         9 1.4 fsync(16<{file}>) = -1 EIO (Input/output error)\n\
         8 1.5 <... fsync resumed>) = 0\n\
         8 1.6 rename(\"{from}\", \"{to}\") = 0\n\
         7 1.7 sendto(15<UNIX-STREAM:[3->4,\"{file}\"]>, \"{said}\", 8, MSG_NOSIGNAL, NULL, 0) = 8\n\
         7 1.8 +++ exited with 0 +++\n"
    );
    let (tmp, name) = (PathBuf::from("/data/f.tmp"), PathBuf::from("/data/f"));
    let calls = [
        (0, 0, Call::Heard("TCP:[127.0.0.1:1->127.0.0.1:2".to_owned())),
        (2, 2, Call::Wrote(tmp.clone(), vec![0, 255])),
        (3, 5, Call::Synced(tmp.clone())),
        (6, 6, Call::Renamed(tmp, name)),
        (7, 7, Call::Said(format!("UNIX-STREAM:[3->4,\"{file}\""), b"250 ok\r\n".to_vec())),
    ];
    assert_eq!(parse(&trace), calls.map(|(start, end, call)| Event { start, end, call }));
}
