//! A new installation.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vouchsafe::config::Config;
use vouchsafe::id::Entropy;
use vouchsafe::init::{InitError, Layout, Made, Preset, init};
use vouchsafe::mail::directory::Kind;
use vouchsafe::pgp::keyring::{KeyDir, Passphrase};
use vouchsafe::time::{Clock, ManualClock, SystemClock};

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(SystemClock.now())
}

pub(crate) fn install(dir: &Path, preset: Preset) -> Result<Made, InitError> {
    init(
        &Layout::Folder(dir.into()),
        &"lists.example.org".parse().unwrap(),
        preset,
        None,
        &clock(),
        &Entropy::kernel(),
    )
}

fn everything_below(dir: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything_below(&path));
        }
        all.insert(path);
    }
    all
}

#[test]
fn a_preset_becomes_a_whole_installation() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/vouchsafe");
    let made = install(&root, Preset::KubeEdge).unwrap();
    let config = Config::load(&made.config).unwrap();
    let names: Vec<_> = made.lists.iter().map(|l| (l.name.as_str(), l.kind)).collect();
    assert_eq!(names, [("security", Kind::Intake), ("distrib-announce", Kind::Announce)]);
    assert_eq!(config.lists[1].team.as_ref().unwrap().as_str(), "security");

    let pass = Passphrase::from_file(&made.passphrase).unwrap();
    assert!(made.passphrase_made);
    let keys = KeyDir::new(&made.keys);
    for (list, made) in config.lists.iter().zip(&made.lists) {
        let key = keys.load_list(&list.name, &pass).unwrap();
        assert_eq!(Some(key.cert().fingerprint()), made.fingerprint);
        let addresses: BTreeSet<_> = list.addresses.iter().map(ToString::to_string).collect();
        let ids: BTreeSet<_> = key.cert().emails().into_iter().collect();
        assert_eq!(ids, addresses, "each address that people write to is a User ID");
    }
    assert_eq!(keys.load_spool(&pass).unwrap().newest().fingerprint(), made.spool);
    keys.load_tags(&pass).unwrap();
    assert_eq!(std::fs::metadata(&made.keys).unwrap().permissions().mode() & 0o777, 0o700);

    let text = std::fs::read_to_string(&made.config).unwrap();
    assert!(!text.contains(dir.path().to_str().unwrap()), "paths count from the folder");
    assert!(!text.contains("@example.org"), "the example's lists are gone");
}

#[test]
fn a_public_list_gets_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let made = install(dir.path(), Preset::EdgeX).unwrap();
    let [intake, public] = made.lists.as_slice() else { panic!("{made:?}") };
    assert_eq!((intake.name.as_str(), public.name.as_str()), ("security-issues", "tsc-security"));
    assert!(intake.fingerprint.is_some() && public.fingerprint.is_none());
    assert_eq!(public.addresses.len(), 1);
    assert!(!made.keys.join("tsc-security").exists());
}

#[test]
fn a_second_init_refuses_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let made = install(dir.path(), Preset::KubeEdge).unwrap();
    let before = (everything_below(dir.path()), std::fs::read(&made.config).unwrap());
    for preset in [Preset::KubeEdge, Preset::EdgeX] {
        let error = install(dir.path(), preset).unwrap_err();
        assert!(matches!(error, InitError::Exists(_)));
        assert!(error.to_string().contains("relay.toml"), "{error}");
    }
    assert_eq!((everything_below(dir.path()), std::fs::read(&made.config).unwrap()), before);
}

#[test]
fn a_failed_init_takes_away_only_what_it_made() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    std::fs::write(dir.path().join("policies/own.toml"), "mine").unwrap();
    let before = everything_below(dir.path());
    let missing = dir.path().join("no-such-passphrase");
    let attempt = |root: &Path, domain: &str, passphrase: Option<&Path>| {
        init(
            &Layout::Folder(root.into()),
            &domain.parse().unwrap(),
            Preset::KubeEdge,
            passphrase,
            &clock(),
            &Entropy::kernel(),
        )
    };
    let error = attempt(dir.path(), "example.org", Some(&missing)).unwrap_err();
    assert!(error.to_string().contains("leave the option out"), "{error}");
    assert_eq!(everything_below(dir.path()), before);

    let fresh = dir.path().join("a/b");
    attempt(&fresh, "example.org", Some(&missing)).unwrap_err();
    assert_eq!(everything_below(dir.path()), before, "folders that it made are gone as well");

    // The keys come last: when they fail, settings and passphrase go too.
    std::fs::write(&missing, "\n").unwrap();
    std::fs::set_permissions(&missing, std::fs::Permissions::from_mode(0o600)).unwrap();
    attempt(&fresh, "example.org", Some(&missing)).unwrap_err();
    assert!(!fresh.exists());
}

#[test]
fn a_passphrase_that_is_given_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pass \"quoted\"");
    std::fs::write(&file, "correct horse\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let root = dir.path().join("v");
    let domain = "example.org".parse().unwrap();
    let made = init(
        &Layout::Folder(root.clone()),
        &domain,
        Preset::KubeEdge,
        Some(&file),
        &clock(),
        &Entropy::kernel(),
    )
    .unwrap();
    assert_eq!((made.passphrase_made, &made.passphrase), (false, &file));
    assert!(!root.join("passphrase").exists());
    assert_eq!(Config::load(&made.config).unwrap().keys.passphrase_file, Some(file));
}

/// sudo hands on the caller's umask, and the daemon is another user.
#[test]
fn others_can_read_the_settings_whatever_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("relay");
    let made = std::process::Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\" init --dir \"$1\" --domain lists.example.org --preset kubeedge"])
        .arg(env!("CARGO_BIN_EXE_vouchsafe"))
        .arg(&root)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mode = |name: &str| std::fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
    let modes = ["", "relay.toml", "policies", "policies/kubeedge.toml", "keys", "passphrase"].map(mode);
    assert_eq!(modes, [0o755, 0o644, 0o755, 0o644, 0o700, 0o600]);
}
