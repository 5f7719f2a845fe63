//! Somebody applies by mail, incomplete first; confirms the address; is vouched for by token, or by a statement that the
//! admin records; and is admitted by the team.

use crate::outside::clerk::Office;
use crate::outside::gpg::Person;
use crate::outside::mail::{crlf, entity, pgp_mime};
use crate::outside::scene::Scene;
use crate::outside::until;

const LIST: &str = "distrib-announce";
const POLICY: &str = include_str!("../../config/policies/kubeedge.toml");

const FORM: &str = "Application: distrib-announce\nOrganisation: acme\nTitle: Acme Linux\nKind: distribution\n\
    Website: https://acme.example\nUpstream: none\nUsers: hospitals\nContact: psirt@acme.example\n\
    Monitored-Alias: four people,\n  day and night\nExternal-User-Base: https://acme.example/users\n\
    Fix-Track-Record: https://acme.example/advisories\nNot-Downstream: built from source\n\
    Active-Contributor: https://acme.example/patches\nAccept-Embargo: yes\nContribute-Back: triage\nVouched: dora\n";

/// The usual scene, where two members have to vouch.
fn office() -> Option<Office> {
    office_where("vouchers_required = 1", "vouchers_required = 2")
}

/// The usual scene with another rule.
fn office_where(rule: &str, other: &str) -> Option<Office> {
    let policy = POLICY.replace(rule, other);
    assert_ne!(policy, POLICY);
    Some(Office { scene: Scene::beside_sink(&[], &[("policies/kubeedge.toml", &policy)])?, wall: None })
}

/// Somebody of Acme, who knows the list's key and is known to nobody.
fn stranger(office: &Office) -> Person {
    let wile = Person::new("psirt@acme.example");
    wile.import(office.scene.install.ok(&["key", "export", LIST]).as_bytes());
    wile
}

/// Sends a form, with the certificate beside it.
fn apply(office: &Office, by: &Person, form: &str) {
    let text = String::from_utf8(crlf(form.as_bytes())).unwrap();
    let cert = String::from_utf8(crlf(&by.cert())).unwrap();
    let body = format!(
        "Content-Type: multipart/mixed; boundary=\"form\"\r\n\r\n--form\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         {text}\r\n--form\r\nContent-Type: application/pgp-keys; name=\"key.asc\"\r\n\r\n{cert}\r\n--form--\r\n"
    );
    let mail = office.request(by, LIST, body.as_bytes());
    office.scene.taken(&by.address, "distrib-announce-request@lists.example", &mail);
}

/// The one application, as the admin sees it, once it is so far.
fn application(office: &Office, stage: &str) -> serde_json::Value {
    until(&format!("an application that is {stage}"), || {
        let rows = office.scene.install.json(&["org", "applications", "--list", LIST]);
        rows.as_array().unwrap().iter().find(|row| row["stage"] == stage).cloned()
    })
}

/// A text that this person signed, as a file.
fn statement(office: &Office, by: &Person, text: &str) -> String {
    let signed = by.ok(&["--armor", "-u", &by.fingerprint, "--clearsign"], text.as_bytes());
    office.scene.install.file("voucher.asc", &signed).to_str().unwrap().to_owned()
}

