//! Organisations, their contacts and their criteria, from outside.

use crate::outside::clerk::Office;
use crate::outside::gpg::Person;
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::until;
use vouchsafe::time::{Clock, SystemClock};

const LIST: &str = "distrib-announce";

/// A contact gets no copies while its delivery is off, and is told of nothing twice; its key and a further one post alike.
#[test]
fn a_contact_pauses_its_copies_and_signs_with_a_further_key() {
    let Some(office) = Office::set(&[]) else { return };
    let (scene, install) = (&office.scene, &office.scene.install);
    let (ada, dora, emil) = (&scene.people.ada, &scene.people.dora, &scene.people.emil);

    let said = install.ok(&["member", "delivery", "off", LIST, &dora.address, "--reason", "moving"]);
    assert!(said.contains("gets no copies"), "{said}");
    scene.announce("While one is away");
    scene.sink.wait_for(&emil.address, 1);
    scene.sink.wait_for(&ada.address, 1);
    let row = install.json(&["member", "show", LIST, &dora.address]);
    assert_eq!((&row["standing"], &row["can_receive"]), (&"active".into(), &false.into()), "{row}");
    let status = install.json(&["status"]);
    assert!(!status["problems"].to_string().contains(&dora.address), "it is no trouble: {status}");
    install.ok(&["member", "delivery", "on", LIST, &dora.address]);
    scene.announce("After the return");
    scene.sink.wait_for(&emil.address, 2);
    assert_eq!(
        scene.sink.wait_for(&dora.address, 1).len(),
        1,
        "what was relayed meanwhile is not sent again"
    );

    // Ada's next key signs as hers once it is pinned beside the first; copies go to the first.
    let next = Person::new("ada@next.example");
    next.import(install.ok(&["key", "export", LIST]).as_bytes());
    let announced = |subject: &str| {
        let text = entity(&ada.address, subject, "Update by Monday.");
        pgp_mime(&ada.address, ANNOUNCE, &next.sign_encrypt(&scene.announce, &text))
    };
    scene.taken(&ada.address, ANNOUNCE, &announced("By a key that nobody knows"));
    scene.holds(1);
    let cert = install.file("next.asc", &next.cert());
    install.ok(&["member", "cert", "add", "security", &ada.address, "--cert", cert.to_str().unwrap()]);
    let again =
        install.run(&["member", "cert", "add", "security", &ada.address, "--cert", cert.to_str().unwrap()]);
    assert_ne!(again.code, 0, "{}", again.out);
    scene.taken(&ada.address, ANNOUNCE, &announced("By the further key"));
    let copies = scene.sink.wait_for(&emil.address, 3);
    let read = emil.open(&copies[2].data, &scene.announce);
    assert!(read.subject().contains("By the further key"), "{}", read.subject());
    let own = scene.sink.wait_for(&ada.address, 3);
    assert!(ada.can_open(&own[2].data) && !next.can_open(&own[2].data));
}

/// Two contacts of one organisation, the register, criteria by people and by the relay, and a review that is missed.
#[test]
fn an_organisation_is_known_published_and_judged() {
    // The team is told of what happens.
    let Some(mut office) = Office::with_clock(&[("notify = []\n", "")]) else { return };
    known(&office);
    published(&office);
    judged(&office);

    // The day passes: the team hears of it by mail, once.
    office.days_later(12);
    let told = |text: &String| text.contains("acme: active-contributor, due");
    until("Ada is told", || notices(&office, &office.scene.people.ada).iter().any(told).then_some(()));
    let missed = office.changes("review-missed", 1);
    assert_eq!((missed.len(), &missed[0]["event"]["criterion"]), (1, &"active-contributor".into()));
    let install = &office.scene.install;
    let shown = install.ok(&["org", "show", "acme"]);
    let row = |criterion: &str| shown.lines().find(|line| line.contains(criterion)).unwrap().to_owned();
    assert!(row("active-contributor").contains("OVERDUE"), "{shown}");
    assert!(!row("fix-track-record").contains("OVERDUE"), "its day is a year ahead: {shown}");
    let problems = install.json(&["status"])["problems"].to_string();
    assert!(problems.contains("1 to be looked at again"), "{problems}");
    asked(&office, "org assess acme --list distrib-announce active-contributor met --by ada");
    let rows = install.json(&["org", "ls"]);
    let acme = rows.as_array().unwrap().iter().find(|row| row["name"] == "acme").unwrap();
    assert_eq!(acme["overdue"], 0, "somebody has looked");
}

