//! What somebody with a hand on the store can do to a chain, and what verification says of it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vouchsafe::ledger::journal::{Broken, Head};
use vouchsafe::ledger::record::{FORMAT, decode, encode};
use vouchsafe::store::contract::{Batch, Space, StoreError};

use crate::{Bench, at, list, note, paused};

/// A link as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(with = "serde_bytes")]
    hash: Vec<u8>,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

/// A chain of six links.
fn chain() -> Bench {
    let bench = Bench::new();
    for n in 0..6 {
        bench.journal().commit(&Batch::new(), &[note("a", paused(n % 2 == 0))], at(n)).unwrap();
    }
    bench
}

fn verify(bench: &Bench, kept: Option<[u8; 32]>) -> Result<Head, Broken> {
    bench.journal().verify(Some(&list("a")), kept).unwrap()
}

fn link_key(seq: u64) -> Vec<u8> {
    [b"a\0".as_slice(), &seq.to_be_bytes()].concat()
}

fn value(bench: &Bench, seq: u64) -> Vec<u8> {
    bench.store().get(Space::Journal, &link_key(seq)).unwrap().unwrap().value
}

fn set_head(bench: &Bench, head: &Head) {
    bench.overwrite(Space::Meta, b"journal/a\0", encode(head).unwrap());
}

/// Writes the chain anew from `seq` on with each payload as `edit` leaves it, hashes and head included: what
/// somebody can do who knows how a chain is made.
fn forge(bench: &Bench, last: u64, edit: impl Fn(u64, Vec<u8>) -> Vec<u8>) {
    let mut before = [0; 32];
    for seq in 1..=last {
        let stored: Stored = decode(&value(bench, seq)).unwrap();
        let payload = edit(seq, stored.payload);
        let hash: [u8; 32] = Sha256::new().chain_update(before).chain_update(&payload).finalize().into();
        bench.overwrite(
            Space::Journal,
            &link_key(seq),
            encode(&Stored { hash: hash.to_vec(), payload }).unwrap(),
        );
        before = hash;
    }
    set_head(bench, &Head { seq: last, hash: before });
}

#[test]
fn any_changed_byte_of_a_link_is_found() {
    let bench = chain();
    let whole = value(&bench, 3);
    for index in 0..whole.len() {
        for flip in [0x01, 0x80] {
            let mut changed = whole.clone();
            changed[index] ^= flip;
            bench.overwrite(Space::Journal, &link_key(3), changed);
            match bench.journal().verify(Some(&list("a")), None) {
                Ok(Err(Broken::Changed(3) | Broken::Missing(3))) => {}
                // A larger format number is indistinguishable from a later release's link.
                Err(StoreError::TooNew { .. }) if index == 0 || whole[index] == FORMAT => {}
                other => panic!("byte {index} ^ {flip:#x}: {other:?}"),
            }
        }
    }
    bench.overwrite(Space::Journal, &link_key(3), whole[..whole.len() - 1].to_vec());
    assert_eq!(verify(&bench, None), Err(Broken::Changed(3)), "cut short");
    bench.overwrite(Space::Journal, &link_key(3), whole);
    verify(&bench, None).unwrap();
}

#[test]
fn a_link_changed_together_with_its_own_hash_is_found() {
    for seq in [3, 6] {
        let bench = chain();
        let (before, own): (Stored, Stored) =
            (decode(&value(&bench, seq - 1)).unwrap(), decode(&value(&bench, seq)).unwrap());
        let mut payload = own.payload;
        let at = payload.windows(6).position(|w| w == b"paused").unwrap();
        payload[at + 1] ^= 0x20;
        let hash = Sha256::new().chain_update(&before.hash).chain_update(&payload).finalize().to_vec();
        bench.overwrite(Space::Journal, &link_key(seq), encode(&Stored { hash, payload }).unwrap());
        assert!(matches!(verify(&bench, None), Err(Broken::Changed(_))), "link {seq}");
    }
}

#[test]
fn removed_and_reordered_links_are_found() {
    for seq in 1..6 {
        let bench = chain();
        bench.commit(|b| _ = b.delete(Space::Journal, link_key(seq))).unwrap();
        assert_eq!(verify(&bench, None), Err(Broken::Missing(seq)));
    }
    for (one, other) in [(1, 2), (2, 5), (5, 6)] {
        let bench = chain();
        let (x, y) = (value(&bench, one), value(&bench, other));
        bench.overwrite(Space::Journal, &link_key(one), y);
        bench.overwrite(Space::Journal, &link_key(other), x);
        assert_eq!(verify(&bench, None), Err(Broken::Missing(one)));
    }
}

#[test]
fn a_cut_tail_is_found_by_the_head_and_a_cut_head_by_whoever_kept_it() {
    let bench = chain();
    let kept = bench.journal().head(Some(&list("a"))).unwrap();
    let fifth = bench.links("a")[4].hash;
    bench.commit(|b| _ = b.delete(Space::Journal, link_key(6))).unwrap();
    assert_eq!(verify(&bench, None), Err(Broken::Cut { found: 5, head: 6 }));
    set_head(&bench, &Head { seq: 5, hash: fifth });
    assert_eq!(verify(&bench, None).unwrap().seq, 5, "a chain cannot show this by itself");
    assert_eq!(verify(&bench, Some(kept.hash)), Err(Broken::HeadUnknown));
    assert_eq!(verify(&bench, Some(fifth)).unwrap().seq, 5);
}

