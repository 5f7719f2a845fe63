//! Bounces of copies: a real one from Postfix, and those that somebody made up.

use std::path::Path;

use crate::alerts::{TEAM, is_notice, notice, notices, text};
use crate::outside::copy::contains;
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::entity;
use crate::outside::postfix::Postfix;
use crate::outside::scene::Scene;
use crate::outside::sink::Rule;
use crate::outside::smtp::Client;
use crate::outside::until;

/// A bounce as a mail server writes it, with this return path.
fn golden(name: &str, to: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/returned/{name}.eml"));
    let text = std::fs::read_to_string(file).unwrap();
    let path = "distrib-announce-bounces+abcdefghijklmnopqrstuvwxyz@lists.example.org";
    assert!(text.contains(path));
    text.replace(path, to).replace('\n', "\r\n").into_bytes()
}

/// Announces something; the return paths of the copies for Dora and Emil.
fn announced(scene: &Scene, subject: &str) -> [String; 2] {
    let before = scene.sink.taken_for(&scene.people.dora.address).len();
    scene.announce(subject);
    [&scene.people.dora, &scene.people.emil]
        .map(|reader| scene.sink.wait_for(&reader.address, before + 1).last().unwrap().reverse_path.clone())
}

fn rows(scene: &Scene) -> Vec<serde_json::Value> {
    scene.install.json(&["queue", "ls"]).as_array().unwrap().clone()
}

/// All bytes of all files below.
fn files(at: &Path, found: &mut Vec<u8>) {
    for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found)
        } else {
            found.extend(std::fs::read(path).unwrap_or_default())
        }
    }
}

#[test]
fn postfix_returns_a_copy_and_the_admins_can_read_about_it() {
    let Some(postfix) = Postfix::prepare() else { return };
    let Some(scene) = Scene::with_files(&postfix.address.to_string(), &[TEAM], &[]) else { return };
    let people = &scene.people;
    // Postfix takes Emil's copy and hears the refusal of his own server; what it has for our lists goes to the sink first,
    // where it can be looked at.
    let sink = scene.sink.smarthost();
    scene.sink.rule(&people.emil.address, Rule::Refuse("550 5.1.1 no longer with us"));
    let to_sink = |domain: &str| format!("{domain}=smtp:{sink}, ");
    postfix.start_with(&format!("smtp:{sink}"), "");
    postfix.change(
        "transport_maps = inline:{ ",
        &format!("transport_maps = inline:{{ {}{}", to_sink(&people.emil.address), to_sink("team.example")),
    );
    scene.announce("A secret title");
    let bounce = until("Postfix's bounce", || {
        scene.sink.taken().into_iter().find(|taken| taken.recipient.contains("-bounces+"))
    });
    assert_eq!(bounce.reverse_path, "", "RFC 3464: the null sender");
    // RFC 3461 §4.3, §4.4: the header alone comes back, and the envelope's id, which tells nobody anything.
    assert!(contains(&bounce.data, b"text/rfc822-headers"), "{}", String::from_utf8_lossy(&bounce.data));
    assert!(!contains(&bounce.data, b"-----BEGIN PGP MESSAGE-----"));
    let report = String::from_utf8_lossy(&bounce.data).into_owned();
    let id = report.lines().find_map(|line| line.strip_prefix("Original-Envelope-Id: ")).expect("an ENVID");
    assert!((8..=100).contains(&id.len()) && !id.contains('@') && !id.contains("emil"), "{id}");

    // Home by SMTP.
    let mut client = Client::tcp(scene.daemon.smtp()).ehlo();
    let reply = client.mail("", &[&bounce.recipient], &bounce.data);
    assert_eq!(reply.code, 250, "{reply:?}");
    client.quit();
    let event = scene.events("bounced", 1).remove(0);
    assert_eq!(event["event"]["status"], "5.1.1");
    let parcel = event["event"]["parcel"].as_str().unwrap();
    let row = scene.install.json(&["queue", "show", parcel]);
    assert_eq!((&row["state"], &row["last"]), (&"bounced".into(), &"5.1.1".into()));
    assert_eq!(row["recipient"], people.emil.address.as_str());
    let told = text(&notice(&scene, &people.ada, &scene.announce, 1));
    let line = format!("copy {parcel} for {} (m-", people.emil.address);
    assert!(told.contains(&line) && told.contains("): 5.1.1\n"), "{told}");
    assert!(!told.contains("secret title") && !told.contains("no longer with us"), "{told}");
    let standing = scene.install.json(&["member", "show", "distrib-announce", &people.emil.address]);
    assert_eq!(standing["standing"], "active", "a bounce changes nobody's standing");
}

