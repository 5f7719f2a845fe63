//! The next hop: takes mail, keeps it with its envelope, and misbehaves for whom it is told to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// What the sink does with mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// This reply to RCPT.
    Refuse(&'static str),
    /// This reply to the last dot.
    RefuseContent(&'static str),
    /// Says nothing after the last dot until the rule is taken away, then accepts.
    Hang,
    /// Closes the connection at RCPT.
    Close,
    /// Takes the mail and closes the connection without a reply.
    CloseAfterContent,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub reverse_path: String,
    pub recipient: String,
    /// The content, dots undone.
    pub data: Vec<u8>,
    /// When it was taken.
    pub at: Instant,
    /// Which generation of clients brought it; see [`Sink::next_generation`].
    pub generation: usize,
}

impl Taken {
    /// The value of the first header field of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        super::copy::header(&self.data, name)
    }
}

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    rules: HashMap<String, Rule>,
    connections: usize,
    generation: usize,
    /// Mail that hangs at this moment.
    hanging: usize,
    /// Every byte that ever came in, unless there are too many.
    wire: Vec<u8>,
    forgetful: bool,
    /// Mails and bytes that were counted and not kept.
    counted: Option<(usize, u64)>,
    delay: Duration,
    closed: bool,
    streams: Vec<TcpStream>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A running sink.
