//! Whoever cannot prove to be the reader's mail host gets nothing, and the admin sees why.

use std::sync::Arc;

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod, SslVersion};
use openssl::x509::X509;

use crate::host::{Host, Tls};
use crate::outside::authority::{Authority, Identity};
use crate::stage::{Stage, can_listen, why};
use crate::web::{Web, policy};

/// A server that has OpenSSL and nothing newer than TLS 1.1.
fn old(identity: &Identity) -> Tls {
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).unwrap();
    acceptor.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    acceptor.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
    acceptor.set_max_proto_version(Some(SslVersion::TLS1_1)).unwrap();
    acceptor.set_certificate(&X509::from_pem(identity.cert.as_bytes()).unwrap()).unwrap();
    acceptor.set_private_key(&PKey::private_key_from_pem(identity.key.as_bytes()).unwrap()).unwrap();
    Tls::Old(Arc::new(acceptor.build()))
}

/// A certificate that is valid from the beginning of one year to that of another.
fn dated(signer: &Authority, domain: &str, from: i32, to: i32) -> Identity {
    signer.signs_with(&format!("mx.{domain}"), |params| {
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
    })
}

/// A domain, what its mail host does about encryption, and which words say what is wrong with it.
type Case = (&'static str, Tls, &'static str);

fn cases(ours: &Authority, stranger: &Authority) -> Vec<Case> {
    let good = |domain: &str| ours.signs(&format!("mx.{domain}"));
    let plain = |identity: Identity| Tls::Starttls(identity.server(None));
    vec![
        ("bare.example", Tls::NotOffered, "STARTTLS is not offered"),
        ("refused.example", Tls::Refused("454 4.7.0 TLS is broken here"), "454 4.7.0 TLS is broken here"),
        ("injected.example", Tls::Injected, "in the clear behind the reply to STARTTLS"),
        ("named.example", plain(ours.signs("mx.elsewhere.example")), "is not for the name mx.named.example"),
        ("expired.example", plain(dated(ours, "expired.example", 2019, 2020)), "certificate has expired"),
        ("early.example", plain(dated(ours, "early.example", 3000, 3001)), "is not valid yet"),
        ("alone.example", plain(Identity::alone("mx.alone.example")), "signed by itself"),
        (
            "unknown.example",
            plain(stranger.signs("mx.unknown.example")),
            "authority that is not trusted here",
        ),
        ("old.example", old(&good("old.example")), "no version of TLS that is safe"),
        (
            "demanding.example",
            Tls::Starttls(good("demanding.example").server(Some(stranger))),
            "demands a client certificate",
        ),
        (
            "outside.example",
            plain(good("outside.example")),
            "policy of outside.example names none of its mail hosts",
        ),
        ("forged.example", plain(good("forged.example")), "policy of forged.example cannot be had"),
    ]
}

