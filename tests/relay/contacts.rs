//! What a member has besides address and certificate: aliases that a From may name, and further certificates that sign.

use vouchsafe::id::ListName;
use vouchsafe::pgp::open::Why;
use vouchsafe::relay::gate::Reason;
use vouchsafe::roster::Roster;
use vouchsafe::time::Timestamp;

use crate::support::world::{Sent, Setting, posted};
use crate::{held, setting};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nUpdate by Monday.\r\n";

fn security() -> ListName {
    "security".parse().unwrap()
}

/// What becomes of a mail to `security` that says it is from this address.
fn verdict(setting: &Setting, roster: &Roster, by: &str, from: &str) -> String {
    let entity = format!(
        "Content-Type: text/plain; protected-headers=\"v1\"\r\nFrom: {from}\r\n\r\nIt overflows.\r\n"
    );
    let raw = setting.write("security", entity.as_bytes(), &[setting.by(by)]);
    posted(setting.relay_as(&Sent::to("security", &raw), &setting.lists["security"].0, roster)).verdict
}

#[test]
fn an_alias_is_its_members_own_address_in_a_from_and_nobody_elses() {
    let setting = setting();
    let ada = setting.person("ada").address.parse().unwrap();
    let (with, _) =
        setting.roster.add_alias(&security(), &ada, "psirt@example.org".parse().unwrap()).unwrap();
    assert_eq!(verdict(setting, &setting.roster, "ada", "psirt@example.org"), "good-foreign-from");
    assert_eq!(verdict(setting, &with, "ada", "psirt@example.org"), "good");
    assert_eq!(verdict(setting, &with, "ada", "PSIRT@example.org"), "good");
    assert_eq!(verdict(setting, &with, "bob", "psirt@example.org"), "good-foreign-from");
}

#[test]
fn a_further_certificate_posts_alone_and_beside_the_first() {
    let mut setting = Setting::new();
    let (ada, next) = (setting.person("ada").address.parse().unwrap(), setting.fingerprint("mallory"));
    let cert = setting.person("mallory").cert();
    setting.certs.insert(next, cert);
    let list = setting.lists["distrib"].0.clone();
    let (with, _) = setting.roster.add_cert(&security(), &ada, next).unwrap();
    let alone = setting.write("distrib", TEXT, &[setting.by("mallory")]);
    let both = setting.write("distrib", TEXT, &[setting.by("ada"), setting.by("mallory")]);
    let strange = setting.write("distrib", TEXT, &[setting.by("ada"), setting.by("bob")]);
    let several = Reason::BadSignature(Why::SeveralSigners);
    for (raw, before) in [(&alone, Reason::NotAPoster), (&both, several)] {
        let sent = Sent::to("distrib", raw);
        assert_eq!(held(setting.relay(&sent)).0, before);
        let post = posted(setting.relay_as(&sent, &list, &with));
        assert_eq!(post.verdict, "good-foreign-from", "the outer From is a stranger's");
        assert_eq!(post.signer.as_ref().map(ToString::to_string).as_deref(), Some("m-ada"));
    }
    assert_eq!(held(setting.relay_as(&Sent::to("distrib", &strange), &list, &with)).0, several);
}

#[test]
fn who_wants_no_copies_gets_none_and_posts_all_the_same() {
    let setting = setting();
    let list = setting.lists["distrib"].0.clone();
    let off = |list: &str, who: &str, roster: &Roster| {
        let (list, address) = (list.parse().unwrap(), setting.person(who).address.parse().unwrap());
        roster.set_delivery(&list, &address, false, None, Timestamp::from_secs(0)).unwrap().0
    };
    let roster = off("distrib", "dora", &off("security", "ada", &setting.roster));
    let raw = setting.write("distrib", TEXT, &[setting.by("ada")]);
    let whom = |roster: &Roster| {
        let post = posted(setting.relay_as(&Sent::to("distrib", &raw), &list, roster));
        let mut whom: Vec<String> = post.copies.iter().map(|copy| copy.member.to_string()).collect();
        whom.sort();
        whom
    };
    assert_eq!(whom(&setting.roster), ["m-ada", "m-bob", "m-dora", "m-rolf", "m-vera"]);
    assert_eq!(whom(&roster), ["m-bob", "m-rolf", "m-vera"]);
}
