//! GnuPG as reader and as writer: what most people have.

use vouchsafe::mime::read::payload_headers;
use vouchsafe::mime::scan::{Limits, scan};

use crate::support::forge::{multipart_encrypted, multipart_signed};
use crate::support::keys::Gpg;
use crate::support::reader::{on_the_wire, outside};
use crate::support::world::{NOW, Sent, member_id, posted, readers};
use crate::{ENTITY, copy_of, setting};

/// A home with the secret keys of these people and the certificates of both lists.
fn gpg(people: &[&str]) -> Option<Gpg> {
    let gpg = Gpg::at(NOW)?;
    for person in people {
        gpg.import(&setting().person(person).secret_armor());
    }
    for list in ["security", "distrib"] {
        gpg.import(setting().list_cert(list).armored().as_bytes());
    }
    Some(gpg)
}

#[test]
fn gpg_opens_and_verifies_the_copies_of_version_4_readers() {
    let people = ["ada", "bob", "dora", "rolf"];
    let Some(gpg) = gpg(&people) else { return };
    let setting = setting();
    let raw = setting.write("distrib", ENTITY, &[setting.by("ada")]);
    for individual in [false, true] {
        let list = vouchsafe::relay::world::List { individual, ..setting.lists["distrib"].0.clone() };
        let post = posted(setting.relay_as(&Sent::to("distrib", &raw), &list, &setting.roster));
        for (index, reader) in readers(&post).iter().enumerate() {
            let (_, armor) = outside(&on_the_wire(&post, index));
            let (plain, status) = match gpg.decrypt(&armor) {
                Ok(opened) => opened,
                Err(why) => {
                    assert_eq!(reader, "vera", "gpg cannot open the copy of {reader}: {why}");
                    continue;
                }
            };
            assert_eq!(plain, copy_of(&post, reader, "distrib").entity, "{reader}");
            let count =
                |word: &str| status.lines().filter(|l| l.starts_with(&format!("[GNUPG:] {word}"))).count();
            assert_eq!(
                (count("ENC_TO"), count("GOODMDC"), count("GOODSIG")),
                (1, 1, 1),
                "{reader}: {status}"
            );
            let signer = setting.list_cert("distrib").fingerprint();
            assert!(status.contains(&format!("VALIDSIG {signer}")), "{reader}: {status}");
        }
    }
}

#[test]
fn gpg_finds_the_end_of_armor_of_any_length() {
    let Some(gpg) = gpg(&["dora", "rolf"]) else { return };
    let setting = setting();
    // gpg 2.2 reads on behind base64 that ends without padding: no copy of any length may do so.
    for more in 0..6 {
        let entity = [ENTITY, &b"x".repeat(more)].concat();
        let raw = setting.write("distrib", &entity, &[setting.by("ada")]);
        let post = setting.post(&Sent::to("distrib", &raw));
        for reader in ["dora", "rolf"] {
            let index = readers(&post).iter().position(|r| r == reader).unwrap();
            let (_, armor) = outside(&on_the_wire(&post, index));
            let (_, status) =
                gpg.decrypt(&armor).unwrap_or_else(|why| panic!("{more} more for {reader}: {why}"));
            assert!(!status.contains("NODATA"), "{more} more for {reader}: {status}");
        }
    }
}

#[test]
fn only_the_reader_s_own_key_opens_a_copy_in_gpg() {
    let Some(gpg) = gpg(&["dora"]) else { return };
    let setting = setting();
    let raw = setting.write("distrib", ENTITY, &[setting.by("ada")]);
    let post = setting.post(&Sent::to("distrib", &raw));
    for (index, reader) in readers(&post).iter().enumerate() {
        let (_, armor) = outside(&on_the_wire(&post, index));
        let opened = gpg.decrypt(&armor);
        assert_eq!(opened.is_ok(), reader == "dora", "{reader}: {opened:?}");
    }
}

