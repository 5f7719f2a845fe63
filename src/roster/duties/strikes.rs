//! Breaches that count against an organisation.

use crate::id::{ListName, OrgName};
use crate::roster::breach::{Breach, Change, Strike};
use crate::roster::change::Change as AnyChange;
use crate::roster::{Refusal, Roster};
use crate::time::Timestamp;

impl Roster {
    /// How many breaches count against an organisation on a list.
    #[must_use]
    pub fn strikes(&self, list: &ListName, org: &OrgName) -> u32 {
        let of = self.orgs.get(org).into_iter().flat_map(|org| &org.strikes);
        u32::try_from(of.filter(|strike| strike.list == *list).count()).unwrap_or(u32::MAX)
    }

    /// A breach is decided. Where it counts, it does so once.
    ///
    /// # Errors
    /// When it counts and the organisation is not on the roster, or none is known.
    pub fn close_breach(
        &self,
        breach: &Breach,
        strike: bool,
        now: Timestamp,
    ) -> Result<(Self, AnyChange), Refusal> {
        let mut new = self.clone();
        if strike {
            let org = breach.org.clone().ok_or_else(|| Refusal::NobodysBreach(breach.id.clone()))?;
            let entry = new.orgs.get_mut(&org).ok_or(Refusal::OrgUnknown(org))?;
            if !entry.strikes.iter().any(|s| s.breach == breach.id) {
                let (list, breach) = (breach.list.clone(), breach.id.clone());
                entry.strikes.push(Strike { list, breach, at: now });
            }
        }
        let strikes = breach.org.as_ref().map_or(0, |org| new.strikes(&breach.list, org));
        let (id, org) = (breach.id.clone(), breach.org.clone());
        Ok((new, AnyChange::Breach { what: Change::Closed { id, org, strike, strikes } }))
    }
}
