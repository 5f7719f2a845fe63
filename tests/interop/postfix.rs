//! Postfix in front and behind where something is refused, put off, too large or not encrypted enough.

use std::net::TcpListener;
use std::os::unix::fs::chown;

use serde_json::Value;

use crate::bench::contains;
use crate::outside::copy::header;
use crate::outside::daemon::Daemon;
use crate::outside::install::{ANNOUNCE, SECURITY};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::postfix::Postfix;
use crate::outside::scene::Scene;
use crate::outside::sink::Rule;
use crate::outside::smtp::{Client, dotted};
use crate::outside::until;

/// Mails in its maildir, once there are so many of which this is true.
fn mails(postfix: &Postfix, what: &str, count: usize, right: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    until(what, || {
        let found: Vec<_> = postfix.delivered().into_iter().filter(|mail| right(mail)).collect();
        (found.len() == count).then_some(found)
    })
}

/// Certificates: an authority, and Postfix's chain and key under it.
struct Certificates {
    authority: String,
    chain: String,
}

fn certificates(name: &str) -> Certificates {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = ca.self_signed(&ca_key).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let own = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    Certificates { authority, chain: format!("{}{}", key.serialize_pem(), own.pem()) }
}

#[test]
fn copies_go_to_postfix_over_verified_tls_and_never_otherwise() {
    let Some(postfix) = Postfix::prepare() else { return };
    let made = certificates("mx.example");
    let chain = postfix.file("chain.pem", made.chain.as_bytes());
    let tls = "tls = \"required\"\nca_file = \"ca.pem\"\nserver_name = \"mx.example\"";
    let changes = [
        ("[lmtp]\n#listen", "[lmtp]\nlisten"),
        ("tls = \"none\"", tls),
        ("#retry_first = \"5m\"", "retry_first = \"1s\""),
        ("#retry_max = \"4h\"", "retry_max = \"1s\""),
        ("#keep_idle = \"20s\"", "keep_idle = \"0s\""),
    ];
    // `check` and `serve` want the authority's file when they start.
    let Some(scene) =
        Scene::with_files(&postfix.address.to_string(), &changes, &[("ca.pem", &made.authority)])
    else {
        return;
    };
    // First a Postfix without TLS: nothing leaves.
    let transport = format!("lmtp:unix:{}", scene.daemon.lmtp().display());
    let none = "smtpd_tls_security_level = none\n";
    postfix.start_with(&transport, &format!("{none}smtpd_tls_received_header = yes\n"));
    let written = scene.tell("By TLS alone");
    assert_eq!(why_two_wait(&scene, "TLS"), 2);
    assert!(postfix.delivered().is_empty());
    let with = format!("smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = {}\n", chain.display());
    postfix.change(none, &with);
    scene.install.ok(&["queue", "retry", "--all"]);
    let copies = mails(&postfix, "two copies", 2, |_| true);
    for person in [&scene.people.ada, &scene.people.bob] {
        let to = format!("Delivered-To: {}", person.address);
        let copy = copies.iter().find(|copy| contains(copy, to.as_bytes())).expect("one copy each");
        assert!(contains(copy, b"using TLSv1.3"), "{}", String::from_utf8_lossy(copy));
        let raw = crate::outside::mail::crlf(copy);
        assert!(person.open(&raw, &scene.security).holds(&written));
    }

    // Another name than the certificate's: the next mail waits.
    scene.install.edit("server_name = \"mx.example\"", "server_name = \"mx.elsewhere.example\"");
    let scene = scene.restarted();
    scene.tell("To somebody else");
    assert_eq!(why_two_wait(&scene, "certificate"), 2);
    assert_eq!(postfix.delivered().len(), 2);
}

/// Two copies wait: one was tried and says why, the other rests with its destination, which says the same.
fn why_two_wait(scene: &Scene, word: &str) -> usize {
    let says = |text: &Value| text.as_str().is_some_and(|text| text.contains(word));
    let rows = scene.queue("two copies that wait", |rows| {
        rows.len() == 2
            && rows.iter().all(|row| row["state"] == "deferred" || row["rests"].is_object())
            && rows.iter().any(|row| row["state"] == "deferred")
    });
    rows.iter().filter(|row| says(&row["last"]) || says(&row["rests"]["why"])).count()
}

