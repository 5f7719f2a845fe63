//! The same dialogs over loopback: real listeners, real TLS, a blocking client.

use std::sync::{Arc, Mutex};

use rustls::ClientConfig;
use tokio::sync::watch;
use vouchsafe::ingress::inherited::Inherited;
use vouchsafe::ingress::listener::{Listeners, TakeIn};
use vouchsafe::ingress::reception::Reception;
use vouchsafe::ingress::settings::{LmtpSettings, SmtpSettings};
use vouchsafe::ingress::tls_config;
use vouchsafe::mail::arrival::Envelope;
use vouchsafe::time::SystemClock;

use crate::runner::{Heard, Script, Transport, directory, limits};
use crate::wire::{Connection, certificate};

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
        let client = certificate(folder.path());
        let tls = tls_config(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap();
        let any = || vec!["127.0.0.1:0".parse().unwrap()];
        let smtp = SmtpSettings {
            listen: any(),
            hostname: Some("mx.example.org".to_owned()),
            ..SmtpSettings::default()
        };
        let lmtp = LmtpSettings { listen: any(), ..LmtpSettings::default() };
        let taken = Taken::default();
        let (stop, stopped) = watch::channel(false);
        let (tell, told) = std::sync::mpsc::channel();
        let store = Arc::clone(&taken);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let first = Reception::new(&smtp, &limits(), Arc::new(directory()), Some(tls));
                let listeners =
                    Listeners::bind(&smtp, &lmtp, folder.path(), &first, Inherited::default()).await.unwrap();
                tell.send(listeners.addresses()).unwrap();
                let (_receive, receptions) = watch::channel(Arc::new(first));
                listeners.run(receptions, in_memory(store), Arc::new(SystemClock), stopped).await;
            });
        });
        Self { addresses: told.recv().unwrap(), client, taken, stop, thread: Some(thread) }
    }

    /// A connection for one dialog.
    pub(crate) fn connect(&self, script: &Script) -> Client {
        let lmtp = script.needs("lmtp");
        self.taken.lock().unwrap().clear();
        let connection = Connection::tcp(&self.addresses[usize::from(lmtp)], &self.client);
        Client { connection, taken: self.taken.clone() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send(true).unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn in_memory(store: Taken) -> TakeIn {
    Arc::new(move |envelope, raw| {
        let mut taken = store.lock().unwrap();
        taken.push((envelope, raw.expose().to_vec()));
        let id = taken.len().to_string();
        Box::pin(async move { Ok(id) })
    })
}

/// A client's side of one dialog.
pub(crate) struct Client {
    connection: Connection,
    taken: Taken,
}

impl Transport for Client {
    fn send(&mut self, bytes: &[u8]) {
        self.connection.send(bytes);
    }

    fn hear(&mut self) -> Heard {
        self.connection.hear()
    }

    fn start_tls(&mut self) {
        self.connection.start_tls();
    }

    fn taken(&mut self) -> Option<Vec<(Envelope, Vec<u8>)>> {
        Some(self.taken.lock().unwrap().clone())
    }
}
