//! The whole of it against a server that says what a test wants.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use super::*;

const HELLO: &str = "250-mx.example\r\n250-SIZE 1000\r\n250 8BITMIME";
const MAIL: &[u8] = b"Subject: x\n\n.body\n";

/// A server that gives these replies, one to each line and to each last dot, and hangs up behind the last of them.
struct Server {
    _folder: tempfile::TempDir,
    door: Door,
    heard: JoinHandle<Vec<String>>,
}

impl Server {
    fn saying(lmtp: bool, replies: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let replies: Vec<String> = replies.iter().map(|r| format!("{r}\r\n")).collect();
        let heard = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            converse(stream, replies)
        });
        let place = Place::Unix(path);
        Self { _folder: folder, door: if lmtp { Door::Lmtp(place) } else { Door::Smtp(place) }, heard }
    }

    fn lmtp(replies: &[&str]) -> Self {
        Self::saying(true, replies)
    }

    /// Hands in a mail for these; what came of it, and the lines that the server heard.
    fn take(self, to: &[&str], mail: &[u8]) -> (Result<(), Failure>, Vec<String>) {
        let order = order(self.door, to);
        let done = ingest(&order, &mut &*mail);
        (done, self.heard.join().unwrap())
    }
}

fn order(door: Door, to: &[&str]) -> Order {
    Order {
        door,
        sender: Some("rita@reporter.example".to_owned()),
        recipients: Recipients::Named(to.iter().map(|t| (*t).to_owned()).collect()),
        patience: Duration::from_millis(300),
    }
}

fn converse(stream: UnixStream, replies: Vec<String>) -> Vec<String> {
    let (mut input, mut output) = (BufReader::new(stream.try_clone().unwrap()), stream);
    let (mut heard, mut content, mut lines) = (Vec::new(), false, replies.into_iter().peekable());
    loop {
        let Some(reply) = lines.next() else { return heard };
        output.write_all(reply.as_bytes()).unwrap();
        content |= reply.starts_with("354");
        // A second reply to the last dot follows the first at once.
        if lines.peek().is_some_and(|next| next.starts_with("250 2.0.0") || next.contains("(and)"))
            && reply.contains("2.0.0")
        {
            continue;
        }
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).unwrap_or(0) == 0 {
                return heard;
            }
            heard.push(line.trim_end().to_owned());
            if !content || line == ".\r\n" {
                content = false;
                break;
            }
        }
    }
}

const TAKEN: &[&str] = &["220 mx", HELLO, "250 ok", "250 ok", "354 go", "250 2.0.0 taken"];

#[test]
fn a_mail_is_said_to_be_taken_when_the_daemon_said_so() {
    let (done, heard) = Server::lmtp(TAKEN).take(&["security@lists.example"], MAIL);
    assert_eq!(done, Ok(()));
    let mail = ["Subject: x", "", "..body", "."].map(str::to_owned);
    assert_eq!(heard[0], "LHLO localhost");
    assert_eq!(heard[1], "MAIL FROM:<rita@reporter.example> SIZE=21 BODY=8BITMIME");
    assert_eq!(heard[2..4], ["RCPT TO:<security@lists.example>", "DATA"]);
    assert_eq!(heard[4..8], mail);
}

#[test]
fn a_daemon_that_goes_away_at_any_moment_makes_the_mail_be_sent_again() {
    for said in 0..TAKEN.len() {
        let (done, _) = Server::lmtp(&TAKEN[..said]).take(&["security@lists.example"], MAIL);
        assert_eq!(done.unwrap_err().code, Code::TempFail, "after {said} replies");
    }
    let gone = Door::Lmtp(Place::Unix("/nonexistent/lmtp".into()));
    let done = ingest(&order(gone, &["security@lists.example"]), &mut &*MAIL);
    assert!(
        done.unwrap_err().to_string().starts_with("4.3.0 cannot hand the mail to the daemon at unix:/none")
    );
}

