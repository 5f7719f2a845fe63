//! The daemon from outside: what an admin sees of copies that wait, and hears of those that expired.

use std::net::TcpListener;

use crate::outside::copy::Copy;
use crate::outside::scene::Scene;
use crate::outside::sink::Taken;
use crate::outside::until;

/// The team is told, as it is where no admin is set.
const TEAM: (&str, &str) = ("notify = []\n", "");
const SHORT: [(&str, &str); 3] = [
    ("#retry_first = \"5m\"", "retry_first = \"300ms\""),
    ("#retry_max = \"4h\"", "retry_max = \"500ms\""),
    ("#give_up_after = \"5d\"", "give_up_after = \"3s\""),
];

fn text(copy: &Copy) -> String {
    String::from_utf8(copy.entity.clone()).unwrap().replace("=\r\n", "").replace("\r\n", "\n")
}

#[test]
fn a_copy_that_expires_is_told_to_the_admins_by_encrypted_mail() {
    use crate::outside::sink::Rule;
    let Some(scene) = Scene::edited(&[&[TEAM][..], &SHORT[..]].concat()) else { return };
    let (ada, dora) = (&scene.people.ada, &scene.people.dora);
    scene.sink.rule(&dora.address, Rule::Refuse("451 4.7.1 <dora> greylisted"));
    scene.announce("A secret title");
    let expired = scene.events("expired", 1);
    assert_eq!(expired[0]["event"]["code"], "451");
    assert!(scene.install.events("failed").is_empty(), "it was not refused for good");

    let is_notice = |t: &Taken| t.header("Auto-Submitted").as_deref() == Some("auto-generated");
    let taken = until("a notice", || scene.sink.taken_for(&ada.address).into_iter().find(is_notice));
    let told = text(&ada.open(&taken.data, &scene.announce));
    let parcel = expired[0]["event"]["parcel"].as_str().unwrap();
    for part in [&format!("copy {parcel} for {}", dora.address), "451 4.7.1"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    for never in ["secret title", "greylisted"] {
        assert!(!told.contains(never), "{never:?} is quoted");
    }

    let row = scene.install.json(&["queue", "show", parcel]);
    assert_eq!((&row["state"], &row["step"]), (&"failed".into(), &"RCPT TO".into()));
    assert_eq!(row["last"], "gave up after 3 seconds; last: 451 4.7.1 <dora> greylisted");
    assert!(row["attempts"].as_u64().unwrap() > 2, "{row}");
}

#[test]
fn the_queue_shows_why_and_until_when_a_destination_rests_and_a_retry_ends_it() {
    // A port that is ours, on which nobody answers SMTP yet.
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = port.local_addr().unwrap();
    drop(port);
    let Some(scene) = Scene::with_smarthost(&closed.to_string()) else { return };
    scene.announce("One");
    let rests = |rows: &[serde_json::Value]| {
        !rows.is_empty() && rows.iter().all(|row| row["next"].is_string() && row["rests"].is_object())
    };
    let rows = scene.queue("all rest", rests);
    assert!(rows.len() > 1);
    let tried: u64 = rows.iter().map(|row| row["attempts"].as_u64().unwrap()).sum();
    assert_eq!(tried, 1, "one copy has asked for all: {rows:?}");
    let rest = &rows[0]["rests"];
    assert_eq!(rest["why"], "connection refused at connecting");
    for row in &rows {
        assert_eq!((&row["destination"], &row["rests"]), (&closed.to_string().into(), rest));
        assert_eq!(row["next"], rest["until"]);
    }
    let table = scene.install.ok(&["queue", "ls", "--destination", &closed.to_string()]);
    assert_eq!(table.matches("connection refused at connecting").count(), rows.len(), "{table}");
    assert_eq!(scene.install.ok(&["queue", "ls", "--destination", "elsewhere:25"]), "the queue is empty\n");
    let shown = scene.install.ok(&["queue", "show", rows[0]["id"].as_str().unwrap()]);
    assert!(shown.contains("rests until  2") && shown.contains("(one try since 2"), "{shown}");
    let status = scene.install.json(&["status"]);
    assert_eq!(status["resting"], 1);
    assert_eq!(status["oldest"], rows[0]["since"]);
    assert!(status["problems"].to_string().contains("cannot be had since"), "{status}");

    // Somebody answers there now; nothing is tried before its time, unless an admin says so.
    let hop = crate::outside::sink::Sink::start_at(closed);
    scene.install.ok(&["queue", "retry", rows[0]["id"].as_str().unwrap()]);
    hop.wait_for_all(rows.len());
    scene.queue("nothing waits any more", <[serde_json::Value]>::is_empty);
    assert_eq!(scene.install.json(&["status"])["resting"], 0);
}
