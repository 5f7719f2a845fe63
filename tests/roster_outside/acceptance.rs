//! Acceptance of the terms, by mail and on file.

use crate::outside::clerk::Office;
use crate::outside::gpg::Person;
use crate::outside::mail::{entity, pgp_mime};

const LIST: &str = "distrib-announce";

/// A member that is asked gets nothing before its signed acceptance; a new text asks again, and suspends who does not answer.
#[test]
fn nothing_is_delivered_before_the_terms_are_accepted_and_a_new_text_asks_again() {
    let Some(mut office) = Office::with_clock(&[]) else { return };
    let dora = office.scene.people.dora.address.clone();
    let show = |office: &Office| office.scene.install.json(&["member", "show", LIST, &dora]);
    // Members added by hand count as having accepted, by the admin's word.
    assert!(show(&office)["terms"].as_str().unwrap().contains("by the admin's word"));
    let text = office.scene.install.root().join("policies/embargo-kubeedge.md");
    let before = std::fs::read_to_string(&text).unwrap();
    std::fs::write(&text, format!("{before}\n7. And nothing is put on a chat.\n")).unwrap();
    let said = office.scene.install.ok(&["reload"]);
    assert!(said.contains(&format!("[list.{LIST}] terms (its file)")), "{said}");
    assert!(!said.contains("policy"), "the policy is the same: {said}");
    let letter = office.letter(&office.scene.people.dora, LIST, "Please accept the new terms", 1);
    assert!(letter.text.contains("nothing is put on a chat"), "the text stands in it: {}", letter.text);
    let asked = office.changes("terms", 1);
    assert!(asked.iter().any(|row| row["event"]["terms"] == "asked"), "{asked:?}");
    // Reminded, then suspended.
    office.days_later(17);
    office.letter(&office.scene.people.dora, LIST, "A reminder: please accept", 1);
    office.days_later(14);
    let over = office.letter(&office.scene.people.dora, LIST, "You are suspended until you accept", 1);
    assert_eq!(show(&office)["standing"], "suspended");
    // Accepting brings it back by itself.
    office.answer(&office.scene.people.dora, LIST, &over.tokens[0]);
    let accepted = office.letter(&office.scene.people.dora, LIST, "You accepted the terms", 1);
    assert_eq!(show(&office)["standing"], "active");
    assert!(show(&office)["terms"].as_str().unwrap().contains("by signed mail"));
    // Its own people.
    let hash = accepted.text.lines().find_map(|l| l.trim().strip_prefix("Accepts: ")).unwrap().to_owned();
    let token = &accepted.tokens[0];
    office.ask(
        &office.scene.people.dora,
        LIST,
        &format!("VOUCHSAFE {token}\n\nName: Erin Example\nAddress: erin@distro.example\n"),
    );
    let refused = office.letter(&office.scene.people.dora, LIST, "Nobody was recorded", 1);
    assert!(refused.text.contains("Accepts:"), "{}", refused.text);
    office.ask(
        &office.scene.people.dora,
        LIST,
        &format!(
            "VOUCHSAFE {}\n\nName: Erin Example\nAddress: erin@distro.example\nAccepts: {hash}\n",
            refused.tokens[0]
        ),
    );
    office.letter(&office.scene.people.dora, LIST, "One of your people is recorded", 1);
    assert!(show(&office)["staff"][0].as_str().unwrap().contains("Erin Example"));
    // On file, signed by the contact.
    let statement = |lines: &str| {
        let signed = office.scene.people.dora.ok(&["--clearsign"], lines.as_bytes());
        let file = office.scene.install.root().join("statement.asc");
        std::fs::write(&file, signed).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let half = statement(&format!("I do not accept {hash}\n"));
    let refused = office.scene.install.run(&["member", "accept", LIST, &dora, "--statement", &half]);
    assert!(refused.code != 0, "to name the digest is not to accept");
    let whole = statement(&format!("List: {LIST}\nVersion: 1\nAccepts: {hash}\nName: Fred\n"));
    office.scene.install.ok(&["member", "accept", LIST, &dora, "--statement", &whole]);
    office.scene.install.ok(&[
        "member",
        "staff",
        "add",
        LIST,
        &dora,
        "--name",
        "Fred",
        "--statement",
        &whole,
    ]);
    assert_eq!(show(&office)["staff"].as_array().unwrap().len(), 2);
    std::fs::write(&text, format!("{before}\n8. And nothing is read aloud.\n")).unwrap();
    hears_of_former_acceptances(&office);
}

/// Another text: the acceptances of its own people are of the former one, and the contact hears so.
fn hears_of_former_acceptances(office: &Office) {
    let dora = &office.scene.people.dora;
    office.scene.install.ok(&["reload"]);
    let anew = office.letter(dora, LIST, "Please accept the new terms", 2);
    assert!(anew.text.contains("2 of your own people are recorded"), "{}", anew.text);
    let staff = office.scene.install.json(&["member", "show", LIST, &dora.address])["staff"].clone();
    assert!(staff.as_array().unwrap().iter().all(|one| one.as_str().unwrap().contains("FORMER")), "{staff}");
}

/// Whoever is added and asked gets nothing before its signed answer, and then what is written from then on.
#[test]
fn who_is_added_and_asked_gets_nothing_before_the_signed_answer() {
    let Some(office) = Office::set(&[]) else { return };
    let wile = Person::new("psirt@acme.example");
    wile.import(office.scene.install.ok(&["key", "export", LIST]).as_bytes());
    let cert = office.scene.install.file("wile.asc", &wile.cert());
    office.scene.install.ok(&["org", "add", "acme", "--title", "Acme"]);
    let cert = cert.to_str().unwrap();
    let said = office.scene.install.ok(&[
        "member",
        "add",
        LIST,
        &wile.address,
        "--org",
        "acme",
        "--cert",
        cert,
        "--ask",
    ]);
    assert!(said.contains("nothing is delivered before"), "{said}");
    let asked = office.letter(&wile, LIST, "Please accept the terms", 1);
    // What nobody signed is no answer.
    let request = format!("{LIST}-request@lists.example");
    let words = entity(&wile.address, "", &format!("VOUCHSAFE {}\r\n", asked.tokens[0]));
    let sealed = wile.encrypt(&office.list_key(LIST), &words);
    office.scene.taken(&wile.address, &request, &pgp_mime(&wile.address, &request, &sealed));
    office.scene.announce("Before the answer");
    office.scene.sink.wait_for(&office.scene.people.emil.address, 1);
    assert_eq!(office.scene.sink.taken_for(&wile.address).len(), 1, "the letter alone");
    office.answer(&wile, LIST, &asked.tokens[0]);
    office.letter(&wile, LIST, "You accepted the terms", 1);
    let shown = office.scene.install.json(&["member", "show", LIST, &wile.address]);
    assert!(shown["terms"].as_str().unwrap().contains("by signed mail"), "{shown}");
    office.scene.announce("After the answer");
    office.scene.sink.wait_for(&office.scene.people.emil.address, 2);
    let copies = office.scene.sink.wait_for(&wile.address, 3);
    assert_eq!(copies.len(), 3, "two letters and the second post, and nothing of before");
    let read: Vec<bool> = copies.iter().map(|copy| wile.can_open(&copy.data)).collect();
    assert_eq!(read, [true; 3]);
}
