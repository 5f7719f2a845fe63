//! MIME out, byte for byte: the protected part is signed and encrypted as it stands, so nobody rewrites it on the way.
//! CRLF only. Whatever the values hold, one field stays one field.

use data_encoding::BASE64;

use crate::secret::Plaintext;

/// RFC 5322 §2.1.1: a line should have no more characters than this.
const LINE: usize = 78;
/// RFC 2047 §2: an encoded-word has at most 75 characters.
const WORD: usize = 75;
/// What an encoded-word needs beside its text.
const WORD_FRAME: usize = "=?utf-8?B??=".len();
/// A word that cannot be folded is cut here, far below the 998 that RFC 5322 §2.1.1 allows.
const LONGEST: usize = 900;

/// One header field, folded, with its line end.
pub struct Field(Plaintext);

impl Field {
    /// The field as it goes into a header.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// An unstructured field (RFC 5322 §3.2.5). Text that is not plain ASCII, or would not survive folding, becomes
/// encoded-words (RFC 2047); control characters become spaces.
#[must_use]
pub fn text_field(name: &str, value: &str) -> Field {
    let value = without_controls(value);
    let name = field_name(name);
    if survives_folding(&value) {
        return fold(&name, value.split(' '));
    }
    let first = (LINE - 2).saturating_sub(name.len());
    let words = encoded_words(&value, if first < 40 { WORD } else { first.min(WORD) });
    fold(&name, words.iter().map(String::as_str))
}

/// A structured field whose value is ASCII already; folded at its white space, of which any amount becomes one space.
/// Control characters are white space, so nothing in the value can end the field.
#[must_use]
pub fn raw_field(name: &str, value: &str) -> Field {
    let value = without_controls(value);
    fold(&field_name(name), value.split(' ').filter(|word| !word.is_empty()))
}

/// A mailbox (RFC 5322 §3.4) as a value for [`raw_field`]: the address alone, or behind its display name.
#[must_use]
pub fn mailbox(name: Option<&str>, address: &str) -> String {
    let address: String = address.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect();
    let name = without_controls(name.unwrap_or_default());
    let name = name.trim();
    if name.is_empty() {
        return address;
    }
    format!("{} <{address}>", phrase(name))
}

/// A delimiter of multiparts. Made of 16 random bytes it occurs in no part, by chance or by intent; and `=_` occurs in
/// no base64 or quoted-printable text (RFC 2045 §6.7).
#[must_use]
pub fn boundary(random: [u8; 16]) -> String {
    format!("=_{}", data_encoding::HEXLOWER.encode(&random))
}

/// A whole multipart entity: the given fields, its `Content-Type`, and complete entities as its parts, each byte for
/// byte. `MIME-Version` is the caller's. The boundary must be random and used once: the parts are not searched.
#[must_use]
pub fn multipart(fields: &[Field], subtype_and_params: &str, boundary: &str, parts: &[&[u8]]) -> Plaintext {
    let parts: Vec<[&[u8]; 1]> = parts.iter().map(|part| [*part]).collect();
    let parts: Vec<&[&[u8]]> = parts.iter().map(<[_; 1]>::as_slice).collect();
    multipart_in_pieces(fields, subtype_and_params, boundary, &parts)
}

/// The same for parts that lie in pieces: a large one need not be put together first.
#[must_use]
pub fn multipart_in_pieces(
    fields: &[Field],
    subtype_and_params: &str,
    boundary: &str,
    parts: &[&[&[u8]]],
) -> Plaintext {
    let (ctype, boundary) = multipart_type(subtype_and_params, boundary);
    let mut pieces: Vec<&[u8]> = fields.iter().map(Field::expose).collect();
    pieces.extend([ctype.expose(), b"\r\n"]);
    for part in parts {
        pieces.extend([b"--", boundary.as_bytes(), b"\r\n"]);
        pieces.extend(*part);
        // RFC 2046 §5.1.1: the line end before a delimiter is the delimiter's, not the part's.
        pieces.push(b"\r\n");
    }
    pieces.extend([b"--", boundary.as_bytes(), b"--\r\n"]);
    // One allocation of the right size: no remainders of content in grown-out buffers.
    Plaintext::new(pieces.concat())
}

/// A multipart of two parts, without the first: what stands in front of that and what stands behind it.
#[must_use]
pub fn multipart_around(subtype_and_params: &str, boundary: &str, second: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (ctype, boundary) = multipart_type(subtype_and_params, boundary);
    let boundary = boundary.as_bytes();
    let front = [ctype.expose(), b"\r\n--", boundary, b"\r\n"].concat();
    (front, [b"\r\n--", boundary, b"\r\n", second, b"\r\n--", boundary, b"--\r\n"].concat())
}

fn multipart_type(subtype_and_params: &str, boundary: &str) -> (Field, String) {
    let boundary: String = boundary.chars().filter(|&c| is_boundary_char(c)).collect();
    let value = format!("multipart/{subtype_and_params}; boundary=\"{boundary}\"");
    (raw_field("Content-Type", &value), boundary)
}

/// A `text/plain` entity. Line ends become CRLF. Text that a mail program may alter on its way (RFC 3156 §3: long
/// lines, white space at a line's end, "From " at its start) is quoted-printable, the rest 7bit.
#[must_use]
pub fn text_part(text: &str) -> Vec<u8> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let plain = text.split('\n').all(is_plain_line);
    let encoding = if plain { "7bit" } else { "quoted-printable" };
    let mut out = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ".to_vec();
    out.extend_from_slice(encoding.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\r\n");
        }
        if plain {
            out.extend_from_slice(line.as_bytes());
        } else {
            quoted_printable(line.as_bytes(), &mut out);
        }
    }
    out
}

