//! Who is told, what, and how often.

use std::time::Duration;

use crate::outside::copy::Copy;
use crate::outside::daemon::serve_to_its_end;
use crate::outside::gpg::{People, Person};
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::entity;
use crate::outside::scene::Scene;
use crate::outside::sink::{Rule, Taken};
use crate::outside::until;

/// The team is told, as it is where no admin is set.
pub(crate) const TEAM: (&str, &str) = ("notify = []\n", "");
pub(crate) const OFTEN: (&str, &str) = ("#alert_every = \"15m\"", "alert_every = \"5s\"");

/// Whether it is a notice of the relay: that alone is to be seen from outside.
pub(crate) fn is_notice(taken: &Taken) -> bool {
    taken.header("Auto-Submitted").as_deref() == Some("auto-generated")
}

pub(crate) fn notices(scene: &Scene, person: &Person) -> Vec<Taken> {
    scene.sink.taken_for(&person.address).into_iter().filter(is_notice).collect()
}

/// Waits for the `n`th notice for somebody (from 1) and opens it.
pub(crate) fn notice(scene: &Scene, person: &Person, list: &str, n: usize) -> Copy {
    let taken = until("a notice", || notices(scene, person).into_iter().nth(n - 1));
    person.open(&taken.data, list)
}

/// The text of a notice, soft line breaks undone.
pub(crate) fn text(copy: &Copy) -> String {
    String::from_utf8(copy.entity.clone()).unwrap().replace("=\r\n", "").replace("\r\n", "\n")
}

