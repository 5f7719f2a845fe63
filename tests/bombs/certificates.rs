//! Certificates that take long to check.

use crate::packets::*;

/// Each with words of the refusal.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let id = packet(USER_ID, b"<bomb@kubeedge.example>");
    let armor = |packets: &[u8]| armored("PUBLIC KEY BLOCK", packets);
    let eight = integer(8);
    let foreign = signature_4(0x10, &[5, 2, 0x60, 0, 0, 0], 22, &[eight.clone(), eight.clone()].concat());
    // Without an issuer they could be its own.
    let own = |algorithm, values: &[u8], times| {
        signature_4(0x13, &[5, 2, 0x60, 0, 0, 0], algorithm, values).repeat(times)
    };
    let rsa = |bits| key(1, &[integer(bits), integer(64)].concat());
    let long_exponent = key(1, &[integer(3072), integer(3071)].concat());
    let dsa = key(17, &[integer(10_000), integer(256), integer(9_999), integer(9_999)].concat());
    let subpackets = signature_4(0x13, &[1, 101].repeat(32_000), 22, &[eight.clone(), eight].concat());
    vec![
        (
            "5 MB with 150,000 signatures",
            armor(&[key(22, &ed25519()), id.clone(), foreign.repeat(150_000)].concat()),
            "more than 1 MiB",
        ),
        (
            "20,000 signatures",
            armor(&[key(22, &ed25519()), id.clone(), foreign.repeat(20_000)].concat()),
            "too many signatures",
        ),
        (
            "RSA of 65,535 bits",
            armor(&[rsa(65_535), id.clone(), own(1, &integer(65_535), 40)].concat()),
            "too large a key",
        ),
        (
            "RSA of 16,384 bits",
            armor(&[rsa(16_384), id.clone(), own(1, &integer(16_384), 300)].concat()),
            "too large a key",
        ),
        (
            "RSA with a long exponent",
            armor(&[long_exponent, id.clone(), own(1, &integer(3072), 400)].concat()),
            "too large a key",
        ),
        (
            "DSA of 10,000 bits",
            armor(&[dsa, id.clone(), own(17, &[integer(256), integer(256)].concat(), 900)].concat()),
            "too large a key",
        ),
        (
            "subpackets without end",
            armor(&[key(22, &ed25519()), id.clone(), subpackets.repeat(10)].concat()),
            "too many subpackets",
        ),
        (
            "user attributes without end",
            armor(&[key(22, &ed25519()), packet(USER_ATTRIBUTE, &[1, 101].repeat(300_000))].concat()),
            "cannot be encrypted to",
        ),
        ("a thousand User IDs", armor(&[key(22, &ed25519()), id.repeat(1000)].concat()), "too many User IDs"),
        (
            "a thousand keys",
            armor(&[key(22, &ed25519()), id, subkey().repeat(1000)].concat()),
            "too many keys",
        ),
        (
            "a compressed certificate",
            armor(&compressed_many(&key(22, &ed25519()), &[0; 1 << 20], 100)),
            "not an OpenPGP certificate",
        ),
    ]
}

/// A version 4 primary key (RFC 9580 §5.5.2.2).
fn key(algorithm: u8, material: &[u8]) -> Vec<u8> {
    packet(PUBLIC_KEY, &[&[4, 0x60, 0, 0, 0, algorithm][..], material].concat())
}

fn subkey() -> Vec<u8> {
    packet(14, &[&[4, 0x60, 0, 0, 0, 22][..], &ed25519()].concat())
}

/// RFC 9580 §5.5.5.5: EdDSA in its legacy form: the curve, and a point.
fn ed25519() -> Vec<u8> {
    let curve = [0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01];
    [&[9][..], &curve, &[1, 7, 0x40], &[9; 32]].concat()
}
