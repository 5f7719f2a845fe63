//! The team decides by signed mail, and what that means for a member who leaves.

use crate::outside::clerk::Office;
use crate::outside::sink::Rule;
use crate::outside::until;

const LIST: &str = "distrib-announce";

fn ballot(office: &Office, id: &str) -> serde_json::Value {
    office.scene.install.json(&["org", "ballot", id])
}

/// Removes somebody by a vote of two; what waits for them is withdrawn, and nothing goes there any more but a farewell.
#[test]
fn two_approvals_by_mail_remove_a_member() {
    let Some(office) = Office::set(&[]) else { return };
    let people = &office.scene.people;
    let dora = &people.dora.address;
    office.scene.sink.rule(dora, Rule::Refuse("451 4.7.1 greylisted"));
    office.scene.announce("Before the vote");
    office.scene.queue("Dora's copy is deferred", |rows| {
        rows.iter().any(|row| row["recipient"] == dora.as_str() && row["state"] == "deferred")
    });
    let text = "It stood in a public forum.";
    let said = office
        .scene
        .install
        .ok(&["org", "removal", "--list", LIST, dora, "--reason", "breach", "--text", text]);
    assert!(said.contains("the team votes on it"), "a breach cannot be cured: {said}");
    let id = said.split_whitespace().last().unwrap().to_owned();
    let told = office.letter(&people.ada, LIST, "A membership may end", 1);
    assert!(told.text.contains(text) && told.text.contains(dora.as_str()), "{}", told.text);

    let wanted = office.letter(&people.ada, LIST, "Please vote", 1);
    office.answer(&people.ada, LIST, &wanted.tokens[0]);
    until("Ada's vote is counted", || (ballot(&office, &id)["approve"] == 1).then_some(()));
    assert_eq!(ballot(&office, &id)["outcome"], "open");
    assert_eq!(ballot(&office, &id)["votes"][0]["given"], "mail");
    // Nobody votes with somebody else's token, and a token counts once.
    office.answer(&people.bob, LIST, &wanted.tokens[1]);
    let his = office.letter(&people.bob, LIST, "Please vote", 1);
    office.answer(&people.bob, LIST, &his.tokens[0]);
    until("the motion is carried", || (ballot(&office, &id)["outcome"] == "carried").then_some(()));
    let row = ballot(&office, &id);
    assert_eq!((&row["approve"], &row["object"]), (&2.into(), &0.into()));

    assert!(!office.scene.events("withdrawn", 1).is_empty());
    let gone = office.scene.install.run(&["member", "show", LIST, dora]);
    assert_eq!(gone.code, 66, "{}", gone.out);
    office.scene.sink.obey(dora);
    // It may have been refused before the sink obeyed, and would be tried again in some minutes.
    let farewell = until("the farewell", || {
        office.scene.install.ok(&["queue", "retry", "--all"]);
        office.all(&people.dora, LIST).into_iter().find(|letter| letter.subject.contains("no longer"))
    });
    assert!(farewell.text.contains("the embargo was broken"), "{}", farewell.text);
    assert!(farewell.text.contains("distrib-announce-request@lists.example"), "the way back");
    assert!(!farewell.text.contains(text) && !farewell.text.contains("Before the vote"));

    office.scene.announce("After the vote");
    let emil = &people.emil;
    office.scene.sink.wait_for(&emil.address, 2);
    assert_eq!(office.scene.sink.taken_for(dora).len(), 1, "the farewell, and nothing else");
    let waiting = || office.scene.install.json(&["queue", "ls"]).as_array().unwrap().len();
    until("nothing waits", || (waiting() == 0).then_some(()));
}

/// What can be cured has time for it; and an admin may vouch for how somebody voted, or hand in what they signed.
#[test]
fn there_is_time_to_mend_and_the_admin_records_votes() {
    let Some(mut office) = Office::with_clock(&[]) else { return };
    let emil = office.scene.people.emil.address.clone();
    let (ada, bob) = (office.scene.people.ada.address.clone(), office.scene.people.bob.address.clone());
    let ask = |office: &Office| {
        let said = office.scene.install.ok(&["org", "removal", "--list", LIST, &emil, "--reason", "idle"]);
        assert!(said.contains("there is time until"), "{said}");
        said.split_whitespace().last().unwrap().to_owned()
    };
    let id = ask(&office);
    let notice = office.letter(&office.scene.people.emil, LIST, "Your membership may end", 1);
    assert!(notice.text.contains("You have time until"), "{}", notice.text);
    let early = office.scene.install.run(&["org", "approve", &id, "--by", &ada]);
    assert!(early.code == 65 && early.err.contains("takes no votes before"), "{}", early.err);
    office.scene.install.ok(&["org", "removal", "--list", LIST, &emil, "--withdraw"]);
    office.letter(&office.scene.people.emil, LIST, "Your membership goes on", 1);
    assert_eq!(ballot(&office, &id)["outcome"], "withdrawn");

    // It is not mended: the time passes, and the team is asked.
    let id = ask(&office);
    office.days_later(15);
    office.letter(&office.scene.people.ada, LIST, "Please vote", 1);
    let approve = |by: &str, more: &[&str]| {
        office.scene.install.run(&[&["org", "approve", &id, "--by", by], more].concat())
    };
    let faked = office.wall.as_ref().unwrap().for_gpg();
    let sign = |name: &str, by: &crate::outside::gpg::Person, text: &str| {
        let signed = by.ok(&[faked.as_str(), "--clearsign"], text.as_bytes());
        office.scene.install.file(name, &signed).to_str().unwrap().to_owned()
    };
    let his = sign("bob.asc", &office.scene.people.bob, &format!("APPROVE {id}\n"));
    let other = sign("other.asc", &office.scene.people.bob, "APPROVE b-aaaaaaaa\n");
    assert_eq!(approve(&ada, &["--statement", &his]).code, 65, "Bob signed it");
    assert_eq!(approve(&bob, &["--statement", &other]).code, 65, "of another ballot");
    assert_eq!(approve(&bob, &["--statement", &his]).code, 0);
    assert_eq!(approve(&ada, &[]).code, 0);
    let row = ballot(&office, &id);
    assert_eq!(row["outcome"], "carried");
    let given: Vec<_> = row["votes"].as_array().unwrap().iter().map(|vote| vote["given"].clone()).collect();
    assert_eq!(given, ["statement", "word"]);
    assert_eq!(office.scene.install.run(&["member", "show", LIST, &emil]).code, 66);
}
