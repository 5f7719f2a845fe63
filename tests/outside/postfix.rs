//! A private Postfix, in front of the relay and behind it.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::smtp::Client;
use super::{in_ci, is_root, skip, until};

/// A Postfix with folders of its own, stopped when dropped.
pub struct Postfix {
    dir: TempDir,
    pub address: SocketAddr,
}

impl Postfix {
    /// None, aloud, where it is missing or where nobody may start it.
    pub fn prepare() -> Option<Self> {
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
    pub fn start(&self, lmtp: &Path) {
        chown(lmtp, None, Some(postfix_ids().1)).unwrap();
        self.start_with(&format!("lmtp:unix:{}", lmtp.display()), "");
    }

    /// The same with a transport of its own for our lists, and further lines of main.cf.
    pub fn start_with(&self, transport: &str, more: &str) {
        self.start_serving(transport, more, "");
    }

    /// The same with services of its own: further lines of master.cf.
    pub fn start_serving(&self, transport: &str, more: &str, services: &str) {
        let (dir, (uid, gid)) = (self.dir.path().display(), postfix_ids());
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {dir}/queue\ndata_directory = {dir}/data\n\
             maillog_file = {dir}/log\nmaillog_file_prefixes = /tmp\nmyhostname = mx.example\nmydomain = example\n\
             mydestination =\nalias_maps =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\nbiff = no\n\
             transport_maps = inline:{{ lists.example={transport} }}\nrelay_domains = lists.example\n\
             virtual_mailbox_domains = team.example distro.example vendor.example reporter.example\n\
             virtual_mailbox_maps = static:all/\nvirtual_mailbox_base = {dir}/mail\n\
             virtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{gid}\nvirtual_minimum_uid = 1\n\
             message_size_limit = 70000000\nvirtual_mailbox_limit = 0\n{more}"
        );
        let port = self.address.port();
        let master = format!("127.0.0.1:{port} inet n - n - - smtpd\n") + MASTER + services;
        fs::write(self.etc().join("main.cf"), main).unwrap();
        fs::write(self.etc().join("master.cf"), master).unwrap();
        let started = self.command("start");
        assert!(started.status.success(), "{}\n{}", String::from_utf8_lossy(&started.stderr), self.log());
        until("Postfix greets", || Client::try_tcp(self.address).map(Client::quit));
    }

    fn command(&self, word: &str) -> Output {
        Command::new("postfix").arg("-c").arg(self.etc()).arg(word).output().unwrap()
    }

    /// Changes a line of main.cf while it runs.
    pub fn change(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.etc().join("main.cf")).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} occurs once in main.cf");
        fs::write(self.etc().join("main.cf"), text.replacen(from, to, 1)).unwrap();
        assert!(self.command("reload").status.success(), "{}", self.log());
    }

    /// Puts a file beside main.cf that Postfix alone may read.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.etc().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The group that may open our sockets for it.
    pub fn group() -> u32 {
        postfix_ids().1
    }

    /// Whether it has no mail left to deliver.
    pub fn is_empty(&self) -> bool {
        let shown = Command::new("postqueue").arg("-c").arg(self.etc()).arg("-j").output().unwrap();
        shown.status.success() && shown.stdout.is_empty()
    }

    /// Tries everything in its queue now.
    pub fn flush(&self) {
        assert!(self.command("flush").status.success(), "{}", self.log());
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// All mail that it delivered into its one maildir.
    pub fn delivered(&self) -> Vec<Vec<u8>> {
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
        let _ = self.command("stop");
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
