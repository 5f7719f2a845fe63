//! sq, the program of Sequoia as Debian has it: it makes keys, writes, reads and verifies.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::bench::{mail_id, outcomes, signed_part, verdict};
use crate::outside::copy::{Copy, armored_part};
use crate::outside::gpg::Person;
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::{crlf, entity, pgp_mime};
use crate::outside::scene::Scene;
use crate::outside::skip;

/// Somebody with sq and a key that it made.
struct SqPerson {
    address: String,
    dir: TempDir,
}

impl SqPerson {
    fn new(address: &str, suite: &str) -> Self {
        let person = Self { address: address.to_owned(), dir: tempfile::tempdir().unwrap() };
        let (key, cert) = (person.path("key.pgp"), person.path("cert.asc"));
        let user = format!("Somebody <{address}>");
        let (key, cert) = (key.to_str().unwrap(), cert.to_str().unwrap());
        person.ok(&["key", "generate", "--userid", &user, "--cipher-suite", suite, "--export", key]);
        person.ok(&["key", "extract-cert", "--output", cert, key]);
        person
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.named(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn cert(&self) -> Vec<u8> {
        std::fs::read(self.path("cert.asc")).unwrap()
    }

    fn ok(&self, args: &[&str]) -> Output {
        let output = Command::new("sq").args(args).output().unwrap();
        assert!(output.status.success(), "sq {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Signs and encrypts, or encrypts what was signed before.
    fn encrypt(&self, list: &str, sign: bool, compression: &str, content: &[u8]) -> Vec<u8> {
        let (key, text) = (self.named("key.pgp"), self.file("text", content));
        let mut args = vec!["encrypt", "--recipient-cert", list, "--compression", compression];
        if sign {
            args.extend(["--signer-key", &key]);
        }
        args.push(&text);
        self.ok(&args).stdout
    }

    /// Opens a copy and sees that the list signed it.
    fn open(&self, copy: &[u8], list: &str) -> Copy {
        let (key, message) = (self.named("key.pgp"), self.file("copy.asc", &armored_part(copy)));
        let args = ["decrypt", "--signatures", "1", "--recipient-key", &key, "--signer-cert", list, &message];
        let output = self.ok(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("1 good signature"), "{said}");
        Copy::new(output.stdout)
    }

    /// Sees that the author's signature beside the payload is good.
    fn verifies(&self, author: &Path, copy: &Copy) {
        let (payload, signature) = signed_part(copy);
        let (payload, signature) = (self.file("payload", &payload), self.file("signature.asc", &signature));
        let author = author.to_str().unwrap();
        let output = self.ok(&["verify", "--signer-cert", author, "--detached", &signature, &payload]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("1 good signature"), "{said}");
    }
}

/// RFC 3156 §6.1: signed first, by a signature of its own.
fn signed_first(by: &SqPerson, part: &[u8]) -> Vec<u8> {
    let (key, text) = (by.named("key.pgp"), by.file("part", part));
    let signature = by.ok(&["sign", "--detached", "--signer-key", &key, &text]).stdout;
    let head = "Content-Type: multipart/signed; boundary=\"sig\"; micalg=pgp-sha512;\r\n \
                protocol=\"application/pgp-signature\"\r\n\r\n--sig\r\n";
    let middle = "\r\n--sig\r\nContent-Type: application/pgp-signature\r\n\r\n";
    [head.as_bytes(), part, middle.as_bytes(), &crlf(&signature), b"\r\n--sig--\r\n"].concat()
}

#[test]
fn sq_writes_and_reads_with_keys_of_its_own() {
    if Command::new("sq").arg("--help").output().is_err() {
        return skip("sq");
    }
    let Some(scene) = Scene::set() else { return };
    let people = std::thread::scope(|scope| {
        [("curve@sq.example", "cv25519"), ("rsa@sq.example", "rsa4k")]
            .map(|(address, suite)| scope.spawn(move || SqPerson::new(address, suite)))
            .map(|thread| thread.join().unwrap())
    });
    people.iter().for_each(|person| scene.install.team(&person.address, &person.cert()));
    let list =
        scene.install.file("list.asc", scene.install.ok(&["key", "export", "distrib-announce"]).as_bytes());
    let list = list.to_str().unwrap();

    let mut sent = Vec::new();
    for (person, compression, combined) in [
        (&people[0], "pad", true),
        (&people[0], "zip", true),
        (&people[0], "none", false),
        (&people[1], "bzip2", true),
        (&people[1], "zlib", false),
        (&people[1], "none", true),
    ] {
        let subject = format!("{} {compression} {combined}", person.address);
        let written = entity(&person.address, &subject, "Written with sq.");
        let written = if combined { written } else { signed_first(person, &written) };
        let raw = pgp_mime(&person.address, ANNOUNCE, &person.encrypt(list, combined, compression, &written));
        sent.push((person, combined, mail_id(&scene.send(&person.address, ANNOUNCE, &raw)), written));
    }
    let ids: Vec<_> = sent.iter().map(|(.., id, _)| id.clone()).collect();
    let became = outcomes(&scene, &ids);
    scene.sink.wait_for_all(6 * sent.len());
    // The larger key in gpg as well, which would take long to make it.
    let in_gpg = Person::owning(&people[1].address, &[std::fs::read(people[1].path("key.pgp")).unwrap()]);
    in_gpg.import(&std::fs::read(list).unwrap());
    for reader in &people {
        let copies = scene.sink.taken_for(&reader.address);
        let opened: Vec<_> = copies.iter().map(|copy| reader.open(&copy.data, list)).collect();
        for (author, combined, id, written) in &sent {
            assert_eq!(verdict(&became[id]), "good", "{}", author.address);
            let copy = opened.iter().find(|copy| copy.holds(written)).expect("the post, byte for byte");
            if *combined {
                reader.verifies(&author.path("cert.asc"), copy);
            }
        }
    }
    for copy in scene.sink.taken_for(&in_gpg.address) {
        in_gpg.open(&copy.data, &scene.announce);
    }
}
