//! The engine that the settings choose: what is said of sled, that mail survives the death of the daemon on it as well, and
//! that no engine opens what the other one wrote.

use crate::outside::daemon::{Daemon, serve_to_its_end};
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::clear;
use crate::outside::openpgp::{armored, person};
use crate::outside::sink::{Rule, Sink};
use crate::outside::smtp::Client;
use crate::outside::until;

const ADA: &str = "ada@team.example";

#[test]
fn on_sled_mail_survives_a_kill_and_the_log_says_what_it_does_not_survive() {
    let sink = Sink::start();
    let install = Install::on("sled", &sink.smarthost(), &[]);
    let told = "can lose accepted mail when the power is cut";
    let checked = install.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert!(checked.out.contains(told), "{}", checked.out);
    // At this level the engine itself would write down what it stores.
    let daemon = Daemon::start_with(&install, &[("VOUCHSAFE_LOG", "trace,sled=trace")]);
    assert!(
        daemon.log().lines().any(|line| line.contains("WARN") && line.contains(told)),
        "{}",
        daemon.log()
    );
    assert_eq!(install.json(&["status"])["store"], "sled");
    install.team(ADA, &armored(&person(ADA)));
    sink.rule(ADA, Rule::Refuse("451 4.3.0 not now"));
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    for n in 0..5 {
        let raw = clear("rita@reporter.example", SECURITY, "Kept", &format!("mail {n}"));
        assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &raw).code, 250);
    }
    until("all wait", || (install.json(&["status"])["deferred"] == 5).then_some(()));
    let log = daemon.kill();
    assert!(!log.contains("sled::") && !log.contains("applying batch"), "{log}");

    let daemon = Daemon::start(&install);
    sink.obey(ADA);
    install.ok(&["queue", "retry", "--all"]);
    assert_eq!(sink.wait_for(ADA, 5).len(), 5);
    until("the queue is empty", || (install.json(&["status"])["deferred"] == 0).then_some(()));
    install.ok(&["journal", "verify"]);
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn what_one_engine_wrote_the_other_refuses_by_name() {
    for (wrote, other) in [("redb", "sled"), ("sled", "redb")] {
        let install = Install::on(wrote, "127.0.0.1:9", &[]);
        assert_eq!(Daemon::start(&install).stop().0.code(), Some(0));
        let [was, is] = [wrote, other].map(|kind| format!("kind = \"{kind}\""));
        install.edit(&was, &is);
        let refused = serve_to_its_end(&install);
        assert_eq!(refused.code, 74, "{refused:?}");
        let says =
            format!("was written by {wrote}, and [store] kind is \"{other}\"; set kind = \"{wrote}\" again");
        assert!(refused.err.contains(&says), "{}", refused.err);
        install.edit(&is, &was);
        assert_eq!(Daemon::start(&install).stop().0.code(), Some(0));
    }
}
