//! What another program's list becomes here: its people as members, beside who is there already.

use super::Portable;
use crate::id::{Fingerprint, ListName, MemberId, OrgName};
use crate::mail::address::Address;
use crate::roster::Roster;
use crate::roster::membership::{Member, MemberFile, Role, Standing};
use crate::roster::org::Org;
use crate::time::Timestamp;

/// Somebody who is offered, with a certificate that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Of which list.
    pub list: ListName,
    /// As what.
    pub role: Role,
    /// The name of the organisation in full.
    pub title: String,
    /// Where copies go.
    pub address: Address,
    /// The certificate.
    pub fingerprint: Fingerprint,
    /// Whether copies go there now.
    pub delivery: bool,
}

/// The roster that is wanted: who is there keeps what is kept of them, except the certificate that is offered.
#[must_use]
pub fn portable(
    roster: &Roster,
    offered: Vec<Offered>,
    now: Timestamp,
    mut fresh: impl FnMut() -> MemberId,
) -> Portable {
    let mut wanted = Portable::default();
    for one in offered {
        if let Role::Contact { org } = &one.role {
            add_org(&mut wanted, roster, org, &one.title, now);
        }
        let member = match roster.by_address(&one.list, &one.address).filter(|m| m.belongs()) {
            Some(there) if there.fingerprint == one.fingerprint => there.clone(),
            // What the owner of another key reads nobody has shown.
            Some(there) => Member { fingerprint: one.fingerprint, format: None, ..there.clone() },
            None => Member {
                id: fresh(),
                address: one.address,
                fingerprint: one.fingerprint,
                role: one.role,
                standing: Standing::Active,
                since: now,
                format: None,
                file: MemberFile { delivery_off: (!one.delivery).then_some(now), ..MemberFile::default() },
            },
        };
        wanted.lists.entry(one.list).or_default().push(member);
    }
    wanted.sort();
    wanted
}

/// One that is there stays as it is.
fn add_org(wanted: &mut Portable, roster: &Roster, name: &OrgName, title: &str, now: Timestamp) {
    if roster.orgs().all(|(there, _)| there != name) && !wanted.orgs.contains_key(name) {
        wanted.orgs.insert(name.clone(), Org::new(title.to_owned(), now));
    }
}