#[test]
fn an_application_by_mail_from_the_form_to_the_first_delivery() {
    let Some(office) = office() else { return };
    let (people, install) = (&office.scene.people, &office.scene.install);
    let wile = stranger(&office);
    // Of before: not for Acme.
    office.scene.announce("Before Acme came");

    let incomplete: String = FORM
        .lines()
        .filter(|line| !line.starts_with("Website") && !line.starts_with("Vouched"))
        .map(|l| format!("{l}\n"))
        .collect();
    apply(&office, &wile, &incomplete);
    let returned = office.letter(&wile, LIST, "not complete", 1).text;
    assert_eq!(returned.matches(": is missing").count(), 2, "{returned}");
    assert!(
        returned.contains("Website: is missing") && returned.contains("Vouched: is missing"),
        "{returned}"
    );
    assert!(returned.contains("Vouched:\n") && !returned.contains("hospitals"), "{returned}");
    assert_eq!(install.json(&["org", "applications"]).as_array().unwrap().len(), 0, "nothing of it is kept");

    apply(&office, &wile, FORM);
    let confirm = office.letter(&wile, LIST, "Please confirm", 1);
    assert!(confirm.text.contains(&wile.fingerprint), "{}", confirm.text);
    assert!(office.all(&people.dora, LIST).is_empty() && office.all(&people.ada, LIST).is_empty());
    assert_eq!(application(&office, "confirming")["org"], "acme");
    office.answer(&wile, LIST, &confirm.tokens[0]);

    let id = application(&office, "vouching")["id"].as_str().unwrap().to_owned();
    assert!(office.letter(&wile, LIST, "is confirmed", 1).text.contains(&id));
    let team = office.letter(&people.ada, LIST, &format!("Application {id}"), 1).text;
    assert!(team.contains("Acme Linux (acme)") && team.contains(&wile.fingerprint), "{team}");
    let asked = |who: &Person| office.letter(who, LIST, "Do you vouch for Acme Linux", 1);
    let (dora, emil) = (asked(&people.dora), asked(&people.emil));

    // Emil is suspended before he answers; then Dora vouches, and Emil again once he is back.
    let emil_at = people.emil.address.as_str();
    install.ok(&["member", "suspend", LIST, emil_at]);
    office.answer(&people.emil, LIST, &emil.tokens[0]);
    let refused = office.letter(&people.emil, LIST, "does not count", 1).text;
    assert!(refused.contains("suspended"), "{refused}");
    install.ok(&["member", "resume", LIST, emil_at]);
    office.answer(&people.dora, LIST, &dora.tokens[0]);
    assert!(office.letter(&people.dora, LIST, "voucher counts", 1).text.contains("One more is needed"));

    // What the admin records is held to the same rules, and to more.
    let said = |id: &str, key: &str| format!("I vouch for application {id},\ncertificate {key}.\n");
    let record = |by: &Person, text: &str| {
        install.run(&["org", "vouch", &id, "--statement", &statement(&office, by, text)])
    };
    let colleague = Person::new("colleague@acme.example");
    install.ok(&["org", "add", "acme"]);
    let cert = install.file("colleague.asc", &colleague.cert());
    let cert = cert.to_str().unwrap();
    install.ok(&["member", "add", LIST, &colleague.address, "--org", "acme", "--cert", cert]);
    for (by, text, rule) in [
        (&colleague, said(&id, &wile.fingerprint), "another organisation than acme"),
        (&people.dora, said(&id, &wile.fingerprint), "has vouched"),
        (&people.emil, said("a-zzzzzzzz", &wile.fingerprint), "does not name application"),
        (&people.emil, said(&id, &people.dora.fingerprint), "does not name the applicant's certificate"),
        (&people.emil, format!("I do not vouch for {id} {}", wile.fingerprint), "I vouch for"),
        (&wile, said(&id, &wile.fingerprint), "no key that is known here"),
        (&people.ada, said(&id, &wile.fingerprint), "only a member of the list"),
    ] {
        let ran = record(by, &text);
        assert_eq!(ran.code, 65, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains(rule), "{rule}: {}", ran.err);
    }
    let ran = record(&people.emil, &said(&id, &wile.fingerprint));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let row = application(&office, "deciding");
    assert_eq!(row["vouchers"].as_array().unwrap().len(), 2);
    assert!(row["vouchers"][0]["statement"].is_null() && row["vouchers"][1]["statement"].is_string());

    admitted(&office, &wile);
}

