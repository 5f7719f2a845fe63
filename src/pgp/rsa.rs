//! RSA with the Chinese remainders: a private operation takes a quarter of its time by the factors of the modulus.
//! Sequoia's OpenSSL backend knows the private exponent alone; everything around the number is still Sequoia's.

use sequoia_openpgp as openpgp;

use openpgp::crypto::mpi::{Ciphertext, PublicKey, SecretKeyMaterial, Signature};
use openpgp::crypto::{Decryptor, SessionKey, Signer, mem::Protected};
use openpgp::packet::Key;
use openpgp::packet::key::{self, PublicParts, SecretParts, UnspecifiedRole};
use openpgp::types::HashAlgorithm;
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::pkey::Private;
use openssl::rsa::{Padding, Rsa};

/// Fewer bytes than this are no session key: the shortest has 16, and a checksum of two behind it (RFC 9580 §5.1.3).
const LEAST: usize = 18;

/// An unlocked RSA key. A clone is the same key: OpenSSL counts who holds it, and wipes it behind the last (`RSA_free`
/// clears the private numbers).
#[derive(Clone)]
pub(super) struct CrtKey {
    public: Key<PublicParts, UnspecifiedRole>,
    rsa: Rsa<Private>,
}

impl CrtKey {
    /// The same key for OpenSSL; `None` for one that is not RSA, is locked, or whose factors are not those of its
    /// modulus. Sequoia can serve those.
    pub(super) fn of(key: &Key<SecretParts, UnspecifiedRole>) -> Option<Self> {
        let PublicKey::RSA { e, n } = key.mpis() else { return None };
        let key::SecretKeyMaterial::Unencrypted(secret) = key.secret() else { return None };
        let (e, n) = (BigNum::from_slice(e.value()).ok()?, BigNum::from_slice(n.value()).ok()?);
        let rsa = secret.map(|secret| match secret {
            SecretKeyMaterial::RSA { d, p, q, u } => {
                assembled(n, e, d.value(), [p.value(), q.value()], u.value()).ok().flatten()
            }
            _ => None,
        })?;
        Some(Self { public: key.parts_as_public().clone(), rsa })
    }

    fn room(&self) -> usize {
        usize::try_from(self.rsa.size()).unwrap_or(0)
    }
}

/// OpenPGP has u, the inverse of p modulo q (RFC 9580 §5.5.5.1), and OpenSSL the inverse of its second factor modulo its
/// first (RFC 8017 §3.2): so p and q change places.
fn assembled(
    n: BigNum,
    e: BigNum,
    d: &[u8],
    [p, q]: [&[u8]; 2],
    u: &[u8],
) -> Result<Option<Rsa<Private>>, ErrorStack> {
    let mut context = BigNumContext::new_secure()?;
    let [d, p, q, u] = [secret(d)?, secret(p)?, secret(q)?, secret(u)?];
    let mut product = BigNum::new_secure()?;
    product.checked_mul(&p, &q, &mut context)?;
    if product != n {
        return Ok(None);
    }
    let (dp, dq) = (remainder(&d, &p, &mut context)?, remainder(&d, &q, &mut context)?);
    Rsa::from_private_components(n, e, d, q, p, dq, dp, u).map(Some)
}

/// A number that is worked on in constant time.
fn secret(bytes: &[u8]) -> Result<BigNum, ErrorStack> {
    let mut number = BigNum::new_secure()?;
    number.copy_from_slice(bytes)?;
    number.set_const_time();
    Ok(number)
}

/// d modulo a factor less one.
fn remainder(d: &BigNumRef, factor: &BigNumRef, context: &mut BigNumContext) -> Result<BigNum, ErrorStack> {
    let (mut less, mut rest) = (BigNum::new_secure()?, BigNum::new_secure()?);
    less.checked_sub(factor, &*BigNum::from_u32(1)?)?;
    rest.set_const_time();
    let done = rest.checked_rem(d, &less, context);
    less.clear();
    done.map(|()| rest)
}

fn failed() -> openpgp::anyhow::Error {
    // OpenSSL's own words are dropped: nobody must learn how an unwrapping failed.
    openpgp::Error::InvalidOperation(String::new()).into()
}

impl Decryptor for CrtKey {
    fn public(&self) -> &Key<PublicParts, UnspecifiedRole> {
        &self.public
    }

    /// What the padding holds. For a wrong padding OpenSSL gives random bytes that depend on key and ciphertext alone
    /// (implicit rejection), so that nobody can tell it from a wrong session key: whoever asks tries them, and goes on.
    fn decrypt(&mut self, ciphertext: &Ciphertext, _: Option<usize>) -> openpgp::Result<SessionKey> {
        let Ciphertext::RSA { c } = ciphertext else { return Err(failed()) };
        let room = self.room();
        if c.value().len() > room {
            return Err(failed());
        }
        let mut plain = Protected::from(vec![0; room]);
        let padding = Padding::PKCS1;
        let found = self.rsa.private_decrypt(c.value(), &mut plain, padding).map_err(|_| failed());
        // The queue of errors belongs to the thread: nothing of this may be read there later.
        drop(ErrorStack::get());
        match plain.get(..found?) {
            // Sequoia 2.4 indexes into what it gets without looking how much that is.
            Some(session) if session.len() >= LEAST => Ok(SessionKey::from(session)),
            _ => Err(failed()),
        }
    }
}

