//! What the journal says of an import.

use serde::{Deserialize, Serialize};

use crate::id::{MemberId, OrgName};

/// What the journal says of an import, beside who came, moved and left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "import", rename_all = "kebab-case")]
pub enum Imported {
    /// What is kept of an organisation was set.
    Org {
        /// Which.
        org: OrgName,
        /// Which of its fields.
        fields: Vec<String>,
    },
    /// An organisation left the roster: nobody belongs to it.
    OrgDropped {
        /// Which.
        org: OrgName,
    },
    /// What is kept of a member was set.
    Member {
        /// Whose.
        member: MemberId,
        /// Which of its fields.
        fields: Vec<String>,
    },
}
