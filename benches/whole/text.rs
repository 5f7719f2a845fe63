//! Mails of a wanted size.

use sequoia_openpgp::Cert;

use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::openpgp::sign_encrypt;

/// Lines of base64 of random bytes, about `size` bytes in all: what an attachment looks like, and nothing compresses it.
pub(crate) fn lines(size: usize) -> String {
    let mut random = vec![0; size * 3 / 4];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut random).unwrap();
    let base64 = data_encoding::BASE64.encode(&random);
    let mut text = String::with_capacity(size + size / 60);
    for line in base64.as_bytes().chunks(76) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text.truncate(size);
    text
}

/// An entity of about `size` bytes, line ends included.
pub(crate) fn entity_of(from: &str, size: usize) -> Vec<u8> {
    // A line of 76 characters and its two ends.
    entity(from, "Overflow in the parser", &lines(size / 78 * 77))
}

/// An encrypted and signed mail around such an entity.
pub(crate) fn announcement(from: &str, signer: &Cert, list: (&str, &Cert), size: usize) -> Vec<u8> {
    let (address, cert) = list;
    pgp_mime(from, address, &sign_encrypt(signer, cert, &entity_of(from, size)))
}

/// A report in the clear of about `size` bytes.
pub(crate) fn report(to: &str, size: usize) -> Vec<u8> {
    clear("rita@reporter.example", to, "Overflow", &lines(size.saturating_sub(250) / 78 * 77))
}
