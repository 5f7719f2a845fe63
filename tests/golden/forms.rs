//! `docs/mail-forms.md` says what becomes of every form of encrypted mail: each row is compared with its golden mails.

use std::collections::BTreeSet;
use std::path::Path;

use vouchsafe::relay::Outcome;

use crate::support::golden::{Golden, Smtp, load_all};
use crate::support::reader::{on_the_wire, read_copy};
use crate::support::template::Rendered;
use crate::support::world::{NOW, Posted, Sent, Setting};
use crate::{how, in_the_session};

/// A row of the page's tables.
struct Row {
    mails: Vec<String>,
    intake: String,
    announcement: String,
}

fn rows(page: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let tables = page.lines().filter(|line| line.starts_with("| ")).map(cells).filter(|row| row.len() == 5);
    let named = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(Into::into).collect() };
    let content = tables.filter(|row| row[0] != "form" && row[0] != "---");
    content
        .map(|row| Row { mails: named(&row[2]), intake: row[3].clone(), announcement: row[4].clone() })
        .collect()
}

#[test]
fn the_page_of_mail_forms_tells_the_truth() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mail-forms.md");
    let rows = rows(&std::fs::read_to_string(page).unwrap());
    let (all, setting) = (load_all(), Setting::new());
    let fixture = setting.fixture();
    let mut wrong = Vec::new();
    let mut shown = BTreeSet::new();
    for row in &rows {
        assert!(!row.mails.is_empty(), "a row without a golden mail");
        for name in &row.mails {
            let golden = all.iter().find(|golden| golden.name == *name);
            let golden = golden.unwrap_or_else(|| panic!("there is no golden mail {name}"));
            shown.insert(name.as_str());
            let mail = golden.render(&fixture);
            let (intake, announcement) =
                (intake(golden, &mail, &setting), announcement(golden, &mail, &setting));
            if intake.is_some_and(|found| found != row.intake) {
                wrong.push(format!(
                    "{name}: to an intake list it is {intake:?}, the page says {}",
                    row.intake
                ));
            }
            if announcement != row.announcement {
                wrong.push(format!(
                    "{name}: to an announcement list {announcement}, the page says {}",
                    row.announcement
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let forms = all
        .iter()
        .map(|golden| golden.name.as_str())
        .filter(|name| ["mangled-", "shape-"].iter().any(|kind| name.starts_with(kind)));
    let missing: Vec<&str> = forms.filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "the page does not show {missing:?}");
    assert!(rows.len() > 50, "the page has {} rows", rows.len());
}

/// What the team gets; `None` where the mail is encrypted to another list, and not to be judged by that.
fn intake(golden: &Golden, mail: &Rendered, setting: &Setting) -> Option<&'static str> {
    let protected = how(&mail.raw, setting, "security")?;
    if golden.expect.list != "security" && protected != "closed:mixed" {
        return None;
    }
    let Ok(Outcome::Post(post)) = setting.relay(&Sent::to("security", &mail.raw)) else {
        return Some("no post");
    };
    let post = Posted::of(*post);
    let reader = post.copies[0].member.as_str().trim_start_matches("m-").to_owned();
    let wire = on_the_wire(&post, 0);
    let copy = read_copy(&wire, &setting.person(&reader).key, setting.list_cert("security"), NOW)?;
    let attached = copy.payload_disposition().is_some_and(|how| how.starts_with("attachment"));
    Some(match (protected.as_str(), attached, copy.beside.is_some()) {
        ("closed:mixed", true, false) => "as it came",
        ("pgp-mime" | "inline", false, false) => "decrypted",
        ("pgp-mime" | "inline", false, true) => "decrypted, text apart",
        ("pgp-mime" | "inline", true, false) => "decrypted, attached",
        _ => "something else",
    })
}

fn announcement(golden: &Golden, mail: &Rendered, setting: &Setting) -> &'static str {
    let mixed = match setting.relay(&Sent::to("distrib", &mail.raw)) {
        Ok(Outcome::Hold { reason, .. }) => reason.to_string() == "cannot-open:mixed",
        _ => false,
    };
    match in_the_session(&mail.raw, setting, "distrib") {
        // Where the relay itself would take what the session refuses, a fetched mail would reach everybody.
        Smtp::Refused if mixed || golden.expect.list != "distrib" => "refused",
        Smtp::Refused => "refused, and not held",
        Smtp::Taken if mixed => "held",
        Smtp::Taken => "taken",
    }
}
