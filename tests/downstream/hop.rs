//! A next hop that misbehaves once, at one place, and is a good server otherwise.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::matrix::{Case, Place, Then, Tls};

/// A message that the hop has taken responsibility for.
#[derive(Clone)]
pub struct Arrival {
    pub recipient: String,
    /// The content, dots undone.
    pub data: Vec<u8>,
    pub connection: usize,
}

#[derive(Default)]
struct State {
    arrivals: Vec<Arrival>,
    connections: usize,
    /// On which connection it misbehaved.
    misbehaved: Option<usize>,
}

struct Shared {
    case: Case,
    /// With a certificate that is right, and with the one of the case.
    acceptors: Option<(TlsAcceptor, TlsAcceptor)>,
    state: Mutex<State>,
    armed: AtomicBool,
    /// Tells a session that is idle to misbehave.
    idle: Notify,
    /// Told when it has.
    done: Notify,
}

pub struct Hop {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    /// A port that is ours and on which nobody listens yet, and what fills its places.
    closed: Mutex<Option<(TcpSocket, Vec<TcpStream>)>>,
    /// Accepting begins when this is told.
    gate: Arc<Notify>,
}

impl Hop {
    pub async fn start(case: &Case, acceptors: Option<(TlsAcceptor, TlsAcceptor)>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if case.then == Then::Slow {
            // So small that the sender notices.
            socket.set_recv_buffer_size(4096).unwrap();
        }
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared {
            case: case.clone(),
            acceptors,
            state: Mutex::default(),
            armed: AtomicBool::new(case.before == 0),
            idle: Notify::new(),
            done: Notify::new(),
        });
        let hop = Self { address, shared, closed: Mutex::default(), gate: Arc::default() };
        match case.then {
            Then::Refuse => *hop.closed.lock().unwrap() = Some((socket, Vec::new())),
            Then::Full => {
                let listener = socket.listen(0).unwrap();
                // Connections that nobody accepts fill the queue; a further one is not answered.
                let mut fillers = Vec::new();
                while let Ok(Ok(filler)) =
                    tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
                {
                    fillers.push(filler);
                    assert!(fillers.len() < 100, "the queue never fills");
                }
                hop.accept(listener, fillers);
            }
            _ => hop.accept(socket.listen(100).unwrap(), Vec::new()),
        }
        hop
    }

    fn accept(&self, listener: TcpListener, fillers: Vec<TcpStream>) {
        let (shared, gate) = (Arc::clone(&self.shared), Arc::clone(&self.gate));
        tokio::spawn(async move {
            if !fillers.is_empty() {
                gate.notified().await;
                drop(fillers);
            }
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { Session::new(shared).talk(stream).await });
            }
        });
    }

    /// From now on it misbehaves where its case says so.
    pub fn arm(&self) {
        self.shared.armed.store(true, SeqCst);
    }

    /// Has an idle connection misbehave, and waits until it did.
    pub async fn misbehave_idle(&self) {
        self.shared.idle.notify_one();
        self.shared.done.notified().await;
    }

    /// From now on it is a good server.
    pub fn behave(&self) {
        self.shared.armed.store(false, SeqCst);
        if let Some((socket, _)) = self.closed.lock().unwrap().take() {
            self.accept(socket.listen(100).unwrap(), Vec::new());
        }
        self.gate.notify_one();
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.state.lock().unwrap().arrivals.clone()
    }

    /// On which connection it misbehaved; none if it did not, or before there was one.
    pub fn misbehaved(&self) -> Option<usize> {
        self.shared.state.lock().unwrap().misbehaved
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// What a session does after a step.
enum Next {
    GoOn,
    /// What was said was no yes: there is no transaction, or no TLS.
    Refused,
    End,
}

struct Session {
    shared: Arc<Shared>,
    connection: usize,
    transaction: usize,
    /// Whether MAIL was taken.
    begun: bool,
    recipient: Option<String>,
    encrypted: bool,
    /// The socket below, for what TLS cannot do.
    raw: Option<std::net::TcpStream>,
}

impl Session {
    fn new(shared: Arc<Shared>) -> Self {
        let connection = {
            let mut state = shared.state.lock().unwrap();
            state.connections += 1;
            state.connections - 1
        };
        Self {
            shared,
            connection,
            transaction: 0,
            begun: false,
            recipient: None,
            encrypted: false,
            raw: None,
        }
    }

    async fn talk(mut self, stream: TcpStream) {
        let std = stream.into_std().unwrap();
        self.raw = Some(std.try_clone().unwrap());
        let mut stream = BufReader::new(TcpStream::from_std(std).unwrap());
        if matches!(self.step(&mut stream, Place::Connect, "").await, Next::End) {
            return;
        }
        if matches!(self.step(&mut stream, Place::Greeting, "220 hop.example ESMTP\r\n").await, Next::End) {
            return;
        }
        if !self.commands(&mut stream).await {
            return;
        }
        self.encrypted = true;
        let misbehaves = self.is_here(Place::Handshake);
        if matches!(self.step(&mut stream, Place::Handshake, "").await, Next::End) {
            return;
        }
        let (good, special) = self.shared.acceptors.clone().unwrap();
        let acceptor = if misbehaves { special } else { good };
        let Ok(encrypted) = acceptor.accept(stream).await else { return };
        self.commands(&mut BufReader::new(encrypted)).await;
    }

    /// Answers commands; true when TLS is to begin.
    async fn commands<S: Wire>(&mut self, stream: &mut BufReader<S>) -> bool {
        loop {
            let mut line = String::new();
            let idle = self.transaction > 0 && self.recipient.is_none() && self.shared.case.at == Place::Idle;
            tokio::select! {
                read = stream.read_line(&mut line) => if read.unwrap_or(0) == 0 { return false },
                () = self.shared.idle.notified(), if idle => {
                    let next = self.step(stream, Place::Idle, "").await;
                    self.shared.done.notify_one();
                    if matches!(next, Next::End) { return false }
                    continue;
                }
            }
            let line = line.trim_end().to_owned();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let next = match verb.as_str() {
                "EHLO" => {
                    let place = if self.encrypted { Place::EhloAgain } else { Place::Ehlo };
                    self.step(stream, place, &self.offers()).await
                }
                "STARTTLS" => match self.step(stream, Place::Starttls, "220 go ahead\r\n").await {
                    Next::GoOn => return true,
                    other => other,
                },
                "MAIL" => {
                    self.transaction += 1;
                    self.recipient = None;
                    let next = self.step(stream, Place::Mail, "250 2.1.0 Ok\r\n").await;
                    self.begun = matches!(next, Next::GoOn);
                    next
                }
                "RCPT" => self.rcpt(stream, &line).await,
                "DATA" => match self.recipient.take() {
                    // Some want content for nobody.
                    None if self.is_here(Place::Data) => {
                        self.step(stream, Place::Data, "354 go on\r\n").await
                    }
                    None => self.say(stream, b"503 5.5.1 no recipient\r\n").await,
                    Some(recipient) => self.data(stream, recipient).await,
                },
                "RSET" => {
                    self.recipient = None;
                    self.step(stream, Place::Rset, "250 2.0.0 Ok\r\n").await
                }
                "QUIT" => {
                    let _ = self.step(stream, Place::Quit, "221 2.0.0 bye\r\n").await;
                    Next::End
                }
                _ => self.say(stream, b"500 5.5.1 what\r\n").await,
            };
            if matches!(next, Next::End) {
                return false;
            }
        }
    }

    fn offers(&self) -> String {
        let case = &self.shared.case;
        let mut lines = vec!["hop.example"];
        lines.extend(case.pipelining.then_some("PIPELINING"));
        let offered = case.tls != Tls::None && !(case.tls == Tls::NotOffered && self.is_armed());
        lines.extend((offered && !self.encrypted).then_some("STARTTLS"));
        lines.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + "250 8BITMIME\r\n"
    }

    async fn rcpt<S: Wire>(&mut self, stream: &mut BufReader<S>, line: &str) -> Next {
        if !self.begun {
            return self.say(stream, b"503 5.5.1 no sender\r\n").await;
        }
        let refuses = self.shared.case.refuses.clone().filter(|_| self.is_armed());
        if let Some(refusal) = refuses {
            return self.say(stream, refusal.as_bytes()).await;
        }
        let next = self.step(stream, Place::Rcpt, "250 2.1.5 Ok\r\n").await;
        if matches!(next, Next::GoOn) {
            let inside = line.split_once('<').map_or("", |(_, rest)| rest);
            self.recipient = Some(inside.rsplit_once('>').map_or("", |(path, _)| path).to_owned());
        }
        next
    }

    async fn data<S: Wire>(&mut self, stream: &mut BufReader<S>, recipient: String) -> Next {
        match self.step(stream, Place::Data, "354 go on\r\n").await {
            Next::GoOn => {}
            other => return other,
        }
        match self.step(stream, Place::Content, "").await {
            Next::GoOn => {}
            other => return other,
        }
        let Some(data) = content(stream).await else { return Next::End };
        let said = self.shared.case.said();
        let refuses = self.is_here(Place::Dot) && matches!(said.first(), Some(b'4' | b'5'));
        if !refuses {
            // Kept before the reply: this is ours from now on.
            let arrival = Arrival { recipient, data, connection: self.connection };
            self.shared.state.lock().unwrap().arrivals.push(arrival);
        }
        match self.step(stream, Place::Dot, "250 2.0.0 Ok\r\n").await {
            Next::Refused => Next::GoOn,
            other => other,
        }
    }

    fn is_armed(&self) -> bool {
        self.shared.armed.load(SeqCst)
    }

    /// Whether this is where it misbehaves.
    fn is_here(&self, place: Place) -> bool {
        let case = &self.shared.case;
        let within = matches!(place, Place::Mail | Place::Rcpt | Place::Data | Place::Content | Place::Dot);
        let counts = within && case.before == 0;
        self.is_armed() && case.at == place && (!counts || self.transaction == case.transaction)
    }

    /// The usual reply, or what the case has in its place, once.
    async fn step<S: Wire>(&mut self, stream: &mut BufReader<S>, place: Place, usual: &str) -> Next {
        if !self.is_here(place) {
            return self.say(stream, usual.as_bytes()).await;
        }
        self.shared.armed.store(false, SeqCst);
        self.shared.state.lock().unwrap().misbehaved = Some(self.connection);
        let (said, case) = (self.shared.case.said(), self.shared.case.clone());
        if case.drip {
            for byte in &said {
                let _ = stream.write_all(&[*byte]).await;
                let _ = stream.flush().await;
                tokio::task::yield_now().await;
            }
        } else {
            let _ = stream.write_all(&said).await;
            let _ = stream.flush().await;
        }
        self.then(stream, case.then, usual, &said).await
    }

    async fn then<S: Wire>(
        &mut self,
        stream: &mut BufReader<S>,
        then: Then,
        usual: &str,
        said: &[u8],
    ) -> Next {
        let raw = self.raw.take();
        let shut = |how| raw.as_ref().map(|raw| raw.shutdown(how));
        match then {
            Then::GoOn => {
                self.raw = raw;
                if matches!(said.first(), Some(b'4' | b'5')) { Next::Refused } else { Next::GoOn }
            }
            Then::Usual => {
                self.raw = raw;
                self.say(stream, usual.as_bytes()).await
            }
            Then::Close => {
                let _ = shut(std::net::Shutdown::Write);
                // What is still coming is read, or the kernel would reset the connection and its peer lose the reply.
                let mut nowhere = tokio::io::sink();
                let drained = tokio::io::copy(stream, &mut nowhere);
                let _ = tokio::time::timeout(Duration::from_millis(200), drained).await;
                Next::End
            }
            Then::Reset => {
                if let Some(raw) = raw {
                    tokio::net::TcpStream::from_std(raw).unwrap().set_zero_linger().unwrap();
                }
                Next::End
            }
            Then::Hang => {
                let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
                Next::End
            }
            Then::ShutWrite => {
                let _ = shut(std::net::Shutdown::Write);
                self.shared.done.notify_one();
                let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
                Next::End
            }
            Then::ShutRead => {
                let _ = shut(std::net::Shutdown::Read);
                let _ = self.say(stream, usual.as_bytes()).await;
                Next::GoOn
            }
            Then::Slow => {
                let mut byte = [0; 1];
                while stream.get_mut().read(&mut byte).await.unwrap_or(0) > 0 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Next::End
            }
            Then::Refuse | Then::Full => Next::GoOn,
        }
    }

    async fn say<S: Wire>(&self, stream: &mut BufReader<S>, text: &[u8]) -> Next {
        let said = stream.write_all(text).await.is_ok() && stream.flush().await.is_ok();
        match (said, text.first()) {
            (false, _) => Next::End,
            (true, Some(b'4' | b'5')) => Next::Refused,
            (true, _) => Next::GoOn,
        }
    }
}

/// Reads up to the final dot and undoes the others; none if the connection ends first.
async fn content<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        match line.as_slice() {
            b".\r\n" => return Some(message),
            [b'.', rest @ ..] => message.extend_from_slice(rest),
            all => message.extend_from_slice(all),
        }
    }
}
