//! `docs/verdicts.md` names every verdict as the journal and the note do.

use std::collections::BTreeSet;
use std::path::Path;

use vouchsafe::mail::directory::Purpose;
use vouchsafe::mime::signed::InnerSignatures;
use vouchsafe::pgp::open::{Closed, How, Loss, Verdict, Why};
use vouchsafe::relay::author::Claim;
use vouchsafe::relay::gate::{Reason, verdict_name};
use vouchsafe::relay::note::Note;
use vouchsafe::relay::proof::Proof;
use vouchsafe::relay::world::World;

use crate::setting;
use crate::support::world::NOW;

/// One row: the journal's name, what the note says, why a list holds it where only members post.
type Row = (String, String, String);

/// The note's lines about signature and attention, as one text.
fn said(note: &Note<'_>) -> String {
    let setting = setting();
    let world = World {
        applicants: &[],
        list: &setting.lists["security"].0,
        roster: &setting.roster,
        certs: &setting.certs,
        ours: &setting.ours,
        waived: None,
        restored: None,
        came: &|_| None,
        limits: &setting.limits,
    };
    let text = note.text(&world).replace("\n            ", "; ");
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        ["Signature", "Attention", "Check it"].contains(&name).then(|| value.trim().to_owned())
    });
    let fingerprint = setting.fingerprint("ada").to_string();
    lines.collect::<Vec<_>>().join(". ").replace(&fingerprint, "…").replace(&NOW.to_string(), "…")
}

fn note<'a>(how: Option<How>, verdict: &'a Verdict, claim: Claim, proof: Proof) -> Note<'a> {
    let signer = matches!(verdict, Verdict::Good { .. }).then_some("…");
    let unopened = Note::unopened(verdict, &Purpose::Post, NOW);
    Note { how, signer, claim, proof, inner: InnerSignatures::default(), ..unopened }
}

fn rows() -> Vec<Row> {
    let good = Verdict::Good { signer: setting().fingerprint("ada"), made_at: NOW };
    let unknown = Verdict::UnknownKey(vec!["…".to_owned()]);
    let mut all: Vec<(Option<How>, Verdict, Claim, String)> = vec![
        (Some(How::PgpMime), good.clone(), Claim::Own, String::new()),
        (Some(How::PgpMime), good.clone(), Claim::Another, String::new()),
        (Some(How::PgpMime), good, Claim::Several, String::new()),
        (Some(How::PgpMime), Verdict::Unsigned, Claim::Own, Reason::Unsigned.to_string()),
        (Some(How::PgpMime), unknown, Claim::Own, Reason::UnknownSigner.to_string()),
    ];
    let bad =
        |why| (Some(How::PgpMime), Verdict::Bad(why), Claim::Own, Reason::BadSignature(why).to_string());
    all.extend(Why::ALL.map(bad));
    let closed =
        |why| (Some(How::Closed(why)), Verdict::Unsigned, Claim::Own, Reason::Closed(why).to_string());
    all.extend(Closed::ALL.map(closed));
    all.push((None, Verdict::Unsigned, Claim::Own, Reason::Structure.to_string()));
    let row = |(how, verdict, claim, reason): (Option<How>, Verdict, Claim, String)| {
        let mut said = said(&note(how, &verdict, claim, Proof::None));
        if !matches!(how, Some(How::PgpMime)) {
            said = said.replace("none: nobody vouches for who wrote this. ", "");
        }
        (verdict_name(how, &verdict, claim), said, reason)
    };
    all.into_iter().map(row).collect()
}

#[test]
fn every_verdict_has_a_name_and_a_text_of_its_own() {
    let rows = rows();
    let texts: BTreeSet<_> = rows.iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts.len(), rows.len(), "no text twice");
    // A From that is another's and a From of several are one verdict with two remarks.
    let names: BTreeSet<_> = rows.iter().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), rows.len() - 1);
    // Whoever adds a verdict adds it to the list of all.
    let known = |why| match why {
        Why::Invalid | Why::ExpiredWhenSigning | Why::ExpiredSince | Why::SignatureExpired => true,
        Why::RevokedWhenSigning | Why::RevokedSince | Why::RevokedHard | Why::Unbound => true,
        Why::NotForSigning | Why::Weak | Why::Condition | Why::PartialCover | Why::SeveralSigners => true,
        Why::Nested | Why::ForSomeoneElse | Why::Stale | Why::Future | Why::NotASigner => true,
    };
    assert!(Why::ALL.into_iter().all(known));
}

#[test]
fn the_page_of_verdicts_says_what_the_code_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verdicts.md");
    let page = std::fs::read_to_string(page).unwrap_or_default();
    let code = |text: &str| if text.is_empty() { "-".to_owned() } else { format!("`{text}`") };
    let mut table = String::new();
    for (name, text, reason) in rows() {
        table.push_str(&format!("| `{name}` | {text} | {} |\n", code(&reason)));
    }
    assert!(page.contains(&table), "docs/verdicts.md should have:\n{table}");
    let rows_there = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows_there, rows().len(), "and no other row");
    for loss in Loss::ALL {
        let verdict = Verdict::UnknownKey(vec![String::new()]);
        let text = said(&note(Some(How::PgpMime), &verdict, Claim::Own, Proof::Lost(loss)));
        let why = text.split("could not be kept: ").nth(1).unwrap().split(';').next().unwrap();
        assert!(page.contains(&format!("- {why}")), "docs/verdicts.md should have:\n- {why}");
    }
}
