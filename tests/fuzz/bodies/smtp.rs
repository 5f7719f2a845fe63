//! SMTP from both sides: what clients say to us, and what servers answer us.

use std::sync::Arc;

use vouchsafe::egress::smtp::replies;
use vouchsafe::ingress::Budget;
use vouchsafe::ingress::data::{Decoder, Ended, Refusal};
use vouchsafe::ingress::session::{Action, Event, NotTaken, Session, Terms, Tls};
use vouchsafe::ingress::settings::Limits;
use vouchsafe::mail::arrival::Via;
use vouchsafe::mail::directory::{Directory, Kind, ListEntry};
use vouchsafe::time::Timestamp;

const MAX_MESSAGE: usize = 4096;

/// A whole session. The first byte is the terms, the second how many bytes come at once; one that comes in other pieces
/// must end in the same way.
pub fn smtp_session(data: &[u8]) {
    let [terms, step, said @ ..] = data else { return };
    let whole = session(*terms, said.len().max(1), said);
    assert_eq!(session(*terms, usize::from(*step).max(1), said), whole, "pieces change nothing");
}

fn session(kind: u8, step: usize, said: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let tls = [Tls::Unavailable, Tls::Offered, Tls::On][usize::from(kind >> 1) % 3];
    let via = if kind & 1 == 0 { Via::Smtp } else { Via::Lmtp };
    let limits =
        Limits { max_message: MAX_MESSAGE, max_headers: 512, max_recipients: 4, ..Limits::default() };
    let (hostname, client) = ("mx.example.org".to_owned(), "192.0.2.1".to_owned());
    let terms = Terms { via, hostname, client, tls, limits };
    let mut play = Play {
        session: Session::new(terms, Arc::new(directory()), Budget::new(1 << 20)),
        refuses: kind & 0x80 != 0,
        said: Vec::new(),
        taken: Vec::new(),
        closed: false,
    };
    play.tell(Event::Connected);
    for piece in said.chunks(step) {
        if play.tell(Event::Bytes(piece)) {
            // What came with STARTTLS in one piece is dropped (RFC 3207 §4.2), so that pieces do matter from here on.
            break;
        }
    }
    play.tell(Event::Timeout);
    (play.said, play.taken)
}

struct Play {
    session: Session,
    refuses: bool,
    said: Vec<u8>,
    taken: Vec<Vec<u8>>,
    closed: bool,
}

impl Play {
    /// Whether the session goes on in TLS.
    fn tell(&mut self, event: Event<'_>) -> bool {
        let mut actions = self.session.handle(event, Timestamp::from_secs(1));
        let mut upgrades = false;
        while !actions.is_empty() {
            let mut next = Vec::new();
            for action in actions {
                assert!(
                    !self.closed && next.is_empty(),
                    "nothing follows a close, or a mail that is taken in"
                );
                match action {
                    Action::Reply(bytes) => self.hear(&bytes),
                    Action::StartTls => upgrades = true,
                    Action::Close => self.closed = true,
                    Action::TakeIn { envelope, raw, held } => {
                        assert!(!envelope.recipients.is_empty(), "a mail is for somebody");
                        assert!(raw.len() <= MAX_MESSAGE && is_strict(raw.expose()));
                        self.taken.push(raw.expose().to_vec());
                        drop(held);
                        let taken = if self.refuses { Err(NotTaken::Busy) } else { Ok("1".to_owned()) };
                        next = self.session.handle(Event::Taken(taken), Timestamp::from_secs(2));
                        // A reply is due, whatever else comes.
                        assert!(!next.is_empty());
                    }
                }
            }
            actions = next;
        }
        upgrades
    }

    fn hear(&mut self, reply: &[u8]) {
        assert!(reply.ends_with(b"\r\n") && is_strict(reply));
        for line in reply.split_inclusive(|byte| *byte == b'\n') {
            // RFC 5321 §4.5.3.1.5.
            assert!(line.len() <= 512 && line[..3].iter().all(u8::is_ascii_digit), "{line:?}");
        }
        self.said.extend_from_slice(reply);
    }
}

fn directory() -> Directory {
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

/// Whether CR and LF stand as CRLF only.
fn is_strict(text: &[u8]) -> bool {
    let mut before = 0;
    for byte in text.iter().copied().chain([0]) {
        if (before == b'\r') != (byte == b'\n') {
            return false;
        }
        before = byte;
    }
    true
}

/// What follows DATA, against the plainest reading of RFC 5321. The first byte is how many bytes come at once.
pub fn smtp_data(data: &[u8]) {
    const LIMIT: usize = 600;
    let [step, sent @ ..] = data else { return };
    let mut decoder = Decoder::new(LIMIT, &Budget::new(1 << 20));
    let mut rest = 0;
    let mut ended = false;
    for piece in sent.chunks(usize::from(*step).max(1)) {
        let mut input = piece;
        ended = decoder.push(&mut input);
        rest += piece.len() - input.len();
        if ended {
            break;
        }
    }
    // RFC 5321 §4.1.1.4: the CRLF of the command is the first of the sequence that ends the text.
    let end = [b"\r\n", sent].concat().windows(5).position(|five| five == b"\r\n.\r\n");
    if !ended {
        assert!(end.is_none_or(|end| end > LIMIT * 4), "the end was missed");
        return;
    }
    match decoder.finish() {
        Ended::Whole(kept, _) => {
            let end = end.expect("CRLF, dot, CRLF alone ends a message");
            let text = &sent[..end];
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            // RFC 5321 §4.5.2: a dot at the beginning of a line goes.
            let plain: Vec<u8> =
                lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect();
            assert_eq!(kept.expose(), plain);
            assert!(kept.len() <= LIMIT && is_strict(kept.expose()));
            assert_eq!(rest, end + 3, "what follows is not eaten");
        }
        Ended::Refused(Refusal::BareCrOrLf) => {
            assert!(!is_strict(&sent[..rest]), "what was strict was refused");
        }
        Ended::Refused(why) => assert!(matches!(why, Refusal::TooLarge | Refusal::Endless) && rest > LIMIT),
    }
}

/// What a next hop answers.
pub fn smtp_replies(data: &[u8]) {
    let [step, sent @ ..] = data else { return };
    let whole = replies(sent, sent.len().max(1));
    let pieces = replies(sent, usize::from(*step).max(1));
    // A fault in a line may be seen before the line is whole.
    assert_eq!(whole.0, pieces.0, "pieces change no reply");
    assert_eq!(whole.1.is_some(), pieces.1.is_some(), "{whole:?} {pieces:?}");
    for reply in &whole.0 {
        assert!(reply.chars().count() <= 500 && !reply.contains(char::is_control), "{reply:?}");
        assert!(reply.as_bytes()[..3].iter().all(u8::is_ascii_digit));
    }
}
