//! What is not admitted: refused in the session, held, or dropped as a replay.

use crate::outside::install::ANNOUNCE;
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::scene::Scene;

#[test]
fn strangers_and_unsigned_mail_are_held_and_a_released_one_goes_out() {
    let Some(mut scene) = Scene::set() else { return };
    let rita = &scene.people.rita;
    let stranger = entity(&rita.address, "From a stranger", "Trust me.");
    scene.taken(&rita.address, ANNOUNCE, &scene.announcement(rita, &stranger));
    let held = scene.holds(1);
    assert_eq!(
        (&held[0]["reason"], &held[0]["list"]),
        (&"unknown-signer".into(), &"distrib-announce".into())
    );

    let dora = &scene.people.dora;
    let reader = entity(&dora.address, "From a reader", "Distributors do not post.");
    scene.taken(&dora.address, ANNOUNCE, &scene.announcement(dora, &reader));
    let unsigned = entity("ada@team.example", "Unsigned", "Ada's name, nobody's signature.");
    let armored = rita.encrypt(&scene.announce, &unsigned);
    scene.taken("ada@team.example", ANNOUNCE, &pgp_mime("ada@team.example", ANNOUNCE, &armored));
    let held = scene.holds(3);
    let mut reasons: Vec<_> = held.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["not-a-poster", "unknown-signer", "unsigned"]);
    assert!(scene.sink.taken().is_empty(), "nothing went out");

    let id = |reason: &str| {
        held.iter().find(|row| row["reason"] == reason).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let shown = scene.install.json(&["hold", "show", &id("not-a-poster")]);
    assert_eq!(shown["signer"], dora.fingerprint.as_str());
    let without_consent = scene.install.run(&["hold", "drop", &id("unknown-signer")]);
    assert_eq!(without_consent.code, 64, "{}", without_consent.err);
    assert_eq!(scene.install.json(&["hold", "ls", "security"]).as_array().unwrap().len(), 0);
    assert_eq!(scene.install.json(&["hold", "ls", "distrib-announce"]).as_array().unwrap().len(), 3);
    for line in [&["hold", "ls", "nolist"][..], &["queue", "ls", "nolist"]] {
        assert_eq!(scene.install.run(line).code, 66, "{line:?}");
    }
    scene.install.ok(&["hold", "drop", &id("unknown-signer"), "--yes"]);
    scene.install.ok(&["hold", "release", &id("unsigned"), "--yes"]);
    let copy = scene.sink.wait_for(&scene.people.emil.address, 1).remove(0);
    let copy = scene.people.emil.open(&copy.data, &scene.announce);
    assert!(copy.holds(&unsigned) && copy.note().contains("an admin let it through"), "{}", copy.note());
    assert_eq!(scene.holds(1)[0]["reason"], "not-a-poster");
    for (kind, count) in [("held", 3), ("hold-dropped", 1), ("hold-released", 1), ("relayed", 1)] {
        assert_eq!(scene.install.events(kind).len(), count, "{kind}");
    }
    scene.install.ok(&["journal", "verify"]);
    scene.lives_on();
}

#[test]
fn a_replayed_announcement_is_dropped_also_after_a_restart() {
    let Some(scene) = Scene::set() else { return };
    let ada = &scene.people.ada;
    let written = entity(&ada.address, "Once only", "Send me once.");
    let raw = scene.announcement(ada, &written);
    scene.taken(&ada.address, ANNOUNCE, &raw);
    assert_eq!(scene.sink.wait_for_all(4).len(), 4);
    scene.taken(&ada.address, ANNOUNCE, &raw);
    assert_eq!(scene.events("dropped", 1)[0]["event"]["reason"], "replay");
    let scene = scene.restarted();
    scene.taken("mallory@elsewhere.example", ANNOUNCE, &raw);
    assert_eq!(scene.events("dropped", 2)[1]["event"]["reason"], "replay");
    assert_eq!(scene.sink.taken().len(), 4, "no copy more");
}

#[test]
fn clear_mail_for_the_announce_list_is_refused_with_a_way_out() {
    let Some(mut scene) = Scene::set() else { return };
    let raw = clear("ada@team.example", ANNOUNCE, "Oops", "This should have been encrypted.");
    let reply = scene.send("ada@team.example", ANNOUNCE, &raw);
    assert_eq!(reply.code, 550, "{reply:?}");
    assert!(
        reply.text.contains("takes encrypted mail only") && reply.text.contains("Encrypt it"),
        "{reply:?}"
    );
    assert!(!reply.text.contains("Oops"));
    scene.lives_on();
    assert!(scene.sink.taken_for(&scene.people.dora.address).is_empty());
}
