//! Certificates for the daemon, and a client that trusts one of them alone.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::outside::PATIENCE;
use crate::outside::install::DOMAIN;

/// A self-signed certificate and its key, PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec![DOMAIN.to_owned()]).unwrap();
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// A client that trusts it and nothing else.
    fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(client.with_root_certificates(roots).with_no_client_auth())
    }

    /// Whether the server at this address, where TLS comes first, shows it.
    pub(crate) fn is_shown_at(&self, address: SocketAddr) -> bool {
        let name = ServerName::try_from(DOMAIN).unwrap();
        let session = ClientConnection::new(self.trusted(), name).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = [0; 3];
        let heard = StreamOwned::new(session, stream).read_exact(&mut greeting);
        heard.is_ok() && greeting == *b"220"
    }
}
