//! The relay's own note: the first part of every copy. It says who signed and what that is worth, and quotes nothing.

use std::fmt::Write as _;

use crate::mail::directory::Purpose;
use crate::mime::signed::InnerSignatures;
use crate::pgp::open::{Closed, How, Loss, Verdict, Why};
use crate::relay::author::Claim;
use crate::relay::automatic::Sign;
use crate::relay::proof::Proof;
use crate::relay::world::World;
use crate::time::Timestamp;

/// What the note says; lines without a value are left out.
pub struct Note<'a> {
    /// How the mail was protected; `None` when its structure was beyond the limits and it was not looked into.
    pub how: Option<How>,
    /// What its signature is worth.
    pub verdict: &'a Verdict,
    /// The signer's name on the roster, if it is there.
    pub signer: Option<&'a str>,
    /// Which address it came to.
    pub purpose: &'a Purpose,
    /// When it arrived.
    pub arrived: Timestamp,
    /// Whether its payload holds further encrypted parts.
    pub holds_encrypted: bool,
    /// Whether a text in the clear came in front of the encrypted part.
    pub text_beside: bool,
    /// What its From says, beside the signature.
    pub claim: Claim,
    /// What makes it look as if a program had written it.
    pub automatic: Option<Sign>,
    /// What becomes of the author's own signature.
    pub proof: Proof,
    /// Signatures inside that nobody looked at.
    pub inner: InnerSignatures,
    /// Whether its protected header names others than this list.
    pub for_others: bool,
    /// Whether it has a Subject that the signature does not cover.
    pub loose_subject: bool,
    /// When the same mail came before.
    pub before: Option<Timestamp>,
}

impl<'a> Note<'a> {
    /// Of a mail whose structure was beyond the limits.
    #[must_use]
    pub const fn unopened(verdict: &'a Verdict, purpose: &'a Purpose, arrived: Timestamp) -> Self {
        Self {
            how: None,
            verdict,
            signer: None,
            purpose,
            arrived,
            holds_encrypted: false,
            text_beside: false,
            claim: Claim::Own,
            automatic: None,
            proof: Proof::None,
            inner: InnerSignatures { parts: false, loose: false, smime: false },
            for_others: false,
            loose_subject: false,
            before: None,
        }
    }
}

/// What stands under every note. The note comes first in each copy, and the author cannot come before it: so there is a
/// last line that he cannot take back, whatever he writes below.
const END: &str = "[The note ends here. Nothing that follows is the list's.]\n";

impl Note<'_> {
    /// The note as text, lines ending in LF.
    #[must_use]
    pub fn text(&self, world: &World<'_>) -> String {
        let mut text = format!("[This note is from the list {}, not from the author.]\n", world.list.title);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{:<12}{value}", format!("{name}:"));
        };
        line("Signature", &self.signature());
        if let Some(remark) = self.remark() {
            line("Attention", remark);
        }
        match self.proof {
            Proof::None => {}
            Proof::Kept => {
                line(
                    "Check it",
                    "the author's own signature is kept with the mail; your program can verify it",
                );
            }
            Proof::Lost(why) => line(
                "Attention",
                &format!(
                    "the author's own signature could not be kept: {}; the list's word stands alone",
                    loss_text(why)
                ),
            ),
        }
        for warning in self.unchecked() {
            line("Attention", warning);
        }
        line("Arrived", &self.arrived.to_string());
        if let Some(warning) = self.protection() {
            line("Attention", warning);
        }
        if let Some(sign) = self.automatic {
            line("Attention", &format!("a program seems to have written this mail ({})", sign.shown()));
        }
        if self.for_others {
            line(
                "Attention",
                "the author addressed it to others, not to this list; somebody may have passed it on",
            );
        }
        if let Some(before) = self.before {
            line(
                "Attention",
                &format!("the same mail came before, on {before}; anybody who saw it can send it again"),
            );
        }
        if self.holds_encrypted {
            line(
                "Attention",
                "the mail holds further encrypted parts; it is attached, so that they are opened knowingly",
            );
        }
        if self.text_beside {
            line(
                "Attention",
                "a text that was not encrypted came in front of the encrypted part, perhaps from a virus scanner; \
                 anybody can have written it; it is attached as not-encrypted.bin",
            );
        }
        if world.waived.is_some() {
            line("Released", "the list had held this mail; an admin let it through");
        }
        if let Some(address) = self.addressed() {
            line("Addressed", address);
        }
        line("Answer to", &world.list.answer_to.to_string());
        text.push_str(END);
        text
    }

    fn signature(&self) -> String {
        match self.verdict {
            Verdict::Good { signer, made_at } => {
                let who = self.signer.unwrap_or("somebody on the roster who is not active");
                format!("good, by {who}, made {made_at}\n            key {signer}")
            }
            Verdict::Unsigned => "none: nobody vouches for who wrote this".to_owned(),
            Verdict::UnknownKey(keys) if keys.is_empty() => {
                "by a key that it does not name: nobody here can check it".to_owned()
            }
            // Anybody can name any key.
            Verdict::UnknownKey(keys) => format!(
                "by a key that is not on the roster: {}\n            so it says; the list has no certificate to check \
                 it with",
                keys.join(", ")
            ),
            Verdict::Bad(why) => format!("does not count: {}", why_text(*why)),
        }
    }

    /// Signatures that a reader's program may show and that nobody checked.
    fn unchecked(&self) -> impl Iterator<Item = &'static str> {
        let covered = *self.verdict == Verdict::Bad(Why::PartialCover);
        let openpgp = (self.inner.parts && !covered || self.inner.loose)
            .then_some("a part of the mail has a signature of its own, which the list did not check");
        let smime =
            self.inner.smime.then_some("the mail has an S/MIME signature, which the list does not check");
        let subject = (self.loose_subject && matches!(self.verdict, Verdict::Good { .. }))
            .then_some("the signature does not cover its Subject: go by what the mail itself says");
        openpgp.into_iter().chain(smime).chain(subject)
    }

    const fn remark(&self) -> Option<&'static str> {
        match self.claim {
            Claim::Own => None,
            Claim::Another => Some(
                "its From names an address that is not the signer's; go by the signature, not by the From",
            ),
            Claim::Several => {
                Some("its From names several people, and one signed; go by the signature, not by the From")
            }
        }
    }

    const fn protection(&self) -> Option<&'static str> {
        match self.how {
            Some(How::PgpMime | How::Inline) => None,
            Some(How::Clear) => Some("this mail came in the clear; others may have read it on its way"),
            Some(How::Closed(why)) => Some(closed_text(why)),
            None => {
                Some("the mail's structure is beyond the list's limits; it is attached as it came, unopened")
            }
        }
    }

    const fn addressed(&self) -> Option<&'static str> {
        match self.purpose {
            Purpose::Owner => Some("to the list's owner"),
            Purpose::Postmaster => Some("to the postmaster"),
            Purpose::Reporter => Some("to team and reporter; it went to the team alone"),
            Purpose::Request => {
                Some("to the list's address for requests; it says more than a command, or none that counts")
            }
            Purpose::Post | Purpose::Bounces(_) => None,
        }
    }
}

