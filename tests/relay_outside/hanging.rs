//! A reader whose server hangs does not keep the others waiting.

use std::time::{Duration, Instant};

use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::serialize::SerializeInto;

use crate::outside::daemon::Daemon;
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::clear;
use crate::outside::sink::{Rule, Sink};
use crate::outside::smtp::Client;
use crate::outside::until;

const READERS: usize = 100;
/// How long the next hop thinks about each copy. The measured times are made of this and hardly of the machine's load:
/// ten connections deliver 100 copies in ten rounds, nine deliver 99 in eleven.
const THINKS: Duration = Duration::from_millis(60);
/// What a busy machine may add to a round of measurement besides the factor.
const SLACK: Duration = Duration::from_millis(150);
/// Each time is the median of so many.
const ROUNDS: usize = 3;

fn reader(n: usize) -> String {
    format!("reader{n}@readers.example")
}

/// A team of a hundred whose key nobody uses: one key pair for each, public halves only.
fn installed(sink: &Sink) -> (Install, Daemon) {
    let install = Install::new(&sink.smarthost());
    let daemon = Daemon::start(&install);
    for n in 0..READERS {
        let builder = CertBuilder::general_purpose([format!("<{}>", reader(n))]);
        install.team(&reader(n), &builder.generate().unwrap().0.armored().to_vec().unwrap());
    }
    (install, daemon)
}

/// From the 250 to the moment when all readers but the last have their copy.
fn time_for_the_others(sink: &Sink, daemon: &Daemon, round: usize) -> Duration {
    let before = sink.taken().len();
    let mail = clear("rita@reporter.example", SECURITY, "Timing", &format!("Round {round}."));
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &mail).code, 250);
    let start = Instant::now();
    sink.wait_for_all(before + READERS - 1);
    let slow = reader(READERS - 1);
    let copies = sink.taken();
    let others = copies[before..].iter().filter(|t| t.recipient != slow);
    let last = others.clone().map(|t| t.at).max().unwrap();
    if others.count() == READERS - 1 {
        return last - start;
    }
    // The last reader was served before one of the others.
    sink.wait_for_all(before + READERS);
    let copies = sink.taken();
    copies[before..].iter().filter(|t| t.recipient != slow).map(|t| t.at).max().unwrap() - start
}

#[test]
fn one_of_a_hundred_hangs_and_the_others_hardly_notice() {
    let sink = Sink::start();
    let (install, daemon) = installed(&sink);
    sink.think(THINKS);
    let slow = reader(READERS - 1);
    let (mut free, mut hindered) = (Vec::new(), Vec::new());
    let _warm = time_for_the_others(&sink, &daemon, 0);
    sink.wait_for_all(READERS);
    for round in 1..=ROUNDS {
        let before = sink.taken().len();
        free.push(time_for_the_others(&sink, &daemon, round));
        sink.wait_for_all(before + READERS);
        sink.rule(&slow, Rule::Hang);
        let before = sink.taken().len();
        hindered.push(time_for_the_others(&sink, &daemon, round));
        sink.wait_until_hanging(1);
        assert_eq!(sink.taken().len(), before + READERS - 1, "the last reader still hangs");
        until("only its copy is still under way", || {
            (install.json(&["status"])["claimed"] == 1).then_some(())
        });
        sink.obey(&slow);
        sink.wait_for_all(before + READERS);
    }
    free.sort();
    hindered.sort();
    let (free, hindered) = (free[ROUNDS / 2], hindered[ROUNDS / 2]);
    eprintln!("99 readers: {free:?} with all well, {hindered:?} while one hangs (medians of {ROUNDS})");
    assert!(hindered <= free.mul_f64(1.2) + SLACK, "{hindered:?} is more than 1.2 x {free:?}");
}
