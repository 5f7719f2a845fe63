//! What a sender learns from a mail that was tampered with: nothing.

use std::time::{Duration, Instant};

use base64_simd::STANDARD;

use crate::outside::copy::header;
use crate::outside::install::{ANNOUNCE, SECURITY};
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::scene::Scene;
use crate::outside::smtp::Client;

/// The packets of an armored message.
fn packets(armored: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(armored.to_vec()).unwrap().replace('\r', "");
    let body = text.split("\n\n").nth(1).unwrap();
    let lines: String = body.lines().take_while(|line| !line.starts_with(['=', '-'])).collect();
    STANDARD.decode_to_vec(lines).unwrap()
}

fn armored(packets: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode_to_string(packets);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    format!("-----BEGIN PGP MESSAGE-----\r\n\r\n{}\r\n-----END PGP MESSAGE-----\r\n", lines.join("\r\n"))
        .into_bytes()
}

/// Where the second packet begins, the first being short and of the old or the new form (RFC 9580 §4.2).
fn container(packets: &[u8]) -> usize {
    match packets {
        [head, len, ..] if head & 0xC0 == 0xC0 && *len < 192 => 2 + usize::from(*len),
        [head, len, ..] if head & 0x43 == 0 => 2 + usize::from(*len),
        [head, high, low, ..] if head & 0x43 == 1 => 3 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => panic!("an unusual packet: {:02x?}", &packets[..4]),
    }
}

/// Sends each in one session; the replies without the mail's id, and how long each took.
fn replies(scene: &Scene, list: &str, mails: &[Vec<u8>]) -> Vec<(String, Duration)> {
    let mut client = Client::tcp(scene.daemon.smtp()).ehlo();
    let sent = mails.iter().map(|armored| {
        let raw = pgp_mime("mallory@elsewhere.example", list, armored);
        let begun = Instant::now();
        let reply = client.mail("mallory@elsewhere.example", &[list], &raw);
        let long = |word: &str| word.trim_end_matches('.').len() >= 20;
        let words: Vec<&str> = reply.text.split_whitespace().filter(|word| !long(word)).collect();
        (format!("{} {}", reply.code, words.join(" ")), begun.elapsed())
    });
    sent.collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The classic ways to ask a decryption oracle, on a message of GnuPG's.
fn tampered(good: &[u8]) -> Vec<Vec<u8>> {
    let body = container(good);
    let flip = |at: usize, bits: u8| {
        let mut bad = good.to_vec();
        bad[at] ^= bits;
        armored(&bad)
    };
    let mut asked: Vec<Vec<u8>> = Vec::new();
    // In the wrapped session key, in the prefix, all over the content, in the MDC.
    asked.extend(
        [body - 1, body - 8, body + 8, body + 20, good.len() - 1, good.len() - 20].map(|at| flip(at, 0x40)),
    );
    asked.extend((0..16).map(|n| flip(body + 30 + n * (good.len() - body - 60) / 16, 1 << (n % 8))));
    // Cut, with a length that says so.
    asked.extend([1, 22, 60].map(|cut| armored(&good[..good.len() - cut])));
    asked
}

/// What Ada reads on top of the reports, but for when they came.
fn notes(scene: &Scene) -> Vec<String> {
    scene
        .sink
        .taken_for(&scene.people.ada.address)
        .iter()
        .filter(|copy| header(&copy.data, "List-Id").is_some_and(|id| id.contains("security.lists")))
        .map(|copy| scene.people.ada.open(&copy.data, &scene.security).note())
        .map(|note| note.lines().filter(|line| !line.starts_with("Arrived")).collect::<Vec<_>>().join("\n"))
        .collect()
}

/// Says how long the reply takes.
fn measure(scene: &Scene) {
    let ada = &scene.people.ada;
    let (bad_time, good_time) = {
        let good: Vec<Vec<u8>> = (0..15)
            .map(|n| {
                let text = entity(&ada.address, &format!("Number {n}"), "Update.");
                ada.sign_encrypt(&scene.announce, &text)
            })
            .collect();
        let bad: Vec<Vec<u8>> =
            good.iter().flat_map(|one| tampered(&packets(one)).into_iter().take(1)).collect();
        let times = |mails: &[Vec<u8>]| {
            median(replies(scene, ANNOUNCE, mails).into_iter().map(|(_, took)| took).collect())
        };
        (times(&bad), times(&good))
    };
    eprintln!(
        "median until 250: {bad_time:?} tampered with, {good_time:?} good, ratio {:.2}",
        bad_time.as_secs_f64() / good_time.as_secs_f64()
    );
}

#[test]
fn whatever_was_done_to_a_mail_its_sender_hears_the_same_and_nothing_later() {
    let Some(scene) = Scene::set() else { return };
    let ada = &scene.people.ada;
    let canary = "canary-0f3a the heap overflows in the parser";
    let announced = entity(&ada.address, canary, canary);
    let good = packets(&ada.sign_encrypt(&scene.announce, &announced));
    // Nothing is opened: the reply cannot depend on what is inside.
    for list in ["security", "distrib-announce"] {
        scene.install.ok(&["list", "pause", list]);
    }
    let bad = tampered(&good);
    let asked: Vec<Vec<u8>> = bad.iter().cloned().chain([armored(&good)]).collect();
    let paused = replies(&scene, ANNOUNCE, &asked);
    let status = scene.install.json(&["status"]);
    assert_eq!(status["arrivals"], asked.len(), "taken, and not opened: {status}");
    assert!(paused.iter().all(|(reply, _)| reply == &paused[0].0 && reply.starts_with("250")), "{paused:?}");
    // Everything is opened while the next is taken: still the same.
    for list in ["security", "distrib-announce"] {
        scene.install.ok(&["list", "resume", list]);
    }
    let held = scene.holds(bad.len());
    assert_eq!(scene.sink.wait_for_all(4).len(), 4, "the one that nobody touched");
    let again = replies(&scene, ANNOUNCE, &bad);
    let report = packets(&scene.people.rita.sign_encrypt(&scene.security, &announced));
    let reports: Vec<_> = tampered(&report).into_iter().take(4).collect();
    let to_intake = replies(&scene, SECURITY, &reports);
    assert!(
        again.iter().chain(&to_intake).all(|(reply, _)| *reply == paused[0].0),
        "{again:?} {to_intake:?}"
    );
    // One name for all of them, in the record and in the log.
    assert!(held.iter().all(|row| row["reason"] == "cannot-open:damaged"), "{held:?}");
    assert!(held.iter().all(|row| row["signer"].is_null()), "{held:?}");
    scene.holds(2 * bad.len());
    // To the team they go, as they came and under one verdict; nobody else hears of any.
    let relayed = scene.events("relayed", 1 + reports.len());
    let verdicts: Vec<_> = relayed.iter().map(|row| row["event"]["verdict"].as_str().unwrap()).collect();
    assert_eq!(
        verdicts.iter().filter(|verdict| **verdict == "closed:damaged").count(),
        reports.len(),
        "{verdicts:?}"
    );
    let copies = scene.sink.wait_for_all(4 + 2 * reports.len());
    assert_eq!(copies.len(), 4 + 2 * reports.len());
    for name in ["mallory@elsewhere.example", scene.people.rita.address.as_str()] {
        assert!(scene.sink.taken_for(name).is_empty(), "no word to {name}");
    }
    let notes = notes(&scene);
    assert_eq!(notes.len(), reports.len());
    assert!(notes.iter().all(|note| *note == notes[0] && note.contains("damaged")), "{notes:?}");
    measure(&scene);
    let (status, log) = scene.daemon.stop();
    assert_eq!(status.code(), Some(0));
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("is held")).collect();
    assert!(
        lines.len() >= 2 * bad.len() && lines.iter().all(|line| line.contains("cannot-open:damaged")),
        "{log}"
    );
    assert!(!log.contains("canary") && !log.contains("overflows"), "content in the log");
}

