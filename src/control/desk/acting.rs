//! Who asks for a change, and why, if that was said: both stand in the journal.

use super::refusal::Refused;
use crate::control::wire::ErrorKind;
use crate::id::ListName;
use crate::ledger::journal::{Actor, Event, Note};

/// The longest reason, in characters.
pub(super) const MAX_REASON: usize = 500;

/// Who acts at the desk, and why.
pub(super) struct Acting {
    /// Who.
    pub(super) who: Actor,
    /// Why; of what the journal says anyhow with the change itself, nothing.
    pub(super) why: Option<String>,
}

impl Acting {
    /// The same one, for this reason.
    pub(super) fn because(&self, reason: &str) -> Result<Self, Refused> {
        Ok(Self { who: self.who.clone(), why: plain(Some(reason))? })
    }
}

/// A reason as the journal keeps it: one line without control characters; none where nothing is left of it.
pub(super) fn plain(reason: Option<&str>) -> Result<Option<String>, Refused> {
    let parts = reason.unwrap_or_default().split(|c: char| c.is_control() || c.is_whitespace());
    let line = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() > MAX_REASON {
        let why = format!("the reason has more than {MAX_REASON} characters");
        let next = "say it shorter: the journal keeps why, not the whole story";
        return Err(Refused::new(ErrorKind::Usage, "nothing was changed", why, next));
    }
    Ok(Some(line).filter(|line| !line.is_empty()))
}

/// What happened, as the journal keeps it.
pub(super) fn journalled(list: Option<&ListName>, actor: &Acting, event: Event) -> Note {
    Note { list: list.cloned(), actor: actor.who.clone(), event, reason: actor.why.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_plain_line_of_bounded_length() {
        let kept = |given: &str| plain(Some(given)).map_err(|refused| refused.why().to_owned());
        assert_eq!(kept("  asked\r\nby\u{1b}[2J phone\u{7}\t"), Ok(Some("asked by [2J phone".to_owned())));
        assert_eq!(kept(" \u{0}\n"), Ok(None), "nothing is left");
        assert!(matches!(plain(None), Ok(None)));
        assert_eq!(kept(&"ä".repeat(MAX_REASON)), Ok(Some("ä".repeat(MAX_REASON))));
        assert!(kept(&"ä".repeat(MAX_REASON + 1)).unwrap_err().contains("500 characters"));
    }
}