#[test]
fn a_daemon_that_says_nothing_is_not_waited_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    let done = ingest(&order(Door::Lmtp(Place::Unix(path)), &["a@b.example"]), &mut &*MAIL);
    let failure = done.unwrap_err();
    assert_eq!(failure.code, Code::TempFail);
    assert!(failure.to_string().contains("did not answer in time"), "{failure}");
}

#[test]
fn each_refusal_has_the_exit_code_that_it_deserves() {
    let refused = |replies: &[&str]| {
        let all = [&["220 mx", HELLO], replies].concat();
        Server::lmtp(&all).take(&["security@lists.example"], MAIL).0.unwrap_err().code
    };
    assert_eq!(refused(&["552 5.3.4 too large"]), Code::Data);
    assert_eq!(refused(&["452 4.3.1 no room"]), Code::TempFail);
    assert_eq!(refused(&["250 ok", "550 5.1.1 nobody", "250 ok"]), Code::NoUser);
    assert_eq!(refused(&["250 ok", "450 4.7.1 too often", "250 ok"]), Code::TempFail);
    assert_eq!(refused(&["250 ok", "250 ok", "451 4.3.0 later"]), Code::TempFail);
    assert_eq!(refused(&["250 ok", "250 ok", "354 go", "550 5.7.1 encrypted only"]), Code::NoPerm);
    assert_eq!(refused(&["250 ok", "250 ok", "354 go", "421 4.3.2 going down"]), Code::TempFail);
    let wrong = |replies: &[&str]| Server::lmtp(replies).take(&["a@b.example"], MAIL).0.unwrap_err().code;
    assert_eq!(wrong(&["554 5.7.1 not you"]), Code::TempFail, "not the mail's fault");
    assert_eq!(wrong(&["220 mx", "500 5.5.1 This is SMTP"]), Code::TempFail);
    assert_eq!(wrong(&["SSH-2.0-OpenSSH_9.2"]), Code::TempFail);
}

#[test]
fn each_recipient_has_its_own_verdict_and_one_refusal_is_told() {
    let replies =
        ["220 mx", HELLO, "250 ok", "250 ok", "250 ok", "354 go", "250 2.0.0 taken", "550 5.7.1 (and) no"];
    let (done, _) = Server::lmtp(&replies).take(&["a@lists.example", "b@lists.example"], MAIL);
    let failure = done.unwrap_err();
    assert_eq!(
        (failure.code, failure.to_string()),
        (Code::NoPerm, "5.7.1 b@lists.example: (and) no".to_owned())
    );
}

#[test]
fn smtp_gives_one_reply_for_all() {
    let replies = ["220 mx", HELLO, "250 ok", "250 ok", "250 ok", "354 go", "250 2.0.0 taken"];
    let (done, heard) = Server::saying(false, &replies).take(&["a@lists.example", "b@lists.example"], MAIL);
    assert_eq!((done, heard[0].as_str()), (Ok(()), "EHLO localhost"));
}

#[test]
fn lists_of_different_kinds_get_their_mail_one_after_the_other() {
    let replies = [
        "220 mx",
        HELLO,
        "250 ok",
        "250 ok",
        "452 4.5.3 another mail",
        "354 go",
        "250 2.0.0 taken",
        "250 ok",
        "250 ok",
        "354 go",
        "250 2.0.0 taken",
    ];
    // The helper would take the second 250 for one that follows at once: it waits for MAIL here.
    let (done, heard) = Server::lmtp(&replies).take(&["a@lists.example", "b@lists.example"], MAIL);
    assert_eq!(done, Ok(()));
    assert_eq!(heard.iter().filter(|l| l.starts_with("MAIL")).count(), 2);
    assert_eq!(heard.iter().filter(|l| *l == "RCPT TO:<b@lists.example>").count(), 2);
    let never = ["220 mx", HELLO, "250 ok", "452 4.5.3 another mail", "250 forgotten"];
    let (done, _) = Server::lmtp(&never).take(&["a@lists.example"], MAIL);
    assert_eq!(done.unwrap_err().code, Code::TempFail, "and not for ever");
}

