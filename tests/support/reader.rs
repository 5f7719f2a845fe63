//! A reader's side: the copy as it stands on the wire, opened with his own key, and taken apart without any code of
//! the relay's.

use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sequoia_openpgp as openpgp;

use openpgp::crypto::SessionKey;
use openpgp::packet::{PKESK, SKESK};
use openpgp::parse::stream::{
    DecryptionHelper, DecryptorBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationHelper,
};
use openpgp::parse::{PacketParser, PacketParserResult, Parse};
use openpgp::policy::StandardPolicy;
use openpgp::{Fingerprint, KeyHandle, Packet};
use vouchsafe::id::{BodyId, Entropy, ListName, ParcelId};
use vouchsafe::mail::parcel::{Base64Lines, Carries, Parcel};
use vouchsafe::pgp::cert::Cert;
use vouchsafe::time::Timestamp;

use super::keys::as_openpgp;
use super::world::Posted;

/// A whole copy as the courier sends it.
pub(crate) fn on_the_wire(post: &Posted, index: usize) -> Vec<u8> {
    let copy = &post.copies[index];
    let body = post.bodies[copy.body].as_bytes();
    let now = Timestamp::from_secs(0);
    let parcel = Parcel {
        id: ParcelId::new(now, &Entropy::kernel()),
        list: "any".parse::<ListName>().unwrap(),
        member: copy.member.clone(),
        recipient: copy.address.clone(),
        reverse_path: copy.address.clone(),
        head: post.head.clone(),
        key: copy.key.clone(),
        body: BodyId::new(now, &Entropy::kernel()),
        body_len: body.len() as u64,
        carries: Carries::Post,
    };
    let mut wire = parcel.opening();
    let mut lines = Base64Lines::default();
    wire.extend(lines.push(copy.key.as_bytes()));
    for piece in body.chunks(1000) {
        wire.extend(lines.push(piece));
    }
    wire.extend(lines.finish());
    wire.extend(parcel.closing());
    assert_eq!(wire.len() as u64, parcel.wire_len(), "SIZE= says the truth");
    wire
}

/// Header fields, unfolded, and the body behind them.
pub(crate) fn split(entity: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let end = find(entity, b"\r\n\r\n").unwrap_or_else(|| panic!("no empty line behind the header"));
    let head = std::str::from_utf8(&entity[..end]).unwrap_or_else(|_| panic!("a header beyond UTF-8"));
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
        (name.to_owned(), value.trim().to_owned())
    };
    (head.split("\r\n").filter(|line| !line.is_empty()).map(field).collect(), &entity[end + 4..])
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The value of the only field of that name.
pub(crate) fn field(fields: &[(String, String)], name: &str) -> String {
    let all: Vec<_> = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).collect();
    assert_eq!(all.len(), 1, "one field {name} in {fields:?}");
    all[0].1.clone()
}

/// The parts of a multipart body, byte for byte.
pub(crate) fn parts<'a>(ctype: &str, body: &'a [u8]) -> Vec<&'a [u8]> {
    let boundary = ctype.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let (first, next, last) =
        (format!("--{boundary}\r\n"), format!("\r\n--{boundary}\r\n"), format!("\r\n--{boundary}--\r\n"));
    let mut rest = body.strip_prefix(first.as_bytes()).unwrap();
    let end = find(rest, last.as_bytes()).unwrap();
    assert_eq!(end + last.len(), rest.len(), "nothing stands behind the last part");
    rest = &rest[..end];
    let mut parts = Vec::new();
    while let Some(at) = find(rest, next.as_bytes()) {
        parts.push(&rest[..at]);
        rest = &rest[at + next.len()..];
    }
    parts.push(rest);
    parts
}

/// RFC 2047 encoded-words in UTF-8 and base64, the only form that the relay writes.
pub(crate) fn decoded_words(value: &str) -> String {
    let mut out = String::new();
    let mut last_encoded = false;
    for word in value.split(' ') {
        let inner = word.strip_prefix("=?utf-8?B?").and_then(|w| w.strip_suffix("?="));
        let text = inner.map(|b64| {
            let bytes = base64_simd::STANDARD.decode_to_vec(b64).unwrap();
            String::from_utf8(bytes).unwrap_or_else(|_| panic!("an encoded-word splits a character"))
        });
        if !(out.is_empty() || last_encoded && text.is_some()) {
            out.push(' ');
        }
        last_encoded = text.is_some();
        out.push_str(text.as_deref().unwrap_or(word));
    }
    out
}

