//! Keys are made, published, renewed; nothing is signed that DNS does not know.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use serde_json::Value;

use crate::outside::copy::contains;
use crate::outside::daemon::{Daemon, serve_to_its_end};
use crate::outside::dns::Dns;
use crate::outside::install::{DOMAIN, Install};
use crate::outside::scene::Scene;
use crate::verify::{holds, publish};

fn folder(install: &Install) -> PathBuf {
    install.root().join("keys/dkim").join(DOMAIN)
}

/// Name, and whether it signs, of each pair that is shown.
fn pairs(shown: &Value) -> Vec<(String, bool)> {
    let pairs = shown[0]["pairs"].as_array().unwrap();
    pairs.iter().map(|p| (p["name"].as_str().unwrap().to_owned(), p["active"].as_bool().unwrap())).collect()
}

fn selectors(scene: &Scene, count: usize) -> String {
    let copy = scene.sink.wait_for(&scene.people.ada.address, count).remove(count - 1);
    copy.header("DKIM-Signature").unwrap()
}

#[test]
fn init_prints_what_to_publish_and_keeps_the_keys_locked() {
    let dir = tempfile::tempdir().unwrap();
    let install = Install::bare_in(dir.path());
    let printed = install.ok(&["key", "dkim"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("; lists.example: vs2"), "{printed}");
    for (line, kind) in lines[1..].iter().zip(["ed25519", "rsa"]) {
        assert!(
            line.contains(&format!("-{kind}._domainkey.{DOMAIN}. IN TXT \"v=DKIM1; h=sha256; k={kind}; p="))
        );
        assert!(line.split('"').skip(1).step_by(2).all(|string| string.len() <= 255), "{line}");
    }
    assert_eq!(lines.len(), 3, "{printed}");
    let files: Vec<PathBuf> = fs::read_dir(folder(&install)).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "both halves, and which pair signs: {files:?}");
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!contains(&fs::read(&file).unwrap(), b"PRIVATE KEY"), "{} is locked", file.display());
    }
    let listed = install.json(&["key", "dkim", DOMAIN]);
    let value = listed[0]["pairs"][0]["records"][1]["value"].as_str().unwrap();
    assert!(printed.replace("\" \"", "").contains(value), "both ways say the same");
    let unknown = install.run(&["key", "dkim", "elsewhere.example"]);
    assert_eq!(unknown.code, 66, "{unknown:?}");
    assert!(unknown.err.contains("only at: lists.example"), "{}", unknown.err);
}

