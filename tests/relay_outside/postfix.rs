//! Postfix in front of us (by LMTP) and behind us (as the smarthost): one private instance plays both.

use std::fs;

use crate::outside::install::SECURITY;
use crate::outside::mail::entity;
use crate::outside::postfix::Postfix;
use crate::outside::scene::Scene;
use crate::outside::smtp::Client;
use crate::outside::until;

#[test]
fn postfix_hands_reports_in_and_takes_copies_out() {
    let Some(postfix) = Postfix::prepare() else { return };
    let smarthost = format!("smarthost = \"{}\"", postfix.address);
    let Some(scene) = Scene::with_smarthost(&postfix.address.to_string()) else { return };
    assert!(fs::read_to_string(scene.install.config()).unwrap().contains(&smarthost));
    postfix.start(&scene.daemon.lmtp());

    let rita = &scene.people.rita;
    // Lines that begin with dots, and long ones: whatever Postfix does to them, the encrypted payload stays.
    let text = format!(".\n..two dots\n{}\n", "long ".repeat(400));
    let written = entity(&rita.address, "Through Postfix", &text);
    let mut client = Client::tcp(postfix.address).ehlo();
    let reply = client.mail(&rita.address, &[SECURITY], &scene.report(rita, &written));
    assert_eq!(reply.code, 250, "{reply:?}");
    client.quit();
    let copies = until("two copies in Postfix's maildir", || {
        let mails = postfix.delivered();
        (mails.len() == 2).then_some(mails)
    });
    for person in [&scene.people.ada, &scene.people.bob] {
        let theirs: Vec<_> = copies
            .iter()
            .filter(|copy| {
                String::from_utf8_lossy(copy).contains(&format!("Delivered-To: {}", person.address))
            })
            .collect();
        assert_eq!(theirs.len(), 1);
        let raw = crate::outside::mail::crlf(theirs[0]);
        let copy = person.open(&raw, &scene.security);
        assert!(copy.holds(&written), "{}", person.address);
        assert_eq!(copy.subject(), "[Security Team] Through Postfix");
    }
    scene.queue("an empty queue", <[_]>::is_empty);
    let unknown = Client::tcp(postfix.address).ehlo().mail(
        &rita.address,
        &["nobody@lists.example"],
        b"Subject: x\r\n\r\nx\r\n",
    );
    assert_eq!(unknown.code, 250, "Postfix asks us only when it delivers");
    until("our refusal in Postfix's log", || postfix.log().contains("5.1.1").then_some(()));
}
