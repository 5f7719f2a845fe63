//! The relay's own keys on disk, and certificates as people send them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use sequoia_openpgp as openpgp;

use openpgp::cert::CertBuilder;
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use vouchsafe::id::{Entropy, ListName};
use vouchsafe::pgp::cert::{Cert, CertError, Format};
use vouchsafe::pgp::keyring::{KeyDir, KeyError, Passphrase};
use vouchsafe::secret::Plaintext;

use crate::common::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn name() -> ListName {
    "security".parse().unwrap()
}

fn other() -> Passphrase {
    Passphrase::new(Plaintext::new(b"wrong".to_vec()))
}

#[test]
fn a_list_key_is_made_once_locked_and_unlocked() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path().join("keys"));
    let cert = keys.create_list(&name(), &ids(), &passphrase(), NOW).unwrap();
    assert_eq!(cert.emails(), ["security@lists.example", "security-request@lists.example"]);
    assert_eq!((cert.expires(NOW), cert.sealable(NOW)), (None, Ok(())));
    assert!(matches!(keys.create_list(&name(), &ids(), &passphrase(), NOW), Err(KeyError::Exists(_))));

    let place = dir.path().join("keys/security");
    assert_eq!(mode(&place), 0o700);
    assert_eq!(mode(&place.join("secret.asc")), 0o600);
    assert_eq!(mode(&place.join("revocation.asc")), 0o600);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 3, "no drafts stay behind");
    let locked = openpgp::Cert::from_bytes(&fs::read(place.join("secret.asc")).unwrap()).unwrap();
    assert!(locked.keys().secret().all(|key| !key.key().has_unencrypted_secret()));

    assert_eq!(keys.list_cert(&name()).unwrap().fingerprint(), cert.fingerprint());
    let start = Instant::now();
    assert_eq!(keys.load_list(&name(), &passphrase()).unwrap().cert().fingerprint(), cert.fingerprint());
    eprintln!("unlocking a list key (two secrets) took {:?}", start.elapsed());
    assert!(matches!(keys.load_list(&name(), &other()), Err(KeyError::WrongPassphrase(_))));
    let none = keys.load_list(&"none".parse().unwrap(), &passphrase()).err().unwrap();
    assert!(none.to_string().contains("vouchsafe key new none"), "{none}");
}

