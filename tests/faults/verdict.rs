//! What everybody was told, held against what arrived and what is left in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use vouchsafe::id::ListName;
use vouchsafe::ledger::alert::Alerts;
use vouchsafe::ledger::journal::{Event, Journal};
use vouchsafe::ledger::registry::Registry;
use vouchsafe::store::contract::{Space, Store};
use vouchsafe::store::redb::Redb;

use crate::outside::copy::{armored_part, contains, header};
use crate::outside::openpgp::open;
use crate::peers::Taken;
use crate::stage::{DISTROS, Mail, NEWCOMER, STAGE, TEAM, data};
use crate::story::Told;

/// What is in the store at the end.
#[derive(Debug)]
pub(crate) struct Left {
    /// Entries of spool, hold and queue, and alerts that nobody was told.
    waiting: usize,
    bodies: usize,
    /// Whether the newcomer stands on the roster, and whether the certificate is there.
    roster: bool,
    cert: bool,
    events: Vec<Event>,
}

impl Left {
    pub(crate) fn in_store(run: &Path) -> Self {
        let store: Arc<dyn Store> = Arc::new(Redb::open(&data(run)).unwrap());
        let waiting = [Space::Spool, Space::Hold, Space::Queue];
        let waiting: usize =
            waiting.map(|space| store.scan(space, b"", None, 99).unwrap().len()).iter().sum();
        let waiting = waiting + Alerts::new(Arc::clone(&store)).count(99).unwrap();
        let bodies = std::fs::read_dir(data(run).join("bodies")).unwrap().count();
        let registry = Registry::new(Arc::clone(&store));
        let roster = registry.roster().unwrap().roster;
        let list: ListName = "distrib-announce".parse().unwrap();
        let erin = STAGE.people.iter().find(|(address, _)| address == NEWCOMER).unwrap();
        let fingerprint = erin.1.fingerprint().to_hex().parse().unwrap();
        let journal = Journal::new(store);
        let mut events = Vec::new();
        for chain in [None, Some("security".parse().unwrap()), Some(list.clone())] {
            journal.verify(chain.as_ref(), None).unwrap().expect("the journal is whole");
            events.extend(journal.links(chain.as_ref(), 0, 999).unwrap().into_iter().map(|link| link.event));
        }
        Self {
            waiting,
            bodies,
            roster: roster.members(&list).iter().any(|member| member.address.to_string() == NEWCOMER),
            cert: registry.cert(fingerprint).unwrap().is_some(),
            events,
        }
    }

