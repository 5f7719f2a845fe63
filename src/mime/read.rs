//! What a mail says: its headers, decoded, and its [`Shape`]. The only user of `mail_parser`, which gets single
//! header values here, never a whole mail.

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};

use crate::secret::Plaintext;
use crate::time::Timestamp;

use super::entity::Entity;
use super::field::{self, ContentType, RawField};
use super::scan::Scanned;
pub use super::shape::Shape;
use super::shape::{self, Look};
use super::tree::{Kind, Part};

/// Mailboxes that are kept of one header.
const MAX_MAILBOXES: usize = 500;
/// Message identifiers that are kept of one header: its first, and its last ones.
const MAX_IDS: usize = 100;

/// A mail that cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no mail: it does not start with a single header field; send it from a mail program")]
pub struct Unreadable;

/// A mail whose limits were checked and whose shape is known.
pub struct Message<'a> {
    raw: &'a [u8],
    shape: Shape<'a>,
}

/// Reads a mail.
///
/// # Errors
/// When it has no header field.
pub fn read<'a>(scanned: Scanned<'a>) -> Result<Message<'a>, Unreadable> {
    let raw = scanned.bytes();
    field::fields(raw).next().ok_or(Unreadable)?;
    Ok(Message { raw, shape: shape::decide(&Entity::of(raw)) })
}

impl<'a> Message<'a> {
    /// The mail as it came.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What it is.
    #[must_use]
    pub fn shape(&self) -> &Shape<'a> {
        &self.shape
    }

    /// The character set that the outer header names, in lower case, if it is a plain name.
    #[must_use]
    pub fn charset(&self) -> Option<String> {
        let value = field::fields(self.raw).find(|field| field.is("Content-Type"))?.value;
        let name = String::from_utf8(ContentType::parse(value).param("charset")?).ok()?.to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        ((1..=40).contains(&name.len()) && name.chars().all(plain)).then_some(name)
    }

    /// Its outer headers.
    #[must_use]
    pub fn headers(&self) -> Headers {
        headers(self.raw)
    }
}

/// The name and address of one person.
pub struct Mailbox {
    /// Decoded, control characters replaced by spaces.
    pub name: Option<Plaintext>,
    /// As written, no control characters in it; not checked to be an address.
    pub address: Option<String>,
}

/// The headers that matter here, decoded (RFC 2047). Control characters in names and the subject are spaces.
pub struct Headers {
    /// The first `Subject`.
    pub subject: Option<Plaintext>,
    /// All mailboxes of all `From` fields: a mail with several has no one author.
    pub from: Vec<Mailbox>,
    /// Likewise of `Sender`.
    pub sender: Vec<Mailbox>,
    /// Likewise of `Reply-To`.
    pub reply_to: Vec<Mailbox>,
    /// Likewise of `To`, the members of groups included.
    pub to: Vec<Mailbox>,
    /// Likewise of `Cc`.
    pub cc: Vec<Mailbox>,
    /// The first `Date`, if it is one.
    pub date: Option<Timestamp>,
    /// Without angle brackets, as are all identifiers.
    pub message_id: Option<String>,
    /// What it answers.
    pub in_reply_to: Vec<String>,
    /// The thread, oldest first.
    pub references: Vec<String>,
    /// `Auto-Submitted` with another value than `no` (RFC 3834 §5).
    pub auto_submitted: bool,
}

/// A signed entity and its detached signature.
pub struct SignedParts<'a> {
    /// The first part, headers included, as it stands in the mail, without the line end before the delimiter. A
    /// verifier makes its line ends CRLF.
    pub signed: &'a [u8],
    /// Transfer encoding removed; armored as a rule.
    pub signature: Vec<u8>,
    /// Whether what is signed is itself a `multipart/signed` of OpenPGP.
    pub nested: bool,
}

/// The two parts of an OpenPGP `multipart/signed` root (RFC 3156 §5), if it is exactly that.
#[must_use]
pub fn signed_parts<'a>(entity: Scanned<'a>) -> Option<SignedParts<'a>> {
    let entity = Entity::of(entity.bytes());
    let (first, second) = signed_pair(&entity)?;
    let signed = entity.raw.get(first.whole.clone())?;
    let nested = shape::is_signed(first);
    Some(SignedParts { signed, signature: entity.decoded(second).into_owned(), nested })
}

/// What is signed, and the signature.
pub(super) fn signed_pair<'e>(entity: &'e Entity<'_>) -> Option<(&'e Part, &'e Part)> {
    // No signature covers the root's own header: text that hides there would pass for signed.
    entity.root().filter(|root| shape::is_signed(root) && field::is_unmistakable(entity.raw))?;
    let [(_, first), (_, second)] = *entity.strict_parts(0, "signed")?.as_slice() else { return None };
    let is_signature = second.kind == Kind::Leaf && second.ctype.is("application", "pgp-signature");
    is_signature.then_some((first, second))
}

