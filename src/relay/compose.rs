//! Admitted → Composed: the list post, written once for all readers.

use crate::id::Entropy;
use crate::mail::headers::{Identity, protected};
use crate::mail::parcel::Head;
use crate::mail::tags::Tags;
use crate::mime::read::{
    Headers, Mailbox, Message, Shape, binding_headers, holds_encrypted, payload_headers,
};
use crate::mime::scan::{Limits, Scanned, scan};
use crate::mime::signed::{InnerSignatures, inner_signatures};
use crate::mime::write::{
    Field, boundary, multipart_around, multipart_in_pieces, opaque_part, raw_field, rfc822_head, text_part,
};
use crate::pgp::open::{DetachedSignature, How, Opened, Verdict};
use crate::relay::author::harmless;
use crate::relay::note::Note;
use crate::relay::proof::is_entity;
use crate::relay::world::World;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// How many ids a References line keeps: the first and the latest (RFC 5322 §3.6.4 sets no bound; header limits do).
const MAX_REFERENCES: usize = 20;

/// A post before it is signed.
pub struct Composed {
    /// The whole protected entity.
    pub entity: Plaintext,
    /// What stands outside.
    pub head: Head,
}

/// What is known of the mail besides what was opened.
pub struct Source<'a> {
    /// The arrived message; `None` when its structure was beyond the limits.
    pub message: Option<&'a Message<'a>>,
    /// Its bytes.
    pub raw: &'a [u8],
    /// What was opened; `None` likewise.
    pub opened: Option<&'a Opened>,
    /// Its payload as [`inside`] scanned it.
    pub inside: Option<Scanned<'a>>,
    /// The note for the readers.
    pub note: Note<'a>,
}

/// Writes the post: the note, then the payload byte for byte, under protected headers.
#[must_use]
pub fn post(
    source: &Source<'_>,
    world: &World<'_>,
    tags: &Tags<'_>,
    entropy: &Entropy,
    now: Timestamp,
) -> Composed {
    let headers = Inner::of(source);
    let identity = identity(&headers, source, world, tags, now);
    let fields = protected_fields(&headers, source, world, &identity);
    let note = text_part(&source.note.text(world));
    let payload = payload_part(source, entropy);
    let beside = beside_part(source);
    let parts: [&[&[u8]]; 3] = [
        &[&note],
        &[&payload.front, payload.bytes, &payload.behind],
        &[beside.as_deref().unwrap_or_default()],
    ];
    let entity = multipart_in_pieces(
        &fields,
        "mixed; hp=\"cipher\"; protected-headers=\"v1\"",
        &boundary(entropy.bytes()),
        parts.get(..2 + usize::from(beside.is_some())).unwrap_or(&parts),
    );
    let outside = identity.outer();
    let fields = outside
        .iter()
        .map(|(name, value)| String::from_utf8_lossy(raw_field(name, value).expose()).into_owned());
    Composed { entity, head: Head { fields: fields.collect(), boundary: boundary(entropy.bytes()) } }
}

/// The headers that speak for the author. There are none where the mail was not looked into.
struct Inner(Option<Headers>);

impl Inner {
    fn of(source: &Source<'_>) -> Self {
        Self(source.message.map(|message| binding_headers(source.inside, message.headers())))
    }

    fn subject(&self) -> Option<String> {
        subject(self.0.as_ref()?)
    }

    fn author(&self) -> Option<&Mailbox> {
        self.0.as_ref()?.from.first()
    }
}

/// What a header says in its Subject. What mail programs write outside when the real one is inside tells nothing.
fn subject(headers: &Headers) -> Option<String> {
    let text = String::from_utf8_lossy(headers.subject.as_ref()?.expose()).trim().to_owned();
    let dummies = ["", "...", "[...]", "Encrypted Message"];
    let dummy = dummies.iter().any(|dummy| text.eq_ignore_ascii_case(dummy));
    (!dummy).then_some(text)
}