#[test]
fn who_is_not_trusted_gets_nothing_and_the_reason_is_shown() {
    if !can_listen() {
        return;
    }
    let stage = Stage::by_mx();
    let (ours, stranger) = (&stage.authority, Authority::new("A stranger"));
    let plain = |identity: Identity| Tls::Starttls(identity.server(None));
    let cases = cases(ours, &stranger);
    let mut hosts = Vec::new();
    for (n, (domain, tls, _)) in (1..).zip(&cases) {
        let ip = format!("127.1.1.{n}");
        stage.mail_domain(domain, &ip);
        hosts.push(Host::start(&format!("{ip}:25"), tls.clone()));
        stage.reader(&format!("reader@{domain}"));
    }
    // One domain's policy names another host; the other's policy host is somebody else.
    let policy_host = |domain: &str, ip: &str, identity: &Identity| {
        stage.dns.txt(&format!("_mta-sts.{domain}"), "v=STSv1; id=20261128;");
        stage.address(&format!("mta-sts.{domain}"), ip);
        Web::start(ip, identity.server(None), policy("enforce", "mail.example.net"))
    };
    let named = policy_host("outside.example", "127.1.1.101", &ours.signs("mta-sts.outside.example"));
    let forged = policy_host("forged.example", "127.1.1.102", &stranger.signs("mta-sts.forged.example"));
    // Of two hosts the preferred one cannot be trusted, the other can.
    stage.exchangers("second.example", &["mx.bad.example", "mx.second.example"]);
    stage.address("mx.bad.example", "127.1.1.201");
    stage.address("mx.second.example", "127.1.1.202");
    let preferred = Host::start("127.1.1.201:25", plain(dated(ours, "bad.example", 2019, 2020)));
    let second = Host::start("127.1.1.202:25", plain(ours.signs("mx.second.example")));
    stage.reader("reader@second.example");

    stage.report("Nobody but the readers");
    let rows = stage.deferred(cases.len());
    for ((domain, _, reason), host) in cases.iter().zip(&hosts) {
        let shown = why(&rows, &format!("reader@{domain}"));
        assert!(shown.contains(reason), "{domain}: {shown}");
        assert_eq!((host.heard("MAIL"), host.mails().len()), (0, 0), "{domain}");
    }
    // Whoever pretends to speak TLS and does not may have heard a handshake, and never a command of ours.
    for host in hosts.iter().skip(3) {
        assert!(host.told_in_the_clear().is_empty(), "{}: {:?}", host.address, host.told_in_the_clear());
    }
    let to = |n: usize| hosts[n].connections();
    assert_eq!((to(10), to(11)), (0, 0), "who may not be asked is not asked");
    assert!(preferred.connections() > 0 && preferred.heard("MAIL") == 0);
    assert_eq!(second.wait(1)[0].0, "reader@second.example");
    assert_eq!(named.asked(), ["GET /.well-known/mta-sts.txt HTTP/1.1 mta-sts.outside.example"]);
    assert!(forged.asked().is_empty(), "nothing is said to who is somebody else");
    // Row by row, and in the log, which names no reader.
    let id = rows.iter().find(|row| row["recipient"] == "reader@expired.example").unwrap()["id"].as_str();
    assert!(stage.install.ok(&["queue", "show", id.unwrap()]).contains("certificate has expired"));
    let log = stage.daemon.log();
    assert!(log.contains("certificate has expired") && !log.contains("reader@"), "{log}");
}

#[test]
fn a_client_certificate_is_shown_to_who_asks_for_it() {
    if !can_listen() {
        return;
    }
    let clients = Authority::new("Of clients");
    let (ours, theirs) = (clients.signs("relay.example"), Authority::new("Another").signs("relay.example"));
    let egress = "tls = \"required\"\nca_file = \"ca.pem\"\nclient_cert = \"client.pem\"\nclient_key = \"client-key.pem\"";
    let strict = "[egress.domain.\"strict.example\"]\nca_file = \"ca.pem\"\nclient_cert = \"other.pem\"\n\
        client_key = \"other-key.pem\"";
    let files = [
        ("client.pem", ours.cert.as_str()),
        ("client-key.pem", &ours.key),
        ("other.pem", &theirs.cert),
        ("other-key.pem", &theirs.key),
    ];
    let stage = Stage::with(Authority::new("The stage"), egress, strict, &files);
    let host = |domain: &str, ip: &str| {
        stage.mail_domain(domain, ip);
        stage.reader(&format!("reader@{domain}"));
        let server = stage.authority.signs(&format!("mx.{domain}")).server(Some(&clients));
        Host::start(&format!("{ip}:25"), Tls::Starttls(server))
    };
    let (asking, strict) = (host("asking.example", "127.1.2.1"), host("strict.example", "127.1.2.2"));
    stage.report("With a certificate");
    assert_eq!(asking.wait(1).len(), 1);
    let shown = why(&stage.deferred(1), "reader@strict.example");
    assert!(shown.contains("does not accept our client certificate"), "{shown}");
    assert_eq!(strict.heard("MAIL"), 0);
}