#[test]
fn a_chain_without_its_head_or_longer_than_it_is_found() {
    let bench = chain();
    set_head(&bench, &Head { seq: 4, hash: bench.links("a")[3].hash });
    assert_eq!(verify(&bench, None), Err(Broken::Cut { found: 6, head: 4 }));
    bench.commit(|b| _ = b.delete(Space::Meta, b"journal/a\0".to_vec())).unwrap();
    assert_eq!(verify(&bench, None), Err(Broken::Cut { found: 6, head: 0 }));
    set_head(&bench, &Head { seq: 6, hash: [1; 32] });
    assert_eq!(verify(&bench, None), Err(Broken::Changed(6)));
}

#[test]
fn a_chain_forged_from_end_to_end_is_found_by_a_kept_head_alone() {
    let bench = chain();
    let kept = bench.journal().head(Some(&list("a"))).unwrap();
    forge(&bench, 6, |_, payload| payload);
    assert_eq!(verify(&bench, None).unwrap(), kept, "the forger's tools are right");
    forge(&bench, 6, |_, mut payload| {
        let at = payload.windows(6).position(|w| w == b"paused").unwrap();
        // The value behind the last key of that name: true becomes false and false true.
        let at = payload.windows(7).rposition(|w| w == b"\xa6paused").unwrap_or(at) + 7;
        payload[at] ^= 1;
        payload
    });
    assert_eq!(verify(&bench, None).unwrap().seq, 6);
    assert_ne!(bench.events("a")[0], paused(true));
    assert_eq!(verify(&bench, Some(kept.hash)), Err(Broken::HeadUnknown));
}

#[test]
fn a_chain_of_another_list_in_this_one_s_place_is_found() {
    let bench = chain();
    let other = bench.entries(Space::Journal);
    for entry in other {
        let key = [b"b\0".as_slice(), &entry.key[2..]].concat();
        bench.overwrite(Space::Journal, &key, entry.value);
    }
    let head = bench.store().get(Space::Meta, b"journal/a\0").unwrap().unwrap().value;
    bench.overwrite(Space::Meta, b"journal/b\0", head);
    let found = bench.journal().verify(Some(&list("b")), None).unwrap();
    assert_eq!(found, Err(Broken::Changed(1)), "each link says which list it is of");
    verify(&bench, None).unwrap();
}

#[test]
fn links_and_heads_of_a_later_format_are_refused_and_not_called_broken() {
    let later = |mut value: Vec<u8>| {
        value[0] = FORMAT + 1;
        value
    };
    let too_new = |error: StoreError| assert!(matches!(error, StoreError::TooNew { .. }), "{error}");
    let a = list("a");

    let bench = chain();
    bench.overwrite(Space::Journal, &link_key(4), later(value(&bench, 4)));
    too_new(bench.journal().links(Some(&a), 0, 10).unwrap_err());
    too_new(bench.journal().verify(Some(&a), None).unwrap_err());
    assert_eq!(bench.journal().links(Some(&a), 0, 3).unwrap().len(), 3, "what is before it can be read");

    let bench = chain();
    forge(&bench, 6, |seq, payload| if seq == 4 { later(payload) } else { payload });
    too_new(bench.journal().verify(Some(&a), None).unwrap_err());

    let bench = chain();
    let head = bench.store().get(Space::Meta, b"journal/a\0").unwrap().unwrap().value;
    bench.overwrite(Space::Meta, b"journal/a\0", later(head));
    too_new(bench.journal().head(Some(&a)).unwrap_err());
    too_new(bench.journal().commit(&Batch::new(), &[note("a", paused(true))], at(9)).unwrap_err());
    assert_eq!(bench.entries(Space::Journal).len(), 6, "an older release appends nothing");
}

#[test]
fn a_chain_that_is_verified_in_parts_is_verified_as_a_whole() {
    let bench = chain();
    let journal = bench.journal();
    let a = list("a");
    let third = journal.links(Some(&a), 2, 1).unwrap()[0].hash;
    let in_parts = |most: usize, kept| {
        let (mut at, mut parts, mut seen) = (Head::EMPTY, 0, false);
        loop {
            let part = journal.verify_part(Some(&a), at, kept, most).unwrap()?;
            (parts, seen) = (parts + 1, seen | part.kept_seen);
            assert!(part.links <= most);
            if part.whole {
                return Ok((part.at, parts, seen));
            }
            at = part.at;
        }
    };
    let whole = verify(&bench, None).unwrap();
    for (most, parts) in [(1, 7), (2, 4), (4, 2), (6, 2), (7, 1)] {
        assert_eq!(in_parts(most, Some(third)), Ok((whole.clone(), parts, true)), "{most}");
        assert_eq!(in_parts(most, Some([7; 32])), Ok((whole.clone(), parts, false)), "{most}");
    }
    // A link of a later part, and a tail that is gone.
    let mut changed = value(&bench, 5);
    *changed.last_mut().unwrap() ^= 1;
    bench.overwrite(Space::Journal, &link_key(5), changed);
    for most in [1, 4, 7] {
        assert_eq!(in_parts(most, None), Err(Broken::Changed(5)), "{most}");
    }
    bench.commit(|b| _ = b.delete(Space::Journal, link_key(6))).unwrap();
    bench.commit(|b| _ = b.delete(Space::Journal, link_key(5))).unwrap();
    for most in [1, 4, 7] {
        assert_eq!(in_parts(most, None), Err(Broken::Cut { found: 4, head: 6 }), "{most}");
    }
}
