//! The same dialogs over loopback: real listeners, real TLS, a blocking client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::sync::watch;
use vouchsafe::ingress::listener::{Listeners, TakeIn};
use vouchsafe::ingress::settings::{LmtpSettings, SmtpSettings};
use vouchsafe::ingress::tls_config;
use vouchsafe::mail::arrival::Envelope;
use vouchsafe::time::SystemClock;

use crate::runner::{Heard, Script, Transport, directory, limits};

/// How long a reply may take before the dialog is said to hang.
const PATIENCE: Duration = Duration::from_secs(20);

type Taken = Arc<Mutex<Vec<(Envelope, Vec<u8>)>>>;

/// Listeners for SMTP and LMTP on a loopback address, and an intake in memory.
pub(crate) struct Server {
    addresses: Vec<String>,
    client: Arc<ClientConfig>,
    taken: Taken,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Whether a dialog can be played here: no intake that fails on demand, no second server without TLS.
    pub(crate) fn can_play(script: &Script) -> bool {
        !script.needs.iter().any(|n| n.starts_with("intake=") || n == "notls")
    }

    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (tls, client) = certificates(folder.path());
        let any = || vec!["127.0.0.1:0".parse().unwrap()];
        let smtp = SmtpSettings {
            listen: any(),
            hostname: Some("mx.example.org".to_owned()),
            ..SmtpSettings::default()
        };
        let lmtp = LmtpSettings { listen: vec!["127.0.0.1:0".parse().unwrap()] };
        let taken = Taken::default();
        let (stop, stopped) = watch::channel(false);
        let (tell, told) = std::sync::mpsc::channel();
        let store = Arc::clone(&taken);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listeners =
                    Listeners::bind(&smtp, &lmtp, &limits(), folder.path(), Some(tls)).await.unwrap();
                tell.send(listeners.addresses()).unwrap();
                listeners.run(Arc::new(directory()), in_memory(store), Arc::new(SystemClock), stopped).await;
            });
        });
        Self { addresses: told.recv().unwrap(), client, taken, stop, thread: Some(thread) }
    }

    /// A connection for one dialog.
    pub(crate) fn connect(&self, script: &Script) -> Client {
        let lmtp = script.needs.iter().any(|n| n == "lmtp");
        let stream = TcpStream::connect(&self.addresses[usize::from(lmtp)]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.taken.lock().unwrap().clear();
        Client {
            stream: Some(BufReader::new(Wire::Plain(stream))),
            tls: self.client.clone(),
            taken: self.taken.clone(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send(true).unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A certificate of its own, and a client that trusts only it.
pub(crate) fn certificates(folder: &Path) -> (Arc<rustls::ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (tls_config(&cert, &key).unwrap(), Arc::new(client))
}

fn in_memory(store: Taken) -> TakeIn {
    Arc::new(move |envelope, raw| {
        let mut taken = store.lock().unwrap();
        taken.push((envelope, raw.expose().to_vec()));
        let id = taken.len().to_string();
        Box::pin(async move { Ok(id) })
    })
}

/// A client's side of one connection.
pub(crate) struct Client {
    stream: Option<BufReader<Wire>>,
    tls: Arc<ClientConfig>,
    taken: Taken,
}

#[expect(clippy::large_enum_variant, reason = "one per dialog")]
enum Wire {
    Plain(TcpStream),
    Tls(StreamOwned<ClientConnection, TcpStream>),
}

impl Transport for Client {
    fn send(&mut self, bytes: &[u8]) {
        // A server that has closed already is seen when its reply is read.
        let _ = self.stream.as_mut().unwrap().get_mut().write_all(bytes);
    }

    fn hear(&mut self) -> Heard {
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

    fn start_tls(&mut self) {
        let reader = self.stream.take().unwrap();
        assert!(reader.buffer().is_empty(), "the server spoke before TLS");
        let Wire::Plain(tcp) = reader.into_inner() else { panic!("TLS goes over TCP, once") };
        let name = ServerName::try_from("mx.example.org").unwrap();
        let tls = ClientConnection::new(self.tls.clone(), name).unwrap();
        self.stream = Some(BufReader::new(Wire::Tls(StreamOwned::new(tls, tcp))));
    }

    fn taken(&mut self) -> Option<Vec<(Envelope, Vec<u8>)>> {
        Some(self.taken.lock().unwrap().clone())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(s) => s.read(buffer),
            Self::Tls(s) => s.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(s) => s.write(bytes),
            Self::Tls(s) => s.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(s) => s.flush(),
            Self::Tls(s) => s.flush(),
        }
    }
}