const fn why_text(why: Why) -> &'static str {
    match why {
        Why::Invalid => "it does not match the mail",
        Why::ExpiredWhenSigning => "its key had expired when it was made",
        Why::ExpiredSince => "its key expired between the signing and the arrival",
        Why::SignatureExpired => "it was made for a term, which was over when the mail arrived",
        Why::RevokedWhenSigning => "its key had been superseded or retired when it was made",
        Why::RevokedSince => "its key was superseded or retired between the signing and the arrival",
        Why::RevokedHard => {
            "its key is revoked as compromised, or for no given reason: nothing that it signed counts"
        }
        Why::Unbound => "its key was not the certificate's when it was made",
        Why::NotForSigning => "its key is not for signing mail",
        Why::Weak => "its algorithms are no longer safe",
        Why::Condition => "it makes a condition that the list does not know",
        Why::PartialCover => "it covers only a part of the mail",
        Why::SeveralSigners => "several certificates signed",
        Why::Nested => "the mail is signed in several layers",
        Why::ForSomeoneElse => "it was made for other recipients than this list",
        Why::Stale => "it was made more than 7 days before the mail arrived",
        Why::Future => "it was made after the mail arrived, by the signer's clock",
        Why::NotASigner => "the list's own key made it, which signs no mail of members",
    }
}

const fn loss_text(why: Loss) -> &'static str {
    match why {
        Loss::Inline => "it was inline PGP, whose signature stands beside no part of a mail",
        Loss::LineEnds => "it was made over line ends that programs change before they verify",
        Loss::Several => "there are several in one message",
        Loss::Obsolete => "its hash is obsolete",
        Loss::NoHeader => "what was encrypted has no header, so that the list wrote one",
        Loss::Attached => "the mail is attached whole",
    }
}

const fn closed_text(why: Closed) -> &'static str {
    match why {
        Closed::NoKey => "the mail is encrypted, but not to this list; it is attached as it came",
        Closed::Damaged => "the mail is encrypted, but damaged; it is attached as it came",
        Closed::TooLarge => "the mail unpacks to more than the limit; it is attached as it came",
        Closed::TooManyKeys => "the mail has more recipients' keys than the limit; it is attached as it came",
        Closed::Nested => "the mail is encrypted in several layers; it is attached as it came",
        Closed::Mixed => {
            "the mail mixes clear and encrypted parts; it is attached as it came, nothing was decrypted"
        }
        Closed::NotOpenPgp => {
            "the mail claims to be encrypted, but holds no OpenPGP message; it is attached as it came"
        }
        Closed::TooComplex => "the mail's inside is more complex than the limit; it is attached as it came",
        Closed::Weak => {
            "the mail is encrypted without integrity protection or with a cipher that is no longer used; it is \
             attached as it came"
        }
    }
}
