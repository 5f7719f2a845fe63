//! One session with the daemon as its client: LMTP (RFC 2033), or SMTP where no LMTP is spoken.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::door::{Door, Place};
use super::message::Message;
use super::outcome::Failure;
use super::reply::Reply;
use crate::mail::address::Address;

/// What is taken for the largest mail where the server does not say (RFC 1870 §4), in bytes.
const USUAL_SIZE: usize = 52_428_800;

/// A greeted server.
pub(super) struct Session {
    input: BufReader<Box<dyn Read>>,
    output: Box<dyn Write>,
    lmtp: bool,
    max_size: usize,
    size: bool,
    eight_bit: bool,
    smtputf8: bool,
}

/// What one mail transaction came to.
pub(super) struct Round {
    /// For each recipient that is done with.
    pub(super) settled: Vec<Result<(), Failure>>,
    /// Those that want a mail of their own.
    pub(super) later: Vec<Address>,
}

impl Session {
    /// Connects and says hello. `patience` is the time of each step.
    pub(super) fn open(door: &Door, patience: Duration) -> Result<Self, Failure> {
        let (place, lmtp) = match door {
            Door::Lmtp(place) => (place, true),
            Door::Smtp(place) => (place, false),
        };
        let (input, output) = connect(place, patience).map_err(|error| unreached(place, &error))?;
        let input = BufReader::new(input);
        let mut session =
            Self { input, output, lmtp, max_size: 0, size: false, eight_bit: false, smtputf8: false };
        session.hello().map_err(|error| broken(&error)).and_then(|said| said).map(|()| session)
    }

    fn hello(&mut self) -> io::Result<Result<(), Failure>> {
        let greeting = Reply::read(&mut self.input)?;
        if !greeting.is_success() {
            return Ok(Err(early(&greeting)));
        }
        let hello = self.command(if self.lmtp { "LHLO localhost" } else { "EHLO localhost" })?;
        if !hello.is_success() {
            return Ok(Err(early(&hello)));
        }
        let size = hello.keyword("SIZE");
        self.size = size.is_some();
        let limit = size.and_then(|text| text.parse().ok()).filter(|limit| *limit > 0);
        self.max_size = limit.unwrap_or(USUAL_SIZE);
        self.eight_bit = hello.keyword("8BITMIME").is_some();
        self.smtputf8 = hello.keyword("SMTPUTF8").is_some();
        Ok(Ok(()))
    }

    /// The largest mail that the server takes, in bytes.
    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Sends the mail to as many of these recipients as take it in one transaction. After an error nothing is known.
    pub(super) fn transaction(
        &mut self,
        sender: Option<&Address>,
        recipients: Vec<Address>,
        message: &Message,
    ) -> Result<Round, Failure> {
        self.try_transaction(sender, recipients, message).map_err(|error| broken(&error))
    }

    fn try_transaction(
        &mut self,
        sender: Option<&Address>,
        recipients: Vec<Address>,
        message: &Message,
    ) -> io::Result<Round> {
        let mail = self.mail_from(sender, &recipients, message);
        let reply = self.command(&mail)?;
        if !reply.is_success() {
            return Ok(Round { settled: all(&recipients, &reply), later: Vec::new() });
        }
        let (mut accepted, mut settled, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for recipient in recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}>"))?;
            match reply {
                reply if reply.is_success() => accepted.push(recipient),
                reply if reply.wants_another_mail() => later.push(recipient),
                reply => settled.push(Err(Failure::reply(&recipient.to_string(), &reply))),
            }
        }
        if accepted.is_empty() {
            self.command("RSET")?;
            return Ok(Round { settled, later });
        }
        let reply = self.command("DATA")?;
        if reply.code() != 354 {
            settled.extend(all(&accepted, &reply));
            return Ok(Round { settled, later });
        }
        let sent = message.send(|piece| self.output.write_all(piece)).and_then(|()| self.output.flush());
        settled.extend(self.verdicts(&accepted, sent)?);
        Ok(Round { settled, later })
    }

    fn mail_from(&self, sender: Option<&Address>, recipients: &[Address], message: &Message) -> String {
        let mut line = format!("MAIL FROM:<{}>", sender.map_or_else(String::new, ToString::to_string));
        if self.size {
            // RFC 1870 §6: so that it can be refused before it comes.
            line.push_str(&format!(" SIZE={}", message.len()));
        }
        if self.eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        if self.smtputf8 && sender.into_iter().chain(recipients).any(Address::needs_utf8) {
            line.push_str(" SMTPUTF8");
        }
        line
    }

    /// The replies to the last dot: one for each accepted recipient (RFC 2033 §4.2), or one for all.
    fn verdicts(
        &mut self,
        accepted: &[Address],
        sent: io::Result<()>,
    ) -> io::Result<Vec<Result<(), Failure>>> {
        let mut verdicts = Vec::new();
        let mut last: Option<Reply> = None;
        for recipient in accepted {
            let reply = match last.take().filter(|last| !self.lmtp || last.code() == 421) {
                Some(for_all) => for_all,
                // Whoever closed before the last dot said why, or it is the write that failed.
                None => match (Reply::read(&mut self.input), &sent) {
                    (Ok(reply), _) => reply,
                    (Err(_), Err(error)) => return Err(error.kind().into()),
                    (Err(error), Ok(())) => return Err(error),
                },
            };
            // Nothing can have been taken whose end was not sent.
            verdicts.push(match reply.is_success() && sent.is_ok() {
                true => Ok(()),
                false => Err(Failure::reply(&recipient.to_string(), &reply)),
            });
            last = Some(reply);
        }
        Ok(verdicts)
    }

    fn command(&mut self, line: &str) -> io::Result<Reply> {
        self.output.write_all(format!("{line}\r\n").as_bytes())?;
        self.output.flush()?;
        Reply::read(&mut self.input)
    }

    /// Says goodbye; what comes of it changes nothing.
    pub(super) fn quit(mut self) {
        let _ = self.output.write_all(b"QUIT\r\n");
    }
}

type Halves = (Box<dyn Read>, Box<dyn Write>);

fn connect(place: &Place, patience: Duration) -> io::Result<Halves> {
    match place {
        Place::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            Ok((Box::new(stream.try_clone()?), Box::new(stream)))
        }
        Place::Tcp(address) => {
            let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
            let stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            Ok((Box::new(stream.try_clone()?), Box::new(stream)))
        }
    }
}

fn all(recipients: &[Address], reply: &Reply) -> Vec<Result<(), Failure>> {
    recipients.iter().map(|r| Err(Failure::reply(&r.to_string(), reply))).collect()
}

/// A server that does not even let us begin is the wrong one, or full: neither is the mail's fault.
fn early(reply: &Reply) -> Failure {
    Failure::later(format!("the daemon does not take mail now: {} {}", reply.code(), reply.status().1))
}

fn unreached(place: &Place, error: &io::Error) -> Failure {
    let next = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "the daemon is not running, or it listens elsewhere: start it, or see [lmtp] listen"
        }
        io::ErrorKind::PermissionDenied => {
            "run this as a user whose group is that of [lmtp] group, which may open the socket"
        }
        _ => "see the daemon's log",
    };
    Failure::later(format!("cannot hand the mail to the daemon at {place}: {error}; {next}"))
}

fn broken(error: &io::Error) -> Failure {
    let what = match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the daemon did not answer in time",
        io::ErrorKind::InvalidData => "what answers there is no mail server",
        _ => "the connection to the daemon broke off",
    };
    Failure::later(format!("{what}; the mail may have been taken, and is to be sent again"))
}
