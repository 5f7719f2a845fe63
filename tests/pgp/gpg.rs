//! GnuPG as the other side: what most people use.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::keyring::{KeyDir, ListKey};
use vouchsafe::pgp::open::{How, Verdict};
use vouchsafe::pgp::seal::{Reader, seal_to_readers, sign};
use vouchsafe::secret::Plaintext;
use vouchsafe::time::{Clock, SystemClock, Timestamp};

use crate::common::*;

/// A home of its own: short, since the agent's socket lies in it.
pub(crate) struct Gpg {
    pub(crate) home: tempfile::TempDir,
}

impl Gpg {
    /// `None`, aloud, where gpg is not installed; in CI that is a failure.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "gpg is missing: apt-get install gpg gpg-agent"
            );
            eprintln!("SKIPPED: gpg is not installed");
            return None;
        }
        let private = Permissions::from_mode(0o700);
        let home = tempfile::Builder::new().prefix("vg").permissions(private).tempdir_in("/tmp").unwrap();
        let gpg = Self { home };
        gpg.ok(&["--trust-model", "pgp", "--check-trustdb"], b"");
        Some(gpg)
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .env("GNUPGHOME", self.home.path())
            .args([
                "--batch",
                "--quiet",
                "--no-tty",
                "--trust-model",
                "always",
                "--pinentry-mode",
                "loopback",
            ])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    pub(crate) fn ok(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(args, input);
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Encrypted to this certificate, unsigned, as packets.
    pub(crate) fn encrypt_to(&self, cert: &Cert, compression: &str, content: &[u8]) -> Vec<u8> {
        self.ok(&["--import"], cert.armored().as_bytes());
        let to = cert.fingerprint().to_string();
        self.ok(&["--compress-algo", compression, "-r", &to, "--encrypt"], content)
    }

    /// A person with a key pair in this home.
    pub(crate) fn person(&self, address: &str, primary: &str, subkey: &str) -> Cert {
        self.ok(&["--passphrase", "", "--quick-gen-key", address, primary, "cert,sign", "never"], b"");
        let export = self.ok(&["--export", address], b"");
        let fingerprint = Cert::parse(&export).unwrap().fingerprint().to_string();
        self.ok(&["--passphrase", "", "--quick-add-key", &fingerprint, subkey, "encr", "never"], b"");
        Cert::parse(&self.ok(&["--export", "--armor", address], b"")).unwrap()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).output();
    }
}

/// gpg reads the wall clock, so the list is as young as the test.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_secs(SystemClock.now().secs())
}

fn setup() -> Option<(Gpg, ListKey, Timestamp)> {
    let gpg = Gpg::new()?;
    let at = now();
    let list = list(at);
    gpg.ok(&["--import"], list.cert().armored().as_bytes());
    Some((gpg, list, at))
}

#[test]
fn gpg_decrypts_and_verifies_a_copy() {
    let Some((gpg, list, _)) = setup() else { return };
    for (address, primary, subkey) in
        [("gil@example.org", "ed25519", "cv25519"), ("rae@example.org", "rsa3072", "rsa3072")]
    {
        let cert = gpg.person(address, primary, subkey);
        let at = now();
        let entity = Plaintext::new(ENTITY.repeat(2000)).into();
        let readers = [Reader { cert: &cert, format: None }];
        let (classes, _) = seal_to_readers(sign(&entity, &list, at, &[]).unwrap(), &readers, at).unwrap();
        let copy = [classes[0].copies[0].key.as_bytes(), classes[0].body.as_bytes()].concat();
        let status = gpg.home.path().join("status");
        let plain = gpg.ok(&["--status-file", status.to_str().unwrap(), "--decrypt"], &armored(&copy));
        assert_eq!(plain, entity.expose());
        let status = String::from_utf8_lossy(&std::fs::read(status).unwrap()).into_owned();
        assert!(status.contains("DECRYPTION_OKAY") && status.contains("GOODMDC"), "{status}");
        assert!(status.contains(&format!("VALIDSIG {}", list.cert().fingerprint())), "{status}");
    }
}

#[test]
fn what_gpg_encrypts_and_signs_opens_as_good() {
    let Some((gpg, list, _)) = setup() else { return };
    let gil = gpg.person("gil@example.org", "ed25519", "cv25519");
    for options in [&[][..], &["--throw-keyids"], &["--compress-algo", "none"], &["--compress-algo", "bzip2"]]
    {
        let common = ["-u", "gil@example.org", "-r", "security@lists.example", "--sign", "--encrypt"];
        let cipher = gpg.ok(&[options, &common].concat(), ENTITY);
        let opened = open_raw(&mail(&cipher), &list, &[gil.clone().into()], now());
        assert_eq!(opened.how(), How::PgpMime, "{options:?}");
        assert_eq!(opened.payload().expose(), ENTITY);
        let Verdict::Good { signer, .. } = opened.verdict() else {
            panic!("{options:?}: {:?}", opened.verdict())
        };
        assert_eq!(*signer, gil.fingerprint());
    }
}

