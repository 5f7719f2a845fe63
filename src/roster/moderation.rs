//! What the gate holds and a team decides: metadata of the mail, never what it says.

use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, ListName, MemberId, SpoolId};
use crate::time::Timestamp;

/// What may become of a held mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is judged again, and the reason that held it is waived.
    Release,
    /// It is destroyed.
    Drop,
    /// It is destroyed, and so is what the same key signs from now on and the gate would hold again.
    DropAndIgnore,
}

impl Decision {
    /// Its name, for the journal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Drop => "drop",
            Self::DropAndIgnore => "drop-and-ignore",
        }
    }
}

/// A held mail, as those hear of it who decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMail {
    /// Which.
    pub id: SpoolId,
    /// The name of the reason.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// The size of the sealed mail in bytes.
    pub size: u64,
    /// The certificate that signed it, or the key that an unknown signature names.
    pub signer: Option<Fingerprint>,
    /// Whether a person may let it through.
    pub releasable: bool,
    /// Whether the doubt is about its signer, whom one may ignore.
    pub ignorable: bool,
    /// When it is dropped if nobody decides; `None`: never.
    pub expires: Option<Timestamp>,
}

impl HeldMail {
    /// What somebody may decide about it, in the order in which a letter offers it.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> + use<> {
        let offered = [
            (self.releasable, Decision::Release),
            (true, Decision::Drop),
            (self.ignorable, Decision::DropAndIgnore),
        ];
        offered.into_iter().filter_map(|(offered, decision)| offered.then_some(decision))
    }
}

/// A key whose mail to a list the team wants to see no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Its name on the shelf: list and fingerprint.
    pub name: String,
    /// On which list.
    pub list: ListName,
    /// The key.
    pub signer: Fingerprint,
    /// Since when.
    pub since: Timestamp,
    /// Who of the team decided it; `None`: an admin.
    pub by: Option<MemberId>,
    /// How many mails were dropped for it so far.
    #[serde(default)]
    pub dropped: u64,
    /// When the last of them came.
    #[serde(default)]
    pub last: Option<Timestamp>,
}

impl Ignored {
    /// The name of such a record.
    #[must_use]
    pub fn name_of(list: &ListName, signer: Fingerprint) -> String {
        format!("{list}/{signer}")
    }
}