#[test]
fn the_secret_keys_can_be_had_by_gpg_in_an_emergency() {
    let Some(people) = crate::outside::gpg::People::gather() else { return };
    drop(people);
    let dir = tempfile::tempdir().unwrap();
    let install = Install::bare_in(dir.path());
    let name = pairs(&install.json(&["key", "dkim"])).remove(0).0;
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let opened = std::process::Command::new("gpg")
        .args(["--batch", "--homedir"])
        .arg(home.path())
        .args(["--pinentry-mode", "loopback", "--passphrase-file"])
        .arg(install.root().join("passphrase"))
        .arg("--decrypt")
        .arg(folder(&install).join(format!("{name}.pgp")))
        .output()
        .unwrap();
    let pem = String::from_utf8_lossy(&opened.stdout);
    assert_eq!(
        pem.matches("-----BEGIN PRIVATE KEY-----").count(),
        2,
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
}

#[test]
fn new_keys_sign_once_dns_has_them_and_they_are_made_active() {
    let dns = Dns::start();
    let resolver = format!("resolver = \"{}\"", dns.address());
    let Some(scene) = Scene::edited(&[("#resolver = \"127.0.0.1:53\"", &resolver)]) else { return };
    publish(&scene.install, &dns);
    let first = pairs(&scene.install.json(&["key", "dkim"])).remove(0).0;
    let nothing = scene.install.run(&["key", "dkim", "--activate"]);
    assert!(nothing.code == 73 && nothing.err.contains("--rotate"), "{nothing:?}");

    let rotated = scene.install.json(&["key", "dkim", "--rotate", DOMAIN]);
    let second = pairs(&rotated)[1].0.clone();
    assert_eq!(pairs(&rotated), [(first.clone(), true), (second.clone(), false)]);
    let again = scene.install.run(&["key", "dkim", "--rotate"]);
    assert!(again.code == 73 && again.err.contains(&second), "one at a time: {again:?}");
    // The files belong to the daemon's user, whoever ran the command.
    let owner = |path: PathBuf| fs::metadata(path).unwrap().uid();
    assert_eq!(
        owner(folder(&scene.install).join(format!("{second}.pgp"))),
        owner(scene.install.root().join("keys"))
    );

    let scene = scene.restarted();
    scene.tell("One");
    assert!(selectors(&scene, 1).contains(&format!("s={first}-ed25519")), "the old ones sign still");
    let early = scene.install.run(&["key", "dkim", "--activate", DOMAIN]);
    assert_eq!(early.code, 69, "{early:?}");
    assert!(early.err.contains("there is no such record") && early.err.contains(" IN TXT "), "{}", early.err);
    assert_eq!(pairs(&scene.install.json(&["key", "dkim"]))[1], (second.clone(), false));

    publish(&scene.install, &dns);
    scene.install.ok(&["key", "dkim", "--activate", DOMAIN]);
    assert_eq!(pairs(&scene.install.json(&["key", "dkim"])), [(second.clone(), true)]);
    let told = scene.install.ok(&["reload"]);
    assert!(told.contains("read again"), "{told}");
    scene.tell("Two");
    assert!(selectors(&scene, 2).contains(&format!("s={second}-ed25519")));
    assert!(holds(&scene.sink.wait_for(&scene.people.ada.address, 2)[1].data, &dns));
}

#[test]
fn an_installation_without_keys_serves_and_is_told_how_to_get_them() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let install = Install::made_in(dir.path(), "127.0.0.1:9", &[]);
    fs::remove_dir_all(install.root().join("keys/dkim")).unwrap();
    drop(Daemon::start(&install));
    let report = install.json(&["check"]).to_string();
    assert!(report.contains("vouchsafe key dkim lists.example"), "{report}");
    install.ok(&["key", "dkim"]);
    assert!(!install.json(&["check"]).to_string().contains("the DKIM keys of"));
    let before = fs::read_dir(folder(&install)).unwrap().count();
    install.ok(&["key", "dkim"]);
    assert_eq!(fs::read_dir(folder(&install)).unwrap().count(), before, "there is nothing to make any more");
}

#[test]
fn a_list_at_another_domain_gets_keys_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let install = Install::bare_in(dir.path());
    let mut settings = fs::read_to_string(install.config()).unwrap();
    settings.push_str(
        "\n[list.early]\naddress = \"early@other.example\"\nname = \"Early\"\nkind = \"discuss\"\n",
    );
    settings
        .push_str("\n[list.late]\naddress = \"late@lists.example\"\nname = \"Late\"\nkind = \"discuss\"\n");
    fs::write(install.config(), settings).unwrap();
    let made = install.ok(&["key", "new", "early"]);
    assert!(made.contains("-rsa._domainkey.other.example. IN TXT "), "{made}");
    let made = install.ok(&["key", "new", "late"]);
    assert!(!made.contains("_domainkey"), "its domain has keys: {made}");
    let shown = install.json(&["key", "dkim"]);
    let domains: Vec<&str> =
        shown.as_array().unwrap().iter().map(|d| d["domain"].as_str().unwrap()).collect();
    assert_eq!(domains, ["lists.example", "other.example"]);
}

#[test]
fn keys_that_are_not_as_they_should_be_keep_the_daemon_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let install = Install::made_in(dir.path(), "127.0.0.1:9", &[]);
    let name = pairs(&install.json(&["key", "dkim"])).remove(0).0;
    let public = folder(&install).join(format!("{name}.txt"));
    let right = fs::read_to_string(&public).unwrap();
    let wrong = |said: &str| {
        let ended = serve_to_its_end(&install);
        assert!(ended.code == 78 && ended.err.contains(said), "{ended:?}");
        let report = install.run(&["check"]);
        assert!(report.code == 78 && report.out.contains(said), "{report:?}");
    };
    fs::write(&public, right.replacen("-ed25519 ed25519 ", "-ed25519 ed25519 A", 1)).unwrap();
    wrong("is not the key of");
    fs::write(&public, "nonsense\n").unwrap();
    wrong("is not a usable key");
    fs::write(&public, &right).unwrap();
    fs::set_permissions(&public, fs::Permissions::from_mode(0o644)).unwrap();
    wrong("is open to others");
}
