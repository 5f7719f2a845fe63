//! For tests: a next hop on loopback that says what the test wants and writes down what it hears, and parcels for it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::id::{BodyId, Entropy, ParcelId};
use crate::ledger::journal::Journal;
use crate::ledger::queue::Queue;
use crate::mail::parcel::{Base64Lines, Carries, Head, Parcel};
use crate::pgp::sealed::WrappedKey;
use crate::store::contract::Store;
use crate::store::redb::Redb;
use crate::time::Timestamp;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

thread_local! {
    /// The folders of this test's stores; they go with the test's thread.
    static FOLDERS: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

/// An empty queue.
pub(crate) fn queue() -> Queue {
    let folder = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(Redb::open(folder.path()).unwrap());
    FOLDERS.with_borrow_mut(|all| all.push(folder));
    Queue::new(Arc::clone(&store), Journal::new(store))
}

/// Puts a copy and its body into the queue, due at once.
pub(crate) fn enqueue(queue: &Queue, parcel: &Parcel, body: &[u8], at: Timestamp) {
    queue.enqueue_for_tests(parcel, body, at);
}

fn wrapped_key(bytes: Vec<u8>) -> WrappedKey {
    let packet = [&[0xc1, u8::try_from(bytes.len()).unwrap()], bytes.as_slice()].concat();
    rmp_serde::from_slice(&rmp_serde::to_vec(serde_bytes::Bytes::new(&packet)).unwrap()).unwrap()
}

/// The `n`th copy, for this recipient.
pub(crate) fn parcel(n: u64, recipient: &str, body_len: usize) -> Parcel {
    let entropy = Entropy::seeded(n);
    Parcel {
        id: ParcelId::new(NOW, &entropy),
        list: "security".parse().unwrap(),
        member: "m-ada".parse().unwrap(),
        recipient: recipient.parse().unwrap(),
        reverse_path: "security-bounces+token@lists.example.org".parse().unwrap(),
        head: Head {
            fields: format!(
                "From: security@lists.example.org\r\nSubject: [...]\r\nMessage-ID: <{n}@lists.example.org>\r\n"
            ),
            boundary: "b0undary".to_owned(),
        },
        key: wrapped_key(vec![0xc1; 94]),
        body: BodyId::new(NOW, &entropy),
        body_len: u64::try_from(body_len).unwrap(),
        carries: Carries::Post,
    }
}

/// Bytes that repeat nowhere near.
pub(crate) fn body(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}

/// The whole message as it should travel, without the final dot.
pub(crate) fn message(parcel: &Parcel, body: &[u8]) -> Vec<u8> {
    let mut lines = Base64Lines::default();
    let mut out = parcel.opening();
    out.extend(lines.push(&[parcel.key.as_bytes(), body].concat()));
    out.extend(lines.finish());
    out.extend(parcel.closing());
    out
}

/// What the scripted host does next.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends this, as it stands.
    Say(String),
    /// Sends this and hangs up.
    SayAndClose(String),
    /// Hangs up.
    Close,
    /// Says nothing more and keeps the line.
    Hang,
    /// Gives the usual reply, once this was notified.
    After(Arc<Notify>),
}

pub(crate) fn say(text: &str) -> Option<Act> {
    Some(Act::Say(format!("{text}\r\n")))
}

/// What has just been heard.
pub(crate) struct Heard<'a> {
    /// `CONNECT`, a verb in capitals, or `DOT`.
    pub(crate) verb: &'a str,
    /// The whole command.
    pub(crate) line: &'a str,
    /// Which connection, from 0.
    pub(crate) connection: usize,
    /// Which transaction of the connection, from 0.
    pub(crate) transaction: usize,
    /// How many connections are open, this one included.
    pub(crate) open: usize,
}

type Answer = dyn Fn(&Heard) -> Option<Act> + Send + Sync;

/// How the host behaves; what `answer` leaves open gets the usual reply.
pub(crate) struct Script {
    pub(crate) offers: Vec<&'static str>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) answer: Box<Answer>,
}

