//! What arrived, held against what was acknowledged.

use std::collections::BTreeMap;
use std::fmt;

use crate::load::{Sent, Setting};
use crate::notices::ADMIN;
use crate::outside::copy::{armored_part, find};
use crate::outside::openpgp::open;
use crate::outside::sink::Taken;

/// What the test found.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    /// Mails that arrived although their 250 was not heard: permitted.
    unheard: usize,
    copies: usize,
    duplicates: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} mails sent, {} acknowledged, all of them found at every reader; {} more arrived whose 250 was lost; \
             {} copies in all, {} of them duplicates across a kill",
            self.sent, self.acknowledged, self.unheard, self.copies, self.duplicates
        )
    }
}

/// Opens everything that arrived and judges it.
pub(crate) fn judge(setting: &Setting, sent: &[Sent]) -> Figures {
    let arrived = by_marker(setting);
    let known: BTreeMap<&str, &Sent> = sent.iter().map(|sent| (sent.marker.as_str(), sent)).collect();
    assert!(arrived.keys().all(|(marker, _)| known.contains_key(marker.as_str())), "nothing arrives unsent");
    let mut figures = Figures { sent: sent.len(), ..Figures::default() };
    for mail in sent {
        let readers = setting.readers(mail.announced);
        let mut copies: Vec<Vec<Taken>> = readers
            .iter()
            .map(|(address, _)| {
                arrived.get(&(mail.marker.clone(), address.clone())).cloned().unwrap_or_default()
            })
            .collect();
        let reached = copies.iter().filter(|copies| !copies.is_empty()).count();
        if mail.acknowledged {
            assert_eq!(reached, readers.len(), "{} was acknowledged and is lost for somebody", mail.marker);
        } else {
            assert!(reached == 0 || reached == readers.len(), "{}: all readers or none", mail.marker);
            figures.unheard += usize::from(reached > 0);
        }
        figures.acknowledged += usize::from(mail.acknowledged);
        for of_one in &mut copies {
            figures.copies += of_one.len();
            figures.duplicates += of_one.len().saturating_sub(1);
            permitted(&mail.marker, of_one);
        }
    }
    let expected: usize = arrived.values().map(Vec::len).sum();
    assert_eq!(figures.copies, expected, "nobody got what is for somebody else");
    figures
}

/// Whether it is a letter of the relay itself (RFC 3834 §5).
fn is_letter(copy: &Taken) -> bool {
    copy.header("Auto-Submitted").is_some()
}

/// Letters of the relay itself, each of which was written once, whatever died in between; returns how many.
pub(crate) fn letters(setting: &Setting) -> usize {
    let mut letters: BTreeMap<(String, String), Vec<Taken>> = BTreeMap::new();
    for copy in setting.sink.taken().into_iter().filter(|copy| copy.recipient != ADMIN && is_letter(copy)) {
        letters.entry((copy.header("Message-ID").unwrap(), copy.recipient.clone())).or_default().push(copy);
    }
    for ((id, _), same) in &mut letters {
        permitted(id, same);
    }
    letters.len()
}

/// A copy may come twice only when a kill lies between, since its first 250 may not have been committed: no process sends
/// the same copy twice. It is the very same copy then, to the byte, with the same Message-ID and return path; a mail that
/// was relayed twice is something else.
pub(crate) fn permitted(marker: &str, copies: &mut [Taken]) {
    copies.sort_by_key(|copy| copy.generation);
    for pair in copies.windows(2) {
        assert_eq!(
            pair[0].header("Message-ID"),
            pair[1].header("Message-ID"),
            "{marker}: another Message-ID"
        );
        assert_eq!(
            pair[0].reverse_path, pair[1].reverse_path,
            "{marker}: another parcel, so it was relayed twice"
        );
        assert!(pair[0].data == pair[1].data, "{marker}: not the same copy");
        assert!(pair[0].generation < pair[1].generation, "{marker}: sent twice by one and the same process");
    }
}

type Arrived = BTreeMap<(String, String), Vec<Taken>>;

/// All copies by marker and reader, each opened with its reader's key alone.
fn by_marker(setting: &Setting) -> Arrived {
    let mut arrived = Arrived::new();
    for copy in setting.sink.taken().into_iter().filter(|copy| copy.recipient != ADMIN && !is_letter(copy)) {
        let (_, reader) = setting.people.iter().find(|(address, _)| *address == copy.recipient).unwrap();
        let list =
            if copy.reverse_path.starts_with("security") { &setting.security } else { &setting.announce };
        let entity = open(reader, list, &armored_part(&copy.data))
            .unwrap_or_else(|error| panic!("a copy for {} does not open: {error}", copy.recipient));
        let at = find(&entity, b"marker-").expect("a marker");
        let length = find(&entity[at..], b".").expect("its end") + 1;
        let marker = String::from_utf8(entity[at..at + length].to_vec()).unwrap();
        arrived.entry((marker, copy.recipient.clone())).or_default().push(copy);
    }
    arrived
}