/// A text part without its transfer encoding.
pub(crate) fn text_of(part: &[u8]) -> String {
    let (fields, body) = split(part);
    if field(&fields, "Content-Transfer-Encoding") == "7bit" {
        return String::from_utf8(body.to_vec()).unwrap();
    }
    let joined = String::from_utf8(body.to_vec()).unwrap().replace("=\r\n", "");
    let mut out = Vec::new();
    let mut pieces = joined.split('=');
    out.extend(pieces.next().unwrap().bytes());
    for piece in pieces {
        out.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        out.extend(piece[2..].bytes());
    }
    String::from_utf8(out).unwrap()
}

/// A copy, opened.
pub(crate) struct Read {
    /// The outer header.
    pub(crate) outer: Vec<(String, String)>,
    /// The protected header.
    pub(crate) inner: Vec<(String, String)>,
    /// The relay's note.
    pub(crate) note: String,
    /// The other part: what was sent.
    pub(crate) payload: Vec<u8>,
    /// The author's own signature beside it (RFC 3156 §5), and the name of its hash: armored, as it stands there.
    pub(crate) signature: Option<(Vec<u8>, String)>,
    /// What came in front of the encrypted part in the clear, as the relay attaches it: its own header and all.
    pub(crate) beside: Option<Vec<u8>>,
    /// Everything that was decrypted.
    pub(crate) entity: Vec<u8>,
    /// Whom the packets in front name.
    pub(crate) pkesks: Vec<(u8, Option<KeyHandle>)>,
    /// Intended Recipients of the list's signature.
    pub(crate) intended: Vec<Fingerprint>,
    /// The version of the encrypted packet.
    pub(crate) seipd: u8,
}

impl Read {
    /// The decoded protected Subject.
    pub(crate) fn subject(&self) -> String {
        decoded_words(&field(&self.inner, "Subject"))
    }

    /// The decoded name in the protected From.
    pub(crate) fn author_name(&self) -> String {
        let from = field(&self.inner, "From");
        let name = from.rsplit_once(" <").unwrap().0.trim_matches('"').to_owned();
        decoded_words(&name)
    }

    /// The type of the payload part.
    pub(crate) fn payload_type(&self) -> String {
        let (fields, _) = split(&self.payload);
        let ctype = fields.iter().find(|(n, _)| n.eq_ignore_ascii_case("Content-Type"));
        ctype.map_or("text/plain", |(_, v)| v.split(';').next().unwrap().trim()).to_ascii_lowercase()
    }

    /// Whether these bytes are in the payload: as they are, or as an attachment in base64.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let unwrapped = || {
            let (fields, body) = split(&self.payload);
            let base64 = |(n, v): &(String, String)| n == "Content-Transfer-Encoding" && v == "base64";
            let letters: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            fields.iter().any(base64).then(|| base64_simd::STANDARD.decode_to_vec(letters).ok()).flatten()
        };
        find(&self.payload, bytes).is_some() || unwrapped().is_some_and(|whole| whole == bytes)
    }

    pub(crate) fn payload_disposition(&self) -> Option<String> {
        let (fields, _) = split(&self.payload);
        fields.iter().find(|(n, _)| n.eq_ignore_ascii_case("Content-Disposition")).map(|(_, v)| v.clone())
    }
}

/// The armored message of a copy, and its outer header.
pub(crate) fn outside(wire: &[u8]) -> (Vec<(String, String)>, Vec<u8>) {
    let (outer, body) = split(wire);
    let ctype = field(&outer, "Content-Type");
    // RFC 3156 §4.
    assert!(ctype.starts_with("multipart/encrypted; protocol=\"application/pgp-encrypted\";"), "{ctype}");
    let parts = parts(&ctype, body);
    assert_eq!(parts.len(), 2);
    let (control, version) = split(parts[0]);
    assert_eq!(field(&control, "Content-Type"), "application/pgp-encrypted");
    assert_eq!(version, b"Version: 1\r\n");
    let (data, armor) = split(parts[1]);
    assert!(field(&data, "Content-Type").starts_with("application/octet-stream"));
    (outer, armor.to_vec())
}

/// The binary packets of a copy.
pub(crate) fn packets(wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (_, armor) = outside(wire);
    openpgp::armor::Reader::from_bytes(&armor, None).read_to_end(&mut out).unwrap();
    out
}

