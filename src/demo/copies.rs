//! Reading what came out, with the readers' keys.

use std::sync::Arc;

use super::cast::Character;
use super::sink::Delivery;
use super::trouble::Trouble;
use crate::id::Fingerprint;
use crate::mime::read::{self, Message, Shape, payload_headers, plain_text};
use crate::mime::scan::{Limits, Scanned, scan};
use crate::pgp::cert::Cert;
use crate::pgp::open::{Closed, How, Opened, Verdict};
use crate::pgp::person::list_packets;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// A copy as its reader's mail program shows it.
pub(super) struct Copy {
    pub(super) from: String,
    pub(super) subject: String,
    /// The relay's note.
    pub(super) note: String,
    /// What the author wrote.
    pub(super) text: String,
}

/// Opens a copy with a reader's key: it must be signed by the list, and hold what was sent byte for byte.
pub(super) fn read(
    delivery: &Delivery,
    reader: &Character,
    list: &Arc<Cert>,
    sent: &Plaintext,
    at: Timestamp,
) -> Result<Copy, Trouble> {
    let opened = open(delivery, reader, list, at)?;
    if opened.how() != How::PgpMime {
        return Trouble::broken(format!("{} cannot open the copy that came for it", reader.name));
    }
    let by_list: Fingerprint = list.fingerprint();
    if !matches!(opened.verdict(), Verdict::Good { signer, .. } if *signer == by_list) {
        return Trouble::broken(format!("the list's signature on {}'s copy is not good", reader.name));
    }
    let content = opened.payload().expose();
    // Within the copy, where the reader has it.
    let Some(payload) = content.windows(sent.len()).find(|window| *window == sent.expose()) else {
        return Trouble::broken(format!("{}'s copy is not what was sent", reader.name));
    };
    let entity = scanned(content)?;
    let Some(headers) = payload_headers(entity) else {
        return Trouble::broken("a copy has no protected headers");
    };
    let (Some(note), Some(text)) = (plain_text(entity), plain_text(scanned(payload)?)) else {
        return Trouble::broken("a copy has no text to show");
    };
    let author = headers.from.first().and_then(|from| from.name.as_ref());
    Ok(Copy {
        from: author.map(shown).unwrap_or_default(),
        subject: headers.subject.as_ref().map(shown).unwrap_or_default(),
        note: shown(&note),
        text: shown(&text),
    })
}

/// Whether somebody's key opens a copy; anything but "no key of mine" counts as yes.
pub(super) fn opens(
    delivery: &Delivery,
    somebody: &Character,
    list: &Arc<Cert>,
    at: Timestamp,
) -> Result<bool, Trouble> {
    Ok(open(delivery, somebody, list, at)?.how() != How::Closed(Closed::NoKey))
}

/// The packets of a copy, as anybody on its way sees them.
pub(super) fn packets(delivery: &Delivery) -> Result<Vec<String>, Trouble> {
    match message(&delivery.mail)?.shape() {
        Shape::PgpMime { ciphertext, .. } => Ok(list_packets(ciphertext)?),
        _ => Trouble::broken("a copy is not encrypted"),
    }
}

/// The outer header, without its end.
pub(super) fn header(delivery: &Delivery) -> String {
    let text = String::from_utf8_lossy(&delivery.mail);
    text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

fn open(delivery: &Delivery, reader: &Character, list: &Arc<Cert>, at: Timestamp) -> Result<Opened, Trouble> {
    Ok(reader.person.open(&message(&delivery.mail)?, &[Arc::clone(list)], at))
}

fn message(mail: &[u8]) -> Result<Message<'_>, Trouble> {
    read::read(scanned(mail)?).map_err(|error| Trouble::Broken(error.to_string()))
}

fn scanned(bytes: &[u8]) -> Result<Scanned<'_>, Trouble> {
    scan(bytes, &Limits::default()).map_err(|error| Trouble::Broken(error.to_string()))
}

/// For the terminal, where the demo shows its own mail on purpose.
fn shown(text: &Plaintext) -> String {
    String::from_utf8_lossy(text.expose()).replace("\r\n", "\n")
}