/// Whether the Subject that readers see stands outside of what is signed: whoever carried the mail can have changed it.
#[must_use]
pub fn subject_is_loose(inside: Option<Scanned<'_>>, message: &Message<'_>) -> bool {
    inside.and_then(payload_headers).is_none() && subject(&message.headers()).is_some()
}

fn identity<'a>(
    inner: &Inner,
    source: &Source<'_>,
    world: &'a World<'_>,
    tags: &Tags<'_>,
    now: Timestamp,
) -> Identity<'a> {
    let domain = world.list.address.domain();
    let map = |ids: &[String]| -> Vec<String> {
        let skip = ids.len().saturating_sub(MAX_REFERENCES);
        let kept = ids.iter().enumerate().filter(|(n, _)| *n == 0 || *n > skip);
        kept.map(|(_, id)| tags.message_id(id, domain)).collect()
    };
    let headers = inner.0.as_ref();
    Identity {
        list: &world.list.address,
        answer_to: &world.list.answer_to,
        title: &world.list.title,
        date: now,
        message_id: match headers.and_then(|h| h.message_id.as_ref()) {
            Some(id) => tags.message_id(id, domain),
            None => tags.fresh_message_id(source.raw, domain),
        },
        in_reply_to: headers.map(|h| map(&h.in_reply_to)).unwrap_or_default(),
        references: headers.map(|h| map(&h.references)).unwrap_or_default(),
    }
}

fn protected_fields(
    inner: &Inner,
    source: &Source<'_>,
    world: &World<'_>,
    identity: &Identity<'_>,
) -> Vec<Field> {
    let subject = inner.subject().unwrap_or_else(|| "(no subject)".to_owned());
    let prefix = format!("[{}]", world.list.title);
    let subject = if subject.contains(&prefix) { subject } else { format!("{prefix} {subject}") };
    protected(&identity.outer(), &world.list.address, &sender_name(inner, source, world), &subject)
}

/// Who wrote, as the copy's From says it: a name without "unverified" stands on the roster and signed.
fn sender_name(inner: &Inner, source: &Source<'_>, world: &World<'_>) -> String {
    let title = &world.list.title;
    if let (Verdict::Good { .. }, Some(name)) = (source.note.verdict, source.note.signer) {
        return format!("{name} via {title}");
    }
    let name = inner
        .author()
        .and_then(|m| m.name.as_ref())
        .map(|n| String::from_utf8_lossy(n.expose()).into_owned());
    let name = name.map(|n| harmless(&n)).filter(|n| !n.is_empty());
    let address = || inner.author().and_then(|m| m.address.as_deref().map(harmless));
    match name.or_else(address) {
        Some(name) => format!("{name} (unverified) via {title}"),
        None => format!("Unknown sender via {title}"),
    }
}

/// A part of the post: large bytes that stand as they came, and what belongs around them.
struct Part<'a> {
    front: Vec<u8>,
    bytes: &'a [u8],
    behind: Vec<u8>,
}

impl<'a> Part<'a> {
    const fn behind(front: Vec<u8>, bytes: &'a [u8]) -> Self {
        Self { front, bytes, behind: Vec::new() }
    }
}

fn payload_part<'a>(source: &Source<'a>, entropy: &Entropy) -> Part<'a> {
    let Some(opened) = source.opened else {
        return Part::behind(opaque_part(source.raw, "original.eml"), b"");
    };
    let payload = opened.payload().expose();
    // Shown inline, it would be decrypted by a reader's own program and leak with the answer.
    let inline = !source.note.holds_encrypted;
    match opened.how() {
        How::PgpMime if inline => match source.inside {
            Some(entity) if is_entity(entity) => match opened.detached_signature() {
                Some(signature) => signed_part(payload, signature, entropy),
                None => Part::behind(Vec::new(), payload),
            },
            Some(_) if is_text(payload) => Part::behind(plain_head(&charset(source, payload)), payload),
            Some(_) | None => Part::behind(opaque_part(payload, "payload"), b""),
        },
        How::PgpMime => Part::behind(rfc822_head(payload, "attachment"), payload),
        How::Inline if inline && !is_text(payload) => Part::behind(opaque_part(payload, "payload"), b""),
        How::Inline if inline => Part::behind(plain_head(&charset(source, payload)), payload),
        How::Inline => Part::behind(opaque_part(payload, "message.txt"), b""),
        How::Clear if inline => Part::behind(rfc822_head(source.raw, "inline"), source.raw),
        How::Clear | How::Closed(_) => Part::behind(rfc822_head(source.raw, "attachment"), source.raw),
    }
}

