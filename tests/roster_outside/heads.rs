//! The journal's heads: a real letter, read with gpg, and what it shows of a journal that somebody had a hand on.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vouchsafe::id::ListName;
use vouchsafe::ledger::journal::{Actor, Broken, Event, Head, Journal};
use vouchsafe::ledger::record::{decode, encode};
use vouchsafe::roster::Change;
use vouchsafe::roster::membership::Standing;
use vouchsafe::store::contract::{Batch, Space, Store};
use vouchsafe::store::{self, Kind, Settings};
use vouchsafe::time::Timestamp;

use crate::outside::clerk::{Letter, Office};
use crate::outside::daemon::Daemon;
use crate::outside::install::{NOBODY, store_kind};
use crate::outside::is_root;

const SUBJECT: &str = "The journal's heads";
const LIST: &str = "distrib-announce";

/// The head of a list's chain that a letter tells.
fn head_of(letter: &Letter, list: &str) -> String {
    let mut lines = letter.text.lines().skip_while(|line| !line.starts_with(&format!("{list}, entry")));
    let hash = lines.nth(2).unwrap_or_else(|| panic!("no head of {list}: {}", letter.text)).trim().to_owned();
    assert_eq!(hash.len(), 64, "{hash}");
    hash
}

/// A link as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(with = "serde_bytes")]
    hash: Vec<u8>,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

/// What a link says.
#[derive(Clone, Serialize, Deserialize)]
struct Payload {
    list: Option<ListName>,
    seq: u64,
    at: Timestamp,
    actor: Actor,
    event: Event,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A journal in the hands of somebody who can write the store and knows how a chain is made.
struct Forger {
    store: Arc<dyn Store>,
    list: ListName,
}

impl Forger {
    fn at(data: &Path) -> Self {
        let kind = if store_kind() == "sled" { Kind::Sled } else { Kind::Redb };
        let store = store::open(&Settings { kind, path: data.to_owned() }).unwrap();
        Self { store, list: LIST.parse().unwrap() }
    }

    fn chain(&self) -> Vec<Payload> {
        let entries =
            self.store.scan(Space::Journal, &[LIST.as_bytes(), b"\0"].concat(), None, 10_000).unwrap();
        let payload = |value: &[u8]| decode(&decode::<Stored>(value).unwrap().payload).unwrap();
        entries.into_iter().map(|entry| payload(&entry.value)).collect()
    }

    /// Puts this chain in the place of the one that is there: every number, every hash and the head record are right.
    fn put(&self, chain: Vec<Payload>) {
        let key = |seq: u64| [LIST.as_bytes(), b"\0", &seq.to_be_bytes()].concat();
        let mut batch = Batch::new();
        for seq in 1..=self.chain().len() as u64 {
            batch.delete(Space::Journal, key(seq));
        }
        self.store.commit(batch).unwrap();
        let (mut batch, mut head) = (Batch::new(), Head::EMPTY);
        for (seq, payload) in (1_u64..).zip(chain) {
            let payload = encode(&Payload { seq, ..payload }).unwrap();
            let hash = Sha256::new().chain_update(head.hash).chain_update(&payload).finalize().into();
            head = Head { seq, hash };
            batch.put(
                Space::Journal,
                key(seq),
                encode(&Stored { hash: head.hash.to_vec(), payload }).unwrap(),
            );
        }
        batch.put(Space::Meta, [b"journal/", LIST.as_bytes(), b"\0"].concat(), encode(&head).unwrap());
        self.store.commit(batch).unwrap();
    }

    /// What verifying says without a head, which is always fooled, and with the one that was kept.
    fn verified(&self, kept: &str) -> Result<u64, Broken> {
        let journal = Journal::new(Arc::clone(&self.store));
        journal.verify(Some(&self.list), None).unwrap().expect("every hash is right");
        let kept = data_encoding::HEXLOWER.decode(kept.as_bytes()).unwrap().try_into().unwrap();
        journal.verify(Some(&self.list), Some(kept)).unwrap().map(|head| head.seq)
    }

