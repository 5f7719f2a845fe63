//! The probe: a member whose program reads SEIPD version 2 says so by a signed answer, and gets its copies in it.

use sequoia_openpgp as sequoia;

use sequoia::parse::{PacketParser, PacketParserResult, Parse};
use sequoia::{Cert, Packet};

use crate::outside::copy::armored_part;
use crate::outside::mail::pgp_mime;
use crate::outside::openpgp::{armored, cert, open, person, sign_encrypt};
use crate::outside::scene::Scene;

const LIST: &str = "distrib-announce";
const NOA: &str = "noa@vendor.example";
const PIA: &str = "pia@vendor.example";
const REQUEST: &str = "distrib-announce-request@lists.example";

/// The version of the encrypted packet of a copy.
fn seipd(copy: &[u8]) -> u8 {
    let armor = armored_part(copy);
    let mut next = PacketParser::from_bytes(&armor).unwrap();
    while let PacketParserResult::Some(parser) = next {
        if let Packet::SEIP(seip) = &parser.packet {
            return seip.version();
        }
        next = parser.next().unwrap().1;
    }
    panic!("no encrypted packet")
}

/// The scene with two distributors more, whose keys of version 4 say that SEIPD version 2 is read, and the list's key.
struct Asked {
    scene: Scene,
    noa: Cert,
    pia: Cert,
    list: Cert,
}

impl Asked {
    fn set() -> Option<Self> {
        let scene = Scene::set()?;
        let (noa, pia) = (person(NOA), person(PIA));
        scene.install.distributor(NOA, &armored(&noa));
        scene.install.distributor(PIA, &armored(&pia));
        let list = cert(&scene.install.ok(&["key", "export", LIST]));
        Some(Self { scene, noa, pia, list })
    }

    /// What the list asks: the text of the mail, and the token in it.
    fn question(&self) -> (String, String) {
        let before = self.scene.sink.taken_for(NOA).len();
        let said = self.scene.install.ok(&["member", "probe", LIST, NOA]);
        assert!(said.contains(NOA) && said.contains("counts until"), "{said}");
        let copy = self.scene.sink.wait_for(NOA, before + 1).remove(before);
        assert_eq!(seipd(&copy.data), 2);
        assert_eq!(copy.header("Subject").unwrap(), "[...]");
        let text =
            String::from_utf8(open(&self.noa, &self.list, &armored_part(&copy.data)).unwrap()).unwrap();
        assert!(text.contains(&format!("Reply-To: {REQUEST}\r\n")), "{text}");
        let is_token =
            |line: &&str| line.len() == 26 && line.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        let token = text.lines().map(str::trim).find(is_token).unwrap().to_owned();
        assert!(!String::from_utf8_lossy(&copy.data).contains(&token), "the token is inside");
        (text.split("\r\n\r\n").skip(2).collect::<Vec<_>>().join("\r\n\r\n"), token)
    }

    /// A mail to this address, signed by that person and encrypted to the list.
    fn mail(&self, by: &Cert, to: &Cert, entity: &str) -> Vec<u8> {
        pgp_mime(NOA, REQUEST, &sign_encrypt(by, to, entity.as_bytes()))
    }

    fn format(&self) -> serde_json::Value {
        self.scene.install.json(&["member", "show", LIST, NOA])["format"].clone()
    }

    /// Sends something that commands nothing: the team reads it, the roster stays.
    fn is_nothing(&self, why: &str, to: &str, raw: &[u8]) {
        let before = self.scene.install.events("relayed").len();
        let format = self.format();
        self.scene.taken(NOA, to, raw);
        self.scene.events("relayed", before + 1);
        assert_eq!(self.format(), format, "{why}");
    }
}

fn text(body: &str) -> String {
    format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{body}")
}

