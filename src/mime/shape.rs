//! The strict check: what may be decrypted at all, and what hides ciphertext. It looks at the parts of the walk and
//! trusts no single claim: type, place, number and content must agree.

use std::borrow::Cow;

use super::armor;
use super::field::ContentType;
use super::transfer::Encoding;
use super::tree::{self, Kind, Limits, Part};

/// What a mail is, as far as OpenPGP goes.
pub enum Shape<'a> {
    /// RFC 3156 §4 as the sole outermost part, or its remains after a known gateway. Transfer encoding removed.
    PgpMime {
        /// The encrypted message: armored as a rule.
        ciphertext: Cow<'a, [u8]>,
    },
    /// A single `text/plain` whose decoded body is exactly one armored message; white space around it is dropped.
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

/// An entity with its parts.
pub(super) struct Entity<'a> {
    pub raw: &'a [u8],
    pub parts: Vec<Part>,
}

impl<'a> Entity<'a> {
    /// Of bytes that passed a scan, so the walk stays within its limits.
    pub(super) fn of(raw: &'a [u8]) -> Self {
        Self { raw, parts: tree::walk(raw, &Limits::PASSED).unwrap_or_default() }
    }

    pub(super) fn root(&self) -> Option<&Part> {
        self.parts.first()
    }

    pub(super) fn children(&self, parent: usize) -> impl Iterator<Item = (usize, &Part)> {
        self.parts.iter().enumerate().filter(move |(_, part)| part.parent == Some(parent))
    }

    pub(super) fn body(&self, part: &Part) -> &'a [u8] {
        self.raw.get(part.body.clone()).unwrap_or_default()
    }

    pub(super) fn decoded(&self, part: &Part) -> Cow<'a, [u8]> {
        part.encoding.decode(self.body(part))
    }

    /// The direct parts of an unambiguous, complete multipart root; `None` for any other root.
    pub(super) fn strict_parts(&self, sub: &str) -> Option<Vec<&Part>> {
        let root = self.root().filter(|r| r.kind == Kind::Multipart && r.ctype.is("multipart", sub))?;
        let parts: Vec<&Part> = self.children(0).map(|(_, part)| part).collect();
        let clear_cut = root.closed && !root.blurred && !root.ambiguous && !parts.iter().any(|p| p.ambiguous);
        clear_cut.then_some(parts)
    }
}

/// Decides what a mail is.
pub(super) fn decide<'a>(entity: &Entity<'a>) -> Shape<'a> {
    if let Some(ciphertext) = pgp_mime(entity).or_else(|| remains(entity)) {
        return Shape::PgpMime { ciphertext };
    }
    if let Some(armor) = inline(entity) {
        return Shape::Inline { armor };
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

/// RFC 3156 §4: exactly two parts, control information and ciphertext.
fn pgp_mime<'a>(entity: &Entity<'a>) -> Option<Cow<'a, [u8]>> {
    let root = entity.root()?;
    if root.ctype.param("protocol").is_some() && !root.ctype.param_is("protocol", "application/pgp-encrypted")
    {
        return None;
    }
    let [control, data] = *entity.strict_parts("encrypted")?.as_slice() else { return None };
    ciphertext(entity, control, data)
}

/// What Microsoft Exchange leaves of RFC 3156: `multipart/mixed` of an empty text and the two parts.
fn remains<'a>(entity: &Entity<'a>) -> Option<Cow<'a, [u8]>> {
    let [text, control, data] = *entity.strict_parts("mixed")?.as_slice() else { return None };
    let empty = text.ctype.is("text", "plain") && entity.decoded(text).trim_ascii().is_empty();
    if !empty || !data.ctype.is("application", "octet-stream") {
        return None;
    }
    ciphertext(entity, control, data)
}

fn ciphertext<'a>(entity: &Entity<'a>, control: &Part, data: &Part) -> Option<Cow<'a, [u8]>> {
    let leaves = control.kind == Kind::Leaf && data.kind == Kind::Leaf;
    let types = control.ctype.is("application", "pgp-encrypted") && data.ctype.main() == "application";
    if !leaves
        || !types
        || data.ctype.is("application", "pgp-encrypted")
        || !is_version_1(&entity.decoded(control))
    {
        return None;
    }
    let bytes = entity.decoded(data);
    // RFC 9580 §4.2: the first octet of a packet has its highest bit set, which no text in ASCII has.
    let binary = bytes.first().is_some_and(|first| first & 0x80 != 0);
    sole_armor(&bytes).or_else(|| binary.then_some(bytes))
}

