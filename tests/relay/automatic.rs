//! Mail that programs write: what becomes of it on each kind of list, row by row as docs/operate.md has them.

use vouchsafe::mail::directory::Purpose;
use vouchsafe::mail::tags::Tags;
use vouchsafe::relay::Outcome;

use crate::support::world::{Posted, Sent, Setting, posted};
use crate::{ENTITY, ada_reads, copy_of, setting};

/// `mail` with these fields in front.
fn with(fields: &str, mail: &[u8]) -> Vec<u8> {
    [fields.as_bytes(), mail].concat()
}

const CLEAR: &[u8] = b"From: Dora <dora@distro.example>\r\nSubject: Out of office\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\n\r\nI am away.\r\n";

/// `posted`, or why not.
fn became(setting: &Setting, sent: &Sent<'_>) -> String {
    match setting.relay(sent) {
        Ok(Outcome::Post(post)) => {
            assert!(!Posted::of(*post).copies.is_empty());
            "posted".to_owned()
        }
        Ok(Outcome::Hold { reason, .. }) => format!("held {reason}"),
        Ok(Outcome::Drop(reason)) => format!("dropped {reason}"),
        Ok(Outcome::Returned { .. } | Outcome::Request { .. }) => "returned".to_owned(),
        Err(fault) => panic!("{fault}"),
    }
}

#[test]
fn each_row_of_the_table_holds() {
    let setting = setting();
    let (posted, dropped) = ("posted".to_owned(), |name: &str| format!("dropped automatic:{name}"));
    // Fields, the sign's name, and whether an intake list lets it through.
    for (fields, name, through) in [
        ("Auto-Submitted: auto-replied\r\n", "auto-replied", false),
        ("Precedence: auto_reply\r\n", "auto-reply", false),
        ("X-Autoreply: yes\r\n", "auto-reply", false),
        ("Auto-Submitted: auto-generated\r\n", "auto-submitted", true),
        ("Precedence: bulk\r\n", "bulk", true),
        ("List-Id: <oss-security.lists.openwall.example>\r\n", "other-list", true),
        ("List-Unsubscribe: <mailto:leave@lists.another.example>\r\n", "other-list", true),
        ("X-Auto-Response-Suppress: All\r\n", "no-answer-wanted", true),
    ] {
        // A report in the clear, and one that a member signed.
        let signed = with(fields, &setting.write("security", ENTITY, &[setting.by("ada")]));
        for raw in [&with(fields, CLEAR), &signed] {
            let wanted = if through { posted.clone() } else { dropped(name) };
            assert_eq!(became(setting, &Sent::to("security", raw)), wanted, "intake: {fields}");
            let owner = Sent::to("security", raw).at(Purpose::Owner);
            assert_eq!(became(setting, &owner), wanted, "the admins: {fields}");
        }
        // An announcement by somebody who may, by somebody who may not, and by nobody.
        let by = |who: &str| with(fields, &setting.write("distrib", ENTITY, &[setting.by(who)]));
        let unsigned = with(fields, &setting.write("distrib", ENTITY, &[]));
        for (raw, reason) in [
            (&by("ada"), format!("automatic:{name}").as_str()),
            (&by("mallory"), "unknown-signer"),
            (&by("dora"), "not-a-poster"),
            (&unsigned, "unsigned"),
            (&with(fields, CLEAR), "not-encrypted"),
        ] {
            let wanted = if through { format!("held {reason}") } else { dropped(name) };
            assert_eq!(became(setting, &Sent::to("distrib", raw)), wanted, "announce: {fields}");
        }
        if through {
            let (raw, mut waived) = (by("ada"), Sent::to("distrib", CLEAR));
            waived.raw = &raw;
            waived.waived = Some(format!("automatic:{name}"));
            assert_eq!(became(setting, &waived), "posted", "an admin let it through: {fields}");
            waived.raw = &unsigned;
            waived.waived = Some("unsigned".to_owned());
            assert_eq!(became(setting, &waived), "posted", "and does it once: {fields}");
        }
    }
    let postmaster = with("Auto-Submitted: auto-replied\r\n", CLEAR);
    assert_eq!(
        became(setting, &Sent::to("security", &postmaster).at(Purpose::Postmaster)),
        dropped("auto-replied")
    );
}

