//! The socket over real connections: who may ask, what is refused, how it stops.

use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::*;
use crate::control::client::{self, ClientError};
use crate::control::wire::{Page, ParcelRow, Secret};

/// A daemon of its own, in a runtime of its own; the test is the blocking client.
struct Daemon {
    runtime: Runtime,
    dir: TempDir,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Daemon {
    fn start(handler: impl Fn(Request, Peer) -> Answer + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let server = {
            let _inside = runtime.enter();
            Server::bind(&settings(dir.path())).unwrap()
        };
        let task = Some(runtime.spawn(server.serve(Arc::new(handler), stopped)));
        Self { runtime, dir, stop, task }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        client::ask(&self.socket(), request)
    }

    fn stop(&mut self) {
        self.stop.send(true).unwrap();
        self.runtime.block_on(self.task.take().unwrap()).unwrap();
    }
}

fn settings(dir: &Path) -> Settings {
    Settings { socket: dir.join("control.sock"), group: None }
}

fn done(what: &str) -> Answer {
    Answer::Done { what: what.to_owned(), remarks: Vec::new() }
}

fn bind(settings: &Settings) -> Result<Server, BindError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    Server::bind(settings)
}

#[test]
fn a_request_reaches_the_handler_and_its_answer_the_client() {
    let daemon = Daemon::start(|request, peer| {
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        let Request::KeyImport { list, key, passphrase: Some(passphrase), confirm: false } = request else {
            panic!("another")
        };
        done(&format!("{list} {} {}", key.bytes().len(), passphrase.bytes().len()))
    });
    let request = Request::KeyImport {
        list: "security".parse().unwrap(),
        key: Secret::new(vec![1; 1 << 20]),
        passphrase: Some(Secret::new(b"hunter2".to_vec())),
        confirm: false,
    };
    assert_eq!(daemon.ask(&request).unwrap(), done("security 1048576 7"));
}

#[test]
fn a_handler_that_panics_harms_nobody_else() {
    let daemon = Daemon::start(|request, _| match request {
        Request::KeyLs => panic!("a fault"),
        _ => done("fine"),
    });
    for _ in 0..MAX_CONNECTIONS + 1 {
        let Ok(Answer::Error { code, .. }) = daemon.ask(&Request::KeyLs) else { panic!("no error") };
        assert_eq!(code, ErrorKind::Internal);
    }
    assert_eq!(daemon.ask(&Request::ListLs).unwrap(), done("fine"), "every slot has come back");
}

#[test]
fn more_clients_than_slots_are_all_served_and_never_more_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_in, most_in) = (Arc::clone(&now), Arc::clone(&most));
    let daemon = Daemon::start(move |_, _| {
        most_in.fetch_max(now_in.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        now_in.fetch_sub(1, Ordering::SeqCst);
        done("fine")
    });
    std::thread::scope(|scope| {
        for _ in 0..80 {
            scope.spawn(|| assert_eq!(daemon.ask(&Request::Status).unwrap(), done("fine")));
        }
    });
    assert!((1..=MAX_CONNECTIONS).contains(&most.load(Ordering::SeqCst)));
    assert_eq!(now.load(Ordering::SeqCst), 0);
}

#[test]
fn silent_and_babbling_strangers_do_not_stop_others() {
    let daemon = Daemon::start(|_, _| done("fine"));
    let silent: Vec<StdStream> =
        (0..MAX_CONNECTIONS - 1).map(|_| StdStream::connect(daemon.socket()).unwrap()).collect();
    let mut babbling = StdStream::connect(daemon.socket()).unwrap();
    babbling.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = babbling.read_to_end(&mut said);
    assert_eq!(said, Hello::OURS.to_bytes(), "a stranger hears the hello and no more");
    assert_eq!(daemon.ask(&Request::Status).unwrap(), done("fine"));
    drop(silent);
}

