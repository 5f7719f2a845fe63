//! Encryption towards the next hop: chain and name are always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
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
    /// Why the peer is not trusted, as text without content.
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
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(|why| why.to_string())
    }
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