pub struct Sink {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Sink {
    /// Starts one on a free port of this machine.
    pub fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    /// Starts one at this address.
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let acceptor = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&acceptor);
                let generation = {
                    let mut state = shared.lock();
                    if state.closed {
                        return;
                    }
                    state.connections += 1;
                    state.streams.extend(stream.try_clone());
                    state.generation
                };
                std::thread::spawn(move || {
                    let _ = Session { shared: &shared, stream: &stream, generation }.run();
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { shared, address }
    }

    /// Where it is, as `relay.toml` writes it.
    pub fn smarthost(&self) -> String {
        self.address.to_string()
    }

    /// Sets what happens to a recipient's mail.
    pub fn rule(&self, recipient: &str, rule: Rule) {
        self.shared.lock().rules.insert(recipient.to_owned(), rule);
    }

    /// Takes a rule away; what hangs by it is accepted.
    pub fn obey(&self, recipient: &str) {
        self.shared.lock().rules.remove(recipient);
        self.shared.changed.notify_all();
    }

    /// How long it thinks about every mail.
    pub fn think(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// From here on connections belong to another daemon; the one before is dead. Whenever its mail is looked at, even
    /// after its end, it counts as its own.
    pub fn next_generation(&self) {
        // Connections are accepted in their order: when this one is greeted, all before it have been seen.
        let mut line = String::new();
        BufReader::new(TcpStream::connect(self.address).unwrap()).read_line(&mut line).unwrap();
        self.shared.lock().generation += 1;
    }

    /// Looks at what is taken from another thread.
    pub fn watcher(&self) -> Watcher {
        Watcher(Arc::clone(&self.shared))
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// All mail taken so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.lock().taken.clone()
    }

    /// All mail taken so far for one recipient.
    pub fn taken_for(&self, recipient: &str) -> Vec<Taken> {
        self.shared.lock().taken.iter().filter(|t| t.recipient == recipient).cloned().collect()
    }

    /// Keeps mail only, for tests with very much of it.
    pub fn forget_the_wire(&self) {
        self.shared.lock().forgetful = true;
    }

    /// From here on counts mail instead of keeping it, for tests with more of it than memory.
    pub fn only_count(&self) {
        let mut state = self.shared.lock();
        (state.forgetful, state.counted) = (true, Some((0, 0)));
    }

    /// How many mails were counted, and their bytes.
    pub fn counted(&self) -> (usize, u64) {
        self.shared.lock().counted.unwrap_or_default()
    }

    /// Every byte that came in, over all connections.
    pub fn wire(&self) -> Vec<u8> {
        self.shared.lock().wire.clone()
    }

    /// Waits until there are this many mails for a recipient; returns them.
    pub fn wait_for(&self, recipient: &str, count: usize) -> Vec<Taken> {
        self.wait(&format!("{count} mails for {recipient}"), |state| {
            state.taken.iter().filter(|t| t.recipient == recipient).count() >= count
        });
        self.taken_for(recipient)
    }

    /// Waits until there are this many mails in all.
    pub fn wait_for_all(&self, count: usize) -> Vec<Taken> {
        self.wait(&format!("{count} mails in all"), |state| state.taken.len() >= count);
        self.taken()
    }

    /// Waits until so many mails hang.
    pub fn wait_until_hanging(&self, count: usize) {
        self.wait(&format!("{count} mails that hang"), |state| state.hanging >= count);
    }

    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            let for_whom: Vec<_> = state.taken.iter().map(|t| t.recipient.clone()).collect();
            assert!(!left.is_zero(), "did not arrive within {PATIENCE:?}: {what}; there is {for_whom:?}");
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

/// See [`Sink::watcher`].
pub struct Watcher(Arc<Shared>);

impl Watcher {
    /// How many mails were taken so far.
    pub fn count(&self) -> usize {
        self.0.lock().taken.len()
    }

    /// The mails behind the first `seen`.
    pub fn after(&self, seen: usize) -> Vec<Taken> {
        self.0.lock().taken.get(seen..).unwrap_or_default().to_vec()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap_or_else(|e| e.into_inner());
        state.closed = true;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the acceptor, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

struct Session<'a> {
    shared: &'a Shared,
    stream: &'a TcpStream,
    generation: usize,
}

impl Session<'_> {
    fn say(&self, reply: &str) -> std::io::Result<()> {
        let mut stream = self.stream;
        stream.write_all(format!("{reply}\r\n").as_bytes())
    }

    fn rule(&self, recipient: &str) -> Option<Rule> {
        self.shared.lock().rules.get(recipient).cloned()
    }

    fn line(&self, input: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = input.read_until(b'\n', &mut line)?;
        let mut state = self.shared.lock();
        if !state.forgetful {
            state.wire.extend_from_slice(&line);
        }
        Ok((read > 0).then_some(line))
    }

    fn run(&self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut input = BufReader::with_capacity(1 << 18, self.stream);
        let (mut from, mut to) = (String::new(), None::<String>);
        self.say("220 sink.example ESMTP")?;
        while let Some(line) = self.line(&mut input)? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.say("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")?,
                "MAIL" => {
                    (from, to) = (path(&line), None);
                    self.say("250 2.1.0 Ok")?;
                }
                "RCPT" => match self.rule(&path(&line)) {
                    Some(Rule::Close) => return Ok(()),
                    Some(Rule::Refuse(reply)) => self.say(reply)?,
                    _ => {
                        to = Some(path(&line));
                        self.say("250 2.1.5 Ok")?;
                    }
                },
                "DATA" => match to.take() {
                    Some(recipient) => {
                        self.say("354 go on")?;
                        if !self.content(&mut input, &from, recipient)? {
                            return Ok(());
                        }
                    }
                    None => self.say("503 5.5.1 no recipient")?,
                },
                "QUIT" => return self.say("221 2.0.0 bye"),
                _ => self.say("250 2.0.0 Ok")?,
            }
        }
        Ok(())
    }

    /// Reads a mail and keeps it; false when the connection shall be closed.
    fn content(&self, input: &mut impl BufRead, from: &str, recipient: String) -> std::io::Result<bool> {
        let mut data = Vec::new();
        loop {
            let Some(line) = self.line(input)? else { return Ok(false) };
            match line.as_slice() {
                b".\r\n" => break,
                [b'.', rest @ ..] => data.extend_from_slice(rest),
                all => data.extend_from_slice(all),
            }
        }
        let rule = self.rule(&recipient);
        match rule {
            Some(Rule::RefuseContent(reply)) => return self.say(reply).map(|()| true),
            Some(Rule::Hang) => self.hang(&recipient),
            _ => {
                let delay = self.shared.lock().delay;
                std::thread::sleep(delay);
            }
        }
        // Kept before the reply: what was answered with 250 is here.
        let taken = Taken {
            reverse_path: from.to_owned(),
            recipient,
            data,
            at: Instant::now(),
            generation: self.generation,
        };
        let mut state = self.shared.lock();
        match &mut state.counted {
            Some((mails, bytes)) => (*mails, *bytes) = (*mails + 1, *bytes + taken.data.len() as u64),
            None => state.taken.push(taken),
        }
        drop(state);
        self.shared.changed.notify_all();
        if rule == Some(Rule::CloseAfterContent) {
            return Ok(false);
        }
        self.say("250 2.0.0 Ok").map(|()| true)
    }

    fn hang(&self, recipient: &str) {
        let mut state = self.shared.lock();
        state.hanging += 1;
        self.shared.changed.notify_all();
        while !state.closed && state.rules.get(recipient) == Some(&Rule::Hang) {
            state = self.shared.changed.wait(state).unwrap();
        }
        state.hanging -= 1;
    }
}

fn path(line: &str) -> String {
    let inside = line.split_once('<').map_or("", |(_, rest)| rest);
    inside.rsplit_once('>').map_or("", |(path, _)| path).to_owned()
}
