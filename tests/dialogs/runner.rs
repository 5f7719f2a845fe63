//! Reads a dialog and plays it against any server. The form of a dialog, line by line:
//!
//! ```text
//! # why the dialog exists (first line, always)
//! @ lmtp notls intake=busy    what it needs; smtp with TLS to be had is understood
//! C: EHLO client.example      the client sends this and CRLF; client lines without a server line between go out together
//! R: a\n.\r\n{3*x}\x00        the client sends exactly this: escapes, and {times*text}
//! S: 250 2.1.0 Sender noted   the server says exactly this; a … at the end stands for any rest of the line
//! S* 250                      the server gives a whole reply with this code, however many lines it has
//! TLS                         the client does the handshake
//! E: <> -> a@b c@d            so went the envelope of the last mail that was taken in
//! B: Subject: x\r\n           exactly so went its message, in the form of R:
//! T: 2                        so many mails were taken in
//! END                         the server closes the connection
//! ```
//!
//! The server has the lists and limits of [`directory`] and [`limits`], the name `mx.example.org`, and gives the
//! taken mails the ids 1, 2, 3.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;

use vouchsafe::ingress::settings::Limits;
use vouchsafe::mail::arrival::Envelope;
use vouchsafe::mail::directory::{Directory, Kind, ListEntry};

/// What the dialogs rely on.
pub(crate) fn limits() -> Limits {
    Limits { max_message: 4096, max_headers: 512, max_received: 3, max_recipients: 4, ..Limits::default() }
}

/// The lists that the dialogs write to.
pub(crate) fn directory() -> Directory {
    let list = |name: &str, kind: Kind, encrypted_only: bool| ListEntry {
        name: name.parse().unwrap(),
        address: format!("{name}@lists.example.org").parse().unwrap(),
        kind,
        encrypted_only,
    };
    Directory::new(vec![
        list("security", Kind::Intake, false),
        list("psirt", Kind::Intake, true),
        list("distrib", Kind::Announce, true),
        list("talk", Kind::Discuss, true),
        list("news", Kind::Public, false),
    ])
}

/// What a client hears next.
#[derive(Debug)]
pub(crate) enum Heard {
    /// One line, without its CRLF.
    Line(String),
    /// Nothing, and nothing will come by itself.
    Nothing,
    /// The server closed the connection.
    End,
}

/// One connection to a server.
pub(crate) trait Transport {
    /// Sends bytes.
    fn send(&mut self, bytes: &[u8]);
    /// Hears the next line.
    fn hear(&mut self) -> Heard;
    /// Does the TLS handshake.
    fn start_tls(&mut self);
    /// The mails that were taken in on this connection, where that can be seen. It is asked at each line about them.
    fn taken(&mut self) -> Option<Vec<(Envelope, Vec<u8>)>>;
}

/// A dialog.
pub(crate) struct Script {
    /// Its file's name.
    pub(crate) name: String,
    /// Its first line.
    pub(crate) why: String,
    /// What it needs of the server.
    pub(crate) needs: Vec<String>,
    steps: Vec<(usize, Step)>,
}

enum Step {
    Send(Vec<u8>),
    Expect(String),
    Code(String),
    Tls,
    Envelope(String),
    Body(Vec<u8>),
    Taken(usize),
    End,
}

impl Script {
    /// Whether it says that it needs this.
    pub(crate) fn needs(&self, word: &str) -> bool {
        self.needs.iter().any(|need| need == word)
    }
}

