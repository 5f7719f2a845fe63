//! How somebody stands on a list, for the help: what they owe, what is known of them, and what waits for them.

use std::sync::Arc;

use crate::ledger::shelf::Shelf;
use crate::mail::list::List;
use crate::roster::application::{Application, Stage};
use crate::roster::ballot::{Ballot, Outcome};
use crate::roster::duties::acceptance::binds;
use crate::roster::membership::{Member, Role};
use crate::store::contract::{Store, StoreError};

/// What is known besides address, standing and certificate, each with its name.
pub(super) fn facts(
    store: &Arc<dyn Store>,
    list: Option<&List>,
    member: &Member,
) -> Result<Vec<(String, String)>, StoreError> {
    let file = &member.file;
    let many = |all: Vec<String>| (!all.is_empty()).then(|| all.join(", "));
    let terms = list.and_then(List::terms).filter(|_| binds(member)).map(|text| {
        let known = file.terms.in_words().unwrap_or_else(|| "not accepted".to_owned());
        format!("version {} is in force; {known}", text.version)
    });
    let is_team = matches!(member.role, Role::Team { .. });
    let mut facts = vec![
        ("suspended for", file.cause.map(|cause| cause.as_str().to_owned())),
        ("copies", file.delivery_off.map(|since| format!("none, by your wish or an admin's, since {since}"))),
        ("further addresses", many(file.aliases.iter().map(ToString::to_string).collect())),
        ("further certificates", many(file.certs.iter().map(ToString::to_string).collect())),
        ("terms", terms),
        ("whether the address is read", file.alias.in_words().filter(|_| !is_team)),
        ("roles", many(member.roles().map(ToOwned::to_owned).collect())),
        ("term", file.seated.term.map(|term| format!("from {} until {}", term.starts, term.ends))),
    ];
    if let Some(list) = list.filter(|_| member.is_active()) {
        facts.push(("waiting for your vote", many(votes(store, list, member)?)));
        facts.push(("waiting for somebody to vouch", many(applications(store, list, member)?)));
    }
    Ok(facts.into_iter().filter_map(|(name, what)| Some((name.to_owned(), what?))).collect())
}

/// The open ballots of a list in which somebody was asked to vote and has not. Their tokens came with a letter of its own.
fn votes(store: &Arc<dyn Store>, list: &List, member: &Member) -> Result<Vec<String>, StoreError> {
    let ballots = Shelf::<Ballot>::new(store).all()?.into_iter().map(|taken| taken.it);
    let waits = |ballot: &Ballot| {
        let voted = ballot.votes.iter().any(|vote| vote.by == member.id);
        let asked = ballot.asked.contains(&member.id) && !voted;
        ballot.list == list.name && ballot.outcome == Outcome::Open && asked
    };
    let said = |ballot: Ballot| {
        let closes = ballot.closes.map_or_else(String::new, |closes| format!(", until {closes}"));
        format!("{} ({}{closes})", ballot.id, ballot.title)
    };
    Ok(ballots.filter(waits).map(said).collect())
}

