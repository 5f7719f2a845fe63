//! The sole ciphertext of a mail: where RFC 3156 puts it, or where known gateways leave it.
//!
//! Whatever stands beside it must be nothing that anybody reads: empty parts, the control part. One exception is
//! made: a short plain text in front, as virus scanners and mail servers put it there. It is handed out apart, and is
//! never a part of what is decrypted: who can add such text could send the ciphertext without it as well, so nothing
//! is opened here that would not be opened anyway. `docs/mail-forms.md` lists all forms.

use std::borrow::Cow;

use super::armor;
use super::entity::Entity;
use super::field::{self, ContentType};
use super::transfer::Encoding;
use super::tree::{Kind, Limits, Part};

/// How large a mail's structure may be for one that is understood here: more parts hold more than one ciphertext.
pub(super) const LIMITS: Limits = Limits { size: usize::MAX, header_bytes: usize::MAX, depth: 4, parts: 12 };

/// The longest text in front that a gateway may have written, in bytes.
const MAX_WORDS: usize = 4 << 10;

/// What ProtonMail puts where a text would be (its Bridge cannot send mail without one).
const NO_WORDS: &[&[u8]] = &[b"Empty Message"];

/// The sole ciphertext, transfer encoding removed.
pub(super) enum Sole<'a> {
    /// A MIME entity is inside (RFC 3156 §4).
    Entity {
        /// Armored as a rule.
        ciphertext: Cow<'a, [u8]>,
        /// The part in front that a gateway wrote, header and all.
        beside: Option<&'a [u8]>,
    },
    /// Bare text is inside.
    Text {
        /// From the first to the last dash.
        armor: Cow<'a, [u8]>,
    },
}

/// Finds it; `None` where anything else stands beside it, or where there is none.
pub(super) fn sole<'a>(entity: &Entity<'a>) -> Option<Sole<'a>> {
    let root = entity.root().filter(|root| !root.ambiguous)?;
    // Asked within the limits or not, the answer is the same: the session and the relay must agree. What lies deeper than
    // the other limit fits no form.
    if entity.parts.len() > LIMITS.parts {
        return None;
    }
    match root.kind {
        Kind::Multipart => of_parts(entity).or_else(|| buried(entity, root)),
        Kind::Leaf => of_leaf(entity, root).or_else(|| buried(entity, root)),
        Kind::Message => None,
    }
}

/// A mail that is nothing but an armored message. Its type does not matter then, unless it is markup, in which more
/// may be hidden than is seen, or a file, in which there is no text to show.
fn of_leaf<'a>(entity: &Entity<'a>, root: &Part) -> Option<Sole<'a>> {
    let named = root.ctype.is("application", "octet-stream") && root.ctype.param("name").is_some();
    if named || is_file(entity, root) {
        return None;
    }
    armored(entity, root).map(|armor| Sole::Text { armor })
}

/// What one of the parts is to the whole. The ciphertext is decoded only when all else fits: files are large.
enum Piece<'a> {
    /// Nothing to read.
    Blank,
    /// RFC 3156 §4: the control information.
    Control,
    /// What begins like a ciphertext; whether it stands where a text would.
    Data { part: usize, text: bool },
    /// The same, in a `multipart/encrypted` as it should be.
    Whole { part: usize },
    /// A short plain text.
    Words(&'a [u8]),
}

/// The parts of a multipart, sorted.
#[derive(Default)]
struct Pile<'a> {
    controls: usize,
    data: Option<(usize, bool)>,
    whole: Option<usize>,
    words: Option<&'a [u8]>,
}

impl<'a> Pile<'a> {
    /// `None` when a part does not go with those before it.
    fn sort(mut self, piece: Piece<'a>) -> Option<Self> {
        match piece {
            Piece::Blank => {}
            Piece::Control => self.controls += 1,
            Piece::Data { part, text } if self.data.is_none() => self.data = Some((part, text)),
            Piece::Whole { part } if self.whole.is_none() => self.whole = Some(part),
            // In front, where no ciphertext could be taken for a part of it.
            Piece::Words(words) if self.is_empty() => self.words = Some(words),
            Piece::Data { .. } | Piece::Whole { .. } | Piece::Words(_) => return None,
        }
        Some(self)
    }

