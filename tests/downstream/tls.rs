//! Certificates, right and wrong.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::matrix::Tls;

/// An authority that is trusted, and how hops show certificates: one that is right, and the one of the case.
pub struct Authority {
    pub ca_file: tempfile::NamedTempFile,
    pub acceptors: (TlsAcceptor, TlsAcceptor),
}

pub fn authority(case: Tls) -> Authority {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::from_params(&ca, &ca_key);
    let signed = |host: &CertificateParams| {
        let key = KeyPair::generate().unwrap();
        let cert = host.signed_by(&key, &issuer).unwrap();
        acceptor(&cert, &key)
    };
    let good = signed(&named("hop.example"));
    let special = match case {
        Tls::WrongName => signed(&named("other.example")),
        Tls::Expired => {
            let mut host = named("hop.example");
            host.not_before = rcgen::date_time_ymd(2020, 1, 1);
            host.not_after = rcgen::date_time_ymd(2021, 1, 1);
            signed(&host)
        }
        Tls::SelfSigned => {
            let key = KeyPair::generate().unwrap();
            acceptor(&named("hop.example").self_signed(&key).unwrap(), &key)
        }
        Tls::None | Tls::Good | Tls::NotOffered => good.clone(),
    };
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), root.pem()).unwrap();
    Authority { ca_file, acceptors: (good, special) }
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn acceptor(cert: &rcgen::Certificate, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