/// The team approves; Acme is a member, gets what is written from now on, and nothing of before.
fn admitted(office: &Office, wile: &Person) {
    let (people, install) = (&office.scene.people, &office.scene.install);
    for voter in [&people.ada, &people.bob] {
        let vote = office.letter(voter, LIST, "Please vote", 1);
        assert!(vote.text.contains("vouched for by dora and emil"), "{}", vote.text);
        let words = vote.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (who, how) in [(&people.dora, "by signed mail"), (&people.emil, "by a signed statement")] {
            assert!(words.contains(&format!("Vouched for by {}", who.address)), "{words}");
            assert!(words.contains(how), "{words}");
        }
        assert!(words.contains("acme came onto the roster after this application"), "{words}");
        office.answer(voter, LIST, &vote.tokens[0]);
        office.letter(voter, LIST, "vote is counted", 1);
        if install.json(&["org", "applications"])[0]["stage"] != "deciding" {
            break;
        }
    }
    // The policy wants its terms accepted: nothing is delivered before.
    application(office, "approved");
    assert!(office.letter(wile, LIST, "is approved", 1).text.contains("embargo policy"));
    let terms = office.letter(wile, LIST, "Please accept the terms", 1);
    office.answer(wile, LIST, &terms.tokens[0]);
    application(office, "admitted");
    assert!(office.letter(wile, LIST, "is accepted", 1).text.contains("nothing\nof what was written before"));
    let shown = install.ok(&["org", "show", "acme"]);
    let by = |who: &Person| {
        let member = install.json(&["member", "show", LIST, &who.address]);
        member["id"].as_str().unwrap().to_owned()
    };
    assert!(shown.contains(&by(&people.dora)) && shown.contains(&by(&people.emil)), "{shown}");
    let announced = office.scene.announce("After Acme came");
    let posts = || {
        let copies = office.scene.sink.taken_for(&wile.address).into_iter();
        copies.filter(|copy| wile.open(&copy.data, &office.scene.announce).holds(&announced)).count()
    };
    until("the first delivery", || (posts() == 1).then_some(()));
    let before = office.scene.sink.taken_for(&wile.address).into_iter();
    let before = before.filter(|copy| {
        String::from_utf8_lossy(&wile.ok(&["--decrypt"], &crate::outside::copy::armored_part(&copy.data)))
            .contains("Before Acme")
    });
    assert_eq!(before.count(), 0, "new members get nothing of the past");
}

#[test]
fn nobody_but_the_signer_is_answered_and_the_rest_stays_a_mail_to_the_team() {
    let Some(office) = office() else { return };
    let (people, install) = (&office.scene.people, &office.scene.install);
    let wile = stranger(&office);
    let before = |who: &Person| office.scene.sink.taken_for(&who.address).len();

    // Somebody else's address: it is a fault, and the answer goes to an address of the key.
    let rita = people.rita.address.as_str();
    apply(&office, &wile, &FORM.replace("psirt@acme.example", rita));
    let returned = office.letter(&wile, LIST, "not complete", 1).text;
    assert!(returned.contains("is not an address in the certificate that signed"), "{returned}");
    assert_eq!(before(&people.rita), 0);

    // One answer a day: the next one goes to the team as any mail does.
    apply(&office, &wile, "Application: distrib-announce\nTitle: Acme\n");
    let ada = office.scene.sink.wait_for(&people.ada.address, 1);
    assert_eq!(ada.len(), 1);
    assert_eq!(office.all(&wile, LIST).len(), 1);

    // Without a certificate inside nobody knows who signed; with another's neither.
    let text =
        format!("Content-Type: text/plain\r\n\r\n{}\r\n", String::from_utf8(crlf(FORM.as_bytes())).unwrap());
    let mail = office.request(&wile, LIST, text.as_bytes());
    office.scene.taken(&wile.address, "distrib-announce-request@lists.example", &mail);
    office.scene.sink.wait_for(&people.ada.address, 2);
    assert_eq!(install.json(&["org", "applications"]).as_array().unwrap().len(), 0);

    // At the desk the same is told at once.
    let cert = install.file("acme.asc", &wile.cert());
    let form = install.file("form.txt", FORM.replace("Title: Acme Linux\n", "").as_bytes());
    let (cert, form) = (cert.to_str().unwrap(), form.to_str().unwrap());
    let ran = install.run(&["org", "apply", "--list", LIST, "--file", form, "--cert", cert]);
    assert_eq!(ran.code, 65);
    assert!(
        ran.err.contains("Title: is missing") && ran.err.matches(": is missing").count() == 1,
        "{}",
        ran.err
    );
    assert!(install.ok(&["org", "form", LIST]).contains("Application: distrib-announce\n"));
    let form = install.file("form.txt", FORM.as_bytes());
    install.ok(&["org", "apply", "--list", LIST, "--file", form.to_str().unwrap(), "--cert", cert]);
    let id = application(&office, "vouching")["id"].as_str().unwrap().to_owned();
    install.ok(&["org", "withdraw", &id, "--yes"]);
    assert!(office.letter(&wile, LIST, "is withdrawn", 1).text.contains("not kept"));
    let members = install.ok(&["member", "ls"]);
    assert!(!members.contains("psirt@acme.example"), "{members}");
}

