//! Held mail: the team decides about it by mail, and what nobody decides about ends by policy.

use crate::outside::clerk::{Letter, Office};
use crate::outside::gpg::Person;
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::{entity, pgp_mime};

const LIST: &str = "distrib-announce";
/// The team is told, and soon.
const TOLD: [(&str, &str); 2] =
    [("notify = []", "#notify = []"), ("#alert_every = \"15m\"", "alert_every = \"1s\"")];

impl Office {
    /// Announces something as this person, who may not.
    fn announce_as(&self, by: &Person, subject: &str) {
        let faked = self.wall.as_ref().map(crate::outside::faketime::Wall::for_gpg);
        let mut args: Vec<&str> = faked.as_deref().into_iter().collect();
        args.extend(["--armor", "-u", &by.fingerprint, "-r", &self.scene.announce, "--sign", "--encrypt"]);
        let armored = by.ok(&args, &entity(&by.address, subject, "Trust me, open the attachment."));
        self.scene.taken(&by.address, ANNOUNCE, &pgp_mime(&by.address, ANNOUNCE, &armored));
    }

    fn held_ids(&self, count: usize, reason: &str) -> Vec<String> {
        let rows = self.scene.holds(count);
        let of = rows.iter().filter(|row| row["reason"] == reason);
        of.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The token of a letter that decides so about this mail.
fn token(letter: &Letter, mail: &str, decision: &str) -> String {
    let about = letter.text.split("\nMail ").find(|part| part.starts_with(mail)).expect("the mail is told");
    let offer = about.split("\n  To ").find(|offer| offer.starts_with(decision)).expect("it is offered");
    let token = offer.lines().map(str::trim).find(|line| letter.tokens.iter().any(|token| token == line));
    token.unwrap().to_owned()
}

const RELEASE: &str = "let it through";
const DROP: &str = "drop it:";
const IGNORE: &str = "drop it, and what else";

#[test]
fn the_first_of_the_team_decides_about_held_mail_by_mail() {
    let Some(office) = Office::set(&TOLD) else { return };
    let people = std::sync::Arc::clone(&office.scene.people);
    let (ada, bob, dora, rita) = (&people.ada, &people.bob, &people.dora, &people.rita);
    office.announce_as(rita, "Buy this exploit");
    office.announce_as(rita, "Buy that exploit");
    office.announce_as(dora, "A hint from a distributor");
    let strangers = office.held_ids(3, "unknown-signer");
    let distributor = office.held_ids(3, "not-a-poster").remove(0);

    let letters = |to: &Person| {
        let all = office.letters(to, LIST, "please decide", 1);
        let told = |id: &String| all.iter().any(|l| l.text.contains(id.as_str()));
        strangers.iter().chain([&distributor]).all(told).then_some(all)
    };
    let of = |to: &Person, mail: &str| {
        let all = crate::outside::until("every held mail is told", || letters(to));
        all.into_iter().find(|l| l.text.contains(mail)).unwrap()
    };
    let letter = of(ada, &distributor);
    for quoted in ["exploit", "hint", "Trust me", "attachment.", &rita.address, &dora.address] {
        assert!(
            !letter.text.contains(quoted) && !letter.subject.contains(quoted),
            "{quoted}: {}",
            letter.text
        );
    }
    assert!(letter.text.contains(&dora.fingerprint), "who signed is told: {}", letter.text);

    // Only whoever got the letter.
    let relayed = office.scene.install.events("relayed").len();
    office.answer(dora, LIST, &token(&letter, &distributor, RELEASE));
    office.scene.events("relayed", relayed + 1);
    office.letter(dora, LIST, "Nothing was done", 1);
    assert_eq!(office.scene.holds(3).len(), 3);

    office.answer(ada, LIST, &token(&letter, &distributor, RELEASE));
    let copies = office.scene.sink.wait_for(&people.emil.address, 1);
    let copy = people.emil.open(&copies[0].data, &office.scene.announce);
    assert!(copy.subject().contains("A hint from a distributor"));
    office.letter(ada, LIST, "Done (release)", 1);

    let theirs = of(bob, &strangers[0]);
    office.answer(bob, LIST, &token(&theirs, &strangers[0], DROP));
    office.scene.events("hold-dropped", 1);
    let ours = of(ada, &strangers[0]);
    office.answer(ada, LIST, &token(&ours, &strangers[0], RELEASE));
    let late = office.letter(ada, LIST, "Done (release)", 2);
    assert!(late.text.replace('\n', " ").contains("decided about before"), "{}", late.text);
    assert_eq!(office.scene.install.events("hold-released").len(), 1, "who is second changes nothing");

    let theirs = of(bob, &strangers[1]);
    office.answer(bob, LIST, &token(&theirs, &strangers[1], IGNORE));
    office.scene.events("signer-ignored", 1);
    assert!(office.letter(ada, LIST, "A key is ignored", 1).text.contains(&rita.fingerprint));
    let dropped = office.scene.install.events("dropped").len();
    office.announce_as(rita, "Once more");
    let event = office.scene.events("dropped", dropped + 1).pop().unwrap();
    assert_eq!(event["event"]["reason"], "ignored");
    assert!(office.scene.holds(0).is_empty());

    let install = &office.scene.install;
    let ignored = install.json(&["hold", "ignore", "ls"]);
    assert!(ignored[0]["key"] == *rita.fingerprint && ignored[0]["dropped"] == 1, "{ignored}");
    install.ok(&["hold", "ignore", "remove", LIST, &rita.fingerprint]);
    office.announce_as(rita, "And again");
    let again = office.held_ids(1, "unknown-signer").remove(0);
    install.ok(&["hold", "drop", &again, "--ignore", "--yes"]);
    assert_eq!(install.json(&["hold", "ignore", "ls"])[0]["by"], "admin");
    // Who belongs is spoken with, not ignored.
    office.announce_as(dora, "A second hint");
    let hint = office.held_ids(1, "not-a-poster").remove(0);
    assert_eq!(install.run(&["hold", "drop", &hint, "--ignore", "--yes"]).code, 65);
    let by: Vec<_> = install.events("hold-dropped").iter().map(|row| row["actor"].clone()).collect();
    assert!(by[0].as_str().unwrap().starts_with("member:m-"), "{by:?}");
    install.ok(&["journal", "verify"]);
}

#[test]
fn held_mail_ends_by_policy_and_the_team_is_told_before_and_after() {
    let Some(mut office) = Office::with_clock(&[]) else { return };
    let people = std::sync::Arc::clone(&office.scene.people);
    office.announce_as(&people.rita, "Buy this");
    let id = office.held_ids(1, "unknown-signer").remove(0);
    // However long the relay stood still, nobody's time runs out unseen.
    office.days_later(40);
    let reminder = office.letter(&people.ada, LIST, "will be dropped soon", 1);
    assert!(reminder.text.contains(&id) && reminder.tokens.len() == 3, "{}", reminder.text);
    assert_eq!(office.scene.holds(1).len(), 1, "it is held still");
    office.days_later(4);
    office.scene.events("hold-expired", 1);
    assert!(office.scene.holds(0).is_empty());
    let gone = office.letter(&people.bob, LIST, "was dropped undecided", 1);
    assert!(gone.text.contains(&id) && gone.tokens.is_empty(), "{}", gone.text);
    assert_eq!(office.all(&people.ada, LIST).len(), 2, "one reminder, and one word after it");
}
