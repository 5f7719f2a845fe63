//! Certificates that a mail brings along: in parts of the type for them (RFC 3156 §7), as armored blocks in any text (RFC 9580
//! §6.2), or in the header field of Autocrypt. Nobody has looked at what they are.

use std::borrow::Cow;

use memchr::memmem;

use super::entity::Entity;
use super::read::signed_pair;
use super::scan::{Scanned, header};
use super::tree::{Kind, Part};
use crate::secret::Plaintext;

/// So many are taken: a person has one, and perhaps an older one.
pub const MOST: usize = 4;
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
    for (_, bytes) in leaves(&entity, MAX_BYTES).take(MOST) {
        found.look_at(&bytes);
    }
    found
}

/// The leaves of an entity that have no more bytes than that, each with what stands in it.
fn leaves<'e>(entity: &'e Entity<'_>, most: usize) -> impl Iterator<Item = (&'e Part, Cow<'e, [u8]>)> {
    let leaves = entity.parts.iter().filter(move |part| part.kind == Kind::Leaf && part.body.len() <= most);
    leaves.map(|part| (part, entity.decoded(part)))
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
        self.keys.truncate(MOST);
        self.signed.truncate(MOST);
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
            && found.len() < MOST
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
    let few = others.len() <= MOST && others.iter().all(|part| part.body.len() <= MAX_BYTES);
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

/// The first few certificates in an entity.
#[must_use]
pub fn certificates(entity: Scanned<'_>) -> Vec<Vec<u8>> {
    let entity = Entity::of(entity.bytes());
    let mut found = Vec::new();
    for (part, bytes) in leaves(&entity, usize::MAX) {
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
    let mut leaves = leaves(&entity, usize::MAX).filter(|(part, _)| Some(&part.whole) != signature.as_ref());
    leaves.any(|(part, bytes)| {
        texts += usize::from(part.ctype.is("text", "plain"));
        let first = part.ctype.is("text", "plain") && texts == 1;
        if first {
            return false;
        }
        // RFC 9580 §4.2: the first bit of a packet is set, and no text in ASCII begins so.
        let binary =
            part.ctype.is("application", "pgp-keys") && bytes.first().is_some_and(|b| *b & 0x80 != 0);
        !binary && !is_key_block(&bytes)
    })
}

/// The first armored certificate in a text.
#[must_use]
pub fn armored_certificate(text: &[u8]) -> Option<&[u8]> {
    let block = text.get(memmem::find(text, KEY.0)?..)?;
    block.get(..memmem::find(block, KEY.1)?.checked_add(KEY.1.len())?)
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
mod tests;
