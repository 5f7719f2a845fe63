//! Threads over generations of answers: whichever id a reader's program answers with, everybody sees one thread.

use crate::outside::copy::Copy;
use crate::outside::gpg::Person;
use crate::outside::install::SECURITY;
use crate::outside::mail::pgp_mime;
use crate::outside::scene::Scene;

/// An answer as some program writes it.
struct Answer<'a> {
    by: &'a Person,
    id: &'a str,
    subject: &'a str,
    /// Inside the encryption, besides those.
    fields: String,
    scheme: &'a str,
    /// Fields that stand outside alone.
    outside: String,
}

/// Sends it and opens the copy of each of the team.
fn sent(scene: &Scene, answer: &Answer<'_>) -> [Copy; 2] {
    let Answer { by, id, subject, fields, scheme, outside } = answer;
    let entity = format!(
        "Content-Type: text/plain; charset=utf-8; {scheme}\r\nFrom: {}\r\nTo: {SECURITY}\r\nSubject: {subject}\r\n\
         Message-ID: <{id}>\r\n{fields}\r\nAn answer.\r\n",
        by.address
    );
    let armored = by.sign_encrypt(&scene.security, entity.as_bytes());
    let raw = [outside.as_bytes(), &pgp_mime(&by.address, SECURITY, &armored)].concat();
    let people = [&scene.people.ada, &scene.people.bob];
    let before = people.map(|person| scene.sink.taken_for(&person.address).len());
    scene.taken(&by.address, SECURITY, &raw);
    let copies = [0, 1].map(|n| {
        let person = people[n];
        let copies = scene.sink.wait_for(&person.address, before[n] + 1);
        person.open(&copies[before[n]].data, &scene.security)
    });
    for copy in &copies {
        assert_eq!(copy.subject(), format!("[Security Team] {subject}"));
    }
    copies
}

/// What a copy says of its thread; the same at every reader.
fn thread([one, other]: &[Copy; 2]) -> (String, Option<String>, Option<String>) {
    let of = |copy: &Copy| {
        let field = |name: &str| copy.header(name);
        (field("Message-ID").unwrap(), field("In-Reply-To"), field("References"))
    };
    assert_eq!(of(one), of(other));
    of(one)
}

#[test]
fn three_generations_of_answers_are_one_thread_at_every_reader() {
    let Some(scene) = Scene::set() else { return };
    let (ada, bob, rita) = (&scene.people.ada, &scene.people.bob, &scene.people.rita);
    let (hp, v1) = ("hp=\"cipher\"", "protected-headers=\"v1\"");
    let first = thread(&sent(
        &scene,
        &Answer {
            by: rita,
            id: "first@laptop.reporter.example",
            subject: "Overflow",
            fields: String::new(),
            scheme: v1,
            outside: String::new(),
        },
    ));
    assert_eq!((&first.1, &first.2), (&None, &None));
    let original = "<first@laptop.reporter.example>";

    // Ada's program answers our copy; Rita follows up on what her own program sent; each names what it has.
    let second_ids = ["second-a@team.example", "second-r@laptop.reporter.example"];
    let answers = |by, id, named: &str, scheme| Answer {
        by,
        id,
        subject: "Re: Overflow",
        fields: format!("In-Reply-To: {named}\r\nReferences: {named}\r\n"),
        scheme,
        outside: String::new(),
    };
    let by_copy = thread(&sent(&scene, &answers(ada, second_ids[0], &first.0, hp)));
    let by_original = thread(&sent(&scene, &answers(rita, second_ids[1], original, v1)));
    for second in [&by_copy, &by_original] {
        assert_eq!((second.1.as_deref(), second.2.as_deref()), (Some(&*first.0), Some(&*first.0)));
        assert!(!second.0.contains("second") && second.0.ends_with("@lists.example>"), "{}", second.0);
    }

    // Bob got Ada's answer directly as well, and the report only as our copy. His program names ids of both sorts; then
    // one that protects the Subject alone, as Mutt does, with the thread outside.
    let mixed = format!("{} <{}>", first.0, second_ids[0]);
    let ours = format!("{original} {}", by_copy.0);
    let expected = Some(format!("{} {}", first.0, by_copy.0));
    let inside = Answer {
        fields: format!("In-Reply-To: <{}>\r\nReferences: {mixed}\r\n", second_ids[0]),
        ..answers(bob, "third-1@team.example", "", hp)
    };
    let outside = Answer {
        fields: String::new(),
        outside: format!("In-Reply-To: {}\r\nReferences: {ours}\r\n", by_copy.0),
        ..answers(bob, "third-2@team.example", "", v1)
    };
    for third in [inside, outside] {
        let third = thread(&sent(&scene, &third));
        assert_eq!((third.1.as_deref(), &third.2), (Some(&*by_copy.0), &expected));
    }
    // Nobody outside learns whose ids these were.
    for copy in scene.sink.taken() {
        let text = String::from_utf8_lossy(&copy.data);
        assert!(!text.contains("laptop") && !text.contains("second") && !text.contains("third"), "{text}");
    }
}