    fn count(&self, wanted: fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

/// Copies of one mail by return path and reader: one delivery each, or more.
type Deliveries = BTreeMap<(String, String), Vec<Taken>>;

/// Judges a run.
pub(crate) fn judge(told: &Told, place: &str) {
    replies(told, place);
    let mut relayed = 0;
    let mut delivered = 0;
    let mut copies = told.copies.clone();
    for (n, mail) in STAGE.mails.iter().enumerate() {
        let deliveries = of_mail(&mut copies, mail);
        delivered += deliveries.len();
        relayed += one_mail(told, n, mail, &deliveries, place);
        for same in deliveries.values() {
            delivered_once(told, same, place);
        }
    }
    let left = &told.left;
    let held = left.count(|e| matches!(e, Event::Held { .. }));
    delivered += notices(told, &mut copies, held, place);
    assert!(copies.is_empty(), "{place}: copies of no mail");
    assert_eq!((left.waiting, left.bodies), (0, 0), "{place}: something is left over");
    assert!(left.roster && left.cert, "{place}: the newcomer is not whole");
    if told.started && !told.join_unsure {
        assert_eq!(told.joined, told.joined_after, "{place}: a change is what was said of it");
    }
    assert_eq!(left.count(|e| matches!(e, Event::Relayed { .. })), relayed, "{place}: {:?}", left.events);
    assert_eq!(left.count(|e| matches!(e, Event::Delivered { .. })), delivered, "{place}: {:?}", left.events);
}

/// What a sound medium gives.
pub(crate) fn all_is_well(told: &Told) {
    assert!(told.started && told.joined && told.sent.len() == STAGE.mails.len(), "{:?}", told.sent);
    // Three mails, of which one was held: the team was told of that.
    assert_eq!(told.copies.len(), TEAM.len() + 2 * STAGE.people.len() + TEAM.len());
}

fn replies(told: &Told, place: &str) {
    for sent in &told.sent {
        assert!(matches!(sent.code, 250 | 451 | 452), "{place}: {sent:?}");
        assert!(!sent.restarted || sent.code == 250, "{place}: {sent:?}");
        let trusted = sent.restarted || !sent.poisoned || sent.code != 250;
        assert!(trusted, "{place}: a mail was taken after a failed sync: {sent:?}");
    }
}

/// Everybody who reads the list has the mail as often as it was taken in. Returns how often.
fn one_mail(told: &Told, n: usize, mail: &Mail, deliveries: &Deliveries, place: &str) -> usize {
    let times = |reader: &str| deliveries.keys().filter(|(_, recipient)| recipient == reader).count();
    let often = times(TEAM[0]);
    let unsure = told.sent.iter().filter(|sent| sent.mail == n && sent.unsure).count();
    // Who hears no 250 sends again: a signed mail is then known, another one comes twice if the first was in.
    let most = if mail.signed { 1 } else { 1 + unsure };
    assert!((1..=most).contains(&often), "{place}: {} came {often} times: {:?}", mail.marker, told.sent);
    let distros: &[&str] = if mail.announced { &DISTROS } else { &[] };
    for reader in TEAM.iter().chain(distros) {
        assert_eq!(times(reader), often, "{place}: {} for {reader}", mail.marker);
    }
    let joined = told.sent.iter().filter(|sent| sent.mail == n).all(|sent| sent.joined);
    assert!(times(NEWCOMER) <= if mail.announced { often } else { 0 }, "{place}: {}", mail.marker);
    if joined && mail.announced {
        assert_eq!(times(NEWCOMER), often, "{place}: {} for the newcomer", mail.marker);
    }
    let readers: BTreeSet<&str> = deliveries.keys().map(|(_, recipient)| recipient.as_str()).collect();
    let known: BTreeSet<&str> = TEAM.iter().chain(distros).chain([&NEWCOMER]).copied().collect();
    assert!(readers.is_subset(&known), "{place}: nobody else gets it");
    often
}

/// The team is asked about each mail that is held, once; where something failed, it may have been let through before. Returns
/// how many letters were delivered.
fn notices(told: &Told, copies: &mut Vec<Taken>, held: usize, place: &str) -> usize {
    let mut deliveries = Deliveries::new();
    let mut counts: BTreeMap<String, usize> = TEAM.iter().map(|reader| ((*reader).to_owned(), 0)).collect();
    copies.retain(|copy| {
        let Some(count) = counts.get_mut(&copy.recipient) else { return true };
        let (_, reader) = STAGE.people.iter().find(|(address, _)| *address == copy.recipient).unwrap();
        let Ok(entity) = open(reader, &STAGE.announce, &armored_part(&copy.data)) else { return true };
        let subject = header(&entity, "Subject").unwrap();
        let Some((_, of)) = subject.split_once("] ").filter(|(_, of)| of.contains("held: please decide"))
        else {
            return true;
        };
        let key = (copy.reverse_path.clone(), copy.recipient.clone());
        let same = deliveries.entry(key).or_default();
        if same.is_empty() {
            let many = of.strip_prefix("Mail (").and_then(|of| of.split_once(')')).map(|(many, _)| many);
            *count += many.map_or(1, |many| many.parse::<usize>().unwrap());
        }
        same.push(copy.clone());
        false
    });
    for (reader, count) in counts {
        let told_of = if place == "sound" { held..=held } else { 0..=held };
        assert!(told_of.contains(&count), "{place}: what {reader} was told of held mail: {count} of {held}");
    }
    for same in deliveries.values() {
        delivered_once(told, same, place);
    }
    deliveries.len()
}

/// One copy comes once; twice only where the medium failed before its delivery was on record, and then it is the same to
/// the byte. By a daemon that could go on, nothing comes twice, and nothing has to wait for a restart.
fn delivered_once(told: &Told, same: &[Taken], place: &str) {
    let restarts: Vec<bool> = same.iter().map(|copy| copy.restarted).collect();
    if told.started && !told.fault.stays() {
        assert_eq!(restarts, [false], "{place}: for {}", same[0].recipient);
    }
    assert!(matches!(restarts[..], [_] | [false, true]), "{place}: {restarts:?} for {}", same[0].recipient);
    assert!(same.iter().all(|copy| copy.data == same[0].data), "{place}: not the same copy");
}

/// Takes the copies of a mail out; every copy opens with its reader's key and is signed by its list.
fn of_mail(copies: &mut Vec<Taken>, mail: &Mail) -> Deliveries {
    let list = if mail.announced { &STAGE.announce } else { &STAGE.security };
    let mut deliveries = Deliveries::new();
    copies.retain(|copy| {
        let (_, reader) = STAGE.people.iter().find(|(address, _)| *address == copy.recipient).unwrap();
        let Ok(entity) = open(reader, list, &armored_part(&copy.data)) else { return true };
        if !contains(&entity, mail.marker.as_bytes()) {
            return true;
        }
        assert!(header(&copy.data, "Message-ID").is_some());
        let key = (copy.reverse_path.clone(), copy.recipient.clone());
        deliveries.entry(key).or_default().push(copy.clone());
        false
    });
    deliveries
}
