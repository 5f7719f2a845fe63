//! Certificates that a mail brings along: attached (RFC 3156 §7), or in its text.

use super::entity::Entity;
use super::read::signed_pair;
use super::scan::Scanned;
use super::tree::{Kind, Part};
use crate::secret::Plaintext;

/// How many attached certificates are looked at.
const MAX_PARTS: usize = 4;
/// The longest attachment that is looked at: a certificate has 1 MiB at most, and armor adds a third.
const MAX_BYTES: usize = 3 << 20;

const KEY: (&[u8], &[u8]) = (b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----");
const SIGNED: (&[u8], &[u8]) = (b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----END PGP SIGNATURE-----");

/// What a mail brings along besides its words.
#[derive(Default)]
pub struct Enclosed {
    /// Certificates, armored, one behind the other; empty where there are none.
    pub keys: Vec<Plaintext>,
    /// Texts with a signature of their own around them (RFC 9580 §7).
    pub signed: Vec<Plaintext>,
}

/// What stands in the leaves of an entity.
#[must_use]
pub fn enclosed(entity: Scanned<'_>) -> Enclosed {
    let entity = Entity::of(entity.bytes());
    let mut found = Enclosed::default();
    let leaves = entity.parts.iter().filter(|part| part.kind == Kind::Leaf && part.body.len() <= MAX_BYTES);
    for part in leaves.take(MAX_PARTS) {
        found.look_at(&entity.decoded(part));
    }
    found
}

impl Enclosed {
    /// What stands in a text.
    #[must_use]
    pub fn of_text(text: &[u8]) -> Self {
        let mut found = Self::default();
        if text.len() <= MAX_BYTES {
            found.look_at(text);
        }
        found
    }

    fn look_at(&mut self, bytes: &[u8]) {
        self.keys.extend(blocks(bytes, KEY));
        self.signed.extend(blocks(bytes, SIGNED));
        self.keys.truncate(MAX_PARTS);
        self.signed.truncate(MAX_PARTS);
    }
}

/// The armored blocks in a text that begin and end so, each at the start of a line.
fn blocks(text: &[u8], (begin, end): (&[u8], &[u8])) -> Vec<Plaintext> {
    let (mut found, mut open, mut at) = (Vec::new(), None, 0_usize);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let next = at.saturating_add(line.len());
        let bare = line.trim_ascii_end();
        if bare == begin {
            open = Some(at);
        } else if bare == end
            && let Some(block) = open.take().and_then(|start| text.get(start..next))
            && found.len() < MAX_PARTS
        {
            found.push(Plaintext::new(block.to_vec()));
        }
        at = next;
    }
    found
}

/// What stands beside the text of an entity that is one plain text with attachments; `None` for what is made otherwise, or
/// of more than is looked at. The signature around all of it (RFC 3156 §5) is no attachment.
#[must_use]
pub fn beside_text(entity: Scanned<'_>) -> Option<Vec<Plaintext>> {
    let entity = Entity::of(entity.bytes());
    let signature = signed_pair(&entity).map(|(_, signature)| signature.whole.clone());
    let root = entity.root()?.whole.clone();
    let mut leaves = Vec::new();
    for part in entity.parts.iter().filter(|part| Some(&part.whole) != signature.as_ref()) {
        match part.kind {
            Kind::Leaf => leaves.push(part),
            Kind::Multipart if part.ctype.is("multipart", "mixed") => {}
            Kind::Multipart if part.whole == root && signature.is_some() => {}
            Kind::Multipart | Kind::Message => return None,
        }
    }
    let (first, others) = leaves.split_first()?;
    let few = others.len() <= MAX_PARTS && others.iter().all(|part| part.body.len() <= MAX_BYTES);
    let bytes = |part: &&Part| Plaintext::new(entity.decoded(part).into_owned());
    (few && first.ctype.is("text", "plain")).then(|| others.iter().map(bytes).collect())
}

/// Whether these bytes are one armored certificate, from the first line to the last; whether it is one, its reader finds.
#[must_use]
pub fn is_key_block(bytes: &[u8]) -> bool {
    let bare = bytes.trim_ascii();
    bare.starts_with(KEY.0) && bare.ends_with(KEY.1) && blocks(bytes, KEY).len() == 1
}

/// The lines that stand in a text with a signature of its own around it, if these bytes are one, from the first line to the
/// last (RFC 9580 §7).
#[must_use]
pub fn signed_words(bytes: &[u8]) -> Option<Plaintext> {
    let bare = bytes.trim_ascii();
    if !(bare.starts_with(SIGNED.0) && bare.ends_with(SIGNED.1)) {
        return None;
    }
    let mut lines = bare.split(|byte| *byte == b'\n').skip(1);
    // Only `Hash:` may stand above the empty line (RFC 9580 §7.1).
    for line in lines.by_ref() {
        match line.trim_ascii() {
            b"" => break,
            line if line.starts_with(b"Hash: ") => {}
            _ => return None,
        }
    }
    let words: Vec<&[u8]> =
        lines.take_while(|line| line.trim_ascii_end() != b"-----BEGIN PGP SIGNATURE-----").collect();
    Some(Plaintext::new(words.join(&b'\n')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::{Limits, scan};

    const BLOCK: &str =
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nAAAA\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n";

    fn mixed(second: &str) -> Vec<u8> {
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nVOUCHSAFE x\r\n--b\r\n{second}\r\n--b--\r\n"
        )
        .into_bytes()
    }

    fn found(entity: &[u8]) -> (usize, usize, Option<usize>) {
        let scanned = scan(entity, &Limits::default()).unwrap();
        let Enclosed { keys, signed } = enclosed(scanned);
        (keys.len(), signed.len(), beside_text(scanned).map(|beside| beside.len()))
    }

    #[test]
    fn a_certificate_is_found_wherever_it_stands_and_hides_nothing() {
        let attached = format!("Content-Type: application/pgp-keys\r\n\r\n{BLOCK}");
        assert_eq!(found(&mixed(&attached)), (1, 0, Some(1)));
        let base64 = data_encoding::BASE64.encode(BLOCK.as_bytes());
        let encoded = format!(
            "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{base64}"
        );
        assert_eq!(found(&mixed(&encoded)), (1, 0, Some(1)));
        let text = format!("Content-Type: text/plain\r\n\r\nVOUCHSAFE x\r\n\r\n{BLOCK}");
        assert_eq!(found(text.as_bytes()), (1, 0, Some(0)));
        let signed = "Content-Type: text/plain\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nx\r\n-----BEGIN PGP \
                      SIGNATURE-----\r\n\r\nA\r\n-----END PGP SIGNATURE-----";
        assert_eq!(found(&mixed(signed)), (0, 1, Some(1)));
        assert_eq!(found(&mixed("Content-Type: text/plain\r\n\r\nThere is a leak.")), (0, 0, Some(1)));
        assert_eq!(found(&mixed("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny")), (0, 0, None));
        let quoted = format!("Content-Type: text/plain\r\n\r\n{}", BLOCK.replace("-----B", "> -----B"));
        assert_eq!(found(quoted.as_bytes()), (0, 0, Some(0)));
    }

    #[test]
    fn a_block_is_one_from_its_first_line_to_its_last() {
        assert!(is_key_block(BLOCK.as_bytes()));
        assert!(!is_key_block(format!("{BLOCK}It leaks.\r\n{BLOCK}").as_bytes()));
        assert!(!is_key_block(format!("It leaks.\r\n{BLOCK}").as_bytes()));
        let signed = |head: &str| {
            let text = format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\r\n{head}\r\nabc\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nA\r\n-----END PGP SIGNATURE-----\r\n"
            );
            signed_words(text.as_bytes())
                .map(|words| String::from_utf8_lossy(words.expose()).trim().to_owned())
        };
        assert_eq!(signed("Hash: SHA512\r\n").as_deref(), Some("abc"));
        assert_eq!(signed("").as_deref(), Some("abc"));
        assert_eq!(signed("It leaks\r\n"), None);
    }
}