/// How far protected headers reach.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// `hp` (RFC 9788 §2.1): what is not inside is not there.
    Whole,
    /// The older `protected-headers="v1"`: whoever writes it chooses which fields to repeat inside.
    Chosen,
}

/// The protected headers of a decrypted entity: those of the part that declares itself to carry them (RFC 9788 §2.1,
/// or the older `protected-headers="v1"`). In a `multipart/signed` that is the signed part alone. No part further
/// inside counts, nor does a forwarded mail's header (RFC 9788 §4.1: only the payload itself).
#[must_use]
pub fn payload_headers(entity: Scanned<'_>) -> Option<Headers> {
    protected(&Entity::of(entity.bytes())).map(|(_, headers)| headers)
}

/// The headers that speak for whoever wrote a mail: the protected ones of its payload, and `outside` where there are none.
///
/// With `hp`, nothing outside counts (RFC 9788 §4.2). With the older scheme, which Mutt uses for the Subject alone, people
/// and threads may be named outside only; the Subject never is. The message-id outside is what others who got the same
/// mail will answer to, so it stands in for one that is missing inside.
#[must_use]
pub fn binding_headers(payload: Option<Scanned<'_>>, outside: Headers) -> Headers {
    let Some((scheme, mut inside)) = payload.and_then(|entity| protected(&Entity::of(entity.bytes()))) else {
        return outside;
    };
    inside.message_id = inside.message_id.or(outside.message_id);
    if scheme == Scheme::Chosen {
        if inside.from.is_empty() {
            inside.from = outside.from;
        }
        if inside.in_reply_to.is_empty() && inside.references.is_empty() {
            inside.in_reply_to = outside.in_reply_to;
            inside.references = outside.references;
        }
    }
    inside
}

fn protected(entity: &Entity<'_>) -> Option<(Scheme, Headers)> {
    let root = entity.root()?;
    // The signature of a multipart/signed covers the first part, and not what stands above it.
    let is_signed = root.ctype.is("multipart", "signed");
    let bearer = if is_signed { entity.children(0).next()?.1 } else { root };
    let scheme = scheme(&bearer.ctype)?;
    Some((scheme, headers(entity.raw.get(bearer.whole.clone())?)))
}

/// Whether anything inside is encrypted, or might be to some mail program: `multipart/encrypted`,
/// `application/pgp-encrypted`, S/MIME, or an armored message anywhere. When in doubt, yes.
#[must_use]
pub fn holds_encrypted(entity: Scanned<'_>) -> bool {
    shape::holds(entity.bytes(), Look::Anything)
}

/// The text that a person wrote: the first `text/plain` that is no attachment, decoded. `None` when the entity opens
/// with something else, e.g. HTML only. Never from inside a forwarded message, and without what repeats the protected
/// headers for old programs (RFC 9788 §4.8.2).
#[must_use]
pub fn plain_text(entity: Scanned<'_>) -> Option<Plaintext> {
    let entity = Entity::of(entity.bytes());
    let (mut index, mut part) = (0, entity.root()?);
    while part.kind == Kind::Multipart {
        let any = part.ctype.is("multipart", "alternative");
        let bears = part.ctype.is("multipart", "mixed") && part.ctype.param_is("protected-headers", "v1");
        let wanted = |p: &Part| if any { p.ctype.is("text", "plain") } else { !(bears && is_legacy_part(p)) };
        (index, part) = entity.children(index).find(|(_, p)| wanted(p))?;
    }
    let header = entity.raw.get(part.whole.start..part.body.start)?;
    let attached = field::fields(header)
        .any(|f| f.is("Content-Disposition") && ContentType::parse(f.value).main() == "attachment");
    let found = (part.ctype.is("text", "plain") && !attached).then(|| text(&entity, part).into_bytes())?;
    // RFC 9788 §4.5.3: the legacy display ends with the first empty line.
    let legacy = part.ctype.param_is("hp-legacy-display", "1");
    Some(Plaintext::new(if legacy { field::split(&found).1.to_vec() } else { found }))
}

/// Whether an entity is one plain text and nothing else, but for a signature beside it.
#[must_use]
pub fn is_plain_text_alone(entity: Scanned<'_>) -> bool {
    let entity = Entity::of(entity.bytes());
    let is_text = |part: &Part| part.kind == Kind::Leaf && part.ctype.is("text", "plain");
    let Some(root) = entity.root() else { return false };
    let mut inside = entity.children(0).map(|(_, part)| part);
    let signed = || inside.next().is_some_and(is_text) && inside.count() == 1;
    is_text(root) || root.ctype.is("multipart", "signed") && signed()
}

