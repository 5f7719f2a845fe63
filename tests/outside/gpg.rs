//! People with GnuPG: what reporters, team members and distributors use.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, RwLock, Weak};

use tempfile::TempDir;

use super::copy::Copy;
use super::skip;

/// A person: an address, and a home with a key pair of their own.
pub struct Person {
    pub address: String,
    pub fingerprint: String,
    home: TempDir,
    /// While gpg writes its keyring there is a moment without one: nobody reads then.
    keyring: RwLock<()>,
}

/// Everyone whom the tests know. Made once for all tests that run at the same time; gone with the last of them.
pub struct People {
    pub ada: Person,
    pub bob: Person,
    pub dora: Person,
    pub emil: Person,
    pub rita: Person,
}

impl People {
    /// Ada and Bob are of the team, Dora and Emil distributors, Rita reports. None, aloud, where gpg is missing.
    pub fn gather() -> Option<Arc<Self>> {
        static PEOPLE: Mutex<Weak<People>> = Mutex::new(Weak::new());
        if Command::new("gpg").arg("--version").output().is_err() {
            skip("gpg");
            return None;
        }
        let mut people = PEOPLE.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(there) = people.upgrade() {
            return Some(there);
        }
        let made = Arc::new(Self {
            ada: Person::new("ada@team.example"),
            bob: Person::new("bob@team.example"),
            dora: Person::with("dora@distro.example", "rsa3072", "rsa3072"),
            emil: Person::new("emil@vendor.example"),
            rita: Person::new("rita@reporter.example"),
        });
        *people = Arc::downgrade(&made);
        Some(made)
    }
}

impl Person {
    /// Somebody with an Ed25519 key.
    pub fn new(address: &str) -> Self {
        Self::with(address, "ed25519", "cv25519")
    }

    /// Somebody with keys of these algorithms.
    pub fn with(address: &str, primary: &str, subkey: &str) -> Self {
        let person = Self::unnamed(address);
        person.ok(&["--passphrase", "", "--quick-gen-key", address, primary, "cert,sign", "never"], b"");
        let person = person.named();
        let added = ["--quick-add-key", &person.fingerprint, subkey, "encr", "never"];
        person.ok(&[&["--passphrase", ""], &added[..]].concat(), b"");
        person
    }

    /// Somebody who has these secret keys, the first being their own, which another program or home made.
    pub fn owning(address: &str, secrets: &[Vec<u8>]) -> Self {
        let person = Self::unnamed(address);
        secrets.iter().for_each(|secret| person.import(secret));
        person.named()
    }

    /// Somebody whose key is yet to be made; [`Person::named`] follows it.
    pub fn unnamed(address: &str) -> Self {
        // Short: the agent's socket lies in it.
        let private = Permissions::from_mode(0o700);
        let home = tempfile::Builder::new().prefix("vg").permissions(private).tempdir_in("/tmp").unwrap();
        Self { address: address.to_owned(), fingerprint: String::new(), home, keyring: RwLock::new(()) }
    }

    /// The same person, now known by the first key of the home.
    pub fn named(mut self) -> Self {
        let listing = String::from_utf8(self.ok(&["--with-colons", "--list-keys"], b"")).unwrap();
        let fingerprint = listing.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
        fingerprint.trim_end_matches(':').clone_into(&mut self.fingerprint);
        self
    }

    /// The home, for other programs that use this person's gpg.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A text file that gpg put into this home.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    /// Runs gpg in this person's home.
    pub fn run(&self, args: &[&str], input: &[u8]) -> Output {
        let _reading = self.keyring.read().unwrap_or_else(|e| e.into_inner());
        self.run_now(args, input)
    }

    fn run_now(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .env("GNUPGHOME", self.home.path())
            .args(["--batch", "--no-tty", "--trust-model", "always", "--pinentry-mode", "loopback"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap(); // gpg may have seen enough
        output
    }

    /// The same, where gpg must succeed.
    pub fn ok(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(args, input);
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Takes a certificate or key.
    pub fn import(&self, armored: &[u8]) {
        let _writing = self.keyring.write().unwrap_or_else(|e| e.into_inner());
        let output = self.run_now(&["--import"], armored);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The public certificate, armored.
    pub fn cert(&self) -> Vec<u8> {
        self.ok(&["--armor", "--export", &self.fingerprint], b"")
    }

    /// The secret key, armored and without a passphrase.
    pub fn secret(&self) -> Vec<u8> {
        self.ok(&["--armor", "--export-secret-keys", &self.fingerprint], b"")
    }

    /// Signs and encrypts in one layer (RFC 3156 §6.2).
    pub fn sign_encrypt(&self, to: &str, entity: &[u8]) -> Vec<u8> {
        self.ok(&["--armor", "-u", &self.fingerprint, "-r", to, "--sign", "--encrypt"], entity)
    }

    /// Encrypts without a signature.
    pub fn encrypt(&self, to: &str, entity: &[u8]) -> Vec<u8> {
        self.ok(&["--armor", "-r", to, "--encrypt"], entity)
    }

    /// A detached signature.
    pub fn sign(&self, part: &[u8]) -> Vec<u8> {
        self.ok(&["--armor", "-u", &self.fingerprint, "--digest-algo", "SHA512", "--detach-sign"], part)
    }

    /// A file in this person's home.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Opens a copy as a mail program does: decrypts it, checks that the list signed it, and that nothing looked odd.
    pub fn open(&self, copy: &[u8], list_fingerprint: &str) -> Copy {
        let armored = super::copy::armored_part(copy);
        let status = self.home.path().join(format!("status-{}", super::random(8)));
        let output = self.run(&["--status-file", status.to_str().unwrap(), "--decrypt"], &armored);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = String::from_utf8_lossy(&std::fs::read(&status).unwrap()).into_owned();
        std::fs::remove_file(&status).unwrap();
        assert!(output.status.success(), "{}: {said}", self.address);
        for word in ["radix64", "CRC error", "malformed", "WARNING: message was not", "BAD signature"] {
            assert!(!said.contains(word), "gpg complains: {said}");
        }
        for line in ["DECRYPTION_OKAY", "GOODMDC", "GOODSIG", &format!("VALIDSIG {list_fingerprint}")] {
            assert!(told.contains(line), "{line} is missing for {}: {told}", self.address);
        }
        let packets = String::from_utf8(self.ok(&["--list-packets"], &armored)).unwrap();
        assert_eq!(packets.matches(":pubkey enc packet:").count(), 1, "one reader's key each: {packets}");
        Copy::new(output.stdout)
    }

    /// Whether gpg can decrypt it at all.
    pub fn can_open(&self, copy: &[u8]) -> bool {
        self.run(&["--decrypt"], &super::copy::armored_part(copy)).status.success()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).output();
    }
}
