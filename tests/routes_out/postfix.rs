//! Postfix as a smarthost that wants a password (checked by Dovecot) and a client certificate.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::outside::authority::Authority;
use crate::outside::mail::crlf;
use crate::outside::postfix::Postfix;
use crate::outside::scene::Scene;
use crate::outside::{skip, until};
use crate::stage::{any_why, secret, was_tried};

/// A Dovecot that does nothing but check passwords; stopped when dropped.
struct Passwords {
    _dir: TempDir,
    server: Child,
    address: SocketAddr,
}

impl Passwords {
    fn start() -> Option<Self> {
        if Command::new("dovecot").arg("--version").output().is_err() {
            skip("dovecot");
            return None;
        }
        let open = Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().prefix("va").permissions(open).tempdir_in("/tmp").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (at, port) = (dir.path().display(), address.port());
        fs::write(dir.path().join("users"), "lists:{PLAIN}open sesame\n").unwrap();
        fs::set_permissions(dir.path().join("users"), Permissions::from_mode(0o644)).unwrap();
        let settings = format!(
            "base_dir = {at}/run\nstate_dir = {at}\nlog_path = {at}/log\nprotocols =\nlisten = 127.0.0.1\nssl = no\n\
             auth_mechanisms = plain login\npassdb {{\n driver = passwd-file\n args = {at}/users\n}}\n\
             userdb {{\n driver = static\n args = uid=65534 gid=65534 home=/nonexistent\n}}\n\
             service auth {{\n inet_listener {{\n address = 127.0.0.1\n port = {port}\n }}\n}}\n"
        );
        fs::write(dir.path().join("dovecot.conf"), settings).unwrap();
        let server = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(dir.path().join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let passwords = Self { _dir: dir, server, address };
        until("Dovecot takes questions", || TcpStream::connect(address).ok());
        Some(passwords)
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        // Killed outright it would leave its children.
        let _ = Command::new("kill").arg(self.server.id().to_string()).status();
        let _ = self.server.wait();
    }
}

/// Postfix with a certificate, more lines, and services; the authority that signed it.
fn postfix(more: &str, services: &str) -> Option<(Postfix, Authority)> {
    let postfix = Postfix::prepare()?;
    let authority = Authority::new("The stage");
    let own = authority.signs("mx.example");
    let chain = postfix.file("chain.pem", format!("{}{}", own.key, own.cert).as_bytes());
    let ca = postfix.file("ca.pem", authority.pem.as_bytes());
    let tls = format!(
        "smtpd_tls_chain_files = {}\nsmtpd_tls_CAfile = {}\nsmtpd_tls_received_header = yes\n",
        chain.display(),
        ca.display()
    );
    postfix.start_serving("discard:", &(tls + more), services);
    Some((postfix, authority))
}

/// A scene behind it, with these lines in `[egress]` and files that the daemon alone can read.
fn scene(at: SocketAddr, egress: &str, tables: &str, files: &[(&str, &str)]) -> Option<Scene> {
    let tls = format!("ca_file = \"ca.pem\"\nserver_name = \"mx.example\"\n{egress}\n");
    let table = format!("{tables}\n[dns]\n");
    let changes = [
        ("tls = \"none\"\n", tls.as_str()),
        ("#retry_first = \"5m\"", "retry_first = \"1s\""),
        ("#retry_max = \"4h\"", "retry_max = \"1s\""),
        ("[dns]\n", &table),
    ];
    let scene = Scene::with_files(&at.to_string(), &changes, files)?;
    for (name, content) in files {
        secret(&scene.install, name, content);
    }
    scene.install.hand_over();
    Some(scene)
}

/// Every copy came, and gpg opens it.
fn all_arrive(scene: &Scene, postfix: &Postfix, written: &[u8], how: &[&str]) {
    let copies = until("two copies in Postfix's maildir", || {
        let mails = postfix.delivered();
        (mails.len() == 2).then_some(mails)
    });
    for person in [&scene.people.ada, &scene.people.bob] {
        let to = format!("Delivered-To: {}", person.address);
        let copy =
            copies.iter().find(|copy| String::from_utf8_lossy(copy).contains(&to)).expect("one copy each");
        let text = String::from_utf8_lossy(copy);
        how.iter().for_each(|word| assert!(text.contains(word), "{word}: {text}"));
        assert!(person.open(&crlf(copy), &scene.security).holds(written));
    }
    scene.queue("an empty queue", <[_]>::is_empty);
}

#[test]
fn postfix_takes_copies_from_who_knows_the_password() {
    let Some(passwords) = Passwords::start() else { return };
    let sasl = format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_auth_only = yes\nsmtpd_sasl_auth_enable = yes\n\
         smtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:{}\nsmtpd_sasl_authenticated_header = yes\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
         smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n",
        passwords.address
    );
    let Some((postfix, authority)) = postfix(&sasl, "") else { return };
    let auth = "[egress.auth]\nusername = \"lists\"\npassword_file = \"password\"\n";
    let files = [("ca.pem", authority.pem.as_str()), ("password", "close sesame\n")];
    let Some(scene) = scene(postfix.address, "tls = \"required\"", auth, &files) else { return };
    let written = scene.tell("With a password");
    let rows = scene.queue("copies that wait", |rows| rows.len() == 2 && rows.iter().any(was_tried));
    let shown = any_why(&rows);
    assert!(shown.contains("the login was refused: 535 5.7.8"), "{shown}");
    assert!(postfix.delivered().is_empty() && scene.install.events("failed").is_empty());

    // The right password counts with the next login.
    secret(&scene.install, "password", "open sesame\n");
    scene.install.hand_over();
    all_arrive(&scene, &postfix, &written, &["Authenticated sender: lists", "using TLSv1.3"]);
    assert!(!scene.daemon.log().contains("sesame"));
    no_password_in(&scene.install.root().join("data"));
}

/// Nothing below this folder holds the password, in either form.
fn no_password_in(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            no_password_in(&entry.path());
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        for word in ["sesame", "AGxpc3RzAG9wZW4gc2VzYW1l", "AGxpc3RzAGNsb3NlIHNlc2FtZQ=="] {
            assert!(
                crate::outside::copy::find(&bytes, word.as_bytes()).is_none(),
                "{word} in {:?}",
                entry.path()
            );
        }
    }
}

#[test]
fn postfix_takes_copies_by_implicit_tls_from_who_has_a_certificate() {
    let smtps = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let demanding = format!(
        "{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt \
         -o smtpd_tls_req_ccert=yes -o smtpd_tls_ask_ccert=yes\n"
    );
    let Some((postfix, authority)) = postfix("", &demanding) else { return };
    let client = authority.signs("relay.example");
    let files =
        [("ca.pem", authority.pem.as_str()), ("client.pem", &client.cert), ("client-key.pem", &client.key)];
    let Some(scene) = scene(smtps, "tls = \"implicit\"", "", &files) else { return };
    let written = scene.tell("With a certificate");
    let rows = scene.queue("copies that wait", |rows| rows.len() == 2 && rows.iter().any(was_tried));
    let shown = any_why(&rows);
    // Within TLS it says so in its own words.
    assert!(shown.starts_with("421") && shown.contains("No client certificate"), "{shown}");
    assert!(postfix.delivered().is_empty());
    scene.install.edit(
        "server_name = \"mx.example\"\n",
        "server_name = \"mx.example\"\nclient_cert = \"client.pem\"\nclient_key = \"client-key.pem\"\n",
    );
    let scene = scene.restarted();
    all_arrive(&scene, &postfix, &written, &["relay.example", "verified OK"]);
}
