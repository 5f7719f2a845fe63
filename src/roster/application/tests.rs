//! Each rule of vouching by itself.

use std::time::Duration;

use super::*;
use crate::roster::membership::{MemberFile, Role};

const T0: Timestamp = Timestamp::from_secs(1_800_000_000);
const PERIOD: Duration = Duration::from_secs(86_400);

fn member(n: u8, org: &str) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("p{n}@{org}.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        role: Role::Contact { org: org.parse().unwrap() },
        standing: Standing::Active,
        since: T0,
        format: None,
        file: MemberFile::default(),
    }
}

fn applicant() -> Member {
    Member { standing: Standing::Applied, ..member(9, "acme") }
}

fn application() -> Application {
    Application {
        id: "a-abcdefgh".parse().unwrap(),
        list: "distrib".parse().unwrap(),
        member: applicant().id,
        fingerprint: applicant().fingerprint,
        form: Filled {
            org: "acme".parse().unwrap(),
            title: "Acme Linux".to_owned(),
            kind: OrgKind::Distribution,
            website: "https://acme.example".to_owned(),
            upstream: "none".to_owned(),
            users: "many".to_owned(),
            address: applicant().address,
            answers: BTreeMap::new(),
        },
        opened: T0,
        vouch_until: Some(T0.after(PERIOD)),
        lapses: Some(T0.after(PERIOD * 2)),
        stage: Stage::Vouching,
        since: T0,
        founding: false,
        vouchers: Vec::new(),
        ballot: None,
        mail: None,
    }
}

fn rules(same_org: Option<bool>) -> Membership {
    Membership { voucher_same_org: same_org, ..Membership::default() }
}

fn vouch(application: &Application, by: &Member) -> Result<Application, Refusal> {
    application.vouch(by, Some(&applicant()), &rules(Some(false)), None, T0)
}

#[test]
fn a_member_of_another_organisation_vouches_and_is_asked_to() {
    let (it, dora) = (application(), member(1, "distro"));
    assert!(it.may_vouch(&dora, &rules(None)));
    let vouched = vouch(&it, &dora).unwrap();
    assert_eq!(vouched.vouchers.len(), 1);
    assert_eq!((&vouched.vouchers[0].by, vouched.vouchers[0].org.as_ref()), (&dora.id, dora.org()));
}

#[test]
fn nobody_vouches_for_oneself_by_whatever_sign() {
    let it = application();
    let mut same_id = member(1, "distro");
    same_id.id = applicant().id;
    let mut same_key = member(2, "distro");
    same_key.fingerprint = applicant().fingerprint;
    let mut same_address = member(3, "distro");
    same_address.address = applicant().address;
    for oneself in [same_id, same_key, same_address, applicant()] {
        assert_eq!(vouch(&it, &oneself), Err(Refusal::Oneself(it.id.clone())));
        assert!(!it.may_vouch(&oneself, &rules(Some(true))));
    }
}

#[test]
fn one_organisation_does_not_vouch_within_unless_the_policy_lets_it() {
    let (it, colleague) = (application(), member(1, "acme"));
    for unset in [None, Some(false)] {
        let refused = it.vouch(&colleague, None, &rules(unset), None, T0).unwrap_err();
        assert!(matches!(refused, Refusal::SameOrg { .. }), "{refused}");
        assert!(!it.may_vouch(&colleague, &rules(unset)));
    }
    assert!(it.vouch(&colleague, None, &rules(Some(true)), None, T0).is_ok());
}

#[test]
fn who_is_not_active_vouches_for_nobody() {
    let it = application();
    for standing in [Standing::Applied, Standing::Vouched, Standing::Suspended, Standing::Removed] {
        let by = Member { standing, ..member(1, "distro") };
        assert_eq!(vouch(&it, &by), Err(Refusal::NotActive { id: it.id.clone(), standing }));
    }
}

#[test]
fn nobody_vouches_twice() {
    let (it, dora) = (application(), member(1, "distro"));
    let once = vouch(&it, &dora).unwrap();
    assert_eq!(vouch(&once, &dora), Err(Refusal::Twice(it.id)));
    assert!(!once.may_vouch(&dora, &rules(None)));
    assert!(vouch(&once, &member(2, "vendor")).is_ok());
}

#[test]
fn after_the_voucher_period_nothing_counts() {
    let (it, dora) = (application(), member(1, "distro"));
    let at = |now| it.vouch(&dora, None, &rules(None), None, now);
    assert!(at(T0.after(PERIOD - Duration::from_secs(1))).is_ok());
    let until = T0.after(PERIOD);
    assert_eq!(at(until), Err(Refusal::TooLate { id: it.id.clone(), until }));
    assert_eq!(it.ends(), Some(until), "without vouchers it is over then");
    let mut deciding = it;
    deciding.stage = Stage::Deciding;
    assert_eq!(deciding.ends(), Some(T0.after(PERIOD * 2)));
    deciding.lapses = None;
    deciding.stage = Stage::Confirming;
    assert_eq!(deciding.ends(), Some(T0.after(CONFIRMED_BY)), "an address that nobody confirms");
}

#[test]
fn what_is_decided_takes_no_vouchers_but_who_lost_theirs_does() {
    let mut it = application();
    for stage in [Stage::Deciding, Stage::Admitted, Stage::Refused, Stage::Withdrawn, Stage::Lapsed] {
        it.stage = stage;
        let refused = vouch(&it, &member(1, "distro")).unwrap_err();
        assert_eq!(refused, Refusal::NotOpen { id: it.id.clone(), stage });
    }
    it.stage = Stage::Admitted;
    let mut lost = applicant();
    lost.standing = Standing::Suspended;
    lost.file.cause = Some(Cause::VoucherLost);
    let late = T0.after(PERIOD * 9);
    assert!(it.vouch(&member(1, "distro"), Some(&lost), &rules(None), None, late).is_ok());
    lost.file.cause = Some(Cause::Breach);
    assert!(it.vouch(&member(1, "distro"), Some(&lost), &rules(None), None, late).is_err());
}

#[test]
fn a_statement_names_application_and_person() {
    let it = application();
    let print = it.fingerprint.to_string();
    let grouped: Vec<String> =
        print.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).to_lowercase()).collect();
    for good in [
        format!("I vouch for {} in application a-abcdefgh.", print),
        format!(
            "Hello,\n\n> I vouch for nobody\n\n  i vouch for\nA-ABCDEFGH\nKey: {}\n\nBye",
            grouped.join(" ")
        ),
    ] {
        assert_eq!(it.named_in(&good), Ok(()), "{good}");
    }
    for unsaid in [
        format!("I do NOT vouch for a-abcdefgh {print}"),
        format!("> I vouch for a-abcdefgh {print}"),
        format!("I vouch for\n\na-abcdefgh {print}"),
        String::new(),
    ] {
        assert!(it.named_in(&unsaid).is_err(), "{unsaid}");
    }
    let other = |text: String| it.named_in(&format!("I vouch for {text}")).unwrap_err();
    assert_eq!(other(format!("a-abcdefgi {print}")), Refusal::OtherApplication(it.id.clone()));
    assert_eq!(other(format!("a-abcdefghx {print}")), Refusal::OtherApplication(it.id.clone()));
    assert_eq!(
        other(format!("a-abcdefgh {}", Fingerprint::V4([8; 20]))),
        Refusal::OtherPerson(it.fingerprint)
    );
    assert_eq!(
        other(format!("a-abcdefgh {}", print.replacen('0', "x", 1))),
        Refusal::OtherPerson(it.fingerprint)
    );
}
