//! Writes that fail behind the dot, and the verdict that comes all the same.

use super::tests::*;
use super::*;
use crate::egress::scripted::{Heard, Hop, Script, body, message, parcel, say};

/// Fails once so many bytes are through.
struct Breaks<W>(W, usize);

impl<W: tokio::io::AsyncWrite + Unpin> tokio::io::AsyncWrite for Breaks<W> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let some = bytes.len().min(self.1);
        if some == 0 {
            return std::task::Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        let written = std::pin::Pin::new(&mut self.0).poll_write(cx, &bytes[..some]);
        if let std::task::Poll::Ready(Ok(written)) = written {
            self.1 -= written;
        }
        written
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_verdict_counts_though_the_envelope_behind_its_dot_did_not_get_through() {
    let (first, second) = (parcel(1, "ada@example.org", 1000), parcel(2, "bob@example.org", 1000));
    // How much comes before the second envelope: that is learnt by a connection that carries one copy.
    let hop = Hop::start(Script::willing(&["PIPELINING"])).await;
    let mut connection = open(&hop, &clear()).await.unwrap();
    let before = group(&connection.commands(&first).unwrap()).len() + message(&first, &body(1000)).len() + 3;
    let hello = "EHLO relay.example.org\r\n".len();
    send(&mut connection, &first, &body(1000), 300).await.unwrap();

    type Case = (&'static str, usize, Result<&'static str, &'static str>);
    let cases: [Case; 4] = [
        ("250 2.0.0 Ok", 0, Ok("250 2.0.0 Ok")),
        ("250 2.0.0 Ok", 10, Ok("250 2.0.0 Ok")),
        ("554 5.6.0 no", 0, Err("554 5.6.0 no")),
        ("250 2.0.0 Ok", usize::MAX, Err("broken pipe at the message")),
    ];
    for (verdict, more, wanted) in cases {
        let hop =
            Hop::start(Script::new(
                &["PIPELINING"],
                move |heard: &Heard| {
                    if heard.verb == "DOT" { say(verdict) } else { None }
                },
            ))
            .await;
        let (read, write) = tokio::net::TcpStream::connect(hop.address).await.unwrap().into_split();
        // The last case breaks before the dot.
        let through = (hello + before).wrapping_add(more);
        let mut wire = Wire::over(read, Breaks(write, through));
        wire.hear(Step::Greeting, PATIENT).await.unwrap();
        let offers = ehlo(&mut wire, "relay.example.org", &timeouts(PATIENT)).await.unwrap();
        let (signers, timeouts) = (Signers::default(), timeouts(PATIENT));
        let host = "localhost".to_owned();
        let mut connection =
            Connection { host, wire, offers, timeouts, signers, in_step: true, ahead: None, welcomed: None };
        let follower = Arc::new(second.clone());
        let pieces = |offset: u64| {
            let rest = body(1000)[usize::try_from(offset).unwrap()..].to_vec();
            async move { Ok(rest) }
        };
        let sent = connection.send(&first, pieces, &mut || Some(Arc::clone(&follower))).await;
        let sent = sent.map(|reply| shown(&reply)).map_err(|trouble| trouble.to_string());
        assert_eq!(sent, wanted.map(str::to_owned).map_err(str::to_owned));
        assert!(!connection.is_reusable() && !connection.is_ahead(), "nothing more goes over it");
    }
}
