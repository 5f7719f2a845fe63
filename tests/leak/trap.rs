//! Mail with canaries, and everything where one could turn up.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::outside::copy::Copy;
use crate::outside::install::{NOBODY, SECURITY};
use crate::outside::scene::Scene;
use crate::outside::smtp::Client;
use crate::outside::{is_root, random};
use crate::proxy::Tap;
use crate::scan::{FORMS, Found, Scanner, planted};

/// One random word for each place where content can stand.
pub(crate) struct Canaries {
    body: String,
    subject: String,
    file: String,
    author: String,
}

impl Canaries {
    pub(crate) fn new() -> Self {
        Self { body: random(24), subject: random(24), file: random(24), author: random(24) }
    }

    pub(crate) fn all(&self) -> [&str; 4] {
        [&self.body, &self.subject, &self.file, &self.author]
    }

    fn parts(&self) -> String {
        let Self { body, file, .. } = self;
        let long = format!("The word is {body}.\r\n").repeat(200);
        let attached = data_encoding::BASE64_MIME.encode(format!("attached {body}").as_bytes());
        format!(
            "--mix\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{long}\
             --mix\r\nContent-Type: application/octet-stream; name=\"{file}.pdf\"\r\n\
             Content-Disposition: attachment; filename=\"{file}.pdf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{attached}\r\n--mix--\r\n"
        )
    }

    /// To be encrypted: subject and author in the protected headers.
    pub(crate) fn entity(&self) -> Vec<u8> {
        let Self { subject, author, .. } = self;
        format!(
            "Content-Type: multipart/mixed; boundary=\"mix\"; protected-headers=\"v1\"\r\n\
             From: {author} <rita@reporter.example>\r\nSubject: {subject}\r\nMessage-ID: <{}@client.example>\r\n\r\n{}",
            random(12),
            self.parts()
        )
        .into_bytes()
    }

    /// The same without encryption.
    pub(crate) fn clear(&self, to: &str) -> Vec<u8> {
        let Self { subject, author, .. } = self;
        format!(
            "From: {author} <rita@reporter.example>\r\nTo: {to}\r\nSubject: {subject}\r\n\
             Message-ID: <{}@client.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"mix\"\r\n\r\n{}",
            random(12),
            self.parts()
        )
        .into_bytes()
    }

    /// A reader finds them all in a copy, but for the author, whose place a known signer's name takes in the list's From.
    pub(crate) fn are_in(&self, copy: &Copy) {
        self.all().iter().for_each(|canary| assert!(copy.holds(canary.as_bytes()), "the copy is whole"));
    }
}

/// The scene, the tap in front of it, and what was shown to people.
pub(crate) struct Trap {
    pub(crate) scene: Scene,
    pub(crate) canaries: Canaries,
    pub(crate) screens: Vec<String>,
    scanner: Scanner,
    tap: Tap,
    /// The logs of daemons that have ended, and what went over their taps.
    past: Vec<(String, Vec<u8>)>,
}

impl Trap {
    /// A daemon that logs everything, with this environment.
    pub(crate) fn set(environment: &[(&str, &str)]) -> Option<Self> {
        Self::edited(&[], environment)
    }

    /// The same with changes to `relay.toml`.
    pub(crate) fn edited(changes: &[(&str, &str)], environment: &[(&str, &str)]) -> Option<Self> {
        let scene = Scene::edited(changes)?.restarted_with(&loudly(environment));
        assert_loud(&scene);
        let tap = Tap::on(scene.daemon.smtp());
        let canaries = Canaries::new();
        let scanner = Scanner::new(&canaries.all());
        Some(Self { scene, canaries, screens: Vec::new(), scanner, tap, past: Vec::new() })
    }

    /// Sends encrypted mail through the tap.
    pub(crate) fn through_the_tap(&self, from: &str, to: &str, raw: &[u8]) {
        let mut client = Client::tcp(self.tap.address).ehlo();
        let reply = client.mail(from, &[to], raw);
        assert_eq!(reply.code, 250, "{reply:?}");
    }

    /// Sends a report in the clear, past the tap, to a daemon that may die over it before it can answer.
    pub(crate) fn report_and_run(&self) -> Option<u16> {
        let mut client = Client::try_tcp(self.scene.daemon.smtp())?.ehlo();
        client
            .try_mail("rita@reporter.example", &[SECURITY], &self.canaries.clear(SECURITY))
            .map(|reply| reply.code)
    }

    /// An armored message to distrib-announce@ with its inside damaged.
    pub(crate) fn damaged(&self) -> Vec<u8> {
        let mut armored = self.scene.people.rita.sign_encrypt(&self.scene.announce, &self.canaries.entity());
        let at = armored.len() - 200;
        armored[at] = if armored[at] == b'A' { b'B' } else { b'A' };
        armored
    }

    /// The next daemon on the same folder; the one before is asked to stop.
    pub(crate) fn restarted(self, environment: &[(&str, &str)]) -> Self {
        self.next(environment, |daemon| daemon.stop().1)
    }

    /// The same; the one before gets SIGKILL, or is dead already.
    pub(crate) fn killed(self, environment: &[(&str, &str)]) -> Self {
        self.next(environment, crate::outside::daemon::Daemon::kill)
    }

    fn next(
        mut self,
        environment: &[(&str, &str)],
        end: impl FnOnce(crate::outside::daemon::Daemon) -> String,
    ) -> Self {
        let (scene, log) = self.scene.followed(&loudly(environment), end);
        self.past.push((log, self.tap.kept()));
        self.scene = scene;
        assert_loud(&self.scene);
        self.tap = Tap::on(self.scene.daemon.smtp());
        self
    }

