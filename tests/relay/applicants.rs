//! Whoever asks to belong is a stranger still: a mail of theirs is judged and shown as one of anybody.

use std::sync::Arc;

use vouchsafe::mail::directory::Purpose;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::relay::Outcome;
use vouchsafe::relay::gate::Reason;
use vouchsafe::roster::Roster;
use vouchsafe::roster::membership::{Member, MemberFile, Role, Standing};

use crate::support::world::{NOW, Posted, Sent, Setting, posted};
use crate::{copy_of, held, setting};

/// The roster on which Mallory asks to belong to `distrib`, under Ada's address if it lets her.
fn asking(setting: &Setting, standing: Standing, address: &str) -> Roster {
    let org = "mallory".parse().unwrap();
    let roster = setting.roster.add_org(&org, "Mallory".to_owned(), NOW).unwrap().0;
    let member = Member {
        id: "m-mallory".parse().unwrap(),
        address: address.parse().unwrap(),
        fingerprint: setting.fingerprint("mallory"),
        role: Role::Contact { org },
        standing,
        since: NOW,
        format: None,
        file: MemberFile::default(),
    };
    roster.add_member(&"distrib".parse().unwrap(), member).unwrap().0
}

/// A mail that Mallory signed and that says it is from there.
fn written(setting: &Setting, list: &str, from: &str) -> Vec<u8> {
    let entity = format!(
        "Content-Type: text/plain; protected-headers=\"v1\"\r\nFrom: {from}\r\n\r\nIt overflows.\r\n"
    );
    setting.write(list, entity.as_bytes(), &[setting.by("mallory")])
}

fn relayed(setting: &Setting, sent: &Sent<'_>, roster: &Roster, applicants: &[Arc<Cert>]) -> Posted {
    match setting.relay_beside(sent, &setting.lists[sent.list].0, roster, applicants) {
        // Nobody's command and nobody's form: it goes on as it would have.
        Ok(Outcome::Request { otherwise, .. }) => posted(Ok(*otherwise)),
        other => posted(other),
    }
}

#[test]
fn a_mail_of_an_applicant_is_judged_and_noted_as_a_strangers() {
    let setting = setting();
    let cert = setting.person("mallory").cert();
    let (own, ada) = (setting.person("mallory").address.clone(), setting.person("ada").address.clone());
    for purpose in [Purpose::Post, Purpose::Request] {
        for from in [&own, &ada] {
            let raw = written(setting, "security", from);
            let sent = Sent::to("security", &raw).at(purpose.clone());
            let stranger = relayed(setting, &sent, &setting.roster, &[]);
            assert_eq!(stranger.verdict, "unknown-key");
            let note = copy_of(&stranger, "ada", "security").note;
            for standing in [Standing::Applied, Standing::Vouched] {
                let roster = asking(setting, standing, &ada);
                let applicant = relayed(setting, &sent, &roster, std::slice::from_ref(&cert));
                assert_eq!(applicant.verdict, stranger.verdict, "{standing} {from}");
                assert_eq!(copy_of(&applicant, "ada", "security").note, note, "{standing} {from}");
                assert_eq!((applicant.signer, stranger.signer.clone()), (None, None));
            }
        }
    }
}

/// What nobody but members may post is held for the same reason.
#[test]
fn an_applicant_posts_nothing_to_the_list_that_they_apply_to() {
    let setting = setting();
    let raw = written(setting, "distrib", "mallory@example.org");
    let roster = asking(setting, Standing::Vouched, "psirt@mallory.example");
    let cert = setting.person("mallory").cert();
    let (sent, list) = (Sent::to("distrib", &raw), &setting.lists["distrib"].0);
    let came = setting.relay_beside(&sent, list, &roster, std::slice::from_ref(&cert));
    assert_eq!(held(came), held(setting.relay(&sent)));
    assert_eq!(held(setting.relay(&sent)).0, Reason::UnknownSigner);
}

/// Whoever was known before under that certificate takes no address of the team by applying for another list with it.
#[test]
fn the_address_of_the_team_is_not_an_applicants_own() {
    let mut setting = Setting::new();
    // Mallory is a member of `security` by now, and her certificate is known.
    let cert = setting.person("mallory").cert();
    setting.certs.insert(cert.fingerprint(), cert);
    let ada = setting.person("ada").address.clone();
    let with = asking(&setting, Standing::Applied, &ada);
    let mut member = with.members(&"distrib".parse().unwrap()).last().unwrap().clone();
    (member.id, member.address) =
        ("m-mallory-there".parse().unwrap(), "mallory@example.org".parse().unwrap());
    (member.standing, member.role) =
        (Standing::Active, Role::Team { name: "Mallory".to_owned(), role: None });
    let with = with.add_member(&"security".parse().unwrap(), member).unwrap().0;
    let raw = written(&setting, "security", &ada);
    let sent = Sent::to("security", &raw);
    let post = posted(setting.relay_as(&sent, &setting.lists["security"].0, &with));
    assert_eq!(post.verdict, "good-foreign-from");
}