    const fn is_empty(&self) -> bool {
        self.controls == 0 && self.data.is_none() && self.whole.is_none() && self.words.is_none()
    }
}

fn of_parts<'a>(entity: &Entity<'a>) -> Option<Sole<'a>> {
    let root = entity.root()?;
    let encrypted = root.ctype.is("multipart", "encrypted");
    if encrypted && !is_for_openpgp(&root.ctype) {
        return None;
    }
    let parts = entity.strict_parts(0, if encrypted { "encrypted" } else { "mixed" })?;
    let mut pile = Pile::default();
    for (index, part) in parts {
        pile = pile.sort(piece(entity, index, part)?)?;
    }
    match pile {
        // Of a part that says it is encrypted the control information may have been taken away.
        Pile { controls: 0 | 1, data: Some((part, _)), whole: None, words: None } if encrypted => {
            Some(Sole::Entity { ciphertext: ciphertext(entity, part)?, beside: None })
        }
        Pile { controls: 1, data: Some((part, _)), whole: None, words }
        | Pile { controls: 0, data: None, whole: Some(part), words }
            if !encrypted =>
        {
            Some(Sole::Entity { ciphertext: ciphertext(entity, part)?, beside: words })
        }
        // A text that somebody wrapped. Files beside an empty text are no mail that was encrypted, but files.
        Pile { controls: 0, data: Some((part, true)), whole: None, words: None } if !encrypted => {
            Some(Sole::Text { armor: ciphertext(entity, part)? })
        }
        _ => None,
    }
}

/// The ciphertext that is all of that part, if no armor stands outside of it, such as before the first delimiter.
fn ciphertext<'a>(entity: &Entity<'a>, part: usize) -> Option<Cow<'a, [u8]>> {
    let (root, part) = (entity.root()?, entity.parts.get(part)?);
    let outside = [root.body.start..part.body.start, part.body.end..root.body.end];
    if outside.into_iter().any(|range| armor::has_line(entity.raw.get(range).unwrap_or_default())) {
        return None;
    }
    armored(entity, part).or_else(|| is_binary(entity, part).then(|| entity.decoded(part)))
}

/// RFC 3156 §4; a gateway may have lost the parameter, but another protocol is another's.
fn is_for_openpgp(ctype: &ContentType) -> bool {
    ctype.param("protocol").is_none() || ctype.param_is("protocol", "application/pgp-encrypted")
}

fn piece<'a>(entity: &Entity<'a>, index: usize, part: &Part) -> Option<Piece<'a>> {
    match part.kind {
        Kind::Leaf => leaf(entity, index, part),
        Kind::Multipart if part.ctype.is("multipart", "encrypted") => whole(entity, index, part),
        Kind::Multipart if part.ctype.is("multipart", "alternative") => {
            let mut leaves = entity.strict_parts(index, "alternative")?.into_iter();
            let blank = |(_, leaf): (usize, &Part)| leaf.kind == Kind::Leaf && is_blank(entity, leaf);
            leaves.all(blank).then_some(Piece::Blank)
        }
        Kind::Multipart | Kind::Message => None,
    }
}

fn leaf<'a>(entity: &Entity<'a>, index: usize, part: &Part) -> Option<Piece<'a>> {
    let ctype = &part.ctype;
    let claims_control = ctype.is("application", "pgp-encrypted");
    let small = entity.body(part).len() <= 2 * MAX_WORDS;
    if is_blank(entity, part) {
        return Some(if claims_control { Piece::Control } else { Piece::Blank });
    }
    if small && (ctype.main() == "application" || ctype.is("text", "plain")) {
        let control = entity.decoded(part);
        if is_version_1(&control) {
            return Some(Piece::Control);
        }
    }
    if begins_like_armor(entity, part) {
        let text = ctype.is("text", "plain") && !is_file(entity, part);
        return Some(Piece::Data { part: index, text });
    }
    if is_binary(entity, part) {
        return Some(Piece::Data { part: index, text: false });
    }
    let words = small && ctype.is("text", "plain") && !is_file(entity, part) && {
        let words = entity.decoded(part);
        words.len() <= MAX_WORDS && !armor::has_anywhere(&words)
    };
    words.then(|| entity.raw.get(part.whole.clone()).map(Piece::Words))?
}

