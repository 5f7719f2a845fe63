//! Certificates that end soon: how much it matters, by the days that are left.

use std::fmt::Display;

use super::report::Report;
use crate::pgp::cert::Cert;
use crate::pgp::outlook::WARNED_DAYS;
use crate::policy::Severity;
use crate::time::Timestamp;

/// What ends within the nearest of the days that are warned of is more than a note.
pub(super) fn nearness(days: u64) -> Severity {
    let [nearest, ..] = WARNED_DAYS;
    if days <= u64::from(nearest) { Severity::Warning } else { Severity::Note }
}

/// A certificate of the installation's own. What cannot be used today is told elsewhere.
pub(super) fn ending(
    cert: &Cert,
    now: Timestamp,
    place: impl Display,
    what: &str,
    remedy: &str,
    report: &mut Report,
) {
    let outlook = cert.outlook(now);
    let (None, Some(at), Some(within)) = (&outlook.problem, outlook.expires, outlook.within(now)) else {
        return;
    };
    report.add(nearness(within.into()), place, format!("{what} ends {at}, within {within} days"), remedy);
}
