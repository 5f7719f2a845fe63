//! What stands in an answer. Pure.

use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response};

use super::limited::Overstep;
use super::plan::Listed;
use crate::secret::Plaintext;

/// The keyword of mail that was looked at and not taken in.
pub(super) const LEFT: &str = "$VouchsafeLeft";
/// How much larger than announced a mail may be: some servers count line ends as one byte.
const SLACK: u64 = 64 * 1024;
/// How much smaller: some estimate.
const ESTIMATED: u64 = 1024;

/// Whether mail came or went.
pub(super) fn is_news(response: &Response<'_>) -> bool {
    matches!(response, Response::MailboxData(MailboxDatum::Exists(_)) | Response::Expunge(_))
}

/// How many bytes a mail may have that was announced with so many.
pub(super) const fn most(size: u64) -> u64 {
    size.saturating_add(size / 8).saturating_add(SLACK)
}

/// The mail, if it is whole as far as can be told. One that has more than was announced for it uses memory that is not
/// its own: then the session ends.
pub(super) fn fitting(body: Option<Plaintext>, size: u64) -> Result<Option<Plaintext>, Overstep> {
    let Some(body) = body else { return Ok(None) };
    let announced = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let (least, allowed) = (size.saturating_sub(size / 8).saturating_sub(ESTIMATED), most(size));
    if announced > allowed {
        return Err(Overstep::Literal { announced, allowed });
    }
    Ok(Some(body).filter(|_| announced > 0 && announced >= least))
}

pub(super) fn listed(attributes: &[AttributeValue<'_>]) -> Option<Listed> {
    let size = attributes.iter().find_map(|a| match a {
        AttributeValue::Rfc822Size(size) => Some(u64::from(*size)),
        _ => None,
    })?;
    let (left, deleted) = (has_flag(attributes, LEFT), has_flag(attributes, "\\Deleted"));
    Some(Listed { uid: uid(attributes)?, size, left, deleted })
}

pub(super) fn uid(attributes: &[AttributeValue<'_>]) -> Option<u32> {
    attributes.iter().find_map(|a| if let AttributeValue::Uid(uid) = a { Some(*uid) } else { None })
}

pub(super) fn has_flag(attributes: &[AttributeValue<'_>], name: &str) -> bool {
    attributes.iter().any(|a| match a {
        AttributeValue::Flags(flags) => flags.iter().any(|flag| flag.eq_ignore_ascii_case(name)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(bytes: usize, size: u64) -> Result<Option<usize>, Overstep> {
        Ok(fitting(Some(Plaintext::new(vec![b'a'; bytes])), size)?.map(|mail| mail.len()))
    }

    #[test]
    fn a_mail_that_is_not_whole_counts_as_not_given() {
        assert_eq!(fitting(None, 40_000).map(|mail| mail.is_none()), Ok(true));
        for (bytes, size) in [(0, 40_000), (0, 10), (0, 0), (20_000, 40_000), (33_000, 40_000)] {
            assert_eq!(came(bytes, size), Ok(None), "{bytes} of {size}");
        }
        for (bytes, size) in [(40_000, 40_000), (39_000, 40_000), (1, 10), (41_000, 40_000), (1, 0)] {
            assert_eq!(came(bytes, size), Ok(Some(bytes)), "{bytes} of {size}");
        }
    }

    #[test]
    fn no_mail_has_more_than_was_announced_for_it() {
        let allowed = most(1_000);
        assert_eq!(came(80_000, 1_000), Err(Overstep::Literal { announced: 80_000, allowed }));
        assert_eq!(most(u64::MAX), u64::MAX);
    }
}
