//! The next hop: a mail server that takes everything and keeps it in memory. Just enough of RFC 5321 for the relay's
//! courier on this machine; not a server for anything else.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::trouble::Trouble;

/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// One copy as it came over the wire.
#[derive(Clone)]
pub(super) struct Delivery {
    /// From MAIL FROM, where bounces go.
    pub(super) from: String,
    /// From RCPT TO.
    pub(super) to: String,
    /// Header and body.
    pub(super) mail: Vec<u8>,
}

/// The sink, listening until it is dropped.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    taken: Arc<Mutex<Vec<Delivery>>>,
    closed: Arc<AtomicBool>,
}

impl Sink {
    /// Listens on a free port of this machine.
    pub(super) fn start() -> Result<Self, Trouble> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Trouble::io("listen on 127.0.0.1"))?;
        let address = listener.local_addr().map_err(Trouble::io("listen on 127.0.0.1"))?;
        let (taken, closed): (Arc<Mutex<Vec<Delivery>>>, Arc<AtomicBool>) = Default::default();
        let (into, stop) = (Arc::clone(&taken), Arc::clone(&closed));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let into = Arc::clone(&into);
                // A connection that breaks has no meaning here: the courier sees it and tries again.
                thread::spawn(move || converse(&stream, &into));
            }
        });
        Ok(Self { address, taken, closed })
    }

    /// Everything that was taken from the `first` one on.
    pub(super) fn taken_from(&self, first: usize) -> Vec<Delivery> {
        locked(&self.taken).iter().skip(first).cloned().collect()
    }

    /// How many copies were taken so far.
    pub(super) fn count(&self) -> usize {
        locked(&self.taken).len()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees it.
        let _ = TcpStream::connect(self.address);
    }
}

/// Another thread that broke down leaves whole deliveries behind.
fn locked(taken: &Mutex<Vec<Delivery>>) -> MutexGuard<'_, Vec<Delivery>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn converse(stream: &TcpStream, taken: &Mutex<Vec<Delivery>>) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let mut say = stream;
    let mut lines = BufReader::new(stream);
    let (mut from, mut to) = (String::new(), String::new());
    say.write_all(b"220 sink.example ESMTP demo sink\r\n")?;
    loop {
        let line = read_line(&mut lines)?;
        let command = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" | "HELO" => b"250 sink.example\r\n",
            "MAIL" => {
                from = path(&command);
                b"250 2.1.0 Ok\r\n"
            }
            "RCPT" => {
                to = path(&command);
                b"250 2.1.5 Ok\r\n"
            }
            "DATA" => {
                say.write_all(b"354 Go on\r\n")?;
                let mail = read_mail(&mut lines)?;
                locked(taken).push(Delivery { from: from.clone(), to: to.clone(), mail });
                b"250 2.0.0 Ok\r\n"
            }
            "RSET" | "NOOP" => b"250 2.0.0 Ok\r\n",
            "QUIT" => return say.write_all(b"221 2.0.0 Bye\r\n"),
            _ => b"502 5.5.1 Not here\r\n",
        };
        say.write_all(reply)?;
    }
}

/// What stands between the angle brackets.
fn path(command: &str) -> String {
    let inside = command.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(path, _)| path.to_owned())
}

fn read_line(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    match lines.read_until(b'\n', &mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

/// RFC 5321 §4.5.2: up to the line that is a dot alone; a dot in front of anything else goes.
fn read_mail(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    loop {
        let line = read_line(lines)?;
        if line == b".\r\n" {
            return Ok(mail);
        }
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
