//! The lists' own keys: exported to people, imported from elsewhere.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::outside::gpg::Person;
use crate::outside::install::SECURITY;
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::scene::Scene;

const ADDRESSES: [&str; 3] =
    ["security@lists.example", "security-request@lists.example", "security-reporter@lists.example"];

#[test]
fn an_exported_key_serves_gpg_under_every_address() {
    let Some(scene) = Scene::set() else { return };
    let newcomer = Person::new("noa@reporter.example");
    newcomer.import(scene.install.ok(&["key", "export", "security"]).as_bytes());
    for address in ADDRESSES {
        let listing = newcomer.ok(&["--with-colons", "--list-keys", address], b"");
        assert!(String::from_utf8_lossy(&listing).contains(&scene.security), "{address}");
    }
    // Found by the address alone, as a mail program looks for it.
    let written = entity(&newcomer.address, "By address", "gpg found the key itself.");
    let armored = newcomer.sign_encrypt(SECURITY, &written);
    scene.taken(&newcomer.address, SECURITY, &pgp_mime(&newcomer.address, SECURITY, &armored));
    let copy = scene.sink.wait_for(&scene.people.ada.address, 1).remove(0);
    assert!(scene.people.ada.open(&copy.data, &scene.security).holds(&written));
}

#[test]
fn a_key_made_by_gpg_becomes_the_list_s() {
    let Some(scene) = Scene::set() else { return };
    let maker = Person::new(SECURITY);
    for address in &ADDRESSES[1..] {
        maker.ok(&["--passphrase", "", "--quick-add-uid", &maker.fingerprint, address], b"");
    }
    // gpg protects what it exports with the passphrase that the key has.
    let change = ["--command-fd", "0", "--passwd", &maker.fingerprint];
    maker.ok(&change, b"gate of horn\n");
    let export = ["--passphrase", "gate of horn", "--armor", "--export-secret-keys", &maker.fingerprint];
    let secret = scene.install.file("list-key.asc", &maker.ok(&export, b""));
    let wrong = scene.install.file("wrong", b"gate of ivory\n");
    let right = scene.install.file("right", b"gate of horn\n");
    let import = |passphrase: &[&str]| {
        let args = ["key", "import", "security", secret.to_str().unwrap()];
        scene.install.run(&[&args[..], passphrase].concat())
    };
    let refused = import(&["--passphrase-file", wrong.to_str().unwrap()]);
    assert_eq!(refused.code, 65, "{}", refused.err);
    let nobody_to_ask = import(&[]);
    assert!(
        nobody_to_ask.code == 64 && nobody_to_ask.err.contains("--passphrase-file"),
        "{}",
        nobody_to_ask.err
    );
    let right = right.to_str().unwrap();
    let unasked = import(&["--passphrase-file", right]);
    assert_eq!(unasked.code, 64, "{}", unasked.err);
    for told in [&maker.fingerprint, &scene.security, "--yes"] {
        assert!(unasked.err.contains(told), "{}", unasked.err);
    }
    assert!(scene.install.ok(&["key", "ls"]).contains(&scene.security), "nothing has changed");
    for (list, why) in [("distrib-announce", "no User ID"), ("security", "")] {
        let args = ["key", "import", list, secret.to_str().unwrap(), "--yes", "--passphrase-file", right];
        let ran = scene.install.run(&args);
        assert!(if why.is_empty() { ran.code == 0 } else { ran.code == 65 }, "{}", ran.err);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    let theirs = scene.install.root().join("keys/distrib-announce/secret.asc");
    let passphrase = scene.install.root().join("passphrase");
    let (theirs, passphrase) = (theirs.to_str().unwrap(), passphrase.to_str().unwrap());
    let stolen = ["key", "import", "security", theirs, "--yes", "--passphrase-file", passphrase];
    let stolen = scene.install.run(&stolen);
    assert!(stolen.code == 65 && stolen.err.contains("distrib-announce uses key"), "{}", stolen.err);
    let kept = format!("keys/security/revocation-{}.asc", scene.security);
    assert!(scene.install.root().join(kept).exists());
    let done = import(&["--passphrase-file", right]);
    assert_eq!(done.code, 0, "the same key needs no consent: {}", done.err);
    assert!(done.out.contains(&maker.fingerprint), "{}", done.out);

    let (ada, rita) = (&scene.people.ada, &scene.people.rita);
    let cert = scene.install.ok(&["key", "export", "security"]);
    ada.import(cert.as_bytes());
    rita.import(cert.as_bytes());
    let mut scene = scene;
    let old = scene.security.clone();
    let relays = |scene: &Scene, nth: usize, to: &str, subject: &str| {
        let written = entity(&rita_address(scene), subject, "Through another key.");
        let armored = scene.people.rita.sign_encrypt(to, &written);
        scene.taken(&rita_address(scene), SECURITY, &pgp_mime("rita@reporter.example", SECURITY, &armored));
        let copies = scene.sink.wait_for(&scene.people.ada.address, nth);
        let copy = scene.people.ada.open(&copies[nth - 1].data, &maker.fingerprint);
        assert!(copy.holds(&written), "{subject}");
    };
    relays(&scene, 1, &maker.fingerprint, "To the new key");
    relays(&scene, 2, &old, "To the former key");
    scene = scene.restarted();
    relays(&scene, 3, &maker.fingerprint, "To the new key after a restart");
    relays(&scene, 4, &old, "To the former key after a restart");
    assert_eq!(scene.events("key-imported", 2)[0]["event"]["fingerprint"], maker.fingerprint.as_str());
}

#[test]
fn a_new_list_gets_its_key_before_the_daemon_knows_it() {
    let Some(scene) = Scene::set() else { return };
    let refused = scene.install.run(&["key", "new", "early"]);
    assert!(refused.code == 66 && refused.err.contains("[list.early]"), "{}", refused.err);
    let table = "[list.early]\naddress = \"early@lists.example\"\nkind = \"discuss\"\n\n[list.security]";
    scene.install.edit("[list.security]", table);
    let unknown = scene.install.run(&["list", "show", "early"]);
    assert!(unknown.code == 66 && unknown.err.contains("vouchsafe key new"), "{}", unknown.err);
    let check = scene.install.run(&["check"]);
    assert!(check.code == 78 && check.out.contains("vouchsafe key new early"), "{}", check.out);

    let made = scene.install.ok(&["key", "new", "early"]);
    assert!(
        made.contains("early@lists.example\n") && made.contains("early-request@lists.example\n"),
        "{made}"
    );
    let keys = scene.install.root().join("keys");
    let owner = |path: &str| std::fs::metadata(keys.join(path)).unwrap().uid();
    for path in ["early", "early/secret.asc", "early/cert.asc", "early/revocation.asc"] {
        assert_eq!(owner(path), owner("."), "{path}");
    }
    let again = scene.install.run(&["key", "new", "early"]);
    assert!(again.code == 73 && again.err.contains("not overwritten"), "{}", again.err);
    std::fs::remove_file(keys.join("early/secret.asc")).unwrap();
    let lost = scene.install.run(&["key", "new", "early"]);
    assert_eq!(lost.code, 73, "what can revoke a lost key stays: {}", lost.err);
    std::fs::remove_dir_all(keys.join("early")).unwrap();

    scene.install.edit("passphrase_file = \"passphrase\"", "passphrase_file = \"wrong\"");
    let wrong = scene.install.root().join("wrong");
    std::fs::write(&wrong, "another\n").unwrap();
    std::fs::set_permissions(&wrong, std::fs::Permissions::from_mode(0o600)).unwrap();
    let refused = scene.install.run(&["key", "new", "early"]);
    assert!(refused.code == 78 && refused.err.contains("does not unlock"), "{}", refused.err);
    scene.install.edit("passphrase_file = \"wrong\"", "passphrase_file = \"passphrase\"");

    let made = scene.install.ok(&["key", "new", "early"]);
    let scene = scene.restarted();
    let row = scene.install.json(&["list", "show", "early"]);
    assert!(made.contains(row["fingerprint"].as_str().unwrap()), "{made}");
}

fn rita_address(scene: &Scene) -> String {
    scene.people.rita.address.clone()
}
