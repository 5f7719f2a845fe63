//! What strace has written down, as events: `-f -ttt -yy -xx`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A system call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The line in which it began: nothing that stands before has seen anything of it.
    pub(crate) start: usize,
    /// The line in which it ended: what it promises holds from here on.
    pub(crate) end: usize,
    pub(crate) call: Call,
}

/// What it did, to the file or socket that its descriptor stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Bytes came in.
    Heard(String),
    /// Bytes went out.
    Said(String, Vec<u8>),
    /// Bytes or a length were written.
    Wrote(PathBuf, Vec<u8>),
    /// fsync or fdatasync.
    Synced(PathBuf),
    /// From, to.
    Renamed(PathBuf, PathBuf),
    /// A folder was made.
    Made(PathBuf),
}

/// All events, in the order in which they began.
pub(crate) fn parse(trace: &str) -> Vec<Event> {
    let mut begun: HashMap<&str, (usize, String)> = HashMap::new();
    let mut events = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((_time, text)) = rest.trim_start().split_once(' ') else { continue };
        let (start, whole) = if let Some(first) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (at, first.to_owned()));
            continue;
        } else if text.starts_with("<... ") {
            let Some((start, first)) = begun.remove(thread) else { continue };
            let rest = text.split_once("resumed>").map_or("", |(_, rest)| rest);
            (start, first + rest)
        } else {
            (at, text.to_owned())
        };
        events.extend(call(&whole).map(|call| Event { start, end: at, call }));
    }
    events.sort_by_key(|event| event.start);
    events
}

/// The call of a whole line; none when it failed or is of no interest.
fn call(line: &str) -> Option<Call> {
    let (before, result) = line.rsplit_once(" = ")?;
    let result: i64 = result.split(' ').next()?.parse().ok()?;
    let (name, arguments) = before.split_once('(')?;
    if result < 0 {
        return None;
    }
    if name.starts_with("rename") {
        let mut paths = strings(arguments).into_iter().map(|path| path_of(&path));
        return Some(Call::Renamed(paths.next()?, paths.next()?));
    }
    if name == "mkdir" {
        return Some(Call::Made(path_of(strings(arguments).first()?)));
    }
    let (target, rest) = descriptor(arguments)?;
    let content = || strings(rest).concat();
    Some(match (name, target) {
        ("read" | "recvfrom" | "recvmsg", Target::Socket(socket)) if result > 0 => Call::Heard(socket),
        ("write" | "writev" | "sendto" | "sendmsg", Target::Socket(socket)) => Call::Said(socket, content()),
        (
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "ftruncate" | "fallocate",
            Target::File(path),
        ) => Call::Wrote(path, content()),
        ("fsync" | "fdatasync", Target::File(path)) => Call::Synced(path),
        _ => return None,
    })
}

enum Target {
    File(PathBuf),
    Socket(String),
}

/// What the descriptor in front stands for, and what follows it.
fn descriptor(arguments: &str) -> Option<(Target, &str)> {
    let (_number, rest) = arguments.split_once('<')?;
    if ["TCP", "UNIX"].iter().any(|kind| rest.starts_with(kind)) {
        let (socket, rest) = rest.split_once("]>")?;
        return Some((Target::Socket(socket.to_owned()), rest));
    }
    let (path, rest) = rest.split_once('>')?;
    Some((Target::File(path_of(&unescaped(path))), rest))
}

/// All quoted strings.
fn strings(text: &str) -> Vec<Vec<u8>> {
    text.split('"').skip(1).step_by(2).map(unescaped).collect()
}

/// `\x41\x42`, which is how all bytes are written with `-xx`.
fn unescaped(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|hex| u8::from_str_radix(hex.get(..2).unwrap(), 16).unwrap()).collect()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    Path::new(std::str::from_utf8(bytes).unwrap()).to_owned()
}
