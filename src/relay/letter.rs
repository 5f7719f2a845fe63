//! A mail of the relay itself to one person: signed by the list's key, encrypted to that person's certificate.

use std::sync::Arc;

use crate::id::Entropy;
use crate::mail::address::Address;
use crate::mail::headers::{letter_outer, protected};
use crate::mail::parcel::Head;
use crate::mail::tags::Tags;
use crate::mime::write::{boundary, multipart, raw_field, text_part};
use crate::pgp::cert::CertProblem;
use crate::pgp::keyring::ListKey;
use crate::pgp::seal::{Reader, SealError, address, sign};
use crate::pgp::sealed::{Sealed, ToReaders, WrappedKey};
use crate::relay::compose::Composed;
use crate::relay::world::List;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// What is said to whom.
pub struct Words<'a> {
    /// The list whose mail it is.
    pub list: &'a List,
    /// Whom it is for.
    pub to: &'a Address,
    /// The ending of the list's address that gets an answer, such as `-owner`.
    pub answer_to: &'static str,
    /// Its Subject, without the list's title.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// A whole part that stands behind the text.
    pub beside: Option<Vec<u8>>,
    /// What comes as a part of its own, a complete MIME entity.
    pub enclosed: Option<&'a Plaintext>,
    /// When it is written.
    pub at: Timestamp,
}

/// The mail, sealed.
pub struct Letter {
    /// What stands outside.
    pub head: Head,
    /// The body.
    pub body: Sealed<ToReaders>,
    /// Its session key, wrapped to that person.
    pub key: WrappedKey,
}

impl Words<'_> {
    /// Composes, signs and seals; or says why that person's certificate cannot be used.
    ///
    /// # Errors
    /// When signing or sealing fails for another reason.
    pub fn seal(
        &self,
        reader: Reader<'_>,
        key: &ListKey,
        tags: &Tags<'_>,
        entropy: &Entropy,
    ) -> Result<Result<Letter, CertProblem>, SealError> {
        let Composed { entity, head } = self.compose(tags, entropy);
        // A body of its own: it names its reader, and nobody else is meant.
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

    fn compose(&self, tags: &Tags<'_>, entropy: &Entropy) -> Composed {
        let List { title, address: list, .. } = self.list;
        let id = tags.fresh_message_id(&entropy.bytes::<16>(), list.domain());
        let outside = letter_outer(list, title, self.to, self.answer_to, self.at, &id);
        let subject = format!("[{title}] {}", self.subject);
        let fields = protected(&outside, list, &format!("{title} relay"), &subject);
        let text = text_part(&self.text);
        let parts = [Some(text.as_slice()), self.beside.as_deref(), self.enclosed.map(Plaintext::expose)];
        let parts: Vec<&[u8]> = parts.into_iter().flatten().collect();
        let entity = multipart(
            &fields,
            "mixed; hp=\"cipher\"; protected-headers=\"v1\"",
            &boundary(entropy.bytes()),
            &parts,
        );
        let field = |(name, value): &(&str, String)| {
            String::from_utf8_lossy(raw_field(name, value).expose()).into_owned()
        };
        let fields = outside.iter().map(field).collect();
        Composed { entity, head: Head { fields, boundary: boundary(entropy.bytes()) } }
    }
}
