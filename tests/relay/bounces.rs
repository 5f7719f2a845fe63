//! Bounces as mail servers write them: `tests/returned` has one of each, and what it reports.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use vouchsafe::id::{Entropy, Token};
use vouchsafe::mail::directory::Purpose;
use vouchsafe::mime::scan::Limits;
use vouchsafe::relay::Outcome;
use vouchsafe::relay::bounce::{Bounce, read};

use crate::setting;
use crate::support::world::Sent;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    why: String,
    outcome: String,
    status: Option<String>,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/returned")
}

/// As a mail server sends it.
fn mail(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.eml"))).unwrap();
    text.replace('\n', "\r\n").into_bytes()
}

fn told(bounce: Option<Bounce>) -> (String, Option<String>) {
    match bounce {
        Some(Bounce::Failed(status)) => ("failed".to_owned(), Some(status.to_string())),
        Some(Bounce::Delayed(status)) => ("delayed".to_owned(), Some(status.to_string())),
        None => ("none".to_owned(), None),
    }
}

#[test]
fn every_server_is_understood() {
    let expected: BTreeMap<String, Expected> =
        toml::from_str(&std::fs::read_to_string(folder().join("outcomes.toml")).unwrap()).unwrap();
    let files = std::fs::read_dir(folder()).unwrap().count() - 1;
    assert_eq!(files, expected.len(), "each mail has an outcome, and each outcome a mail");
    let mut wrong = Vec::new();
    for (name, Expected { why, outcome, status }) in expected {
        let raw = mail(&name);
        let unix = String::from_utf8(raw.clone()).unwrap().replace("\r\n", "\n");
        for raw in [&raw, unix.as_bytes()] {
            let found = told(read(raw, &Limits::default()));
            if found != (outcome.clone(), status.clone()) {
                wrong.push(format!("{name} ({why}): {found:?}, not {outcome} {status:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_bounce_is_never_opened_posted_or_held() {
    let setting = setting();
    let token = Token::random(&Entropy::seeded(1));
    for list in ["security", "distrib"] {
        let good = setting.write(list, crate::ENTITY, &[setting.by("ada")]);
        for (raw, wanted) in [(good, "none"), (mail("postfix"), "failed"), (mail("exchange-prose"), "failed")]
        {
            let sent = Sent::to(list, &raw).at(Purpose::Bounces(token.clone()));
            let Ok(Outcome::Returned { token: found, bounce }) = setting.relay(&sent) else {
                panic!("something else came of it")
            };
            assert!(found == token);
            assert_eq!(told(bounce).0, wanted);
        }
    }
}
