//! Steps 4 to 6: an announcement to the distributors, one by a stranger, and one in the clear.

use super::cast::Character;
use super::copies;
use super::mails;
use super::report::{deliveries, for_reader, settled};
use super::scene::Scene;
use super::setup::{ANNOUNCE, list};
use super::show::Show;
use super::sink::Delivery;
use super::submission::hand_in;
use super::trouble::Trouble;
use crate::control::wire::{Answer, MemberRow, Request};
use crate::secret::Plaintext;
use crate::time::Clock;

/// A team member announces; every distributor with a usable key and the team get their copies.
pub(super) fn announce(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    show.step("A team member announces to the distributors; one of them has an expired key")?;
    let expired = wait_for_expiry(scene)?;
    let draft = mails::announcement(scene);
    let entity = draft.entity(scene);
    let mail = draft.sealed(&entity, &scene.announce, scene)?;
    let first = scene.sink.count();
    show.row("written", format!("by {}: {}", draft.from.name, draft.subject))?;
    show.row("reply", taken(&hand_in(scene.stage.smtp, draft.from.address, &draft.to, &mail)?)?)?;
    let readers: Vec<&Character> = scene.cast.readers().collect();
    let copies = deliveries(scene, first, readers.len())?;
    show_copies(show, scene, &readers, &copies, &entity)?;
    try_other_keys(show, scene, &readers, &copies)?;
    show_missed(show, scene, &expired)
}

fn taken(reply: &str) -> Result<&str, Trouble> {
    if reply.starts_with("250 ") {
        return Ok(reply);
    }
    Trouble::broken(format!("the mail was not taken: {reply}"))
}

/// The member that cannot receive any more, as soon as the relay sees it so.
fn wait_for_expiry(scene: &Scene) -> Result<MemberRow, Trouble> {
    scene.patience.until("the last distributor's certificate has expired", || {
        match scene.stage.ask(&Request::MemberLs { list: Some(list(ANNOUNCE)?) })? {
            Answer::Members(rows) => Ok(rows.into_iter().find(|row| !row.can_receive)),
            _ => Trouble::broken("the relay did not list its members"),
        }
    })
}

fn show_copies(
    show: &mut Show<'_>,
    scene: &Scene,
    readers: &[&Character],
    copies: &[Delivery],
    sent: &Plaintext,
) -> Result<(), Trouble> {
    let now = scene.clock.now();
    let (mut rows, mut shown) = (Vec::new(), None);
    for reader in readers {
        let delivery = for_reader(copies, reader.address)?;
        let copy = copies::read(delivery, reader, &scene.announce, sent, now)?;
        let body = copies::packets(delivery)?.pop().unwrap_or_default();
        let size = format!("{} bytes", delivery.mail.len());
        rows.push(vec![reader.address.to_owned(), reader.key.to_owned(), size, body]);
        shown = Some(copy);
    }
    show.table("copies for", &rows)?;
    let Some(copy) = shown else { return Trouble::broken("nobody reads the list") };
    show.row("opened", format!("all {}, each with its reader's key", rows.len()))?;
    show.row("From", &copy.from)?;
    show.row("Subject", &copy.subject)?;
    show.text("relay's note", &copy.note)?;
    show.text("the mail", &copy.text)
}

/// Tries every copy with every key that it is not for.
fn try_other_keys(
    show: &mut Show<'_>,
    scene: &Scene,
    readers: &[&Character],
    copies: &[Delivery],
) -> Result<(), Trouble> {
    let (now, mut tried) = (scene.clock.now(), 0);
    for reader in readers {
        let delivery = for_reader(copies, reader.address)?;
        for other in scene.cast.all().filter(|other| other.address != reader.address) {
            tried += 1;
            if copies::opens(delivery, other, &scene.announce, now)? {
                return Trouble::broken(format!("{} opens the copy for {}", other.name, reader.name));
            }
        }
    }
    show.row("others' copies", format!("{tried} tries with somebody else's key: none opens"))
}

/// Who got no copy is told: in the members' table, in the status, and in the journal.
fn show_missed(show: &mut Show<'_>, scene: &Scene, expired: &MemberRow) -> Result<(), Trouble> {
    let problem = expired.problem.as_deref().unwrap_or_default();
    show.row("member ls", format!("{} receives nothing: {problem}", expired.address))?;
    let Answer::Status(status) = scene.stage.ask(&Request::Status)? else {
        return Trouble::broken("the relay gave no status");
    };
    let Some(problem) = status.problems.iter().find(|problem| problem.contains(&expired.address)) else {
        return Trouble::broken("the status does not tell who gets no copies");
    };
    show.row("status", problem)?;
    let missed = journal(scene, "missed")?;
    let ours = missed.iter().find(|event| event.get("member").is_some_and(|id| *id == expired.id));
    let Some(event) = ours else { return Trouble::broken("the journal does not tell who missed the post") };
    let text = |name: &str| event.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    show.row("journal", format!("missed: member {}, {}", text("member"), text("problem")))
}

/// The events of one kind in the announce list's journal.
fn journal(scene: &Scene, kind: &str) -> Result<Vec<serde_json::Value>, Trouble> {
    let request = Request::JournalLs { list: Some(list(ANNOUNCE)?), newest: None, after: None, limit: 1000 };
    let Answer::Journal(page) = scene.stage.ask(&request)? else {
        return Trouble::broken("the relay did not show its journal");
    };
    let events = page.rows.into_iter().map(|row| row.event);
    Ok(events.filter(|event| event.get("kind").is_some_and(|k| *k == kind)).collect())
}

/// A stranger's announcement gets the same 250 as any, and goes to nobody.
pub(super) fn stranger(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    show.step("A stranger announces, well signed and encrypted: it is taken, held, and goes to nobody")?;
    let draft = mails::forgery(scene);
    let mail = draft.sealed(&draft.entity(scene), &scene.announce, scene)?;
    let before = scene.sink.count();
    show.row("written", format!("by {}: {}", draft.from.name, draft.subject))?;
    show.row("reply", taken(&hand_in(scene.stage.smtp, draft.from.address, &draft.to, &mail)?)?)?;
    let held = scene.patience.until("the stranger's mail is held", || {
        match scene.stage.ask(&Request::HoldLs { list: None, after: None, limit: 10 })? {
            Answer::Holds(mut page) => Ok(page.rows.pop()),
            _ => Trouble::broken("the relay did not list what it holds"),
        }
    })?;
    show.row("hold ls", format!("{}, {}, held: {}", held.id, held.list, held.reason))?;
    if held.reason != "unknown-signer" {
        return Trouble::broken("it is held for another reason than its signer");
    }
    settled(scene)?;
    match scene.sink.count() - before {
        0 => show.row("copies", "none: spool and queue are empty, and nothing came out"),
        n => Trouble::broken(format!("{n} copies of a stranger's mail came out")),
    }
}

/// Mail in the clear never gets past the door of an announce list.
pub(super) fn in_the_clear(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    show.step("Mail in the clear for the distributors is refused at the door")?;
    let draft = mails::announcement(scene);
    let before = scene.sink.count();
    // The entity has all headers that a mail needs.
    let reply = hand_in(scene.stage.smtp, draft.from.address, &draft.to, draft.entity(scene).expose())?;
    show.row("reply", &reply)?;
    if !reply.starts_with('5') {
        return Trouble::broken(format!("it was not refused: {reply}"));
    }
    settled(scene)?;
    match scene.sink.count() - before {
        0 => show.row("copies", "none, and nothing of it was kept"),
        n => Trouble::broken(format!("{n} copies of a refused mail came out")),
    }
}