#[test]
fn what_postfix_refuses_fails_or_waits_reader_by_reader() {
    let Some(postfix) = Postfix::prepare() else { return };
    let changes = [
        ("[lmtp]\n#listen", "[lmtp]\nlisten"),
        ("#retry_first = \"5m\"", "retry_first = \"1s\""),
        ("#retry_max = \"4h\"", "retry_max = \"1s\""),
        // A connection that is kept would go on under the rules that it began with.
        ("#keep_idle = \"20s\"", "keep_idle = \"0s\""),
    ];
    let Some(scene) = Scene::with_files(&postfix.address.to_string(), &changes, &[]) else { return };
    let people = &scene.people;
    let access =
        format!("{} REJECT no such mailbox\n{} DEFER greylisted\n", people.ada.address, people.bob.address);
    let access = postfix.file("access", access.as_bytes());
    // Emil's own server refuses only after Postfix has taken the copy: it comes back as a bounce.
    let late = format!("{}=smtp:{}", people.emil.address, scene.sink.smarthost());
    scene.sink.rule(&people.emil.address, Rule::Refuse("550 5.1.1 no longer with us"));
    let more =
        format!("smtpd_recipient_restrictions = check_recipient_access texthash:{}\n", access.display());
    let transport = format!("lmtp:unix:{}", scene.daemon.lmtp().display());
    postfix.start_with(&transport, &more);
    chown(scene.daemon.lmtp(), None, Some(Postfix::group())).unwrap();
    postfix.change("transport_maps = inline:{ ", &format!("transport_maps = inline:{{ {late}, "));

    let written = scene.announce("To four readers");
    let failed = scene.events("failed", 1);
    assert_eq!((failed.len(), &failed[0]["event"]["code"]), (1, &"554".into()), "{failed:?}");
    let rows = scene.queue("Ada's copy failed, Bob's waits", |rows| {
        let state =
            |who: &str, state: &str| rows.iter().any(|r| r["recipient"] == who && r["state"] == state);
        state(&people.ada.address, "failed") && state(&people.bob.address, "deferred")
    });
    mails(&postfix, "Dora's copy", 1, |mail| contains(mail, people.dora.address.as_bytes()));
    // RFC 3464: the bounce has the null sender and comes to the copy's own return path.
    let bounced = scene.events("bounced", 1);
    assert_eq!(bounced[0]["event"]["status"], "5.1.1");

    postfix.change(&more, "");
    let waits = rows.iter().find(|row| row["state"] == "deferred").unwrap();
    scene.install.ok(&["queue", "retry", waits["id"].as_str().unwrap()]);
    let copies = mails(&postfix, "Bob's copy", 1, |mail| {
        contains(mail, format!("Delivered-To: {}", people.bob.address).as_bytes())
    });
    let raw = crate::outside::mail::crlf(&copies[0]);
    assert!(people.bob.open(&raw, &scene.announce).holds(&written));
    assert_eq!(scene.events("failed", 1).len(), 1, "what failed is not tried again by itself");
}

