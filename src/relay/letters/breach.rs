//! Letters about breaches of the embargo. They quote nothing of what leaked: where an admin wrote it down it comes as a part
//! of its own, and what came by mail came as that mail.

use super::page::{Page, Said};
use crate::id::{BreachId, OrgName};
use crate::policy::BreachField;
use crate::time::Timestamp;

/// What the team has to know.
pub(super) struct Opened<'a> {
    pub(super) breach: &'a BreachId,
    pub(super) org: Option<&'a OrgName>,
    pub(super) answered: &'a [BreachField],
    pub(super) missing: &'a [BreachField],
    pub(super) due: Option<Timestamp>,
    /// Whether the answers stand in the next part.
    pub(super) enclosed: bool,
}

pub(super) fn opened(page: &Page<'_>, what: &Opened<'_>) -> Said {
    let by = what.org.map_or_else(|| "Nobody is named who broke it.".to_owned(), |org| format!("By: {org}."));
    let missing = match (what.missing, what.due) {
        ([], _) => "Every question is answered.".to_owned(),
        (missing, Some(due)) => format!("Not answered, and due until {due}:\n  {}", labels(missing)),
        (missing, None) => format!("Not answered:\n  {}", labels(missing)),
    };
    let where_it_is = if what.enclosed {
        "What was answered stands in the next part of this mail."
    } else if what.answered.is_empty() {
        "Nothing is answered yet."
    } else {
        "What was answered comes to you as the mail that reported it."
    };
    let text = format!(
        "A leak is reported: the embargo of\n{} ({}) is broken.\n\nThis is breach {}. {by}\n{missing}\n{where_it_is}\n\nDecide \
         about the embargo now. Whether it counts against the organisation\nan admin records by your decision:\n\n    \
         vouchsafe breach close {} --strike --org NAME\n    vouchsafe breach close {} --no-strike\n",
        page.list.title, page.list.address, what.breach, what.breach, what.breach,
    );
    Said { subject: format!("A leak is reported: breach {}", what.breach), text }
}

pub(super) fn taken(
    page: &Page<'_>,
    breach: &BreachId,
    missing: &[BreachField],
    due: Option<Timestamp>,
) -> Said {
    if missing.is_empty() {
        let text = format!(
            "Your report of a leak reached the team of\n{} ({}).\nIt is breach {breach}, and every question is \
             answered.\n",
            page.list.title, page.list.address
        );
        return Said { subject: format!("Your report is taken: breach {breach}"), text };
    }
    let until = due.map_or_else(String::new, |due| format!(", until {due}"));
    let lines: String = missing.iter().map(|field| format!("    {}: …\n", label(*field))).collect();
    let text = format!(
        "Your report of a leak reached the team of\n{} ({}).\nIt is breach {breach}. It does not say everything.\nPlease answer{until}:\n\n{lines}\nand, on a line of its own, the command with\n\n    {}\n\n{}",
        page.list.title,
        page.list.address,
        page.token(0),
        page.how_to_answer(),
    );
    Said { subject: format!("Your report lacks something: breach {breach}"), text }
}

pub(super) fn overdue(page: &Page<'_>, breach: &BreachId, missing: &[BreachField]) -> Said {
    let text = format!(
        "The report of breach {breach} of the embargo of\n{} ({}) is overdue.\nNot answered:\n  {}\n",
        page.list.title,
        page.list.address,
        labels(missing),
    );
    Said { subject: format!("Overdue: what leaked in breach {breach}"), text }
}

fn labels(fields: &[BreachField]) -> String {
    fields.iter().map(|field| label(*field)).collect::<Vec<_>>().join(", ")
}

/// How a report calls its answers.
pub(super) const fn label(field: BreachField) -> &'static str {
    match field {
        BreachField::What => "What",
        BreachField::ToWhom => "To whom",
        BreachField::Prevention => "Prevention",
    }
}