#[test]
fn a_signed_answer_with_the_token_sets_the_format_once() {
    let Some(asked) = Asked::set() else { return };
    let (scene, noa, list) = (&asked.scene, &asked.noa, &asked.list);
    let (question, token) = asked.question();
    let command = format!("VOUCHSAFE {token}\r\n");
    let quoted: String = question.lines().map(|line| format!("> {line}\r\n")).collect();

    let html = format!("Content-Type: text/html\r\n\r\n<p>\r\n{command}</p>\r\n");
    let mixed = |part: &str| {
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee there.\r\n--b\r\n{part}\r\n--b--\r\n"
        )
    };
    let attached = mixed(&format!("Content-Disposition: attachment; filename=a.txt\r\n\r\n{command}"));
    let forwarded = mixed(&format!("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n{command}"));
    for (why, by, entity) in [
        ("an answer without the word, quoting all", noa, text(&format!("Yes.\r\n\r\n{quoted}"))),
        ("the same, without marks of quotation", noa, text(&format!("Yes.\r\n\r\n{question}"))),
        ("a quoted command", noa, text(&format!("> {command}"))),
        ("a command in HTML", noa, html),
        ("an attached one", noa, attached),
        ("a forwarded one", noa, forwarded),
        ("another member's", &asked.pia, text(&command)),
        ("a stranger's", &person("mallory@evil.example"), text(&command)),
        ("a token that nobody issued", noa, text(&format!("VOUCHSAFE {}\r\n", "a".repeat(26)))),
    ] {
        asked.is_nothing(why, REQUEST, &asked.mail(by, list, &entity));
    }
    let security = cert(&scene.install.ok(&["key", "export", "security"]));
    let elsewhere = asked.mail(noa, &security, &text(&command));
    asked.is_nothing("another list's", "security-request@lists.example", &elsewhere);
    assert!(asked.format().is_null() && scene.install.events("commanded").is_empty());

    let (ada, team) = (&scene.people.ada.address, scene.install.events("relayed").len());
    assert_eq!(scene.sink.wait_for(ada, team).len(), team);
    let answer = asked.mail(noa, list, &text(&format!("{command}\r\n{quoted}")));
    scene.taken(NOA, REQUEST, &answer);
    let commanded = scene.events("commanded", 1);
    let member = scene.install.json(&["member", "show", LIST, NOA]);
    assert_eq!(member["format"], "v2");
    assert_eq!(
        (&commanded[0]["event"]["member"], &commanded[0]["event"]["aim"]),
        (&member["id"], &"probe".into())
    );
    let roster = scene.install.events("roster");
    let set = roster.iter().map(|row| &row["event"]).find(|event| event["change"] == "format-set").unwrap();
    assert_eq!((&set["member"], &set["after"]), (&member["id"], &"V2".into()));
    let issued = &scene.install.events("token-issued")[0]["event"];
    assert_eq!((&issued["member"], &issued["aim"]), (&member["id"], &"probe".into()));

    // From now on; and nobody else's.
    let before = scene.sink.taken_for(NOA).len();
    scene.announce("In the new format");
    assert_eq!(seipd(&scene.sink.wait_for(NOA, before + 1).pop().unwrap().data), 2);
    assert_eq!(seipd(&scene.sink.wait_for(PIA, 1).remove(0).data), 1);
    assert_eq!(scene.sink.wait_for(ada, team + 1).len(), team + 1, "nobody was bothered");

    // By hand it can be taken back, and no replay brings it again.
    let set = ["member", "set-format", LIST, NOA, "--format", "rule"];
    scene.install.ok(&set);
    scene.taken(NOA, REQUEST, &answer);
    assert_eq!(scene.events("dropped", 1)[0]["event"]["reason"], "replay");
    asked.is_nothing("a spent token", REQUEST, &asked.mail(noa, list, &text(&command)));
    assert!(asked.format().is_null());
    assert_eq!(scene.install.events("commanded").len(), 1);
    assert!(scene.install.run(&["journal", "verify"]).code == 0);
}

