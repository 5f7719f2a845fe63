//! The listeners over real sockets, with an intake in memory. What is said in a session is told in `tests/dialogs/`.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::inherited::Inherited;
use super::listener::{ListenError, Listeners, TakeIn};
use super::reception::Reception;
use super::session::NotTaken;
use super::settings::{Limits, LmtpSettings, SmtpSettings};
use super::tls_config;
use crate::mail::arrival::{Envelope, Via};
use crate::mail::directory::{Directory, Kind, ListEntry};
use crate::time::SystemClock;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

type Taken = Arc<Mutex<Vec<(Envelope, usize)>>>;

struct Server {
    smtp: String,
    smtps: String,
    lmtp: String,
    connector: TlsConnector,
    taken: Taken,
    stop: watch::Sender<bool>,
    receive: watch::Sender<Arc<Reception>>,
    running: JoinHandle<()>,
    folder: TempDir,
}

fn settings() -> (SmtpSettings, LmtpSettings) {
    let any = || vec!["127.0.0.1:0".parse().unwrap()];
    let smtp = SmtpSettings { listen: any(), tls_listen: any(), ..SmtpSettings::default() };
    (smtp, LmtpSettings { listen: vec!["unix:lmtp.sock".parse().unwrap()], ..LmtpSettings::default() })
}

fn directory() -> Directory {
    let address = "security@lists.example.org".parse().unwrap();
    let name = "security".parse().unwrap();
    Directory::new(vec![ListEntry { name, address, kind: Kind::Intake, encrypted_only: false }])
}

fn certificates(folder: &Path) -> (Arc<ServerConfig>, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(vec!["lists.example.org".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (tls_config(&cert, &key).unwrap(), Arc::new(client).into())
}

/// Takes every mail but those whose client calls itself `panic.example`.
fn intake(taken: Taken) -> TakeIn {
    Arc::new(move |envelope, raw| {
        let taken = Arc::clone(&taken);
        Box::pin(async move {
            assert_ne!(envelope.helo, "panic.example", "this mail kills its intake");
            if envelope.helo == "busy.example" {
                return Err(NotTaken::Busy);
            }
            taken.lock().unwrap().push((envelope, raw.len()));
            Ok("id7".to_owned())
        })
    })
}

fn without_tls(limits: &Limits) -> Reception {
    Reception::new(&SmtpSettings::default(), limits, Arc::new(directory()), None)
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (tls, connector) = certificates(folder.path());
        let (smtp, lmtp) = settings();
        let first = Reception::new(&smtp, &limits, Arc::new(directory()), Some(tls));
        let listeners =
            Listeners::bind(&smtp, &lmtp, folder.path(), &first, Inherited::default()).await.unwrap();
        let (receive, receptions) = watch::channel(Arc::new(first));
        let [smtp, smtps, lmtp] = <[String; 3]>::try_from(listeners.addresses()).unwrap();
        let taken = Taken::default();
        let (stop, stopped) = watch::channel(false);
        let run = listeners.run(receptions, intake(taken.clone()), Arc::new(SystemClock), stopped);
        let running = tokio::spawn(run);
        Self { smtp, smtps, lmtp, connector, taken, stop, receive, running, folder }
    }

    async fn tcp(&self) -> Client<TcpStream> {
        Client(BufReader::new(TcpStream::connect(&self.smtp).await.unwrap()))
    }

    async fn unix(&self) -> Client<UnixStream> {
        let path = self.lmtp.strip_prefix("unix:").unwrap();
        Client(BufReader::new(UnixStream::connect(path).await.unwrap()))
    }

    async fn tls<S: AsyncRead + AsyncWrite + Unpin>(&self, plain: S) -> Client<TlsStream<S>> {
        let name = ServerName::try_from("lists.example.org").unwrap();
        Client(BufReader::new(self.connector.connect(name, plain).await.unwrap()))
    }

    /// A place becomes free once the server has seen a connection's end; until then clients are turned away.
    async fn has_place(&self) {
        let greeted = async { while !self.tcp().await.hear().await.starts_with("220") {} };
        timeout(PATIENCE, greeted).await.expect("the place is given back");
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        timeout(PATIENCE, self.running).await.expect("run ends after the stop").unwrap();
    }
}

struct Client<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
        self.0.get_mut().flush().await.unwrap();
    }

    /// The next reply's last line; empty at the end of the connection.
    async fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("a reply in time");
            if read.unwrap_or(0) == 0 || line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    async fn talk(&mut self, text: &str) -> String {
        self.say(text).await;
        self.hear().await
    }

    async fn expect(&mut self, text: &str, reply: &str) {
        let heard = self.talk(text).await;
        assert!(heard.starts_with(reply), "{text:?} got {heard:?}");
    }

    /// Everything from hello up to 354.
    async fn open_mail(&mut self, hello: &str) {
        self.expect(&format!("{hello}\r\n"), "250").await;
        self.expect("MAIL FROM:<ada@example.net>\r\n", "250").await;
        self.expect("RCPT TO:<security@lists.example.org>\r\n", "250").await;
        self.expect("DATA\r\n", "354").await;
    }

    async fn mail(&mut self, hello: &str) {
        self.open_mail(hello).await;
        self.expect("Subject: x\r\n\r\nbody\r\n.\r\n", "250 2.0.0 Taken in as id7").await;
    }
}

