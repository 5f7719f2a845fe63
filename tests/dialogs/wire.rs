//! A blocking client's side of one connection: TCP, a Unix socket, or TLS over TCP.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::runner::Heard;

/// How long a reply may take before the dialog is said to hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes a certificate for `mx.example.org`, `cert.pem` and `key.pem` in this folder, and a client that trusts only it.
pub(crate) fn certificate(folder: &Path) -> Arc<ClientConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(client.with_root_certificates(roots).with_no_client_auth())
}

/// One connection.
pub(crate) struct Connection {
    stream: Option<BufReader<Wire>>,
    tls: Arc<ClientConfig>,
}

#[expect(clippy::large_enum_variant, reason = "one per dialog")]
enum Wire {
    Plain(TcpStream),
    Unix(UnixStream),
    Tls(StreamOwned<ClientConnection, TcpStream>),
}

impl Connection {
    /// To `host:port`.
    pub(crate) fn tcp(address: &str, tls: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(Wire::Plain(stream), tls)
    }

    /// To a Unix socket.
    pub(crate) fn unix(path: &Path, tls: &Arc<ClientConfig>) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(Wire::Unix(stream), tls)
    }

    fn over(wire: Wire, tls: &Arc<ClientConfig>) -> Self {
        Self { stream: Some(BufReader::new(wire)), tls: Arc::clone(tls) }
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // A server that has closed already is seen when its reply is read.
        let _ = self.stream.as_mut().unwrap().get_mut().write_all(bytes);
    }

    /// Hears the next line.
    pub(crate) fn hear(&mut self) -> Heard {
        let mut line = Vec::new();
        match self.stream.as_mut().unwrap().read_until(b'\n', &mut line) {
            Ok(0) => Heard::End,
            Ok(_) => Heard::Line(String::from_utf8(line).unwrap().trim_end_matches(['\r', '\n']).to_owned()),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                Heard::Nothing
            }
            Err(_) => Heard::End,
        }
    }

    /// Goes over to TLS.
    pub(crate) fn start_tls(&mut self) {
        let reader = self.stream.take().unwrap();
        assert!(reader.buffer().is_empty(), "the server spoke before TLS");
        let Wire::Plain(tcp) = reader.into_inner() else { panic!("TLS goes over TCP, once") };
        let name = ServerName::try_from("mx.example.org").unwrap();
        let tls = ClientConnection::new(self.tls.clone(), name).unwrap();
        self.stream = Some(BufReader::new(Wire::Tls(StreamOwned::new(tls, tcp))));
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(s) => s.read(buffer),
            Self::Unix(s) => s.read(buffer),
            Self::Tls(s) => s.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(s) => s.write(bytes),
            Self::Unix(s) => s.write(bytes),
            Self::Tls(s) => s.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(s) => s.flush(),
            Self::Unix(s) => s.flush(),
            Self::Tls(s) => s.flush(),
        }
    }
}