/// RFC 3156 §4: exactly two parts, control information and ciphertext.
fn whole<'a>(entity: &Entity<'a>, index: usize, part: &Part) -> Option<Piece<'a>> {
    if !is_for_openpgp(&part.ctype) {
        return None;
    }
    let [(first, control), (second, data)] = *entity.strict_parts(index, "encrypted")?.as_slice() else {
        return None;
    };
    if control.kind != Kind::Leaf || data.kind != Kind::Leaf {
        return None;
    }
    match (leaf(entity, first, control)?, leaf(entity, second, data)?) {
        (Piece::Control, Piece::Data { part, .. }) => Some(Piece::Whole { part }),
        _ => None,
    }
}

/// Whether the mail hands that part over as a file.
fn is_file(entity: &Entity<'_>, part: &Part) -> bool {
    let header = entity.raw.get(part.whole.start..part.body.start).unwrap_or_default();
    let mut fields = field::fields(header);
    fields.any(|f| f.is("Content-Disposition") && ContentType::parse(f.value).main() == "attachment")
}

/// RFC 3156 §4: the control part says `Version: 1`.
fn is_version_1(control: &[u8]) -> bool {
    let Some((name, value)) = control.trim_ascii().split_at_checked(8) else { return false };
    name.eq_ignore_ascii_case(b"Version:") && value.trim_ascii() == b"1"
}

/// Whether nobody could read anything in that part: white space, or markup that shows nothing else.
fn is_blank(entity: &Entity<'_>, part: &Part) -> bool {
    if entity.body(part).len() > 2 * MAX_WORDS {
        return false;
    }
    let text = entity.decoded(part);
    let plain = part.ctype.main() != "text" || part.ctype.is("text", "plain");
    if plain {
        let text = without_spaces(&text);
        return text.is_empty() || NO_WORDS.contains(&text.as_slice());
    }
    part.ctype.is("text", "html") && armor::is_empty_markup(&text)
}

/// Without white space at both ends, and without the spaces beyond ASCII that mail programs leave: U+00A0 in UTF-8, or
/// the mark of UTF-8 itself.
fn without_spaces(text: &[u8]) -> Vec<u8> {
    let mut rest = text.trim_ascii();
    while let Some(next) = rest.strip_prefix(b"\xc2\xa0").or_else(|| rest.strip_prefix(b"\xef\xbb\xbf")) {
        rest = next.trim_ascii();
    }
    rest.to_vec()
}

/// How much of a part is looked at before all of it is decoded.
const HEAD: usize = 512;

/// How a part may be encoded: as it says, or, where that was lost or is wrong, otherwise.
fn encodings(part: &Part) -> impl Iterator<Item = Encoding> {
    let named = part.encoding;
    let others = [Encoding::Identity, Encoding::Base64].into_iter().filter(move |other| *other != named);
    std::iter::once(named).chain(others)
}

/// The beginning of a part, decoded.
fn head(body: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    let body = body.trim_ascii_start();
    encoding.decode(body.get(..HEAD).unwrap_or(body))
}

/// Whether a part that is not markup begins with an armored message.
fn begins_like_armor(entity: &Entity<'_>, part: &Part) -> bool {
    let body = entity.body(part);
    let markup = ["html", "xml", "enriched", "richtext"].iter().any(|sub| part.ctype.is("text", sub));
    let known = matches!(part.ctype.main(), "text" | "application") && !markup;
    known && encodings(part).any(|encoding| armor::begins(&head(body, encoding)))
}

