//! A server in the clear that keeps a mailbox, and misbehaves in each connection as it is told to.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// A line without an end instead of a greeting.
    EndlessGreeting,
    /// Nothing at all.
    Silence,
    /// `* PREAUTH` instead of `* OK`.
    Preauth,
    /// `* BYE` instead of `* OK`.
    Bye,
    /// SELECT is answered under a tag that was never given.
    WrongTag,
    /// SELECT is answered by the OK of the command before.
    OldTag,
    /// A response in many levels.
    Deep,
    /// The same, behind a text that ends like the announcement of a literal.
    Hidden,
    /// Responses without an end.
    Flood,
    /// A literal of 4 GiB for a mail.
    Huge,
    /// Another mail than the one that was asked for.
    Unasked,
    /// The connection ends in the middle of a mail.
    HalfMail,
    /// What is no IMAP.
    Rubbish,
    /// EXPUNGE does nothing.
    Keeps,
    /// EXPUNGE does nothing, and it says that all is gone.
    Denies,
    /// Mails come empty, or cut off.
    Truncates,
    /// It tells of new mail before it agrees to tell of new mail.
    TellsEarly,
    /// IDLE is ended at once, each time.
    DropsIdle,
    /// It is another mailbox all of a sudden.
    Renumbers,
    /// Every byte by itself.
    Slow,
    /// STARTTLS is agreed to, with more behind it in the same breath.
    Injects,
    /// STARTTLS is refused.
    NoStarttls,
}

/// What all connections share.
#[derive(Default)]
struct State {
    /// UIDs and mails.
    mails: Vec<(u32, Vec<u8>)>,
    /// What comes at the next IDLE of a connection that tells early.
    late: Vec<(u32, Vec<u8>)>,
    bad: VecDeque<Bad>,
    /// What was sent to log in.
    logins: Vec<String>,
    idles: usize,
}

/// A running server.
#[derive(Clone)]
pub(crate) struct Scripted {
    state: Arc<Mutex<State>>,
    pub(crate) address: SocketAddr,
}

impl Scripted {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { state: Arc::default(), address: listener.local_addr().unwrap() };
        let state = Arc::clone(&server.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                std::thread::spawn(move || {
                    let bad = state.lock().unwrap().bad.pop_front();
                    let _ = Connection::new(stream, bad, state).serve();
                });
            }
        });
        server
    }

    /// The next connections go wrong like this, one after the other; then all is well.
    pub(crate) fn misbehave(&self, bad: &[Bad]) {
        self.state.lock().unwrap().bad.extend(bad);
    }

    /// Whether every misbehaviour was met.
    pub(crate) fn is_done(&self) -> bool {
        self.state.lock().unwrap().bad.is_empty()
    }

    pub(crate) fn deliver(&self, uid: u32, raw: &[u8]) {
        self.state.lock().unwrap().mails.push((uid, raw.to_vec()));
    }

    /// Delivers while the next IDLE begins, where that is told early.
    pub(crate) fn deliver_late(&self, uid: u32, raw: &[u8]) {
        self.state.lock().unwrap().late.push((uid, raw.to_vec()));
    }

    pub(crate) fn mails(&self) -> usize {
        self.state.lock().unwrap().mails.len()
    }

    pub(crate) fn logins(&self) -> Vec<String> {
        self.state.lock().unwrap().logins.clone()
    }

    /// How often it was asked to tell of new mail.
    pub(crate) fn idles(&self) -> usize {
        self.state.lock().unwrap().idles
    }
}

struct Connection {
    reader: BufReader<TcpStream>,
    stream: TcpStream,
    bad: Option<Bad>,
    state: Arc<Mutex<State>>,
    last: String,
}

