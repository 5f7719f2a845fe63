//! MTA-STS: what a domain has said of its mail hosts holds, also over a restart and against forged MX records.

use crate::host::{Host, Tls};
use crate::stage::{Stage, can_listen, why};
use crate::web::{Web, policy, text};

/// A domain with a mail host and a policy host.
struct Domain {
    host: Host,
    web: Web,
}

fn domain(stage: &Stage, name: &str, ip: &str, answer: String) -> Domain {
    stage.mail_domain(name, ip);
    stage.dns.txt(&format!("_mta-sts.{name}"), "v=STSv1; id=1;");
    stage.address(&format!("mta-sts.{name}"), ip);
    stage.reader(&format!("reader@{name}"));
    let host = host(stage, &format!("mx.{name}"), ip);
    let web = Web::start(ip, stage.authority.signs(&format!("mta-sts.{name}")).server(None), answer);
    Domain { host, web }
}

/// A host that can prove this name.
fn host(stage: &Stage, name: &str, ip: &str) -> Host {
    Host::start(&format!("{ip}:25"), Tls::Starttls(stage.authority.signs(name).server(None)))
}

#[test]
fn a_policy_holds_over_a_restart_and_against_forged_records() {
    if !can_listen() {
        return;
    }
    let stage = Stage::by_mx();
    let pinned = domain(
        &stage,
        "pinned.example",
        "127.1.3.1",
        policy("enforce", "mail.pinned.example *.pinned.example"),
    );
    stage.report("The first");
    assert_eq!(pinned.host.wait(1).len(), 1);
    stage.drained();
    stage.report("The second");
    assert_eq!(pinned.host.wait(2).len(), 2);
    stage.drained();
    assert_eq!(pinned.web.asked().len(), 1, "a policy that holds is not fetched for each copy");

    // Somebody forges every record of the domain, and can prove the forged host's name. The policy host is gone.
    drop(pinned.web);
    let stage = stage.restarted();
    let forged = host(&stage, "mx.forger.example", "127.1.3.2");
    stage.dns.remove("_mta-sts.pinned.example");
    stage.exchangers("pinned.example", &["mx.forger.example"]);
    stage.address("mx.forger.example", "127.1.3.2");
    stage.report("The third");
    let shown = why(&stage.deferred(1), "reader@pinned.example");
    assert!(shown.contains("the MTA-STS policy of pinned.example names none"), "{shown}");
    assert!(shown.contains("(mx.forger.example)"), "{shown}");
    assert_eq!((forged.connections(), pinned.host.mails().len()), (0, 2));

    // The records are right again: the copy goes out, under the policy that was kept.
    stage.exchangers("pinned.example", &["mx.pinned.example"]);
    let stage = stage.restarted();
    stage.install.ok(&["queue", "retry", "--all"]);
    assert_eq!(pinned.host.wait(3).len(), 3);
    assert_eq!(forged.connections(), 0);
}

#[test]
fn a_new_version_is_fetched_and_a_failed_fetch_leaves_the_one_that_is_kept() {
    if !can_listen() {
        return;
    }
    let stage = Stage::by_mx();
    let moving = domain(&stage, "moving.example", "127.1.3.11", policy("enforce", "mx.moving.example"));
    stage.report("The first");
    moving.host.wait(1);
    stage.drained();

    // The domain moves: another host, and another version of the policy, which cannot be had at first.
    let (_, move_to) = (moving.host.connections(), host(&stage, "new.moving.example", "127.1.3.12"));
    stage.exchangers("moving.example", &["new.moving.example"]);
    stage.address("new.moving.example", "127.1.3.12");
    stage.dns.txt("_mta-sts.moving.example", "v=STSv1; id=2;");
    moving.web.answer("HTTP/1.1 503 Out\r\nContent-Length: 0\r\n\r\n".to_owned());
    let stage = stage.restarted();
    stage.report("The second");
    let shown = why(&stage.deferred(1), "reader@moving.example");
    assert!(shown.contains("names none of its mail hosts (new.moving.example)"), "{shown}");
    assert!(stage.daemon.log().contains("it answers 503"), "{}", stage.daemon.log());

    moving.web.answer(policy("enforce", "new.moving.example"));
    let stage = stage.restarted();
    stage.install.ok(&["queue", "retry", "--all"]);
    assert_eq!(move_to.wait(1).len(), 1);
    assert_eq!(moving.host.mails().len(), 1);
}

#[test]
fn what_is_no_policy_changes_nothing() {
    if !can_listen() {
        return;
    }
    let stage = Stage::by_mx();
    let elsewhere = "mail.elsewhere.example";
    let large = format!("{}\r\n", "x-pad: 0123456789\r\n".repeat(4000));
    let cases = [
        ("testing.example", policy("testing", elsewhere)),
        ("none.example", policy("none", elsewhere)),
        (
            "moved.example",
            "HTTP/1.1 301 Moved\r\nLocation: https://127.1.3.21/\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        ("html.example", policy("enforce", elsewhere).replace("text/plain", "text/html")),
        (
            "large.example",
            text(&format!("version: STSv1\r\nmode: enforce\r\nmx: {elsewhere}\r\n{large}max_age: 9\r\n")),
        ),
        ("nonsense.example", text("hello")),
        ("broken.example", "nothing of HTTP\r\n\r\n".to_owned()),
    ];
    let domains: Vec<Domain> = (21..)
        .zip(&cases)
        .map(|(n, (name, answer))| domain(&stage, name, &format!("127.1.3.{n}"), answer.clone()))
        .collect();
    stage.report("All the same");
    for (domain, (name, _)) in domains.iter().zip(&cases) {
        assert_eq!(domain.host.wait(1)[0].0, format!("reader@{name}"));
        assert_eq!(domain.web.asked().len(), 1, "{name}: and no redirect was followed");
    }
    let log = stage.daemon.log();
    for told in [
        "policy, which is in test, does not name this host",
        "it answers 301",
        "not text/plain",
        "longer than 64 KiB",
        "the policy has a line without a colon",
        "does not speak HTTP/1.1",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
}
