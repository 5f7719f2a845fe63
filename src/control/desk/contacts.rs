//! What members have besides address and certificate: aliases, further certificates, and whether copies go there.

use super::acting::{Acting, plain};
use super::refusal::{Refused, no_member};
use super::{Desk, Reply, copies, done};
use crate::control::wire::{Answer, Certificate, ContactRequest, ErrorKind};
use crate::id::{Fingerprint, ListName};
use crate::ledger::affairs;
use crate::mail::address::Address;
use crate::pgp::cert::Cert;
use crate::policy::Strictness;
use crate::roster::membership::{Member, Role};
use crate::roster::role_address::flag;
use crate::roster::{Change, Refusal, Roster};

impl Desk {
    pub(super) fn contact(&self, request: ContactRequest, actor: &Acting) -> Reply {
        use ContactRequest as R;
        match request {
            R::AliasAdd { list, address, alias } => {
                self.not_ours(&alias)?;
                self.changed(&list, actor, |roster| roster.add_alias(&list, &address, alias.clone()))?;
                Ok(done(format!("{alias} is an alias of {address} on {list}: a From may name it")))
            }
            R::AliasRemove { list, address, alias } => {
                self.changed(&list, actor, |roster| roster.remove_alias(&list, &address, &alias))?;
                Ok(done(format!("{alias} is no alias of {address} on {list} any more")))
            }
            R::CertAdd { list, address, cert } => self.cert_add(&list, &address, &cert, actor),
            R::CertRemove { list, address, fingerprint } => {
                self.changed(&list, actor, |roster| roster.remove_cert(&list, &address, fingerprint))?;
                Ok(done(format!("signatures by {fingerprint} do not count on {list} any more")))
            }
            R::Delivery { list, address, on, reason } => {
                self.delivery(&list, &address, on, plain(reason.as_deref())?.as_ref(), actor)
            }
        }
    }

    /// Makes one change of one list's members.
    fn changed(
        &self,
        list: &ListName,
        actor: &Acting,
        change: impl Fn(&Roster) -> Result<(Roster, Change), Refusal>,
    ) -> Result<(), Refused> {
        self.list(list)?;
        self.step(actor, |step| {
            let changed = change(step.roster())?;
            step.apply(Some(list), changed);
            Ok(())
        })
    }

    /// Mail is not sealed to it, so that it need not be fit for that.
    fn cert_add(&self, list: &ListName, address: &Address, cert: &Certificate, actor: &Acting) -> Reply {
        self.list(list)?;
        let cert = self.foreign(Cert::import(&cert.0)?)?;
        let fingerprint: Fingerprint = cert.fingerprint();
        self.step(actor, |step| {
            let changed = step.roster().add_cert(list, address, fingerprint)?;
            step.apply(Some(list), changed);
            affairs::certs::merged(step, &cert)??;
            Ok(())
        })?;
        let remarks = vec!["mail goes to the main certificate alone, as before".to_owned()];
        Ok(Answer::Done { what: format!("signatures by {fingerprint} are {address}'s on {list}"), remarks })
    }

    fn delivery(
        &self,
        list: &ListName,
        address: &Address,
        on: bool,
        reason: Option<&String>,
        actor: &Acting,
    ) -> Reply {
        self.list(list)?;
        let id = self.step(actor, |step| {
            let id = step.roster().by_address(list, address).ok_or_else(|| no_member(list))?.id.clone();
            let changed = step.roster().set_delivery(list, address, on, reason.cloned(), step.now())?;
            step.apply(Some(list), changed);
            Ok(id)
        })?;
        if on {
            // A mail that waited for a reader can go on.
            self.hurry(None);
            let missed = "what was relayed meanwhile is not sent again".to_owned();
            return Ok(Answer::Done {
                what: format!("{address} gets copies of {list} again"),
                remarks: vec![missed],
            });
        }
        let queued = self.all_parcels()?.into_iter().filter(|row| row.member == id).count();
        let mut remarks = vec!["it stays active: it may post and vote, and letters reach it".to_owned()];
        if queued > 0 {
            remarks.push(format!(
                "{} still go out: see `queue ls`, and `queue drop` for each that shall not",
                copies(queued)
            ));
        }
        Ok(Answer::Done { what: format!("{address} gets no copies of {list} from now on"), remarks })
    }

    /// What the policy of a list has against a member's address. Persons of a team have their own.
    pub(super) fn flagged(&self, list: &ListName, member: &Member) -> Option<String> {
        self.flag_of(list, &member.role, &member.address)
    }

    /// The same for whoever is about to come; refused where the policy says so.
    pub(super) fn flag_before(
        &self,
        list: &ListName,
        role: &Role,
        address: &Address,
    ) -> Result<Option<String>, Refused> {
        let found = self.flag_of(list, role, address);
        let blocks = self.list(list)?.membership().not_role_address == Some(Strictness::Block);
        match found {
            Some(why) if blocks => {
                let next =
                    "ask for a role address, or change membership.not_role_address in the list's policy";
                Err(Refused::new(ErrorKind::Data, "nobody was added", format!("{address}: {why}"), next))
            }
            found => Ok(found),
        }
    }

    fn flag_of(&self, list: &ListName, role: &Role, address: &Address) -> Option<String> {
        let Role::Contact { .. } = role else { return None };
        let rules = self.lists.iter().find(|l| l.name == *list)?.membership();
        flag(address, rules).map(|flag| flag.to_string())
    }
}