#[test]
fn what_can_be_nobodys_address_is_no_user_and_the_others_get_their_mail() {
    let (done, heard) = Server::lmtp(TAKEN).take(&["root", "security@lists.example", "a\r\nDATA@x"], MAIL);
    assert_eq!(done.unwrap_err().code, Code::NoUser);
    assert!(heard.contains(&"RCPT TO:<security@lists.example>".to_owned()));
    assert!(!heard.iter().any(|l| l.contains("root") || l.starts_with("DATA@")), "{heard:?}");
}

#[test]
fn the_sender_is_what_was_typed_else_what_the_mail_says_and_what_is_unknown_is_not_null() {
    let from = |sender: Option<&str>, mail: &[u8]| {
        let server = Server::lmtp(TAKEN);
        let mut order = order(server.door, &["security@lists.example"]);
        order.sender = sender.map(str::to_owned);
        assert_eq!(ingest(&order, &mut &*mail), Ok(()));
        let heard = server.heard.join().unwrap();
        heard[1].strip_prefix("MAIL FROM:").unwrap().split(' ').next().unwrap().to_owned()
    };
    let mbox = b"From rita@reporter.example Sat Nov 21 12:00:00 2026\nSubject: x\n\nb\n";
    assert_eq!(from(Some("ada@team.example"), mbox), "<ada@team.example>");
    assert_eq!(from(None, mbox), "<rita@reporter.example>");
    for null in ["", "<>", " <> "] {
        assert_eq!(from(Some(null), mbox), "<>", "{null:?}");
    }
    for unknown in ["MAILER-DAEMON", "root"] {
        assert_eq!(from(Some(unknown), mbox), "<rita@reporter.example>", "{unknown:?}");
    }
    let returned =
        b"From MAILER-DAEMON Sat Nov 21\nReturn-Path: <r@reporter.example>\nFrom: x@y.example\n\nb\n";
    let author = b"From: \"Rita, of the lab\" <rita@reporter.example>\nSubject: x\n\nb\n";
    for sender in [None, Some("root")] {
        assert_eq!(from(sender, returned), "<r@reporter.example>", "{sender:?}");
        assert_eq!(from(sender, author), "<rita@reporter.example>", "{sender:?}");
        assert_eq!(from(sender, b"Return-Path: <>\nFrom: m@mx.example\n\nb\n"), "<>", "{sender:?}");
    }
    assert_eq!(from(None, MAIL), "<>", "there is nobody to be named");
}

#[test]
fn a_header_field_may_name_the_recipient() {
    let with = |mail: &[u8]| {
        let server = Server::lmtp(TAKEN);
        let order = Order { recipients: Recipients::Field("Delivered-To"), ..order(server.door, &[]) };
        ingest(&order, &mut &*mail)
    };
    assert_eq!(with(b"Delivered-To: security@lists.example\nSubject: x\n\nb\n"), Ok(()));
    let failure = with(MAIL).unwrap_err();
    assert_eq!(failure.code, Code::TempFail, "the mail server's settings are wrong, not the mail");
    assert!(failure.to_string().contains("Delivered-To"), "{failure}");
}

#[test]
fn a_mail_beyond_the_daemons_size_is_refused_before_it_is_sent_and_read_to_its_end() {
    let server = Server::lmtp(&["220 mx", HELLO]);
    let order = order(server.door, &["security@lists.example"]);
    let mut large = &vec![b'x'; 300_000][..];
    let failure = ingest(&order, &mut large).unwrap_err();
    assert_eq!((failure.code, large.len()), (Code::Data, 0));
    assert!(failure.to_string().starts_with("5.3.4 the mail is larger than 1000 bytes"), "{failure}");
    assert_eq!(server.heard.join().unwrap(), ["LHLO localhost"]);
}
