//! Why members leave a list, and the rules of asking for it.

use crate::id::{ListName, OrgName};
pub use crate::mail::leaving::{NotAReason, Reason};

/// The rule against asking for a removal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The policy knows no vote on it.
    #[error(
        "the policy of {0} gives no membership.removal_quorum: the admin decides there, with `member remove`"
    )]
    NoQuorum(ListName),
    /// Nobody is there to be removed.
    #[error("organisation {1} has no contact on {0}")]
    NoContact(ListName, OrgName),
    /// "Other" alone says nothing.
    #[error("the reason `other` needs words that say which")]
    NoWords,
    /// There is nothing to withdraw.
    #[error("no removal is asked for there on {0}")]
    NotAsked(ListName),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_known_again_by_its_word() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(Reason::of(&format!("{reason}: since May")), Some(reason));
        }
        assert_eq!(Reason::of("has left"), None);
        assert!(!Reason::Breach.can_be_cured() && Reason::Criterion.can_be_cured());
    }
}