/// A certificate as an attachment (RFC 3156 §7). Armor is plain ASCII in short lines.
#[must_use]
pub fn keys_part(armored: &str, file_name: &str) -> Vec<u8> {
    let name = file_name_of(file_name);
    let armored = armored.replace("\r\n", "\n").replace('\n', "\r\n");
    format!(
        "Content-Type: application/pgp-keys; name=\"{name}.asc\"\r\nContent-Transfer-Encoding: 7bit\r\n\
         Content-Disposition: attachment; filename=\"{name}.asc\"\r\n\r\n{}",
        armored.trim_end()
    )
    .into_bytes()
}

fn file_name_of(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect()
}

/// An `application/octet-stream` attachment, base64 (RFC 2045 §6.8): bytes that nobody on the way shall look into.
#[must_use]
pub fn opaque_part(bytes: &[u8], file_name: &str) -> Vec<u8> {
    let name = file_name_of(file_name);
    let head = format!(
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
    );
    let base64 = BASE64.encode(bytes).into_bytes();
    let mut out = Vec::with_capacity(head.len() + base64.len() + base64.len() / 38 + 2);
    out.extend_from_slice(head.as_bytes());
    for line in base64.chunks(76) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// What stands before a mail to make it a `message/rfc822` entity, byte for byte. RFC 2046 §5.2.1 allows no encoding; the
/// field says what the bytes are.
#[must_use]
pub fn rfc822_head(message: &[u8], disposition: &str) -> Vec<u8> {
    let long = message.split(|&b| b == b'\n').any(|line| line.len() > 999);
    let encoding = match () {
        () if long || message.contains(&0) => "binary",
        () if !message.is_ascii() => "8bit",
        () => "7bit",
    };
    let disposition = raw_field("Content-Disposition", disposition);
    let head = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n");
    [head.as_bytes(), disposition.expose(), b"\r\n"].concat()
}

fn without_controls(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// RFC 5322 §3.6.8: printable ASCII without the colon.
fn field_name(name: &str) -> String {
    let name: String = name.chars().filter(|c| c.is_ascii_graphic() && *c != ':').take(64).collect();
    if name.is_empty() { "X-Unnamed".to_owned() } else { name }
}

/// Whether a reader gets exactly this text back when it is folded at its spaces.
fn survives_folding(value: &str) -> bool {
    // RFC 2047 §6.2: what looks like an encoded-word would be decoded.
    value.is_ascii()
        && !value.contains("=?")
        && (value.is_empty() || value.split(' ').all(|word| !word.is_empty() && word.len() < LINE))
}

/// Name and words, with a line end before each word that would make its line too long.
fn fold<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Field {
    let mut out = format!("{name}:");
    let mut column = out.len();
    for word in words.flat_map(cut) {
        if column + 1 + word.len() > LINE {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push_str("\r\n");
    Field(Plaintext::new(out.into_bytes()))
}

/// Pieces of a word that fit on a line; nearly always the word itself.
fn cut(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(word);
    std::iter::from_fn(move || {
        let (piece, more) = split_at_char(rest?, LONGEST);
        rest = Some(more).filter(|more| !more.is_empty());
        Some(piece)
    })
}

/// At most `max` bytes (four or more), and the rest; never inside a character.
fn split_at_char(text: &str, max: usize) -> (&str, &str) {
    if text.len() <= max {
        return (text, "");
    }
    text.split_at_checked(text.floor_char_boundary(max)).unwrap_or((text, ""))
}

/// The text as base64 encoded-words, the first of at most `first` characters. RFC 2047 §5: each is whole by itself, so
/// no character is split between two.
fn encoded_words(text: &str, first: usize) -> Vec<String> {
    let mut words = Vec::new();
    let (mut rest, mut room) = (text, first);
    while !rest.is_empty() {
        let (piece, more) = split_at_char(rest, (room - WORD_FRAME) / 4 * 3);
        words.push(format!("=?utf-8?B?{}?=", BASE64.encode(piece.as_bytes())));
        (rest, room) = (more, WORD);
    }
    words
}

/// RFC 5322 §3.2.5: atoms as they are, ASCII quoted, all else (and what needs backslashes, which readers treat
/// differently, or would be cut) as encoded-words.
fn phrase(name: &str) -> String {
    let is_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    if !survives_folding(name) || name.contains(['"', '\\']) {
        return encoded_words(name, WORD).join(" ");
    }
    if name.chars().all(|c| is_atom(c) || c == ' ') { name.to_owned() } else { format!("\"{name}\"") }
}

/// RFC 2046 §5.1.1, without the space.
fn is_boundary_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "'()+_,-./:=?".contains(c)
}

fn is_plain_line(line: &str) -> bool {
    line.len() <= LINE
        && line.bytes().all(|b| b == b'\t' || b == b' ' || b.is_ascii_graphic())
        && !line.ends_with([' ', '\t'])
        && !line.starts_with("From ")
}

/// RFC 2045 §6.7, one line: at most 76 characters between line ends.
fn quoted_printable(line: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    for (index, &byte) in line.iter().enumerate() {
        let last = index + 1 == line.len();
        let plain = match byte {
            b' ' | b'\t' => !last,
            b'F' => !(index == 0 && line.starts_with(b"From ")),
            _ => byte.is_ascii_graphic() && byte != b'=',
        };
        let width = if plain { 1 } else { 3 };
        if column + width > if last { 76 } else { 75 } {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        column += width;
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
