//! What is remarked, and what is not.

use super::*;
use crate::id::Fingerprint;
use crate::policy::Policy;
use crate::roster::application::{Filled, Stage};
use crate::roster::membership::{MemberFile, Role};
use crate::roster::org::{OrgEdit, OrgKind};
use crate::time::Timestamp;

const T0: Timestamp = Timestamp::from_secs(1_800_000_000);

fn at(secs: u64) -> Timestamp {
    T0.after(std::time::Duration::from_secs(secs))
}

fn member(n: u8, org: &str) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("psirt@{org}.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        role: Role::Contact { org: org.parse().unwrap() },
        standing: Standing::Active,
        since: T0,
        format: None,
        file: MemberFile::default(),
    }
}

/// Two organisations of the list, each with a website and one contact.
fn roster() -> Roster {
    let mut roster = Roster::default();
    for (n, org, title) in [(1, "beta", "Beta Linux"), (2, "gamma", "Gamma")] {
        let name = org.parse().unwrap();
        roster = roster.add_org(&name, title.to_owned(), T0).unwrap().0;
        let website = Some(format!("https://www.{org}.example/security"));
        roster = roster.edit_org(&name, OrgEdit { website, ..OrgEdit::default() }, None).unwrap().unwrap().0;
        roster = roster.add_member(&"distrib".parse().unwrap(), member(n, org)).unwrap().0;
    }
    roster
}

fn application(change: impl FnOnce(&mut Filled)) -> Application {
    let mut form = Filled {
        org: "acme".parse().unwrap(),
        title: "Acme Linux".to_owned(),
        kind: OrgKind::Distribution,
        website: "https://acme.example".to_owned(),
        upstream: "none".to_owned(),
        users: "many".to_owned(),
        address: "psirt@acme.example".parse().unwrap(),
        answers: std::collections::BTreeMap::new(),
    };
    change(&mut form);
    Application {
        id: "a-abcdefgh".parse().unwrap(),
        list: "distrib".parse().unwrap(),
        member: "m-9".parse().unwrap(),
        fingerprint: Fingerprint::V4([9; 20]),
        form,
        opened: at(10),
        vouch_until: None,
        lapses: None,
        stage: Stage::Vouching,
        since: at(10),
        founding: false,
        vouchers: Vec::new(),
        ballot: None,
        mail: None,
    }
}

fn vouched(change: impl FnOnce(&mut Filled)) -> Vec<String> {
    let mut it = application(change);
    let (by, org) = ("m-1".parse().unwrap(), Some("beta".parse().unwrap()));
    it.vouchers.push(Voucher { by, org, at: at(20), statement: None });
    of_vouchers(&it, Beside { roster: &roster(), rules: &Membership::default(), all: &[] })
}

fn remarked(it: &Application, roster: &Roster, all: &[Application]) -> Vec<String> {
    of_applicant(it, Beside { roster, rules: &Membership::default(), all })
}

#[test]
fn who_vouched_is_named_with_what_the_two_share() {
    let plain = vouched(|_| {});
    assert_eq!(plain, ["Vouched for by psirt@beta.example (m-1) of Beta Linux (beta), by signed mail."]);
    let domain = vouched(|form| form.address = "psirt@sec.beta.example".parse().unwrap());
    assert_eq!(domain[1], "The applicant and beta, who vouches, have one mail domain, beta.example.");
    let host = vouched(|form| form.website = "see HTTP://Beta.example:443/acme".to_owned());
    assert_eq!(host[1], "The applicant and beta, who vouches, have one website host, beta.example.");
    for upstream in ["beta", "BETA linux"] {
        let upstream = vouched(|form| form.upstream = upstream.to_owned());
        assert_eq!(upstream[1], "The upstream that the applicant names is beta, who vouches.");
    }
}

#[test]
fn who_is_like_nobody_is_remarked_by_nothing() {
    let it = application(|_| {});
    let own = std::slice::from_ref(&it);
    assert_eq!(remarked(&it, &roster(), own), Vec::<String>::new());
    assert_eq!(
        remarked(
            &application(|form| form.address = "psirt@notbeta.example".parse().unwrap()),
            &roster(),
            own
        ),
        Vec::<String>::new()
    );
}