/// Whether a file begins like packets. RFC 9580 §4.2: the first octet of a packet has its highest bit set, which no text
/// in ASCII has.
fn is_binary(entity: &Entity<'_>, part: &Part) -> bool {
    let file = part.ctype.main() == "application" && !part.ctype.is("application", "pgp-encrypted");
    let body = entity.body(part);
    file && part
        .encoding
        .decode(body.get(..HEAD).unwrap_or(body))
        .first()
        .is_some_and(|first| first & 0x80 != 0)
}

/// The armored message that is all of a part, its transfer encoding removed.
fn armored<'a>(entity: &Entity<'a>, part: &Part) -> Option<Cow<'a, [u8]>> {
    if !begins_like_armor(entity, part) {
        return None;
    }
    let body = entity.body(part);
    let found = |encoding: Encoding| {
        // Base64 that is not named must be all of it.
        let fits = encoding == part.encoding || encoding == Encoding::Identity || armor::is_in_base64(body);
        let begins = fits && armor::begins(&head(body, encoding));
        begins.then(|| sole_armor(encoding.decode(body))).flatten()
    };
    encodings(part).find_map(found)
}

/// The sole armor of a text; where the mail was neither encoded nor mangled, it is that part of the mail.
fn sole_armor(text: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
    match armor::narrowed(text) {
        Cow::Borrowed(text) => armor::sole(text),
        Cow::Owned(text) => armor::sole(&text).map(|armor| Cow::Owned(armor.into_owned())),
    }
}

/// A multipart that the header does not lead to: its type was lost or its boundary, or all of it was encoded, which
/// RFC 2045 §6.4 forbids. The body must begin and end with the delimiters, and what stands for headers be nothing else: all
/// of it is text to whoever goes by the header.
fn buried<'a>(entity: &Entity<'a>, root: &Part) -> Option<Sole<'a>> {
    let lost =
        root.kind == Kind::Leaf && (root.ctype.is("text", "plain") || root.ctype.main() == "multipart");
    let encoded = root.kind == Kind::Multipart && root.encoding != Encoding::Identity && !root.closed;
    if !lost && !encoded {
        return None;
    }
    let body = root.encoding.decode(entity.body(root));
    let body = body.trim_ascii();
    let first = body.split(|&b| b == b'\n').next()?.trim_ascii_end();
    let boundary = first.strip_prefix(b"--").filter(|b| is_boundary(b))?;
    let end = body.strip_suffix(b"--")?.strip_suffix(boundary)?;
    end.ends_with(b"\n--").then_some(())?;
    let sub: &[u8] = if root.ctype.is("multipart", "encrypted") { b"encrypted" } else { b"mixed" };
    let head = [b"Content-Type: multipart/", sub, b"; boundary=\"", boundary, b"\"\r\n\r\n"].concat();
    let found = [&head, body].concat();
    let inner = Entity::within(&found, &LIMITS)?;
    let header = |part: &Part| inner.raw.get(part.whole.start..part.body.start).unwrap_or_default();
    let parts = inner.parts.get(1..)?;
    let bare = parts.iter().all(|part| part.kind == Kind::Leaf && field::is_all_fields(header(part)));
    // Nothing stands behind the last part but the one delimiter.
    let behind = inner.raw.get(parts.last()?.whole.end..)?.trim_ascii();
    if !bare || behind != [b"--", boundary, b"--"].concat() {
        return None;
    }
    match of_parts(&inner)? {
        Sole::Entity { ciphertext, beside: None } => {
            Some(Sole::Entity { ciphertext: Cow::Owned(ciphertext.into_owned()), beside: None })
        }
        Sole::Entity { .. } | Sole::Text { .. } => None,
    }
}

/// RFC 2046 §5.1.1, without the characters that would have to be quoted in turn.
fn is_boundary(boundary: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(b);
    (1..=70).contains(&boundary.len()) && boundary.iter().all(allowed)
}