/// What a line says that must succeed; blanks divide its words.
fn asked(office: &Office, line: &str) -> String {
    office.scene.install.ok(&line.split(' ').collect::<Vec<_>>())
}

/// Acme with two contacts, one of which is a person's own address.
fn known(office: &Office) {
    let (install, people) = (&office.scene.install, &office.scene.people);
    asked(office, "org add acme --title Acme --kind distribution --website https://acme.example");
    for (person, address) in [(&people.rita, "security@acme.example"), (&people.ada, "ada@acme.example")] {
        let cert = install.file("contact.asc", &person.cert());
        let line = ["member", "add", LIST, address, "--org", "acme", "--cert", cert.to_str().unwrap()];
        let said = install.ok(&line);
        assert_eq!(said.contains("no role address"), address.starts_with("ada"), "{said}");
    }
    let check = install.run(&["check"]);
    assert!(check.out.contains("ada@acme.example: no role address"), "{}", check.out);
    asked(office, "member alias add distrib-announce security@acme.example --alias psirt@acme.example");
    let shown = install.json(&["member", "show", LIST, "security@acme.example"]);
    assert_eq!(shown["aliases"][0], "psirt@acme.example");
}

fn published(office: &Office) {
    asked(office, "org add absent --title Absent");
    let register = asked(office, "org ls --public");
    assert!(register.contains("Acme") && !register.contains('@'), "{register}");
    assert!(!register.contains("Absent"), "who has no active contact belongs nowhere: {register}");
    let json = office.scene.install.json(&["org", "ls", "--public"]);
    let acme = json.as_array().unwrap().iter().find(|row| row["title"] == "Acme").unwrap();
    assert_eq!((&acme["lists"][0], &acme["website"]), (&LIST.into(), &"https://acme.example".into()));
}

fn judged(office: &Office) {
    let install = &office.scene.install;
    let unknown = install.run(&["org", "assess", "acme", "--list", LIST, "tall", "met"]);
    assert_eq!(unknown.code, 66, "{}", unknown.err);
    assert!(unknown.err.contains("fix-track-record"), "it names what there is: {}", unknown.err);
    let said = asked(office, "org assess acme --list distrib-announce fix-track-record met --evidence seen");
    assert!(said.contains("to be looked at again on"), "{said}");
    let soon = later(10);
    let line = format!("org assess acme --list distrib-announce active-contributor met --review {soon}");
    assert!(asked(office, &line).contains(&soon), "a day of one's own goes before the policy's");
    // It rebuilds what another member makes.
    let upstream = install.json(&["member", "show", LIST, &office.scene.people.emil.address])["org"].clone();
    asked(office, &format!("org edit acme --upstream {}", upstream.as_str().unwrap()));
    let criteria = install.json(&["org", "show", "acme"])["criteria"].clone();
    let criterion =
        |name: &str| criteria.as_array().unwrap().iter().find(|c| c["criterion"] == name).unwrap().clone();
    assert_eq!(criterion("fix-track-record")["state"], "met");
    let down = criterion("not-downstream");
    assert_eq!((&down["mark"], &down["by"]), (&"FAILING".into(), &"relay".into()), "{down}");
    let late = install.run(&["org", "ls", "--overdue"]);
    assert!(late.code == 65 && late.out.contains("acme"), "{}{}", late.out, late.err);
}

/// A day to come, as it is typed.
fn later(days: u32) -> String {
    let ahead = std::time::Duration::from_secs(u64::from(days) * 24 * 3600);
    SystemClock.now().after(ahead).day()
}

/// What the relay's mails say to somebody so far, opened with gpg.
fn notices(office: &Office, to: &Person) -> Vec<String> {
    let faked = office.wall.as_ref().unwrap().for_gpg();
    let open = |copy: &crate::outside::sink::Taken| {
        let armored = crate::outside::copy::armored_part(&copy.data);
        String::from_utf8_lossy(&to.run(&[&faked, "--decrypt"], &armored).stdout).into_owned()
    };
    office.scene.sink.taken_for(&to.address).iter().map(open).collect()
}