#[test]
fn an_oversized_or_senseless_request_is_told_so() {
    let daemon = Daemon::start(|_, _| done("fine"));
    let cases: [(&[u8], &str); 2] = [(&[255; 4], "longer than 16 MiB"), (b"\0\0\0\x02{}", "agreed form")];
    for (bytes, expected) in cases {
        let mut stream = StdStream::connect(daemon.socket()).unwrap();
        stream.write_all(&Hello::OURS.to_bytes()).unwrap();
        stream.write_all(bytes).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        let Ok(Answer::Error { code, why, .. }) = wire::decode(&said[HELLO_LEN + PREFIX_LEN..]) else {
            panic!("no error for {bytes:?}")
        };
        assert_eq!(code, ErrorKind::Data);
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn an_answer_too_long_for_a_frame_becomes_advice() {
    let daemon = Daemon::start(|_, _| {
        let row = ParcelRow { id: "x".repeat(wire::MAX_FRAME), ..ParcelRow::default() };
        Answer::Parcels(Page { rows: vec![row], more: None })
    });
    let Answer::Error { next, .. } = daemon.ask(&Request::Status).unwrap() else { panic!("no error") };
    assert!(next.contains("--limit"), "{next}");
}

#[test]
fn a_stop_ends_idle_visits_finishes_begun_work_and_removes_the_socket() {
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (finish, may_finish) = std::sync::mpsc::channel::<()>();
    let may_finish = std::sync::Mutex::new(may_finish);
    let mut daemon = Daemon::start(move |_, _| {
        begun.send(()).unwrap();
        may_finish.lock().unwrap().recv().unwrap();
        done("finished")
    });
    let _idle = StdStream::connect(daemon.socket()).unwrap();
    let socket = daemon.socket();
    let asking = std::thread::spawn(move || client::ask(&socket, &Request::Status));
    has_begun.recv().unwrap();
    daemon.stop.send(true).unwrap();
    finish.send(()).unwrap();
    assert_eq!(asking.join().unwrap().unwrap(), done("finished"));
    daemon.runtime.block_on(daemon.task.take().unwrap()).unwrap();
    assert!(!daemon.socket().exists());
}

#[test]
fn nobody_there_is_said_with_the_socket_and_the_remedy() {
    let mut daemon = Daemon::start(|_, _| done("fine"));
    daemon.stop();
    let error = daemon.ask(&Request::Status).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("control.sock") && text.contains("vouchsafe serve"), "{text}");
}

#[test]
fn a_daemon_of_another_release_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    for (hello, expected) in [(*b"vouchsf\x09", "it speaks version 9"), (*b"220 mail", "not vouchsafe")] {
        let _ = fs::remove_file(&socket);
        let listener = StdListener::bind(&socket).unwrap();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&hello).unwrap();
            let _ = stream.read(&mut [0; HELLO_LEN]);
        });
        let text = client::ask(&socket, &Request::Status).unwrap_err().to_string();
        other.join().unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_refusal_reaches_a_client_whose_request_nobody_reads() {
    let refusal = Answer::Error {
        code: ErrorKind::NoPermission,
        what: "no".to_owned(),
        why: String::new(),
        next: String::new(),
    };
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    for size in [1, 100_000, 4 << 20] {
        let _ = fs::remove_file(&socket);
        let listener = StdListener::bind(&socket).unwrap();
        let frame = wire::encode(&refusal).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&Hello::OURS.to_bytes()).unwrap();
            stream.read_exact(&mut [0; HELLO_LEN]).unwrap();
            stream.write_all(&frame).unwrap();
        });
        let request = Request::KeyImport {
            list: "a".parse().unwrap(),
            key: Secret::new(vec![0; size]),
            passphrase: None,
            confirm: false,
        };
        assert_eq!(client::ask(&socket, &request).unwrap(), refusal, "{size}");
        daemon.join().unwrap();
    }
}

#[test]
fn only_its_owner_or_the_group_can_open_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |s: &Settings| fs::metadata(&s.socket).unwrap().mode() & 0o777;
    let mut settings = settings(dir.path());
    let alone = bind(&settings).unwrap();
    assert_eq!(mode(&settings), 0o600);
    drop(alone);
    settings.group = Some(rustix::process::getegid().as_raw().to_string());
    let _grouped = bind(&settings).unwrap();
    assert_eq!(mode(&settings), 0o660);
    assert!(fs::metadata(&settings.socket).unwrap().file_type().is_socket());
    assert!(!settings.socket.with_extension("new").exists());
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    drop(StdListener::bind(&settings.socket).unwrap());
    assert!(settings.socket.exists(), "a killed daemon leaves its socket behind");
    let live = bind(&settings).unwrap();
    let error = bind(&settings).unwrap_err();
    assert!(matches!(error, BindError::Taken(_)), "{error}");
    drop(live);
    assert!(bind(&settings).is_ok());
}

#[test]
fn what_is_not_a_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    fs::write(&settings.socket, "precious").unwrap();
    assert!(matches!(bind(&settings).unwrap_err(), BindError::NotASocket(_)));
    assert_eq!(fs::read_to_string(&settings.socket).unwrap(), "precious");
    settings.socket = dir.path().join("missing/control.sock");
    assert!(matches!(bind(&settings).unwrap_err(), BindError::NoFolder(_)));
    settings.socket = dir.path().join("other.sock");
    settings.group = Some("no-such-group-here".to_owned());
    let text = bind(&settings).unwrap_err().to_string();
    assert!(text.contains("no-such-group-here") && text.contains("groupadd"), "{text}");
}

#[test]
fn settings_are_strict_and_have_defaults() {
    let read = |text: &str| toml::from_str::<Settings>(text);
    assert_eq!(read("").unwrap(), Settings { socket: "control.sock".into(), group: None });
    let set = read("socket = \"/run/v.sock\"\ngroup = \"ops\"").unwrap();
    assert_eq!(set, Settings { socket: "/run/v.sock".into(), group: Some("ops".to_owned()) });
    assert!(read("sockets = \"typo\"").is_err());
}