/// All dialogs in a folder, by name.
pub(crate) fn scripts(folder: &Path) -> Vec<Script> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            parse(path.file_stem().unwrap().to_str().unwrap(), &std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The dialog that a text holds.
pub(crate) fn parse(name: &str, text: &str) -> Script {
    let why = text.lines().next().and_then(|l| l.strip_prefix("# ")).unwrap_or_default().to_owned();
    assert!(!why.is_empty(), "{name}: the first line says why the dialog exists");
    let mut script = Script { name: name.to_owned(), why, needs: Vec::new(), steps: Vec::new() };
    for (index, line) in text.lines().enumerate().skip(1) {
        let (word, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let step = match word {
            "@ " => {
                script.needs.extend(rest.split_whitespace().map(str::to_owned));
                continue;
            }
            "C:" => Step::Send(format!("{rest}\r\n").into_bytes()),
            "R:" => Step::Send(unescape(rest)),
            "S:" => Step::Expect(rest.to_owned()),
            "S*" => Step::Code(rest.to_owned()),
            "E:" => Step::Envelope(rest.to_owned()),
            "B:" => Step::Body(unescape(rest)),
            "T:" => Step::Taken(rest.parse().unwrap()),
            _ if line == "TLS" => Step::Tls,
            _ if line == "END" => Step::End,
            _ if line.is_empty() || line.starts_with('#') => continue,
            _ => panic!("{name}:{}: {line:?} is no line of a dialog", index + 1),
        };
        script.steps.push((index + 1, step));
    }
    script
}

/// Plays a dialog; the error says at which line it went another way.
pub(crate) fn run_script(script: &Script, transport: &mut impl Transport) -> Result<(), String> {
    let mut unsent = Vec::new();
    for (number, step) in &script.steps {
        let fail = |what: String| format!("{}:{number}: {what} ({})", script.name, script.why);
        if let Step::Send(bytes) = step {
            unsent.extend_from_slice(bytes);
            continue;
        }
        if !unsent.is_empty() {
            transport.send(&std::mem::take(&mut unsent));
        }
        check(step, transport).map_err(fail)?;
    }
    // Whatever the server still had to say the dialog should have told.
    transport.send(&unsent);
    Ok(())
}

fn check(step: &Step, transport: &mut impl Transport) -> Result<(), String> {
    match step {
        Step::Send(_) => Ok(()),
        Step::Tls => {
            transport.start_tls();
            Ok(())
        }
        Step::Expect(expected) => match transport.hear() {
            Heard::Line(line) if matches(expected, &line) => Ok(()),
            heard => Err(format!("expected {expected:?}, heard {heard:?}")),
        },
        Step::Code(code) => loop {
            match transport.hear() {
                Heard::Line(line) if line.starts_with(&format!("{code}-")) => {}
                Heard::Line(line) if line.starts_with(&format!("{code} ")) => return Ok(()),
                heard => return Err(format!("expected a reply {code}, heard {heard:?}")),
            }
        },
        Step::End => match transport.hear() {
            Heard::End => Ok(()),
            heard => Err(format!("expected the end, heard {heard:?}")),
        },
        Step::Taken(_) | Step::Envelope(_) | Step::Body(_) => match transport.taken() {
            Some(taken) => check_taken(step, &taken),
            None => Ok(()),
        },
    }
}

/// Compares what a dialog says about its mails with what was found afterwards: `found` is all of them, `counts` how many
/// there were when [`Transport::taken`] was asked.
pub(crate) fn check_afterwards(
    script: &Script,
    counts: &[usize],
    found: &[(Envelope, Vec<u8>)],
) -> Result<(), String> {
    let about =
        script.steps.iter().filter(|(_, s)| matches!(s, Step::Taken(_) | Step::Envelope(_) | Step::Body(_)));
    let about: Vec<_> = about.collect();
    assert_eq!(about.len(), counts.len(), "{}: asked at each line about mails", script.name);
    for ((number, step), count) in about.into_iter().zip(counts) {
        check_taken(step, &found[..*count]).map_err(|what| format!("{}:{number}: {what}", script.name))?;
    }
    Ok(())
}

fn check_taken(step: &Step, taken: &[(Envelope, Vec<u8>)]) -> Result<(), String> {
    if let Step::Taken(count) = step {
        return if taken.len() == *count {
            Ok(())
        } else {
            Err(format!("{} mails were taken in", taken.len()))
        };
    }
    let (envelope, raw) = taken.last().ok_or("no mail was taken in")?;
    let (expected, got) = match step {
        Step::Envelope(text) => (text.clone(), show(envelope)),
        Step::Body(bytes) => (bytes.escape_ascii().to_string(), raw.escape_ascii().to_string()),
        _ => return Ok(()),
    };
    if expected == got { Ok(()) } else { Err(format!("expected {expected:?}, was {got:?}")) }
}

fn show(envelope: &Envelope) -> String {
    let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
    let to: Vec<_> = envelope.recipients.iter().map(|r| r.address.to_string()).collect();
    format!("<{from}> -> {}", to.join(" "))
}

fn matches(expected: &str, line: &str) -> bool {
    expected.strip_suffix('…').map_or(expected == line, |start| line.starts_with(start))
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let kind = rest.chars().next().expect("something follows a backslash");
                rest = &rest[kind.len_utf8()..];
                match kind {
                    'r' => out.push(b'\r'),
                    'n' => out.push(b'\n'),
                    'x' => {
                        out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                        rest = &rest[2..];
                    }
                    '\\' => out.push(b'\\'),
                    other => panic!("\\{other} is no escape"),
                }
            }
            '{' if rest.split_once('*').is_some_and(|(n, _)| n.parse::<usize>().is_ok()) => {
                let (inside, after) = rest.split_once('}').expect("a closing brace");
                let (times, what) = inside.split_once('*').unwrap();
                out.extend(unescape(what).repeat(times.parse().unwrap()));
                rest = after;
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}