#[test]
fn the_team_is_told_of_a_refused_copy_and_no_oftener_than_the_settings_say() {
    let Some(scene) = Scene::edited(&[TEAM, OFTEN]) else { return };
    let (ada, dora) = (&scene.people.ada, &scene.people.dora);
    scene.sink.rule(&dora.address, Rule::Refuse("550 5.1.1 <dora> who is that?"));
    scene.announce("A secret title");
    let failed = scene.events("failed", 1);
    let copy = notice(&scene, ada, &scene.announce, 1);
    assert_eq!(copy.subject(), "[Distributors] the relay needs an admin: 1 refused");
    let told = text(&copy);
    let parcel = failed[0]["event"]["parcel"].as_str().unwrap();
    for part in [
        "A copy was refused for good:",
        &format!("copy {parcel} for dora@distro.example (m-"),
        "): 550 5.1.1\n",
        "`vouchsafe queue retry ID`",
        "told in 5s at the earliest",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    for never in ["secret title", "Update by Monday", "who is that"] {
        assert!(!told.contains(never), "{never:?} is quoted");
    }
    let outside = notices(&scene, ada).remove(0);
    assert_eq!(outside.header("Subject").unwrap(), "[...]");
    assert_eq!(outside.header("To").unwrap(), ada.address);
    assert_eq!(outside.header("Reply-To").unwrap(), "distrib-announce-owner@lists.example");
    assert!(outside.reverse_path.starts_with("distrib-announce-bounces+"), "{}", outside.reverse_path);
    assert!(!String::from_utf8_lossy(&outside.data).contains("dora"), "nobody else sees who is meant");

    // A storm, right behind it.
    for n in 0..4 {
        scene.announce(&format!("Storm {n}"));
    }
    scene.events("failed", 5);
    let second = notice(&scene, ada, &scene.announce, 2);
    assert_eq!(second.subject(), "[Distributors] the relay needs an admin: 4 refused");
    let times: Vec<_> = notices(&scene, ada).into_iter().map(|taken| taken.at).collect();
    assert!(times[1] - times[0] > Duration::from_millis(4500), "{:?}", times[1] - times[0]);
    assert_eq!(notices(&scene, &scene.people.bob).len(), 2, "the whole team is told");
    assert!(notices(&scene, &scene.people.emil).is_empty(), "and nobody else");
    let events = scene.install.events("admins-told");
    let counts = events.iter().map(|e| (e["event"]["alerts"].as_u64(), e["event"]["copies"].as_u64()));
    assert_eq!(counts.collect::<Vec<_>>(), [(Some(1), Some(2)), (Some(4), Some(2))]);
}

#[test]
fn a_named_admin_is_told_alone_and_a_notice_that_fails_raises_nothing() {
    let Some(people) = People::gather() else { return };
    let rita = &people.rita;
    let named = format!(
        "notify = [{{ address = \"{}\", certificate = \"admin.asc\", fingerprint = \"{}\" }}]",
        rita.address, rita.fingerprint
    );
    let cert = String::from_utf8(rita.cert()).unwrap();
    let changes = [("notify = []", named.as_str()), OFTEN];
    let Some(scene) = Scene::beside_sink(&changes, &[("admin.asc", &cert)]) else { return };
    scene.sink.rule(&scene.people.dora.address, Rule::RefuseContent("554 5.7.1 no"));
    scene.announce("One");
    let told = text(&notice(&scene, rita, &scene.announce, 1));
    assert!(told.contains("dora@distro.example") && told.contains(": 554 5.7.1\n"), "{told}");
    assert!(notices(&scene, &scene.people.ada).is_empty(), "the team is not told, too");

    // From now on the admin's server refuses all.
    scene.sink.rule(&rita.address, Rule::Refuse("550 5.2.1 disabled"));
    scene.announce("Two");
    let queue = scene.queue("a notice that failed", |rows| {
        rows.iter().any(|row| row["recipient"] == rita.address.as_str() && row["state"] == "failed")
    });
    assert_eq!(queue.iter().filter(|row| row["recipient"] == rita.address.as_str()).count(), 1);
    // Longer than the interval: if it were an alert, another notice would have been made by now.
    std::thread::sleep(Duration::from_secs(9));
    assert_eq!(scene.install.events("admins-told").len(), 2, "the failed notice is no alert");
    assert_eq!(scene.install.events("failed").len(), 3, "the journal has it");
}

#[test]
fn held_mail_is_told_with_its_reason() {
    let Some(scene) = Scene::edited(&[TEAM]) else { return };
    let rita = &scene.people.rita;
    let written = entity(&rita.address, "From a stranger", "Trust me.");
    scene.taken(&rita.address, ANNOUNCE, &scene.announcement(rita, &written));
    let id = scene.holds(1)[0]["id"].as_str().unwrap().to_owned();
    let copy = notice(&scene, &scene.people.bob, &scene.announce, 1);
    assert_eq!(copy.subject(), "[Distributors] 1 mail is held: please decide");
    let told = text(&copy);
    assert!(told.contains(&format!("Mail {id}\n  reason: unknown-signer")), "{told}");
    assert!(!told.contains("stranger") && !told.contains("Trust me") && !told.contains("rita"), "{told}");
}

#[test]
fn an_alert_survives_a_kill_and_is_told_once() {
    let Some(scene) = Scene::edited(&[TEAM]) else { return };
    scene.sink.rule(&scene.people.dora.address, Rule::Refuse("550 5.1.1 no"));
    scene.announce("Killed");
    scene.events("failed", 1);
    // Within the seconds in which it waits for others.
    let (scene, _) = scene.followed(&[], crate::outside::daemon::Daemon::kill);
    let told = text(&notice(&scene, &scene.people.ada, &scene.announce, 1));
    assert!(told.contains("dora@distro.example"), "{told}");
    let scene = scene.restarted();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(notices(&scene, &scene.people.ada).len(), 1);
    assert_eq!(scene.install.events("admins-told").len(), 1);
}

#[test]
fn a_certificate_that_is_not_the_pinned_one_is_refused_at_the_start() {
    let Some(people) = People::gather() else { return };
    let named = format!(
        "notify = [{{ address = \"rita@reporter.example\", certificate = \"admin.asc\", fingerprint = \"{}\" }}]",
        people.ada.fingerprint
    );
    let changes = [("notify = []", named.as_str())];
    let install = crate::outside::install::Install::edited("127.0.0.1:1", &changes);
    let refused = |what: &str| {
        let ran = serve_to_its_end(&install);
        assert_eq!(ran.code, 78, "{}", ran.err);
        assert!(ran.err.contains(what), "{}", ran.err);
        let checked = install.run(&["check"]);
        assert!(checked.out.contains(what) && checked.code != 0, "{}{}", checked.out, checked.err);
    };
    refused("cannot be read");
    let place = install.root().join("admin.asc");
    let both = [people.rita.cert(), people.ada.cert()].concat();
    std::fs::write(&place, both).unwrap();
    install.hand_over();
    refused("2 certificates");
    std::fs::write(&place, people.rita.cert()).unwrap();
    install.hand_over();
    refused(&format!("has the fingerprint {}", people.rita.fingerprint));
}
