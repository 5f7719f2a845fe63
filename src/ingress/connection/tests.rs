//! Slow clients of every kind, with a clock that is told the time.

use tokio::io::duplex;

use super::*;
use crate::ingress::rates::settings::RateSettings;
use crate::ingress::tls_config;
use crate::mail::directory::{Kind, ListEntry};
use crate::time::SystemClock;

fn shared(stop: watch::Receiver<bool>) -> Shared {
    let (name, address) = ("security".parse().unwrap(), "security@lists.example.org".parse().unwrap());
    let limits = Limits::default();
    Shared {
        directory: Arc::new(Directory::new(vec![ListEntry {
            name,
            address,
            kind: Kind::Intake,
            encrypted_only: false,
        }])),
        take_in: Arc::new(|_, _| panic!("no message was ended")),
        clock: Arc::new(SystemClock),
        budget: Budget::of(&limits),
        admission: Admission::new(&limits),
        guard: Guard::new(&limits, &RateSettings::default(), None),
        limits: Arc::new(limits),
        hostname: "mx.example.org".to_owned(),
        tls: None,
        stop,
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_much_at_first_and_then_next_to_nothing_loses_its_place() {
    let (_stop, stopped) = watch::channel(false);
    let shared = shared(stopped);
    let budget = shared.budget.clone();
    let (mut client, server) = duplex(CHUNK);
    let serving = tokio::spawn(serve(server, Some([192, 0, 2, 1].into()), Speech::Smtp, shared));
    let hello = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<security@lists.example.org>\r\nDATA\r\n";
    client.write_all(hello).await.unwrap();
    // At 500 bytes per second on average this would pay for eleven hours.
    client.write_all(&b"0123456789".repeat(2_000_000)).await.unwrap();
    assert!(budget.free() < Limits::default().max_in_memory, "it holds memory");
    let begun = Instant::now();
    while !serving.is_finished() && begun.elapsed() < Duration::from_secs(3_600) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _ = client.write_all(b"x").await;
    }
    assert!(serving.is_finished() && begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("\r\n421 4.4.2 mx.example.org waited too long"), "{heard}");
    assert_eq!(budget.free(), Limits::default().max_in_memory);
}

/// The client's side of a connection, and how long the server's side lasted, in seconds; the client does what it is told
/// every `step`.
async fn lasts(
    shared: Shared,
    speech: Speech,
    hello: &[u8],
    step: Duration,
    again: &[u8],
    hears: bool,
) -> (u64, String) {
    // What is not heard has to fill what lies between us.
    let (mut client, server) = duplex(if hears { CHUNK } else { LINE });
    let begun = Instant::now();
    let serving = tokio::spawn(serve(server, Some([192, 0, 2, 1].into()), speech, shared));
    client.write_all(hello).await.unwrap();
    let mut heard = Vec::new();
    while !serving.is_finished() && begun.elapsed() < Duration::from_secs(3_600) {
        tokio::time::sleep(step).await;
        if !again.is_empty() {
            let _ = timeout(Duration::from_millis(1), client.write_all(again)).await;
        }
        let mut buffer = vec![0; CHUNK];
        if hears && let Ok(Ok(length)) = timeout(Duration::from_millis(1), client.read(&mut buffer)).await {
            heard.extend_from_slice(&buffer[..length]);
        }
    }
    let lasted = begun.elapsed().as_secs();
    if hears {
        let _ = timeout(Duration::from_secs(1), client.read_to_end(&mut heard)).await;
    }
    assert!(serving.is_finished(), "it is held for ever");
    (lasted, String::from_utf8_lossy(&heard).into_owned())
}

const SECOND: Duration = Duration::from_secs(1);
const LATE: &str = "421 4.4.2 mx.example.org waited too long";

fn with_tls(mut shared: Shared) -> Shared {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("c"), folder.path().join("k"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    shared.tls = Some(TlsAcceptor::from(tls_config(&cert, &key).unwrap()));
    shared
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_or_a_byte_at_a_time_is_sent_away_when_a_command_should_be_there() {
    let (_stop, stopped) = watch::channel(false);
    let idle = lasts(shared(stopped.clone()), Speech::Smtp, b"", SECOND, b"", true).await;
    assert!((300..=304).contains(&idle.0) && idle.1.contains(LATE), "{idle:?}");
    let trickle = lasts(shared(stopped.clone()), Speech::Smtp, b"", 10 * SECOND, b"N", true).await;
    assert!((300..=320).contains(&trickle.0) && trickle.1.contains(LATE), "{trickle:?}");
    let lmtp = lasts(shared(stopped), Speech::Lmtp, b"LHLO a\r\n", SECOND, b"", true).await;
    assert!((300..=304).contains(&lmtp.0) && lmtp.1.contains(LATE), "{lmtp:?}");
}

#[tokio::test(start_paused = true)]
async fn a_byte_in_ten_seconds_of_a_message_is_too_slow() {
    let (_stop, stopped) = watch::channel(false);
    let shared = shared(stopped);
    let budget = shared.budget.clone();
    let hello = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<security@lists.example.org>\r\nDATA\r\n";
    let (lasted, heard) = lasts(shared, Speech::Smtp, hello, 10 * SECOND, b"x", true).await;
    assert!(lasted <= 130 && heard.contains(LATE), "{lasted} {heard}");
    assert_eq!(budget.free(), Limits::default().max_in_memory, "what it held is free");
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_take_our_replies_is_left() {
    let (_stop, stopped) = watch::channel(false);
    // Each of them is answered by several lines: they fill what lies between us.
    let (lasted, _) =
        lasts(shared(stopped), Speech::Smtp, b"", SECOND, &b"EHLO a.example\r\n".repeat(90), false).await;
    assert!((300..=320).contains(&lasted), "{lasted}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_never_finished_ends_in_a_minute() {
    let (_stop, stopped) = watch::channel(false);
    // The beginning of a TLS record, and not its end.
    let record = b"\x16\x03\x01\x02\x00\x01";
    let first = lasts(with_tls(shared(stopped.clone())), Speech::Smtps, record, SECOND, b"", true).await;
    assert!((60..=62).contains(&first.0), "{first:?}");
    let trickle =
        lasts(with_tls(shared(stopped.clone())), Speech::Smtps, record, SECOND, b"\x00", true).await;
    assert!((60..=62).contains(&trickle.0), "{trickle:?}");
    let later = b"EHLO a.example\r\nSTARTTLS\r\n";
    let second = lasts(with_tls(shared(stopped)), Speech::Smtp, later, SECOND, b"", true).await;
    assert!((60..=62).contains(&second.0) && second.1.contains("220 2.0.0 Ready"), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn when_places_are_short_whoever_only_waits_gives_his_up_sooner() {
    let (_stop, stopped) = watch::channel(false);
    let mut shared = shared(stopped);
    let limits = Limits { max_connections: 20, ..Limits::default() };
    shared.admission = Admission::new(&limits);
    let admission = shared.admission.clone();
    let clients = |from: u8, count: u8| -> Vec<_> {
        (0..count).map(|n| admission.enter(Some([192, 0, 2, from + n].into())).unwrap()).collect()
    };
    let few = clients(10, 10);
    let (lasted, _) = lasts(shared.clone(), Speech::Smtp, b"", SECOND, b"", true).await;
    assert!(lasted >= 300, "half of them is not crowded: {lasted}");
    let many = clients(30, 3);
    let (lasted, heard) = lasts(shared.clone(), Speech::Smtp, b"", SECOND, b"", true).await;
    assert!((10..=14).contains(&lasted) && heard.contains(LATE), "{lasted} {heard}");
    drop((few, many));
    let (lasted, _) = lasts(shared, Speech::Smtp, b"", SECOND, b"", true).await;
    assert!(lasted >= 300, "{lasted}");
}
