//! The queue: deferred, retried, dropped, failed.

use crate::outside::scene::Scene;
use crate::outside::sink::Rule;

#[test]
fn a_deferred_copy_is_shown_and_goes_out_when_it_is_retried() {
    let Some(scene) = Scene::set() else { return };
    let (dora, emil) = (&scene.people.dora.address, &scene.people.emil.address);
    scene.sink.rule(dora, Rule::Refuse("451 4.7.1 come back later"));
    scene.sink.rule(emil, Rule::CloseAfterContent);
    let written = scene.announce("Not at once");
    let rows = scene.queue("two deferred copies", |rows| {
        rows.len() == 2 && rows.iter().all(|r| r["state"] == "deferred")
    });
    let of = |who: &str| rows.iter().find(|r| r["recipient"] == who).unwrap();
    let id = of(dora)["id"].as_str().unwrap();
    assert!(of(dora)["last"].as_str().unwrap().contains("451 4.7.1"), "{}", of(dora));
    assert!(of(emil)["last"].as_str().unwrap().contains("reply lost"), "{}", of(emil));
    let shown = scene.install.json(&["queue", "show", id]);
    assert_eq!((&shown["attempts"], &shown["list"]), (&1.into(), &"distrib-announce".into()));
    assert!(shown["next"].as_str().is_some_and(|next| next.ends_with('Z')), "{shown}");
    assert_eq!(scene.install.json(&["status"])["deferred"], 2);

    scene.sink.obey(dora);
    scene.install.ok(&["queue", "retry", id]);
    let copies = scene.sink.wait_for(dora, 1);
    assert!(scene.people.dora.open(&copies[0].data, &scene.announce).holds(&written));
    assert_eq!(scene.install.run(&["queue", "show", id]).code, 66, "it is gone");

    // Its reply was lost, so it comes again: the one permitted duplicate, under the same id.
    scene.sink.obey(emil);
    scene.install.ok(&["queue", "retry", "--all"]);
    let twice = scene.sink.wait_for(emil, 2);
    assert_eq!(twice[0].header("Message-ID"), twice[1].header("Message-ID"));
    scene.queue("an empty queue", <[_]>::is_empty);
    assert_eq!(scene.events("delivered", 4).len(), 4);
}

#[test]
fn a_refusal_for_good_fails_at_once_and_is_journalled() {
    let Some(scene) = Scene::set() else { return };
    let (dora, emil) = (&scene.people.dora.address, &scene.people.emil.address);
    scene.sink.rule(dora, Rule::Refuse("550 5.1.1 no such user"));
    scene.sink.rule(emil, Rule::RefuseContent("554 5.7.1 not that"));
    scene.announce("Refused");
    let failed = scene.events("failed", 2);
    let mut codes: Vec<_> = failed.iter().map(|f| f["event"]["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["550", "554"]);
    let rows = scene
        .queue("two failed copies", |rows| rows.len() == 2 && rows.iter().all(|r| r["state"] == "failed"));
    assert_eq!(scene.install.json(&["status"])["failed"], 2);
    scene.sink.wait_for_all(2);

    let id = |who: &str| rows.iter().find(|r| r["recipient"] == who).unwrap()["id"].as_str().unwrap();
    scene.install.ok(&["queue", "drop", id(dora), "--yes"]);
    scene.sink.obey(emil);
    scene.install.ok(&["queue", "retry", id(emil)]);
    scene.sink.wait_for(emil, 1);
    scene.queue("an empty queue", <[_]>::is_empty);
    assert_eq!(scene.events("parcel-dropped", 1).len(), 1);
    assert!(scene.sink.taken_for(dora).is_empty());
    scene.install.ok(&["journal", "verify"]);
}

#[test]
fn what_is_queued_survives_a_restart() {
    let Some(scene) = Scene::set() else { return };
    let dora = scene.people.dora.address.clone();
    scene.sink.rule(&dora, Rule::Refuse("421 4.3.2 down"));
    let written = scene.announce("Through a restart");
    scene.queue("one deferred copy", |rows| rows.len() == 1 && rows[0]["state"] == "deferred");
    let scene = scene.restarted();
    scene.sink.obey(&dora);
    scene.install.ok(&["queue", "retry", "--all"]);
    let copies = scene.sink.wait_for(&dora, 1);
    assert!(scene.people.dora.open(&copies[0].data, &scene.announce).holds(&written));
}