/// The applications to a list that a contact of another organisation may vouch for and has not.
fn applications(store: &Arc<dyn Store>, list: &List, member: &Member) -> Result<Vec<String>, StoreError> {
    let Some(org) = member.contact_of() else { return Ok(Vec::new()) };
    let all = Shelf::<Application>::new(store).all()?.into_iter().map(|taken| taken.it);
    let waits = |application: &Application| {
        let vouched = application
            .vouchers
            .iter()
            .any(|voucher| voucher.by == member.id || voucher.org.as_ref() == Some(org));
        application.list == list.name && application.stage == Stage::Vouching && !vouched
    };
    let said = |application: Application| {
        let until = application.vouch_until.map_or_else(String::new, |until| format!(", until {until}"));
        format!("{} ({}{until})", application.id, application.form.title)
    };
    Ok(all.filter(waits).map(said).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;
    use crate::mail::directory::Kind;
    use crate::policy::{Policy, TermsText, TextHash};
    use crate::roster::alias::Open;
    use crate::roster::ballot::{Choice, Given, Motion, Vote};
    use crate::roster::membership::{Cause, MemberFile, Standing};
    use crate::roster::removal::Reason;
    use crate::roster::term::Term;
    use crate::roster::terms::{Accepted, Asked, Edition, How};
    use crate::store::contract::Batch;
    use crate::store::{self, Settings};
    use crate::time::Timestamp;

    const fn day(n: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + n * 86_400)
    }

    fn list() -> List {
        let mut policy = Policy::parse("[policy]\nid = \"x\"\nversion = \"1\"\n").unwrap();
        let text = "Tell nobody.".to_owned();
        policy.terms_text = Some(TermsText { version: "2".to_owned(), hash: TextHash::of(&text), text });
        let address: crate::mail::address::Address = "distrib@lists.example".parse().unwrap();
        List {
            name: "distrib".parse().unwrap(),
            title: "Distributors".to_owned(),
            answer_to: address.clone(),
            address,
            kind: Kind::Announce,
            team: Some("security".parse().unwrap()),
            individual: false,
            policy: Some(Arc::new(policy)),
        }
    }

    fn member(role: Role, file: MemberFile) -> Member {
        Member {
            id: "m-1".parse().unwrap(),
            address: "dora@distro.example".parse().unwrap(),
            fingerprint: Fingerprint::V4([7; 20]),
            role,
            standing: Standing::Active,
            since: day(0),
            format: None,
            file,
        }
    }

    fn ballot(id: &str) -> Ballot {
        Ballot {
            id: id.parse().unwrap(),
            list: "distrib".parse().unwrap(),
            motion: Motion::Remove { members: vec!["m-9".parse().unwrap()], reason: Reason::Idle, org: None },
            title: "Acme".to_owned(),
            words: None,
            opened: day(0),
            from: None,
            closes: Some(day(7)),
            quorum: 2,
            one_per_org: false,
            concerned: Vec::new(),
            barred: None,
            asked: vec!["m-1".parse().unwrap()],
            votes: Vec::new(),
            outcome: Outcome::Open,
            closed: None,
            stuck: false,
        }
    }

    fn said(store: &Arc<dyn Store>, member: &Member) -> String {
        let facts = facts(store, Some(&list()), member).unwrap();
        facts.iter().map(|(name, what)| format!("{name}: {what}\n")).collect()
    }

    #[test]
    fn ones_own_standing_is_told_completely() {
        let dir = tempfile::tempdir().unwrap();
        let store = store::open(&Settings { path: dir.path().to_owned(), ..Settings::default() }).unwrap();
        let contact = Role::Contact { org: "distro".parse().unwrap() };
        assert_eq!(
            said(&store, &member(contact.clone(), MemberFile::default())),
            "terms: version 2 is in force; not accepted\n"
        );
        let edition = |version: &str| Edition { version: version.to_owned(), hash: TextHash::of(version) };
        let mut file = MemberFile {
            cause: Some(Cause::Unanswered),
            aliases: vec!["other@distro.example".parse().unwrap()],
            certs: vec![Fingerprint::V4([8; 20])],
            delivery_off: Some(day(1)),
            ..MemberFile::default()
        };
        file.terms.accepted = Some(Accepted { edition: edition("1"), at: day(2), how: How::Mail });
        file.terms.asked = Some(Asked {
            edition: edition("2"),
            at: day(3),
            due: Some(day(4)),
            reminded: 0,
            withheld: false,
        });
        file.alias.answered = Some(day(2));
        file.alias.open = Some(Open { asked: day(5), due: day(6), reminded: 0 });
        let all = said(&store, &member(contact, file));
        for line in [
            "suspended for: unanswered\n".to_owned(),
            format!("since {}\n", day(1)),
            "further addresses: other@distro.example\n".to_owned(),
            format!("further certificates: {}\n", Fingerprint::V4([8; 20])),
            format!("version 1 accepted by signed mail {}", day(2)),
            format!("version 2 asked for since {}, due until {}\n", day(3), day(4)),
            format!("read: answered {}; asked {}, due until {}\n", day(2), day(5), day(6)),
        ] {
            assert!(all.contains(&line), "{line}: {all}");
        }
    }

    #[test]
    fn a_person_of_a_team_sees_the_term_and_what_waits_for_a_vote() {
        let dir = tempfile::tempdir().unwrap();
        let store = store::open(&Settings { path: dir.path().to_owned(), ..Settings::default() }).unwrap();
        let mut file = MemberFile::default();
        file.seated.roles = vec!["tsc".to_owned()];
        file.seated.term = Some(Term { starts: day(0), ends: day(365) });
        let ada = member(Role::Team { name: "Ada".to_owned(), role: Some("chair".to_owned()) }, file);
        let vote = |by: &str| Vote {
            by: by.parse().unwrap(),
            org: None,
            choice: Choice::Approve,
            at: day(1),
            given: Given::Mail,
        };
        let mut batch = Batch::new();
        for ballot in [
            Ballot { votes: vec![vote("m-2")], ..ballot("b-waits") },
            Ballot { votes: vec![vote("m-1")], ..ballot("b-voted") },
            Ballot { outcome: Outcome::Carried, ..ballot("b-over") },
            Ballot { asked: Vec::new(), ..ballot("b-others") },
            Ballot { list: "other".parse().unwrap(), ..ballot("b-elsewhere") },
        ] {
            Shelf::add(&mut batch, &ballot).unwrap();
        }
        store.commit(batch).unwrap();
        let expected = format!(
            "roles: chair, tsc\nterm: from {} until {}\nwaiting for your vote: b-waits (Acme, until {})\n",
            day(0),
            day(365),
            day(7)
        );
        assert_eq!(said(&store, &ada), expected, "nothing of the terms, which bind contacts");
    }
}
