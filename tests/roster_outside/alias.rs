//! Whether addresses are read.

use crate::outside::clerk::Office;

const LIST: &str = "distrib-announce";

/// Asked on schedule, reminded, missed twice, suspended, the team told; the answer brings the member back.
#[test]
fn who_does_not_answer_twice_is_suspended_and_comes_back_by_an_answer() {
    let Some(mut office) = Office::with_clock(&[]) else { return };
    let dora = office.scene.people.dora.address.clone();
    let show = |office: &Office| office.scene.install.json(&["member", "show", LIST, &dora]);
    office.days_later(91);
    let first = office.letter(&office.scene.people.dora, LIST, "is this address read?", 1);
    office.answer(&office.scene.people.dora, LIST, &first.tokens[0]);
    office.letter(&office.scene.people.dora, LIST, "Your answer is noted", 1);
    assert!(show(&office)["alias_probe"].as_str().unwrap().starts_with("answered "));
    office.days_later(91);
    office.letter(&office.scene.people.dora, LIST, "Please answer: is this address read?", 2);
    office.days_later(5);
    office.letter(&office.scene.people.dora, LIST, "A reminder: is this address read?", 1);
    office.days_later(3);
    // Missed: it is asked once more at once.
    office.letter(&office.scene.people.dora, LIST, "Please answer: is this address read?", 3);
    assert_eq!(show(&office)["standing"], "active");
    office.days_later(8);
    let over = office.letter(&office.scene.people.dora, LIST, "You are suspended", 1);
    assert_eq!(show(&office)["standing"], "suspended");
    // Emil is silent as well.
    let told = office.letters(&office.scene.people.ada, LIST, "Suspended, since nobody answers", 2);
    let way = format!("org removal --list {LIST} {dora} --reason probe");
    assert!(told.iter().any(|letter| letter.text.contains(&way)), "the way on from here");
    office.answer(&office.scene.people.dora, LIST, &over.tokens[0]);
    office.letter(&office.scene.people.dora, LIST, "Your answer is noted", 2);
    assert_eq!(show(&office)["standing"], "active");
    office.scene.install.ok(&["member", "ask-alias", LIST, &dora]);
    office.letter(&office.scene.people.dora, LIST, "Please answer: is this address read?", 4);
}