/// The sole armor of a text; where the mail was not encoded, it is that part of the mail.
fn sole_armor<'a>(text: &Cow<'a, [u8]>) -> Option<Cow<'a, [u8]>> {
    match text {
        Cow::Borrowed(text) => armor::sole(text).map(Cow::Borrowed),
        Cow::Owned(text) => armor::sole(text).map(|armor| Cow::Owned(armor.to_vec())),
    }
}

/// RFC 3156 §4: the control part says `Version: 1`.
fn is_version_1(control: &[u8]) -> bool {
    let Some((name, value)) = control.split_at_checked(8) else { return false };
    name.eq_ignore_ascii_case(b"Version:") && value.trim_ascii() == b"1"
}

fn inline<'a>(entity: &Entity<'a>) -> Option<Cow<'a, [u8]>> {
    let root =
        entity.root().filter(|r| r.kind == Kind::Leaf && r.ctype.is("text", "plain") && !r.ambiguous)?;
    sole_armor(&entity.decoded(root))
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
mod tests {
    use super::*;

    const ARMOR: &str = "-----BEGIN PGP MESSAGE-----\r\n\r\nwcFMA6\r\n-----END PGP MESSAGE-----";
    const ROOT: &str =
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n";
    const CONTROL: &str = "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n";

    fn data(body: &str) -> String {
        format!("Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n{body}\r\n")
    }

    fn multipart(root: &str, parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
        format!("{root}{parts}--b--\r\n")
    }