#[test]
fn what_gpg_writes_is_relayed() {
    let Some(gpg) = gpg(&["ada", "bob", "mallory"]) else { return };
    let setting = setting();
    for (who, list, verdict) in [
        ("ada", "distrib", "good"),
        ("bob", "security", "good-foreign-from"),
        ("mallory", "security", "unknown-key"),
    ] {
        let (from, to) = (setting.person(who).address.as_str(), format!("{list}@lists.example"));
        let common = ["-u", from, "-r", &to, "--armor", "--sign", "--encrypt"];
        for options in [&[][..], &["--throw-keyids"], &["--compress-algo", "zlib"]] {
            let armor = gpg.ok(&[options, &common].concat(), ENTITY);
            let raw = [b"MIME-Version: 1.0\r\n".as_slice(), &multipart_encrypted(&armor)].concat();
            let post = setting.post(&Sent::to(list, &raw));
            let signer = verdict.starts_with("good").then(|| member_id(who));
            assert_eq!((post.verdict.as_str(), &post.signer), (verdict, &signer), "{options:?}");
            assert_eq!(copy_of(&post, "bob", list).payload, ENTITY);
        }
        // RFC 3156 §6.1, as Thunderbird and Mutt can do it.
        let signature = gpg.ok(&["-u", from, "--armor", "--detach-sign"], ENTITY);
        let entity = multipart_signed(ENTITY, &signature);
        let armor = gpg.ok(&["-r", &to, "--armor", "--encrypt"], &entity);
        let post = setting.post(&Sent::to(list, &multipart_encrypted(&armor)));
        assert_eq!(post.verdict, verdict);
        let read = copy_of(&post, "ada", list);
        assert_eq!(read.payload, entity);
        let subject = payload_headers(scan(&entity, &Limits::default()).unwrap()).unwrap().subject.unwrap();
        assert!(read.subject().ends_with(std::str::from_utf8(subject.expose()).unwrap()));
    }
}

/// What gpg says of a detached signature, as status lines.
fn verified(gpg: &Gpg, signature: &[u8], content: &[u8]) -> String {
    let (sig, file) = (gpg.home().join("s.asc"), gpg.home().join("s"));
    std::fs::write(&sig, signature).unwrap();
    std::fs::write(&file, content).unwrap();
    let paths = [sig.to_str().unwrap(), file.to_str().unwrap()];
    String::from_utf8_lossy(&gpg.ok(&["--status-fd", "1", "--verify", paths[0], paths[1]], b"")).into_owned()
}

#[test]
fn readers_can_verify_the_author_s_own_signature() {
    let Some(gpg) = gpg(&["ada", "mallory"]) else { return };
    let setting = setting();
    for (who, list, reader) in [("ada", "distrib", "dora"), ("mallory", "security", "bob")] {
        let (from, to) = (setting.person(who).address.as_str(), format!("{list}@lists.example"));
        let signer = setting.fingerprint(who);
        let common = ["-u", from, "-r", &to, "--armor", "--sign", "--encrypt"];
        for options in [&[][..], &["--textmode"], &["--compress-algo", "zlib"], &["--digest-algo", "SHA256"]]
        {
            let armor = gpg.ok(&[options, &common].concat(), ENTITY);
            let read = copy_of(&setting.post(&Sent::to(list, &multipart_encrypted(&armor))), reader, list);
            assert_eq!(read.payload, ENTITY, "byte for byte");
            let (signature, micalg) = read.signature.unwrap_or_else(|| panic!("{options:?}: no signature"));
            let says = verified(&gpg, &signature, &read.payload);
            assert!(
                says.lines().any(|l| l.contains("VALIDSIG") && l.ends_with(&signer.to_string())),
                "{options:?}: {says}"
            );
            let expected = if options.contains(&"SHA256") { "pgp-sha256" } else { "pgp-sha512" };
            assert_eq!(micalg, expected, "{options:?}");
        }
    }
    // gpg 2.2 must find the end of the signature's armor, wherever in a line it is.
    for more in 0..4 {
        let entity = [ENTITY, &b"x".repeat(more), b"\r\n"].concat();
        let post =
            setting.post(&Sent::to("distrib", &setting.write("distrib", &entity, &[setting.by("ada")])));
        let read = copy_of(&post, "dora", "distrib");
        let says = verified(&gpg, &read.signature.unwrap().0, &entity);
        assert!(says.contains("GOODSIG"), "{more}: {says}");
    }
}