impl Script {
    pub(crate) fn new(
        offers: &[&'static str],
        answer: impl Fn(&Heard) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        Self { offers: offers.to_vec(), tls: None, answer: Box::new(answer) }
    }

    /// Answers everything as it should be.
    pub(crate) fn willing(offers: &[&'static str]) -> Self {
        Self::new(offers, |_| None)
    }

    fn usual(&self, verb: &str) -> Act {
        let text = match verb {
            "CONNECT" => "220 hop.example.org ESMTP".to_owned(),
            "EHLO" => {
                ["hop.example.org"].iter().chain(&self.offers).fold(String::new(), |text, line| {
                    if text.is_empty() { format!("250-{line}") } else { format!("{text}\r\n250-{line}") }
                }) + "\r\n250 HELP"
            }
            "STARTTLS" => "220 go ahead".to_owned(),
            "DATA" => "354 go ahead".to_owned(),
            "QUIT" => return Act::SayAndClose("221 bye\r\n".to_owned()),
            "DOT" => "250 2.0.0 Ok".to_owned(),
            _ => "250 Ok".to_owned(),
        };
        Act::Say(text + "\r\n")
    }
}

/// Everything the host heard.
#[derive(Default)]
pub(crate) struct Record {
    /// Commands, with their connection.
    pub(crate) commands: Vec<(usize, String)>,
    /// Messages as they came, dots still doubled, without the final one.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Connections so far.
    pub(crate) connections: usize,
    /// Those that are open, and the most that ever were.
    pub(crate) open: usize,
    pub(crate) most_open: usize,
    /// How often a command or content was waited for: nothing more of what came in was left.
    pub(crate) turns: usize,
}

/// A running host.
pub(crate) struct Hop {
    pub(crate) address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl Hop {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::<Mutex<Record>>::default();
        let (script, seen) = (Arc::new(script), Arc::clone(&record));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(Session::new(&script, &seen).talk(stream));
            }
        });
        Self { address, record }
    }

    pub(crate) fn start_unix(path: &std::path::Path, script: Script) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let record = Arc::<Mutex<Record>>::default();
        let (script, seen) = (Arc::new(script), Arc::clone(&record));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Session::new(&script, &seen).talk(stream));
            }
        });
        Self { address: ([127, 0, 0, 1], 1).into(), record }
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.record.lock().unwrap().commands.iter().map(|(_, line)| line.clone()).collect()
    }

    /// How often this verb was heard.
    pub(crate) fn heard(&self, verb: &str) -> usize {
        self.commands().iter().filter(|line| line.starts_with(verb)).count()
    }

    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        self.record.lock().unwrap().messages.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.record.lock().unwrap().connections
    }

    pub(crate) fn open(&self) -> usize {
        self.record.lock().unwrap().open
    }

    pub(crate) fn most_open(&self) -> usize {
        self.record.lock().unwrap().most_open
    }

    pub(crate) fn turns(&self) -> usize {
        self.record.lock().unwrap().turns
    }
}

struct Session {
    script: Arc<Script>,
    record: Arc<Mutex<Record>>,
    connection: usize,
    transactions: usize,
}

impl Session {
    fn new(script: &Arc<Script>, record: &Arc<Mutex<Record>>) -> Self {
        let connection = {
            let mut record = record.lock().unwrap();
            record.connections += 1;
            record.open += 1;
            record.most_open = record.most_open.max(record.open);
            record.connections - 1
        };
        Self { script: Arc::clone(script), record: Arc::clone(record), connection, transactions: 0 }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send>(mut self, stream: S) {
        let mut stream = BufReader::new(stream);
        if !self.act(&mut stream, "CONNECT", "").await || !self.commands(&mut stream).await {
            return;
        }
        let acceptor = self.script.tls.clone().unwrap();
        let Ok(encrypted) = acceptor.accept(stream.into_inner()).await else { return };
        let mut stream = BufReader::new(encrypted);
        self.commands(&mut stream).await;
    }

    /// Answers commands; true when TLS is to begin.
    async fn commands<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> bool {
        loop {
            let mut line = String::new();
            self.count_turn(stream);
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return false;
            }
            let line = line.trim_end().to_owned();
            self.record.lock().unwrap().commands.push((self.connection, line.clone()));
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let is_354 = self.act(stream, &verb, &line).await;
            match (verb.as_str(), is_354) {
                (_, false) => return false,
                ("STARTTLS", true) => return true,
                ("MAIL", true) => self.transactions += 1,
                ("DATA", true) if self.wants_content(&line) => {
                    self.count_turn(stream);
                    let Some(message) = content(stream).await else { return false };
                    self.record.lock().unwrap().messages.push(message);
                    if !self.act(stream, "DOT", "").await {
                        return false;
                    }
                }
                _ => {}
            }
        }
    }

    fn count_turn<S: AsyncRead>(&self, stream: &BufReader<S>) {
        self.record.lock().unwrap().turns += usize::from(stream.buffer().is_empty());
    }

    fn wants_content(&self, line: &str) -> bool {
        matches!(self.choose("DATA", line), Act::Say(text) if text.contains("354"))
    }

    fn choose(&self, verb: &str, line: &str) -> Act {
        let transaction = self.transactions.saturating_sub(usize::from(verb != "MAIL"));
        let open = self.record.lock().unwrap().open;
        let heard = Heard { verb, line, connection: self.connection, transaction, open };
        (self.script.answer)(&heard).unwrap_or_else(|| self.script.usual(verb))
    }

    async fn act<S: AsyncWrite + AsyncRead + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        verb: &str,
        line: &str,
    ) -> bool {
        match self.choose(verb, line) {
            Act::Say(text) => {
                let said = stream.write_all(text.as_bytes()).await.is_ok();
                said && stream.flush().await.is_ok()
            }
            Act::SayAndClose(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
                // Reading to the end keeps the reply from being lost to a reset.
                let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
                false
            }
            Act::After(gate) => {
                gate.notified().await;
                let Act::Say(text) = self.script.usual(verb) else { return false };
                let said = stream.write_all(text.as_bytes()).await.is_ok();
                said && stream.flush().await.is_ok()
            }
            Act::Close => false,
            Act::Hang => {
                let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
                false
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
    }
}

/// Reads up to the final dot; none if the connection ends first.
async fn content<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut byte = [0; 1];
    loop {
        let start = message.len();
        // A line ends in CRLF and in nothing else.
        while !message[start..].ends_with(b"\r\n") {
            stream.read_exact(&mut byte).await.ok()?;
            message.push(byte[0]);
        }
        if &message[start..] == b".\r\n" {
            message.truncate(start);
            return Some(message);
        }
    }
}