    fn shape(mail: &str) -> &'static str {
        let shape = decide(&Entity::of(mail.as_bytes()));
        match &shape {
            Shape::PgpMime { ciphertext: found } | Shape::Inline { armor: found } => {
                assert_eq!(**found, *ARMOR.as_bytes());
                if matches!(shape, Shape::Inline { .. }) { "inline" } else { "pgp/mime" }
            }
            Shape::Signed => "signed",
            Shape::Clear => "clear",
            Shape::Mixed => "mixed",
        }
    }

    #[test]
    fn accepts_pgp_mime_as_the_sole_part() {
        assert_eq!(shape(&multipart(ROOT, &[CONTROL, &data(ARMOR)])), "pgp/mime");
        let preamble = format!("{ROOT}This is an OpenPGP/MIME encrypted message.\r\n");
        assert_eq!(shape(&multipart(&preamble, &[CONTROL, &data(ARMOR)])), "pgp/mime");
        let base64 = data_encoding::BASE64.encode(ARMOR.as_bytes());
        let encoded = format!("Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n{base64}\n");
        assert_eq!(shape(&multipart(ROOT, &[CONTROL, &encoded]).replace("\r\n", "\n")), "pgp/mime");
    }

    #[test]
    fn takes_binary_ciphertext_as_it_is() {
        let mail = multipart(ROOT, &[CONTROL, &data("@")]).into_bytes();
        let mail: Vec<u8> = mail.into_iter().map(|b| if b == b'@' { 0xc1 } else { b }).collect();
        assert!(
            matches!(decide(&Entity::of(&mail)), Shape::PgpMime { ciphertext } if *ciphertext == [0xc1, b'\r', b'\n'])
        );
    }

    #[test]
    fn a_gateway_may_have_made_it_mixed_around_an_empty_text() {
        let root = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let empty = "Content-Type: text/plain\r\n\r\n \r\n";
        assert_eq!(shape(&multipart(root, &[empty, CONTROL, &data(ARMOR)])), "pgp/mime");
        let text = "Content-Type: text/plain\r\n\r\nhello\r\n";
        assert_eq!(shape(&multipart(root, &[text, CONTROL, &data(ARMOR)])), "mixed");
        assert_eq!(shape(&multipart(root, &[CONTROL, &data(ARMOR)])), "mixed");
        assert_eq!(shape(&multipart(root, &[empty, CONTROL, &data(ARMOR), text])), "mixed");
    }

    #[test]
    fn anything_else_with_ciphertext_is_mixed() {
        let text = "Content-Type: text/plain\r\n\r\nhello\r\n";
        let data = data(ARMOR);
        let whole = multipart(ROOT, &[CONTROL, &data]);
        let mixed = "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n";
        let message = "Content-Type: message/rfc822\r\n\r\n";
        let version = CONTROL.replace(": 1", ": 2");
        let two = format!("{ARMOR}\r\n{ARMOR}");
        let encoded = data_encoding::BASE64.encode(whole.as_bytes());
        for (why, mail) in [
            ("three parts", multipart(ROOT, &[CONTROL, &data, text])),
            ("one part", multipart(ROOT, &[&data])),
            ("wrong order", multipart(ROOT, &[&data, CONTROL])),
            ("version", multipart(ROOT, &[&version, &data])),
            ("ciphertext is text", multipart(ROOT, &[CONTROL, &data.replace(ARMOR, "hello")])),
            (
                "text beside armor",
                multipart(ROOT, &[CONTROL, &data.replace(ARMOR, &format!("hi\r\n{ARMOR}"))]),
            ),
            ("two armors", multipart(ROOT, &[CONTROL, &data.replace(ARMOR, &two)])),
            ("not closed", whole.replace("--b--", "")),
            ("protocol", whole.replace("\"application/pgp-encrypted\"", "application/x")),
            ("type given twice", format!("Content-Type: multipart/encrypted; boundary=c\r\n{whole}")),
            ("prefix of the boundary", whole.replace("--b--", "--bx\r\n\r\nhello\r\n--b--")),
            ("inside multipart", format!("{mixed}{whole}--c--\r\n")),
            ("forwarded", format!("{message}{whole}")),
            ("forwarded in base64", format!("Content-Transfer-Encoding: base64\r\n{message}{encoded}")),
            ("inline with text", format!("Subject: x\r\n\r\nhello\r\n{ARMOR}\r\n")),
            ("inline twice", format!("Subject: x\r\n\r\n{two}\r\n")),
            ("inline cut off", format!("Subject: x\r\n\r\n{}", ARMOR.trim_end_matches('-'))),
            ("inline in html", format!("Content-Type: text/html\r\n\r\n{ARMOR}\r\n")),
        ] {
            assert_eq!(shape(&mail), "mixed", "{why}");
        }
    }

    #[test]
    fn a_single_text_may_be_inline_armor_in_any_encoding() {
        assert_eq!(shape(&format!("Subject: x\r\n\r\n\r\n{ARMOR}\r\n\r\n")), "inline");
        let base64 = data_encoding::BASE64.encode(ARMOR.as_bytes());
        assert_eq!(shape(&format!("Content-Transfer-Encoding: base64\r\n\r\n{base64}\r\n")), "inline");
    }

    #[test]
    fn knows_signed_and_clear() {
        let root =
            "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n";
        let sig = "Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n";
        assert_eq!(shape(&multipart(root, &["\r\nhello", sig])), "signed");
        assert_eq!(shape(&multipart(root, &[&format!("\r\n{ARMOR}"), sig])), "mixed");
        assert_eq!(shape("Subject: x\r\n\r\n> -----BEGIN PGP MESSAGE-----\r\n"), "clear");
        assert_eq!(shape("Content-Type: application/pkcs7-mime\r\n\r\nMIIB"), "clear");
        assert_eq!(shape("Subject: x\r\n\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n"), "clear");
    }

    #[test]
    fn finds_what_any_mail_program_might_decrypt() {
        let utf16: Vec<u8> = format!("\n{ARMOR}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let base64 = data_encoding::BASE64.encode(&utf16);
        for (why, mail) in [
            ("s/mime", "Content-Type: application/pkcs7-mime\n\nMIIB".to_owned()),
            ("quoted", "\n> -----BEGIN PGP MESSAGE-----\n".to_owned()),
            ("another structure", "\nhello\rContent-Type: multipart/\r encrypted\n".to_owned()),
            ("markup", "Content-Type: text/html\n\n-----BEGIN <b>PGP</b> M&#69;SSAGE-----".to_owned()),
            (
                "utf-16",
                format!(
                    "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n{base64}"
                ),
            ),
            ("utf-7", "Content-Type: text/plain; charset=UTF-7\n\n+AC0-".to_owned()),
        ] {
            assert!(holds(mail.as_bytes(), Look::Anything), "{why}");
            assert!(!holds(mail.as_bytes(), Look::OpenPgp), "{why}");
        }
        let clear = "Content-Type: text/html\n\nencrypted <b>PGP</b> mail and application/pgp-encrypted\n";
        assert!(!holds(clear.as_bytes(), Look::Anything));
    }
}
