//! Nothing goes round in circles: two relays that read each other, and mailboxes that answer everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::alerts::TEAM;
use crate::outside::copy::header;
use crate::outside::daemon::Daemon;
use crate::outside::gpg::People;
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::scene::Scene;
use crate::outside::sink::{Sink, Taken};
use crate::outside::smtp::Client;
use crate::outside::until;

const OTHER: &str = "security@lists.other.example";

/// Hands on what one relay sends to the other, and returns how much that was.
fn hand_on(from: &Sink, seen: &mut usize, to: &str, daemon: &Daemon) -> usize {
    let new = from.watcher().after(*seen);
    *seen += new.len();
    let theirs: Vec<&Taken> = new.iter().filter(|taken| taken.recipient == to).collect();
    for taken in &theirs {
        let mut client = Client::tcp(daemon.smtp()).ehlo();
        let reply = client.mail(&taken.reverse_path, &[to], &taken.data);
        assert_eq!(reply.code, 250, "{reply:?}");
        client.quit();
    }
    theirs.len()
}

#[test]
fn two_relays_that_read_each_other_come_to_rest() {
    let Some(people) = People::gather() else { return };
    let (sink, other_sink) = (Sink::start(), Sink::start());
    let install = Install::new(&sink.smarthost());
    let other = Install::elsewhere("lists.other.example", &other_sink.smarthost());
    let (daemon, other_daemon) = (Daemon::start(&install), Daemon::start(&other));
    let cert = |of: &Install| of.ok(&["key", "export", "security"]).into_bytes();
    install.team(&people.ada.address, &people.ada.cert());
    install.team(OTHER, &cert(&other));
    other.team(&people.bob.address, &people.bob.cert());
    other.team(SECURITY, &cert(&install));
    people.rita.import(&cert(&install));
    people.rita.import(&cert(&other));
    let fingerprint = |of: &Install| {
        let keys = of.json(&["key", "ls"]);
        let row = keys.as_array().unwrap().iter().find(|row| row["list"] == "security").unwrap().clone();
        row["fingerprint"].as_str().unwrap().to_owned()
    };
    let rita = &people.rita;
    let (mut here, mut there) = (0, 0);
    for (n, (to, list, entry)) in
        [(SECURITY, fingerprint(&install), &daemon), (OTHER, fingerprint(&other), &other_daemon)]
            .into_iter()
            .enumerate()
    {
        let written = entity(&rita.address, "Once round", "Does it stop?");
        let raw = pgp_mime(&rita.address, to, &rita.sign_encrypt(&list, &written));
        let mut client = Client::tcp(entry.smtp()).ehlo();
        assert_eq!(client.mail(&rita.address, &[to], &raw).code, 250);
        client.quit();
        let back = if n == 0 { &install } else { &other };
        let mut handed = 0;
        until("the copy is known where it came from", || {
            handed += hand_on(&sink, &mut here, OTHER, &other_daemon);
            handed += hand_on(&other_sink, &mut there, SECURITY, &daemon);
            assert!(handed <= 2, "it goes round");
            let dropped = back.events("dropped");
            dropped.iter().any(|event| event["event"]["reason"] == "loop").then_some(())
        });
        // Were anything still on its way, it would show by now.
        std::thread::sleep(Duration::from_secs(2));
        handed += hand_on(&sink, &mut here, OTHER, &other_daemon);
        handed += hand_on(&other_sink, &mut there, SECURITY, &daemon);
        assert_eq!(handed, 2, "once there, once back");
        assert_eq!(sink.taken_for(&people.ada.address).len(), n + 1, "one copy of each post");
        assert_eq!(other_sink.taken_for(&people.bob.address).len(), n + 1);
        assert_eq!(sink.taken().len() + other_sink.taken().len(), 4 * (n + 1), "four mails for each post");
    }
}