impl Connection {
    fn new(stream: TcpStream, bad: Option<Bad>, state: Arc<Mutex<State>>) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self { reader: BufReader::new(stream.try_clone().unwrap()), stream, bad, state, last: String::new() }
    }

    fn say(&mut self, text: &[u8]) -> io::Result<()> {
        match self.bad {
            Some(Bad::Slow) => text.iter().try_for_each(|byte| self.stream.write_all(&[*byte])),
            _ => self.stream.write_all(text),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn serve(&mut self) -> io::Result<()> {
        match self.bad {
            Some(Bad::EndlessGreeting) => loop {
                self.say(&[b'x'; 4096])?;
            },
            Some(Bad::Silence) => drop(self.line()),
            Some(Bad::Preauth) => self.say(b"* PREAUTH welcome back\r\n")?,
            Some(Bad::Bye) => self.say(b"* BYE not now\r\n")?,
            _ => self.say(b"* OK ready\r\n")?,
        }
        loop {
            let line = self.line()?;
            let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
            let (tag, command) = (tag.to_owned(), command.to_owned());
            self.obey(&tag, &command)?;
            self.last = tag;
        }
    }

    fn obey(&mut self, tag: &str, command: &str) -> io::Result<()> {
        let mut words = command.split(' ');
        let verb = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        match verb {
            ("STARTTLS", _) if self.bad == Some(Bad::Injects) => {
                return self
                    .say(format!("{tag} OK go on\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n").as_bytes());
            }
            ("STARTTLS", _) => return self.say(format!("{tag} NO not here\r\n").as_bytes()),
            ("AUTHENTICATE", mechanism) => return self.authenticate(tag, mechanism),
            ("CAPABILITY", _) => self.say(b"* CAPABILITY IMAP4rev1 UIDPLUS IDLE MOVE\r\n")?,
            ("SELECT", _) => match self.bad {
                Some(Bad::WrongTag) => return self.say(b"B99 OK [READ-WRITE] selected\r\n"),
                Some(Bad::OldTag) => {
                    return self.say(format!("{} OK [READ-WRITE] selected\r\n", self.last).as_bytes());
                }
                Some(Bad::Rubbish) => return self.say(b"what? (\r\n"),
                Some(Bad::Deep) => {
                    let deep = format!("* 1 FETCH (BODYSTRUCTURE {}\r\n", "(".repeat(30_000));
                    self.say(deep.as_bytes())?;
                }
                Some(Bad::Hidden) => {
                    let deep = format!("* 1 FETCH (BODYSTRUCTURE {}\r\n", "(".repeat(30_000));
                    self.say(format!("* OK x {{{}}}\r\n{deep}", deep.len()).as_bytes())?;
                }
                Some(Bad::Flood) => loop {
                    self.say(&b"* OK still here\r\n".repeat(100))?;
                },
                _ => {
                    let count = self.state.lock().unwrap().mails.len();
                    self.say(b"* FLAGS (\\Deleted)\r\n* OK [PERMANENTFLAGS (\\Deleted \\*)] flags\r\n")?;
                    self.say(format!("* {count} EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n").as_bytes())?;
                }
            },
            ("FETCH", range) => self.sizes(range)?,
            ("UID", "FETCH") if command.contains("BODY.PEEK[]") => self.bodies(command)?,
            ("UID", "FETCH") if self.bad == Some(Bad::Denies) => {}
            ("UID", "FETCH") => self.flags(command)?,
            ("UID", "EXPUNGE") if !matches!(self.bad, Some(Bad::Keeps | Bad::Denies)) => {
                self.expunge(command)?
            }
            ("IDLE", _) => return self.idle(tag),
            ("NOOP", _) => self.count()?,
            _ => {}
        }
        self.say(format!("{tag} OK done\r\n").as_bytes())
    }

    fn authenticate(&mut self, tag: &str, mechanism: &str) -> io::Result<()> {
        // Dovecot says such things while it starts.
        self.say(b"* OK Waiting\r\n+ \r\n")?;
        let reply = self.line()?;
        let reply = String::from_utf8(data_encoding::BASE64.decode(reply.as_bytes()).unwrap()).unwrap();
        self.state.lock().unwrap().logins.push(format!("{mechanism} {reply}"));
        if reply.contains("expired") {
            // XOAUTH2: the failure is explained, and waits for an empty answer.
            self.say(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")?;
            assert_eq!(self.line()?, "");
            return self.say(format!("{tag} NO AUTHENTICATE failed\r\n").as_bytes());
        }
        self.say(format!("{tag} OK welcome\r\n").as_bytes())
    }

    fn count(&mut self) -> io::Result<()> {
        let count = self.mails().len();
        self.say(format!("* {count} EXISTS\r\n").as_bytes())
    }

    fn mails(&self) -> Vec<(u32, Vec<u8>)> {
        self.state.lock().unwrap().mails.clone()
    }

    fn sizes(&mut self, range: &str) -> io::Result<()> {
        let (first, last) = range.split_once(':').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        for (n, (uid, raw)) in self.mails().iter().enumerate().skip(first - 1).take(last + 1 - first) {
            let listed = format!("* {} FETCH (UID {uid} FLAGS () RFC822.SIZE {})\r\n", n + 1, raw.len());
            self.say(listed.as_bytes())?;
        }
        if self.bad == Some(Bad::Renumbers) {
            self.say(b"* OK [UIDVALIDITY 8] now\r\n")?;
        }
        Ok(())
    }

    fn bodies(&mut self, command: &str) -> io::Result<()> {
        for (n, (uid, raw)) in self.mails().iter().enumerate().filter(|(_, (uid, _))| names(command, *uid)) {
            let (n, size) = (n + 1, raw.len());
            match self.bad {
                Some(Bad::Huge) => {
                    self.say(format!("* {n} FETCH (UID {uid} BODY[] {{4294967295}}\r\n").as_bytes())?;
                    loop {
                        self.say(&[b'x'; 65_536])?;
                    }
                }
                Some(Bad::Truncates) if uid % 2 == 0 => {
                    self.say(format!("* {n} FETCH (UID {uid} BODY[] \"\")\r\n").as_bytes())?;
                }
                Some(Bad::Truncates) => {
                    let part = &raw[..raw.len() / 2];
                    self.say(format!("* {n} FETCH (UID {uid} BODY[] {{{}}}\r\n", part.len()).as_bytes())?;
                    self.say(part)?;
                    self.say(b")\r\n")?;
                }
                Some(Bad::Unasked) => self.say(b"* 9 FETCH (UID 999 BODY[] {2}\r\nhi)\r\n")?,
                Some(Bad::HalfMail) => {
                    self.say(
                        format!("* {n} FETCH (UID {uid} BODY[] {{{size}}}\r\nSubject: half").as_bytes(),
                    )?;
                    self.stream.shutdown(std::net::Shutdown::Both)?;
                }
                _ => {
                    self.say(format!("* {n} FETCH (UID {uid} BODY[] {{{size}}}\r\n").as_bytes())?;
                    self.say(raw)?;
                    self.say(b")\r\n")?;
                }
            }
        }
        Ok(())
    }

    fn flags(&mut self, command: &str) -> io::Result<()> {
        for (n, (uid, _)) in self.mails().iter().enumerate().filter(|(_, (uid, _))| names(command, *uid)) {
            self.say(format!("* {} FETCH (UID {uid} FLAGS (\\Deleted))\r\n", n + 1).as_bytes())?;
        }
        Ok(())
    }

    fn expunge(&mut self, command: &str) -> io::Result<()> {
        let mut gone = Vec::new();
        self.state.lock().unwrap().mails.retain(|(uid, _)| {
            !names(command, *uid) || {
                gone.push(*uid);
                false
            }
        });
        gone.iter().try_for_each(|_| self.say(b"* 1 EXPUNGE\r\n"))
    }

    fn idle(&mut self, tag: &str) -> io::Result<()> {
        let late = {
            let mut state = self.state.lock().unwrap();
            state.idles += 1;
            if self.bad == Some(Bad::TellsEarly) { std::mem::take(&mut state.late) } else { Vec::new() }
        };
        if !late.is_empty() {
            self.state.lock().unwrap().mails.extend(late);
            self.count()?;
        }
        self.say(b"+ idling\r\n")?;
        if self.bad == Some(Bad::DropsIdle) {
            return self.say(format!("{tag} OK no more of this\r\n").as_bytes());
        }
        self.say(b"* OK still here\r\n* OK still here\r\n")?;
        assert_eq!(self.line()?, "DONE");
        self.count()?;
        self.say(format!("{tag} OK done\r\n").as_bytes())
    }
}

/// Whether a command names this UID.
fn names(command: &str, uid: u32) -> bool {
    let set = command.split(' ').nth(2).unwrap_or("");
    set.split(',').any(|one| one == uid.to_string())
}