#[test]
fn a_bounce_marks_once_and_a_forged_one_does_nothing() {
    let Some(mut scene) = Scene::edited(&[TEAM]) else { return };
    let [dora, emil] = announced(&scene, "One");
    let drops = |scene: &Scene, reason: &str| {
        let dropped = scene.install.events("dropped");
        dropped.iter().filter(|event| event["event"]["reason"] == reason).count()
    };
    // Another token; a token of this list at another list; no token at all; the report at the posting address.
    let token = dora.split_once('+').unwrap().1.split_once('@').unwrap().0.to_owned();
    let strange = dora.replace(&token, "abcdefghijklmnopqrstuvwxyz");
    let elsewhere = format!("security-bounces+{token}@lists.example");
    for to in [&strange, &elsewhere] {
        scene.taken("", to, &golden("postfix", to));
    }
    until("both are dropped", || (drops(&scene, "bounce-of-nothing") == 2).then_some(()));
    for to in ["distrib-announce-bounces@lists.example", "distrib-announce-bounces+short@lists.example"] {
        assert_eq!(scene.send("", to, &golden("postfix", to)).code, 550, "{to}");
    }
    assert_eq!(scene.send("", ANNOUNCE, &golden("postfix", ANNOUNCE)).code, 550, "it is in the clear");

    // Clear text, null sender, to the return path of a list that takes nothing in the clear: taken, and read.
    for name in ["out-of-office", "read-receipt", "success"] {
        scene.taken("", &dora, &golden(name, &dora));
    }
    until("three are no bounces", || (drops(&scene, "not-a-bounce") == 3).then_some(()));
    scene.taken("", &dora, &golden("exim-delayed", &dora));
    scene.events("delayed", 1);
    assert_eq!(rows(&scene)[0]["state"], "delayed");
    assert!(notices(&scene, &scene.people.ada).is_empty());
    for name in ["exchange-2003", "qmail", "gmail"] {
        scene.taken("", &dora, &golden(name, &dora));
    }
    until("two say what is known", || (drops(&scene, "bounce-again") == 2).then_some(()));
    scene.taken("postmaster@vendor.example", &emil, &golden("domino", &emil));
    scene.events("bounced", 2);
    let copy = notice(&scene, &scene.people.ada, &scene.announce, 1);
    assert!(copy.subject().ends_with(" bounced"), "{}", copy.subject());
    let found = rows(&scene);
    let states: Vec<_> = found.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["bounced", "bounced"]);
    let id = found[0]["id"].as_str().unwrap();
    let retried = scene.install.run(&["queue", "retry", id]);
    assert!(retried.code != 0 && retried.err.contains("no copy of it any more"), "{}", retried.err);
    scene.install.ok(&["queue", "drop", id, "--yes"]);
    assert_eq!(rows(&scene).len(), 1);

    // What came back is kept nowhere.
    let log = scene.daemon.log();
    assert!(!log.contains("CANARY") && !log.contains("dora"), "{log}");
    scene.lives_on();
    let Scene { daemon, install, .. } = scene;
    daemon.stop();
    let mut kept = Vec::new();
    files(&install.data(), &mut kept);
    assert!(contains(&kept, b"distrib-announce"), "this is how it would be found");
    assert!(!contains(&kept, b"CANARY"));
}

#[test]
fn a_letter_that_bounces_is_told_once_and_a_notice_that_bounces_alerts_nobody() {
    let Some(scene) = Scene::edited(&[TEAM, ("#alert_every = \"15m\"", "alert_every = \"1s\"")]) else {
        return;
    };
    let (rita, ada) = (&scene.people.rita, &scene.people.ada);
    let written = entity(&rita.address, "A stranger", "Hold me.");
    scene.taken(&rita.address, ANNOUNCE, &scene.announcement(rita, &written));
    // The letter with the tokens, and then the notice that it was lost.
    for n in 1..=2 {
        let told = text(&notice(&scene, ada, &scene.announce, n));
        assert_eq!(told.contains("did not reach somebody"), n == 2, "{told}");
        let path = notices(&scene, ada)[n - 1].reverse_path.clone();
        scene.taken("", &path, &golden("postfix", &path));
        scene.events("bounced", n);
    }
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(scene.install.events("admins-told").len(), 2, "of what is held, and of the letter");
    let all = scene.sink.taken();
    assert!(all.iter().all(is_notice) && all.len() == 4, "one for each of the team: {}", all.len());
}
