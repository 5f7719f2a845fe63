//! An application in a mail, and the certificate that came with it: whoever applies is a stranger. The certificate comes
//! from inside the encryption, and counts if it is the one that signed; it serves this application and nothing else.

use std::sync::Arc;

use crate::mail::directory::Kind;
use crate::mail::tags::Tags;
use crate::mime::enclosed::{MOST, armored_certificate, certificates, holds_more};
use crate::mime::read::{payload_headers, plain_text};
use crate::mime::scan::Scanned;
use crate::pgp::cert::Cert;
use crate::pgp::open::{How, Opened, Verdict};
use crate::relay::compose::inside;
use crate::relay::gate::may_be_forgotten;
use crate::relay::world::World;
use crate::roster::application::{Filled, LARGEST_CERT};
use crate::roster::form::{self, Fault, Signer};

/// A form, and who signed it.
pub struct Applying {
    /// What it says, or what is wrong with it.
    pub form: Result<Filled, Vec<Fault>>,
    /// The certificate that signed it.
    pub cert: Arc<Cert>,
    /// Whether the mail says more than the form asks for: then it is a mail to the team besides.
    pub more: bool,
    /// Where its signer may be answered.
    pub signer: Signer,
    /// Known again if the same signature comes again.
    pub replay: Vec<[u8; 32]>,
}

/// The application in an opened mail to a list's address for requests, if it holds one. `again` opens the mail anew with
/// these certificates.
#[must_use]
pub fn heard(
    opened: &Opened,
    tags: &Tags<'_>,
    world: &World<'_>,
    again: &dyn Fn(&[Arc<Cert>]) -> Opened,
) -> Option<Applying> {
    if !matches!(world.list.kind, Kind::Announce | Kind::Discuss) || world.list.policy.is_none() {
        return None;
    }
    let inside = inside(opened, &world.limits.mime);
    let text = match opened.how() {
        How::PgpMime => plain_text(inside?)?,
        How::Inline => crate::secret::Plaintext::new(opened.payload().expose().to_vec()),
        // In the clear others have read it; and nobody said that it may be answered.
        How::Clear | How::Closed(_) => return None,
    };
    let text = String::from_utf8_lossy(text.expose());
    if !form::is_one(&text) {
        return None;
    }
    let (cert, known) = signer(opened, inside, world, again)?;
    let opened = known.as_ref().unwrap_or(opened);
    let Verdict::Good { signer, made_at } = opened.verdict() else { return None };
    if *signer != cert.fingerprint() || may_be_forgotten(*made_at, world) || cert.sealable(*made_at).is_err()
    {
        return None;
    }
    let replay =
        opened.signature_digests().map(|digest| tags.command(&world.list.name, *signer, digest)).collect();
    let from = inside.and_then(payload_headers).map(|headers| headers.from).unwrap_or_default();
    let from = match from.as_slice() {
        [one] => one.address.clone(),
        _ => None,
    };
    let signer = Signer { emails: cert.emails(), from };
    let ours = [&world.list.address, &world.list.answer_to];
    let form::Read { form, more } = form::read(&text, world.list, &signer, &ours)?;
    let more = more || inside.is_some_and(|inside| holds_more(inside) || holds_other_keys(inside));
    Some(Applying { form, cert, more, signer, replay })
}

/// Whether something came as a certificate that is none: it may say anything.
fn holds_other_keys(inside: Scanned<'_>) -> bool {
    let came = certificates(inside);
    came.len() >= MOST || came.iter().any(|bytes| Cert::parse(bytes).is_err())
}

/// The certificate that signed: one of the roster, or the one that came along. With the latter the mail is opened anew.
fn signer(
    opened: &Opened,
    inside: Option<Scanned<'_>>,
    world: &World<'_>,
    again: &dyn Fn(&[Arc<Cert>]) -> Opened,
) -> Option<(Arc<Cert>, Option<Opened>)> {
    let unknown = match opened.verdict() {
        Verdict::Good { signer, .. } => {
            let applicant = || world.applicants.iter().find(|cert| cert.fingerprint() == *signer);
            return Some((Arc::clone(world.certs.get(signer).or_else(applicant)?), None));
        }
        Verdict::UnknownKey(unknown) => unknown,
        Verdict::Unsigned | Verdict::Bad(_) => return None,
    };
    let came = match inside {
        Some(inside) => certificates(inside),
        None => armored_certificate(opened.payload().expose()).map(<[u8]>::to_vec).into_iter().collect(),
    };
    // The signature names a subkey as often as the certificate: whether it fits, verifying tells.
    let came = came.iter().filter(|bytes| bytes.len() <= LARGEST_CERT);
    // Bounded work, as for what an admin hands in: a certificate full of signatures costs its owner nothing.
    for cert in came.filter_map(|bytes| Cert::handed_in(bytes, None).ok()).map(Arc::new) {
        if unknown.iter().any(|id| cert.has_key(id)) {
            let opened = again(std::slice::from_ref(&cert));
            return Some((cert, Some(opened)));
        }
    }
    None
}