#[test]
fn a_key_that_is_open_or_unlocked_or_another_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let keys = KeyDir::new(dir.path());
    keys.create_list(&name(), &ids(), &passphrase(), NOW).unwrap();
    keys.create_spool(&passphrase(), NOW).unwrap();
    keys.create_tags(&passphrase(), &Entropy::kernel()).unwrap();
    let secret = dir.path().join("security/secret.asc");
    let spool = fs::read_dir(dir.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let load = || {
        let list = keys.load_list(&name(), &passphrase()).map(|_| ());
        let all = list.and_then(|()| keys.load_spool(&passphrase()).map(|_| ()));
        all.and_then(|()| keys.load_tags(&passphrase()).map(|_| ()))
    };
    load().unwrap();
    for path in [&secret, &spool, &dir.path().join("tags.pgp")] {
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load().unwrap_err();
            assert!(matches!(&error, KeyError::Exposed { path: p, .. } if p == path), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
            assert_eq!(keys.exposed().len(), 1);
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    load().unwrap();

    let cert = keys.list_cert(&name()).unwrap().fingerprint();
    let unlocked = person("security").as_tsk().armored().to_vec().unwrap();
    for path in [&secret, &spool] {
        let before = fs::read(path).unwrap();
        fs::write(path, &unlocked).unwrap();
        let error = load().unwrap_err();
        assert!(matches!(&error, KeyError::Unlocked(p) if p == path), "{error}");
        let without_passphrase = keys.inspect_list(&name()).and_then(|()| keys.inspect_spool());
        assert!(matches!(without_passphrase, Err(KeyError::Unlocked(_))));
        fs::write(path, before).unwrap();
    }
    let elsewhere = KeyDir::new(dir.path().join("elsewhere"));
    elsewhere.create_list(&name(), &ids(), &passphrase(), NOW).unwrap();
    let own = fs::read(&secret).unwrap();
    fs::copy(dir.path().join("elsewhere/security/secret.asc"), &secret).unwrap();
    assert!(matches!(load(), Err(KeyError::Mismatch { .. })));
    assert!(matches!(keys.inspect_list(&name()), Err(KeyError::Mismatch { .. })));

    // As an import leaves it that is cut short before the certificate.
    let former = dir.path().join(format!("security/secret-{cert}.asc"));
    fs::write(&former, own).unwrap();
    fs::set_permissions(&former, fs::Permissions::from_mode(0o600)).unwrap();
    let key = keys.load_list(&name(), &passphrase()).unwrap();
    assert_eq!(keys.list_cert(&name()).unwrap().fingerprint(), cert);
    keys.publish(&name(), &key).unwrap();
    assert_eq!(keys.list_cert(&name()).unwrap().fingerprint(), key.cert().fingerprint());
    assert_ne!(key.cert().fingerprint(), cert);
}

#[test]
fn a_key_made_elsewhere_is_taken_over_under_our_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    let theirs = || Passphrase::new(Plaintext::new(b"theirs".to_vec()));
    let key = with("security", |builder| builder.set_password(Some("theirs".into())));
    let export = Plaintext::new(key.as_tsk().armored().to_vec().unwrap());
    let import = |pass: Option<&Passphrase>| keys.import_list(&name(), &export, pass, &passphrase(), NOW);
    assert!(matches!(import(None), Err(KeyError::ImportLocked)));
    assert!(matches!(import(Some(&other())), Err(KeyError::ImportLocked)));
    let cert = import(Some(&theirs())).unwrap();
    assert_eq!(keys.load_list(&name(), &passphrase()).unwrap().cert().fingerprint(), cert.fingerprint());
    assert!(matches!(keys.load_list(&name(), &theirs()), Err(KeyError::WrongPassphrase(_))));
    import(Some(&theirs())).unwrap();
    assert_eq!(
        fs::read_dir(dir.path().join("security")).unwrap().count(),
        3,
        "the same key again is an update"
    );

    let first = fs::read(dir.path().join("security/revocation.asc")).unwrap();
    let second = Plaintext::new(person("security").as_tsk().to_vec().unwrap());
    keys.examine(&second, None, NOW).unwrap();
    keys.import_list(&name(), &second, None, &passphrase(), NOW).unwrap();
    let kept = dir.path().join(format!("security/revocation-{}.asc", cert.fingerprint()));
    assert_eq!((fs::read(&kept).unwrap(), mode(&kept)), (first.clone(), 0o600));
    assert_ne!(fs::read(dir.path().join("security/revocation.asc")).unwrap(), first);

    let unfit = CertBuilder::new().add_userid("a <a@example.org>").add_signing_subkey().generate().unwrap().0;
    for (export, unfit_key) in [(unfit.as_tsk().to_vec(), true), (cert_bytes(&cert), false)] {
        let outcome = keys.import_list(&name(), &Plaintext::new(export.unwrap()), None, &passphrase(), NOW);
        assert!(matches!(
            (outcome, unfit_key),
            (Err(KeyError::ImportUnfit), true) | (Err(KeyError::ImportNoKey), false)
        ));
    }
}

fn cert_bytes(cert: &Cert) -> openpgp::Result<Vec<u8>> {
    Ok(cert.to_bytes())
}

#[test]
fn spool_keys_rotate_and_are_destroyed_when_drained() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    assert!(matches!(keys.spool_cert(), Err(KeyError::Missing(_))));
    let old = keys.create_spool(&passphrase(), BORN).unwrap();
    let new = keys.create_spool(&passphrase(), NOW).unwrap();
    assert_eq!(keys.spool_cert().unwrap().fingerprint(), new.fingerprint());
    assert_eq!(keys.spool_cert().unwrap().made_at(), NOW);
    let all = keys.load_spool(&passphrase()).unwrap();
    assert_eq!(all.fingerprints(), [new.fingerprint(), old.fingerprint()]);
    assert_eq!(all.newest().fingerprint(), new.fingerprint());
    assert!(matches!(keys.load_spool(&other()), Err(KeyError::WrongPassphrase(_))));

    keys.destroy_spool(old.fingerprint()).unwrap();
    assert_eq!(keys.load_spool(&passphrase()).unwrap().fingerprints(), [new.fingerprint()]);
    assert!(matches!(keys.destroy_spool(old.fingerprint()), Err(KeyError::Missing(_))));
    for entry in fs::read_dir(dir.path().join("spool")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_spool_key_that_is_half_destroyed_is_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    let old = keys.create_spool(&passphrase(), BORN).unwrap().fingerprint();
    let new = keys.create_spool(&passphrase(), NOW).unwrap().fingerprint();
    keys.withdraw_spool(old).unwrap();
    keys.overwrite_spool(old).unwrap();
    // As after a crash: its file is there still, and nobody takes it for a key.
    assert_eq!(keys.load_spool(&passphrase()).unwrap().fingerprints(), [new]);
    keys.inspect_spool().unwrap();
    assert_eq!(keys.withdrawn_spool().unwrap(), [old]);
    keys.overwrite_spool(old).unwrap();
    keys.forget_spool(old).unwrap();
    assert_eq!(keys.withdrawn_spool().unwrap(), []);
    assert!(matches!(keys.withdraw_spool(old), Err(KeyError::Missing(_))));
}

#[test]
fn what_a_crash_left_of_a_key_is_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let keys = KeyDir::new(dir.path());
    let draft = dir.path().join(".new-security");
    fs::create_dir(&draft).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(draft.join("secret.asc"), "half of").unwrap();
    keys.create_list(&name(), &ids(), &passphrase(), NOW).unwrap();
    keys.load_list(&name(), &passphrase()).unwrap();
    assert!(!draft.exists());

    // A certificate is no secret, half of one neither.
    let unfinished = dir.path().join("security/cert.asc.new");
    fs::write(&unfinished, "half of").unwrap();
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(keys.exposed().is_empty(), "{:?}", keys.exposed());
    keys.sweep(&[name()]).unwrap();
    assert!(!unfinished.exists());
    keys.load_list(&name(), &passphrase()).unwrap();
}

