//! A private Dovecot: mailboxes of a provider, over TLS with a certification authority of its own.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::daemon::without_rights;
use super::install::NOBODY;
use super::{is_root, skip, until};

/// The user whose mailbox is attended.
pub const USER: &str = "security";
/// The user's password.
pub const PASSWORD: &str = "correct horse";
/// The name in the server's certificate.
pub const NAME: &str = "imap.example";

/// A Dovecot with folders of its own, run without rights, stopped when dropped.
pub struct Dovecot {
    dir: TempDir,
    server: Option<Child>,
    /// Where TLS comes first.
    pub imaps: SocketAddr,
    /// Where STARTTLS is offered.
    pub imap: SocketAddr,
    mails: AtomicU64,
}

impl Dovecot {
    /// A server as it usually is; none, aloud, where it is missing.
    pub fn start() -> Option<Self> {
        Self::with("")
    }

    /// The same with further lines of dovecot.conf.
    pub fn with(more: &str) -> Option<Self> {
        if Command::new("dovecot").arg("--version").output().is_err() {
            skip("dovecot");
            return None;
        }
        let open = Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().prefix("vd").permissions(open).tempdir_in("/tmp").unwrap();
        // Free at this moment; Dovecot cannot say which ports it took.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (free(), free());
        let (imaps, imap) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        drop((one, other));
        let mut dovecot = Self { dir, server: None, imaps, imap, mails: AtomicU64::new(0) };
        dovecot.make_certificates();
        fs::write(dovecot.at("users"), format!("{USER}:{{PLAIN}}{PASSWORD}\n")).unwrap();
        for folder in ["run", "mail/new", "mail/cur", "mail/tmp"] {
            fs::create_dir_all(dovecot.at(folder)).unwrap();
        }
        fs::write(dovecot.at("dovecot.conf"), dovecot.settings(more)).unwrap();
        dovecot.give(dovecot.dir.path());
        dovecot.resume();
        Some(dovecot)
    }

    fn settings(&self, more: &str) -> String {
        let (dir, imap, imaps) = (self.dir.path().display(), self.imap.port(), self.imaps.port());
        let (user, group) = (name("-un"), name("-gn"));
        format!(
            "base_dir = {dir}/run\nlog_path = {dir}/log\nprotocols = imap\nlisten = 127.0.0.1\nssl = yes\n\
             ssl_cert = <{dir}/cert.pem\nssl_key = <{dir}/key.pem\ndisable_plaintext_auth = no\n\
             default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n\
             first_valid_uid = 1\nfirst_valid_gid = 1\nmail_location = maildir:{dir}/mail\n\
             auth_mechanisms = plain login\nmail_max_userip_connections = 50\n\
             passdb {{\n driver = passwd-file\n args = {dir}/users\n}}\n\
             userdb {{\n driver = static\n args = uid={user} gid={group} home={dir}\n}}\n\
             service imap-login {{\n chroot =\n inet_listener imap {{\n port = {imap}\n }}\n\
             inet_listener imaps {{\n port = {imaps}\n ssl = yes\n }}\n}}\n\
             service anvil {{\n chroot =\n}}\nservice stats {{\n chroot =\n}}\n{more}"
        )
    }

    fn make_certificates(&self) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(params, ca_key);
        let cert = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        fs::write(self.at("ca.pem"), ca.pem()).unwrap();
        fs::write(self.at("cert.pem"), cert.pem()).unwrap();
        fs::write(self.at("key.pem"), key.serialize_pem()).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The authority that signed its certificate.
    pub fn ca(&self) -> PathBuf {
        self.at("ca.pem")
    }

    fn give(&self, path: &Path) {
        if !is_root() {
            return;
        }
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| self.give(&entry.unwrap().path()));
        }
    }

    /// Starts the server, after [`Dovecot::interrupt`].
    pub fn resume(&mut self) {
        let mut command = without_rights(Path::new("dovecot"));
        command.arg("-F").arg("-c").arg(self.at("dovecot.conf")).stdin(Stdio::null());
        command.process_group(0);
        self.server = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        until("Dovecot listens", || TcpStream::connect(self.imaps).ok());
    }

    /// Ends the server and every session of it.
    pub fn interrupt(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // With its sessions, which would otherwise take their time: a provider that loses its power.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", server.id())]).status();
        server.wait().unwrap();
        until("Dovecot has ended", || TcpStream::connect(self.imaps).is_err().then_some(()));
    }

    /// Delivers a mail into the user's INBOX, as another program of the provider would.
    pub fn deliver(&self, raw: &[u8]) {
        let number = self.mails.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number:08}.M{number}.test");
        let (draft, place) = (self.at("mail/tmp").join(&name), self.at("mail/new").join(&name));
        fs::write(&draft, raw).unwrap();
        self.give(&draft);
        fs::rename(draft, place).unwrap();
    }

    /// Somebody deletes all that is in the INBOX, and does not expunge it.
    pub fn mark_as_deleted(&self) {
        for entry in fs::read_dir(self.at("mail/new")).unwrap().map(Result::unwrap) {
            let name = format!("{}:2,T", entry.file_name().to_string_lossy());
            fs::rename(entry.path(), self.at("mail/cur").join(name)).unwrap();
        }
    }

    /// All mails of a mailbox, with the flags that end their file names: `INBOX` is "", others ".Name".
    pub fn mails(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        for part in ["new", "cur"] {
            let Ok(entries) = fs::read_dir(self.at("mail").join(folder).join(part)) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let flags =
                    entry.file_name().to_string_lossy().split_once(":2,").map_or("", |(_, f)| f).to_owned();
                // It may go while we look.
                found.extend(fs::read(entry.path()).ok().map(|raw| (flags, raw)));
            }
        }
        found
    }

    /// Waits until a mailbox holds so many mails.
    pub fn holds(&self, folder: &str, count: usize) -> Vec<(String, Vec<u8>)> {
        until(&format!("{count} mails in {folder:?}"), || {
            let mails = self.mails(folder);
            (mails.len() == count).then_some(mails)
        })
    }

    /// The mails stay and their UIDs do not, as when a provider makes a mailbox anew from a backup.
    pub fn renumber(&mut self) {
        self.interrupt();
        for entry in fs::read_dir(self.at("mail")).unwrap().filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with("dovecot") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        // Its UIDVALIDITY is a time in seconds.
        let second = now();
        until("another second", || (now() > second + 1).then_some(()));
        self.resume();
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Dovecot's log:\n{}", self.log());
        }
        self.interrupt();
    }
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Who the server runs as.
fn name(flag: &str) -> String {
    let mut id = without_rights(Path::new("id"));
    String::from_utf8(id.arg(flag).output().unwrap().stdout).unwrap().trim().to_owned()
}