#[test]
fn one_mail_for_two_lists_reaches_both_in_one_transaction_and_in_two() {
    let changes = [(
        "[list.distrib-announce]",
        "[list.early]\naddress = \"early@lists.example\"\nname = \"Early\"\nkind = \"announce\"\nteam = \"security\"\n\n\
         [list.distrib-announce]",
    )];
    let sink = crate::outside::sink::Sink::start();
    let Some(people) = crate::outside::gpg::People::gather() else { return };
    let install = crate::outside::install::Install::edited(&sink.smarthost(), &changes);
    install.ok(&["key", "new", "early"]);
    install.hand_over();
    let daemon = crate::outside::daemon::Daemon::start(&install);
    let ada = &people.ada;
    install.team(&ada.address, &ada.cert());
    for list in ["early", "distrib-announce"] {
        ada.import(install.ok(&["key", "export", list]).as_bytes());
    }
    let keys = install.json(&["key", "ls"]);
    let print = |list: &str| {
        let row = keys.as_array().unwrap().iter().find(|row| row["list"] == list).unwrap();
        row["fingerprint"].as_str().unwrap().to_owned()
    };
    let write = |subject: &str| {
        let entity = format!(
            "Content-Type: text/plain; protected-headers=\"v1\"\r\nFrom: {}\r\nTo: {ANNOUNCE}\r\n\
             Cc: early@lists.example\r\nSubject: {subject}\r\n\r\nFor both.\r\n",
            ada.address
        );
        let (one, two) = (print("early"), print("distrib-announce"));
        let args = ["--armor", "-u", &ada.fingerprint, "-r", &one, "-r", &two, "--sign", "--encrypt"];
        pgp_mime(&ada.address, ANNOUNCE, &ada.ok(&args, entity.as_bytes()))
    };
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    let both = write("Once");
    assert_eq!(client.mail(&ada.address, &[ANNOUNCE, "early@lists.example"], &both).code, 250);
    assert_eq!(sink.wait_for(&ada.address, 2).len(), 2);
    let twice = write("Twice");
    for list in [ANNOUNCE, "early@lists.example"] {
        assert_eq!(client.mail(&ada.address, &[list], &twice).code, 250);
    }
    assert_eq!(sink.wait_for(&ada.address, 4).len(), 4);
    // A third time it is a replay, on either.
    assert_eq!(client.mail(&ada.address, &["early@lists.example", ANNOUNCE], &twice).code, 250);
    crate::outside::until("two replays", || (install.events("dropped").len() == 2).then_some(()));
    assert_eq!(sink.taken_for(&ada.address).len(), 4);
}
