//! Breaches: the team is alarmed, and nothing of what leaked stays in the clear.

use std::path::Path;

use crate::outside::clerk::Office;

const LIST: &str = "distrib-announce";
/// What nobody but the team may find.
const MARKER: &str = "zyzzyva-in-the-patch";

/// A report at the desk: incomplete it is refused or overdue, complete it reaches the team encrypted; strikes count.
#[test]
fn a_leak_reaches_the_team_and_no_byte_of_it_the_disk() {
    let Some(mut office) = Office::with_clock(&[]) else { return };
    let file = |office: &Office, name: &str, text: &str| {
        // Beside the installation: what the admin typed is not what the relay stores.
        let file = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let _ = office;
        file.to_str().unwrap().to_owned()
    };
    let what = file(&office, "what", &format!("the {MARKER}"));
    let (whom, next) = (file(&office, "whom", "a vendor"), file(&office, "next", "a course"));
    let install = &office.scene.install;
    let half = install.run(&["breach", "open", LIST, "--what", &what]);
    let said = half.err;
    assert!(half.code != 0 && said.contains("--to-whom") && said.contains("--prevention"), "{said}");
    install.ok(&["breach", "open", LIST, "--what", &what, "--to-whom", &whom, "--prevention", &next]);
    let key = office.list_key(LIST);
    let told = office.letter(&office.scene.people.ada, LIST, "A leak is reported", 1);
    assert!(told.text.contains("Every question is answered"), "{}", told.text);
    let enclosed = office.scene.sink.taken_for(&office.scene.people.ada.address).into_iter().any(|copy| {
        let faked = office.wall.as_ref().unwrap().for_gpg();
        let armored = crate::outside::copy::armored_part(&copy.data);
        let opened = office.scene.people.ada.run(&[&faked, "--decrypt"], &armored);
        String::from_utf8_lossy(&opened.stdout).contains(MARKER)
    });
    assert!(enclosed, "the team reads what leaked, encrypted by {key}");
    assert!(!holds(&office.scene.install.root(), MARKER), "and the disk has nothing of it");
    let id = office.scene.install.json(&["breach", "ls"])[0]["id"].as_str().unwrap().to_owned();
    // Only that something leaked is known: what is missing is overdue after an hour.
    let install = &office.scene.install;
    install.ok(&["breach", "open", LIST, "--known-since", "2026-01-31T12:00:00Z"]);
    office.letter(&office.scene.people.ada, LIST, "Overdue: what leaked", 1);
    let status = office.scene.install.json(&["status"]);
    let overdue = |p: &serde_json::Value| p.as_str().unwrap().contains("is overdue");
    assert!(status["problems"].as_array().unwrap().iter().any(overdue), "{status}");
    // Two strikes against one organisation: a vote. The team of the scene may be too small to carry it, and then says so.
    let dora = office.scene.people.dora.address.clone();
    let org = office.scene.install.json(&["member", "show", LIST, &dora])["org"].as_str().unwrap().to_owned();
    let nobody = office.scene.install.run(&["breach", "close", &id, "--strike"]);
    assert_ne!(nobody.code, 0, "nobody is named whose breach it is");
    office.scene.install.ok(&["breach", "close", &id, "--strike", "--org", &org]);
    let second = office.scene.install.json(&["breach", "ls"]);
    let open = second.as_array().unwrap().iter().find(|row| row["state"] == "open").unwrap();
    let said = office.scene.install.ok(&[
        "breach",
        "close",
        open["id"].as_str().unwrap(),
        "--strike",
        "--org",
        &org,
    ]);
    assert!(said.contains("count 2") && said.contains("vote"), "{said}");
    office.days_later(1);
}

/// By mail: the help has the token, what is missing is named at once, and the mail itself reaches the team.
#[test]
fn a_leak_is_reported_by_mail_and_what_is_missing_is_named() {
    let Some(office) = Office::set(&[]) else { return };
    let (dora, ada) = (&office.scene.people.dora, &office.scene.people.ada);
    office.ask(dora, LIST, "help");
    let help = office.letter(dora, LIST, "What you can ask of this list", 1);
    let behind = help.text.split("To report a leak").nth(1).unwrap();
    let token = help.tokens.iter().find(|token| behind.contains(token.as_str())).unwrap();
    let said = format!("VOUCHSAFE {token}\n\nWhat: the {MARKER}\nTo whom: a vendor\n");
    office.ask(dora, LIST, &said);
    let lacks = office.letter(dora, LIST, "Your report lacks something", 1);
    assert!(lacks.text.contains("Prevention:") && !lacks.text.contains("To whom:"), "{}", lacks.text);
    let told = office.letter(ada, LIST, "A leak is reported", 1);
    assert!(told.text.contains("comes to you as the mail that reported it"), "{}", told.text);
    office.ask(dora, LIST, &format!("VOUCHSAFE {}\n\nPrevention: a course\n", lacks.tokens[0]));
    office.letter(dora, LIST, "Your report is taken", 1);
    let row = office.scene.install.json(&["breach", "ls"])[0].clone();
    assert_eq!((row["missing"].as_array().unwrap().len(), &row["org"]), (0, &serde_json::Value::Null));
    assert!(!holds(&office.scene.install.root(), MARKER), "the disk has nothing of it");
}

fn holds(dir: &Path, marker: &str) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, marker);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
    })
}
