//! Acceptance of a list's terms: who accepted which text, who is asked and until when, and whose staff accepted it.

use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, MemberId};
use crate::mail::address::Address;
use crate::policy::{TermsText, TextHash};
use crate::time::Timestamp;

/// Which text: its version and its digest. An acceptance of one is none of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// The version.
    pub version: String,
    /// The digest.
    pub hash: TextHash,
}

impl From<&TermsText> for Edition {
    fn from(text: &TermsText) -> Self {
        Self { version: text.version.clone(), hash: text.hash }
    }
}

/// The text that is in force on a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Which.
    pub edition: Edition,
    /// Since when the list has any text: who was a member before goes on reading until the time to accept is over.
    pub first: Timestamp,
    /// Those before it. Nobody is asked for one of them again.
    pub former: Vec<Edition>,
}

/// How somebody accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// By a signed mail with a token.
    Mail,
    /// By a signed statement that was recorded.
    Statement,
    /// The admin says so.
    AdminsWord,
}

impl How {
    /// In words, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "by signed mail",
            Self::Statement => "by a signed statement",
            Self::AdminsWord => "by the admin's word",
        }
    }
}

/// An acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Of which text.
    pub edition: Edition,
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: How,
}

/// An acceptance that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Of which text.
    pub edition: Edition,
    /// Since when.
    pub at: Timestamp,
    /// Until when; none: for as long as it takes.
    pub due: Option<Timestamp>,
    /// How many reminders went out.
    pub reminded: u32,
    /// Whether nothing is delivered before.
    pub withheld: bool,
}

/// What is known of a member's acceptance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acceptance {
    /// The last one.
    pub accepted: Option<Accepted>,
    /// The one that is asked for.
    pub asked: Option<Asked>,
    /// The organisation's own people who need to know, with theirs.
    pub staff: Vec<Staff>,
}

impl Acceptance {
    /// It in words, for people; none where nothing is known.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let accepted = self.accepted.as_ref().map(|accepted| {
            format!("version {} accepted {} {}", accepted.edition.version, accepted.how.as_str(), accepted.at)
        });
        let asked = self.asked.as_ref().map(|asked| {
            let due = asked.due.map_or_else(String::new, |due| format!(", due until {due}"));
            let before = if asked.withheld { "; nothing is delivered before" } else { "" };
            format!("version {} asked for since {}{due}{before}", asked.edition.version, asked.at)
        });
        let both: Vec<String> = [accepted, asked].into_iter().flatten().collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Whether this text is accepted.
    #[must_use]
    pub fn covers(&self, edition: &Edition) -> bool {
        self.accepted.as_ref().is_some_and(|accepted| accepted.edition == *edition)
    }

    /// Those of its own people who accepted another text than this one.
    pub fn of_former_text<'s>(&'s self, edition: &'s Edition) -> impl Iterator<Item = &'s Staff> {
        self.staff.iter().filter(move |staff| staff.accepted.edition != *edition)
    }
}

/// One of a distributor's own people, recorded by its contact. Mail does not go to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staff {
    /// What the journal calls the person.
    pub id: MemberId,
    /// The person's name.
    pub name: String,
    /// The person's address, where it is known.
    pub address: Option<Address>,
    /// What the person accepted.
    pub accepted: Accepted,
    /// Whose signature stands under it: the person's own certificate, or the contact's.
    pub signer: Fingerprint,
}

/// Why an acceptance is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asking {
    /// Nothing is delivered before.
    First,
    /// The text is another, or there was none before.
    Anew,
    /// A reminder.
    Again,
    /// It was not accepted in time: the member is suspended.
    Over,
}

/// What the journal says of acceptances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "terms", rename_all = "kebab-case")]
pub enum Change {
    /// Another text is in force.
    InForce {
        /// Which.
        #[serde(flatten)]
        edition: Edition,
    },
    /// A member is asked to accept a text.
    Asked {
        /// Whom.
        member: MemberId,
        /// Which text.
        #[serde(flatten)]
        edition: Edition,
        /// Until when, as RFC 3339 has it.
        due: Option<String>,
    },
    /// A member accepted a text.
    Accepted {
        /// Who.
        member: MemberId,
        /// Which text.
        #[serde(flatten)]
        edition: Edition,
        /// How.
        how: How,
    },
    /// One of a member's own people accepted a text.
    StaffAccepted {
        /// The contact.
        member: MemberId,
        /// The person.
        staff: MemberId,
        /// Which text.
        #[serde(flatten)]
        edition: Edition,
        /// Whose signature that is.
        signer: Fingerprint,
    },
    /// One of a member's own people does not need to know any more.
    StaffRemoved {
        /// The contact.
        member: MemberId,
        /// The person.
        staff: MemberId,
    },
}
