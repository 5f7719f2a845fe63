//! What Prometheus and a load balancer see.

use std::collections::BTreeSet;

use crate::http::{Scrape, get, send};
use crate::outside::daemon::serve_to_its_end;
use crate::outside::install::{ANNOUNCE, Install};
use crate::outside::scene::Scene;
use crate::outside::sink::Rule;
use crate::outside::until;

const ON: (&str, &str) = ("#listen = \"127.0.0.1:9464\"", "listen = \"127.0.0.1:0\"");

#[test]
fn metrics_tell_what_happened_and_of_whom_nothing() {
    let Some(scene) = Scene::edited(&[ON]) else { return };
    let dora = scene.people.dora.address.clone();
    scene.sink.rule(&dora, Rule::Refuse("451 4.7.1 later"));
    let before = Scrape::of(&scene.daemon);
    assert_eq!(
        before.value("vouchsafe_arrivals_total{way=\"smtp\",outcome=\"taken\"}"),
        0.0,
        "a rate begins at 0"
    );
    scene.announce("Counted");
    scene.tell("Counted, too");
    let rita = scene.people.rita.address.clone();
    let stranger = scene.announcement(&scene.people.rita, b"Content-Type: text/plain\r\n\r\nNo.\r\n");
    scene.taken(&rita, ANNOUNCE, &stranger);
    assert_eq!(scene.send(&rita, ANNOUNCE, b"Subject: clear\r\n\r\nNo.\r\n").code, 550);
    scene.holds(1);
    scene.queue("Dora's copy waits", |rows| rows.len() == 1 && rows[0]["state"] == "deferred");
    let after = until("five copies are counted", || {
        let scrape = Scrape::of(&scene.daemon);
        (scrape.value("vouchsafe_deliveries_total{outcome=\"delivered\",cause=\"none\"}") == 5.0)
            .then_some(scrape)
    });
    for (series, value) in [
        ("vouchsafe_arrivals_total{way=\"smtp\",outcome=\"taken\"}", 3.0),
        ("vouchsafe_refusals_total{code=\"550\"}", 1.0),
        ("vouchsafe_relayed_total{list=\"distrib-announce\",outcome=\"post\",reason=\"\"}", 1.0),
        (
            "vouchsafe_relayed_total{list=\"distrib-announce\",outcome=\"hold\",reason=\"unknown-signer\"}",
            1.0,
        ),
        ("vouchsafe_relayed_total{list=\"security\",outcome=\"post\",reason=\"\"}", 1.0),
        ("vouchsafe_arrival_wait_seconds_count", 2.0),
        ("vouchsafe_deliveries_total{outcome=\"deferred\",cause=\"reply_4xx\"}", 1.0),
        ("vouchsafe_queue_copies{state=\"deferred\"}", 1.0),
        ("vouchsafe_held_mails", 1.0),
        ("vouchsafe_spool_mails", 0.0),
        ("vouchsafe_sessions_open{way=\"smtp\"}", 0.0),
        ("vouchsafe_part_alive{part=\"courier\"}", 1.0),
        ("vouchsafe_tls_certificate_expiry_timestamp_seconds", 0.0),
    ] {
        assert_eq!(after.value(series), value, "{series}");
    }
    for series in [
        "vouchsafe_arrival_bytes_total{way=\"smtp\"}",
        "vouchsafe_delivered_bytes_total",
        "vouchsafe_store_commits_total{outcome=\"done\"}",
        "vouchsafe_store_commit_seconds_count",
        "vouchsafe_queue_oldest_seconds",
        "vouchsafe_disk_free_ratio",
        "vouchsafe_resident_memory_bytes",
        "vouchsafe_last_delivery_timestamp_seconds",
        "vouchsafe_start_time_seconds",
    ] {
        assert!(after.value(series) > 0.0, "{series}");
    }
    let secret = |value: &String| value.contains('@') || value.contains("127.0.0.1");
    assert!(!after.label_values().iter().any(secret), "no address in a label: {:?}", after.label_values());
}

