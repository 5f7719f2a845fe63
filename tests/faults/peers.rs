//! A client and a next hop on the daemon's own thread, over Unix sockets.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::outside::smtp::dotted;

/// Sends one mail; returns the code that decided. Every command gets a reply, whatever the medium does.
pub(crate) async fn send(socket: &Path, from: &str, to: &str, raw: &[u8]) -> u16 {
    let mut stream = BufReader::new(UnixStream::connect(socket).await.expect("it listens"));
    assert_eq!(hear(&mut stream).await, 220);
    let commands =
        ["EHLO client.example".to_owned(), format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")];
    for command in commands.iter().map(String::as_str).chain(["DATA"]) {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        let code = hear(&mut stream).await;
        if code >= 400 {
            return code;
        }
    }
    stream.write_all(&dotted(raw)).await.unwrap();
    let code = hear(&mut stream).await;
    stream.write_all(b"QUIT\r\n").await.unwrap();
    assert_eq!(hear(&mut stream).await, 221);
    code
}

async fn hear(stream: &mut BufReader<UnixStream>) -> u16 {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.ends_with("\r\n"), "no connection ends without a reply");
        if line.as_bytes()[3] != b'-' {
            return line[..3].parse().unwrap();
        }
    }
}

/// A copy that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) reverse_path: String,
    pub(crate) recipient: String,
    pub(crate) data: Vec<u8>,
    /// Whether the daemon that brought it was the one after the fault.
    pub(crate) restarted: bool,
}

/// The next hop. It puts the first copy for one recipient off until later.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    put_off: bool,
    restarted: bool,
}

/// Whose first copy is put off.
pub(crate) const PUT_OFF: &str = "dora@distro.example";

impl Sink {
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.0.lock().unwrap().taken.clone()
    }

    pub(crate) fn restarted(&self) {
        self.0.lock().unwrap().restarted = true;
    }

    /// Takes mail for as long as the runtime lives.
    pub(crate) fn listen(&self, socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        let sink = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = sink.clone();
                tokio::spawn(async move { sink.session(BufReader::new(stream)).await });
            }
        });
    }

    async fn session(self, mut stream: BufReader<UnixStream>) -> Option<()> {
        let (mut from, mut to) = (String::new(), String::new());
        say(&mut stream, "220 sink.example").await?;
        loop {
            let mut line = Vec::new();
            stream.read_until(b'\n', &mut line).await.ok().filter(|read| *read > 0)?;
            let line = String::from_utf8_lossy(&line).into_owned();
            match line.get(..4)? {
                "EHLO" => say(&mut stream, "250 sink.example").await?,
                "MAIL" => {
                    from = path(&line);
                    say(&mut stream, "250 Ok").await?;
                }
                "RCPT" => {
                    to = path(&line);
                    let put_off =
                        to == PUT_OFF && !std::mem::replace(&mut self.0.lock().unwrap().put_off, true);
                    say(&mut stream, if put_off { "451 4.7.1 later" } else { "250 Ok" }).await?;
                }
                "DATA" => {
                    say(&mut stream, "354 go on").await?;
                    self.content(&mut stream, &from, &to).await?;
                    say(&mut stream, "250 Ok").await?;
                }
                "QUIT" => return say(&mut stream, "221 bye").await,
                _ => say(&mut stream, "250 Ok").await?,
            }
        }
    }

    async fn content(&self, stream: &mut BufReader<UnixStream>, from: &str, to: &str) -> Option<()> {
        let mut data = Vec::new();
        loop {
            let start = data.len();
            stream.read_until(b'\n', &mut data).await.ok().filter(|read| *read > 0)?;
            if data[start..] == *b".\r\n" {
                data.truncate(start);
                break;
            }
            if data[start] == b'.' {
                data.remove(start);
            }
        }
        let mut state = self.0.lock().unwrap();
        let restarted = state.restarted;
        state.taken.push(Taken { reverse_path: from.to_owned(), recipient: to.to_owned(), data, restarted });
        Some(())
    }
}

async fn say(stream: &mut BufReader<UnixStream>, reply: &str) -> Option<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()
}

fn path(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>')).map_or("", |(path, _)| path).to_owned()
}
