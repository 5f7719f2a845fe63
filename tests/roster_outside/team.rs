//! A review team after EdgeX's policy: its seats, terms that end, and who appoints.

use crate::outside::clerk::Office;
use crate::outside::daemon::Daemon;
use crate::outside::faketime::Wall;
use crate::outside::gpg::{People, Person};
use crate::outside::install::Install;
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::scene::Scene;
use crate::outside::sink::{Rule, Sink};
use crate::outside::until;

const LIST: &str = "security-issues";
const ADDRESS: &str = "security-issues@lists.example";
const DAY: i64 = 86_400;

/// EdgeX's preset with nobody in the team, and a clock that the test moves.
fn office() -> Option<Office> {
    let people = People::gather()?;
    let sink = Sink::start();
    let install = Install::of_preset("edgex", &sink.smarthost());
    let wall = Wall::kept_in(&install.root())?;
    let environment = wall.environment();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let daemon = Daemon::start_with(&install, &environment);
    let cert = install.ok(&["key", "export", LIST]);
    for person in [&people.ada, &people.bob, &people.dora, &people.emil, &people.rita] {
        person.import(cert.as_bytes());
    }
    let scene = Scene { daemon, install, sink, people, security: String::new(), announce: String::new() };
    let mut office = Office { scene, wall: Some(wall) };
    office.scene.security = office.list_key(LIST);
    Some(office)
}

impl Office {
    fn cert_file(&self, person: &Person) -> String {
        let name = person.address.split('@').next().unwrap();
        self.scene.install.file(&format!("{name}.asc"), &person.cert()).to_str().unwrap().to_owned()
    }

    fn signed(&self, name: &str, by: &Person, text: &str) -> String {
        let faked = self.wall.as_ref().unwrap().for_gpg();
        let signed = by.ok(&[faked.as_str(), "--clearsign"], text.as_bytes());
        self.scene.install.file(name, &signed).to_str().unwrap().to_owned()
    }

    fn person(&self, address: &str) -> serde_json::Value {
        self.scene.install.json(&["team", "show", LIST, address])
    }