    /// Tries every hand on the journal, and leaves it with its tail cut off.
    fn try_all(&self, kept: &str) {
        let whole = self.chain();
        self.put(whole.clone());
        assert_eq!(self.verified(kept), Ok(whole.len() as u64), "the forger's tools are right");
        let mut changed = whole.clone();
        let reasons = changed.iter_mut().filter_map(|payload| match &mut payload.event {
            Event::Roster { change: Change::Moved { reason, to: Standing::Removed, .. } } => Some(reason),
            _ => None,
        });
        reasons.for_each(|reason| *reason = Some("own wish".to_owned()));
        let mut unsaid = whole.clone();
        unsaid.iter_mut().for_each(|payload| payload.reason = None);
        let mut missing = whole.clone();
        missing.remove(1);
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        let mut cut = whole;
        let first_suspended =
            cut.iter().position(|p| matches!(&p.event, Event::Roster { change: Change::Moved { .. } }));
        cut.truncate(first_suspended.unwrap());
        let hands = [
            ("changed", changed),
            ("unsaid", unsaid),
            ("missing", missing),
            ("swapped", swapped),
            ("cut", cut),
        ];
        for (what, chain) in hands {
            self.put(chain);
            assert_eq!(self.verified(kept), Err(Broken::HeadUnknown), "{what}");
        }
    }
}

#[test]
fn a_head_that_came_by_mail_shows_every_hand_on_the_journal() {
    let Some(mut office) = Office::with_clock(&[]) else { return };
    let people = office.scene.people.clone();
    let (dora, emil) = (&people.dora.address, &people.emil.address);
    let install = &office.scene.install;
    install.ok(&["member", "suspend", LIST, dora, "--reason", "on leave"]);
    install.ok(&["member", "remove", LIST, emil, "--reason", "broke the embargo", "--yes"]);
    // Who, what, why and when of a change of the roster.
    let removed = install.events("roster").into_iter().find(|row| row["event"]["to"] == "removed").unwrap();
    assert!(removed["actor"].as_str().unwrap().starts_with("admin:"), "{removed}");
    assert_eq!(removed["event"]["reason"], "broke the embargo");
    assert!(removed["at"].as_str().unwrap().starts_with("20"), "{removed}");
    // Where the change itself has no word for it, why it was made stands beside it, as one plain line.
    let why = "moved\nhouse,\u{1b}[2J said by phone";
    install.ok(&["member", "alias", "add", LIST, dora, "--alias", "dora@home.example", "--reason", why]);
    let known =
        install.events("roster").into_iter().find(|row| row["event"]["change"] == "alias-set").unwrap();
    assert_eq!(known["reason"], "moved house, [2J said by phone", "{known}");
    assert!(install.ok(&["journal", "ls", LIST]).contains("reason=moved house, [2J said by phone"));
    let ran = install.run(&["org", "add", "umbra", "--reason", &"x".repeat(501)]);
    assert_eq!((ran.code, install.ok(&["org", "ls"]).contains("umbra")), (64, false), "{ran:?}");

    office.days_later(1);
    let letter = office.letter(&people.ada, "security", SUBJECT, 1);
    office.letter(&people.bob, "security", SUBJECT, 1);
    let head = head_of(&letter, LIST);
    for head in [&head, &head_of(&letter, "security"), &head_of(&letter, "the relay itself")] {
        office.scene.install.ok(&["journal", "verify", "--head", head]);
    }
    // Later entries do not matter to it, and a kill does not make the relay tell it again: the next day's is the second.
    office.scene.install.ok(&["member", "resume", LIST, dora]);
    let environment = office.wall.as_ref().unwrap().environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let Office { scene, wall } = office;
    let (scene, _) = scene.followed(&environment, Daemon::kill);
    let mut office = Office { scene, wall };
    office.scene.install.ok(&["journal", "verify", "--head", &head]);
    office.days_later(1);
    assert_eq!(office.letters(&people.ada, "security", SUBJECT, 2).len(), 2);

    // Whoever can write the store can make every hash fit. The head that lies in a mailbox does not follow.
    let data = office.scene.install.data();
    let Office { scene, wall } = office;
    let (scene, _) = scene.followed(&environment, |daemon| {
        let (_, log) = daemon.stop();
        Forger::at(&data).try_all(&head);
        if is_root() {
            let owner = format!("{NOBODY}:{NOBODY}");
            assert!(Command::new("chown").args(["-R", &owner]).arg(&data).status().unwrap().success());
        }
        log
    });
    let office = Office { scene, wall };
    office.scene.install.ok(&["journal", "verify"]);
    let ran = office.scene.install.run(&["journal", "verify", "--head", &head]);
    assert_eq!(ran.code, 65, "{ran:?}");
    assert!(ran.err.contains("does not hold that head"), "{ran:?}");
}