#[test]
fn postfix_keeps_what_we_cannot_take_yet_and_returns_what_we_never_take() {
    let Some(postfix) = Postfix::prepare() else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let inet = format!("[lmtp]\nlisten = [\"127.0.0.1:{port}\"]\n#listen");
    let changes = [("[lmtp]\n#listen", inet.as_str()), ("#max_message = 52428800", "max_message = 200000")];
    let Some(scene) = Scene::edited(&changes) else { return };
    // By default Postfix gives us all recipients of a mail at once, and waits longer.
    let more = "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n";
    postfix.start_with(&format!("lmtp:inet:127.0.0.1:{port}"), more);
    let (ada, rita) = (&scene.people.ada, &scene.people.rita);

    // Lists of different kinds in one mail: we take one and answer 452 for the other, which comes again by itself.
    let written = entity(&ada.address, "To both", "One mail.");
    let both = ["-u", &ada.fingerprint, "-r", &scene.security, "-r", &scene.announce];
    let armored = ada.ok(&[&["--armor", "--sign", "--encrypt"], &both[..]].concat(), &written);
    let raw = pgp_mime(&ada.address, ANNOUNCE, &armored);
    let reply = Client::tcp(postfix.address).ehlo().mail(&ada.address, &[ANNOUNCE, SECURITY], &raw);
    assert_eq!(reply.code, 250, "{reply:?}");
    let copies = scene.sink.wait_for(&ada.address, 2);
    let subjects: Vec<_> = copies.iter().map(|copy| copy.header("List-Id").unwrap()).collect();
    assert!(subjects[0] != subjects[1], "one copy of each list: {subjects:?}");
    assert!(postfix.log().contains("452 "), "one of them was put off: {}", postfix.log());
    scene.sink.wait_for(&scene.people.dora.address, 1);

    // RFC 6152, RFC 6531: eight bits and addresses beyond ASCII come through as they are.
    let eight = "Grüße aus Köln";
    let mut client = Client::tcp(postfix.address).ehlo();
    for line in ["MAIL FROM:<rïta@reporter.example> SMTPUTF8 BODY=8BITMIME", &format!("RCPT TO:<{SECURITY}>")]
    {
        let reply = client.command(line);
        assert_eq!(reply.code, 250, "{line}: {reply:?}");
    }
    assert_eq!(client.command("DATA").code, 354);
    client.say(&dotted(&clear("rïta@reporter.example", SECURITY, "Grüße", eight)));
    assert_eq!(client.reply().code, 250);
    let copies = scene.sink.wait_for(&scene.people.bob.address, 3);
    let opened = scene.people.bob.open(&copies[2].data, &scene.security);
    assert!(opened.holds(eight.as_bytes()), "{}", String::from_utf8_lossy(&opened.entity));

    // Too large (RFC 1870), unknown, with an extension that is no address of ours: back to its sender.
    let large = entity(&rita.address, "Large", &"long line\n".repeat(30_000));
    for (to, raw, status) in [
        (SECURITY, clear(&rita.address, SECURITY, "Large", &String::from_utf8_lossy(&large)), "5.3.4"),
        ("nobody@lists.example", clear(&rita.address, "nobody@lists.example", "x", "x"), "5.1.1"),
        ("security+urgent@lists.example", clear(&rita.address, SECURITY, "x", "x"), "5.1.1"),
    ] {
        let reply = Client::tcp(postfix.address).ehlo().mail(&rita.address, &[to], &raw);
        assert_eq!(reply.code, 250, "{reply:?}");
        let wanted = [format!("Final-Recipient: rfc822; {to}"), format!("Status: {status}")];
        let told = |mail: &[u8]| wanted.iter().all(|line| contains(mail, line.as_bytes()));
        let bounce = mails(&postfix, &format!("a bounce with {status} for {to}"), 1, told).remove(0);
        let bounce = crate::outside::mail::crlf(&bounce);
        assert_eq!(header(&bounce, "Return-Path").as_deref(), Some("<>"));
    }
    assert_eq!(scene.install.json(&["status"])["arrivals"], 0);

    // Without us it keeps the mail.
    let Scene { daemon, install, sink, people, security, announce } = scene;
    let (status, log) = daemon.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let late = entity(&people.rita.address, "While you were away", "It waited.");
    let armored = people.rita.sign_encrypt(&security, &late);
    let raw = pgp_mime(&people.rita.address, SECURITY, &armored);
    let reply = Client::tcp(postfix.address).ehlo().mail(&people.rita.address, &[SECURITY], &raw);
    assert_eq!(reply.code, 250, "{reply:?}");
    until("Postfix's attempt to reach us", || postfix.log().contains("Connection refused").then_some(()));
    let daemon = Daemon::start(&install);
    let scene = Scene { daemon, install, sink, people, security, announce };
    postfix.flush();
    let copies = scene.sink.wait_for(&scene.people.bob.address, 4);
    assert!(scene.people.bob.open(&copies[3].data, &scene.security).holds(&late));
    until("Postfix's queue is empty", || postfix.is_empty().then_some(()));
    assert_eq!(scene.sink.taken_for(&scene.people.bob.address).len(), 4, "once");
}