#[test]
fn names_websites_and_domains_of_others_are_remarked_however_they_are_written() {
    let only = |change: fn(&mut Filled)| {
        let all = remarked(&application(change), &roster(), &[]);
        assert_eq!(all.len(), 1, "{all:?}");
        all.concat()
    };
    for title in ["Beta Linux", "beta LINUX", "Be\u{200b}ta\u{202e} Li\u{ad}nux", "Beta-Linux", "Beta"] {
        let mut it = application(|_| {});
        it.form.title = title.to_owned();
        let all = remarked(&it, &roster(), &[]).concat();
        assert_eq!(all, "It has the name of the organisation beta, and is none of its contacts.", "{title}");
    }
    let host = only(|form| form.website = "gamma.example".to_owned());
    assert_eq!(host, "Its website is at the host of gamma: gamma.example.");
    let domain = only(|form| form.address = "acme@gamma.example".parse().unwrap());
    assert_eq!(domain, "The contact's mail domain is also that of gamma.");
    let upstream = only(|form| form.upstream = "Gamma".to_owned());
    assert!(upstream.contains("is it downstream of gamma?"), "{upstream}");
    let policy =
        "[policy]\nid = \"x\"\nversion = \"1\"\n[membership]\nfreemail_domains = [\"gamma.example\"]";
    let rules = Policy::parse(policy).unwrap().membership;
    let it = application(|form| form.address = "acme@gamma.example".parse().unwrap());
    let free = of_applicant(&it, Beside { roster: &roster(), rules: &rules, all: &[] });
    assert!(free.is_empty(), "where anybody gets an address it says nothing: {free:?}");
}

#[test]
fn an_organisation_that_is_here_is_remarked_and_more_so_if_it_came_later() {
    let it = application(|form| form.org = "beta".parse().unwrap());
    let here = remarked(&it, &roster(), &[]).concat();
    assert!(here.contains("on the roster already: Beta Linux (beta)") && here.contains("are told"), "{here}");
    let late = roster().add_org(&"acme".parse().unwrap(), "Acme".to_owned(), at(11)).unwrap().0;
    let late = remarked(&application(|_| {}), &late, &[]).concat();
    assert!(late.contains("acme came onto the roster after this application"), "{late}");
}

#[test]
fn what_was_refused_or_removed_before_is_remarked() {
    let mut earlier = application(|form| form.org = "other".parse().unwrap());
    earlier.id = "a-earlier0".parse().unwrap();
    earlier.form.address = "else@else.example".parse().unwrap();
    earlier.form.website = "https://else.example".to_owned();
    earlier.stage = Stage::Refused;
    let it = application(|_| {});
    let same_key = remarked(&it, &roster(), std::slice::from_ref(&earlier)).concat();
    assert!(same_key.contains("a-earlier0") && same_key.contains("is refused"), "{same_key}");
    earlier.fingerprint = Fingerprint::V4([8; 20]);
    assert!(
        remarked(&it, &roster(), std::slice::from_ref(&earlier)).is_empty(),
        "the name alone, and it is over"
    );
    earlier.stage = Stage::Deciding;
    assert_eq!(remarked(&it, &roster(), &[earlier]).len(), 1, "two with one name are open");

    let list = "distrib".parse().unwrap();
    let with = |change: &dyn Fn(&mut Member)| {
        let mut gone = member(3, "beta");
        gone.address = "old@old.example".parse().unwrap();
        change(&mut gone);
        gone.standing = Standing::Removed;
        remarked(&application(|_| {}), &roster().add_member(&list, gone).unwrap().0, &[]).concat()
    };
    assert_eq!(with(&|_| {}), "");
    let key = with(&|m| m.fingerprint = Fingerprint::V4([9; 20]));
    assert!(key.starts_with("The certificate was a member's of distrib who was removed on 2027"), "{key}");
    let address = with(&|m| m.address = "PSIRT@acme.example".parse().unwrap());
    assert!(address.starts_with("The address was a member's"), "{address}");
    let roster = roster().add_org(&"acme".parse().unwrap(), "Acme".to_owned(), T0).unwrap().0;
    let mut gone = member(3, "acme");
    gone.address = "old@old.example".parse().unwrap();
    gone.standing = Standing::Removed;
    let org = remarked(&it, &roster.add_member(&list, gone).unwrap().0, &[]);
    assert!(org.iter().any(|said| said.starts_with("The organisation was a member's")), "{org:?}");
}

#[test]
fn the_people_of_one_organisation_are_one_voice() {
    let ids: Vec<MemberId> = (1..5).map(|n| format!("m-{n}").parse().unwrap()).collect();
    let (beta, gamma): (OrgName, OrgName) = ("beta".parse().unwrap(), "gamma".parse().unwrap());
    let of = |orgs: [Option<&OrgName>; 4]| voices(ids.iter().zip(orgs));
    assert_eq!(of([Some(&beta), Some(&beta), Some(&gamma), Some(&beta)]), 2);
    assert_eq!(of([None, None, Some(&beta), Some(&beta)]), 3, "who stands for none counts alone");
}