/// What came in front in the clear, as a file: no mail program shows that as a part of the mail.
fn beside_part(source: &Source<'_>) -> Option<Vec<u8>> {
    let Shape::PgpMime { beside: Some(text), .. } = source.message?.shape() else { return None };
    source.opened.filter(|opened| opened.text_beside()).map(|_| opaque_part(text, "not-encrypted.bin"))
}

/// RFC 3156 §5: the payload byte for byte, and its author's own signature, which each reader can verify himself.
fn signed_part<'a>(payload: &'a [u8], signature: &DetachedSignature, entropy: &Entropy) -> Part<'a> {
    let head = "Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n\
                Content-Disposition: attachment; filename=\"signature.asc\"\r\n\r\n";
    let second = [head.as_bytes(), signature.armored()].concat();
    let kind = format!("signed; micalg={}; protocol=\"application/pgp-signature\"", signature.micalg());
    let (front, behind) = multipart_around(&kind, &boundary(entropy.bytes()), &second);
    Part { front, bytes: payload, behind }
}

/// Whether bytes without a header can be shown as text: somebody may have encrypted a file and sent it as his mail.
fn is_text(payload: &[u8]) -> bool {
    !payload.contains(&0)
}

/// Before bare text as a part; inside the encryption eight bits and any line length travel unharmed.
fn plain_head(charset: &str) -> Vec<u8> {
    let head =
        format!("Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    head.into_bytes()
}

/// In which character set bare text is: nobody writes UTF-8 by accident; else what the mail says outside, as long as that
/// leaves ASCII what it is (nothing covers what stands outside), or what most mail programs of old wrote.
fn charset(source: &Source<'_>, text: &[u8]) -> String {
    if std::str::from_utf8(text).is_ok() {
        return "utf-8".to_owned();
    }
    // One octet a character, the lower half ASCII. In GBK, Big5 or EUC-KR an ASCII letter can be the second half of another
    // character: whoever resends a signed mail could change what it says.
    let sets = ["iso-8859-", "windows-125", "koi8-"];
    let named = source.message.and_then(Message::charset);
    named
        .filter(|name| sets.iter().any(|set| name.starts_with(set)))
        .unwrap_or_else(|| "windows-1252".to_owned())
}

/// The scanned payload where it is a MIME entity: it is large, so it is scanned once for all who look into it.
#[must_use]
pub fn inside<'a>(opened: &'a Opened, limits: &Limits) -> Option<Scanned<'a>> {
    match opened.how() {
        How::PgpMime | How::Clear => scan(opened.payload().expose(), limits).ok(),
        How::Inline | How::Closed(_) => None,
    }
}

/// Signatures inside what was opened that nobody looked at.
#[must_use]
pub fn payload_signatures(opened: &Opened, inside: Option<Scanned<'_>>, limits: &Limits) -> InnerSignatures {
    match opened.how() {
        How::Inline => scan(&[&plain_head("utf-8"), opened.payload().expose()].concat(), limits)
            .map(inner_signatures)
            .unwrap_or_default(),
        _ => inside.map(inner_signatures).unwrap_or_default(),
    }
}

/// Whether what was opened holds further encrypted parts, or might to some mail program. What stayed closed is
/// attached anyway.
#[must_use]
pub fn payload_holds_encrypted(opened: &Opened, inside: Option<Scanned<'_>>, limits: &Limits) -> bool {
    match opened.how() {
        How::PgpMime | How::Clear => inside.is_some_and(holds_encrypted),
        How::Inline => scan(&[&plain_head("utf-8"), opened.payload().expose()].concat(), limits)
            .map_or(true, holds_encrypted),
        How::Closed(_) => false,
    }
}
