//! Encryption towards the next hop: chain and name are always verified.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::egress::settings::{RouteError, Settings, TlsMode};

/// How to encrypt, or that it is not needed.
#[derive(Clone)]
pub struct Tls(Option<Verifier>);

#[derive(Clone)]
struct Verifier {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Tls {
    /// Reads the authorities that the settings name.
    ///
    /// # Errors
    /// When there is none, or when `server_name` is no name.
    pub fn new(settings: &Settings) -> Result<Self, RouteError> {
        if settings.tls == TlsMode::None {
            return Ok(Self(None));
        }
        let name = settings.server_name.as_deref().map(configured_name).transpose()?;
        let roots = match &settings.ca_file {
            Some(path) => roots_from_file(path)?,
            None => system_roots()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| RouteError::Tls(why.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Some(Verifier { config: Arc::new(config), name })))
    }

    /// Whether nothing may be sent before encryption stands.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.0.is_some()
    }

    /// Shakes hands over `stream` with the peer that must be `host`, or the configured name.
    ///
    /// # Errors
    /// Why the peer is not trusted, in our own words.
    pub async fn upgrade<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(Verifier { config, name }) = &self.0 else {
            return Err("encryption is switched off".to_owned());
        };
        let name = match name {
            Some(name) => name.clone(),
            None => {
                ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is no name to verify"))?
            }
        };
        let shaken = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await;
        shaken.map_err(|why| in_words(&why, &name))
    }
}

/// Why a handshake failed, for people. Nothing here is the peer's text.
fn in_words(why: &io::Error, name: &ServerName<'_>) -> String {
    match why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => certificate_in_words(wrong, &name.to_str()),
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the host ended the handshake with the alert {alert:?}")
        }
        Some(other) => other.to_string(),
        None => format!("the handshake broke off ({})", why.kind()),
    }
}

fn certificate_in_words(wrong: &CertificateError, name: &str) -> String {
    use CertificateError as Wrong;
    match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => "the host's certificate has expired".to_owned(),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "the host's certificate is not valid yet; look at the clocks".to_owned()
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            format!("the host's certificate is not for the name {name}")
        }
        Wrong::UnknownIssuer => {
            "the host's certificate comes from an authority that is not trusted here".to_owned()
        }
        Wrong::InvalidPurpose | Wrong::InvalidPurposeContext { .. } => not_a_server(),
        // webpki's own error, which rustls passes on without a name of its own.
        Wrong::Other(inner) if inner.0.to_string() == "CaUsedAsEndEntity" => not_a_server(),
        Wrong::Revoked => "the host's certificate was revoked".to_owned(),
        Wrong::BadEncoding => "the host's certificate cannot be read".to_owned(),
        Wrong::BadSignature => {
            "the host's certificate bears a trusted authority's name and not its signature".to_owned()
        }
        _ => "the host's certificate cannot be verified".to_owned(),
    }
}

fn not_a_server() -> String {
    "the host's certificate is not a server certificate".to_owned()
}

fn configured_name(name: &str) -> Result<ServerName<'static>, RouteError> {
    ServerName::try_from(name.to_owned()).map_err(|_| RouteError::ServerName(name.to_owned()))
}

fn roots_from_file(path: &Path) -> Result<RootCertStore, RouteError> {
    let place = path.display().to_string();
    let unreadable = |why: String| RouteError::Authorities { place: place.clone(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|why| unreadable(why.to_string()))? {
        let certificate = certificate.map_err(|why| unreadable(why.to_string()))?;
        roots.add(certificate).map_err(|why| unreadable(why.to_string()))?;
    }
    if roots.is_empty() { Err(unreadable("it holds no certificate".to_owned())) } else { Ok(roots) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings { ca_file: Some(file.path().to_owned()), ..Settings::default() };
        let Err(RouteError::Authorities { place, .. }) = Tls::new(&settings) else {
            panic!("trusted nothing")
        };
        assert_eq!(place, file.path().display().to_string());
        let missing = Settings { ca_file: Some("/nowhere/ca.pem".into()), ..Settings::default() };
        assert!(matches!(Tls::new(&missing), Err(RouteError::Authorities { .. })));
    }

    #[test]
    fn a_server_name_that_is_none_is_refused() {
        let settings = Settings { server_name: Some("a b".to_owned()), ..Settings::default() };
        assert!(matches!(Tls::new(&settings), Err(RouteError::ServerName(_))));
    }
}
