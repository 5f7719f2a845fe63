//! Postfix in front of us (by LMTP) and behind us (as the smarthost): one private instance plays both.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::outside::install::SECURITY;
use crate::outside::mail::entity;
use crate::outside::scene::Scene;
use crate::outside::smtp::Client;
use crate::outside::{in_ci, is_root, skip, until};

/// A Postfix with folders of its own, stopped when dropped.
struct Postfix {
    dir: TempDir,
    address: SocketAddr,
}

impl Postfix {
    /// None, aloud, where it is missing or where nobody may start it.
    fn prepare() -> Option<Self> {
        if Command::new("postconf").arg("-d").arg("mail_version").output().is_err() {
            skip("postfix");
            return None;
        }
        if !is_root() {
            assert!(!in_ci(), "Postfix starts only as root");
            eprintln!("SKIPPED: Postfix starts only as root");
            return None;
        }
        let open = Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().prefix("vp").permissions(open).tempdir_in("/tmp").unwrap();
        for folder in ["etc", "queue", "data", "mail"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let (uid, gid) = postfix_ids();
        chown(dir.path().join("data"), Some(uid), Some(gid)).unwrap();
        chown(dir.path().join("mail"), Some(uid), Some(gid)).unwrap();
        // Free at this moment; Postfix cannot say which port it took.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Some(Self { dir, address })
    }

    fn etc(&self) -> PathBuf {
        self.dir.path().join("etc")
    }

    /// Starts it: mail for our lists goes to this socket, mail for readers into maildirs.
    fn start(&self, lmtp: &Path) {
        let (dir, (uid, gid)) = (self.dir.path().display(), postfix_ids());
        chown(lmtp, None, Some(gid)).unwrap();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {dir}/queue\ndata_directory = {dir}/data\n\
             maillog_file = {dir}/log\nmaillog_file_prefixes = /tmp\nmyhostname = mx.example\nmydomain = example\n\
             mydestination =\nalias_maps =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\nbiff = no\n\
             transport_maps = inline:{{ lists.example=lmtp:unix:{} }}\nrelay_domains = lists.example\n\
             virtual_mailbox_domains = team.example distro.example vendor.example\n\
             virtual_mailbox_maps = static:all/\nvirtual_mailbox_base = {dir}/mail\n\
             virtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{gid}\nvirtual_minimum_uid = 1\n\
             message_size_limit = 70000000\nvirtual_mailbox_limit = 0\n",
            lmtp.display()
        );
        let port = self.address.port();
        let master = format!("127.0.0.1:{port} inet n - n - - smtpd\n") + MASTER;
        fs::write(self.etc().join("main.cf"), main).unwrap();
        fs::write(self.etc().join("master.cf"), master).unwrap();
        let started = Command::new("postfix").arg("-c").arg(self.etc()).arg("start").output().unwrap();
        assert!(started.status.success(), "{}\n{}", String::from_utf8_lossy(&started.stderr), self.log());
        until("Postfix greets", || Client::try_tcp(self.address).map(Client::quit));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// All mail that it delivered into its one maildir.
    fn delivered(&self) -> Vec<Vec<u8>> {
        let Ok(folder) = fs::read_dir(self.dir.path().join("mail/all/new")) else { return Vec::new() };
        folder.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }
}

const MASTER: &str = "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n\
    bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n\
    verify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\n\
    proxywrite unix - - n - 1 proxymap\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\n\
    error unix - - n - - error\nretry unix - - n - - error\ndiscard unix - - n - - discard\n\
    virtual unix - n n - - virtual\nlmtp unix - - n - - lmtp\nanvil unix - - n - 1 anvil\n\
    scache unix - - n - 1 scache\npickup unix n - n 60 1 pickup\nshowq unix n - n - - showq\n\
    tlsmgr unix - - n 1000? 1 tlsmgr\npostlog unix-dgram n - n - 1 postlogd\n";

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = Command::new("postfix").arg("-c").arg(self.etc()).arg("stop").output();
        if std::thread::panicking() {
            eprintln!("Postfix's log:\n{}", self.log());
        }
    }
}

/// The user and group that Postfix runs as.
fn postfix_ids() -> (u32, u32) {
    let id = |flag: &str| {
        let output = Command::new("id").args([flag, "postfix"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().expect("there is a user postfix")
    };
    (id("-u"), id("-g"))
}

#[test]
fn postfix_hands_reports_in_and_takes_copies_out() {
    let Some(postfix) = Postfix::prepare() else { return };
    let smarthost = format!("smarthost = \"{}\"", postfix.address);
    let Some(scene) = Scene::with_smarthost(&postfix.address.to_string()) else { return };
    assert!(fs::read_to_string(scene.install.config()).unwrap().contains(&smarthost));
    postfix.start(&scene.daemon.lmtp());

    let rita = &scene.people.rita;
    // Lines that begin with dots, and long ones: whatever Postfix does to them, the encrypted payload stays.
    let text = format!(".\n..two dots\n{}\n", "long ".repeat(400));
    let written = entity(&rita.address, "Through Postfix", &text);
    let mut client = Client::tcp(postfix.address).ehlo();
    let reply = client.mail(&rita.address, &[SECURITY], &scene.report(rita, &written));
    assert_eq!(reply.code, 250, "{reply:?}");
    client.quit();
    let copies = until("two copies in Postfix's maildir", || {
        let mails = postfix.delivered();
        (mails.len() == 2).then_some(mails)
    });
    for person in [&scene.people.ada, &scene.people.bob] {
        let theirs: Vec<_> = copies
            .iter()
            .filter(|copy| {
                String::from_utf8_lossy(copy).contains(&format!("Delivered-To: {}", person.address))
            })
            .collect();
        assert_eq!(theirs.len(), 1);
        let raw = crate::outside::mail::crlf(theirs[0]);
        let copy = person.open(&raw, &scene.security);
        assert!(copy.holds(&written), "{}", person.address);
        assert_eq!(copy.subject(), "[Security Team] Through Postfix");
    }
    scene.queue("an empty queue", <[_]>::is_empty);
    let unknown = Client::tcp(postfix.address).ehlo().mail(
        &rita.address,
        &["nobody@lists.example"],
        b"Subject: x\r\n\r\nx\r\n",
    );
    assert_eq!(unknown.code, 250, "Postfix asks us only when it delivers");
    until("our refusal in Postfix's log", || postfix.log().contains("5.1.1").then_some(()));
}
