//! Certificates that end, or are revoked: who is told, once, and who gets no mail.

use crate::alerts::{OFTEN, TEAM, notice, notices, text};
use crate::outside::openpgp::{armored, ending, revocation, secret};
use crate::outside::scene::Scene;
use crate::outside::sink::Rule;
use crate::outside::until;

const DAY: i64 = 24 * 3600;

#[test]
fn the_team_hears_once_of_a_certificate_that_ends_and_of_one_that_is_revoked() {
    let Some(scene) = Scene::edited(&[TEAM, OFTEN]) else { return };
    let (soon, near) = ("soon@distro.example", "near@distro.example");
    let keys = [ending(soon, 29 * DAY), ending(near, 6 * DAY)];
    scene.install.distributor(soon, &armored(&keys[0]));
    scene.install.distributor(near, &armored(&keys[1]));

    // The housekeeping of a new process looks at once.
    let killed = |scene: Scene| scene.followed(&[], crate::outside::daemon::Daemon::kill).0;
    let scene = killed(scene);
    let copy = notice(&scene, &scene.people.ada, &scene.announce, 1);
    assert_eq!(copy.subject(), "[Distributors] the relay needs an admin: 2 certificates end");
    let told = text(&copy);
    for part in ["2 readers' certificates will be of no use soon:", "vouchsafe member set-cert"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let line = |who: &str| told.lines().find(|line| line.contains(who)).unwrap_or_default().to_owned();
    assert!(line(soon).ends_with("within 30 days") && line(near).ends_with("within 7 days"), "{told}");

    // What everybody can look up says the same, the nearest first.
    let ls = scene.install.run(&["member", "ls", "--within", "30"]);
    let place = |who: &str| ls.out.find(who).unwrap_or_else(|| panic!("{who}: {}", ls.out));
    assert!(ls.code == 65 && place(near) < place(soon), "{}{}", ls.out, ls.err);
    assert!(!ls.out.contains(&scene.people.dora.address), "{}", ls.out);
    assert_eq!(scene.install.run(&["member", "ls", "--within", "5"]).code, 0);
    let row = scene.install.json(&["member", "show", "distrib-announce", near]);
    assert_eq!((&row["days_left"], &row["can_receive"]), (&6.into(), &true.into()));
    let shown = scene.install.ok(&["member", "show", "distrib-announce", near]);
    assert!(shown.contains("receives until 2") && shown.contains("ends in 6 days"), "{shown}");
    let check = scene.install.run(&["check"]);
    let found = |severity: &str, who: &str| {
        check
            .out
            .lines()
            .any(|l| l.starts_with(severity) && l.contains(&format!("{who} cannot receive mail from 2")))
    };
    assert!(found("warning", near) && found("note", soon) && check.code == 0, "{}", check.out);

    // Another kill: something else is told, and these are not told again.
    let scene = killed(scene);
    let dora = &scene.people.dora.address;
    scene.sink.rule(dora, Rule::Refuse("550 5.1.1 who?"));
    scene.announce("To all six");
    let second = notice(&scene, &scene.people.ada, &scene.announce, 2);
    assert_eq!(second.subject(), "[Distributors] the relay needs an admin: 1 refused");
    scene.sink.obey(dora);
    scene.sink.wait_for(near, 1);
    scene.sink.wait_for(soon, 1);

    // The key is lost: its revocation alone is enough, and from the next mail on nothing is sealed to it.
    let file = scene.install.file("lost.asc", &revocation(&keys[1]));
    let set = ["member", "set-cert", "distrib-announce", near, "--cert", file.to_str().unwrap()];
    let said = scene.install.ok(&set);
    assert!(said.contains("note: it is revoked") && said.contains("receives nothing from now on"), "{said}");
    assert!(!said.contains("nothing in it is new"), "{said}");
    assert!(scene.install.ok(&set).contains("nothing in it is new"));
    let other = scene.install.file("other.asc", &revocation(&keys[0]));
    let wrong = scene.install.run(&[&set[..5], &[other.to_str().unwrap()]].concat());
    assert!(wrong.code == 65 && wrong.err.contains("was not made by"), "{}", wrong.err);
    scene.announce("To all but the lost key");
    scene.sink.wait_for(soon, 2);
    assert_eq!(scene.sink.taken_for(near).len(), 1);
    let missed = scene.events("missed", 1);
    assert_eq!(missed[0]["event"]["member"], row["id"]);
    let scene = killed(scene);
    let all = until("it is told that one can receive nothing", || {
        let copies = (1..=notices(&scene, &scene.people.ada).len())
            .map(|n| text(&notice(&scene, &scene.people.ada, &scene.announce, n)));
        let all: String = copies.collect();
        all.contains("A reader can receive nothing any more:").then_some(all)
    });
    assert_eq!(all.matches("within 30 days").count(), 1, "{all}");
    assert_eq!(all.matches("within 7 days").count(), 1, "{all}");
    assert_eq!(all.matches("receive nothing any more").count(), 1, "{all}");
}

#[test]
fn a_certificate_is_merged_unasked_and_another_only_after_both_fingerprints_were_shown() {
    let Some(scene) = Scene::set() else { return };
    let fay = "fay@distro.example";
    let keys = [ending(fay, 5 * DAY), ending(fay, 300 * DAY)];
    let [old, new] = keys.each_ref().map(|key| key.fingerprint().to_hex());
    scene.install.distributor(fay, &armored(&keys[0]));
    let set = |name: &str, content: &[u8], more: &[&str]| {
        let file = scene.install.file(name, content);
        let args = ["member", "set-cert", "distrib-announce", fay, "--cert", file.to_str().unwrap()];
        scene.install.run(&[&args[..], more].concat())
    };
    let pinned = || scene.install.json(&["member", "show", "distrib-announce", fay])["fingerprint"].clone();

    let same = set("same.asc", &armored(&keys[0]), &[]);
    assert!(same.code == 0 && same.out.contains("nothing in it is new"), "{}{}", same.out, same.err);
    let asked = set("other.asc", &armored(&keys[1]), &[]);
    assert!(asked.code == 64 && asked.err.contains(&format!("from {old} to {new}")), "{}", asked.err);
    assert_eq!(pinned(), old.as_str(), "nothing has changed");

    // A keyring of many people: hers is taken, the others are not.
    let ring = [scene.people.dora.cert(), armored(&keys[0]), scene.people.emil.cert()].concat();
    let found = set("ring.asc", &ring, &[]);
    assert!(found.code == 0 && found.out.contains(&old), "{}{}", found.out, found.err);
    let ring = [scene.people.dora.cert(), scene.people.emil.cert()].concat();
    let none = set("others.asc", &ring, &["--yes"]);
    assert!(
        none.code == 65 && none.err.contains("there are 2 certificates, and none of them"),
        "{}",
        none.err
    );
    let secret = set("secret.bin", &secret(&keys[0]), &["--yes"]);
    assert!(secret.code == 65 && secret.err.contains("holds a secret key"), "{}", secret.err);
    assert_eq!(pinned(), old.as_str());

    let done = set("other.asc", &armored(&keys[1]), &["--yes"]);
    assert!(done.code == 0 && done.out.contains(&format!("note: before: {old}")), "{}{}", done.out, done.err);
    assert!(done.out.contains("note: it ends 2"), "{}", done.out);
    assert_eq!(pinned(), new.as_str());
    let changes = scene.install.events("roster");
    let sets: Vec<_> =
        changes.iter().map(|row| &row["event"]).filter(|e| e["change"] == "cert-set").collect();
    let last = sets.last().expect("it is journalled");
    assert_eq!((&last["before"], &last["after"]), (&old.as_str().into(), &new.as_str().into()));
    assert_eq!(sets.len(), 3, "each that was taken, and none that was refused: {sets:?}");
}