/// Out-of-office replies to a mail as programs write them: the sender, and the mail.
fn replies(to: &str, me: &str, answered: &Taken) -> Vec<(String, Vec<u8>)> {
    let id = answered.header("Message-ID").unwrap();
    let mail = |fields: &str| {
        format!(
            "From: {me}\r\nTo: {to}\r\nSubject: Out of office: [...]\r\n{fields}Message-ID: <{}@mua.example>\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nI am away until Monday.\r\n",
            crate::outside::random(12)
        )
        .into_bytes()
    };
    let answers = format!("In-Reply-To: {id}\r\nReferences: {id}\r\n");
    vec![
        // RFC 5230 §4.7, Exchange, one that sets nothing but the null sender, and one that is older than all of them.
        (String::new(), mail(&format!("{answers}Auto-Submitted: auto-replied (vacation)\r\n"))),
        (
            me.to_owned(),
            mail(&format!(
                "{answers}Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n\
                 X-MS-Exchange-Inbox-Rules-Loop: {me}\r\n"
            )),
        ),
        (String::new(), mail(&answers)),
        (me.to_owned(), mail("Precedence: bulk\r\nX-Autoreply: yes\r\n")),
    ]
}

/// Where somebody's program may answer a mail to.
fn answerable(taken: &Taken) -> Vec<String> {
    let within = |value: String| {
        value.rsplit_once('<').map_or(value.clone(), |(_, rest)| rest.trim_end_matches('>').to_owned())
    };
    let fields = ["From", "Reply-To"].into_iter().filter_map(|name| header(&taken.data, name)).map(within);
    std::iter::once(taken.reverse_path.clone()).chain(fields).collect()
}

#[test]
fn mailboxes_that_answer_everything_reach_no_list() {
    let Some(scene) = Scene::edited(&[TEAM]) else { return };
    let people = &scene.people;
    let readers = [&people.ada.address, &people.bob.address, &people.dora.address, &people.emil.address];
    let smtp = scene.daemon.smtp();
    let done = Arc::new(AtomicBool::new(false));
    let (watcher, ended) = (scene.sink.watcher(), Arc::clone(&done));
    let mailboxes = std::thread::spawn(move || {
        let (mut seen, mut sent) = (0, 0);
        while !ended.load(Ordering::Relaxed) && sent < 1000 {
            for taken in watcher.after(seen) {
                seen += 1;
                for to in answerable(&taken) {
                    for (sender, reply) in replies(&to, &taken.recipient, &taken) {
                        // A list that takes nothing in the clear refuses it; that is as good.
                        let code = Client::tcp(smtp).ehlo().mail(&sender, &[&to], &reply).code;
                        assert!(matches!(code, 250 | 550), "{code}");
                        sent += 1;
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        sent
    });
    scene.tell("A report");
    scene.announce("An announcement");
    until("everybody has a copy of each", || (scene.sink.taken().len() >= 6).then_some(()));
    // Longer than a notice needs, if there were something to tell.
    std::thread::sleep(Duration::from_secs(6));
    done.store(true, Ordering::Relaxed);
    let sent = mailboxes.join().unwrap();
    assert!((40..130).contains(&sent), "eight mails were answered, and their answers were not: {sent}");
    let count = |address: &str| scene.sink.taken_for(address).len();
    assert_eq!(readers.map(|address| count(address)), [3, 3, 1, 1], "the copies, and one notice to the team");
    assert_eq!(scene.sink.taken().len(), 8);
    assert_eq!(scene.install.events("relayed").len(), 2, "no answer is relayed");
    // What a person behind a rule may have written waits, and the notice says so; a program's answer looks the same.
    let held = scene.install.events("held");
    assert!(!held.is_empty());
    assert!(held.iter().all(|event| event["event"]["reason"] == "automatic:auto-answer"), "{held:?}");
    let dropped = scene.install.events("dropped");
    let reasons: std::collections::BTreeSet<_> =
        dropped.iter().map(|event| event["event"]["reason"].as_str().unwrap()).collect();
    let known = ["automatic:auto-replied", "automatic:auto-reply", "not-a-bounce"];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), known);
}