impl Signer for CrtKey {
    fn public(&self) -> &Key<PublicParts, UnspecifiedRole> {
        &self.public
    }

    /// RFC 9580 §5.2.3.1: PKCS #1 v1.5 over the hash's name and value.
    fn sign(&mut self, hash: HashAlgorithm, digest: &[u8]) -> openpgp::Result<Signature> {
        let info = [hash.oid()?, digest].concat();
        let mut made = vec![0; self.room()];
        // A fault in one of the two halves would give the key away to whoever sees the signature. OpenSSL raises its
        // result to the public exponent before it lets go of it, and computes without the factors where that is not
        // what it began with (rsa_ossl_mod_exp). It blinds what it works on, too.
        let size = self.rsa.private_encrypt(&info, &mut made, Padding::PKCS1).map_err(|_| failed())?;
        made.truncate(size);
        Ok(Signature::RSA { s: made.into() })
    }
}

#[cfg(test)]
mod tests {
    use openpgp::crypto::KeyPair;
    use openpgp::packet::PKESK;
    use openpgp::packet::key::Key4;
    use openpgp::packet::pkesk::PKESK3;
    use openpgp::types::SymmetricAlgorithm;

    use super::*;

    type Secret = Key<SecretParts, UnspecifiedRole>;

    fn generated(bits: usize) -> Secret {
        Key::V4(Key4::<_, UnspecifiedRole>::generate_rsa(bits).unwrap())
    }

    /// Ours, and Sequoia's own.
    fn both(key: &Secret) -> (CrtKey, KeyPair) {
        (CrtKey::of(key).unwrap(), key.clone().into_keypair().unwrap())
    }

    fn wrapped(to: &Secret, session: &SessionKey) -> PKESK {
        PKESK3::for_recipient(SymmetricAlgorithm::AES256, session, to).unwrap().into()
    }

    fn number(pkesk: &PKESK) -> Ciphertext {
        let PKESK::V3(pkesk) = pkesk else { panic!("version 3 was made") };
        pkesk.esk().clone()
    }

    #[test]
    fn it_signs_and_opens_as_sequoia_does() {
        for bits in [2048, 3072, 4096] {
            let key = generated(bits);
            let (mut crt, mut pair) = both(&key);
            for hash in [HashAlgorithm::SHA256, HashAlgorithm::SHA512] {
                let digest = vec![7; hash.digest_size().unwrap()];
                // PKCS #1 v1.5 has nothing random in it.
                assert_eq!(crt.sign(hash, &digest).unwrap(), pair.sign(hash, &digest).unwrap(), "{bits}");
            }
            let session = SessionKey::new(32).unwrap();
            let (algorithm, found) = wrapped(&key, &session).decrypt(&mut crt, None).unwrap();
            assert_eq!((algorithm, found), (Some(SymmetricAlgorithm::AES256), session), "{bits}");
        }
    }

    #[test]
    fn what_is_for_another_key_gives_the_same_noise_as_ever_or_nothing() {
        let (key, other) = (generated(2048), generated(2048));
        let (mut crt, mut pair) = both(&key);
        let (mut short, mut long) = (0, 0);
        for _ in 0..300 {
            let pkesk = wrapped(&other, &SessionKey::new(32).unwrap());
            let theirs = Decryptor::decrypt(&mut pair, &number(&pkesk), None);
            match (Decryptor::decrypt(&mut crt, &number(&pkesk), None), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    assert_eq!(ours, theirs, "implicit rejection depends on key and ciphertext alone");
                    long += 1;
                }
                (Err(_), Ok(theirs)) => {
                    assert!(theirs.len() < LEAST, "only what is too short is turned down");
                    short += 1;
                }
                // The number is larger than our modulus.
                (Err(_), Err(_)) => {}
                (Ok(_), Err(_)) => panic!("Sequoia turns down what this takes"),
            }
            assert!(pkesk.decrypt(&mut crt, None).is_none(), "no panic and no session key");
        }
        assert!(long > 100, "{long} long, {short} short");
    }

    #[test]
    fn numbers_of_any_size_are_turned_down_or_tried() {
        let mut crt = CrtKey::of(&generated(2048)).unwrap();
        for len in [0, 1, 255, 256, 257, 4096] {
            for byte in [0, 1, 0xff] {
                let c = vec![byte; len].into();
                let _ = Decryptor::decrypt(&mut crt, &Ciphertext::RSA { c }, None);
            }
        }
    }

    #[test]
    fn a_key_whose_factors_are_not_its_own_is_left_to_sequoia() {
        let (key, other) = (generated(2048), generated(2048));
        let (_, foreign) = other.take_secret();
        let (public, _) = key.take_secret();
        let (mixed, _) = public.add_secret(foreign);
        assert!(CrtKey::of(&mixed).is_none());
        let x25519 = Key4::<_, UnspecifiedRole>::generate_x25519().unwrap();
        assert!(CrtKey::of(&Key::V4(x25519)).is_none());
    }
}
