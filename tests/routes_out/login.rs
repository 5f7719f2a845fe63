//! Logging in at a smarthost.

use crate::host::{Host, Tls};
use crate::outside::authority::Authority;
use crate::stage::{Stage, any_why, secret, why};

const NAME: &str = "smart.example";
const ADA: &str = "ada@team.example";

/// A smarthost that wants these lines, and an installation that uses it.
fn stage(
    login: (&'static str, &[&str]),
    implicit: bool,
    auth: &str,
    files: &[(&str, &str)],
) -> (Stage, Host) {
    let authority = Authority::new("The stage");
    let server = authority.signs(NAME).server(None);
    let tls = if implicit { Tls::Implicit(server) } else { Tls::Starttls(server) };
    let lines = login.1.iter().map(ToString::to_string).collect();
    let host = Host::with_login("127.0.0.1:0", tls, Some((login.0, lines)));
    let mode = if implicit { "implicit" } else { "required" };
    let egress = format!(
        "smarthost = \"{}\"\ntls = \"{mode}\"\nca_file = \"ca.pem\"\nserver_name = \"{NAME}\"",
        host.address
    );
    let stage = Stage::with(authority, &egress, &format!("[egress.auth]\n{auth}\n"), files);
    stage.reader(ADA);
    (stage, host)
}

#[test]
fn the_password_is_told_by_each_mechanism_and_only_within_tls() {
    let file = "username = \"lists\"\npassword_file = \"password\"";
    let cases: [(&str, &[&str], bool, String); 4] = [
        ("LOGIN PLAIN", &["AUTH PLAIN AGxpc3RzAG9wZW4gc2VzYW1l"], false, file.to_owned()),
        ("CRAM-MD5 LOGIN", &["AUTH LOGIN", "bGlzdHM=", "b3BlbiBzZXNhbWU="], true, file.to_owned()),
        (
            "PLAIN LOGIN",
            &["AUTH LOGIN", "bGlzdHM=", "b3BlbiBzZXNhbWU="],
            false,
            format!("{file}\nmechanism = \"login\""),
        ),
        (
            "PLAIN XOAUTH2",
            &["AUTH XOAUTH2 dXNlcj1saXN0cwFhdXRoPUJlYXJlciB0MGtlbgEB"],
            true,
            "username = \"lists\"\ntoken_command = [\"/bin/echo\", \"t0ken\"]".to_owned(),
        ),
    ];
    for (offered, lines, implicit, auth) in cases {
        let (stage, host) = stage((offered, lines), implicit, &auth, &[("password", "open sesame\n")]);
        stage.report("Let me in");
        assert_eq!(host.wait(1)[0].0, ADA, "{offered}");
        assert!(host.told_in_the_clear().is_empty(), "{:?}", host.told_in_the_clear());
        let log = stage.daemon.log();
        assert!(!log.contains("sesame") && !log.contains("t0ken") && !log.contains(lines[0]), "{log}");
    }
}

#[test]
fn a_refused_login_keeps_every_copy_and_is_one_attempt() {
    let auth = "username = \"lists\"\npassword_file = \"password\"";
    let right: &[&str] = &["AUTH PLAIN AGxpc3RzAG9wZW4gc2VzYW1l"];
    let (stage, host) = stage(("PLAIN", right), false, auth, &[("password", "wrong\n")]);
    for n in 0..4 {
        stage.reader(&format!("reader{n}@team.example"));
    }
    stage.report("Not yet");
    let rows = stage.waiting(5);
    let shown = any_why(&rows);
    assert!(shown.contains("the login was refused: 535 5.7.8 not you"), "{shown}");
    assert_eq!((host.heard("AUTH"), host.heard("MAIL")), (1, 0), "the destination rests, not each copy");
    assert!(stage.install.events("failed").is_empty());

    secret(&stage.install, "password", "open sesame\n");
    stage.install.hand_over();
    let stage = stage.restarted();
    stage.install.ok(&["queue", "retry", "--all"]);
    assert_eq!(host.wait(5).len(), 5);
    stage.drained();
}

#[test]
fn without_a_way_to_log_in_nothing_is_sent() {
    let auth = "username = \"lists\"\npassword_file = \"password\"";
    let (stage, host) = stage(("GSSAPI CRAM-MD5", &[]), false, auth, &[("password", "open sesame\n")]);
    stage.report("No way in");
    let shown = why(&stage.deferred(1), ADA);
    assert!(shown.contains("cannot log in: the host offers no AUTH mechanism"), "{shown}");
    assert_eq!((host.heard("AUTH"), host.heard("MAIL")), (0, 0));

    let (stage, host) = self::stage(("PLAIN", &[]), false, auth, &[]);
    stage.report("No password");
    let shown = why(&stage.deferred(1), ADA);
    assert!(shown.contains("cannot log in:") && shown.contains("password is not there"), "{shown}");
    assert_eq!((host.heard("AUTH"), host.heard("MAIL")), (0, 0));
}
