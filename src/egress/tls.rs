//! Encryption towards the next hop: chain and name are always verified.

mod certificate;
mod trust;
mod words;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use self::certificate::days_left;
pub(crate) use self::words::{Distrust, late_alert};
use crate::egress::rules::Rules;
use crate::egress::settings::{RouteError, TlsMode};

/// How to encrypt, or that it is not needed.
#[derive(Clone, Debug)]
pub struct Tls(Option<Verifier>);

#[derive(Clone, Debug)]
struct Verifier {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    at_once: bool,
    shows: bool,
}

impl Tls {
    /// Reads the authorities and the client certificate that the rules name.
    ///
    /// # Errors
    /// When there is no authority, when `server_name` is no name, or when certificate and key are of no use.
    pub fn new(rules: &Rules) -> Result<Self, RouteError> {
        if rules.tls == TlsMode::None {
            return Ok(Self(None));
        }
        let name = rules.server_name.as_deref().map(configured_name).transpose()?;
        let builder = trust::builder(rules.ca_file.as_deref())?;
        let config = match &rules.client {
            Some((cert, key)) => trust::with_client(builder, cert, key)?,
            None => builder.with_no_client_auth(),
        };
        let (at_once, shows) = (rules.tls == TlsMode::Implicit, rules.client.is_some());
        Ok(Self(Some(Verifier { config: Arc::new(config), name, at_once, shows })))
    }

    /// For the web servers that hold MTA-STS policies: the same authorities, each host by its own name, and nothing of
    /// ours is shown.
    ///
    /// # Errors
    /// When there is no authority.
    pub(crate) fn for_web(rules: &Rules) -> Result<Self, RouteError> {
        let mut config = trust::builder(rules.ca_file.as_deref())?.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Some(Verifier { config: Arc::new(config), name: None, at_once: true, shows: false })))
    }

    /// Whether nothing may be sent before encryption stands.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the peer expects TLS from the first byte on.
    #[must_use]
    pub fn is_implicit(&self) -> bool {
        self.0.as_ref().is_some_and(|verifier| verifier.at_once)
    }

    /// Shakes hands over `stream` with the peer that must be `host`, or the configured name.
    ///
    /// # Errors
    /// Why the peer is not trusted, in our own words.
    pub async fn upgrade<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, Distrust>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(Verifier { config, name, shows, .. }) = &self.0 else {
            return Err(Distrust::other("encryption is switched off"));
        };
        let name = match name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| Distrust::other(format!("{host} is no name to verify")))?,
        };
        let shaken = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await;
        shaken.map_err(|why| words::of_handshake(&why, &name, *shows))
    }
}

fn configured_name(name: &str) -> Result<ServerName<'static>, RouteError> {
    ServerName::try_from(name.to_owned()).map_err(|_| RouteError::ServerName(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::settings::Settings;

    fn tls(settings: &Settings) -> Result<Tls, RouteError> {
        Tls::new(&settings.rules().unwrap())
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings { ca_file: Some(file.path().to_owned()), ..Settings::default() };
        let Err(RouteError::Authorities { place, .. }) = tls(&settings) else { panic!("trusted nothing") };
        assert_eq!(place, file.path().display().to_string());
        let missing = Settings { ca_file: Some("/nowhere/ca.pem".into()), ..Settings::default() };
        assert!(matches!(tls(&missing), Err(RouteError::Authorities { .. })));
    }

    #[test]
    fn a_server_name_that_is_none_is_refused() {
        let settings = Settings {
            server_name: Some("a b".to_owned()),
            smarthost: Some("mail.example.org:25".parse().unwrap()),
            ..Settings::default()
        };
        assert!(matches!(tls(&settings), Err(RouteError::ServerName(_))));
    }

    /// Files with a certificate and a key, not necessarily of each other.
    fn client(cert: &str, key: &str) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            Some(folder.path().join(name))
        };
        let (client_cert, client_key) = (put("cert.pem", cert), put("key.pem", key));
        (folder, Settings { client_cert, client_key, ..Settings::default() })
    }

    #[test]
    fn a_client_certificate_comes_with_its_own_key() {
        let made = || rcgen::generate_simple_self_signed(["relay.example.org".to_owned()]).unwrap();
        let (one, other) = (made(), made());
        let (cert, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let (_folder, right) = client(&cert, &key);
        assert!(tls(&right).is_ok());
        for (cert, key, says) in [
            (cert.as_str(), other.signing_key.serialize_pem(), "does not belong to"),
            (&cert, "nothing".to_owned(), "key.pem"),
            ("nothing", key.clone(), "cert.pem"),
        ] {
            let (_folder, wrong) = client(cert, &key);
            let Err(RouteError::Client(why)) = tls(&wrong) else { panic!("{says}") };
            assert!(why.contains(says), "{why}");
        }
    }
}
