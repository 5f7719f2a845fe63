//! Encryption towards the server: chain and name are always verified.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::settings::{Encryption, Settings};
use super::trouble::Trouble;

/// How to encrypt.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why nothing can be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    /// No authority can be read.
    #[error(
        "no certification authority can be read from {place} ({why}); set ca_file to a PEM file with at least one"
    )]
    Authorities {
        /// The file, or the system's store.
        place: String,
        /// What was wrong.
        why: String,
    },
    /// Certificates bear names.
    #[error("\"{0}\" is no name that a certificate could bear; set server_name")]
    Name(String),
    /// The library refused its configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Tls {
    /// Reads the authorities that the settings name; nothing where they ask for none.
    ///
    /// # Errors
    /// When there is no authority, or no name to verify.
    pub fn new(settings: &Settings) -> Result<Option<Self>, NoTls> {
        if settings.tls == Encryption::None {
            return Ok(None);
        }
        let name = settings.server_name.clone().unwrap_or_else(|| settings.host.clone());
        let name = ServerName::try_from(name.clone()).map_err(|_| NoTls::Name(name))?;
        let roots = match &settings.ca_file {
            Some(path) => roots_from_file(path)?,
            None => system_roots()?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| NoTls::Setup(why.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Some(Self { config: Arc::new(config), name }))
    }

    /// Shakes hands.
    pub(super) async fn upgrade(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Trouble> {
        let shaken = TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream).await;
        shaken.map_err(|why| Trouble::Tls(in_words(&why, &self.name.to_str())))
    }
}

/// Why a handshake failed, for people. Nothing here is the server's text.
fn in_words(why: &io::Error, name: &str) -> String {
    use CertificateError as Wrong;
    let wrong = match why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => wrong,
        Some(rustls::Error::AlertReceived(alert)) => {
            return format!("it ended the handshake with the alert {alert:?}");
        }
        Some(other) => return other.to_string(),
        None => return format!("the handshake broke off ({})", why.kind()),
    };
    match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "its certificate is not valid yet; look at the clocks".to_owned()
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            format!("its certificate is not for the name {name}")
        }
        Wrong::UnknownIssuer => "its certificate comes from an authority that is not trusted here".to_owned(),
        _ => "its certificate cannot be verified".to_owned(),
    }
}

fn roots_from_file(path: &Path) -> Result<RootCertStore, NoTls> {
    let unreadable = |why: String| NoTls::Authorities { place: path.display().to_string(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|why| unreadable(why.to_string()))? {
        let certificate = certificate.map_err(|why| unreadable(why.to_string()))?;
        roots.add(certificate).map_err(|why| unreadable(why.to_string()))?;
    }
    if roots.is_empty() { Err(unreadable("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// The system's authorities; single ones that cannot be read are left out, as every TLS client does.
fn system_roots() -> Result<RootCertStore, NoTls> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why = "it holds no certificate".to_owned();
        return Err(NoTls::Authorities { place: "the system's store".to_owned(), why });
    }
    Ok(roots)
}
