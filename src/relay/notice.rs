//! A notice of the relay to one admin. It is signed by the list's key, encrypted to the admin's certificate, and quotes
//! nothing of any mail.

mod text;

use std::sync::Arc;
use std::time::Duration;

use crate::id::Entropy;
use crate::mail::address::Address;
use crate::mail::headers::{notice_outer, notice_reply_to};
use crate::mail::incident::Incident;
use crate::mail::parcel::Head;
use crate::mail::tags::Tags;
use crate::mime::write::{boundary, mailbox, multipart, raw_field, text_field, text_part};
use crate::pgp::cert::CertProblem;
use crate::pgp::keyring::ListKey;
use crate::pgp::seal::{Reader, SealError, address, sign};
use crate::pgp::sealed::{Sealed, ToReaders, WrappedKey};
use crate::relay::compose::Composed;
use crate::relay::world::List;
use crate::time::Timestamp;

/// What an admin is told.
pub struct Notice<'a> {
    /// The list whose notice it is: its key signs.
    pub list: &'a List,
    /// What happened and when, the oldest first.
    pub incidents: &'a [(Timestamp, Incident)],
    /// Admins who cannot be told, and why.
    pub unreached: &'a [(Address, CertProblem)],
    /// The shortest time between two notices.
    pub every: Duration,
    /// When it is written.
    pub at: Timestamp,
}

/// One admin's notice, sealed.
pub struct Letter {
    /// What stands outside.
    pub head: Head,
    /// The body.
    pub body: Sealed<ToReaders>,
    /// Its session key, wrapped to that admin.
    pub key: WrappedKey,
}

impl Notice<'_> {
    /// Composes, signs and seals the notice for one admin; or says why that admin's certificate cannot be used.
    ///
    /// # Errors
    /// When signing or sealing fails for another reason.
    pub fn seal(
        &self,
        to: &Address,
        reader: Reader<'_>,
        key: &ListKey,
        tags: &Tags<'_>,
        entropy: &Entropy,
    ) -> Result<Result<Letter, CertProblem>, SealError> {
        let Composed { entity, head } = self.compose(to, tags, entropy);
        // A body of its own: it names the admin, and nobody else is meant.
        let signed = sign(&Arc::new(entity), key, self.at, &[reader.cert])?;
        let (classes, missed) = address(signed, &[(0, reader)], self.at)?;
        let Some(class) = classes.into_iter().next() else {
            let problem = missed.into_iter().next().map_or(CertProblem::Unusable, |(_, problem)| problem);
            return Ok(Err(problem));
        };
        let sealed = class.seal()?;
        let Some(copy) = sealed.copies.into_iter().next() else { return Ok(Err(CertProblem::Unusable)) };
        Ok(Ok(Letter { head, body: sealed.body, key: copy.key }))
    }

    fn compose(&self, to: &Address, tags: &Tags<'_>, entropy: &Entropy) -> Composed {
        let List { title, address: list, .. } = self.list;
        let id = tags.fresh_message_id(&entropy.bytes::<16>(), list.domain());
        let outside = notice_outer(list, title, to, self.at, &id);
        let subject = format!("[{title}] {}", text::subject(self.incidents));
        let mut fields = vec![
            raw_field("From", &mailbox(Some(&format!("{title} relay")), &list.to_string())),
            raw_field("To", &to.to_string()),
            text_field("Subject", &subject),
            raw_field("Date", &self.at.rfc5322()),
            raw_field("Reply-To", &notice_reply_to(list)),
            raw_field("Message-ID", &format!("<{id}>")),
            // RFC 3834 §5: nobody wrote it, and nobody's program is to answer it.
            raw_field("Auto-Submitted", "auto-generated"),
        ];
        // RFC 9788 §2.2.
        fields.extend(outside.iter().map(|(name, value)| raw_field("HP-Outer", &format!("{name}: {value}"))));
        let text = text_part(&text::body(self.list, self.incidents, self.unreached, self.every));
        let entity = multipart(
            &fields,
            "mixed; hp=\"cipher\"; protected-headers=\"v1\"",
            &boundary(entropy.bytes()),
            &[&text],
        );
        let field = |(name, value): &(&str, String)| {
            String::from_utf8_lossy(raw_field(name, value).expose()).into_owned()
        };
        let fields = outside.iter().map(field).collect();
        Composed { entity, head: Head { fields, boundary: boundary(entropy.bytes()) } }
    }
}
