//! Who reads: expired keys, removed members, paused lists.

use std::time::{Duration, Instant};

use crate::outside::openpgp::{armored, ending};
use crate::outside::scene::Scene;
use crate::outside::sink::Rule;
use crate::outside::until;

#[test]
fn a_reader_whose_key_has_expired_is_missed_and_everybody_hears_of_it() {
    let Some(scene) = Scene::set() else { return };
    let late = "late@distro.example";
    // By then it must be on the roster.
    scene.install.distributor(late, &armored(&ending(late, 4)));
    let row = |scene: &Scene| scene.install.json(&["member", "show", "distrib-announce", late]);
    assert_eq!(row(&scene)["can_receive"], true);
    until("the key expires", || (row(&scene)["can_receive"] == false).then_some(()));
    assert!(row(&scene)["problem"].as_str().unwrap().contains("expired"), "{}", row(&scene));

    scene.announce("Without one of you");
    let missed = scene.events("missed", 1);
    assert_eq!(missed[0]["event"]["member"], row(&scene)["id"], "the journal knows who");
    assert!(missed[0]["event"]["problem"].as_str().unwrap().contains("expired"));
    scene.sink.wait_for_all(4);
    assert!(scene.sink.taken_for(late).is_empty());
    let says = |text: &str| text.contains(late) && text.contains("expired");
    let problems = scene.install.json(&["status"])["problems"].to_string();
    assert!(says(&problems), "{problems}");
    let table = scene.install.ok(&["member", "ls"]);
    assert!(table.lines().any(says), "{table}");
    assert_eq!(scene.install.json(&["list", "show", "distrib-announce"])["unreachable"], 1);
    let check = scene.install.run(&["check"]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    assert!(says(&check.out), "check says who cannot receive while the daemon runs: {}", check.out);
}

#[test]
fn a_removed_member_gets_nothing_of_what_is_queued() {
    let Some(scene) = Scene::set() else { return };
    let (dora, emil) = (&scene.people.dora.address, &scene.people.emil.address);
    scene.sink.rule(dora, Rule::Refuse("451 4.7.1 greylisted"));
    scene.sink.rule(emil, Rule::Hang);
    scene.announce("Before the removal");
    scene.sink.wait_for_all(2);
    scene.sink.wait_until_hanging(1);
    let before = scene.queue("Dora's copy is deferred", |rows| {
        rows.len() == 2 && rows.iter().any(|r| r["recipient"] == dora.as_str() && r["state"] == "deferred")
    });
    for member in [dora, emil] {
        let said =
            scene.install.ok(&["member", "remove", "distrib-announce", member, "--reason", "left", "--yes"]);
        assert!(said.contains("withdrawn: one queued copy"), "{said}");
    }
    // What waits from now on are the two farewells.
    let left = scene.install.json(&["queue", "ls"]);
    assert!(left.as_array().unwrap().iter().all(|row| before.iter().all(|old| old["id"] != row["id"])));
    assert_eq!(scene.events("withdrawn", 2).len(), 2);
    // What was on its way at that moment is told apart.
    scene.sink.obey(dora);
    scene.sink.obey(emil);
    // Greylisted once, a farewell waits for minutes.
    until("Dora's farewell", || {
        scene.install.ok(&["queue", "retry", "--all"]);
        (scene.sink.taken_for(dora).len() == 1).then_some(())
    });
    scene.sink.wait_for(emil, 2);
    assert_eq!(scene.events("left-before-removal", 1).len(), 1);

    scene.announce("After the removal");
    scene.sink.wait_for(&scene.people.ada.address, 2);
    scene.sink.wait_for(&scene.people.bob.address, 2);
    assert_eq!(scene.sink.taken_for(dora).len(), 1, "a farewell");
    assert_eq!(scene.sink.taken_for(emil).len(), 2, "a farewell, and what had left before");
    let relayed = scene.events("relayed", 2);
    assert_eq!(relayed[1]["event"]["copies"], 2);
}

#[test]
fn a_suspended_poster_is_held_and_a_suspended_reader_left_out() {
    let Some(scene) = Scene::set() else { return };
    let dora = &scene.people.dora.address;
    scene.install.ok(&["member", "suspend", "distrib-announce", dora, "--reason", "holiday"]);
    scene.announce("Without Dora");
    scene.sink.wait_for_all(3);
    scene.install.ok(&["member", "resume", "distrib-announce", dora]);
    scene.announce("With Dora");
    let copies = scene.sink.wait_for(dora, 1);
    let copy = scene.people.dora.open(&copies[0].data, &scene.announce);
    assert_eq!(copy.subject(), "[Distributors] With Dora");

    scene.install.ok(&["team", "remove", "security", &scene.people.ada.address, "--yes"]);
    scene.announce("By somebody who has left");
    assert_eq!(scene.holds(1)[0]["list"], "distrib-announce");
}

#[test]
fn a_paused_list_takes_mail_and_relays_it_when_it_goes_on() {
    let Some(scene) = Scene::set() else { return };
    scene.install.ok(&["list", "pause", "security"]);
    let written = scene.tell("While it is paused");
    let status = scene.install.json(&["status"]);
    assert_eq!((&status["paused"][0], &status["arrivals"]), (&"security".into(), &1.into()));
    // The other list goes on meanwhile: when its mail is through, the paused one had its chance.
    scene.announce("On another list");
    scene.sink.wait_for_all(4);
    assert_eq!(scene.install.json(&["status"])["arrivals"], 1);
    scene.install.ok(&["list", "resume", "security"]);
    let resumed = Instant::now();
    let copies = scene.sink.wait_for(&scene.people.ada.address, 2);
    assert!(
        resumed.elapsed() < Duration::from_secs(15),
        "at once, not when the spool is looked through again"
    );
    assert!(scene.people.ada.open(&copies[1].data, &scene.security).holds(&written));
}

#[test]
fn a_public_list_says_that_it_takes_nobody() {
    let Some(scene) = Scene::set() else { return };
    let table = "[list.news]\naddress = \"news@lists.example\"\nkind = \"public\"\n\n[list.security]";
    scene.install.edit("[list.security]", table);
    let scene = scene.restarted();
    let cert = scene.install.file("nobody.asc", &armored(&ending("nobody@distro.example", 600)));
    let cert = cert.to_str().unwrap();
    for rest in [["member", "--org", "dora"], ["team", "--name", "Nobody"]] {
        let [noun, flag, value] = rest;
        let ran =
            scene.install.run(&[noun, "add", "news", "nobody@distro.example", flag, value, "--cert", cert]);
        assert_eq!(ran.code, 64, "{}", ran.err);
        assert!(ran.err.contains("public list: it takes no members and no mail"), "{}", ran.err);
    }
    let key = scene.install.run(&["key", "new", "news"]);
    assert!(key.code == 64 && key.err.contains("needs no key"), "{}", key.err);
}