/// An accepted mail is never lost: what else stands in it the team reads.
#[test]
fn what_stands_beside_a_command_reaches_the_team() {
    let Some(asked) = Asked::set() else { return };
    let (scene, ada) = (&asked.scene, &asked.scene.people.ada);
    let (_, first) = asked.question();
    let attached = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nVOUCHSAFE {first}\r\n--b\r\n\
         Content-Disposition: attachment; filename=poc.txt\r\n\r\nThe proof.\r\n--b--\r\n"
    );
    let mail = |entity: &str| asked.mail(&asked.noa, &asked.list, entity);
    let answer = mail(&attached);
    scene.taken(NOA, REQUEST, &answer);
    let copy = scene.sink.wait_for(&ada.address, 1).remove(0);
    assert!(ada.open(&copy.data, &scene.announce).holds(b"The proof."));
    assert_eq!(asked.format(), "v2");
    assert_eq!(scene.install.events("commanded").len(), 1);

    scene.install.ok(&["member", "set-format", LIST, NOA, "--format", "rule"]);
    let (_, second) = asked.question();
    let words = text(&format!("VOUCHSAFE {second}\r\n\r\nBy the way, it leaks.\r\n"));
    scene.taken(NOA, REQUEST, &mail(&words));
    let copy = scene.sink.wait_for(&ada.address, 2).remove(1);
    assert!(ada.open(&copy.data, &scene.announce).holds(b"By the way, it leaks."));
    assert_eq!(asked.format(), "v2");

    // The same signed mail to the list itself is no replay: it is what it would be without the command.
    scene.install.ok(&["member", "set-format", LIST, NOA, "--format", "rule"]);
    let (_, third) = asked.question();
    let alone = mail(&text(&format!("VOUCHSAFE {third}\r\n")));
    scene.taken(NOA, REQUEST, &alone);
    scene.events("commanded", 3);
    scene.taken(NOA, "distrib-announce@lists.example", &alone);
    assert_eq!(scene.holds(1)[0]["reason"], "not-a-poster");
}

#[test]
fn nobody_is_asked_who_would_not_understand() {
    let Some(asked) = Asked::set() else { return };
    let install = &asked.scene.install;
    let refused = |args: &[&str], why: &str| {
        let ran = install.run(args);
        assert!(ran.code == 65 && ran.err.contains(why), "{args:?}: {ran:?}");
    };
    // gpg 2.2 says of its keys that they read version 1.
    let emil = asked.scene.people.emil.address.as_str();
    refused(&["member", "probe", LIST, emil], "does not say that SEIPD version 2 is read");
    install.ok(&["member", "set-format", LIST, PIA, "--format", "v2"]);
    refused(&["member", "probe", LIST, PIA], "in SEIPD version 2 already");
    install.ok(&["member", "suspend", LIST, NOA]);
    refused(&["member", "probe", LIST, NOA], "suspended");
    assert_eq!(install.run(&["member", "probe", LIST, "who@vendor.example"]).code, 66);
    assert!(install.events("token-issued").is_empty() && asked.scene.sink.taken().is_empty());

    // Who was suspended after the question, or has another key by now, answers in vain.
    install.ok(&["member", "resume", LIST, NOA]);
    let (_, token) = asked.question();
    let answer = asked.mail(&asked.noa, &asked.list, &text(&format!("VOUCHSAFE {token}\r\n")));
    install.ok(&["member", "suspend", LIST, NOA]);
    asked.is_nothing("suspended", REQUEST, &answer);
    install.ok(&["member", "resume", LIST, NOA]);
    let other = install.file("noa-new.asc", &armored(&person(NOA)));
    install.ok(&["member", "set-cert", LIST, NOA, "--cert", other.to_str().unwrap(), "--yes"]);
    let again = asked.mail(&asked.noa, &asked.list, &text(&format!("VOUCHSAFE {token}\r\n")));
    asked.is_nothing("with the key of before", REQUEST, &again);
}
