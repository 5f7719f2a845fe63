//! Certificates that came inside a mail, as bytes: parts of the type for them (RFC 3156 §7), armored blocks (RFC 9580
//! §6.2), and the header field of Autocrypt. Nobody has looked at what they are.

use memchr::memmem;

use super::enclosed::is_key_block;
use super::entity::Entity;
use super::read::signed_pair;
use super::scan::{Scanned, header};
use super::tree::Kind;

/// So many are taken: a person has one, and perhaps an older one.
pub const MOST: usize = 4;
const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &[u8] = b"-----END PGP PUBLIC KEY BLOCK-----";

/// The first few certificates in an entity.
#[must_use]
pub fn certificates(entity: Scanned<'_>) -> Vec<Vec<u8>> {
    let entity = Entity::of(entity.bytes());
    let mut found = Vec::new();
    for part in entity.parts.iter().filter(|part| part.kind == Kind::Leaf) {
        let bytes = entity.decoded(part);
        if part.ctype.is("application", "pgp-keys") {
            found.push(bytes.into_owned());
        } else {
            found.extend(armored_certificate(&bytes).map(<[u8]>::to_vec));
        }
        if found.len() >= MOST {
            return found;
        }
    }
    // The header of the payload: of the root, or of what a multipart/signed signs.
    let heads = entity.root().into_iter().chain(entity.children(0).map(|(_, part)| part).take(1));
    let heads = heads.filter_map(|part| entity.raw.get(part.whole.clone()));
    found.extend(heads.filter_map(|head| autocrypt(header(head, "Autocrypt")?)).take(1));
    found
}

/// Whether an entity holds more than one text, certificates, and the signature around it all (RFC 3156 §5). What a part is
/// called does not make it one: words may stand in it. Whether a certificate in binary is one, its reader finds.
#[must_use]
pub fn holds_more(entity: Scanned<'_>) -> bool {
    let entity = Entity::of(entity.bytes());
    let signature = signed_pair(&entity).map(|(_, signature)| signature.whole.clone());
    let mut texts = 0;
    let leaves = entity.parts.iter().filter(|part| part.kind == Kind::Leaf);
    let mut leaves = leaves.filter(|part| Some(&part.whole) != signature.as_ref());
    leaves.any(|part| {
        texts += usize::from(part.ctype.is("text", "plain"));
        let first = part.ctype.is("text", "plain") && texts == 1;
        if first {
            return false;
        }
        let bytes = entity.decoded(part);
        // RFC 9580 §4.2: the first bit of a packet is set, and no text in ASCII begins so.
        let binary =
            part.ctype.is("application", "pgp-keys") && bytes.first().is_some_and(|b| *b & 0x80 != 0);
        !binary && !is_key_block(&bytes)
    })
}

/// The first armored certificate in a text.
#[must_use]
pub fn armored_certificate(text: &[u8]) -> Option<&[u8]> {
    let block = text.get(memmem::find(text, BEGIN)?..)?;
    block.get(..memmem::find(block, END)?.checked_add(END.len())?)
}

/// The certificate of an Autocrypt field (Autocrypt 1.1 §2.1: `keydata` comes last, in base64, folded at will).
fn autocrypt(value: &[u8]) -> Option<Vec<u8>> {
    let attribute = |part: &[u8]| {
        let part = part.trim_ascii();
        let (name, data) = part.split_at_checked("keydata=".len())?;
        let data: Vec<u8> = data.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        name.eq_ignore_ascii_case(b"keydata=").then(|| base64_simd::STANDARD.decode_to_vec(&data).ok())?
    };
    value.split(|byte| *byte == b';').find_map(attribute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::{Limits, scan};

    const BLOCK: &str =
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nxjME\r\n-----END PGP PUBLIC KEY BLOCK-----";

    fn found(entity: &str) -> Vec<String> {
        let scanned = scan(entity.as_bytes(), &Limits::default()).unwrap();
        certificates(scanned).into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    #[test]
    fn a_certificate_is_found_in_each_of_its_places() {
        let part = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\nContent-Type: \
             application/pgp-keys\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--b\r\nContent-Type: \
             text/plain\r\nContent-Disposition: attachment\r\n\r\nkey:\r\n{BLOCK}\r\n--b--\r\n"
        );
        assert_eq!(found(&part), ["abc", BLOCK]);
        let field = "Autocrypt: addr=a@b.example; prefer-encrypt=mutual;\r\n keydata=YW\r\n Jj\r\nSubject: x\r\n\r\nHello\r\n";
        assert_eq!(found(field), ["abc"]);
        let signed = format!(
            "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n{field}\r\n--b\r\nContent-Type: \
             application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
        );
        assert_eq!(found(&signed), ["abc"]);
    }

    #[test]
    fn what_stands_beside_text_and_certificate_is_more() {
        let with = |part: &str| {
            let mail = format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\nContent-Type: \
                 application/pgp-keys\r\n\r\n{BLOCK}\r\n{part}--b--\r\n"
            );
            holds_more(scan(mail.as_bytes(), &Limits::default()).unwrap())
        };
        assert!(!with(""));
        assert!(!with(&format!("--b\r\nContent-Type: application/octet-stream\r\n\r\n{BLOCK}\r\n")));
        assert!(with("--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n"));
        assert!(with("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"));
        // Words under the name of a certificate or a signature, or beside one.
        for named in ["application/pgp-keys", "application/pgp-signature"] {
            assert!(with(&format!("--b\r\nContent-Type: {named}\r\n\r\nIt leaks.\r\n")), "{named}");
        }
        assert!(with(&format!("--b\r\nContent-Type: text/plain\r\n\r\nIt leaks.\r\n{BLOCK}\r\n")));
    }

    #[test]
    fn what_is_none_is_not_found_and_no_more_than_a_few_are() {
        for none in [
            "Subject: x\r\n\r\nHello",
            "Autocrypt: keydata=!!\r\n\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n",
        ] {
            assert!(found(none).is_empty(), "{none}");
        }
        let part = format!("--b\r\n\r\n{BLOCK}\r\n");
        let many = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(20));
        assert_eq!(found(&many).len(), MOST);
    }
}