#[test]
fn a_list_whose_folder_is_there_gets_its_key_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    let list: ListName = "spool".parse().unwrap();
    keys.create_spool(&passphrase(), NOW).unwrap();
    keys.create_list(&list, &ids(), &passphrase(), NOW).unwrap();
    keys.load_list(&list, &passphrase()).unwrap();
    keys.load_spool(&passphrase()).unwrap();
    assert!(matches!(keys.create_list(&list, &ids(), &passphrase(), NOW), Err(KeyError::Exists(_))));
}

#[test]
fn the_tag_key_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    keys.create_tags(&passphrase(), &Entropy::seeded(1)).unwrap();
    assert_eq!(keys.load_tags(&passphrase()).unwrap().as_bytes(), &Entropy::seeded(1).bytes::<32>());
    assert!(matches!(keys.load_tags(&other()), Err(KeyError::WrongPassphrase(_))));
    assert!(matches!(keys.create_tags(&passphrase(), &Entropy::kernel()), Err(KeyError::Exists(_))));
    assert_eq!(mode(&dir.path().join("tags.pgp")), 0o600);
}

#[test]
fn a_passphrase_file_is_for_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("passphrase");
    Passphrase::random(&Entropy::seeded(1)).write_new(&path).unwrap();
    assert_eq!((mode(&path), fs::read(&path).unwrap().len()), (0o600, 33));
    assert!(matches!(Passphrase::random(&Entropy::kernel()).write_new(&path), Err(KeyError::Exists(_))));

    let keys = KeyDir::new(dir.path());
    keys.create_tags(&Passphrase::random(&Entropy::seeded(1)), &Entropy::kernel()).unwrap();
    keys.load_tags(&Passphrase::from_file(&path).unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Passphrase::from_file(&path), Err(KeyError::Readable(_))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "\n").unwrap();
    assert!(matches!(Passphrase::from_file(&path), Err(KeyError::EmptyPassphrase)));
}