/// gpg compresses: ten mebibytes of one byte are forty kibibytes then.
#[test]
fn the_file_that_crashes_a_parser_may_be_one_byte_repeated() {
    let Some((gpg, list, _)) = setup() else { return };
    let crash = [ENTITY, &format!("{}\r\n", "A".repeat(998)).repeat(10 << 10).into_bytes()].concat();
    let cipher = gpg.ok(&["-r", "security@lists.example", "--encrypt"], &crash);
    assert!(cipher.len() < 200 << 10, "{} bytes", cipher.len());
    let opened = open_raw(&mail(&cipher), &list, &[], now());
    assert_eq!(opened.how(), How::PgpMime);
    assert!(opened.payload().expose() == crash);
}

#[test]
fn a_multipart_signed_by_gpg_inside_opens_as_good() {
    let Some((gpg, list, _)) = setup() else { return };
    let gil = gpg.person("gil@example.org", "rsa3072", "rsa3072");
    let part = b"Content-Type: text/plain; charset=utf-8\r\n\r\nSigned first.\r\nThen encrypted.";
    for sign in [&["--detach-sign"][..], &["--textmode", "--detach-sign"]] {
        let signature = gpg.ok(&[&["-u", "gil@example.org", "--armor"], sign].concat(), part);
        let entity = multipart_signed(part, &signature);
        let cipher = gpg.ok(&["-r", "security-request@lists.example", "--encrypt"], &entity);
        let opened = open_raw(&mail(&cipher), &list, &[gil.clone().into()], now());
        assert!(matches!(opened.verdict(), Verdict::Good { signer, .. } if *signer == gil.fingerprint()));
        assert_eq!(opened.payload().expose(), entity);
    }
}

#[test]
fn gpg_reads_the_list_s_files() {
    let Some(gpg) = Gpg::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    let name = "security".parse().unwrap();
    let cert = keys.create_list(&name, &ids(), &passphrase(), now()).unwrap();
    let place = dir.path().join("security");
    gpg.ok(&["--import", place.join("cert.asc").to_str().unwrap()], b"");
    let shown = String::from_utf8(gpg.ok(&["--with-colons", "--list-keys"], b"")).unwrap();
    for id in ids() {
        assert!(shown.contains(&format!("{} <{}>", id.name, id.address)), "{shown}");
    }

    // An emergency: the secret key in a plain gpg, with the passphrase.
    let secret = place.join("secret.asc");
    gpg.ok(&["--passphrase", "correct horse", "--import", secret.to_str().unwrap()], b"");
    let cipher = gpg.ok(&["-r", "security@lists.example", "--encrypt"], ENTITY);
    let path = gpg.file("mail.gpg", &cipher);
    let plain = gpg.ok(&["--passphrase", "correct horse", "--decrypt", path.to_str().unwrap()], b"");
    assert_eq!(plain, ENTITY);

    gpg.ok(&["--import", place.join("revocation.asc").to_str().unwrap()], b"");
    let shown = String::from_utf8(gpg.ok(&["--with-colons", "--list-keys"], b"")).unwrap();
    assert!(shown.lines().any(|line| line.starts_with("pub:r:")), "{shown}");
    let exported = Cert::parse(&gpg.ok(&["--export", &cert.fingerprint().to_string()], b"")).unwrap();
    assert!(keys.list_cert(&name).unwrap().merge(&exported).unwrap().sealable(now()).is_err());
}

#[test]
fn a_list_with_an_rsa_key_of_gpg_signs_for_gpg_and_opens_what_gpg_writes() {
    let Some(gpg) = Gpg::new() else { return };
    for kind in ["rsa2048", "rsa3072", "rsa4096"] {
        let address = format!("{kind}@lists.example");
        let cert = gpg.person(&address, kind, kind);
        let secret = gpg.ok(&["--passphrase", "", "--export-secret-keys", &address], b"");
        let (dir, name, at) = (tempfile::tempdir().unwrap(), kind.parse().unwrap(), now());
        let keys = KeyDir::new(dir.path());
        keys.import_list(&name, &Plaintext::new(secret), None, &passphrase(), at).unwrap();
        let list = keys.load_list(&name, &passphrase()).unwrap();
        assert_eq!(list.cert().fingerprint(), cert.fingerprint());

        let options = ["-u", &address, "-r", &address, "--sign", "--encrypt"];
        let opened = open_raw(&mail(&gpg.ok(&options, ENTITY)), &list, &[], at);
        assert_eq!((opened.how(), opened.payload().expose()), (How::PgpMime, ENTITY), "{kind}");
        let hidden = gpg.ok(&["--throw-keyids", "-r", &address, "--encrypt"], ENTITY);
        assert_eq!(open_raw(&mail(&hidden), &list, &[], at).how(), How::PgpMime, "{kind}");

        let signed = sign(&Plaintext::new(ENTITY.to_vec()).into(), &list, at, &[]).unwrap();
        let (classes, _) = seal_to_readers(signed, &[Reader { cert: &cert, format: None }], at).unwrap();
        let copy = [classes[0].copies[0].key.as_bytes(), classes[0].body.as_bytes()].concat();
        let status = gpg.home.path().join("status");
        let plain = gpg.ok(&["--status-file", status.to_str().unwrap(), "--decrypt"], &armored(&copy));
        assert_eq!(plain, ENTITY);
        let status = String::from_utf8_lossy(&std::fs::read(status).unwrap()).into_owned();
        assert!(status.contains(&format!("VALIDSIG {}", cert.fingerprint())), "{kind}: {status}");
    }
}