/// Opens a copy with that key, verifies the list's signature, and takes it apart. `None` when the key does not fit.
pub(crate) fn read_copy(wire: &[u8], reader: &openpgp::Cert, from: &Cert, now: Timestamp) -> Option<Read> {
    let (outer, armor) = outside(wire);
    let policy = StandardPolicy::at(now.system());
    let helper = Helper { reader, from: as_openpgp(from), pkesks: Vec::new(), good: 0, intended: Vec::new() };
    let mut decryptor =
        DecryptorBuilder::from_bytes(&armor).unwrap().with_policy(&policy, now.system(), helper).ok()?;
    let mut entity = Vec::new();
    decryptor.read_to_end(&mut entity).unwrap();
    let helper = decryptor.into_helper();
    assert_eq!(helper.good, 1, "one good signature, by the list");
    let (inner, body) = split(&entity);
    let ctype = field(&inner, "Content-Type");
    let parts = parts(&ctype, body);
    assert!(matches!(parts.len(), 2 | 3), "a note and what was sent");
    let beside = parts.get(2).map(|part| attached(part, "not-encrypted.bin"));
    let note = text_of(parts[0]);
    let (payload, signature) = signed_by_author(parts[1]);
    let Helper { pkesks, intended, .. } = helper;
    Some(Read {
        outer,
        note,
        payload,
        beside,
        signature,
        inner,
        pkesks,
        intended,
        seipd: seipd_version(&armor),
        entity,
    })
}

/// The bytes of a file that has no type.
fn attached(part: &[u8], name: &str) -> Vec<u8> {
    let (fields, body) = split(part);
    assert_eq!(field(&fields, "Content-Type"), "application/octet-stream");
    assert_eq!(field(&fields, "Content-Disposition"), format!("attachment; filename=\"{name}\""));
    let letters: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    base64_simd::STANDARD.decode_to_vec(letters).unwrap()
}

/// What was sent and the author's signature, where the relay put them side by side: its own delimiters tell. Anything
/// else is what was sent.
fn signed_by_author(part: &[u8]) -> (Vec<u8>, Option<(Vec<u8>, String)>) {
    if !part.starts_with(b"Content-Type: multipart/signed; micalg=pgp-")
        || find(part, b"boundary=\"=_").is_none()
    {
        return (part.to_vec(), None);
    }
    let (fields, body) = split(part);
    let ctype = field(&fields, "Content-Type");
    assert!(ctype.contains("; protocol=\"application/pgp-signature\";"), "{ctype}");
    let micalg = ctype.split("micalg=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let parts = parts(&ctype, body);
    assert_eq!(parts.len(), 2, "what was sent and its signature");
    let (fields, signature) = split(parts[1]);
    assert!(field(&fields, "Content-Type").starts_with("application/pgp-signature"));
    (parts[0].to_vec(), Some((signature.to_vec(), micalg)))
}

fn seipd_version(armor: &[u8]) -> u8 {
    let mut next = PacketParser::from_bytes(armor).unwrap();
    while let PacketParserResult::Some(parser) = next {
        if let Packet::SEIP(seip) = &parser.packet {
            return seip.version();
        }
        next = parser.next().unwrap().1;
    }
    panic!("no encrypted packet")
}

struct Helper<'a> {
    reader: &'a openpgp::Cert,
    from: openpgp::Cert,
    pkesks: Vec<(u8, Option<KeyHandle>)>,
    good: usize,
    intended: Vec<Fingerprint>,
}

impl VerificationHelper for Helper<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> openpgp::Result<Vec<openpgp::Cert>> {
        Ok(vec![self.from.clone()])
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            for result in results {
                let GoodChecksum { sig, .. } = result.unwrap_or_else(|e| panic!("{e}"));
                self.good += 1;
                self.intended.extend(sig.intended_recipients().cloned());
            }
        }
        Ok(())
    }
}

impl DecryptionHelper for Helper<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        skesks: &[SKESK],
        cipher: Option<openpgp::types::SymmetricAlgorithm>,
        try_key: &mut dyn FnMut(Option<openpgp::types::SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> openpgp::Result<Option<openpgp::Cert>> {
        assert!(skesks.is_empty());
        self.pkesks = pkesks.iter().map(|p| (p.version(), p.recipient())).collect();
        for key in self.reader.keys().secret() {
            let mut pair = key.key().clone().into_keypair()?;
            for pkesk in pkesks {
                // With somebody else's RSA key OpenSSL gives random bytes (implicit rejection), and when it gives
                // none Sequoia 2.4 panics.
                let opened =
                    catch_unwind(AssertUnwindSafe(|| pkesk.decrypt(&mut pair, cipher))).ok().flatten();
                if let Some((algorithm, session)) = opened
                    && try_key(algorithm, &session)
                {
                    // Without a certificate Sequoia leaves Intended Recipients to us.
                    return Ok(None);
                }
            }
        }
        Err(openpgp::Error::MissingSessionKey(String::new()).into())
    }
}
