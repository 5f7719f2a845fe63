//! Lists and their keys.

use super::acting::{Acting, journalled};
use super::refusal::{Refused, not_found};
use super::{Desk, Reply};
use crate::control::wire::{Answer, ErrorKind, KeyRow, ListRow, Secret};
use crate::failpoint::{self, Point};
use crate::id::{Fingerprint, ListName};
use crate::ledger::hold::Held;
use crate::ledger::journal::Event;
use crate::ledger::queue::Row;
use crate::ledger::registry::{ListState, Registry};
use crate::mail::address::Address;
use crate::mail::directory::fixed_addresses;
use crate::pgp::cert::Cert;
use crate::pgp::keyring::{KeyError, Passphrase};
use crate::relay::world::{List, World};
use crate::roster::membership::Member;
use crate::secret::Plaintext;

impl Desk {
    /// A list that somebody names has to be there, or an empty answer would look like good news.
    pub(super) fn known(&self, list: Option<&ListName>) -> Result<(), Refused> {
        list.map_or(Ok(()), |name| self.list(name).map(|_| ()))
    }

    pub(super) fn list_ls(&self) -> Reply {
        let (holds, parcels) = (self.all_holds()?, self.all_parcels()?);
        let rows = self.lists.iter().map(|list| self.list_row(list, &holds, &parcels));
        Ok(Answer::Lists(rows.collect::<Result<Vec<ListRow>, Refused>>()?))
    }

    pub(super) fn list_show(&self, name: &ListName) -> Reply {
        let row = self.list_row(self.list(name)?, &self.all_holds()?, &self.all_parcels()?)?;
        Ok(Answer::List(Box::new(row)))
    }

    fn list_row(&self, list: &List, holds: &[Held], parcels: &[Row]) -> Result<ListRow, Refused> {
        let readers = self.readers(list)?;
        let now = self.clock.now();
        let theirs: Vec<_> = readers.iter().map(|reader| reader.fingerprint).collect();
        let outlooks = self.certs.outlooks(&theirs, now)?;
        let reached = |print: &&Fingerprint| outlooks.get(print).is_some_and(|o| o.problem.is_none());
        let unreachable = theirs.len() - theirs.iter().filter(reached).count();
        let held = holds.iter().filter(|h| h.list == list.name).count();
        let queued = parcels.iter().filter(|p| p.list == list.name).count();
        Ok(ListRow {
            name: list.name.to_string(),
            address: list.address.to_string(),
            kind: list.kind.to_string(),
            fingerprint: self.keys.list(&list.name).map(|k| k.cert().fingerprint().to_string()),
            team: list.team.as_ref().map(ToString::to_string),
            paused: self.registry.list_state(&list.name)?.paused,
            readers: u64::try_from(readers.len()).unwrap_or(u64::MAX),
            unreachable: u64::try_from(unreachable).unwrap_or(u64::MAX),
            held: u64::try_from(held).unwrap_or(u64::MAX),
            queued: u64::try_from(queued).unwrap_or(u64::MAX),
        })
    }

    pub(super) fn readers(&self, list: &List) -> Result<Vec<Member>, Refused> {
        let roster = self.registry.roster()?.roster;
        Ok(World::readers_of(list, &roster).into_iter().cloned().collect())
    }

    pub(super) fn list_pause(&self, name: &ListName, paused: bool, actor: &Acting) -> Reply {
        self.list(name)?;
        self.change(|batch, now| {
            Registry::set_list_state(batch, name, ListState { paused })?;
            if !paused {
                self.spool.resume(batch, Some(name), now)?;
            }
            Ok(((), vec![journalled(Some(name), actor, Event::Paused { paused })]))
        })?;
        self.hurry(Some(name));
        let how = if paused { "paused: it takes mail in and relays none" } else { "relaying again" };
        let queued = self.all_parcels().unwrap_or_default().iter().filter(|p| p.list == *name).count();
        let remark =
            format!("{queued} copies were queued before and still go out; see `queue ls --list {name}`");
        let remarks = if paused && queued > 0 { vec![remark] } else { Vec::new() };
        Ok(Answer::Done { what: format!("{name} is {how}"), remarks })
    }

