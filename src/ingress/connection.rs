//! One connection: moves bytes between a socket and a [`Session`], does what the session says, keeps the deadlines.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::admission::Admission;
use super::budget::Budget;
use super::events::TakeIn;
use super::guard::Guard;
use super::pace::{Pace, seconds};
use super::session::{Action, Event, Phase, Session, Terms, Tls};
use super::settings::Limits;
use crate::failpoint::{self, Point};
use crate::mail::arrival::Via;
use crate::mail::directory::Directory;
use crate::meter;
use crate::time::Clock;

/// How much of a message is read at once.
const CHUNK: usize = 16 * 1024;

/// How much is read at once of commands: thousands of connections may wait for one.
const LINE: usize = 1024;

/// How long a client waits for the next command before it is looked whether others are waiting for its place.
const LOOK: Duration = Duration::from_secs(2);

/// How long, and how much, a client may still send after our last word, so that it gets to read it: a socket that is
/// closed with unread bytes is reset, and the reply is lost.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// How long a TLS handshake may take, at most.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// How long a refused client has to take its one line.
const REFUSAL: Duration = Duration::from_secs(5);

/// What all connections share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) directory: Arc<Directory>,
    pub(super) take_in: TakeIn,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) budget: Budget,
    pub(super) admission: Admission,
    pub(super) guard: Guard,
    pub(super) limits: Arc<Limits>,
    pub(super) hostname: String,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) stop: watch::Receiver<bool>,
}

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Smtp,
    /// SMTP in TLS from the first byte.
    Smtps,
    Lmtp,
}

impl Speech {
    /// What metrics call it.
    const fn way(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Lmtp => "lmtp",
        }
    }
}

/// Serves a client from greeting to goodbye. Errors of the socket end it silently: there is nobody to tell.
pub(super) async fn serve<S: Stream>(stream: S, client: Option<IpAddr>, speech: Speech, shared: Shared) {
    let name = client.map_or_else(|| "unix".to_owned(), |ip| ip.to_canonical().to_string());
    let tls = match (speech, client, &shared.tls) {
        (Speech::Smtps, ..) => Tls::On,
        // On a Unix socket there is no wire to listen on.
        (_, None, _) | (_, _, None) => Tls::Unavailable,
        (_, Some(_), Some(_)) => Tls::Offered,
    };
    let via = if speech == Speech::Lmtp { Via::Lmtp } else { Via::Smtp };
    let limits = Limits::clone(&shared.limits);
    let terms = Terms { via, hostname: shared.hostname.clone(), client: name.clone(), tls, limits };
    let session = Session::new(terms, Arc::clone(&shared.directory), shared.budget.seen_by(client));
    let session = session.guarded(shared.guard.of(client));
    let mut driver = Driver { session, stopped: false, late: false, local: client.is_none(), shared };
    let session = meter::Session::begin(speech.way());
    let ended = driver.whole(stream, speech).await;
    session.ended(driver.session.tls() == Tls::On);
    let tally = driver.session.tally();
    let broken = ended.err().map(|e| e.kind());
    let late = driver.late || broken == Some(io::ErrorKind::TimedOut);
    if late {
        counter!("vouchsafe_connections_cut_total").increment(1);
    }
    tracing::info!(client = %name, ?via, tls = (driver.session.tls() == Tls::On), taken = tally.taken, bad_commands = tally.bad_commands, late, ?broken, "connection ended");
}

/// Tells a client that there is no place for it.
pub(super) async fn refuse<S: Stream>(mut stream: S, text: Vec<u8>) {
    let said = async {
        stream.write_all(&text).await?;
        stream.shutdown().await
    };
    // Whoever does not want to hear it is closed on all the same.
    let _ = timeout(REFUSAL, said).await;
}

/// A byte stream in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Driver {
    session: Session,
    shared: Shared,
    /// Whether the session has been told that the daemon stops.
    stopped: bool,
    /// Whether the client was too slow.
    late: bool,
    /// Whether it came by a Unix socket.
    local: bool,
}

/// How a stretch of a session ended.
#[derive(PartialEq, Eq)]
enum Stretch {
    Closed,
    StartTls,
}

/// What came from the client.
enum Came {
    Bytes(usize),
    Nothing,
    Stop,
    Late,
}

impl Driver {
    async fn whole<S: Stream>(&mut self, mut stream: S, speech: Speech) -> io::Result<()> {
        if speech == Speech::Smtps {
            let mut stream = self.handshake(stream).await?;
            return self.stretch(&mut stream, Event::Connected).await.map(|_| ());
        }
        if self.stretch(&mut stream, Event::Connected).await? == Stretch::StartTls {
            let mut stream = self.handshake(stream).await?;
            self.stretch(&mut stream, Event::TlsDone).await?;
        }
        Ok(())
    }

    async fn handshake<S: Stream>(&self, stream: S) -> io::Result<tokio_rustls::server::TlsStream<S>> {
        let acceptor = self.shared.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        timeout(self.patience().min(HANDSHAKE), acceptor.accept(stream)).await?
    }

