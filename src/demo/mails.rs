//! The mails that the people write, as a mail program makes them: the real headers inside the encryption (RFC 9788),
//! next to nothing outside.

use super::cast::{Character, DOMAIN};
use super::scene::Scene;
use super::trouble::Trouble;
use crate::mime::write::{
    Field, boundary, mailbox, multipart, opaque_part, raw_field, text_field, text_part,
};
use crate::pgp::cert::Cert;
use crate::secret::Plaintext;
use crate::time::{Clock, Timestamp};

/// A mail before it is protected.
pub(super) struct Draft<'a> {
    pub(super) from: &'a Character,
    /// The list's address.
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    /// File name and content.
    pub(super) attachment: (String, String),
}

impl Draft<'_> {
    /// The entity with protected headers, text and attachment.
    pub(super) fn entity(&self, scene: &Scene) -> Plaintext {
        let (name, content) = &self.attachment;
        let (text, file) = (text_part(&self.text), opaque_part(content.as_bytes(), name));
        let fields = self.fields(&self.subject, scene);
        multipart(
            &fields,
            "mixed; hp=\"cipher\"; protected-headers=\"v1\"",
            &boundary(scene.entropy.bytes()),
            &[&text, &file],
        )
    }

    /// The entity signed by its author and encrypted to a list, as a mail (RFC 3156 §4).
    pub(super) fn sealed(&self, entity: &Plaintext, to: &Cert, scene: &Scene) -> Result<Vec<u8>, Trouble> {
        let armored = self.from.person.write(entity, &[to], scene.clock.now())?;
        let version = b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n";
        let message = [b"Content-Type: application/octet-stream\r\n\r\n", armored.as_slice()].concat();
        let mut fields = self.fields("[...]", scene);
        fields.push(raw_field("MIME-Version", "1.0"));
        let mail = multipart(
            &fields,
            "encrypted; protocol=\"application/pgp-encrypted\"",
            &boundary(scene.entropy.bytes()),
            &[version, &message],
        );
        Ok(mail.expose().to_vec())
    }

    fn fields(&self, subject: &str, scene: &Scene) -> Vec<Field> {
        let now: Timestamp = scene.clock.now();
        let id = data_encoding::HEXLOWER.encode(&scene.entropy.bytes::<16>());
        let domain = self.from.address.rsplit('@').next().unwrap_or_default();
        vec![
            raw_field("From", &mailbox(Some(self.from.name), self.from.address)),
            raw_field("To", &self.to),
            text_field("Subject", subject),
            raw_field("Date", &now.rfc5322()),
            raw_field("Message-ID", &format!("<{id}@{domain}>")),
        ]
    }
}

/// A report to the security team.
pub(super) fn report(scene: &Scene) -> Draft<'_> {
    let canary = &scene.canary;
    Draft {
        from: &scene.cast.reporter,
        to: format!("security@{}", DOMAIN),
        subject: format!("Heap overflow in the tunnel handshake ({canary})"),
        text: format!(
            "Hello,\n\n\
             the tunnel copies its peer's name into 64 bytes without looking at the\n\
             length: any peer can overflow the heap before it has logged in. Seen in\n\
             version 1.18.2 with default settings; what shows it is attached.\n\n\
             The word of this run is {canary}.\n\nRosa\n"
        ),
        attachment: (format!("poc-{canary}.txt"), format!("name = \"{}{canary}\"\n", "A".repeat(80))),
    }
}

/// A team member's announcement to the distributors.
pub(super) fn announcement(scene: &Scene) -> Draft<'_> {
    let canary = &scene.canary;
    let [ada, ..] = &scene.cast.team;
    Draft {
        from: ada,
        to: announce_address(),
        subject: format!("EMBARGOED: tunnel handshake, fix attached ({canary})"),
        text: format!(
            "Dear distributors,\n\n\
             a peer that has not logged in can overflow the heap of the tunnel.\n\
             Disclosure: in 14 days, 12:00 UTC. Until then, please tell nobody.\n\
             The fix is attached. The word of this run is {canary}.\n\nAda, for the security team\n"
        ),
        attachment: (
            format!("fix-{canary}.patch"),
            format!("-copy(name)\n+copy_at_most(name, 64) // {canary}\n"),
        ),
    }
}

/// The same list, written to by somebody who may not.
pub(super) fn forgery(scene: &Scene) -> Draft<'_> {
    let canary = &scene.canary;
    Draft {
        from: &scene.cast.stranger,
        to: announce_address(),
        subject: format!("URGENT: install this at once ({canary})"),
        text: format!(
            "Dear distributors,\n\nplease install what is attached. {canary}\n\nthe security team\n"
        ),
        attachment: (format!("update-{canary}.sh"), format!("echo {canary}\n")),
    }
}

fn announce_address() -> String {
    format!("distrib-announce@{}", DOMAIN)
}