/// `docs/metrics.md` has a table: `| name | type | ... |`.
#[test]
fn the_page_and_the_daemon_agree_on_every_metric() {
    let Some(scene) = Scene::edited(&[ON]) else { return };
    scene.tell("So that every histogram has a value");
    scene.queue("everything is delivered", <[_]>::is_empty);
    let scrape = until("a delivery is counted", || {
        let scrape = Scrape::of(&scene.daemon);
        (scrape.value("vouchsafe_last_delivery_timestamp_seconds") > 0.0).then_some(scrape)
    });
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `vouchsafe_"));
    let told: BTreeSet<(String, String)> = rows
        .map(|row| {
            let mut cells = row.split('|').map(str::trim);
            let name = cells.next().unwrap().trim_end_matches('`');
            (format!("vouchsafe_{name}"), cells.next().unwrap().to_owned())
        })
        .collect();
    let shown: BTreeSet<(String, String)> = scrape.types.clone().into_iter().collect();
    assert_eq!(told, shown);
    for name in scrape.types.keys() {
        assert!(scrape.helps.contains_key(name), "{name} says what it is");
    }
    // What the example rules ask for exists.
    let names = page
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|w| w.starts_with("vouchsafe_"));
    for name in names {
        let base =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(scrape.types.contains_key(base) || scrape.types.contains_key(name), "{name} is in no scrape");
    }
}

#[test]
fn health_and_readiness_are_told_apart_and_nothing_else_is_there() {
    let Some(scene) = Scene::edited(&[("#listen = \"127.0.0.1:9464\"", "listen = \"unix:metrics.sock\"")])
    else {
        return;
    };
    for path in ["/health", "/ready"] {
        let answer = get(&scene.daemon, path);
        assert_eq!((answer.status, answer.kind.as_str()), (200, "application/json"), "{}", answer.body);
        let report: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(report["status"], "ok");
        assert!(report["checks"].as_array().unwrap().iter().all(|check| check["state"] == "ok"), "{report}");
    }
    let ready = get(&scene.daemon, "/ready").body;
    for name in ["store", "store_writable", "disk", "serving", "worker", "courier", "listeners"] {
        assert!(ready.contains(&format!("\"name\":\"{name}\"")), "{ready}");
    }
    assert_eq!(get(&scene.daemon, "/").status, 404);
    assert_eq!(get(&scene.daemon, "/metrics/../etc/passwd").status, 404);
    assert_eq!(
        send(&scene.daemon, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").status,
        405
    );
    let long = format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(matches!(send(&scene.daemon, &long).status, 431 | 400 | 0), "a header has a limit");
    let socket = scene.install.root().join("metrics.sock");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660);
    let (status, _) = scene.daemon.stop();
    assert_eq!(status.code(), Some(0));
    assert!(!socket.exists(), "the socket goes with the daemon");
}

#[test]
fn a_daemon_that_drains_lives_and_is_not_ready() {
    let Some(scene) = Scene::edited(&[ON]) else { return };
    let dora = scene.people.dora.address.clone();
    scene.sink.rule(&dora, Rule::Hang);
    scene.announce("While it drains");
    scene.sink.wait_until_hanging(1);
    scene.daemon.signal("TERM");
    until("it is not ready", || {
        let ready = get(&scene.daemon, "/ready");
        (ready.status == 503)
            .then(|| assert!(ready.body.contains("the daemon is stopping"), "{}", ready.body))
    });
    assert_eq!(get(&scene.daemon, "/health").status, 200);
    scene.sink.obey(&dora);
    let Scene { mut daemon, .. } = scene;
    assert_eq!(daemon.wait(crate::outside::PATIENCE).unwrap().code(), Some(0));
}

#[test]
fn metrics_are_for_this_machine_only() {
    let listen = ("#listen = \"127.0.0.1:9464\"", "listen = \"0.0.0.0:9464\"");
    let install = Install::edited("127.0.0.1:9", &[listen]);
    for ran in [serve_to_its_end(&install), install.run(&["check"])] {
        let said = ran.out + &ran.err;
        assert!(
            ran.code == 78 && said.contains("relay.toml:") && said.contains("unix:metrics.sock"),
            "{said}"
        );
    }
}
