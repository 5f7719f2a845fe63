//! Keys of people, made by Sequoia, and a home of GnuPG that they can be imported into.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::Profile;
use openpgp::cert::{CertBuilder, CipherSuite};
use openpgp::crypto::KeyPair;
use openpgp::parse::Parse;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::time::Timestamp;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a person's key is like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Version 4, Ed25519 and Cv25519: what most people have.
    V4,
    /// Version 4, RSA with 3072 bits.
    Rsa,
    /// Version 6, Ed25519 and X25519.
    V6,
    /// As `V4`, but it expired long ago.
    Expired,
}

/// A person with a key pair, 100 days old at `now`.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) address: String,
    /// With its secret halves.
    pub(crate) key: openpgp::Cert,
}

impl Person {
    pub(crate) fn new(name: &str, kind: Kind, now: Timestamp) -> Self {
        let address = format!("{}@{}.example", name.to_lowercase(), name.to_lowercase());
        let born = now.before(100 * DAY);
        let builder = CertBuilder::general_purpose([format!("{name} <{address}>")])
            .set_creation_time(born.system())
            .set_validity_period(match kind {
                Kind::Expired => Some(10 * DAY),
                _ => None,
            });
        let builder = match kind {
            Kind::Rsa => builder.set_cipher_suite(CipherSuite::RSA3k),
            Kind::V6 => builder.set_profile(Profile::RFC9580).unwrap(),
            Kind::V4 | Kind::Expired => builder,
        };
        Self { name: name.to_owned(), address, key: builder.generate().unwrap().0 }
    }

    /// What others have of it.
    pub(crate) fn cert(&self) -> Arc<Cert> {
        Arc::new(Cert::parse(&self.key.clone().strip_secret_key_material().to_vec().unwrap()).unwrap())
    }

    /// Armored, with the secret halves, for `gpg --import`.
    pub(crate) fn secret_armor(&self) -> Vec<u8> {
        secret_armor(&self.key)
    }
}

/// A certificate in armor, with the secret halves that it has, for `gpg --import`.
pub(crate) fn secret_armor(key: &openpgp::Cert) -> Vec<u8> {
    if key.is_tsk() { key.as_tsk().armored().to_vec().unwrap() } else { key.armored().to_vec().unwrap() }
}

/// The key that signs for this certificate at that time.
pub(crate) fn signing_pair(key: &openpgp::Cert, at: Timestamp) -> KeyPair {
    let policy = StandardPolicy::at(at.system());
    let key = key.keys().with_policy(&policy, at.system()).for_signing().secret().next().unwrap();
    key.key().clone().into_keypair().unwrap()
}

/// The same certificate as Sequoia's type.
pub(crate) fn as_openpgp(cert: &Cert) -> openpgp::Cert {
    openpgp::Cert::from_bytes(&cert.to_bytes()).unwrap()
}

/// A home of GnuPG for one test: its name is short, since the agent's socket lies in it, and the agent goes with it.
pub(crate) struct Gpg {
    home: tempfile::TempDir,
    now: Timestamp,
}

impl Gpg {
    /// A home whose gpg believes that it is `now`. `None`, aloud, where gpg is not installed; in CI that is a failure.
    pub(crate) fn at(now: Timestamp) -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            let in_ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!in_ci, "gpg is missing: apt-get install gpg gpg-agent");
            eprintln!("SKIPPED: gpg is not installed");
            return None;
        }
        let private = Permissions::from_mode(0o700);
        let home = tempfile::Builder::new().prefix("vg").permissions(private).tempdir_in("/tmp").unwrap();
        Some(Self { home, now })
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn run(&self, args: &[&str], input: &[u8]) -> Output {
        let now = format!("{}!", self.now.secs());
        let fixed =
            ["--batch", "--quiet", "--no-tty", "--trust-model", "always", "--pinentry-mode", "loopback"];
        let mut child = Command::new("gpg")
            .env("GNUPGHOME", self.home())
            .env("LC_ALL", "C")
            .args(fixed)
            .args(["--faked-system-time", &now])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // gpg may answer before it has read all of it.
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        output
    }

    pub(crate) fn ok(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(args, input);
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    pub(crate) fn import(&self, key: &[u8]) {
        self.ok(&["--import"], key);
    }

    /// What gpg makes of a message, and its status lines; or what it says instead.
    pub(crate) fn decrypt(&self, message: &[u8]) -> Result<(Vec<u8>, String), String> {
        let status: PathBuf = self.home().join("status");
        let output = self.run(&["--status-file", status.to_str().unwrap(), "--decrypt"], message);
        let status = String::from_utf8_lossy(&std::fs::read(status).unwrap()).into_owned();
        if output.status.success() {
            return Ok((output.stdout, status));
        }
        Err(format!("{}{status}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).output();
    }
}
