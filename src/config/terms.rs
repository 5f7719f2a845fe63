//! The text that a policy's `[terms]` name: read with the policy, so that both hold or neither.

use super::source::{ConfigError, Source};
use crate::policy::{Policy, TermsText};

/// The largest text, in bytes: it goes out in a mail.
const MAX_TEXT: usize = 64 * 1024;

/// The text, if the policy names one.
pub(super) fn terms(source: &Source, policy: &Policy) -> Result<Option<TermsText>, ConfigError> {
    let Some(named) = &policy.terms.text else { return Ok(None) };
    let folder = source.file().parent();
    let file = folder.map_or_else(|| named.as_str().into(), |folder| folder.join(named.as_str()));
    let wrong = |why: String| {
        let what = format!("the text that members accept, {}, {why}", file.display());
        source.error(&["terms", "text"], what)
    };
    let read = Source::read(&file).map_err(wrong)?;
    if read.text().trim().is_empty() {
        return Err(wrong("is empty: nothing would be accepted".to_owned()));
    }
    if read.text().len() > MAX_TEXT {
        return Err(wrong("has more than 64 KiB: it goes out in a mail, so name a shorter one".to_owned()));
    }
    let version = policy.terms.version.as_ref().unwrap_or(&policy.policy.version);
    Ok(Some(TermsText::new(version.to_string(), read.text().to_owned())))
}
