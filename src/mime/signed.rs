//! Signatures that stand in an entity's parts: a reader's own program may show them, whether anybody here looked at them
//! or not.

use std::borrow::Cow;

use memchr::memmem;

use super::entity::Entity;
use super::field::ContentType;
use super::read::signed_pair;
use super::scan::{Limits, Scanned, scan};
use super::transfer::Encoding;
use super::tree::{self, Kind, Part};

/// What stands inside, beside the signature of an OpenPGP `multipart/signed` that is the entity itself (RFC 3156 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InnerSignatures {
    /// A `multipart/signed` with an OpenPGP signature, or one that names no protocol, around a part; or around
    /// everything, and malformed.
    pub parts: bool,
    /// OpenPGP signatures of another form: a detached one beside what it is for, text in a cleartext signature (RFC 9580
    /// §7).
    pub loose: bool,
    /// S/MIME in either form (RFC 8551 §3.5).
    pub smime: bool,
}

/// How often a container may be encoded inside another; RFC 2046 forbids even one.
const LAYERS: usize = 3;

/// Looks for signatures in all parts, those of forwarded messages included, and in containers that are encoded.
#[must_use]
pub fn inner_signatures(entity: Scanned<'_>) -> InnerSignatures {
    let mut found = InnerSignatures::default();
    let mut open = vec![(Cow::Borrowed(entity.bytes()), 0)];
    while let Some((bytes, layer)) = open.pop() {
        // What stood in another coat nobody scanned yet; what cannot be looked through may hold a signature.
        let scanned = if layer == 0 { Ok(entity) } else { scan(&bytes, &Limits::default()) };
        let Ok(scanned) = scanned else {
            found.loose = true;
            continue;
        };
        let entity = Entity::of(scanned.bytes());
        let first = usize::from(layer == 0 && signed_pair(&entity).is_some());
        for part in entity.parts.iter().skip(first) {
            found.look(&entity, part);
            let container = tree::is_message(&part.ctype) || part.ctype.main() == "multipart";
            if container && part.encoding != Encoding::Identity {
                if layer == LAYERS {
                    found.loose = true;
                } else {
                    open.push((Cow::Owned(entity.decoded(part).into_owned()), layer + 1));
                }
            }
        }
    }
    found
}

impl InnerSignatures {
    fn look(&mut self, entity: &Entity<'_>, part: &Part) {
        let ctype = &part.ctype;
        if ctype.is("multipart", "signed") {
            let smime = names_smime(ctype);
            self.smime |= smime;
            self.parts |= !smime;
        }
        self.smime |= is_opaque(ctype);
        self.loose |= is_detached(entity, part) || is_framed(entity, part);
    }
}

fn names_smime(ctype: &ContentType) -> bool {
    let protocol = ctype.param("protocol").unwrap_or_default().to_ascii_lowercase();
    memmem::find(&protocol, b"pkcs7-signature").is_some()
}

/// RFC 8551 §3.5.2: content and signature in one structure.
fn is_opaque(ctype: &ContentType) -> bool {
    let smime = ctype.is("application", "pkcs7-mime") || ctype.is("application", "x-pkcs7-mime");
    smime && ctype.param_is("smime-type", "signed-data")
}

/// A signature that belongs to no `multipart/signed`.
fn is_detached(entity: &Entity<'_>, part: &Part) -> bool {
    let around = part.parent.and_then(|parent| entity.parts.get(parent));
    part.ctype.is("application", "pgp-signature")
        && !around.is_some_and(|p| p.ctype.is("multipart", "signed"))
}

fn is_framed(entity: &Entity<'_>, part: &Part) -> bool {
    const FRAME: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
    if part.kind != Kind::Leaf || part.ctype.main() != "text" {
        return false;
    }
    let text = entity.decoded(part);
    let begins_line =
        |place: usize| place.checked_sub(1).is_none_or(|before| text.get(before) == Some(&b'\n'));
    memmem::find_iter(&text, FRAME).any(begins_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PGP: &str = "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n\
        --s\r\n\r\ntext\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--s--\r\n";

    fn found(entity: &str) -> InnerSignatures {
        inner_signatures(scan(entity.as_bytes(), &Limits::default()).unwrap())
    }

    fn mixed(part: &str) -> String {
        format!("Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n{part}\r\n--m--\r\n")
    }

    #[test]
    fn tells_inner_signatures_from_the_one_around_everything() {
        let (none, parts) =
            (InnerSignatures::default(), InnerSignatures { parts: true, ..Default::default() });
        assert_eq!(found(PGP), none);
        assert_eq!(found("Subject: x\r\n\r\n> -----BEGIN PGP SIGNED MESSAGE-----\r\n"), none);
        assert_eq!(found(&mixed(PGP)), parts);
        assert_eq!(found(&mixed(&format!("Content-Type: message/rfc822\r\n\r\n{PGP}"))), parts);
        assert_eq!(found(&PGP.replace("--s--", "--s\r\n\r\nmore\r\n--s--")), parts, "three parts");
        assert_eq!(found(&PGP.replace("protocol=\"application/pgp-signature\"; ", "")), parts, "no protocol");
    }

    #[test]
    fn knows_other_forms() {
        let loose = InnerSignatures { loose: true, ..Default::default() };
        assert_eq!(found(&mixed("Content-Type: application/pgp-signature\r\n\r\nsig")), loose);
        let framed = "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\r\n\r\ntext\r\n";
        assert_eq!(found(&format!("Subject: x\r\n\r\n{framed}")), loose);
        assert_eq!(found(&mixed(&format!("Content-Type: text/html\r\n\r\n\r\n{framed}"))), loose);
        let smime = InnerSignatures { smime: true, ..Default::default() };
        assert_eq!(found(&PGP.replace("pgp-signature", "pkcs7-signature")), smime);
        assert_eq!(found("Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nMIIB"), smime);
        assert_eq!(
            found(&mixed("Content-Type: application/x-pkcs7-mime; smime-type=signed-data\r\n\r\nMIIB")),
            smime
        );
    }
}