/// Letters to strangers are counted for the list: keys and addresses cost nothing.
#[test]
fn so_many_strangers_get_a_letter_on_a_day_and_an_applicant_keeps_no_address() {
    let Some(office) = office_where("stranger_letters_per_day = 50", "stranger_letters_per_day = 1") else {
        return;
    };
    let (people, install) = (&office.scene.people, &office.scene.install);
    let (wile, other) = (stranger(&office), Person::new("psirt@other.example"));
    other.import(install.ok(&["key", "export", LIST]).as_bytes());
    let form = FORM.replace("acme", "other").replace("Acme", "Other");
    let team_got = |n: usize| assert_eq!(office.scene.sink.wait_for(&people.ada.address, n).len(), n);

    // What is returned counts for itself, and so do questions for a confirmation.
    apply(&office, &other, &form.replace("Title", "Titel"));
    office.letter(&other, LIST, "not complete", 1);
    apply(&office, &wile, &FORM.replace("Title", "Titel"));
    team_got(1);
    apply(&office, &wile, FORM);
    office.letter(&wile, LIST, "Please confirm", 1);
    team_got(2);
    apply(&office, &other, &form);
    team_got(3);
    assert_eq!((office.all(&wile, LIST).len(), office.all(&other, LIST).len()), (1, 1), "nobody beyond that");
    let applications = install.json(&["org", "applications"]);
    assert_eq!(
        applications.as_array().unwrap().len(),
        1,
        "what nobody can confirm is not taken: {applications}"
    );

    // An admin adds somebody with that address: nothing keeps them out, and what waited ends without a word.
    install.ok(&["org", "add", "acme"]);
    let cert = install.file("real.asc", &Person::new("psirt@acme.example").cert());
    let people = install.file("people.csv", b"address,organisation\npsirt@acme.example,acme\n");
    let (cert, people) = (cert.to_str().unwrap(), people.to_str().unwrap());
    let import =
        ["roster", "import", "--from", "csv", "--list", LIST, "--certificates", cert, "--dry-run", people];
    let plan = install.ok(&import);
    assert!(plan.contains("ends the open application"), "an import says so before: {plan}");
    let line = ["member", "add", LIST, "psirt@acme.example", "--org", "acme", "--cert", cert];
    assert!(install.ok(&line).contains("has ended"));
    application(&office, "withdrawn");
    assert_eq!(office.all(&wile, LIST).len(), 1, "the address was never confirmed");
}

/// A mail in the clear, or one whose form stands outside the encryption, is no application.
#[test]
fn what_is_not_encrypted_is_no_application() {
    let Some(office) = office() else { return };
    let wile = stranger(&office);
    let ada = &office.scene.people.ada;
    let armored = wile.encrypt(&office.list_key(LIST), &entity(&wile.address, "x", FORM));
    let unsigned = pgp_mime(&wile.address, "distrib-announce-request@lists.example", &armored);
    office.scene.taken(&wile.address, "distrib-announce-request@lists.example", &unsigned);
    office.scene.sink.wait_for(&ada.address, 1);
    assert!(office.all(&wile, LIST).is_empty());
    assert_eq!(office.scene.install.json(&["org", "applications"]).as_array().unwrap().len(), 0);
}
