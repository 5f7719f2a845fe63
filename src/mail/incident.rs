//! What an admin is told about: metadata only. No variant can carry content, a subject or a name.

use serde::{Deserialize, Serialize};

use crate::id::{BreachId, Fingerprint, MemberId, OrgName, ParcelId, SpoolId};
use crate::mail::address::Address;
use crate::pgp::cert::CertProblem;
use crate::time::Timestamp;

/// Something went wrong that an admin has to know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Incident {
    /// The next hop refused a copy for good.
    CopyFailed {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
        /// Where it should have gone.
        recipient: Address,
        /// Reply code and enhanced status, such as `550 5.1.1`; empty where there was no reply.
        code: String,
    },
    /// A copy was tried for as long as the settings say, in vain.
    CopyExpired {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
        /// Where it should have gone.
        recipient: Address,
        /// The last reply's code, as above.
        code: String,
    },
    /// A copy that the next hop had taken over came back.
    CopyBounced {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
        /// Where it should have gone.
        recipient: Address,
        /// The enhanced status of the bounce (RFC 3463), such as `5.1.1`.
        status: String,
    },
    /// Letters of the relay itself do not reach somebody: they came back, or were refused for good. Told once a day.
    LetterLost {
        /// Whom.
        member: MemberId,
        /// Where they went.
        recipient: Address,
    },
    /// A mail waits for a person.
    MailHeld {
        /// The mail.
        mail: SpoolId,
        /// The reason's name.
        reason: String,
    },
    /// A mail did not survive being worked on.
    MailQuarantined {
        /// The mail.
        mail: SpoolId,
    },
    /// A reader got no copy of a mail because its certificate cannot be used.
    ReaderMissed {
        /// The mail.
        mail: SpoolId,
        /// The reader.
        member: MemberId,
        /// The reader's address.
        recipient: Address,
        /// What is wrong with the certificate.
        problem: CertProblem,
    },
    /// A reader's certificate will be of no use soon.
    CertificateEnds {
        /// The reader.
        member: MemberId,
        /// The reader's address.
        recipient: Address,
        /// When.
        at: Timestamp,
        /// Within how many days.
        within: u16,
    },
    /// A reader can get no mail any more.
    CannotReceive {
        /// The reader.
        member: MemberId,
        /// The reader's address.
        recipient: Address,
        /// What is wrong with the certificate.
        problem: CertProblem,
    },
    /// The day passed on which a criterion of an organisation was to be looked at again.
    ReviewMissed {
        /// Whose.
        org: OrgName,
        /// Which criterion.
        criterion: String,
        /// When it was due.
        due: Timestamp,
    },
    /// A reader had another certificate pinned, by a mail that both keys signed.
    CertificateReplaced {
        /// The reader.
        member: MemberId,
        /// The reader's address.
        recipient: Address,
        /// The certificate before.
        before: Fingerprint,
        /// The one from now on.
        after: Fingerprint,
    },
    /// A mailbox or folder that mail is fetched from cannot be used.
    MailboxTrouble {
        /// Its name in the settings.
        mailbox: String,
        /// What is wrong, in the relay's own words.
        problem: String,
    },
    /// Questions whether an address is read stayed without an answer, and its owner is suspended.
    Unanswered {
        /// Who.
        member: MemberId,
        /// The address.
        recipient: Address,
        /// How many in a row.
        missed: u32,
    },
    /// A leak was reported.
    BreachReported {
        /// Which.
        breach: BreachId,
    },
    /// What a report of a leak does not say is overdue.
    BreachOverdue {
        /// Which.
        breach: BreachId,
    },
    /// Some other part needs a person.
    Trouble {
        /// Which part, such as `dkim`.
        part: String,
        /// What is wrong, in the relay's own words.
        problem: String,
    },
}

impl Incident {
    /// The name of its kind, for logs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CopyFailed { .. } => "copy-failed",
            Self::CopyExpired { .. } => "copy-expired",
            Self::CopyBounced { .. } => "copy-bounced",
            Self::LetterLost { .. } => "letter-lost",
            Self::MailHeld { .. } => "mail-held",
            Self::MailQuarantined { .. } => "mail-quarantined",
            Self::ReaderMissed { .. } => "reader-missed",
            Self::CertificateEnds { .. } => "certificate-ends",
            Self::CannotReceive { .. } => "cannot-receive",
            Self::ReviewMissed { .. } => "review-missed",
            Self::CertificateReplaced { .. } => "certificate-replaced",
            Self::MailboxTrouble { .. } => "mailbox-trouble",
            Self::Unanswered { .. } => "unanswered",
            Self::BreachReported { .. } => "breach-reported",
            Self::BreachOverdue { .. } => "breach-overdue",
            Self::Trouble { .. } => "trouble",
        }
    }
}
