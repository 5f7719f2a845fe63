//! Who decides about held mail, and the letters that let them: a team's own, instead of what a notice says of it.

use std::sync::Arc;
use std::time::Duration;

use crate::id::SpoolId;
use crate::ledger::affairs::holds::{self, TOLD, told, told_in};
use crate::ledger::alert::Waiting;
use crate::ledger::certs::CertBook;
use crate::ledger::hold::{Held, Holds};
use crate::ledger::limit::Limit;
use crate::ledger::token::ENDLESS;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::roster::Roster;
use crate::roster::errand::{About, Errand, Reached};
use crate::store::contract::{Batch, Store, StoreError};
use crate::time::Timestamp;

/// How many letters about held mail one person gets.
const HELD: Limit = Limit { name: "held", most: 24, span: Duration::from_secs(24 * 3600) };

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

/// Letters to each of the team who can read them, about what is still held; none where nobody can, and an admin is told as of
/// other things. Whoever floods the list does not flood its team: so many a day, and the last one counts what is not told.
///
/// # Errors
/// When the store fails.
pub(super) fn letters(
    (store, batch): (&Arc<dyn Store>, &mut Batch),
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
    let wanted = u32::try_from(mails.len().div_ceil(TOLD)).unwrap_or(u32::MAX);
    let until =
        mails.iter().filter_map(|held| told(list, held).expires).max().unwrap_or_else(|| now.after(ENDLESS));
    let about = |mails, more| About::Held { mails, more, reminder: false };
    let mut errands = Vec::new();
    for to in team {
        let most = HELD.take_some(&**store, batch, ((&list.name, &to.id), wanted), now)?;
        let (letters, untold) = told_in(list, &mails, most);
        errands.extend(
            holds::errands(&list.name, &to, &letters, untold, until, &about).map(|(errand, _)| errand),
        );
    }
    Ok(Some(errands))
}