/// The part of the older scheme that shows the Subject to programs that know no protected headers.
fn is_legacy_part(part: &Part) -> bool {
    let text = part.ctype.is("text", "plain") || part.ctype.is("text", "rfc822-headers");
    text && part.ctype.param_is("protected-headers", "v1")
}

fn text(entity: &Entity<'_>, part: &Part) -> String {
    let bytes = entity.decoded(part);
    let decoder = part.ctype.param("charset").and_then(|name| charset_decoder(&name));
    decoder.map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), |decode| decode(&bytes))
}

fn scheme(ctype: &ContentType) -> Option<Scheme> {
    let whole = ctype.param_is("hp", "cipher") || ctype.param_is("hp", "clear");
    let chosen = ctype.param_is("protected-headers", "v1");
    whole.then_some(Scheme::Whole).or_else(|| chosen.then_some(Scheme::Chosen))
}

fn headers(entity: &[u8]) -> Headers {
    let mut headers = Headers {
        subject: None,
        from: Vec::new(),
        sender: Vec::new(),
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        date: None,
        message_id: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        auto_submitted: false,
    };
    for field in field::fields(entity) {
        headers.take(&field);
    }
    headers
}

impl Headers {
    fn take(&mut self, field: &RawField<'_>) {
        match field.name.to_ascii_lowercase().as_slice() {
            b"from" => mailboxes(field, &mut self.from),
            b"sender" => mailboxes(field, &mut self.sender),
            b"reply-to" => mailboxes(field, &mut self.reply_to),
            b"to" => mailboxes(field, &mut self.to),
            b"cc" => mailboxes(field, &mut self.cc),
            b"subject" if self.subject.is_none() => {
                let subject = parsed(field, |s| s.parse_unstructured().into_text().map(|t| plain(&t)));
                self.subject = Some(subject.unwrap_or_else(|| Plaintext::new(Vec::new())));
            }
            b"date" if self.date.is_none() => self.date = date(field),
            b"message-id" if self.message_id.is_none() => self.message_id = ids(field).into_iter().next(),
            b"in-reply-to" if self.in_reply_to.is_empty() => self.in_reply_to = ids(field),
            b"references" if self.references.is_empty() => self.references = ids(field),
            // RFC 3834 §5: a keyword, perhaps with parameters and comments.
            b"auto-submitted" => self.auto_submitted |= ContentType::parse(field.value).main() != "no",
            _ => {}
        }
    }
}

/// Gives one value to the parser, which reads to a line end: so one is put behind.
fn parsed<T>(field: &RawField<'_>, parse: impl FnOnce(&mut MessageStream<'_>) -> Option<T>) -> Option<T> {
    let value = [field.value, b"\n"].concat();
    parse(&mut MessageStream::new(&value))
}

fn mailboxes(field: &RawField<'_>, out: &mut Vec<Mailbox>) {
    let all = parsed(field, |stream| stream.parse_address().into_address().map(Address::into_owned));
    for one in all.map(Address::into_list).unwrap_or_default() {
        if out.len() >= MAX_MAILBOXES {
            return;
        }
        let address = one.address.filter(|a| !a.is_empty() && !a.chars().any(char::is_control));
        let name = one.name.filter(|name| !name.is_empty()).map(|name| plain(&name));
        if address.is_some() || name.is_some() {
            out.push(Mailbox { name, address: address.map(Into::into) });
        }
    }
}

fn ids(field: &RawField<'_>) -> Vec<String> {
    let all = parsed(field, |stream| match stream.parse_id() {
        HeaderValue::Text(one) => Some(vec![one.into_owned()]),
        HeaderValue::TextList(many) => Some(many.into_iter().map(Into::into).collect()),
        _ => None,
    });
    let mut all = all.unwrap_or_default();
    all.retain(|id| {
        !id.is_empty() && id.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"<>".contains(c))
    });
    if all.len() > MAX_IDS {
        // RFC 5322 §3.6.4 lets a thread's middle be left out sooner than its ends.
        let middle = 1..=all.len() - MAX_IDS;
        all.drain(middle);
    }
    all
}

fn date(field: &RawField<'_>) -> Option<Timestamp> {
    let date = parsed(field, |stream| stream.parse_date().into_datetime())?;
    date.is_valid().then(|| Timestamp::from_secs(date.to_timestamp()))
}

/// What a decoded word must not bring in: line ends, and what steers a terminal.
fn plain(text: &str) -> Plaintext {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Plaintext::new(clean.into_bytes())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
