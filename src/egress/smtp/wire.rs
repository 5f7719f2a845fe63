//! The connection as bytes: connected, spoken on and listened to, each within a time; upgraded to TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Join, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::egress::period::Period;
use crate::egress::route::Endpoint;
use crate::egress::smtp::reply::take_reply;
use crate::egress::smtp::trouble::{Step, Trouble};
use crate::egress::tls::{Tls, late_alert};

/// What lies below, whichever it is: TCP, a Unix socket, or TLS over one of them.
type Stream = Join<Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>>;

/// One block of content, to which one timeout applies.
const BLOCK: usize = 64 * 1024;

pub(crate) struct Wire {
    stream: Stream,
    /// What came in and was not yet taken as a reply.
    inbox: Vec<u8>,
}

impl Wire {
    /// Connects. With `local_only` nothing outside this machine is touched, whatever the name service said.
    pub(crate) async fn connect(
        endpoint: &Endpoint,
        local_only: bool,
        limit: Period,
    ) -> Result<Self, Trouble> {
        let at = Step::Connect;
        let stream = match endpoint {
            Endpoint::Tcp(address) if local_only && !address.ip().to_canonical().is_loopback() => {
                return Err(Trouble::NotLocal);
            }
            Endpoint::Tcp(address) => {
                let tcp = to_another(within(limit, at, TcpStream::connect(address)).await?)?;
                // With Nagle's algorithm each message would wait 40 ms for a delayed acknowledgement.
                tcp.set_nodelay(true).map_err(|why| failed(at, &why))?;
                let (read, write) = tcp.into_split();
                joined(read, write)
            }
            Endpoint::Unix(path) => {
                let (read, write) = within(limit, at, UnixStream::connect(path)).await?.into_split();
                joined(read, write)
            }
        };
        Ok(Self { stream, inbox: Vec::new() })
    }

    /// Over these.
    #[cfg(test)]
    pub(crate) fn over<R, W>(read: R, write: W) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        Self { stream: joined(read, write), inbox: Vec::new() }
    }

    /// Goes on encrypted, with `host` or the configured name verified.
    pub(crate) async fn upgrade(self, tls: &Tls, host: &str, limit: Period) -> Result<Self, Trouble> {
        // RFC 3207 §4.2: what came before the handshake is not to be trusted, so it may not wait here for later.
        if !self.inbox.is_empty() {
            return Err(Trouble::Injected);
        }
        let shaken = tokio::time::timeout(limit.get(), tls.upgrade(host, self.stream)).await;
        let shaken = shaken.map_err(|_| Trouble::Timeout(Step::Handshake))?;
        let encrypted = shaken.map_err(|distrust| Trouble::Untrusted(distrust.why))?;
        let (read, write) = tokio::io::split(encrypted);
        Ok(Self { stream: joined(read, write), inbox: Vec::new() })
    }

    /// Sends all of `bytes`, each block within the limit.
    pub(crate) async fn say(&mut self, at: Step, bytes: &[u8], limit: Period) -> Result<(), Trouble> {
        self.say_counting(at, bytes, limit, &mut 0).await
    }

    /// The same, counting the bytes that are on their way, also where it comes to nothing.
    pub(crate) async fn say_counting(
        &mut self,
        at: Step,
        bytes: &[u8],
        limit: Period,
        gone: &mut usize,
    ) -> Result<(), Trouble> {
        for mut block in bytes.chunks(BLOCK) {
            let all = async {
                while !block.is_empty() {
                    let some = self.stream.write(block).await?;
                    if some == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    *gone += some;
                    block = block.get(some..).unwrap_or_default();
                }
                Ok(())
            };
            within(limit, at, all).await?;
        }
        within(limit, at, self.stream.flush()).await
    }

    /// Waits for one whole reply.
    pub(crate) async fn hear(&mut self, at: Step, limit: Period) -> Result<Response, Trouble> {
        let listening = async {
            loop {
                match take_reply(&mut self.inbox) {
                    Ok(Some(reply)) => return Ok(reply),
                    Ok(None) => {}
                    Err(why) => return Err(Trouble::Malformed(at, why)),
                }
                match self.stream.read_buf(&mut self.inbox).await {
                    Ok(0) => return Err(Trouble::Closed(at)),
                    Ok(_) => {}
                    // Nothing of a copy was sent before EHLO: only there a late alert is about the handshake.
                    Err(why) if at <= Step::Ehlo => {
                        return Err(late_alert(&why).map_or_else(|| failed(at, &why), Trouble::Untrusted));
                    }
                    Err(why) => return Err(failed(at, &why)),
                }
            }
        };
        tokio::time::timeout(limit.get(), listening).await.unwrap_or(Err(Trouble::Timeout(at)))
    }

    /// Whether nothing came in that was not asked for, and the peer is there, as far as can be known without waiting.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let Self { stream, inbox } = self;
        let mut space = [0; 512];
        let came = std::future::poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(read) => Poll::Ready(Some(read.map(|()| buffer.filled().to_vec()))),
            }
        });
        match came.await {
            None => inbox.is_empty(),
            Some(Ok(bytes)) => {
                inbox.extend(bytes);
                false
            }
            Some(Err(_)) => false,
        }
    }

    /// Whether everything that came in was asked for.
    pub(crate) fn is_quiet(&self) -> bool {
        self.inbox.is_empty()
    }
}

/// Where nobody listens on a loopback port from the ephemeral range, the kernel may draw that very port for our end, and
/// TCP then connects us to ourselves (RFC 9293 §3.5, simultaneous open). Such a port is closed.
fn to_another(tcp: TcpStream) -> Result<TcpStream, Trouble> {
    match (tcp.local_addr(), tcp.peer_addr()) {
        (Ok(local), Ok(peer)) if local == peer => {
            Err(Trouble::Io(Step::Connect, io::ErrorKind::ConnectionRefused))
        }
        _ => Ok(tcp),
    }
}

fn joined<R, W>(read: R, write: W) -> Stream
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    tokio::io::join(Box::new(read), Box::new(write))
}

async fn within<T>(limit: Period, at: Step, work: impl Future<Output = io::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(limit.get(), work).await {
        Ok(done) => done.map_err(|why| failed(at, &why)),
        Err(_) => Err(Trouble::Timeout(at)),
    }
}

fn failed(at: Step, why: &io::Error) -> Trouble {
    Trouble::Io(at, why.kind())
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn a_connection_to_oneself_is_a_closed_port() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let own = socket.local_addr().unwrap();
        let trouble = to_another(socket.connect(own).await.unwrap()).unwrap_err();
        assert!(matches!(trouble, Trouble::Io(Step::Connect, io::ErrorKind::ConnectionRefused)), "{trouble}");
        assert!(!trouble.is_permanent() && trouble.may_try_next());

        let hop = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(to_another(TcpStream::connect(hop.local_addr().unwrap()).await.unwrap()).is_ok());
    }

    #[tokio::test]
    async fn a_port_that_closed_is_never_connected() {
        // Linux draws ports for listeners and for connections from different halves of the range; this one is of the latter.
        let mut address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        address.set_port(address.port() ^ 1);
        // Often enough that the kernel draws the same port for our end now and then.
        for _ in 0..20_000 {
            let opened = Wire::connect(&Endpoint::Tcp(address), true, Period::secs(5)).await;
            assert!(matches!(opened, Err(Trouble::Io(Step::Connect, io::ErrorKind::ConnectionRefused))));
        }
    }
}
