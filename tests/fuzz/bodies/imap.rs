//! What IMAP servers answer us.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vouchsafe::ingress::imap::once;

/// The largest mail that the server may give us.
const MAX_MAIL: u64 = 4096;

/// A server's side of a session. The first byte is how many bytes come at once.
pub fn imap_responses(data: &[u8]) {
    let [step, sent @ ..] = data else { return };
    let server = Server { sent: sent.to_vec(), at: 0, step: usize::from(*step).max(1) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (mails, why) = runtime.block_on(once(server, MAX_MAIL));
    for mail in &mails {
        assert!(mail.len() <= sent.len(), "what came was sent");
    }
    assert!(why.is_none_or(|why| !why.is_empty() && !why.contains(char::is_control)));
}

/// Says what it has to say, whatever it hears, and closes.
struct Server {
    sent: Vec<u8>,
    at: usize,
    step: usize,
}

impl AsyncRead for Server {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let rest = &this.sent[this.at..];
        let count = rest.len().min(this.step).min(into.remaining());
        into.put_slice(&rest[..count]);
        this.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Server {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