/// An answer to one of our copies that a rule, a ticket system or a pipe handed on may be a person's, and an out-of-office
/// reply looks the same: none is dropped. Let through, the latter would go round; programs neither sign nor encrypt.
#[test]
fn an_answer_that_looks_automatic_is_never_dropped() {
    let setting = setting();
    let domain = "lists.example".parse().unwrap();
    let ours = Tags::new(setting.tags.as_bytes()).message_id("x@y", &domain);
    for marks in [
        "Auto-Submitted: auto-generated\r\n",
        "X-MS-Exchange-Inbox-Rules-Loop: dora@distro.example\r\n",
        "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\r\n",
    ] {
        let fields = format!("{marks}In-Reply-To: <{ours}>\r\n");
        let written = |list: &str, by: &[_]| with(&fields, &setting.write(list, ENTITY, by));
        for purpose in [Purpose::Post, Purpose::Owner] {
            let to = |raw: &[u8]| became(setting, &Sent::to("security", raw).at(purpose.clone()));
            assert_eq!(to(&written("security", &[setting.by("ada")])), "posted", "signed: {fields}");
            assert_eq!(to(&written("security", &[])), "posted", "encrypted: {fields}");
            assert_eq!(to(&with(&fields, CLEAR)), "held automatic:auto-answer", "{fields}");
        }
        let clear = with(&fields, CLEAR);
        let mut waived = Sent::to("security", &clear);
        waived.waived = Some("automatic:auto-answer".to_owned());
        assert_eq!(became(setting, &waived), "posted", "an admin let it through: {fields}");
        let announced = written("distrib", &[setting.by("ada")]);
        assert_eq!(
            became(setting, &Sent::to("distrib", &announced)),
            "held automatic:auto-answer",
            "{fields}"
        );
    }
}

#[test]
fn an_answer_that_quotes_a_signed_mail_waits_like_any_other() {
    let setting = setting();
    let copy = copy_of(&setting.post(&Sent::to("security", CLEAR)), "ada", "security");
    let id = crate::support::reader::field(&copy.outer, "Message-ID");
    let quoting = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nI am away.\r\n--m\r\n\
        Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n\
        --s\r\n\r\nx\r\n--s--\r\n--m--\r\n";
    let answer = |body: &str| {
        format!("From: Dora <dora@distro.example>\r\nSubject: Automatic reply: x\r\nAuto-Submitted: auto-generated\r\nIn-Reply-To: {id}\r\nMIME-Version: 1.0\r\n{body}")
            .into_bytes()
    };
    let plain = became(setting, &Sent::to("security", &answer("\r\nI am away.\r\n")));
    assert!(plain.starts_with("held automatic:"), "{plain}");
    assert_eq!(became(setting, &Sent::to("security", &answer(quoting))), plain);
}

#[test]
fn readers_are_told_what_made_it_look_automatic() {
    let raw = with("Auto-Submitted: auto-generated\r\n", CLEAR);
    let note = ada_reads(&Sent::to("security", &raw)).note;
    let remark = "a program seems to have written this mail (Auto-Submitted)";
    assert!(note.contains(remark), "{note}");
    assert!(!ada_reads(&Sent::to("security", CLEAR)).note.contains("a program seems"));
}

#[test]
fn what_another_relay_makes_of_a_copy_is_known_when_it_comes_back() {
    let setting = setting();
    let raw = setting.write("security", ENTITY, &[setting.by("ada")]);
    let post = posted(setting.relay(&Sent::to("security", &raw)));
    let copy = copy_of(&post, "ada", "security");
    // What its own note, header and keys make of it: only the payload is left of ours.
    let around = |top: &str, kind: &str| {
        let head = format!(
            "{top}Content-Type: multipart/mixed; boundary=\"another\"\r\n\r\n--another\r\n\r\na note\r\n"
        );
        [head.as_bytes(), b"--another\r\n", kind.as_bytes(), &copy.entity, b"\r\n--another--\r\n"].concat()
    };
    let relay = "X-Vouchsafe-List: list.another.example\r\n";
    for (payload, wanted) in [
        (around("", ""), "dropped loop"),
        (around(relay, ""), "dropped loop"),
        (around(relay, "Content-Type: message/rfc822\r\n\r\n"), "dropped loop"),
        (around("", "Content-Type: message/rfc822\r\n\r\n"), "posted"),
    ] {
        for list in ["security", "distrib"] {
            let raw = setting.write(list, &payload, &[setting.by("bob")]);
            assert_eq!(became(setting, &Sent::to(list, &raw)), wanted, "{list}");
        }
    }
}

#[test]
fn a_copy_of_one_list_goes_to_no_other() {
    let setting = setting();
    for (fields, ours) in [
        ("X-Vouchsafe-List: security.lists.example\r\n", true),
        ("X-Vouchsafe-List: distrib.lists.example\r\n", true),
        ("List-Id: Distributors <distrib.lists.example>\r\n", true),
        ("X-Vouchsafe-List: security.lists.another.example\r\n", false),
    ] {
        for list in ["security", "distrib"] {
            let raw = with(fields, &setting.write(list, ENTITY, &[setting.by("ada")]));
            let wanted = if ours { "dropped loop" } else { "posted" };
            assert_eq!(became(setting, &Sent::to(list, &raw)), wanted, "{list}: {fields}");
        }
    }
}