    /// Has every command print what it can.
    pub(crate) fn look_at_every_screen(&mut self) {
        let install = &self.scene.install;
        let mut screens = Vec::new();
        for noun in ["list", "key", "org", "member", "team", "hold", "queue", "journal"] {
            screens.push(install.ok(&[noun, "ls"]));
            screens.push(install.ok(&[noun, "ls", "--json"]));
        }
        for noun in ["hold", "queue"] {
            for row in install.json(&[noun, "ls"]).as_array().unwrap() {
                screens.push(install.ok(&[noun, "show", row["id"].as_str().unwrap()]));
            }
        }
        screens.extend([install.ok(&["status"]), install.run(&["check"]).out]);
        self.screens.append(&mut screens);
    }

    /// Searches everything.
    pub(crate) fn nothing_leaked(&self, when: &str) {
        let install = &self.scene.install;
        let mut found = self.scanner.tree(install.whole());
        let log = self.scene.daemon.log();
        found.extend(self.scanner.bytes("the log", log.as_bytes()));
        found.extend(self.scanner.bytes("the way out", &self.scene.sink.wire()));
        found.extend(self.scanner.bytes("the way in, encrypted", &self.tap.kept()));
        for (log, wire) in &self.past {
            found.extend(self.scanner.bytes("an older log", log.as_bytes()));
            found.extend(self.scanner.bytes("an older way in, encrypted", wire));
        }
        for screen in &self.screens {
            found.extend(self.scanner.bytes("an admin's screen or a reply", screen.as_bytes()));
        }
        assert!(found.is_empty(), "{when}: {}", told(&found));
        assert!(!core_file_below(install.whole()), "{when}: a core file");
        self.writes_nowhere_else(when);
    }

    /// No file outside of the installation is open in the daemon, and none in the usual temporary places is its.
    fn writes_nowhere_else(&self, when: &str) {
        if !is_root() {
            return; // The kernel shows this of an undumpable process to root alone.
        }
        let whole = self.scene.install.whole();
        let Ok(open) = fs::read_dir(format!("/proc/{}/fd", self.scene.daemon.pid())) else { return };
        for link in open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()) {
            let name = link.display().to_string();
            let no_file =
                ["socket:", "pipe:", "anon_inode:", "/dev/null"].iter().any(|p| name.starts_with(p));
            assert!(no_file || link.starts_with(whole), "{when}: {name} is open");
        }
        for place in ["/tmp", "/var/tmp", "/dev/shm"] {
            let Ok(entries) = fs::read_dir(place) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let file = entry.metadata().is_ok_and(|meta| meta.is_file() && meta.uid() == NOBODY);
                assert!(!file, "{when}: {} was made by the daemon's user", entry.path().display());
            }
        }
    }

    /// The control: in a copy of the same tree, and in a log, the same search finds each canary in each form.
    pub(crate) fn the_search_finds_what_is_planted(&self) {
        let copy = tempfile::tempdir().unwrap();
        let store = copy.path().join("data");
        copy_tree(&self.scene.install.root().join("data"), &store);
        let largest = largest_file(&store);
        let sound = fs::read(&largest).unwrap();
        let cases = FORMS.iter().flat_map(|form| (0..3).map(move |shift| (form, shift)));
        for ((form, shift), canary) in cases.zip(self.canaries.all().into_iter().cycle()) {
            let mut bytes = sound.clone();
            let middle = (bytes.len() / 2 + 4096 * shift).min(bytes.len());
            bytes.splice(middle..middle, planted(canary, form, shift));
            fs::write(&largest, &bytes).unwrap();
            let found = self.scanner.tree(&store);
            let right = |f: &Found| f.canary == canary && f.form == *form;
            assert!(found.iter().any(right), "{form} at {shift} is overlooked: {}", told(&found));
            assert!(found.iter().all(|f| f.canary == canary), "and nothing else: {}", told(&found));
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(format!("{}.pdf", self.canaries.file)), b"").unwrap();
        assert_eq!(self.scanner.tree(folder.path()).len(), 1, "a file's name counts");
    }
}

fn loudly<'a>(environment: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("VOUCHSAFE_LOG", "trace")], environment].concat()
}

/// Sees that the log has what only a loud one has: here that somebody came to the admin socket and said nothing.
fn assert_loud(scene: &Scene) {
    drop(std::os::unix::net::UnixStream::connect(scene.install.root().join("control.sock")).unwrap());
    assert!(scene.daemon.wait_for_line("ended without a request"), "the log is loud");
}

/// Where and how, never the canary itself: it tells nothing.
fn told(found: &[Found]) -> String {
    let lines: Vec<String> = found.iter().map(|f| format!("{} in {}", f.form, f.place)).collect();
    format!("found {}", lines.join("; "))
}

/// Whether there is an ELF file that is a core dump.
pub(crate) fn core_file_below(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        // ELF's e_type is 4 for a core file.
        let is_core = |bytes: &[u8]| bytes.starts_with(b"\x7fELF") && bytes.get(16) == Some(&4);
        kind.is_dir() && core_file_below(&path) || kind.is_file() && is_core(&fs::read(&path).unwrap())
    })
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let into = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &into);
        } else {
            fs::copy(&path, &into).unwrap();
        }
    }
}

fn largest_file(folder: &Path) -> std::path::PathBuf {
    let files =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.max_by_key(|path| fs::metadata(path).unwrap().len()).expect("the store has a file")
}
