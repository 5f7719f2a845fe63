//! Why a peer was not trusted, for people. Nothing here is the peer's text.

use std::io;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::egress::tls::trust::SelfSigned;

/// Why a peer is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// In words.
    pub why: String,
    /// Whether it showed a certificate that was not accepted: somebody is there who is not whom we look for.
    pub is_another: bool,
}

impl Distrust {
    pub(crate) fn other(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_another: false }
    }
}

/// Why a handshake failed. `shows`: whether we have a certificate to show.
pub(super) fn of_handshake(why: &io::Error, name: &ServerName<'_>, shows: bool) -> Distrust {
    match inner(why) {
        Some(Error::InvalidCertificate(wrong)) => {
            Distrust { why: of_certificate(wrong, &name.to_str()), is_another: true }
        }
        Some(Error::AlertReceived(alert)) => Distrust::other(of_alert(*alert, shows)),
        Some(Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        )) => Distrust::other(TOO_OLD),
        Some(Error::InvalidMessage(_)) => Distrust::other("the host speaks something else than TLS"),
        Some(other) => Distrust::other(other.to_string()),
        None => Distrust::other(format!("the handshake broke off ({})", why.kind())),
    }
}

/// In TLS 1.3 a client has shaken hands before the peer looks at its certificate: the peer's refusal comes in place of
/// the first reply (RFC 8446 §4.4.2.4).
pub(crate) fn late_alert(why: &io::Error) -> Option<String> {
    match inner(why) {
        Some(Error::AlertReceived(alert)) => Some(of_alert(*alert, true)),
        _ => None,
    }
}

fn inner(why: &io::Error) -> Option<&Error> {
    why.get_ref().and_then(|inner| inner.downcast_ref())
}

const TOO_OLD: &str = "the host speaks no version of TLS that is safe (1.2 or 1.3)";

fn of_alert(alert: AlertDescription, shows: bool) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::ProtocolVersion => TOO_OLD.to_owned(),
        Alert::CertificateRequired => {
            "the host demands a client certificate (client_cert, client_key)".to_owned()
        }
        // TLS 1.2 has no alert of its own for a certificate that is missing.
        Alert::HandshakeFailure if !shows => {
            "the host ended the handshake: it may demand a client certificate (client_cert, client_key)"
                .to_owned()
        }
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::CertificateUnknown
        | Alert::CertificateExpired
        | Alert::CertificateRevoked
        | Alert::UnsupportedCertificate
        | Alert::AccessDenied
            if shows =>
        {
            format!("the host does not accept our client certificate (alert {alert:?})")
        }
        _ => format!("the host ended the handshake with the alert {alert:?}"),
    }
}

fn of_certificate(wrong: &CertificateError, name: &str) -> String {
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
        Wrong::Other(inner) if inner.0.is::<SelfSigned>() => {
            "the host's certificate is signed by itself and by no authority".to_owned()
        }
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
