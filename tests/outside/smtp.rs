//! A mail client that says what it is told, over TCP or a Unix socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::PATIENCE;

/// A reply: its code and its whole text, lines separated by `\n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub text: String,
}

/// A session with a server.
pub struct Client {
    input: BufReader<Box<dyn Read>>,
    output: Box<dyn Write>,
}

impl Client {
    /// Connects and hears the greeting.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::try_tcp(address).expect("the server greets")
    }

    /// The same; none when the server is not there or says nothing.
    pub fn try_tcp(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        let mut client =
            Self { input: BufReader::new(Box::new(stream.try_clone().ok()?)), output: Box::new(stream) };
        (client.hear()?.code == 220).then_some(client)
    }

    /// Connects over a Unix socket and hears the greeting.
    pub fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client =
            Self { input: BufReader::new(Box::new(stream.try_clone().unwrap())), output: Box::new(stream) };
        assert_eq!(client.reply().code, 220);
        client
    }

    /// Sends bytes as they are; false when the connection is gone.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.output.write_all(bytes).and_then(|()| self.output.flush()).is_ok()
    }

    /// The next reply; none when the connection ends.
    pub fn hear(&mut self) -> Option<Reply> {
        let mut text = String::new();
        loop {
            let mut line = Vec::new();
            if self.input.read_until(b'\n', &mut line).ok()? == 0 || !line.ends_with(b"\r\n") {
                return None;
            }
            let line = String::from_utf8(line).ok()?;
            let line = line.trim_end();
            text.push_str(line.get(4..).unwrap_or_default());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(Reply { code: line.get(..3)?.parse().ok()?, text });
            }
            text.push('\n');
        }
    }

    /// The next reply.
    pub fn reply(&mut self) -> Reply {
        self.hear().expect("a reply")
    }

    /// One command and its reply.
    pub fn command(&mut self, line: &str) -> Reply {
        self.say(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Greets by EHLO.
    pub fn ehlo(mut self) -> Self {
        assert_eq!(self.command("EHLO client.example").code, 250);
        self
    }

    /// Greets by LHLO.
    pub fn lhlo(mut self) -> Self {
        assert_eq!(self.command("LHLO client.example").code, 250);
        self
    }

    /// Sends a whole mail; returns the reply that decided: the first refusal, or the one to its last dot.
    pub fn mail(&mut self, from: &str, to: &[&str], raw: &[u8]) -> Reply {
        self.try_mail(from, to, raw).expect("the session lives")
    }

    /// The same; none when the connection breaks, so that nothing is known.
    pub fn try_mail(&mut self, from: &str, to: &[&str], raw: &[u8]) -> Option<Reply> {
        let lines = [format!("MAIL FROM:<{from}>")].into_iter();
        let lines = lines.chain(to.iter().map(|to| format!("RCPT TO:<{to}>"))).chain(["DATA".to_owned()]);
        for line in lines {
            self.say(format!("{line}\r\n").as_bytes());
            let reply = self.hear()?;
            if reply.code >= 400 {
                self.say(b"RSET\r\n");
                self.hear()?;
                return Some(reply);
            }
        }
        self.say(&dotted(raw));
        self.hear()
    }

    /// Says QUIT and hears the answer.
    pub fn quit(mut self) {
        assert_eq!(self.command("QUIT").code, 221);
    }
}

/// Content as it travels: dots at the beginning of lines doubled (RFC 5321 §4.5.2), and the last dot.
pub fn dotted(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 50 + 8);
    let mut at_start = true;
    for &byte in raw {
        if at_start && byte == b'.' {
            out.push(b'.');
        }
        out.push(byte);
        at_start = byte == b'\n';
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
