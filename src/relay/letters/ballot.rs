//! Letters about ballots.

use super::page::{Page, Said, folded, wrapped};
use crate::id::BallotId;
use crate::roster::ballot::{Choice, Motion, Outcome};

pub(super) fn wanted(
    page: &Page<'_>,
    motion: &Motion,
    ballot: &BallotId,
    (title, remarks): (&str, &[String]),
    quorum: u32,
) -> Said {
    let what = match motion {
        Motion::Admit { application } => format!("to admit {title} (application {application})"),
        Motion::Remove { reason, .. } => format!("to remove {title} ({reason})"),
    };
    let list = page.list;
    let remarks: String = remarks.iter().map(|remark| wrapped(remark, "- ", "  ")).collect();
    let gap = if remarks.is_empty() { "" } else { "\n" };
    let text = format!(
        "The team of {} ({}) decides whether\n{what}.\n\n{remarks}{gap}It needs {quorum} who approve. This is ballot \
         {ballot}.\n\nTo approve:\n\n{}\nTo object:\n\n{}\n{}",
        list.title,
        list.address,
        page.offered(0),
        page.offered(1),
        page.how_to_answer(),
    );
    Said { subject: format!("Please vote: {what}"), text }
}

pub(super) fn voted(
    choice: Choice,
    title: &str,
    (outcome, rule): (Outcome, Option<&str>),
    split: bool,
) -> Said {
    let so_far = match outcome {
        Outcome::Open => "The ballot is open still: others have to vote.",
        Outcome::Carried => "With it the motion is carried.",
        Outcome::Rejected => "With it the motion is rejected.",
        Outcome::Lapsed => "The ballot's time had run out.",
        Outcome::Withdrawn => "There is nothing left to decide.",
        Outcome::Barred => {
            "With it enough approve, and still it has no effect: a rule is against what would follow."
        }
    };
    let split = if split {
        "People of your organisation disagree: until they agree it counts on neither side.\n"
    } else {
        ""
    };
    let text =
        format!("Your vote is counted: {} ({title}).\n{split}{so_far}\n{}", choice.as_str(), against(rule));
    Said { subject: format!("Your vote is counted: {title}"), text: folded(&text) }
}

pub(super) fn told(ballot: &BallotId, title: &str, outcome: Outcome, rule: Option<&str>) -> Said {
    let what = match outcome {
        Outcome::Open => {
            "cannot be carried any more: too few are left who may vote. Ask an admin to add to the team"
        }
        Outcome::Carried => "is carried",
        Outcome::Rejected => "is rejected: so many object",
        Outcome::Lapsed => "has lapsed: nobody decided it in time",
        Outcome::Withdrawn => "was taken back, or there is nothing left to decide",
        Outcome::Barred => "has enough who approve, and still no effect: a rule is against what would follow",
    };
    let subject = match outcome {
        Outcome::Open => format!("A ballot is stuck: {title}"),
        outcome => format!("A ballot is {}: {title}", outcome.as_str()),
    };
    let text = format!("The ballot {ballot} ({title}) {what}.\n{}", against(rule));
    Said { subject, text: folded(&text) }
}

fn against(rule: Option<&str>) -> String {
    rule.map_or_else(String::new, |rule| {
        format!("\nThe rule: {rule}.\n\nThe admins are told. Once they have mended that, it can be asked for anew.\n")
    })
}
