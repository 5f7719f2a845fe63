//! Who decides about held mail, and the letters that let them: a team's own, instead of what a notice says of it.

use std::sync::Arc;

use crate::id::SpoolId;
use crate::ledger::affairs::holds::few;
use crate::ledger::alert::Waiting;
use crate::ledger::certs::CertBook;
use crate::ledger::hold::{Held, Holds};
use crate::ledger::token::LIFE;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::roster::Roster;
use crate::roster::errand::{About, Errand, Reached};
use crate::store::contract::{Store, StoreError};
use crate::time::Timestamp;

/// The held mail that an alert tells of.
fn held(waiting: &Waiting) -> Option<SpoolId> {
    match &waiting.alert.incident {
        Incident::MailHeld { mail, .. } | Incident::MailQuarantined { mail } => Some(*mail),
        _ => None,
    }
}

/// Whether those who decide are told of it wholly by a letter of theirs. What broke down also needs an admin.
pub(super) const fn is_theirs(incident: &Incident) -> bool {
    matches!(incident, Incident::MailHeld { .. })
}

/// A letter for each of the team who can read one, about what is still held; none where nobody can, and an admin is told
/// as of other things.
///
/// # Errors
/// When the store fails.
pub(super) fn letters(
    store: &Arc<dyn Store>,
    list: &List,
    waiting: &[Waiting],
    (roster, certs): (&Roster, &CertBook),
    now: Timestamp,
) -> Result<Option<Vec<Errand>>, StoreError> {
    let mut team = Vec::new();
    for member in list.deciding().into_iter().flat_map(|team| roster.active(team)) {
        if certs.get(member.fingerprint)?.is_some_and(|cert| cert.sealable(now).is_ok()) {
            team.push(Reached::from(member));
        }
    }
    if team.is_empty() {
        return Ok(None);
    }
    let holds = Holds::new(Arc::clone(store));
    let mut mails: Vec<Held> = Vec::new();
    for id in waiting.iter().filter_map(held) {
        // Somebody may have decided meanwhile.
        mails.extend(holds.get(id)?.filter(|held| held.list == list.name));
    }
    if mails.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let (mails, more) = few(list, &mails);
    let until = mails.iter().filter_map(|mail| mail.expires).max().unwrap_or_else(|| now.after(LIFE));
    let about = About::Held { mails, more, reminder: false };
    let letter = |to| Errand { list: list.name.clone(), to, about: about.clone(), until: Some(until) };
    Ok(Some(team.into_iter().map(letter).collect()))
}