    pub(super) fn key_ls(&self) -> Reply {
        let mut rows = Vec::new();
        for list in self.lists.iter() {
            let Some(key) = self.keys.list(&list.name) else { continue };
            let cert = key.cert();
            let emails = cert.emails();
            let fixed = fixed_addresses(&list.address, list.kind).unwrap_or_default();
            let missing = missing_ids(&fixed, &emails);
            let unusable = cert.sealable(self.clock.now()).err().map(|p| p.to_string());
            let unnamed = (!missing.is_empty()).then(|| format!("no User ID for {}", missing.join(", ")));
            rows.push(KeyRow {
                list: list.name.to_string(),
                fingerprint: cert.fingerprint().to_string(),
                addresses: emails,
                created: cert.created().to_string(),
                expires: cert.expires(self.clock.now()).map(|t| t.to_string()),
                problem: unusable.or(unnamed),
            });
        }
        Ok(Answer::Keys(rows))
    }

    pub(super) fn key_export(&self, name: &ListName) -> Reply {
        self.list(name)?;
        let key = self.keys.list(name).ok_or_else(|| {
            not_found(format!("{name} has no key"), "a public list takes no mail", "export another list's")
        })?;
        Ok(Answer::Certificate { armored: key.cert().armored() })
    }

    pub(super) fn key_import(
        &self,
        name: &ListName,
        key: &Secret,
        passphrase: Option<&Secret>,
        confirm: bool,
        actor: &Acting,
    ) -> Reply {
        let list = self.list(name)?;
        if !list.kind.takes_mail() {
            let next = "import it for a list that takes mail";
            return Err(Refused::new(
                ErrorKind::Usage,
                "the key was not taken",
                "a public list has no key",
                next,
            ));
        }
        let theirs = passphrase.map(|p| Passphrase::new(Plaintext::new(p.bytes().to_vec())));
        let key = Plaintext::new(key.bytes().to_vec());
        let cert = match self.keys.examine(&key, theirs.as_ref(), self.clock.now()) {
            Err(KeyError::ImportLocked) if passphrase.is_none() => return Ok(Answer::PassphraseNeeded),
            other => other?,
        };
        let missing = self.fit(list, &cert)?;
        let fingerprint = cert.fingerprint();
        let former = self.keys.list(name).map(|key| key.cert().fingerprint()).filter(|f| *f != fingerprint);
        if let (Some(former), false) = (former, confirm) {
            return Ok(Answer::Confirm {
                what: format!(
                    "Key {fingerprint} takes the place of {former}: everybody who writes to {name} needs it then."
                ),
            });
        }
        self.keys.import(name, &key, theirs.as_ref(), self.clock.now())?;
        failpoint::hit(Point::KeyImported);
        let noted = self.change(|batch, _| {
            Registry::set_known_key(batch, Some(name), fingerprint)?;
            Ok(((), vec![journalled(Some(name), actor, Event::KeyImported { fingerprint })]))
        });
        let remarks = missing.iter().map(|a| {
            format!("the key has no User ID for {a}: mail programs will not find it for that address")
        });
        // The key is in use whatever became of the entry.
        let unnoted = noted.err().map(|refused| format!("the journal does not have it: {}", refused.why()));
        let after = if former.is_some() { "; the former one still opens old mail" } else { "" };
        Ok(Answer::Done {
            what: format!("{name} uses key {fingerprint} from now on{after}"),
            remarks: remarks.chain(unnoted).collect(),
        })
    }

    /// Whether a key may be this list's; if so, the addresses that it has no User ID for.
    fn fit(&self, list: &List, cert: &Cert) -> Result<Vec<String>, Refused> {
        let refused =
            |why: String, next| Err(Refused::new(ErrorKind::Data, "the key was not taken", why, next));
        if let Some(other) = self.keys.user(cert.fingerprint()).filter(|other| *other != list.name) {
            let why = format!("{other} uses key {}, now or formerly", cert.fingerprint());
            return refused(why, "give each list a key of its own");
        }
        let fixed = fixed_addresses(&list.address, list.kind).unwrap_or_default();
        let missing = missing_ids(&fixed, &cert.emails());
        if missing.len() == fixed.len() {
            let why = format!("it has no User ID for an address of {}: {}", list.name, missing.join(", "));
            return refused(
                why,
                "see that it is the right file, or add the User IDs with gpg --quick-add-uid",
            );
        }
        Ok(missing)
    }
}

/// The addresses that a key has no User ID for.
fn missing_ids(fixed: &[Address], emails: &[String]) -> Vec<String> {
    let all = fixed.iter().map(ToString::to_string);
    all.filter(|a| !emails.iter().any(|e| e.eq_ignore_ascii_case(a))).collect()
}
