//! Every dialog in `tests/dialogs/`, played against the session itself, and against real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "dialogs/runner.rs"]
mod runner;
#[path = "dialogs/socket.rs"]
mod socket;
#[path = "dialogs/wire.rs"]
mod wire;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use runner::{Heard, Script, Transport, directory, limits, run_script, scripts};
use vouchsafe::ingress::Budget;
use vouchsafe::ingress::session::{Action, Event, NotTaken, Session, Terms, Tls};
use vouchsafe::mail::arrival::{Envelope, Via};
use vouchsafe::time::Timestamp;

fn all() -> Vec<Script> {
    scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs"))
}

/// A session without a socket, and everything it did.
struct Pure {
    session: Session,
    /// How many bytes reach the session at once.
    step: usize,
    not_taken: Option<NotTaken>,
    said: VecDeque<String>,
    tls_wanted: bool,
    closed: bool,
    taken: Vec<(Envelope, Vec<u8>)>,
}

impl Pure {
    fn new(needs: &[String], step: usize) -> Self {
        let needs = |word: &str| needs.iter().any(|n| n == word);
        let terms = Terms {
            via: if needs("lmtp") { Via::Lmtp } else { Via::Smtp },
            hostname: "mx.example.org".to_owned(),
            client: "192.0.2.1".to_owned(),
            tls: if needs("notls") { Tls::Unavailable } else { Tls::Offered },
            limits: limits(),
        };
        let not_taken =
            [("full", NotTaken::DiskFull), ("storage", NotTaken::Storage), ("busy", NotTaken::Busy)];
        let not_taken = not_taken.iter().find(|(word, _)| needs(&format!("intake={word}"))).map(|(_, n)| *n);
        let session = Session::new(terms, Arc::new(directory()), Budget::new(1 << 20));
        let (said, taken) = (VecDeque::new(), Vec::new());
        let mut pure = Self { session, step, not_taken, said, tls_wanted: false, closed: false, taken };
        pure.tell(Event::Connected);
        pure
    }

    fn tell(&mut self, event: Event<'_>) {
        let mut actions = VecDeque::from(self.session.handle(event, Timestamp::from_secs(1)));
        while let Some(action) = actions.pop_front() {
            assert!(!self.closed, "nothing comes after Close");
            match action {
                Action::Reply(bytes) => self.hear_reply(&bytes),
                Action::StartTls => self.tls_wanted = true,
                Action::Close => self.closed = true,
                Action::TakeIn { envelope, raw, held } => {
                    assert!(actions.is_empty(), "nothing comes after TakeIn");
                    self.taken.push((envelope, raw.expose().to_vec()));
                    drop(held);
                    let result = self.not_taken.map_or_else(|| Ok(self.taken.len().to_string()), Err);
                    actions = self.session.handle(Event::Taken(result), Timestamp::from_secs(2)).into();
                }
            }
        }
    }

    fn hear_reply(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).expect("replies are text");
        for line in text.split_terminator("\r\n") {
            assert!(line.len() <= 510 && !line.contains(['\r', '\n']), "{line:?}");
            self.said.push_back(line.to_owned());
        }
    }
}

impl Transport for Pure {
    fn send(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.step) {
            self.tell(Event::Bytes(piece));
        }
    }

    fn hear(&mut self) -> Heard {
        match self.said.pop_front() {
            Some(line) => Heard::Line(line),
            None if self.closed => Heard::End,
            None => Heard::Nothing,
        }
    }

    fn start_tls(&mut self) {
        assert!(std::mem::take(&mut self.tls_wanted), "the session did not ask for TLS");
        self.tell(Event::TlsDone);
    }

    fn taken(&mut self) -> Option<Vec<(Envelope, Vec<u8>)>> {
        Some(self.taken.clone())
    }
}

#[test]
fn every_dialog_goes_as_written_however_its_bytes_are_cut() {
    let all = all();
    assert!(all.len() >= 25);
    for step in [1, 2, 7, usize::MAX] {
        for script in &all {
            let mut pure = Pure::new(&script.needs, step);
            if let Err(why) = run_script(script, &mut pure) {
                panic!("in steps of {step} bytes: {why}");
            }
            assert!(pure.said.is_empty(), "{}: the dialog leaves out {:?}", script.name, pure.said);
        }
    }
}

#[test]
fn every_dialog_goes_the_same_over_real_sockets() {
    let server = socket::Server::start();
    for script in all().iter().filter(|s| socket::Server::can_play(s)) {
        let mut client = server.connect(script);
        if let Err(why) = run_script(script, &mut client) {
            panic!("over a socket: {why}");
        }
    }
}

/// Pieces of what clients send, right and wrong, to reach deep states by chance.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "EHLO a\r\n",
        "LHLO a\r\n",
        "MAIL FROM:<>\r\n",
        "MAIL FROM:<a@b> SIZE=9\r\n",
        "RCPT TO:<security@lists.example.org>\r\n",
        "RCPT TO:<distrib@lists.example.org>\r\n",
        "RCPT TO:<postmaster>\r\n",
        "DATA\r\n",
        "Content-Type: multipart/encrypted\r\n",
        "\r\n.\r\n",
        ".\r\n",
        "\n.\n",
        "..x\r\n",
        "\r",
        "\n",
        "RSET\r\n",
        "STARTTLS\r\n",
        "QUIT\r\n",
    ];
    prop_oneof![
        6 => proptest::sample::select(known.to_vec()).prop_map(|s| s.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (0usize..6000).prop_map(|n| vec![b'x'; n]),
    ]
}

type Seen = (Vec<String>, bool, Vec<Vec<u8>>);

fn play(needs: &[String], pieces: &[&[u8]]) -> Seen {
    let mut pure = Pure::new(needs, usize::MAX);
    for piece in pieces {
        pure.tell(Event::Bytes(piece));
    }
    (pure.said.into(), pure.closed, pure.taken.into_iter().map(|(_, raw)| raw).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No bytes make a session panic, and how they were cut changes neither its replies nor what it takes in.
    #[test]
    fn replies_hang_on_the_bytes_and_not_on_their_split(
        lmtp in any::<bool>(),
        pieces in proptest::collection::vec(piece(), 0..30),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let needs = if lmtp { vec!["lmtp".to_owned()] } else { Vec::new() };
        let bytes = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let split: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        let whole = play(&needs, &[&bytes]);
        prop_assert_eq!(&play(&needs, &split), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&play(&needs, &single), &whole);
        for raw in &whole.2 {
            let text = raw.escape_ascii().to_string().replace("\\r\\n", "");
            prop_assert!(!text.contains("\\r") && !text.contains("\\n"), "a bare CR or LF came through");
        }
    }
}
