//! What the files of a roster are, and which are none.

use super::*;
use crate::roster::exchange::Portable;
use crate::roster::membership::{Cause, MemberFile, Role};
use crate::roster::term::{Appointed, Term};
use crate::time::Timestamp;

/// With a term, a second role, and a body's approval.
fn seated(mut member: Member) -> Member {
    let (starts, ends) = (Timestamp::from_secs(1_780_000_000), Timestamp::from_secs(1_790_000_000));
    member.file.seated.term = Some(Term { starts, ends });
    member.file.seated.roles = vec!["security".to_owned()];
    let approvals = vec!["m-4".parse().unwrap(), "m-5".parse().unwrap()];
    member.file.seated.appointed = Appointed::Body { body: "tsc".to_owned(), approvals };
    member
}

fn portable() -> Portable {
    let key: Fingerprint = "59C71FB38AEE22E091C78259D06350440F759BD3".parse().unwrap();
    let member = |id: &str, address: &str, role, standing| Member {
        id: id.parse().unwrap(),
        address: address.parse().unwrap(),
        fingerprint: key,
        role,
        standing,
        since: Timestamp::from_millis(1_790_000_000_123),
        format: None,
        file: MemberFile::default(),
    };
    let contact = || Role::Contact { org: "acme".parse().unwrap() };
    let mut suspended = member("m-1", "psirt@acme.example", contact(), Standing::Suspended);
    suspended.file.cause = Some(Cause::Unanswered);
    let ada = Role::Team { name: "Ada \"the\" Lovelace".to_owned(), role: Some("chair".to_owned()) };
    let mut portable = Portable { whole: true, ..Portable::default() };
    let org = Org::new("Acme Linux".to_owned(), Timestamp::from_secs(1_790_000_000));
    portable.orgs.insert("acme".parse().unwrap(), org);
    let announce = vec![suspended, member("m-2", "alerts@acme.example", contact(), Standing::Active)];
    portable.lists.insert("announce".parse().unwrap(), announce);
    portable.lists.insert(
        "security".parse().unwrap(),
        vec![seated(member("m-3", "ada@team.example", ada, Standing::Active))],
    );
    let carol = BodyMember {
        id: "m-4".parse().unwrap(),
        address: "carol@tsc.example".parse().unwrap(),
        fingerprint: key,
        since: Timestamp::from_secs(1_790_000_000),
    };
    let dave = BodyMember {
        id: "m-5".parse().unwrap(),
        address: "Dave@tsc.example".parse().unwrap(),
        ..carol.clone()
    };
    let tsc = "technical steering committee / \"TSC\"".to_owned();
    portable.bodies = Some(BTreeMap::from([(tsc, vec![dave, carol])]));
    portable.lists.insert("empty".parse().unwrap(), Vec::new());
    portable.certs.insert(key, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n".to_owned());
    portable.sort();
    portable
}

#[test]
fn what_is_rendered_reads_back_and_is_readable() {
    let files = render(&portable()).unwrap();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "bodies.toml",
            "certificates/59C71FB38AEE22E091C78259D06350440F759BD3.asc",
            "lists/announce.toml",
            "lists/empty.toml",
            "lists/security.toml",
            "organisations/acme.toml",
            "roster.toml",
        ]
    );
    let announce = &files["lists/announce.toml"];
    assert!(announce.starts_with("format = 1\nlist = \"announce\"\n"), "{announce}");
    for line in
        ["address = \"psirt@acme.example\"", "since = \"2026-09-21T14:13:20.123Z\"", "cause = \"unanswered\""]
    {
        assert!(announce.lines().any(|there| there == line), "{line} is not in\n{announce}");
    }
    let order: Vec<usize> = ["alerts@acme", "psirt@acme"].iter().map(|a| announce.find(a).unwrap()).collect();
    assert!(order[0] < order[1], "by address: {announce}");
    let security = &files["lists/security.toml"];
    let bodies = &files["bodies.toml"];
    for (file, line) in [
        (security, "roles = [\"security\"]"),
        (security, "starts = \"2026-05-28T20:26:40Z\""),
        (security, "ends = \"2026-09-21T14:13:20Z\""),
        (security, "approvals = [\"m-4\", \"m-5\"]"),
        (bodies, "address = \"carol@tsc.example\""),
        (bodies, "since = \"2026-09-21T14:13:20Z\""),
    ] {
        assert!(file.lines().any(|there| there == line), "{line} is not in\n{file}");
    }
    let back = parse(&files).unwrap();
    assert_eq!(back, portable());
    assert_eq!(render(&back).unwrap(), files);
}

fn refused(path: &str, edit: impl Fn(&str) -> String) -> String {
    let mut files = render(&portable()).unwrap();
    let text = edit(files.get(path).map_or("", String::as_str));
    files.insert(path.to_owned(), text);
    parse(&files).unwrap_err().to_string()
}

#[test]
fn an_export_of_before_bodies_says_nothing_of_them() {
    let mut files = render(&portable()).unwrap();
    files.remove("bodies.toml");
    assert_eq!(parse(&files).unwrap(), Portable { bodies: None, ..portable() });
    let nobody = Portable { bodies: Some(BTreeMap::new()), ..portable() };
    assert_eq!(parse(&render(&nobody).unwrap()).unwrap(), nobody, "that nobody is of a body is said");
}

#[test]
fn nothing_is_lost_without_a_word() {
    let announce = "lists/announce.toml";
    let error = refused(announce, |text| text.replace("standing = ", "nickname = \"x\"\nstanding = "));
    assert!(error.contains("the key member.nickname"), "{error}");
    let error = refused(announce, |text| text.replace("format = 1", "format = 2"));
    assert!(error.contains("format 2"), "{error}");
    let error = refused(announce, |text| text.replace("\"announce\"", "\"security\""));
    assert!(error.contains("says that it is of security"), "{error}");
    let error = refused(announce, |text| text.replace("\"active\"", "\"removed\""));
    assert!(error.contains("alerts@acme.example, who is removed"), "{error}");
    let error = refused(announce, |text| text.replace("psirt@acme.example", "psirt"));
    assert!(error.starts_with("lists/announce.toml: TOML parse error at line"), "{error}");
    let error = refused("bodies.toml", |text| text.replace("since = ", "chair = true\nsince = "));
    assert!(error.contains("bodies.toml has the key body.technical") && error.contains("chair"), "{error}");
    let error = refused("organisations/acme.toml", |text| text.replace("2026-", "twenty-"));
    assert!(error.contains("organisations/acme.toml"), "{error}");
    for stranger in ["lists/x.txt", "secrets/x.toml", "README.md", "certificates/acme.toml"] {
        assert_eq!(refused(stranger, str::to_owned), format!("{stranger} is no file of a roster"));
    }
    assert!(refused("certificates/short.asc", str::to_owned).contains("short"));
}
