//! Letters about applications: to whoever applies, to the team, to those who may vouch. They repeat facts of the form, which
//! are made to be kept, and nothing else of any mail.

use super::page::{Page, Said};
use crate::id::ApplicationId;
use crate::roster::application::Stage;
use crate::roster::errand::Who;
use crate::roster::form::wrapped;

/// The width of a letter's lines.
const WIDTH: usize = 76;

pub(super) fn returned(page: &Page<'_>, faults: &[String], lines: &str) -> Said {
    let list = page.list;
    let faults: String = faults.iter().map(|fault| item(fault)).collect();
    let text = format!(
        "Your application for {}\n({}) is not taken yet. This is missing, or wrong:\n\n{faults}\n\
         Send the whole form again, with these, to\n\n    {}\n\nencrypted, signed with the same key, your certificate \
         attached. Nothing of\nwhat you sent is kept.\n\nThese lines of the form are the ones to fill in:\n{lines}",
        list.title,
        list.address,
        list.request(),
    );
    Said { subject: "Your application is not complete".to_owned(), text }
}

pub(super) fn not_taken(page: &Page<'_>, rule: &str) -> Said {
    let text = format!(
        "Your application for {}\n({}) is not taken:\n\n{}\nNothing of it is kept.\n",
        page.list.title,
        page.list.address,
        paragraph(rule)
    );
    Said { subject: "Your application is not taken".to_owned(), text }
}

pub(super) fn confirm(page: &Page<'_>, who: &Who) -> Said {
    let text = format!(
        "Somebody applies for {}\n({}) with this address, and the form is complete:\n\n{}\n\
         If it was you, confirm that you read this address and hold this key, with\n\n    {}\n\n{}\
         Nobody is asked anything before. If it was not you, do nothing: nothing of it\nis kept for long, and you get \
         no further mail about it.\n",
        page.list.title,
        page.list.address,
        facts(who),
        page.token(0),
        page.how_to_answer(),
    );
    Said { subject: "Please confirm your application".to_owned(), text }
}

pub(super) fn taken(page: &Page<'_>, who: &Who) -> Said {
    let text = format!(
        "Your application for {}\n({}) is confirmed.\nIt is application {}.\n\n{}\n{}\
         You get a letter when it is decided. Until then you read nothing of the list,\nand later nothing of what was \
         written before you became a member.\n",
        page.list.title,
        page.list.address,
        who.application,
        facts(who),
        remarks(who)
    );
    Said { subject: format!("Your application is confirmed: {}", who.application), text }
}

pub(super) fn came(page: &Page<'_>, who: &Who) -> Said {
    let text = format!(
        "Somebody applies for {}\n({}): application {}.\n\n{}\n{}\
         What the applicant says to each criterion stands in the application itself,\nand in\n\n    vouchsafe org \
         application {}\n",
        page.list.title,
        page.list.address,
        who.application,
        facts(who),
        remarks(who),
        who.application
    );
    Said { subject: format!("Application {}: {}", who.application, short(&who.title)), text }
}

/// To those who stand for the organisation by now: they know whether it is one of theirs.
pub(super) fn colleague(page: &Page<'_>, who: &Who) -> Said {
    let request = page.list.request();
    let text = format!(
        "Somebody applies for {}\n({}) as a contact of your organisation:\n\n{}\n{}\
         It is application {}. If it is not one of yours, tell the team: write to\n\n    {request}\n\nencrypted and \
         signed. The team decides; if it admits them, they are a contact\nof {} as you are.\n",
        page.list.title,
        page.list.address,
        facts(who),
        remarks(who),
        who.application,
        who.org,
    );
    Said { subject: format!("Somebody applies for {}", who.org), text }
}

pub(super) fn vouch_wanted(page: &Page<'_>, who: &Who) -> Said {
    let text = format!(
        "Somebody applies for {}\n({}), of which you are a member:\n\n{}\n{}\
         If you know them and vouch for this person and this key, answer with\n\n    {}\n\n{}\
         If you do not, do nothing. You vouch for application {} alone.\n",
        page.list.title,
        page.list.address,
        facts(who),
        remarks(who),
        page.token(0),
        page.how_to_answer(),
        who.application
    );
    Said { subject: format!("Do you vouch for {}?", short(&who.title)), text }
}

pub(super) fn counted(title: &str, missing: u32) -> Said {
    let next = match missing {
        0 => "With it enough have vouched, and the team decides.".to_owned(),
        1 => "One more is needed.".to_owned(),
        more => format!("{more} more are needed."),
    };
    let text = format!("Your voucher counts for\n\n{}\n{next}\n", paragraph(title));
    Said { subject: format!("Your voucher counts: {}", short(title)), text }
}

pub(super) fn not_counted(application: &ApplicationId, rule: &str) -> Said {
    let text = format!("Your voucher for application {application} does not count:\n\n{}", paragraph(rule));
    Said { subject: format!("Your voucher does not count: {application}"), text }
}

pub(super) fn went(page: &Page<'_>, application: &ApplicationId, stage: Stage) -> Said {
    let list = page.list;
    let (subject, what) = match stage {
        Stage::Approved => (
            "is approved",
            "The team has approved it. You become a member as soon as you have accepted the\nembargo policy: a letter of \
             its own asks you to.",
        ),
        Stage::Admitted => (
            "is accepted",
            "You are a member from now on. You get what is written from now on, and nothing\nof what was written before.",
        ),
        Stage::Refused => ("is refused", "The team decided against it."),
        Stage::Withdrawn => ("is withdrawn", "It was taken back."),
        Stage::Lapsed => ("has lapsed", "Its time ran out before it was decided. You may apply again."),
        Stage::Confirming | Stage::Vouching | Stage::Deciding => ("goes on", "It is being decided."),
    };
    let kept =
        if stage.is_open() || stage == Stage::Admitted { "" } else { "Your certificate is not kept.\n" };
    let text = format!(
        "Your application {application} for {}\n({}) {subject}.\n\n{what}\n{kept}",
        list.title, list.address
    );
    Said { subject: format!("Your application {subject}"), text }
}

fn facts(who: &Who) -> String {
    let facts = [
        format!("Organisation: {} ({})", who.title, who.org),
        format!("Website: {}", who.website),
        format!("Contact: {}", who.address),
        format!("Certificate: {}", who.fingerprint),
    ];
    facts.iter().map(|fact| item(fact)).collect()
}

fn remarks(who: &Who) -> String {
    who.remarks.iter().map(|remark| paragraph(remark) + "\n").collect()
}

fn item(text: &str) -> String {
    wrapped(text, WIDTH - 4).iter().map(|line| format!("    {line}\n")).collect()
}

fn paragraph(text: &str) -> String {
    wrapped(text, WIDTH).iter().map(|line| format!("{line}\n")).collect()
}

/// As much of a title as a subject holds.
fn short(title: &str) -> String {
    title.chars().take(60).collect()
}
