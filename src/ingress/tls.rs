//! The server's side of TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::listener::ListenError;

/// A TLS server with this certificate chain and key (PEM files): TLS 1.2 and 1.3, no client certificates.
///
/// # Errors
/// When a file cannot be read, holds nothing of its kind, or the two do not belong together.
pub fn tls_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, ListenError> {
    let unreadable = |what, path: &Path, why: String| ListenError::Pem { what, path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable("certificate", cert, e.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("certificate", cert, "it holds no certificate".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable("key", key, e.to_string()))?;
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map(Arc::new)
        .map_err(|e| ListenError::Tls { cert: cert.to_owned(), key: key.to_owned(), why: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_names_its_file_and_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let text = |r: Result<Arc<ServerConfig>, ListenError>| r.unwrap_err().to_string();
        assert!(text(tls_config(&cert, &key)).contains("cert.pem"));
        std::fs::write(&cert, "nothing").unwrap();
        assert!(text(tls_config(&cert, &key)).contains("no certificate"));
        let one = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
        std::fs::write(&cert, one.cert.pem()).unwrap();
        assert!(text(tls_config(&cert, &key)).contains("key.pem"));
        std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
        assert!(text(tls_config(&cert, &key)).contains("belong together"));
        std::fs::write(&key, one.signing_key.serialize_pem()).unwrap();
        assert!(tls_config(&cert, &key).is_ok());
    }
}
