//! A mail host on port 25 of a loopback address of its own, as good or as bad as the test wants it.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::outside::until;

/// What it does about encryption.
#[derive(Clone)]
pub enum Tls {
    /// STARTTLS is not offered.
    NotOffered,
    /// STARTTLS is answered with this.
    Refused(&'static str),
    /// Bytes in the clear come in one piece with the reply to STARTTLS.
    Injected,
    /// STARTTLS as it should be.
    Starttls(Arc<ServerConfig>),
    /// TLS from the first byte.
    Implicit(Arc<ServerConfig>),
    /// STARTTLS, and then OpenSSL with nothing newer than TLS 1.1.
    Old(Arc<openssl::ssl::SslAcceptor>),
}

/// A running mail host.
pub struct Host {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What came in.
#[derive(Default)]
struct Seen {
    mails: Vec<(String, Vec<u8>)>,
    /// Each line of a session, and whether it came encrypted.
    lines: Vec<(bool, String)>,
    connections: usize,
}

/// How a login is asked for: mechanisms, and the lines that are right.
pub type Login = Option<(&'static str, Vec<String>)>;

impl Host {
    /// One that wants no login.
    pub fn start(address: &str, tls: Tls) -> Self {
        Self::with_login(address, tls, None)
    }

    pub fn with_login(address: &str, tls: Tls, login: Login) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let theirs = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(std::result::Result::ok) {
                theirs.lock().unwrap().connections += 1;
                let (seen, tls, login) = (Arc::clone(&theirs), tls.clone(), login.clone());
                std::thread::spawn(move || serve(stream, &tls, &login, &seen));
            }
        });
        Self { address, seen }
    }

    /// The mail that it took.
    pub fn mails(&self) -> Vec<(String, Vec<u8>)> {
        self.seen.lock().unwrap().mails.clone()
    }

    /// Waits for so many mails.
    pub fn wait(&self, count: usize) -> Vec<(String, Vec<u8>)> {
        until(&format!("{count} mails at {}", self.address), || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        })
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// How many lines began with this, encrypted or not.
    pub fn heard(&self, verb: &str) -> usize {
        self.seen.lock().unwrap().lines.iter().filter(|(_, line)| line.starts_with(verb)).count()
    }

    /// What was said in the clear, but for greetings and the wish to encrypt.
    pub fn told_in_the_clear(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let clear = seen.lines.iter().filter(|(encrypted, line)| {
            !encrypted && !["EHLO", "STARTTLS", "QUIT"].iter().any(|verb| line.starts_with(verb))
        });
        clear.map(|(_, line)| line.clone()).collect()
    }
}

fn serve(mut stream: TcpStream, tls: &Tls, login: &Login, seen: &Mutex<Seen>) {
    let encrypted = |config: &Arc<ServerConfig>, stream: TcpStream| {
        StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
    };
    let session = |encrypted, offer: &'static str| Session { seen, encrypted, offer, login };
    if let Tls::Implicit(config) = tls {
        let _ = session(true, "").run(&mut encrypted(config, stream), true);
        return;
    }
    let offer = if matches!(tls, Tls::NotOffered) { "" } else { "STARTTLS" };
    if !session(false, offer).run(&mut stream, true).unwrap_or(false) {
        return;
    }
    match tls {
        Tls::Refused(reply) => {
            let _ = stream.write_all(format!("{reply}\r\n").as_bytes());
            let _ = session(false, offer).run(&mut stream, false);
        }
        Tls::Injected => {
            let _ = stream.write_all(b"220 go ahead\r\n250-mx\r\n250 PIPELINING\r\n");
            let _ = session(false, offer).run(&mut stream, false);
        }
        Tls::Starttls(config) => {
            let _ = stream.write_all(b"220 go ahead\r\n");
            let _ = session(true, "").run(&mut encrypted(config, stream), false);
        }
        Tls::Old(acceptor) => {
            let _ = stream.write_all(b"220 go ahead\r\n");
            if let Ok(mut stream) = acceptor.accept(stream) {
                let _ = session(true, "").run(&mut stream, false);
            }
        }
        Tls::NotOffered | Tls::Implicit(_) => {}
    }
}

struct Session<'a> {
    seen: &'a Mutex<Seen>,
    encrypted: bool,
    offer: &'static str,
    login: &'a Login,
}

impl Session<'_> {
    /// Speaks until the end, or until STARTTLS is asked for, which is for the caller to answer.
    fn run<S: Read + Write>(&self, stream: &mut S, greets: bool) -> Result<bool> {
        let (mut to, mut known) = (String::new(), self.login.is_none());
        if greets {
            stream.write_all(b"220 mx ESMTP\r\n")?;
        }
        loop {
            let Some(line) = self.line(stream)? else { return Ok(false) };
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let reply = match verb.as_str() {
                "STARTTLS" => return Ok(true),
                "EHLO" => self.offers(),
                "AUTH" => {
                    known = self.authenticates(stream, line)?;
                    if known { "235 2.7.0 welcome".to_owned() } else { "535 5.7.8 not you".to_owned() }
                }
                "MAIL" | "RCPT" if !known => "530 5.7.0 log in first".to_owned(),
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    "250 2.1.5 Ok".to_owned()
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    let mail = self.content(stream)?;
                    self.seen.lock().unwrap().mails.push((std::mem::take(&mut to), mail));
                    "250 2.0.0 Ok".to_owned()
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n")?;
                    return Ok(false);
                }
                _ => "250 2.0.0 Ok".to_owned(),
            };
            stream.write_all(format!("{reply}\r\n").as_bytes())?;
            stream.flush()?;
        }
    }

    fn offers(&self) -> String {
        let mut lines = vec!["mx".to_owned()];
        lines.extend((!self.offer.is_empty()).then(|| self.offer.to_owned()));
        lines.extend(self.login.as_ref().map(|(mechanisms, _)| format!("AUTH {mechanisms}")));
        let last = lines.pop().unwrap();
        lines.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + "250 " + &last
    }

    /// The command and the answers to challenges have to be those of the test.
    fn authenticates<S: Read + Write>(&self, stream: &mut S, command: String) -> Result<bool> {
        let Some((_, right)) = self.login else { return Ok(false) };
        let mut said = vec![command];
        while said.len() < right.len() && said[said.len() - 1] == right[said.len() - 1] {
            stream.write_all(b"334 VXNlcm5hbWU6\r\n")?;
            let Some(line) = self.line(stream)? else { return Ok(false) };
            said.push(line);
        }
        Ok(said == *right)
    }

    fn line<S: Read>(&self, stream: &mut S) -> Result<Option<String>> {
        let Some(line) = read_line(stream)? else { return Ok(None) };
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        self.seen.lock().unwrap().lines.push((self.encrypted, line.clone()));
        Ok(Some(line))
    }

    fn content<S: Read>(&self, stream: &mut S) -> Result<Vec<u8>> {
        let mut mail = Vec::new();
        loop {
            let line = read_line(stream)?.ok_or(ErrorKind::UnexpectedEof)?;
            match line.as_slice() {
                b".\r\n" => return Ok(mail),
                [b'.', rest @ ..] => mail.extend_from_slice(rest),
                all => mail.extend_from_slice(all),
            }
        }
    }
}

/// Byte by byte, so that nothing is read that belongs to the handshake.
fn read_line<S: Read>(stream: &mut S) -> Result<Option<Vec<u8>>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\n") {
        match stream.read(&mut byte)? {
            0 => return Ok(None),
            _ => line.push(byte[0]),
        }
    }
    Ok(Some(line))
}
