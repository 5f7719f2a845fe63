//! Mail as it comes: its limits, what is read of it, and what is taken for encrypted.

use vouchsafe::mime::read::{
    Headers, Shape, holds_encrypted, payload_headers, plain_text, read, signed_parts,
};
use vouchsafe::mime::report::{everywhere, prose, report};
use vouchsafe::mime::scan::{Limits, Outer, header, header_count, outer, scan};
use vouchsafe::relay::bounce;

/// Limits that a small mail reaches.
fn tight() -> Limits {
    Limits { size: 16 << 10, header_bytes: 1 << 10, depth: 4, parts: 12 }
}

/// The scan: what passes small limits passes large ones, and what is looked up in a header stands there.
pub fn mime_scan(data: &[u8]) {
    let (small, large) = (scan(data, &tight()), scan(data, &Limits::default()));
    if let Ok(scanned) = &small {
        assert!(large.is_ok() && scanned.bytes() == data && data.len() <= tight().size);
    }
    for name in ["From", "content-type", "Received", "X"] {
        assert_eq!(header_count(data, name) > 0, header(data, name).is_some());
    }
    let _ = outer(data);
}

/// Everything that is read of a mail that passed the scan.
pub fn mime_reader(data: &[u8]) {
    let Ok(scanned) = scan(data, &Limits::default()) else { return };
    if let Ok(message) = read(scanned) {
        assert_eq!(message.raw(), data);
        sane(&message.headers());
    }
    payload_headers(scanned).iter().for_each(sane);
    if let Some(text) = plain_text(scanned) {
        assert!(std::str::from_utf8(text.expose()).is_ok());
    }
    for found in everywhere(scanned, &["Message-ID", "List-Id", "X-Loop"]) {
        assert!(found.name < 3 && found.value.len() <= data.len());
    }
    let _ = report(scanned);
    let _ = prose(scanned);
    let _ = bounce::read(data, &Limits::default());
}

fn sane(headers: &Headers) {
    for id in headers.message_id.iter().chain(&headers.in_reply_to).chain(&headers.references) {
        assert!(!id.contains(['\r', '\n']), "a message-id is one word: {id:?}");
    }
    let all = [&headers.from, &headers.sender, &headers.reply_to, &headers.to, &headers.cc];
    for address in all.into_iter().flatten().filter_map(|mailbox| mailbox.address.as_ref()) {
        assert!(!address.contains(['\r', '\n']), "an address is one word: {address:?}");
    }
}

/// What may be decrypted: one armored block or binary packets, and never what hides others.
pub fn structure(data: &[u8]) {
    let claim = outer(data);
    let Ok(scanned) = scan(data, &Limits::default()) else { return };
    if let Some(parts) = signed_parts(scanned) {
        let inside = data.as_ptr_range().contains(&parts.signed.as_ptr()) || parts.signed.is_empty();
        assert!(inside, "what was signed is what came, byte for byte");
    }
    let Ok(message) = read(scanned) else { return };
    match message.shape() {
        Shape::PgpMime { ciphertext, .. } => assert!(!ciphertext.is_empty()),
        Shape::Inline { armor } => {
            assert_ne!(claim, Outer::Clear, "the door would have refused it as clear");
            assert!(armor.starts_with(b"-----BEGIN PGP MESSAGE-----"));
            assert!(armor.ends_with(b"-----END PGP MESSAGE-----"));
        }
        Shape::Clear | Shape::Signed => assert!(!shows_armor(data), "an encrypted text was called clear"),
        Shape::Mixed => {}
    }
    let _ = holds_encrypted(scanned);
}

/// Whether a mail without any field about its structure, and so plain text (RFC 2045 §5.2), has a line in its body that
/// begins an armored message.
fn shows_armor(mail: &[u8]) -> bool {
    if header_count(mail, "Content-Type") + header_count(mail, "Content-Transfer-Encoding") > 0 {
        return false;
    }
    let mut lines = mail.split(|byte| *byte == b'\n');
    let _header = lines.by_ref().take_while(|line| !matches!(*line, b"" | b"\r")).count();
    lines.any(|line| line.starts_with(b"-----BEGIN PGP MESSAGE-----"))
}
