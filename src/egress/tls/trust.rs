//! Whom we trust, and what we show of ourselves: files with certificates and keys.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, OtherError};
use rustls::{RootCertStore, SignatureScheme};

use crate::egress::settings::RouteError;
use crate::egress::tls::certificate::{chain, is_self_issued};

type Builder = ConfigBuilder<ClientConfig, WantsClientCert>;

/// TLS 1.2 or later with these authorities, or with the system's.
pub(super) fn builder(ca_file: Option<&Path>) -> Result<Builder, RouteError> {
    let roots = match ca_file {
        Some(path) => roots_from_file(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unusable = |why: &dyn std::fmt::Display| RouteError::Tls(why.to_string());
    let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let judge = judge.map_err(|why| unusable(&why))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| unusable(&why))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Explaining(judge))))
}

/// The verifier of rustls, word for word, which says in addition that a stranger's certificate vouches for itself: the
/// handshake's error does not show the certificate.
#[derive(Debug)]
struct Explaining(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Explaining {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        judged.map_err(|why| match why {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) if is_self_issued(end_entity) => {
                Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))))
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A certificate that nobody but itself vouches for.
#[derive(Debug, thiserror::Error)]
#[error("it is signed by itself")]
pub(super) struct SelfSigned;

/// The same, with a certificate that we show to whoever asks for one.
pub(super) fn with_client(builder: Builder, cert: &Path, key: &Path) -> Result<ClientConfig, RouteError> {
    let named =
        |path: &Path, why: &dyn std::fmt::Display| RouteError::Client(format!("{}: {why}", path.display()));
    let chain = chain(cert).map_err(|why| named(cert, &why))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|why| named(key, &why))?;
    builder.with_client_auth_cert(chain, secret).map_err(|why| match why {
        Error::InconsistentKeys(_) => {
            RouteError::Client(format!("the key {} does not belong to {}", key.display(), cert.display()))
        }
        other => named(key, &other),
    })
}

fn roots_from_file(path: &Path) -> Result<RootCertStore, RouteError> {
    let place = path.display().to_string();
    let unreadable = |why: String| RouteError::Authorities { place: place.clone(), why };
    let mut roots = RootCertStore::empty();
    for certificate in chain(path).map_err(unreadable)? {
        roots.add(certificate).map_err(|why| unreadable(why.to_string()))?;
    }
    Ok(roots)
}

/// The system's authorities; single ones that cannot be read are left out, as every TLS client does.
fn system_roots() -> Result<RootCertStore, RouteError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why =
            found.errors.first().map_or_else(|| "it holds no certificate".to_owned(), ToString::to_string);
        return Err(RouteError::Authorities { place: "the system's store".to_owned(), why });
    }
    Ok(roots)
}
