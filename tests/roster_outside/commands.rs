//! Commands by mail: help, leaving, one's own certificate, and what is answered.

use std::sync::Arc;

use crate::outside::clerk::{Letter, Office};
use crate::outside::gpg::Person;
use crate::outside::mail::{clear, crlf, multipart_signed};
use crate::outside::until;

const LIST: &str = "distrib-announce";

/// A mail of a text and attachments.
fn mixed(text: &str, attached: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out =
        b"Content-Type: multipart/mixed; boundary=mix\r\n\r\n--mix\r\nContent-Type: text/plain\r\n\r\n"
            .to_vec();
    out.extend(crlf(text.as_bytes()));
    for (kind, bytes) in attached {
        out.extend(
            format!("\r\n--mix\r\nContent-Type: {kind}\r\nContent-Disposition: attachment\r\n\r\n").bytes(),
        );
        out.extend(crlf(bytes));
    }
    out.extend(b"\r\n--mix--\r\n");
    out
}

/// The token of a help that does this.
fn token(help: &Letter, what: &str) -> String {
    let about = help.text.split("\nTo ").find(|part| part.starts_with(what)).expect("it is offered");
    let token = about.lines().map(str::trim).find(|line| help.tokens.iter().any(|token| token == line));
    token.unwrap().to_owned()
}

impl Office {
    /// Sends an entity to the list's address for requests, signed and encrypted.
    fn hand_in(&self, by: &Person, entity: &[u8]) {
        let mail = self.request(by, LIST, entity);
        self.scene.taken(&by.address, &format!("{LIST}-request@lists.example"), &mail);
    }

    fn relayed(&self) -> usize {
        self.scene.install.events("relayed").len()
    }
}

#[test]
fn a_known_signer_gets_help_and_words_reach_the_team() {
    let Some(office) = Office::set(&[]) else { return };
    let people = Arc::clone(&office.scene.people);
    let (dora, emil, rita, ada) = (&people.dora, &people.emil, &people.rita, &people.ada);
    office.ask(dora, LIST, "help");
    let help = office.letter(dora, LIST, "What you can ask", 1);
    assert_ne!(token(&help, "leave the list"), token(&help, "hand in a certificate"));
    for fact in
        [&dora.address, &dora.fingerprint, "standing: active since", "as: contact of", "terms: version"]
    {
        assert!(help.text.contains(fact), "{fact}: {}", help.text);
    }
    assert_eq!(office.relayed(), 0, "the team is not bothered");
    // The list's certificate came along.
    let copy = office.scene.sink.taken_for(&dora.address).remove(0);
    let entity = dora.ok(&["--decrypt"], &crate::outside::copy::armored_part(&copy.data));
    let fresh = Person::new("fresh@elsewhere.example");
    fresh.import(&entity);
    assert!(String::from_utf8(fresh.ok(&["--list-keys"], b"")).unwrap().contains(&office.scene.announce));

    // Once an hour.
    office.ask(dora, LIST, "Help!");
    assert_eq!(office.scene.events("dropped", 1)[0]["event"]["reason"], "helped-lately");

    office.ask(emil, LIST, "Help! I think that there is a leak.");
    office.scene.events("relayed", 1);
    office.letter(emil, LIST, "What you can ask", 1);
    until("the team reads it", || (office.scene.sink.taken_for(&ada.address).len() == 1).then_some(()));

    // Quotations and what somebody signed apart are words.
    office.ask(emil, LIST, "> The embargo leaked.");
    office.scene.events("relayed", 2);
    let apart = emil.ok(&["-u", &emil.fingerprint, "--clearsign"], b"The embargo leaked.\n");
    office.ask(emil, LIST, &String::from_utf8(apart).unwrap());
    office.scene.events("relayed", 3);

    // A stranger gets nothing, and neither does whoever did not sign.
    let before = office.scene.sink.taken_for(&rita.address).len();
    office.ask(rita, "security", "help");
    office.scene.taken(
        &dora.address,
        "security-request@lists.example",
        &clear(&dora.address, "security-request@lists.example", "help", "help"),
    );
    office.scene.events("relayed", 5);
    assert_eq!(office.scene.sink.taken_for(&rita.address).len(), before);

    // Signed in the clear, as somebody writes who has no key of the list yet: what is answered is encrypted.
    let signed = multipart_signed(ada, b"Content-Type: text/plain\r\n\r\nhelp\r\n");
    let head = format!(
        "From: {}\r\nTo: security-request@lists.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n",
        ada.address
    );
    office.scene.taken(&ada.address, "security-request@lists.example", &[head.as_bytes(), &signed].concat());
    let help = office.letter(ada, "security", "What you can ask", 1);
    assert!(help.text.contains("as: of the team"), "{}", help.text);
}

