//! Each copy: opened by its reader alone, signed by the list, naming nobody else.

use sequoia_openpgp as openpgp;

use openpgp::KeyHandle;
use vouchsafe::pgp::cert::Format;
use vouchsafe::relay::world::List;

use crate::support::forge::By;
use crate::support::keys::DAY;
use crate::support::reader::{find, on_the_wire, packets, read_copy};
use crate::support::world::{NOW, Posted, Sent, posted, readers};
use crate::{ENTITY, copy_of, setting};

fn announcement() -> Posted {
    let setting = setting();
    setting.post(&Sent::to("distrib", &setting.write("distrib", ENTITY, &[setting.by("ada")])))
}

fn individual() -> Posted {
    let setting = setting();
    let list = List { individual: true, ..setting.lists["distrib"].0.clone() };
    let raw = setting.write("distrib", ENTITY, &[setting.by("ada")]);
    posted(setting.relay_as(&Sent::to("distrib", &raw), &list, &setting.roster))
}

/// Every way to name a key of this person: fingerprints and key ids of the certificate and its subkeys.
fn names(person: &str) -> Vec<Vec<u8>> {
    let keys = setting().person(person).key.keys();
    keys.flat_map(|key| {
        let fingerprint = key.key().fingerprint();
        [fingerprint.as_bytes().to_vec(), openpgp::KeyID::from(&fingerprint).as_bytes().to_vec()]
    })
    .collect()
}

#[test]
fn a_copy_opens_with_its_reader_s_key_and_with_no_other() {
    for post in [announcement(), individual()] {
        let all = readers(&post);
        for (index, owner) in all.iter().enumerate() {
            let wire = on_the_wire(&post, index);
            for other in setting().people.keys() {
                let read =
                    read_copy(&wire, &setting().person(other).key, setting().list_cert("distrib"), NOW);
                assert_eq!(read.is_some(), owner == other, "the copy of {owner} and the key of {other}");
            }
        }
    }
}

#[test]
fn a_copy_names_one_key_its_reader_s_own() {
    for post in [announcement(), individual()] {
        for reader in readers(&post) {
            let read = copy_of(&post, &reader, "distrib");
            let [(version, Some(handle))] = read.pkesks.as_slice() else { panic!("{:?}", read.pkesks) };
            let owner = &setting().person(&reader).key;
            assert!(owner.keys().subkeys().any(|key| key.key().key_handle().aliases(handle)), "{reader}");
            // RFC 9580 §5.1: version 6 keys take version 6 packets, and gpg reads only version 3.
            let expected = if reader == "vera" { (6, 2) } else { (3, 1) };
            assert_eq!((*version, read.seipd), expected, "{reader}");
            assert!(matches!(
                (handle, reader.as_str()),
                (KeyHandle::Fingerprint(_), "vera") | (KeyHandle::KeyID(_), _)
            ));
        }
    }
}

#[test]
fn nobody_sees_who_else_reads() {
    for post in [announcement(), individual()] {
        let all = readers(&post);
        for (index, reader) in all.iter().enumerate() {
            let wire = on_the_wire(&post, index);
            let read = copy_of(&post, reader, "distrib");
            for other in all.iter().map(String::as_str).chain(["xena", "sue"]).filter(|other| other != reader)
            {
                for name in names(other) {
                    assert!(find(&packets(&wire), &name).is_none(), "{other}'s key in the copy of {reader}");
                    let hex = data_encoding::HEXUPPER.encode(&name);
                    // The poster's own key stands in the note.
                    let told = other == "ada" && read.note.contains(&hex);
                    assert!(told || find(&read.entity, hex.as_bytes()).is_none(), "{other} in {reader}");
                }
                let address = &setting().person(other).address;
                // The poster's own From stands in what was sent.
                let told = other == "ada" && find(&read.payload, address.as_bytes()).is_some();
                assert!(find(&wire, address.as_bytes()).is_none());
                assert!(told || find(&read.entity, address.as_bytes()).is_none(), "{other} in {reader}");
            }
        }
    }
}

#[test]
fn readers_of_one_class_share_a_body_and_no_intended_recipient_names_them() {
    let post = announcement();
    assert_eq!(post.bodies.len(), 2, "one for each format");
    let class = |reader: &str| {
        let index = readers(&post).iter().position(|r| r == reader).unwrap();
        post.copies[index].body
    };
    assert!(["rolf", "ada", "bob"].iter().all(|r| class(r) == class("dora")));
    assert_ne!(class("vera"), class("dora"));
    for reader in readers(&post) {
        assert!(copy_of(&post, &reader, "distrib").intended.is_empty());
    }
}

