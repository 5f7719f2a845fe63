//! STARTTLS: encrypted and verified, or not at all.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::tests::{PIPELINED, open, send};
use super::*;
use crate::egress::route::Settings;
use crate::egress::scripted::{Act, Heard, Hop, Script, body, message, parcel, say};

/// A certification authority, and a host certificate for these names.
struct Authority {
    ca_file: tempfile::NamedTempFile,
    acceptor: TlsAcceptor,
}

fn authority(names: &[&str]) -> Authority {
    authority_with(names, |_| {})
}

/// The same, with something special about the host's certificate.
fn authority_with(names: &[&str], special: impl Fn(&mut rcgen::CertificateParams)) -> Authority {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(rcgen::DnType::CommonName, names.concat());
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let host_key = rcgen::KeyPair::generate().unwrap();
    let mut host =
        rcgen::CertificateParams::new(names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>()).unwrap();
    special(&mut host);
    let host_cert = host.signed_by(&host_key, &rcgen::Issuer::from_params(&ca, &ca_key)).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(host_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![host_cert.der().clone()], key)
            .unwrap();
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), ca_cert.pem()).unwrap();
    Authority { ca_file, acceptor: TlsAcceptor::from(Arc::new(config)) }
}

fn verified(authority: &Authority, server_name: Option<&str>) -> Tls {
    let ca_file = Some(authority.ca_file.path().to_owned());
    let server_name = server_name.map(str::to_owned);
    let mta_sts = server_name.is_none();
    Tls::new(&Settings { ca_file, server_name, mta_sts, ..Settings::default() }.rules().unwrap()).unwrap()
}

fn encrypting(authority: &Authority, injected: &'static str) -> Script {
    let script = Script::new(&["STARTTLS", "PIPELINING"], move |heard| match heard.verb {
        "STARTTLS" if !injected.is_empty() => Some(Act::Say(format!("220 go ahead\r\n{injected}"))),
        _ => None,
    });
    Script { tls: Some(authority.acceptor.clone()), ..script }
}

#[tokio::test]
async fn a_verified_host_gets_the_copy_encrypted() {
    let authority = authority(&["localhost"]);
    let hop = Hop::start(encrypting(&authority, "")).await;
    let mut connection = open(&hop, &verified(&authority, None)).await.unwrap();
    let parcel = parcel(1, "ada@example.org", 300_000);
    send(&mut connection, &parcel, &body(300_000), 100_000).await.unwrap();
    assert_eq!(hop.messages(), [message(&parcel, &body(300_000))]);
    assert_eq!(hop.commands()[..3], ["EHLO relay.example.org", "STARTTLS", "EHLO relay.example.org"]);
    connection.quit().await;
}

#[tokio::test]
async fn who_cannot_prove_its_name_gets_nothing() {
    let (ours, theirs) = (authority(&["mail.example.org"]), authority(&["localhost"]));
    for (script, tls) in [
        (encrypting(&ours, ""), verified(&ours, None)),
        (encrypting(&theirs, ""), verified(&ours, None)),
        (encrypting(&theirs, ""), verified(&theirs, Some("mail.example.org"))),
    ] {
        let hop = Hop::start(script).await;
        let trouble = open(&hop, &tls).await.err().unwrap();
        assert!(matches!(trouble, Trouble::Untrusted(_)), "{trouble}");
        assert!(!trouble.is_permanent() && trouble.may_try_next());
        assert_eq!(hop.heard("MAIL"), 0);
    }
    let hop = Hop::start(encrypting(&ours, "")).await;
    assert!(
        open(&hop, &verified(&ours, Some("mail.example.org"))).await.is_ok(),
        "the configured name counts"
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_explained_in_plain_words() {
    let ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let local = ["localhost"];
    let good = authority(&local);
    let refused = [
        (authority(&["mail.example.org"]), "is not for the name localhost"),
        (authority_with(&local, |host| host.not_after = rcgen::date_time_ymd(2020, 1, 1)), "has expired"),
        (
            authority_with(&local, |host| host.not_before = rcgen::date_time_ymd(4000, 1, 1)),
            "is not valid yet; look at the clocks",
        ),
        (authority_with(&local, |host| host.is_ca = ca), "is not a server certificate"),
        (
            authority_with(&local, |host| {
                host.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth]
            }),
            "is not a server certificate",
        ),
    ];
    for (authority, words) in &refused {
        let hop = Hop::start(encrypting(authority, "")).await;
        let trouble = open(&hop, &verified(authority, None)).await.err().unwrap();
        assert_eq!(trouble.to_string(), format!("TLS: the host's certificate {words}"));
    }
    let (namesake, other) = (authority(&local), authority(&["localhost", "mail.example.org"]));
    for (theirs, words) in [
        (namesake, "bears a trusted authority's name and not its signature"),
        (other, "comes from an authority that is not trusted here"),
    ] {
        let hop = Hop::start(encrypting(&theirs, "")).await;
        let trouble = open(&hop, &verified(&good, None)).await.err().unwrap();
        assert_eq!(trouble.to_string(), format!("TLS: the host's certificate {words}"));
    }
}

#[tokio::test]
async fn without_encryption_nothing_is_sent() {
    let authority = authority(&["localhost"]);
    let tls = verified(&authority, None);
    let hop = Hop::start(Script::willing(PIPELINED)).await;
    let trouble = open(&hop, &tls).await.err().unwrap();
    assert!(matches!(trouble, Trouble::NoStarttls) && !trouble.is_permanent());
    assert_eq!(hop.commands(), ["EHLO relay.example.org"]);

    let refuse = |heard: &Heard| if heard.verb == "STARTTLS" { say("454 4.7.0 not now") } else { None };
    let hop = Hop::start(Script::new(&["STARTTLS"], refuse)).await;
    let trouble = open(&hop, &tls).await.err().unwrap();
    assert_eq!((trouble.to_string().as_str(), trouble.is_permanent()), ("454 4.7.0 not now", false));
}

#[tokio::test]
async fn what_stands_in_the_clear_behind_starttls_is_not_believed() {
    let authority = authority(&["localhost"]);
    let hop = Hop::start(encrypting(&authority, "250-forged\r\n250 PIPELINING\r\n")).await;
    let trouble = open(&hop, &verified(&authority, None)).await.err().unwrap();
    // In one segment with the 220 it is found waiting; in a later one it breaks the handshake.
    assert!(matches!(trouble, Trouble::Injected | Trouble::Untrusted(_)), "{trouble}");
    assert!(!trouble.is_permanent());
    assert_eq!(hop.heard("MAIL"), 0);
}
