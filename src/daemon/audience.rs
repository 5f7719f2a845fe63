//! Who is told: the admins of the settings, or the list's team.

use std::sync::Arc;

use crate::config::{Admin, NoCertificate};
use crate::id::MemberId;
use crate::ledger::certs::CertBook;
use crate::mail::address::Address;
use crate::pgp::cert::{Cert, Format};
use crate::relay::world::{List, World};
use crate::roster::Roster;
use crate::store::contract::StoreError;

/// Somebody who is told.
#[derive(Clone)]
pub(super) struct Listener {
    /// As journal and queue name them.
    pub(super) id: MemberId,
    pub(super) address: Address,
    /// None when it is not there.
    pub(super) cert: Option<Arc<Cert>>,
    pub(super) format: Option<Format>,
}

/// Whom the settings name.
pub(super) enum Admins {
    /// Nobody in particular: the team of each list.
    Team,
    /// These, or nobody.
    Named(Vec<Listener>),
}

impl Admins {
    /// The admins of the settings, with their certificates.
    ///
    /// # Errors
    /// When a certificate cannot be read or is another than the one that is pinned.
    pub(super) fn read(settings: &Admin) -> Result<Self, NoCertificate> {
        let Some(notify) = &settings.notify else { return Ok(Self::Team) };
        let listener = |admin: &crate::config::Notified| {
            let cert = admin.read()?;
            // Told from members, whose ids start with "m-", and the same after each restart.
            let id = MemberId::of_admin(cert.fingerprint());
            Ok(Listener { id, address: admin.address.clone(), cert: Some(Arc::new(cert)), format: None })
        };
        Ok(Self::Named(notify.iter().map(listener).collect::<Result<_, NoCertificate>>()?))
    }

    /// Whether the settings say that nobody is told.
    pub(super) fn are_none(&self) -> bool {
        matches!(self, Self::Named(named) if named.is_empty())
    }

    /// Who is told about this list.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn of(
        &self,
        list: &List,
        roster: &Roster,
        certs: &CertBook,
    ) -> Result<Vec<Listener>, StoreError> {
        if let Self::Named(named) = self {
            return Ok(named.clone());
        }
        let team = World::team_of(list, roster).unwrap_or_default();
        let listener = |member: &crate::roster::membership::Member| {
            Ok(Listener {
                id: member.id.clone(),
                address: member.address.clone(),
                cert: certs.get(member.fingerprint)?,
                format: member.format,
            })
        };
        team.into_iter().map(listener).collect()
    }
}
