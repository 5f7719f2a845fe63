//! The roster on its way out and in, and the journal's heads, with real gpg, sha256sum and the command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outside::daemon::Daemon;
use crate::outside::gpg::Person;
use crate::outside::install::Install;
use crate::outside::scene::Scene;

/// What the program says, and its exit code.
fn says(install: &Install, args: &[&str]) -> (i32, String) {
    let ran = install.run(args);
    (ran.code, format!("{}{}", ran.out, ran.err))
}

/// An installation with nobody on its roster, at work.
fn empty() -> (Daemon, Install) {
    let install = Install::new("127.0.0.1:1");
    install.hand_over();
    (Daemon::start(&install), install)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn runs(program: &str, args: &[&str], at: &Path) -> bool {
    Command::new(program).args(args).current_dir(at).output().unwrap().status.success()
}

/// All files of a directory but the signatures, by path.
fn content(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["", "certificates", "lists", "organisations"] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap().map(Result::unwrap) {
            let name = PathBuf::from(folder).join(entry.file_name());
            // The signatures are of other keys, and of another time.
            let is_signature = name.to_string_lossy().starts_with("MANIFEST.");
            if entry.path().is_file() && !is_signature {
                found.push((name, std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn an_exported_roster_is_verified_with_plain_tools_and_makes_the_same_roster_elsewhere() {
    let Some(scene) = Scene::set() else { return };
    let people = &scene.people;
    let dir = tempfile::tempdir().unwrap();
    let roster = dir.path().join("roster");
    scene.install.ok(&[
        "member",
        "suspend",
        "distrib-announce",
        &people.emil.address,
        "--reason",
        "on leave",
    ]);
    let rita = scene.install.file("rita.asc", &people.rita.cert());
    let tsc = "the technical/steering committee";
    scene.install.ok(&["team", "body", "add", tsc, &people.rita.address, "--cert", text(&rita)]);
    scene.install.ok(&["roster", "export", text(&roster)]);
    // Whoever has the list's certificate needs nothing of ours.
    assert!(runs("sha256sum", &["--check", "--strict", "--quiet", "MANIFEST"], &roster));
    for list in ["security", "distrib-announce"] {
        let signature = roster.join(format!("MANIFEST.{list}.asc"));
        people.ada.ok(&["--verify", text(&signature), text(&roster.join("MANIFEST"))], b"");
    }
    let announce = std::fs::read_to_string(roster.join("lists/distrib-announce.toml")).unwrap();
    assert!(
        announce.contains(&people.dora.address) && announce.contains("standing = \"suspended\""),
        "{announce}"
    );
    // Git sees no change where there is none.
    let before = std::fs::read(roster.join("MANIFEST.security.asc")).unwrap();
    let again = scene.install.ok(&["roster", "export", text(&roster)]);
    assert!(again.contains("0 files written, 0 removed"), "{again}");
    assert_eq!(std::fs::read(roster.join("MANIFEST.security.asc")).unwrap(), before);

    let (_daemon, other) = empty();
    let key = dir.path().join("security.asc");
    std::fs::write(&key, scene.install.ok(&["key", "export", "security"])).unwrap();
    let (code, said) = says(&other, &["roster", "import", text(&roster), "--yes"]);
    assert_eq!(code, 65, "another relay's signature does not count by itself: {said}");
    let import = |more: &[&str]| {
        says(&other, &[&["roster", "import", text(&roster), "--signed-by", text(&key)], more].concat())
    };
    let (code, said) = import(&["--dry-run"]);
    assert_eq!(code, 0, "{said}");
    for person in [&people.ada, &people.bob, &people.dora, &people.emil, &people.rita] {
        assert!(said.contains(&person.address) && said.contains(&person.fingerprint), "{said}");
    }
    assert!(said.contains("is suspended"), "who cannot receive mail today: {said}");
    assert_eq!(other.json(&["team", "ls"]).as_array().unwrap().len(), 0, "a dry run changes nothing");
    let (code, said) = import(&[]);
    assert_eq!(code, 64, "it asks first: {said}");
    let (code, said) = import(&["--yes"]);
    assert_eq!(code, 0, "{said}");
    let body = |install: &Install| install.json(&["team", "body", "ls"]);
    assert_eq!(body(&other), body(&scene.install), "who is of a body comes along");
    let copy = dir.path().join("copy");
    other.ok(&["roster", "export", text(&copy)]);
    assert_eq!(content(&roster), content(&copy));
    let (code, said) = import(&["--yes"]);
    assert!(code == 0 && said.contains("nothing differs"), "{said}");
    // Nobody but the body had the certificate: it goes, and comes again.
    other.ok(&["team", "body", "remove", tsc, &people.rita.address, "--yes"]);
    let (code, said) = import(&["--yes"]);
    assert!(code == 0 && said.contains(&format!("{} of body {tsc}", people.rita.address)), "{said}");
    assert_eq!(body(&other), body(&scene.install));
    let imported = other.events("roster-imported");
    assert_eq!(imported.len(), 2, "{imported:?}");
    let reason = imported[0]["event"]["reason"].as_str().unwrap();
    assert!(reason.contains(&scene.security) || reason.contains(&scene.announce), "{reason}");
}

#[test]
fn an_import_shows_what_differs_and_does_nothing_that_no_signature_covers() {
    let Some(scene) = Scene::set() else { return };
    let people = &scene.people;
    let dir = tempfile::tempdir().unwrap();
    let roster = dir.path().join("roster");
    scene.install.ok(&["roster", "export", text(&roster)]);
    scene.install.ok(&["member", "suspend", "distrib-announce", &people.emil.address]);
    let eve = Person::new("eve@late.example");
    scene.install.distributor(&eve.address, &eve.cert());
    let (code, said) = says(&scene.install, &["roster", "import", "--dry-run", text(&roster)]);
    assert_eq!(code, 0, "{said}");
    let line =
        |who: &str, change: &str| said.lines().any(|line| line.starts_with(change) && line.contains(who));
    assert!(
        line(&people.emil.address, "change") && said.contains("standing: active, before: suspended"),
        "{said}"
    );
    assert!(line(&eve.address, "remove"), "{said}");
    assert!(!said.contains(&people.dora.address), "only what differs: {said}");
    let rows = scene.install.json(&["roster", "import", "--dry-run", text(&roster)]);
    assert_eq!(
        rows["items"].as_array().unwrap().iter().filter(|item| item["list"].is_string()).count(),
        2,
        "{rows}"
    );

    // One changed byte anywhere, one file more, one file less: no signature covers it.
    let announce = roster.join("lists/distrib-announce.toml");
    let whole = std::fs::read_to_string(&announce).unwrap();
    let refuses = |what: &str| {
        let (code, said) = says(&scene.install, &["roster", "import", "--yes", text(&roster)]);
        assert_eq!(code, 65, "{what}: {said}");
        assert!(said.contains("nothing was imported"), "{what}: {said}");
        assert_eq!(scene.install.events("roster-imported").len(), 0, "{what}");
    };
    std::fs::write(&announce, whole.replace("active", "suspended")).unwrap();
    refuses("a changed file");
    std::fs::write(&announce, &whole).unwrap();
    let extra = roster.join("organisations/evil.toml");
    std::fs::write(&extra, "").unwrap();
    refuses("a file more");
    std::fs::remove_file(extra).unwrap();
    std::fs::rename(roster.join("lists/security.toml"), dir.path().join("away")).unwrap();
    refuses("a file less");
    std::fs::rename(dir.path().join("away"), roster.join("lists/security.toml")).unwrap();
    let manifest = std::fs::read_to_string(roster.join("MANIFEST")).unwrap();
    std::fs::write(roster.join("MANIFEST"), format!("{manifest}\n")).unwrap();
    refuses("a changed manifest");
    std::fs::write(roster.join("MANIFEST"), &manifest).unwrap();

    // Whoever suspended him here decided after that export.
    let (code, said) = says(&scene.install, &["roster", "import", "--yes", text(&roster)]);
    assert!(code == 65 && said.contains("is suspended here (admin)"), "{said}");
    let (code, said) = says(&scene.install, &["roster", "import", "--yes", "--bring-back", text(&roster)]);
    assert_eq!(code, 0, "{said}");
    let member = scene.install.json(&["member", "show", "distrib-announce", &people.emil.address]);
    assert_eq!(member["standing"], "active");
    assert_ne!(
        says(&scene.install, &["member", "show", "distrib-announce", &eve.address]).0,
        0,
        "she has left"
    );
}

#[test]
fn an_old_export_does_not_bring_back_whom_a_decision_here_sent_away() {
    let Some(scene) = Scene::set() else { return };
    let (install, dora) = (&scene.install, &scene.people.dora.address);
    let dir = tempfile::tempdir().unwrap();
    let roster = dir.path().join("roster");
    install.ok(&["roster", "export", text(&roster)]);
    install.ok(&["member", "remove", "distrib-announce", dora, "--reason", "leaked", "--yes"]);
    let (code, said) = says(install, &["roster", "import", "--yes", text(&roster)]);
    assert!(code == 65 && said.contains("was removed here"), "{said}");
    assert!(said.contains("it is older than the roster here"), "{said}");
    let (code, said) = says(install, &["roster", "import", "--yes", "--skip", text(&roster)]);
    assert_eq!(code, 0, "{said}");
    assert_ne!(says(install, &["member", "show", "distrib-announce", dora]).0, 0, "{said}");
    let (code, said) = says(install, &["roster", "import", "--yes", "--bring-back", text(&roster)]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(install.json(&["member", "show", "distrib-announce", dora])["standing"], "active");
}
/// Schleuder's database with one list, and below `lists` its GnuPG home as gpg made it.
struct Schleuder {
    dir: tempfile::TempDir,
}

impl Drop for Schleuder {
    fn drop(&mut self) {
        let home = self.dir.path().join("lists/old.example/all");
        let _ = Command::new("gpgconf").env("GNUPGHOME", home).args(["--kill", "all"]).output();
    }
}

impl Schleuder {
    fn with(people: &[(&Person, bool, bool)], rows: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("lists/old.example/all");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let database = rusqlite::Connection::open(dir.path().join("db.sqlite")).unwrap();
        database.execute_batch(include_str!("../../src/cli/roster/schleuder/schema.sql")).unwrap();
        database
            .execute("INSERT INTO lists (id, email, fingerprint) VALUES (1, 'all@old.example', '')", [])
            .unwrap();
        for (person, admin, delivery) in people {
            let cert = person.file("public.asc", &person.cert());
            let mut gpg = Command::new("gpg");
            gpg.env("GNUPGHOME", &home).args(["--batch", "--import"]).arg(cert);
            assert!(gpg.output().unwrap().status.success());
            database
                .execute(
                    "INSERT INTO subscriptions (list_id, email, fingerprint, admin, delivery_enabled) VALUES (1, ?1, ?2, ?3, ?4)",
                    (&person.address, &person.fingerprint, admin, delivery),
                )
                .unwrap();
        }
        database.execute_batch(rows).unwrap();
        Self { dir }
    }

    fn database(&self) -> String {
        text(&self.dir.path().join("db.sqlite")).to_owned()
    }
}

/// Somebody whose certificate has expired, and somebody who has no key for encryption.
fn unusable() -> (Person, Person) {
    let expired = Person::unnamed("gone@expired.example");
    expired.ok(
        &[
            "--faked-system-time",
            "20200101T000000!",
            "--passphrase",
            "",
            "--quick-gen-key",
            "gone@expired.example",
            "ed25519",
            "cert,sign",
            "1y",
        ],
        b"",
    );
    let expired = expired.named();
    let signing = Person::unnamed("sign@only.example");
    signing.ok(
        &["--passphrase", "", "--quick-gen-key", "sign@only.example", "ed25519", "cert,sign", "never"],
        b"",
    );
    let signing = signing.named();
    (expired, signing)
}

#[test]
fn a_list_of_schleuder_is_taken_over_with_a_report_of_who_cannot_receive_mail() {
    let Some(scene) = Scene::set() else { return };
    let people = &scene.people;
    let (_daemon, other) = empty();
    let (expired, signing) = unusable();
    let there = Schleuder::with(
        &[
            (&people.ada, true, true),
            (&people.dora, false, true),
            (&people.emil, false, false),
            (&expired, false, true),
            (&signing, false, true),
        ],
        "INSERT INTO subscriptions (list_id, email, fingerprint) VALUES (1, 'nokey@none.example', ''),
            (1, 'lost@none.example', '59C71FB38AEE22E091C78259D06350440F759BD3');",
    );
    let database = there.database();
    let import = |more: &[&str]| {
        let what = ["roster", "import", "--from", "schleuder", "--list", "distrib-announce", &database];
        says(&other, &[&what, more].concat())
    };
    let (code, said) = import(&["--dry-run", "--org", "distro.example=distro"]);
    assert_eq!(code, 0, "{said}");
    let line = |words: &[&str]| {
        assert!(
            said.lines().any(|line| words.iter().all(|word| line.contains(word))),
            "{words:?} in\n{said}"
        );
    };
    line(&["add", "security", &people.ada.address, &people.ada.fingerprint]);
    line(&["add", "distrib-announce", &people.dora.address, "for distro", &people.dora.fingerprint]);
    line(&["add", "organisation vendor-example"]);
    line(&["distrib-announce", &people.emil.address, "delivery is off"]);
    line(&["gone@expired.example", "expired since"]);
    line(&["sign@only.example", "without a key for encryption"]);
    line(&["none", "nokey@none.example", "no certificate is set for that address"]);
    line(&["none", "lost@none.example", "is not among those that were given"]);

    let (code, said) = import(&["--yes"]);
    assert!(code == 65 && said.contains("--skip"), "{said}");
    assert_eq!(other.json(&["member", "ls"]).as_array().unwrap().len(), 0, "as a whole or not at all");
    let (code, said) = import(&["--yes", "--skip"]);
    assert_eq!(code, 0, "{said}");
    let shown = |address: &str| other.json(&["member", "show", "distrib-announce", address]);
    assert_eq!(shown(&people.dora.address)["can_receive"], true);
    assert_eq!(shown(&people.emil.address)["standing"], "active");
    let list = other.json(&["list", "show", "distrib-announce"]);
    assert_eq!(list["readers"], 4, "Ada and all but Emil, whose delivery is off: {list}");
    let team = other.json(&["team", "ls"]);
    assert_eq!(team[0]["fingerprint"], people.ada.fingerprint.as_str());
    let (code, said) = import(&["--yes", "--skip"]);
    assert!(code == 0 && said.contains("changes made: 0"), "once more changes nothing: {said}");
}

#[test]
fn a_table_and_a_keyring_are_taken_over() {
    let Some(scene) = Scene::set() else { return };
    let people = &scene.people;
    let (_daemon, other) = empty();
    let dir = tempfile::tempdir().unwrap();
    let ring = dir.path().join("keys.gpg");
    // One binary keyring, as `gpg --export` writes it.
    let all = [&people.dora, &people.emil, &people.ada].map(|p| p.ok(&["--export", &p.fingerprint], b""));
    std::fs::write(&ring, all.concat()).unwrap();
    let table = dir.path().join("people.csv");
    std::fs::write(
        &table,
        format!(
            "email,organisation,team,fingerprint,phone\n{},Distro Linux,,,1\n{},Vendor,,{},2\n{},,yes,,3\nnobody@x.example,X,,,4\n",
            people.dora.address, people.emil.address, people.emil.fingerprint, people.ada.address
        ),
    )
    .unwrap();
    let import = |more: &[&str]| {
        let what = ["roster", "import", "--from", "csv", "--list", "distrib-announce", text(&table)];
        says(&other, &[&what, more].concat())
    };
    assert_eq!(import(&["--dry-run"]).0, 64, "a table has no certificates");
    let (code, said) = import(&["--certificates", text(&ring), "--yes", "--skip"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("these columns mean nothing here: phone"), "{said}");
    assert!(said.contains("no certificate has that address"), "{said}");
    let dora = other.json(&["member", "show", "distrib-announce", &people.dora.address]);
    assert_eq!(dora["fingerprint"], people.dora.fingerprint.as_str());
    assert_eq!(dora["org"], "distro-linux");
    assert_eq!(other.json(&["team", "ls"])[0]["address"], people.ada.address.as_str());
}