#[tokio::test]
async fn mail_comes_in_by_every_door() {
    let server = Server::start(Limits::default()).await;
    let mut plain = server.tcp().await;
    assert_eq!(plain.hear().await, "220 lists.example.org ESMTP Vouchsafe\r\n");
    plain.mail("EHLO one.example").await;
    plain.expect("STARTTLS\r\n", "220").await;
    let mut upgraded = server.tls(plain.0.into_inner()).await;
    upgraded.mail("EHLO two.example").await;
    let mut wrapped = server.tls(TcpStream::connect(&server.smtps).await.unwrap()).await;
    assert!(wrapped.hear().await.starts_with("220"));
    wrapped.mail("EHLO three.example").await;
    let mut local = server.unix().await;
    assert!(local.hear().await.contains("LMTP"));
    local.mail("LHLO four.example").await;
    let seen: Vec<_> = {
        let taken = server.taken.lock().unwrap();
        taken.iter().map(|(e, len)| (e.helo.clone(), e.client.clone(), e.via, e.tls, *len)).collect()
    };
    let mail = |helo: &str, client: &str, via, tls| (helo.to_owned(), client.to_owned(), via, tls, 20);
    assert_eq!(
        seen,
        [
            mail("one.example", "127.0.0.1", Via::Smtp, false),
            mail("two.example", "127.0.0.1", Via::Smtp, true),
            mail("three.example", "127.0.0.1", Via::Smtp, true),
            mail("four.example", "unix", Via::Lmtp, false),
        ]
    );
    server.end().await;
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_replaces_only_a_stale_one() {
    let server = Server::start(Limits::default()).await;
    let (smtp, lmtp) = (SmtpSettings::default(), settings().1);
    let path = server.folder.path().join("lmtp.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let first = without_tls(&Limits::default());
    let bind =
        async || Listeners::bind(&smtp, &lmtp, server.folder.path(), &first, Inherited::default()).await;
    assert!(matches!(bind().await, Err(ListenError::InUse(_))), "a living socket is left alone");
    server.stop.send(true).unwrap();
    timeout(PATIENCE, server.running).await.unwrap().unwrap();
    assert!(!path.exists(), "the socket goes with the daemon");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists() && bind().await.is_ok(), "a stale socket is replaced");
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(bind().await, Err(ListenError::NotASocket(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn the_lmtp_socket_can_be_given_to_the_group_of_the_mail_server() {
    let folder = tempfile::tempdir().unwrap();
    let bind = async |group: &str| {
        let lmtp = LmtpSettings { group: Some(group.to_owned()), ..settings().1 };
        let first = without_tls(&Limits::default());
        Listeners::bind(&SmtpSettings::default(), &lmtp, folder.path(), &first, Inherited::default()).await
    };
    // Root may give it to anybody; others to the groups that they are in.
    let own = rustix::process::getegid().as_raw();
    let group = if rustix::process::geteuid().is_root() { own + 4242 } else { own };
    let listeners = bind(&group.to_string()).await.unwrap();
    let socket = std::fs::metadata(folder.path().join("lmtp.sock")).unwrap();
    assert_eq!((socket.gid(), socket.permissions().mode() & 0o777), (group, 0o660));
    drop(listeners);
    let told = bind("no-such-group-here").await.err().unwrap().to_string();
    assert!(told.contains("\"no-such-group-here\"") && told.contains("[lmtp] group"), "{told}");
    assert!(!folder.path().join("lmtp.sock").exists());
}

#[tokio::test]
async fn what_cannot_be_bound_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (both, lmtp) = settings();
    let bind = async |smtp: SmtpSettings, limits: Limits| {
        let bound =
            Listeners::bind(&smtp, &lmtp, folder.path(), &without_tls(&limits), Inherited::default()).await;
        bound.err().map(|e| e.to_string())
    };
    let busy = SmtpSettings { listen: vec![address.parse().unwrap()], ..SmtpSettings::default() };
    assert!(bind(busy, Limits::default()).await.unwrap().contains(&address));
    assert!(bind(both, Limits::default()).await.unwrap().contains("tls_cert"));
    let none = Limits { max_message: 0, ..Limits::default() };
    assert!(bind(SmtpSettings::default(), none).await.unwrap().contains("max_message"));
}

#[tokio::test]
async fn one_client_too_many_is_told_so_and_the_place_comes_back() {
    let limits = Limits { max_connections_per_client: 2, max_connections: 3, ..Limits::default() };
    let server = Server::start(limits).await;
    let (mut one, mut two) = (server.tcp().await, server.tcp().await);
    assert!(one.hear().await.starts_with("220") && two.hear().await.starts_with("220"));
    let mut three = server.tcp().await;
    assert!(three.hear().await.starts_with("421 4.7.0"));
    assert_eq!(three.hear().await, "", "and closed");
    let mut local = server.unix().await;
    assert!(local.hear().await.starts_with("220"), "other clients have their own count");
    assert!(server.unix().await.hear().await.starts_with("421 4.7.0"), "until all places are taken");
    one.mail("EHLO one.example").await;
    two.expect("QUIT\r\n", "221").await;
    assert_eq!(two.hear().await, "");
    drop(two);
    server.has_place().await;
    server.end().await;
}

#[tokio::test]
async fn unfinished_mail_has_a_common_limit_and_finished_mail_gives_its_share_back() {
    let limits = Limits { max_message: 100_000, max_in_memory: 100_000, ..Limits::default() };
    let server = Server::start(limits).await;
    let (mut first, mut second) = (server.tcp().await, server.tcp().await);
    first.hear().await;
    second.hear().await;
    let body = format!("A: b\r\n\r\n{}", "x".repeat(80_000));
    first.open_mail("EHLO one.example").await;
    first.say(&body).await;
    // The second hears of it wherever the first's bytes stand by now: with its own they are too many.
    second.open_mail("EHLO two.example").await;
    second.say(&body).await;
    let ends = (first.talk("\r\n.\r\n").await, second.talk("\r\n.\r\n").await);
    let one_was_too_much = ends.0.starts_with("452 4.3.1") || ends.1.starts_with("452 4.3.1");
    assert!(one_was_too_much, "{ends:?}");
    second.open_mail("EHLO two.example").await;
    second.expect(&format!("{body}\r\n.\r\n"), "250").await;
    server.end().await;
}

#[tokio::test]
async fn slow_clients_are_sent_away() {
    let server = Server::start(Limits { command_timeout: 1, ..Limits::default() }).await;
    let mut silent = server.tcp().await;
    assert!(silent.hear().await.starts_with("220"));
    assert!(silent.hear().await.starts_with("421 4.4.2"));
    assert_eq!(silent.hear().await, "");
    server.end().await;

    let limits = Limits { data_grace: 1, min_data_rate: 1_000_000, ..Limits::default() };
    let server = Server::start(limits).await;
    let mut trickling = server.tcp().await;
    trickling.hear().await;
    trickling.open_mail("EHLO slow.example").await;
    trickling.say("a few bytes, and then nothing\r\n").await;
    assert!(trickling.hear().await.starts_with("421 4.4.2"));
    assert!(server.taken.lock().unwrap().is_empty());
    server.end().await;
}

#[tokio::test]
async fn at_the_end_idle_clients_go_and_a_message_under_way_comes_in() {
    let server = Server::start(Limits::default()).await;
    let (mut idle, mut busy) = (server.tcp().await, server.tcp().await);
    idle.hear().await;
    busy.hear().await;
    busy.open_mail("EHLO busy.example.org").await;
    busy.say("Subject: x\r\n").await;
    server.stop.send(true).unwrap();
    assert!(idle.hear().await.starts_with("421 4.3.2"));
    assert_eq!(idle.hear().await, "");
    busy.expect("\r\nbody\r\n.\r\nMAIL FROM:<>\r\n", "250 2.0.0 Taken in as id7").await;
    assert!(busy.hear().await.starts_with("421 4.3.2"), "no new mail is begun");
    drop((idle, busy));
    timeout(PATIENCE, server.running).await.unwrap().unwrap();
    let refused = TcpStream::connect(&server.smtp).await.err().map(|e| e.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn whoever_does_not_finish_is_cut_off_at_the_end() {
    let server = Server::start(Limits { shutdown_grace: 1, ..Limits::default() }).await;
    let mut stuck = server.tcp().await;
    stuck.hear().await;
    stuck.open_mail("EHLO stuck.example").await;
    server.end().await;
    assert_eq!(stuck.hear().await, "", "closed without a 250");
}

#[tokio::test]
async fn a_mail_that_kills_its_connection_gets_no_250_and_harms_nobody() {
    let server = Server::start(Limits { max_connections: 2, ..Limits::default() }).await;
    let mut other = server.tcp().await;
    other.hear().await;
    let mut doomed = server.tcp().await;
    doomed.hear().await;
    doomed.open_mail("EHLO panic.example").await;
    assert_eq!(doomed.talk("body\r\n.\r\n").await, "");
    other.mail("EHLO one.example").await;
    other.open_mail("EHLO busy.example").await;
    other.expect("body\r\n.\r\n", "452 4.3.2").await;
    server.has_place().await;
    server.end().await;
}

#[tokio::test]
async fn whoever_comes_after_a_reload_is_received_anew_and_who_was_there_goes_on() {
    let server = Server::start(Limits::default()).await;
    let mut before = server.tls(TcpStream::connect(&server.smtps).await.unwrap()).await;
    assert!(before.hear().await.starts_with("220 lists.example.org"));
    before.open_mail("EHLO before.example").await;
    let folder = tempfile::tempdir().unwrap();
    let (tls, connector) = certificates(folder.path());
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let named = SmtpSettings { hostname: Some("other.example.org".to_owned()), ..SmtpSettings::default() };
    let next = Reception::new(&named, &limits, Arc::new(directory()), Some(tls));
    server.receive.send(Arc::new(next)).unwrap();
    let other = Server { connector, ..server };
    // It trusts the new certificate alone.
    let mut after = other.tls(TcpStream::connect(&other.smtps).await.unwrap()).await;
    assert!(after.hear().await.starts_with("220 other.example.org"));
    assert!(other.tcp().await.hear().await.starts_with("421"), "the new limit holds");
    before.expect("Subject: x\r\n\r\nbody\r\n.\r\n", "250").await;
    drop((before, after));
    other.end().await;
}