#[test]
fn a_certificate_is_one_public_certificate() {
    let (ada, bob) = (person("ada"), person("bob"));
    let [one, two] = [&ada, &bob].map(|key| key.clone().strip_secret_key_material());
    for bytes in [one.to_vec().unwrap(), one.armored().to_vec().unwrap()] {
        assert_eq!(Cert::parse(&bytes).unwrap().emails(), ["ada@example.org"]);
    }
    let again = Cert::parse(Cert::parse(&one.to_vec().unwrap()).unwrap().armored().as_bytes()).unwrap();
    assert_eq!(again.fingerprint().to_string(), one.fingerprint().to_hex());

    let both = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
    let binary = both(one.to_vec().unwrap(), two.to_vec().unwrap());
    let armors = both(one.armored().to_vec().unwrap(), two.armored().to_vec().unwrap());
    for several in [binary, armors] {
        assert!(matches!(Cert::parse(&several), Err(CertError::Several(2))));
    }
    for secret in [ada.as_tsk().to_vec().unwrap(), ada.as_tsk().armored().to_vec().unwrap()] {
        assert!(matches!(Cert::parse(&secret), Err(CertError::SecretKey)));
    }
    assert!(matches!(Cert::parse(&vec![0; 1024 * 1024 + 1]), Err(CertError::TooLarge)));
    for wrong in [&b""[..], b"hello", &signed(ENTITY, &[]), &compressed(&one.to_vec().unwrap())] {
        assert!(matches!(Cert::parse(wrong), Err(CertError::NotOpenPgp)));
    }
    let crowd = with("many", |builder| (0..40).fold(builder, |builder, _| builder.add_signing_subkey()));
    let crowd = crowd.strip_secret_key_material().to_vec().unwrap();
    assert!(matches!(Cert::parse(&crowd), Err(CertError::TooMany("keys"))));
}

#[test]
fn foreign_signatures_are_left_out() {
    let (ada, bob) = (person("ada"), person("bob"));
    let mut pair = bob.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let id = ada.userids().next().unwrap().userid().clone();
    let certification = id.certify(&mut pair, &ada, None, None, NOW.system()).unwrap();
    let bare = public(&ada).to_bytes();
    let certified =
        ada.insert_packets([certification]).unwrap().0.strip_secret_key_material().to_vec().unwrap();
    assert!(certified.len() > bare.len());
    assert_eq!(Cert::parse(&certified).unwrap().to_bytes(), bare);
}

#[test]
fn expiry_format_and_updates() {
    let ada = with("ada", |builder| builder.set_validity_period(Some(DAY * 30)));
    let cert = public(&ada);
    assert_eq!(cert.expires(BORN.after(DAY)), Some(BORN.after(DAY * 30)));
    assert!(cert.sealable(BORN.after(DAY * 29)).is_ok() && cert.sealable(NOW).is_err());

    let policy = openpgp::policy::StandardPolicy::at(NOW.system());
    let mut pair = ada.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    // The library dates the new signatures by the wall clock, so look from far ahead.
    let longer = BORN.after(DAY * 20_000);
    let mut updates =
        ada.set_expiration_time(&policy, BORN.system(), &mut pair, Some(longer.system())).unwrap();
    for key in ada.keys().with_policy(&policy, BORN.system()).subkeys().for_transport_encryption() {
        updates.extend(key.set_expiration_time(&mut pair, None, Some(longer.system())).unwrap());
    }
    let extended = public(&ada.clone().insert_packets(updates).unwrap().0);
    for merged in [cert.merge(&extended).unwrap(), extended.merge(&cert).unwrap()] {
        assert_eq!(
            (merged.expires(longer.before(DAY)), merged.sealable(longer.before(DAY))),
            (Some(longer), Ok(()))
        );
    }
    assert!(matches!(cert.merge(&public(&person("eve"))), Err(CertError::Different { .. })));

    let six = public(&v6("cyd"));
    assert_eq!((cert.format(None), cert.format(Some(Format::V2))), (Format::V1, Format::V2));
    assert_eq!((six.format(None), six.format(Some(Format::V1))), (Format::V2, Format::V2));
}
