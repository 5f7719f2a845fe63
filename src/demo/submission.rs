//! Handing a mail in: the few lines of RFC 5321 that a mail program says.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::trouble::Trouble;

/// How long the relay may take for one reply.
const REPLY: Duration = Duration::from_secs(30);

/// Hands in one mail, and returns the relay's reply to it, line by line: `250 2.0.0 Taken in as …` or a refusal. The
/// mail's lines end in CRLF, the last one too.
pub(super) fn hand_in(relay: SocketAddr, from: &str, to: &str, mail: &[u8]) -> Result<String, Trouble> {
    let mut session = Session::open(relay)?;
    session.expect("220")?;
    for (command, reply) in [
        ("EHLO client.example".to_owned(), "250"),
        (format!("MAIL FROM:<{from}>"), "250"),
        (format!("RCPT TO:<{to}>"), "250"),
        ("DATA".to_owned(), "354"),
    ] {
        session.say(&[command.as_bytes(), b"\r\n"].concat())?;
        session.expect(reply)?;
    }
    session.say(&stuffed(mail))?;
    let reply = session.reply()?;
    session.say(b"QUIT\r\n")?;
    session.expect("221")?;
    Ok(reply)
}

struct Session {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Session {
    fn open(relay: SocketAddr) -> Result<Self, Trouble> {
        let open = || {
            let stream = TcpStream::connect(relay)?;
            stream.set_read_timeout(Some(REPLY))?;
            stream.set_write_timeout(Some(REPLY))?;
            stream.set_nodelay(true)?;
            Ok(Self { lines: BufReader::new(stream.try_clone()?), stream })
        };
        open().map_err(Trouble::io("connect to the relay"))
    }

    fn say(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.stream.write_all(bytes).map_err(Trouble::io("speak SMTP to the relay"))
    }

    /// All lines of a reply (RFC 5321 §4.2.1: every one but the last has a hyphen behind the code).
    fn reply(&mut self) -> Result<String, Trouble> {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).map_err(Trouble::io("hear the relay's SMTP reply"))?;
            if line.is_empty() {
                return Trouble::broken("the relay closed the SMTP connection without a reply");
            }
            reply.push_str(line.trim_end());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }

    fn expect(&mut self, code: &str) -> Result<(), Trouble> {
        let reply = self.reply()?;
        if reply.starts_with(code) {
            return Ok(());
        }
        Trouble::broken(format!("the relay said \"{reply}\" where {code} was to be expected"))
    }
}

/// RFC 5321 §4.5.2: a line that starts with a dot gets one more, and a dot alone ends it all.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 16);
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}
