//! Keyed tags: message-ids that tell nothing and replay digests that cannot be guessed.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::id::{Fingerprint, ListName};
use crate::mail::address::Domain;
use crate::secret::Plaintext;

/// Makes tags under the relay's tag key.
pub struct Tags<'a> {
    key: &'a [u8; 32],
}

impl<'a> Tags<'a> {
    /// Tags under this key.
    #[must_use]
    pub const fn new(key: &'a [u8; 32]) -> Self {
        Self { key }
    }

    /// The message-id (without angle brackets) that stands for `original` outside and inside: itself if we made it,
    /// every letter of it, else a keyed hash. So threads hold whether a reader's program answers with our id or with
    /// the original, and nobody learns the original's host or time.
    #[must_use]
    pub fn message_id(&self, original: &str, domain: &Domain) -> String {
        if self.made(original) {
            return original.to_owned();
        }
        let name = short(&self.mac(b"message-id", &[original.as_bytes()]), 15);
        self.tagged(&name, domain)
    }

    /// A message-id for a mail that came without one, from what makes the mail unique.
    #[must_use]
    pub fn fresh_message_id(&self, unique: &[u8], domain: &Domain) -> String {
        let name = short(&self.mac(b"fresh-id", &[unique]), 15);
        self.tagged(&name, domain)
    }

    /// Whether a message-id carries our tag.
    #[must_use]
    pub fn made(&self, id: &str) -> bool {
        let Some((local, domain)) = id.split_once('@') else { return false };
        let Some((name, tag)) = local.split_once('.') else { return false };
        // The comparison need not be in constant time: a tag that was guessed lets someone choose a thread's name.
        name.len() == 24 && self.tag(name, domain) == tag
    }

    /// The replay digest of a signed mail: the same for the same signature on the same list, however it was encrypted.
    #[must_use]
    pub fn replay(&self, list: &ListName, signer: Fingerprint, signature: &[u8]) -> [u8; 32] {
        self.mac(b"replay", &[list.as_str().as_bytes(), signer.as_bytes(), signature])
    }

    /// The same for a signed mail that was a command. Apart from [`Tags::replay`]: the same signature on a post is no replay.
    #[must_use]
    pub fn command(&self, list: &ListName, signer: Fingerprint, signature: &[u8]) -> [u8; 32] {
        self.mac(b"command", &[list.as_str().as_bytes(), signer.as_bytes(), signature])
    }

    /// The digest of a mail that no signature tells apart, on a list: the same for the same content under the same
    /// session key.
    #[must_use]
    pub fn session(&self, list: &ListName, digest: &[u8; 32]) -> [u8; 32] {
        self.mac(b"session", &[list.as_str().as_bytes(), digest])
    }

    /// A digest of a fetched mail: known again under another name, without anything of it being stored.
    #[must_use]
    pub fn fetched(&self, place: &str, mail: &Plaintext) -> [u8; 32] {
        self.mac(b"fetched", &[place.as_bytes(), mail.expose()])
    }

    fn tagged(&self, name: &str, domain: &Domain) -> String {
        format!("{name}.{}@{domain}", self.tag(name, domain.as_str()))
    }

    /// Over the whole id: nobody can put words of his own behind a tag that he saw.
    fn tag(&self, name: &str, domain: &str) -> String {
        short(&self.mac(b"tag", &[name.as_bytes(), domain.as_bytes()]), 10)
    }

    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key) else {
            // HMAC takes a key of any length (RFC 2104 §3).
            return [0; 32];
        };
        for part in std::iter::once(&purpose).chain(parts) {
            // Each part behind its length, so that parts cannot run into each other.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

fn short(mac: &[u8; 32], bytes: usize) -> String {
    let head: Vec<u8> = mac.iter().take(bytes).copied().collect();
    BASE32_NOPAD.encode(&head).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        "lists.example.org".parse().unwrap()
    }

    #[test]
    fn our_own_ids_stay_and_others_are_hidden() {
        let tags = Tags::new(&[7; 32]);
        let ours = tags.message_id("CAF=secret-host@laptop.ada.example", &domain());
        assert!(ours.ends_with("@lists.example.org") && !ours.contains("laptop"));
        assert_eq!(tags.message_id(&ours, &domain()), ours, "f(f(id)) = f(id)");
        assert_eq!(tags.message_id("CAF=secret-host@laptop.ada.example", &domain()), ours);
        assert!(!Tags::new(&[8; 32]).made(&ours), "another relay's id is not ours");
        let told = ours.replace("@lists.example.org", "@overflow-in-the-parser.example");
        assert!(!tags.message_id(&told, &domain()).contains("overflow"), "no words behind a tag of ours");
        let elsewhere = "other.example.org".parse().unwrap();
        assert_eq!(tags.message_id(&ours, &elsewhere), ours, "threads hold across the relay's lists");
    }

    #[test]
    fn a_fetched_mail_is_known_by_place_and_bytes() {
        let (tags, others) = (Tags::new(&[7; 32]), Tags::new(&[8; 32]));
        let mail = |text: &str| Plaintext::new(text.into());
        let base = tags.fetched("imap/a", &mail("x"));
        assert_eq!(tags.fetched("imap/a", &mail("x")), base);
        assert_ne!(tags.fetched("imap/b", &mail("x")), base);
        assert_ne!(tags.fetched("imap/a", &mail("y")), base);
        assert_ne!(others.fetched("imap/a", &mail("x")), base, "nobody can guess it without the key");
    }

    #[test]
    fn a_replay_digest_depends_on_list_signer_and_signature() {
        let tags = Tags::new(&[7; 32]);
        let (a, b): (ListName, ListName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let fp = Fingerprint::V4([1; 20]);
        let base = tags.replay(&a, fp, b"digest");
        assert_eq!(tags.replay(&a, fp, b"digest"), base);
        assert_ne!(tags.replay(&b, fp, b"digest"), base);
        assert_ne!(tags.replay(&a, Fingerprint::V4([2; 20]), b"digest"), base);
        assert_ne!(tags.replay(&a, fp, b"other"), base);
        assert_ne!(tags.command(&a, fp, b"digest"), base);
    }
}
