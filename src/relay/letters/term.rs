//! Letters about the terms of a team's persons.

use super::page::{Page, Said, folded};
use crate::roster::term::TermStage;
use crate::time::Timestamp;

pub(super) fn ends(
    page: &Page<'_>,
    whose: Option<&str>,
    stage: TermStage,
    ends: Timestamp,
    grace_until: Timestamp,
) -> Said {
    let term = whose.map_or_else(|| "Your term".to_owned(), |name| format!("The term of {name}"));
    let whom = if whose.is_some() { "them" } else { "you" };
    let (what, next) = match stage {
        TermStage::Ends if grace_until > ends => (
            format!("ends {ends}"),
            format!("All goes on until {grace_until}; then nothing is delivered to {whom} any more."),
        ),
        TermStage::Ends => {
            (format!("ends {ends}"), format!("From then on nothing is delivered to {whom} any more."))
        }
        TermStage::Ended => (
            format!("has ended {ends}"),
            format!("All goes on until {grace_until}; then nothing is delivered to {whom} any more."),
        ),
        TermStage::Over => (
            format!("is over since {ends}"),
            format!("Nothing is delivered to {whom} any more, and copies that waited were withdrawn."),
        ),
    };
    let text = format!(
        "{term} in the team of {} ({}) {what}.\n\n{next}\n\nA new appointment begins a new term: ask whoever appoints \
         the team, and its admin.\n",
        page.list.title, page.list.address
    );
    let subject = match stage {
        TermStage::Ends => "A term ends",
        TermStage::Ended => "A term has ended",
        TermStage::Over => "A term is over: nothing is delivered",
    };
    Said { subject: subject.to_owned(), text: folded(&text) }
}