#[test]
fn who_leaves_is_gone_and_the_last_of_a_team_stays() {
    let Some(office) = Office::set(&[]) else { return };
    let people = Arc::clone(&office.scene.people);
    let (ada, bob, emil) = (&people.ada, &people.bob, &people.emil);
    office.ask(emil, LIST, "help");
    let help = office.letter(emil, LIST, "What you can ask", 1);
    let leave = &token(&help, "leave the list");
    let mail = office.request(
        emil,
        LIST,
        format!("Content-Type: text/plain\r\n\r\nVOUCHSAFE {leave}\r\n").as_bytes(),
    );
    let to = format!("{LIST}-request@lists.example");
    office.scene.taken(&emil.address, &to, &mail);
    let moved = office.changes("moved", 1);
    assert_eq!((&moved[0]["event"]["to"], &moved[0]["event"]["reason"]), (&"removed".into(), &"wish".into()));
    assert!(moved[0]["actor"].as_str().unwrap().starts_with("member:"));
    office.letter(emil, LIST, "You are no longer on this list", 1);
    // The same again does nothing, nor does its token in another mail: whoever is gone writes as a stranger does.
    office.scene.taken(&emil.address, &to, &mail);
    office.answer(emil, LIST, leave);
    office.scene.events("relayed", 2);
    assert_eq!(office.changes("moved", 1).len(), 1);
    let before = office.scene.sink.taken_for(&emil.address).len();
    office.scene.announce("After the farewell");
    office.scene.sink.wait_for(&people.dora.address, 1);
    assert_eq!(office.scene.sink.taken_for(&emil.address).len(), before);

    for person in [bob, ada] {
        office.ask(person, "security", "help");
        let help = office.letter(person, "security", "What you can ask", 1);
        office.answer(person, "security", &token(&help, "leave the list"));
    }
    assert!(office.letter(ada, "security", "Not done (leave)", 1).text.contains("last"));
    let refused = office.scene.events("command-refused", 1);
    assert!(refused[0]["event"]["rule"].as_str().unwrap().contains("last"));
    let team = office.scene.install.json(&["team", "ls", "security"]);
    assert_eq!(team.as_array().unwrap().len(), 1);
}

#[test]
fn a_certificate_is_renewed_or_replaced_by_its_owner_alone() {
    let Some(office) = Office::set(&[]) else { return };
    let people = Arc::clone(&office.scene.people);
    let emil = Person::new("emma@vendor.example");
    emil.import(office.scene.install.ok(&["key", "export", LIST]).as_bytes());
    office.scene.install.distributor(&emil.address, &emil.cert());
    let help = |nth: usize| {
        // Help comes once an hour: the tokens of one letter have to do.
        office.letter(&emil, LIST, "What you can ask", nth)
    };
    office.ask(&emil, LIST, "help");
    let token = token(&help(1), "hand in a certificate");
    let command = format!("VOUCHSAFE {token}\n");

    // Nothing, or a stranger's key that nobody vouched with: refused, and the token counts on.
    office.hand_in(&emil, format!("Content-Type: text/plain\r\n\r\n{command}").as_bytes());
    assert!(office.letter(&emil, LIST, "Not done (certificate)", 1).text.contains("attach it"));
    let new = Person::new("emma@vendor.example");
    new.import(office.scene.install.ok(&["key", "export", LIST]).as_bytes());
    office.hand_in(&emil, &mixed(&command, &[("application/pgp-keys", &new.cert())]));
    let refused = office.letter(&emil, LIST, "Not done (certificate)", 2);
    assert!(refused.text.contains("clearsign"), "{}", refused.text);
    // The old key's word is no proof that the new one is at hand.
    let wrong = emil.ok(&["-u", &emil.fingerprint, "--clearsign"], token.as_bytes());
    office.hand_in(&emil, &mixed(&command, &[("application/pgp-keys", &new.cert()), ("text/plain", &wrong)]));
    office.letter(&emil, LIST, "Not done (certificate)", 3);
    let shown = || office.scene.install.json(&["member", "show", LIST, &emil.address]);
    assert_eq!(shown()["fingerprint"], emil.fingerprint.as_str());
    assert_eq!(office.relayed(), 0, "nothing of it was for the team");

    let proof = new.ok(&["-u", &new.fingerprint, "--clearsign"], token.as_bytes());
    let both = [("application/pgp-keys", &*new.cert()), ("text/plain", &*proof)];
    office.hand_in(&emil, &mixed(&command, &both));
    office.changes("cert-set", 1);
    assert_eq!(shown()["fingerprint"], new.fingerprint.as_str());
    // Told at both, and the old one reads nothing else any more.
    for key in [&emil, &new] {
        // The old one opens letters from before, too.
        let told = |copy: &[u8]| {
            let text = key.ok(&["--decrypt"], &crate::outside::copy::armored_part(copy));
            String::from_utf8_lossy(&text).contains("Another certificate is pinned")
        };
        let count = || {
            let copies = office.scene.sink.taken_for(&emil.address);
            copies.iter().filter(|copy| key.can_open(&copy.data) && told(&copy.data)).count()
        };
        until("both are told", || (count() > 0).then_some(()));
        assert_eq!(count(), 1, "{}", key.fingerprint);
    }
    let before = office.scene.sink.taken_for(&emil.address).len();
    let posted = office.scene.announce("To the new key");
    let copy = office.scene.sink.wait_for(&emil.address, before + 1).pop().unwrap();
    assert!(new.open(&copy.data, &office.scene.announce).holds(&posted) && !emil.can_open(&copy.data));

    // A newer copy of the pinned one is merged.
    let dora = &people.dora;
    let nina = Person::new("nina@vendor.example");
    nina.import(office.scene.install.ok(&["key", "export", LIST]).as_bytes());
    office.scene.install.distributor(&nina.address, &nina.cert());
    office.ask(&nina, LIST, "help");
    let token = self::token(&office.letter(&nina, LIST, "What you can ask", 1), "hand in a certificate");
    nina.ok(&["--passphrase", "", "--quick-add-uid", &nina.fingerprint, "psirt@vendor.example"], b"");
    office.hand_in(&nina, &mixed(&format!("VOUCHSAFE {token}\n"), &[("application/pgp-keys", &nina.cert())]));
    let done = office.letter(&nina, LIST, "Done (certificate)", 1);
    assert!(done.text.contains("one User ID"), "{}", done.text);
    assert!(
        !office.all(dora, LIST).iter().any(|l| l.subject.contains("certificate")),
        "nobody else hears of it"
    );
}