#[test]
fn on_an_individual_list_each_reader_has_a_body_of_his_own_that_names_him_alone() {
    let post = individual();
    assert_eq!(post.bodies.len(), post.copies.len());
    let mut bodies: Vec<_> = post.copies.iter().map(|copy| copy.body).collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), post.copies.len());
    for reader in readers(&post) {
        let read = copy_of(&post, &reader, "distrib");
        assert_eq!(read.intended, [setting().person(&reader).key.fingerprint()], "{reader}");
        assert_eq!(read.payload, ENTITY);
    }
    let lengths: Vec<_> = post.bodies.iter().map(|body| body.len()).collect();
    assert!(lengths.iter().all(|len| *len > ENTITY.len()));
    assert_eq!(post.missed.len(), 1, "xena is named here, too");
}

#[test]
fn a_contact_may_ask_for_the_other_format() {
    let setting = setting();
    let distrib = "distrib".parse().unwrap();
    let mut all = vouchsafe::roster::Roster::default();
    for (name, org) in setting.roster.orgs() {
        all = all.add_org(name, org.title.clone(), NOW).unwrap().0;
    }
    for (list, member) in setting.roster.everyone() {
        let mut member = member.clone();
        // Dora chose; Vera's choice cannot be had.
        match member.id.as_str() {
            "m-dora" => member.format = Some(Format::V2),
            "m-vera" => member.format = Some(Format::V1),
            _ => {}
        }
        all = all.add_member(list, member).unwrap().0;
    }
    assert_eq!(all.members(&distrib).len(), setting.roster.members(&distrib).len());
    let raw = setting.write("distrib", ENTITY, &[setting.by("ada")]);
    let post = posted(setting.relay_as(&Sent::to("distrib", &raw), &setting.lists["distrib"].0, &all));
    for (reader, seipd) in [("dora", 2), ("vera", 2), ("rolf", 1), ("ada", 1)] {
        assert_eq!(copy_of(&post, reader, "distrib").seipd, seipd, "{reader}");
    }
}

#[test]
fn a_payload_travels_byte_for_byte_whatever_is_in_it() {
    let setting = setting();
    let every: Vec<u8> = (0..=255).collect();
    let payloads: Vec<Vec<u8>> = vec![
        b"\r\nonly a body".to_vec(),
        b"Content-Type: text/plain\n\nbare line feeds\n".to_vec(),
        b"Content-Type: text/plain\r\n\r\nno line end at the end".to_vec(),
        b"Content-Type: text/plain\r\n\r\n--=_0000\r\n--\r\n.\r\n..\r\nFrom here\r\n \r\n\r\n".to_vec(),
        [b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n", &every[..]]
            .concat(),
        [&b"Content-Type: text/plain\r\n\r\n"[..], &b"x".repeat(300_000)].concat(),
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\none\r\n--a--\r\nepilogue".to_vec(),
    ];
    for payload in payloads {
        let raw = setting.write("distrib", &payload, &[setting.by("ada")]);
        let post = setting.post(&Sent::to("distrib", &raw));
        for reader in ["dora", "vera"] {
            assert!(
                copy_of(&post, reader, "distrib").payload == payload,
                "{}",
                String::from_utf8_lossy(&payload)
            );
        }
    }
}

#[test]
fn the_author_s_signature_travels_only_where_it_can_be_verified() {
    let setting = setting();
    let (ada, bob, mallory) = (setting.by("ada"), setting.by("bob"), setting.by("mallory"));
    let one = std::slice::from_ref(&ada);
    let stale = By { at: NOW.before(30 * DAY), ..ada.clone() };
    let bare = [ENTITY, b"one line end\nof another kind\r\n"].concat();
    for (entity, by, passed_on) in [
        (ENTITY, one, true),
        (ENTITY, &[mallory], true),
        (ENTITY, &[], false),
        (ENTITY, &[ada.clone(), bob], false),
        (ENTITY, &[ada.clone(), ada.clone()], false),
        (ENTITY, &[stale], false),
        (&bare, one, false),
        // No entity: the relay writes a header in front.
        (b"\xff\xfe no header\r\n", one, false),
    ] {
        let post = setting.post(&Sent::to("security", &setting.write("security", entity, by)));
        let read = copy_of(&post, "bob", "security");
        let what = String::from_utf8_lossy(entity);
        assert_eq!(read.signature.is_some(), passed_on, "{} signed {what:?}: {}", by.len(), post.verdict);
        assert!(read.payload.ends_with(entity), "byte for byte");
    }
}