    /// What `status` says of the team.
    fn alarms(&self) -> Vec<String> {
        let status = self.scene.install.json(&["status"]);
        let all = status["problems"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        all.filter(|line| line.starts_with("the team of")).collect()
    }

    fn report(&self, subject: &str) {
        let rita = &self.scene.people.rita;
        let faked = self.wall.as_ref().unwrap().for_gpg();
        let args = [faked.as_str(), "--armor", "-u", &rita.fingerprint, "-r", &self.scene.security];
        let args = [&args[..], &["--sign", "--encrypt"]].concat();
        let sealed = rita.ok(&args, &entity(&rita.address, subject, "It overflows."));
        self.scene.taken(&rita.address, ADDRESS, &pgp_mime(&rita.address, ADDRESS, &sealed));
    }
}

#[test]
fn a_term_ends_and_the_chair_replaces_somebody() {
    let Some(mut office) = office() else { return };
    seated(&office);
    let of_dora = office.person(&office.scene.people.dora.address)["term_ends"].clone();
    over(&mut office);
    replaced(&office, &of_dora);
}

/// Ada, Bob and Dora fill the seats: Bob was chosen 330 days ago, and the TSC appoints Dora.
fn seated(office: &Office) {
    let people = &office.scene.people;
    let (ada, bob, dora, emil) = (&people.ada, &people.bob, &people.dora, &people.emil);
    let install = &office.scene.install;
    for member in [emil, &people.rita] {
        install.ok(&["team", "body", "add", "tsc", &member.address, "--cert", &office.cert_file(member)]);
    }
    let chosen = jiff::Timestamp::from_second(office.wall.as_ref().unwrap().now() - 330 * DAY).unwrap();
    let chosen = chosen.to_string()[..10].to_owned();
    let add = |who: &Person, role: &str, more: &[&str]| {
        let cert = office.cert_file(who);
        let args = ["team", "add", LIST, &who.address, "--name", "P", "--cert", &cert, "--role", role];
        install.ok(&[&args[..], more].concat())
    };
    add(ada, "security-wg-chair", &[]);
    let said = add(bob, "tsc-member", &["--term-starts", &chosen]);
    assert!(said.contains("the term ends"), "{said}");
    let alarms = office.alarms();
    assert!(alarms.iter().any(|line| line.contains("at least 3")), "{alarms:?}");
    assert!(alarms.iter().any(|line| line.contains("community-security-background")), "{alarms:?}");
    assert!(install.run(&["check"]).out.contains("at least 3"), "check says so too");

    // Two of the TSC have to appoint.
    let line = format!("APPOINT {} TO {ADDRESS}\n", dora.fingerprint);
    let one = office.signed("one.asc", emil, &line);
    let two = office.signed("two.asc", &people.rita, &line);
    let cert = office.cert_file(dora);
    let appoint = |files: &[&str]| {
        let args = ["team", "appoint", LIST, &dora.address, "--name", "Dora", "--cert", &cert];
        let role = ["--role", "community-security-background"];
        let approvals: Vec<&str> = files.iter().flat_map(|file| ["--approval", file]).collect();
        install.run(&[&args[..], &role, &approvals].concat())
    };
    let alone = appoint(&[&one, &one]);
    assert!(alone.code == 65 && alone.err.contains("and 1 did"), "the same person twice: {}", alone.err);
    let both = appoint(&[&one, &two]);
    assert_eq!(both.code, 0, "{}", both.err);
    assert_eq!(office.alarms(), Vec::<String>::new(), "three with their seats");

    // Not even a file that a key here signed makes the team smaller than it may be.
    let roster = tempfile::tempdir().unwrap();
    let roster = roster.path().join("roster").to_str().unwrap().to_owned();
    let all = roster.clone() + "-of-three";
    install.ok(&["roster", "export", &all]);
    let terms = std::fs::read_to_string(format!("{all}/lists/{LIST}.toml")).unwrap();
    assert_eq!(terms.matches("ends = ").count(), 3, "each with the term: {terms}");
    install.ok(&["team", "remove", LIST, &dora.address, "--below-minimum", "--reason", "a test", "--yes"]);
    install.ok(&["roster", "export", &roster]);
    let (code, said) = says(install, &["roster", "import", &all, "--bring-back", "--yes"]);
    assert_eq!(code, 0, "{said}");
    let ends = office.person(&dora.address)["term_ends"].as_str().unwrap().to_owned();
    assert_eq!(ends[..19], terms_of(&terms, dora)[..19], "with the same term, to the second");
    let (code, said) = says(install, &["roster", "import", &roster, "--dry-run"]);
    assert!(code == 0 && said.contains("at least 3"), "the rule is shown: {said}");
    let (code, said) = says(install, &["roster", "import", &roster, "--yes"]);
    assert!(code == 65 && said.contains("at least 3"), "{said}");
    assert_eq!(office.person(&dora.address)["standing"], "active");
}

/// The end of a person's term, as an exported list has it.
fn terms_of(exported: &str, person: &Person) -> String {
    let from = exported.find(&person.address).unwrap();
    let line = exported[from..].lines().find(|line| line.starts_with("ends = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

fn says(install: &Install, args: &[&str]) -> (i32, String) {
    let ran = install.run(args);
    (ran.code, format!("{}{}", ran.out, ran.err))
}

/// Bob's term ends: reminders to him and to the team, each once; the time of grace; then nothing goes to him any more.
fn over(office: &mut Office) {
    let people = std::sync::Arc::clone(&office.scene.people);
    let (ada, bob, dora) = (&people.ada, &people.bob, &people.dora);
    office.days_later(6);
    let told = office.letter(bob, LIST, "A term ends", 1);
    assert!(told.text.contains("Your term"), "{}", told.text);
    assert!(office.letter(ada, LIST, "A term ends", 1).text.contains("The term of P"));
    office.days_later(24);
    office.letters(bob, LIST, "A term ends", 2);
    // A day before the time of grace is over Bob still gets what comes; it waits at his server.
    office.days_later(18);
    office.letter(bob, LIST, "A term has ended", 1);
    assert_eq!(office.person(&bob.address)["standing"], "active");
    office.scene.sink.rule(&bob.address, Rule::Refuse("451 4.7.1 greylisted"));
    office.report("In the time of grace");
    office.scene.queue("Bob's copy is deferred", |rows| {
        rows.iter().any(|row| row["recipient"] == bob.address.as_str() && row["state"] == "deferred")
    });
    office.days_later(2);
    until("Bob's term is over", || (office.person(&bob.address)["standing"] == "suspended").then_some(()));
    assert!(!office.scene.events("withdrawn", 1).is_empty());
    office.scene.sink.obey(&bob.address);
    let so_far = office.scene.sink.taken_for(&ada.address).len();
    office.report("After the term");
    office.scene.sink.wait_for(&ada.address, so_far + 1);
    let posts = office.scene.events("relayed", 2);
    assert_eq!(posts[1]["event"]["copies"], 2, "Ada and Dora");
    assert!(office.alarms().iter().any(|line| line.contains("2 active")), "{:?}", office.alarms());
    let install = &office.scene.install;
    let resumed = install.run(&["member", "resume", LIST, &bob.address]);
    assert!(resumed.code == 65 && resumed.err.contains("term is over"), "{}", resumed.err);
    // The team is smaller than it should be, and gets no smaller by accident.
    let smaller = install.run(&["team", "remove", LIST, &dora.address, "--yes"]);
    assert!(smaller.code == 65 && smaller.err.contains("at least 3"), "{}", smaller.err);
    install.ok(&["team", "term", LIST, &bob.address]);
    assert_eq!(office.person(&bob.address)["standing"], "active");
    assert_eq!(office.alarms(), Vec::<String>::new());
}

/// Only the chair's key replaces somebody, and only for what is left of the term.
fn replaced(office: &Office, of_dora: &serde_json::Value) {
    let people = &office.scene.people;
    let (ada, bob, dora, emil) = (&people.ada, &people.bob, &people.dora, &people.emil);
    let install = &office.scene.install;
    let line = format!("REPLACE {} BY {} ON {ADDRESS}\n", dora.fingerprint, emil.fingerprint);
    let cert = office.cert_file(emil);
    let replace = |statement: &str| {
        let who = ["team", "replace", "--old", &dora.address, LIST, &emil.address, "--name", "Emil"];
        install.run(&[&who[..], &["--cert", &cert, "--statement", statement]].concat())
    };
    let by_bob = replace(&office.signed("bob-says.asc", bob, &line));
    assert!(by_bob.code == 65 && by_bob.err.contains("security-wg-chair"), "{}", by_bob.err);
    let done = replace(&office.signed("chair-says.asc", ada, &line));
    assert_eq!(done.code, 0, "{}", done.err);
    let row = office.person(&emil.address);
    assert_eq!(row["term_ends"], *of_dora, "the rest of the term");
    assert_eq!(row["role"], "community-security-background");
    office.letter(dora, LIST, "no longer", 1);
    assert_eq!(office.alarms(), Vec::<String>::new(), "never below three");
}