    /// Drives the session until it closes or wants TLS.
    async fn stretch<S: Stream>(&mut self, stream: &mut S, first: Event<'_>) -> io::Result<Stretch> {
        let mut actions = self.session.handle(first, self.shared.clock.now());
        let mut buffer = vec![0; LINE];
        let mut pace = self.pace();
        loop {
            let answered = !actions.is_empty();
            if let Some(end) = self.perform(stream, actions).await? {
                if end == Stretch::Closed {
                    linger(stream, &mut buffer).await;
                }
                return Ok(end);
            }
            if answered {
                pace = self.pace();
            }
            let wanted = if self.session.phase() == Phase::Data { CHUNK } else { LINE };
            if buffer.len() != wanted {
                buffer = vec![0; wanted];
            }
            let came = self.come(stream, &mut buffer, &pace).await?;
            let now = self.shared.clock.now();
            actions = match came {
                Came::Bytes(length) => {
                    pace.came(length, Instant::now());
                    self.session.handle(Event::Bytes(buffer.get(..length).unwrap_or_default()), now)
                }
                Came::Nothing => return Ok(Stretch::Closed),
                Came::Stop => self.session.handle(Event::ShuttingDown, now),
                Came::Late => {
                    self.late = true;
                    self.session.handle(Event::Timeout, now)
                }
            };
        }
    }

    /// Waits for the client; its deadline may come nearer meanwhile.
    async fn come<S: Stream>(&mut self, stream: &mut S, buffer: &mut [u8], pace: &Pace) -> io::Result<Came> {
        loop {
            let look = self.deadline(pace).min(Instant::now() + LOOK);
            match self.read(stream, buffer, look).await? {
                Came::Late if Instant::now() < self.deadline(pace) => {}
                came => return Ok(came),
            }
        }
    }

    /// When the client is too slow. A command has to be whole in time, however it trickles in; a message has to go
    /// on in time, and to keep its pace.
    fn deadline(&self, pace: &Pace) -> Instant {
        if self.session.phase() != Phase::Data {
            return pace.since() + self.command_patience();
        }
        (Instant::now() + self.patience()).min(pace.deadline())
    }

    fn pace(&self) -> Pace {
        Pace::new(&self.shared.limits, Instant::now())
    }

    async fn read<S: Stream>(&mut self, stream: &mut S, buffer: &mut [u8], by: Instant) -> io::Result<Came> {
        tokio::select! {
            biased;
            () = stopped(&mut self.shared.stop), if !self.stopped => {
                self.stopped = true;
                Ok(Came::Stop)
            }
            read = timeout_at(by, stream.read(buffer)) => match read {
                Err(_) => Ok(Came::Late),
                Ok(Ok(0)) => Ok(Came::Nothing),
                Ok(length) => length.map(Came::Bytes),
            },
        }
    }

    /// Does what the session says, until it waits for the client again (`None`) or this stretch is over.
    async fn perform<S: Stream>(
        &mut self,
        stream: &mut S,
        actions: Vec<Action>,
    ) -> io::Result<Option<Stretch>> {
        let mut actions = actions.into_iter();
        let mut replies = Vec::new();
        let mut taken = false;
        while let Some(action) = actions.next() {
            match action {
                Action::Reply(text) => {
                    meter::reply(&text);
                    replies.extend_from_slice(&text);
                }
                Action::StartTls => {
                    self.write(stream, &mut replies).await?;
                    return Ok(Some(Stretch::StartTls));
                }
                Action::Close => {
                    self.write(stream, &mut replies).await?;
                    return Ok(Some(Stretch::Closed));
                }
                Action::TakeIn { envelope, raw, held } => {
                    self.write(stream, &mut replies).await?;
                    let result = (self.shared.take_in)(envelope, raw).await;
                    drop(held);
                    taken = result.is_ok();
                    actions = self.session.handle(Event::Taken(result), self.shared.clock.now()).into_iter();
                }
            }
        }
        self.write(stream, &mut replies).await?;
        if taken {
            failpoint::hit(Point::IntakeAnswered);
        }
        Ok(None)
    }

    /// Sends what has gathered; a client that does not read is left.
    async fn write<S: Stream>(&self, stream: &mut S, replies: &mut Vec<u8>) -> io::Result<()> {
        if replies.is_empty() {
            return Ok(());
        }
        let sent = async {
            stream.write_all(replies).await?;
            stream.flush().await
        };
        timeout(self.patience(), sent).await??;
        replies.clear();
        Ok(())
    }

    fn patience(&self) -> Duration {
        seconds(self.shared.limits.command_timeout)
    }

    /// Shorter when others need the places.
    fn command_patience(&self) -> Duration {
        let crowded = !self.local && self.shared.admission.is_crowded();
        let patience = self.patience();
        if crowded { patience.min(seconds(self.shared.limits.crowded_timeout)) } else { patience }
    }
}

/// Waits for the daemon's stop; a sender that is gone means the same.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ends our side and reads what is still under way, within bounds.
async fn linger<S: Stream>(stream: &mut S, buffer: &mut [u8]) {
    let drain = async {
        stream.shutdown().await?;
        let mut drained = 0;
        while drained < LINGER_BYTES {
            match stream.read(buffer).await? {
                0 => break,
                length => drained += length,
            }
        }
        io::Result::Ok(())
    };
    // It is over either way.
    let _ = timeout(LINGER, drain).await;
}

#[cfg(test)]
mod tests;
