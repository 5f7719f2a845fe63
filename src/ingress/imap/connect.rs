//! From nothing to a session of a user: connection, encryption, greeting, login. What was said in the clear before
//! STARTTLS is forgotten; only the consent to it counts.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_imap::imap_proto::{Response, Status};
use async_imap::{Authenticator, Client, Session};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::limited::{Limited, Phase};
use super::settings::{Auth, Encryption, Settings};
use super::tls::Tls;
use super::trouble::Trouble;
use crate::credential::Secret;
use zeroize::Zeroizing;

/// The longest line in the clear, and how many there may be before the consent to STARTTLS.
const MAX_CLEAR_LINE: usize = 8 * 1024;
const MAX_CLEAR_LINES: usize = 20;
/// The only command that is given in the clear.
const STARTTLS: &[u8] = b"S1 STARTTLS\r\n";

/// The stream to a server.
pub(super) enum Link {
    /// In the clear, within this machine.
    Clear(TcpStream),
    /// Encrypted and verified.
    Tls(Box<TlsStream<TcpStream>>),
    /// Played by a test.
    Played(Box<dyn Played>),
}

/// Any stream.
pub(super) trait Played: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Played for S {}

/// A user's session.
pub(super) type ImapSession = Session<Limited<Link>>;

/// Connects and encrypts; then the session begins.
pub(super) async fn link(settings: &Settings, tls: Option<&Tls>) -> Result<(Link, bool), Trouble> {
    let (host, port) = (settings.host.as_str(), settings.port());
    let shown = format!("{host}:{port}");
    let unreachable = |error: io::Error| Trouble::Connect { host: shown.clone(), why: error.kind() };
    let stream = TcpStream::connect((host, port)).await.map_err(unreachable)?;
    // Commands are whole when they are written: waiting for more only delays them.
    stream.set_nodelay(true).ok();
    match (settings.tls, tls) {
        (Encryption::Implicit, Some(tls)) => Ok((Link::Tls(Box::new(tls.upgrade(stream).await?)), true)),
        (Encryption::Starttls, Some(tls)) => {
            let stream = consent(stream).await?;
            // RFC 3501 §6.2.1: no second greeting follows.
            Ok((Link::Tls(Box::new(tls.upgrade(stream).await?)), false))
        }
        _ => {
            let peer = stream.peer_addr().map_err(unreachable)?;
            let local = peer.ip().to_canonical().is_loopback();
            if local { Ok((Link::Clear(stream), true)) } else { Err(Trouble::ClearNotLocal(shown)) }
        }
    }
}

/// Asks for TLS in the clear, and forgets everything that was said.
async fn consent(mut stream: TcpStream) -> Result<TcpStream, Trouble> {
    let mut clear = Clear::default();
    let greeting = clear.line(&mut stream).await?;
    match word(&greeting, 1).as_deref() {
        Some("OK") if greeting.starts_with(b"* ") => {}
        // Authenticated already, STARTTLS is no longer possible: on the wire somebody keeps us in the clear.
        Some("PREAUTH") => return Err(Trouble::Preauth),
        _ => return Err(Trouble::Greeting),
    }
    stream.write_all(STARTTLS).await.map_err(|e| Trouble::of_io(&e, "STARTTLS"))?;
    for _ in 0..MAX_CLEAR_LINES {
        let line = clear.line(&mut stream).await?;
        if line.starts_with(b"* ") {
            continue;
        }
        if word(&line, 0).as_deref() != Some("S1") {
            return Err(Trouble::WrongTag);
        }
        if word(&line, 1).as_deref() != Some("OK") {
            return Err(Trouble::NoStarttls);
        }
        return if clear.0.is_empty() { Ok(stream) } else { Err(Trouble::Injected) };
    }
    Err(Trouble::Flood)
}

/// What came in the clear and is not looked at yet.
#[derive(Default)]
struct Clear(Vec<u8>);

impl Clear {
    async fn line(&mut self, stream: &mut TcpStream) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(end) = self.0.iter().position(|b| *b == b'\n') {
                return Ok(self.0.drain(..=end).collect());
            }
            if self.0.len() > MAX_CLEAR_LINE {
                return Err(Trouble::Greeting);
            }
            let mut chunk = [0; 1024];
            let count = stream.read(&mut chunk).await.map_err(|e| Trouble::of_io(&e, "the greeting"))?;
            if count == 0 {
                return Err(Trouble::Lost(io::ErrorKind::UnexpectedEof));
            }
            self.0.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
    }
}

/// A word of a line, in capitals.
fn word(line: &[u8], which: usize) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?;
    text.split_ascii_whitespace().nth(which).map(str::to_ascii_uppercase)
}

/// Reads the greeting where there is one, and logs in.
pub(super) async fn login(
    (link, greets): (Link, bool),
    settings: &Settings,
    secret: Secret,
) -> Result<ImapSession, Trouble> {
    let mut client = Client::new(Limited::new(link));
    if greets {
        let greeting = client.read_response().await.map_err(|e| Trouble::of_io(&e, "the greeting"))?;
        let greeting = greeting.ok_or(Trouble::Lost(io::ErrorKind::UnexpectedEof))?;
        match greeting.parsed() {
            Response::Data { status: Status::Ok, .. } => {}
            Response::Data { status: Status::PreAuth, .. } => return Err(Trouble::Preauth),
            Response::Data { status: Status::Bye, .. } => return Err(Trouble::Bye),
            _ => return Err(Trouble::Greeting),
        }
    }
    client.get_mut().enter(Phase::Login);
    let session = match settings.auth {
        Auth::Login => match std::str::from_utf8(secret.as_bytes()) {
            Ok(password) => client.login(&settings.user, password).await,
            // RFC 3501 §9: a quoted string has no other characters.
            Err(_) => return Err(Trouble::NoAuth("a LOGIN with such a password")),
        },
        Auth::Plain => client.authenticate("PLAIN", Reply::plain(&settings.user, &secret)).await,
        Auth::Xoauth2 => client.authenticate("XOAUTH2", Reply::xoauth2(&settings.user, &secret)).await,
    };
    let mut session = session.map_err(|(error, _)| match Trouble::of(error, "the login") {
        Trouble::Refused(_) => Trouble::LoginRefused,
        other => other,
    })?;
    session.as_mut().enter(Phase::Session);
    Ok(session)
}

/// The one answer to a server's challenge; to a second one, which asks for more or explains a failure, an empty one
/// follows, as XOAUTH2 wants.
struct Reply(Option<Zeroizing<Vec<u8>>>);

impl Reply {
    /// RFC 4616 §2.
    fn plain(user: &str, password: &Secret) -> Self {
        Self(Some(Zeroizing::new([b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat())))
    }

    fn xoauth2(user: &str, token: &Secret) -> Self {
        let parts = [b"user=", user.as_bytes(), b"\x01auth=Bearer ", token.as_bytes(), b"\x01\x01"];
        Self(Some(Zeroizing::new(parts.concat())))
    }
}

impl Authenticator for Reply {
    type Response = Vec<u8>;

    fn process(&mut self, _challenge: &[u8]) -> Vec<u8> {
        self.0.take().map(|reply| reply.to_vec()).unwrap_or_default()
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
            Self::Played(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Played(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Played(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Played(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
