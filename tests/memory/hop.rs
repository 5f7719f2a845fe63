//! A next hop that takes mail and forgets it: a hundred copies of the largest size would fill the memory of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::outside::until;

/// A running next hop, for as long as the test runs.
pub(crate) struct Hop {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Hop {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, taken) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || serve(&stream, &counter));
            }
        });
        Self { address, taken }
    }

    /// Where it is, as `relay.toml` writes it.
    pub(crate) fn smarthost(&self) -> String {
        self.address.to_string()
    }

    /// Waits until so many mails were taken.
    pub(crate) fn wait_for(&self, count: usize) {
        until(&format!("{count} mails"), || (self.taken.load(Ordering::SeqCst) >= count).then_some(()));
    }
}

fn serve(stream: &TcpStream, taken: &AtomicUsize) -> Option<()> {
    let mut input = BufReader::with_capacity(1 << 18, stream);
    let say = |text: &str| {
        let mut stream = stream;
        stream.write_all(text.as_bytes()).ok()
    };
    say("220 hop.example ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.get(..4)?.to_ascii_uppercase().as_str() {
            // No PIPELINING: `content` looks for the dot at the end of what came, and nothing may stand behind it.
            "EHLO" => say("250-hop.example\r\n250 8BITMIME\r\n")?,
            "DATA" => {
                say("354 go on\r\n")?;
                content(&mut input)?;
                taken.fetch_add(1, Ordering::SeqCst);
                say("250 2.0.0 Ok\r\n")?;
            }
            "QUIT" => return say("221 2.0.0 bye\r\n"),
            _ => say("250 2.0.0 Ok\r\n")?,
        }
    }
}

/// Reads up to the last dot.
fn content(input: &mut impl Read) -> Option<()> {
    const END: &[u8] = b"\r\n.\r\n";
    let (mut tail, mut buffer) = (Vec::new(), vec![0; 1 << 18]);
    while !tail.ends_with(END) {
        let read = input.read(&mut buffer).ok().filter(|read| *read > 0)?;
        tail.extend_from_slice(&buffer[read.saturating_sub(END.len())..read]);
        tail.drain(..tail.len().saturating_sub(END.len()));
    }
    Some(())
}
