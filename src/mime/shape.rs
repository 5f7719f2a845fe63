//! The strict check: what may be decrypted at all, and what hides ciphertext. It looks at the parts of the walk and
//! trusts no single claim: type, place, number and content must agree.

use std::borrow::Cow;

use super::armor;
use super::ciphertext::{self, Sole};
use super::entity::Entity;
use super::field::ContentType;
use super::transfer::Encoding;
use super::tree::{self, Kind, Limits, Part};

/// What a mail is, as far as OpenPGP goes.
pub enum Shape<'a> {
    /// RFC 3156 §4 as the sole outermost part, or its remains after a known gateway. Transfer encoding removed.
    PgpMime {
        /// The encrypted message: armored as a rule.
        ciphertext: Cow<'a, [u8]>,
        /// A short plain text that came in front, in the clear: a whole part, header and all. It is never joined with
        /// what is decrypted.
        beside: Option<&'a [u8]>,
    },
    /// A single text whose decoded body is exactly one armored message; white space around it is dropped.
    Inline {
        /// From the first to the last dash.
        armor: Cow<'a, [u8]>,
    },
    /// An outermost `multipart/signed` with an OpenPGP signature, in the clear.
    Signed,
    /// Nothing encrypted with OpenPGP. Text in a cleartext signature (RFC 9580 §7) is clear text here.
    Clear,
    /// An encrypted part beside or inside clear text, several armors, or a part of one: never decrypted. Decrypting
    /// one piece of a mail that others wrote around it is how EFAIL read mail.
    Mixed,
}

/// Decides what a mail is.
pub(super) fn decide<'a>(entity: &Entity<'a>) -> Shape<'a> {
    match ciphertext::sole(entity) {
        Some(Sole::Entity { ciphertext, beside }) => return Shape::PgpMime { ciphertext, beside },
        Some(Sole::Text { armor }) => return Shape::Inline { armor },
        None => {}
    }
    if holds(entity.raw, Look::OpenPgp) {
        return Shape::Mixed;
    }
    match entity.root() {
        Some(root) if is_signed(root) => Shape::Signed,
        _ => Shape::Clear,
    }
}

/// Whether a part is `multipart/signed` with an OpenPGP signature (RFC 3156 §5).
pub(super) fn is_signed(part: &Part) -> bool {
    part.kind == Kind::Multipart
        && part.ctype.is("multipart", "signed")
        && part.ctype.param_is("protocol", "application/pgp-signature")
}

/// How closely to look for ciphertext.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Parts and lines that are OpenPGP by the letter.
    OpenPgp,
    /// Whatever some mail program might decrypt: S/MIME too, quoted armor, armor in markup, header lines that only
    /// another idea of structure would take for such.
    Anything,
}

/// How often a container may be encoded inside another; RFC 2046 forbids even one.
const LAYERS: usize = 3;

/// Whether something encrypted lies inside. What cannot be looked through counts as encrypted.
pub(super) fn holds(raw: &[u8], look: Look) -> bool {
    let mut open = vec![(Cow::Borrowed(raw), 0)];
    while let Some((bytes, layer)) = open.pop() {
        let limits = if layer == 0 { Limits::PASSED } else { Limits::default() };
        let Ok(parts) = tree::walk(&bytes, &limits) else { return true };
        if look == Look::Anything && (armor::has_anywhere(&bytes) || names_encryption(&bytes)) {
            return true;
        }
        for part in &parts {
            if is_encrypted_type(&part.ctype, look) {
                return true;
            }
            let body = bytes.get(part.body.clone()).unwrap_or_default();
            if part.kind == Kind::Leaf && text_holds(part.encoding.decode(body), &part.ctype, look) {
                return true;
            }
            let container = tree::is_message(&part.ctype) || part.ctype.main() == "multipart";
            if container && part.encoding != Encoding::Identity {
                if layer == LAYERS {
                    return true;
                }
                open.push((Cow::Owned(part.encoding.decode(body).into_owned()), layer + 1));
            }
        }
    }
    false
}

fn is_encrypted_type(ctype: &ContentType, look: Look) -> bool {
    let openpgp = ctype.is("multipart", "encrypted") || ctype.is("application", "pgp-encrypted");
    let smime = ctype.is("application", "pkcs7-mime") || ctype.is("application", "x-pkcs7-mime");
    openpgp || smime && look == Look::Anything
}

fn text_holds(text: Cow<'_, [u8]>, ctype: &ContentType, look: Look) -> bool {
    if look == Look::OpenPgp {
        return armor::has_line(&text);
    }
    // UTF-7 writes ASCII in two ways; nobody sends it in good faith.
    if ctype.main() == "text" && ctype.param_is("charset", "utf-7") {
        return true;
    }
    // In UTF-16 and UTF-32, ASCII is itself with zeros between.
    let text = if memchr::memchr(0, &text).is_some() {
        // In place: an attachment is large, and the next one decoded beside it, too.
        let mut bare = text.into_owned();
        bare.retain(|&b| b != 0);
        Cow::Owned(bare)
    } else {
        text
    };
    let markup = ctype.main() == "text" && !ctype.is("text", "plain");
    armor::has_anywhere(&text) || names_encryption(&text) || markup && armor::has_in_markup(&text)
}

/// What the value of such a field has in it.
const NAMES: [&str; 4] = ["/encrypted", "pgp-encrypted", "pkcs7-mime", ".p7m"];

/// Whether any line reads like a `Content-Type` field of something encrypted, wherever it stands and wherever it is
/// folded.
fn names_encryption(text: &[u8]) -> bool {
    // Most of what is large has no such word anywhere, which is seen far sooner.
    let word = |dash: usize| {
        let before = dash.checked_sub("content".len()).and_then(|start| text.get(start..dash));
        before.is_some_and(|word| word.eq_ignore_ascii_case(b"content"))
    };
    if !memchr::memchr_iter(b'-', text).any(word) {
        return false;
    }
    let names = |field: &str| NAMES.iter().any(|name| field.contains(name));
    let (mut in_field, mut field) = (false, String::new());
    for line in text.split(|&b| b == b'\n' || b == b'\r').filter(|line| !line.is_empty()) {
        let starts = starts_with(line.trim_ascii_start(), "content-type");
        if in_field && (starts || !line.starts_with(b" ") && !line.starts_with(b"\t")) {
            if names(&field) {
                return true;
            }
            field.clear();
            in_field = false;
        }
        in_field |= starts;
        if in_field {
            let bare = line.iter().filter(|b| !b.is_ascii_whitespace());
            field.extend(bare.map(|&b| char::from(b.to_ascii_lowercase())));
        }
    }
    in_field && names(&field)
}

fn starts_with(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;
