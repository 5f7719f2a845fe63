//! Mails as people's programs write them.

use super::gpg::Person;

/// An entity with protected headers (RFC 9788) and a text.
pub fn entity(from: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\nFrom: {from}\r\nSubject: {subject}\r\n\
         Message-ID: <{}@client.example>\r\n\r\n{}\r\n",
        super::random(12),
        text.replace('\n', "\r\n")
    )
    .into_bytes()
}

/// A PGP/MIME mail around an armored message (RFC 3156 §4).
pub fn pgp_mime(from: &str, to: &str, armored: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: {from}\r\nTo: {to}\r\nSubject: ...\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\
         Message-ID: <{}@client.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n\
         --enc\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --enc\r\nContent-Type: application/octet-stream\r\n\r\n",
        super::random(12)
    );
    [head.as_bytes(), &crlf(armored), b"\r\n--enc--\r\n"].concat()
}

/// An armored message as the whole text of a mail.
pub fn inline(from: &str, to: &str, armored: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: {from}\r\nTo: {to}\r\nSubject: ...\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    );
    [head.as_bytes(), &crlf(armored)].concat()
}

/// A mail that nobody encrypted.
pub fn clear(from: &str, to: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{}@client.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
        super::random(12),
        text.replace('\n', "\r\n")
    )
    .into_bytes()
}

/// A `multipart/signed` entity (RFC 3156 §5), to be encrypted afterwards (§6.1).
pub fn multipart_signed(signer: &Person, part: &[u8]) -> Vec<u8> {
    let signature = signer.sign(part);
    let head = "Content-Type: multipart/signed; boundary=\"sig\"; micalg=pgp-sha512;\r\n \
                protocol=\"application/pgp-signature\"\r\n\r\n--sig\r\n";
    let middle = "\r\n--sig\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n";
    [head.as_bytes(), part, middle.as_bytes(), &crlf(&signature), b"\r\n--sig--\r\n"].concat()
}

/// Every line ended by CRLF.
pub fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 60);
    for line in text.split_inclusive(|b| *b == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(bare.strip_suffix(b"\r").unwrap_or(bare));
        if line.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}
