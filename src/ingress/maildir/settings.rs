//! `[maildir.NAME]`: a folder that a delivery agent puts mail into.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::ingress::pickup::RecipientField;
use crate::mail::address::Address;
use crate::policy::duration;

/// One maildir.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaildirSettings {
    /// The folder that holds `new` and `cur`.
    pub path: PathBuf,
    /// Whom all its mail is for.
    #[serde(default)]
    pub recipient: Option<Address>,
    /// The field in which the delivery agent wrote whom a mail is for.
    #[serde(default)]
    pub recipient_from: Option<RecipientField>,
    /// How often it is looked at.
    #[serde(default = "usual", deserialize_with = "duration::required")]
    pub every: Duration,
    /// What becomes of a mail that was taken.
    #[serde(default)]
    pub then: Then,
}

/// What becomes of a mail that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It is removed.
    #[default]
    Remove,
    /// It goes to `cur`, as one that was read.
    Keep,
}

fn usual() -> Duration {
    Duration::from_secs(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_defaults_and_refuse_unknown_words() {
        let least: MaildirSettings =
            toml::from_str("path = \"/var/mail/security\"\nrecipient = \"security@lists.example.org\"")
                .unwrap();
        assert_eq!((least.every, least.then), (Duration::from_secs(5), Then::Remove));
        let other: MaildirSettings = toml::from_str(
            "path = \"m\"\nrecipient_from = \"delivered-to\"\nevery = \"1m\"\nthen = \"keep\"",
        )
        .unwrap();
        assert_eq!((other.every, other.then), (Duration::from_secs(60), Then::Keep));
        for wrong in [
            "",
            "path = \"m\"\nthen = \"forget\"",
            "path = \"m\"\nfolder = \"new\"",
            "path = \"m\"\nevery = 5",
        ] {
            assert!(toml::from_str::<MaildirSettings>(wrong).is_err(), "{wrong}");
        }
    }
}
