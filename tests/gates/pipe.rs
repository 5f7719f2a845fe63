//! `vouchsafe ingest` as a mail server's pipe runs it: exit codes, deaths, sizes, and nothing left behind.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::outside::copy::contains;
use crate::outside::daemon::{Daemon, without_rights};
use crate::outside::install::{ANNOUNCE, Install, Ran, SECURITY};
use crate::outside::scene::Scene;
use crate::outside::until;

const LMTP: (&str, &str) = ("[lmtp]\n#listen", "[lmtp]\nlisten");

/// A report in the clear as a pipe brings it: LF only, an mbox line, dots and 8-bit text.
fn report(marker: &str) -> Vec<u8> {
    format!(
        "From rita@reporter.example Sat Nov 21 12:00:00 2026\nFrom: rita@reporter.example\nTo: {SECURITY}\n\
         Subject: {marker}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n.a dot\n.\ngr\u{fc}n {marker}\n"
    )
    .into_bytes()
}

/// The program without rights, that cannot read the settings, with nothing but the socket.
fn command(install: &Install, lmtp: &Path, args: &[&str]) -> Command {
    let mut command = without_rights(install.program());
    command.args(["ingest", "--socket"]).arg(lmtp).args(args);
    command.current_dir("/").env("TMPDIR", install.tmp()).env_remove("VOUCHSAFE_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn fed(mut command: Command, mail: &[u8]) -> Ran {
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // It has to read everything, whatever it thinks of it: a mail server's write may not fail.
    input.write_all(mail).expect("the pipe is read to its end");
    drop(input);
    child.wait_with_output().unwrap().into()
}

fn ingest(install: &Install, lmtp: &Path, args: &[&str], mail: &[u8]) -> Ran {
    fed(command(install, lmtp, args), mail)
}

#[test]
fn what_a_pipe_brings_reaches_its_readers_and_each_failure_has_its_code() {
    let Some(mut scene) = Scene::edited(&[LMTP, ("#max_message = 52428800", "max_message = 30000000")])
    else {
        return;
    };
    let (lmtp, ada) = (scene.daemon.lmtp(), scene.people.ada.address.clone());
    let run = |args: &[&str], mail: &[u8]| ingest(&scene.install, &lmtp, args, mail);
    let done = run(&["-f", "rita@reporter.example", "--", SECURITY], &report("first"));
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "", ""));
    let copies = scene.sink.wait_for(&ada, 1);
    let opened = scene.people.ada.open(&copies[0].data, &scene.security);
    assert!(opened.holds("\r\n.a dot\r\n.\r\ngr\u{fc}n first\r\n".as_bytes()), "byte for byte, with CRLF");
    assert!(!contains(&copies[0].data, b"reporter.example"), "and sealed");

    // 20 MB, encrypted as reports should be, and a recipient that stands in the header.
    let entity =
        [b"Content-Type: text/plain\r\n\r\n".to_vec(), b"0123456789abcde\r\n".repeat(1_200_000)].concat();
    let large = scene.report(&scene.people.rita, &entity);
    let large = [format!("Delivered-To: {SECURITY}\r\n").as_bytes(), &large].concat();
    let done = run(&["--recipient-from", "delivered-to", "-f", "<>"], &large);
    assert_eq!(done.code, 0, "{}", done.err);
    let copies = scene.sink.wait_for(&ada, 2);
    assert!(scene.people.ada.open(&copies[1].data, &scene.security).holds(&entity));

    let refused = |args: &[&str], mail: &[u8], code: i32, says: &str| {
        let ran = run(args, mail);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("second"), "no content in what is told: {}", ran.err);
    };
    let second = report("second");
    refused(
        &["nobody@lists.example"],
        &second,
        67,
        "5.1.1 nobody@lists.example: There is no such address here",
    );
    refused(&["root"], &second, 67, "5.1.3 \"root\"");
    refused(&["ada@elsewhere.example"], &second, 77, "5.7.1 ");
    refused(&[ANNOUNCE], &second, 77, "takes encrypted mail only");
    refused(&[SECURITY], &b"x\n".repeat(40_000_000), 65, "5.3.4 the mail is larger than 30000000 bytes");
    refused(&[SECURITY], b"", 65, "there is no mail");
    refused(&["--recipient-from", "x-original-to"], &second, 75, "X-Original-To");
    refused(&["--recipient-from", "x-original-to", SECURITY], &second, 64, "cannot be used with");
    refused(&[], &second, 64, "required");
    // One list gets its mail, the other's refusal is told.
    refused(&[SECURITY, ANNOUNCE], &second, 77, ANNOUNCE);
    scene.sink.wait_for(&ada, 3);
    scene.lives_on();
    let left: Vec<_> = std::fs::read_dir(scene.install.tmp()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn without_a_daemon_or_settings_the_mail_stays_where_it_is() {
    let install = Install::edited("127.0.0.1:1", &[LMTP]);
    let lmtp = install.root().join("lmtp.sock");
    let ran = ingest(&install, &lmtp, &[SECURITY], &report("x"));
    assert_eq!(ran.code, 75);
    assert!(ran.err.contains("the daemon is not running"), "{}", ran.err);
    // By the settings: the socket is found where relay.toml names it, and whoever may not read them is told.
    let by_config = |config: &Path| {
        let mut command = without_rights(install.program());
        command.arg("--config").arg(config).args(["ingest", SECURITY]).stdin(Stdio::piped());
        fed(
            {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command
            },
            &report("x"),
        )
    };
    let ran = by_config(&install.config());
    assert!(ran.code == 75 && ran.err.contains(lmtp.to_str().unwrap()), "{} {}", ran.code, ran.err);
    let ran = by_config(Path::new("/nonexistent/relay.toml"));
    assert!(ran.code == 75 && ran.err.contains("relay.toml"), "{} {}", ran.code, ran.err);
}

#[test]
fn a_daemon_that_dies_at_any_step_costs_no_mail() {
    let Some(mut scene) = Scene::edited(&[LMTP]) else { return };
    let ada = scene.people.ada.address.clone();
    let mut due = 0;
    for (point, code) in [
        ("intake-begun", 75),
        ("intake-sealed", 75),
        ("intake-stored", 75),
        ("intake-committed", 75),
        ("intake-answered", 0),
    ] {
        let arm = format!("{point}:abort");
        scene = scene.restarted_with(&[("VOUCHSAFE_FAILPOINT", arm.as_str())]);
        let ran = ingest(&scene.install, &scene.daemon.lmtp(), &[SECURITY], &report(point));
        assert_eq!(ran.code, code, "{point}: {}", ran.err);
        assert!(!ran.err.contains("failpoint"), "it is the daemon that died");
        scene = scene.followed(&[], Daemon::kill).0;
        if code == 75 {
            let again = ingest(&scene.install, &scene.daemon.lmtp(), &[SECURITY], &report(point));
            assert_eq!(again.code, 0, "{point}: {}", again.err);
        }
        // What was committed and not answered comes twice: the lesser evil.
        due += if point == "intake-committed" { 2 } else { 1 };
        let copies = scene.sink.wait_for(&ada, due);
        let opened = scene.people.ada.open(&copies[due - 1].data, &scene.security);
        assert!(opened.holds(format!("Subject: {point}").as_bytes()), "{point}");
    }
}

#[test]
fn a_pipe_that_dies_half_way_leaves_nothing() {
    let Some(mut scene) = Scene::edited(&[LMTP]) else { return };
    let mut child: Child = command(&scene.install, &scene.daemon.lmtp(), &[SECURITY]).spawn().unwrap();
    let input = child.stdin.as_mut().unwrap();
    input.write_all(&report("half")).unwrap();
    input.write_all(&b"more\n".repeat(100_000)).unwrap();
    // It has the mail in its memory, as far as it came.
    until("the connection stands", || (scene.daemon.lmtp().exists()).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    scene.lives_on();
    assert_eq!(scene.sink.taken_for(&scene.people.ada.address).len(), 1, "the sign of life and nothing else");
}
