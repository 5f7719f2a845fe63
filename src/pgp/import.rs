//! A certificate that comes in: what verifying it takes is bounded, too. One that is pinned already stays readable.

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::crypto::mpi::PublicKey;

use super::cert::{Cert, CertError, Held, own};

/// Own signatures: each is verified.
const MAX_SIGNATURES: usize = 500;
/// Bits of the numbers of a key: so many signatures by a larger one take seconds to verify. DSA has a smaller number, since
/// its exponents are long (FIPS 186-4 §4.2); those of RSA are short, as OpenSSL has them for long keys.
const MAX_RSA_BITS: usize = 8192;
const MAX_RSA_EXPONENT_BITS: usize = 64;
const MAX_DSA_BITS: usize = 3072;

impl Cert {
    /// As [`Cert::parse`], for one that comes in.
    ///
    /// # Errors
    /// As [`Cert::parse`]; [`CertError::TooLargeKey`].
    pub fn import(bytes: &[u8]) -> Result<Self, CertError> {
        Held::read(bytes)?.affordable()?;
        Self::parse(bytes)
    }
}

impl Held {
    /// Whether what is held is verified in bounded time.
    pub(super) fn affordable(&self) -> Result<(), CertError> {
        for cert in &self.certs {
            for packet in cert {
                match packet {
                    Packet::PublicKey(key) => check_size(key.mpis())?,
                    Packet::PublicSubkey(key) => check_size(key.mpis())?,
                    _ => {}
                }
            }
            let own = own(cert.clone())?;
            if own.iter().filter(|packet| matches!(packet, Packet::Signature(_))).count() > MAX_SIGNATURES {
                return Err(CertError::TooMany("signatures"));
            }
        }
        Ok(())
    }
}

fn check_size(key: &PublicKey) -> Result<(), CertError> {
    let fits = match key {
        PublicKey::RSA { e, n } => n.bits() <= MAX_RSA_BITS && e.bits() <= MAX_RSA_EXPONENT_BITS,
        PublicKey::DSA { p, q, g, y } => [p, q, g, y].iter().all(|number| number.bits() <= MAX_DSA_BITS),
        PublicKey::ElGamal { p, g, y } => [p, g, y].iter().all(|number| number.bits() <= MAX_RSA_BITS),
        _ => true,
    };
    if fits { Ok(()) } else { Err(CertError::TooLargeKey) }
}
