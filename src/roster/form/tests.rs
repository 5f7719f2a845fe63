//! What a form is, what is missing in it, and that nothing breaks the reader.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mail::directory::Kind;
use crate::policy::Policy;

fn list() -> List {
    let text = "[policy]\nid = \"x\"\nversion = \"1\"\n[membership]\n\
                criteria = [\"monitored-alias\", \"vouched\", \"signed-nda\"]\n\
                own = { signed-nda = \"Has signed the agreement\" }\n";
    let address: Address = "distrib@lists.example".parse().unwrap();
    List {
        name: "distrib".parse().unwrap(),
        title: "Distribution".to_owned(),
        answer_to: address.clone(),
        address,
        kind: Kind::Announce,
        team: None,
        individual: false,
        policy: Some(Arc::new(Policy::parse(text).unwrap())),
    }
}

const COMPLETE: &str = "Hello,\n\nApplication: distrib\nOrganisation: acme\nTitle: Acme Linux\nKind: distribution\n\
     Website: https://acme.example/\nUpstream: none\nUsers: half of the\nworld: really\n\
     Contact: psirt@acme.example\nMonitored-Alias: four people\nVouched: distro\nsigned NDA: yes\n-- \nWile\nTitle: x\n";

fn signer() -> Signer {
    Signer { emails: vec!["psirt@acme.example".to_owned()], from: None }
}

fn told(text: &str) -> Vec<String> {
    let ours = list().address;
    let read = read(text, &list(), &signer(), &[&ours]).expect("an application");
    read.form.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_complete_form_is_taken_over_with_its_continued_lines() {
    let Read { form, more } = read(COMPLETE, &list(), &signer(), &[]).unwrap();
    let filled = form.unwrap();
    assert!(more, "a greeting is no part of it, nor kept");
    assert_eq!((filled.org.as_str(), filled.title.as_str()), ("acme", "Acme Linux"));
    assert_eq!(filled.users, "half of the world: really", "a line that is no key goes on with the one above");
    assert_eq!(filled.answers["signed-nda"], "yes");
    assert_eq!(filled.answers.len(), 3);
}

#[test]
fn what_is_missing_is_named_exactly_and_nothing_else() {
    for key in
        ["Organisation", "Title", "Kind", "Website", "Upstream", "Contact", "Monitored-Alias", "Vouched"]
    {
        let without: String = COMPLETE
            .lines()
            .filter(|line| !line.starts_with(&format!("{key}:")))
            .map(|l| format!("{l}\n"))
            .collect();
        assert_eq!(told(&without), [format!("{key}: is missing")]);
    }
    assert_eq!(told(&COMPLETE.replace("four people", "")), ["Monitored-Alias: is missing"]);
    let all = told("Application: distrib");
    assert_eq!(all.len(), keys(&list()).len(), "{all:?}");
}

#[test]
fn an_empty_form_that_comes_back_misses_everything_and_comments_are_not_read() {
    let empty = text(&list());
    assert!(empty.contains("# Has signed the agreement\nSigned-Nda:\n"), "{empty}");
    assert!(empty.contains("Application: distrib\n") && empty.lines().all(|line| line.chars().count() < 80));
    assert_eq!(told(&empty).len(), keys(&list()).len());
}

#[test]
fn values_that_cannot_be_are_returned() {
    for (from, to, fault) in [
        ("acme\n", "Acme Inc.\n", "Organisation: has to be 1 to 40 of a-z, 0-9 and inner hyphens"),
        (
            "distribution",
            "a shop",
            "Kind: has to be one of distribution, vendor, service, project, individual, other",
        ),
        ("psirt@acme.example", "psirt", "Contact: is not one mail address"),
        (
            "psirt@acme.example",
            "victim@other.example",
            "Contact: is not an address in the certificate that signed",
        ),
        ("psirt@acme.example", "distrib-request@lists.example", "Contact: is an address of this relay"),
        ("distrib\n", "another\n", "Application: names another list"),
        ("Kind: distribution", "Kind: distribution\nKind: vendor", "Kind: stands there twice"),
        ("four people", &"x".repeat(LONGEST + 1), "Monitored-Alias: has more than 2000 characters"),
    ] {
        assert_eq!(told(&COMPLETE.replacen(from, to, 1)), [fault]);
    }
    assert_eq!(
        told(&COMPLETE.replace("Kind: distribution", "Kind: distribution\nKind: distribution")).len(),
        0
    );
}

#[test]
fn what_stands_behind_an_empty_line_is_no_answer_and_not_kept() {
    let text = COMPLETE
        .replace("Hello,\n\n", "")
        .replace("signed NDA: yes\n", "signed NDA: yes\n\nPS: it overflows\n");
    let read = |text: &str| read(text, &list(), &signer(), &[]).unwrap();
    let Read { form, more } = read(&text);
    assert!(more && !format!("{form:?}").contains("overflows"));
    assert_eq!(form.unwrap().answers["signed-nda"], "yes");
    assert!(!read(&text.replace("PS: it overflows\n", "")).more);
    let hidden = read(&text.replace("Acme Linux", "Acme\u{202e}Linux\u{200b}")).form.unwrap();
    assert_eq!(hidden.title, "Acme Linux");
}

#[test]
fn the_protected_from_is_an_address_of_the_signer() {
    let from = |from: &str| Signer { emails: Vec::new(), from: Some(from.to_owned()) };
    assert!(read(COMPLETE, &list(), &from("PSIRT@acme.example"), &[]).unwrap().form.is_ok());
    assert!(read(COMPLETE, &list(), &from("other@acme.example"), &[]).unwrap().form.is_err());
}

#[test]
fn what_does_not_say_that_it_is_an_application_is_none() {
    for text in [
        "",
        "Hello",
        "Title: x\nKind: y",
        "> Application: distrib\n> Title: x",
        "-- \nApplication: distrib",
        "Application: it crashes\nKind: of",
    ] {
        assert!(read(text, &list(), &signer(), &[]).is_none(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in "(?s).{0,400}") {
        let _ = read(&text, &list(), &signer(), &[]);
    }

    #[test]
    fn no_lines_of_keys_break_it(lines in prop::collection::vec(("(application|title|contact|organisation|vouched|> x|#|-- )", "[ :]{0,2}", "(?s).{0,30}"), 0..30)) {
        let text: String = lines.into_iter().map(|(a, b, c)| format!("{a}{b}{c}\n")).collect();
        if let Some(Read { form: Ok(filled), .. }) = read(&format!("Application: distrib\n{text}"), &list(), &signer(), &[]) {
            prop_assert_eq!(filled.address.to_string(), "psirt@acme.example");
        }
    }

    #[test]
    fn wrapped_lines_lose_no_letter(text in ".{0,300}", width in 1_usize..90) {
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let lines = wrapped(&text, width);
        prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
        prop_assert_eq!(letters(&lines.concat()), letters(&text));
    }
}
