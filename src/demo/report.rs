//! Steps 2 and 3: a report comes in, lies sealed in the spool, and goes out to the team.

use std::fs;
use std::path::Path;

use super::copies;
use super::mails;
use super::scene::Scene;
use super::setup::{SECURITY, list};
use super::show::Show;
use super::sink::Delivery;
use super::submission::hand_in;
use super::trouble::Trouble;
use crate::control::wire::{Answer, Request};
use crate::pgp::person::list_packets;
use crate::secret::Plaintext;
use crate::time::Clock;

/// The header that the store writes in front of a body: its mark, format, id, length and checksum.
const BODY_HEADER: usize = 36;
/// The checksum behind a body of a single chunk.
const BODY_SUM: usize = 4;

/// A report goes in while its list is paused, so that what the relay keeps of it can be looked at. Returns what was
/// sent, before it was encrypted.
pub(super) fn send(show: &mut Show<'_>, scene: &Scene) -> Result<Plaintext, Trouble> {
    show.step("A report comes in, encrypted, and lies sealed in the spool")?;
    pause(show, scene)?;
    let draft = mails::report(scene);
    let entity = draft.entity(scene);
    let mail = draft.sealed(&entity, &scene.security, scene)?;
    show.row("written", format!("by {}: {}", draft.from.name, draft.subject))?;
    show.row("sent", format!("{} bytes, signed, encrypted to the list, outer subject [...]", mail.len()))?;
    let reply = hand_in(scene.stage.smtp, draft.from.address, &draft.to, &mail)?;
    show.row("reply", &reply)?;
    if !reply.starts_with("250 ") {
        return Trouble::broken(format!("the report was not taken: {reply}"));
    }
    show_disk(show, &scene.stage.data())?;
    let count = scene.sink.count();
    if count != 0 {
        return Trouble::broken(format!("{count} copies left although the list was paused"));
    }
    Ok(entity)
}

fn pause(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    match scene.stage.ask(&Request::ListPause { list: list(SECURITY)? })? {
        Answer::Done { what, .. } => show.row("list pause", what),
        _ => Trouble::broken("the relay did not pause the list"),
    }
}

/// Every file of the store: name, size, its first bytes, and what a sealed mail is made of.
fn show_disk(show: &mut Show<'_>, data: &Path) -> Result<(), Trouble> {
    let mut sealed = 0;
    for path in files(data)? {
        let bytes = fs::read(&path).map_err(Trouble::io(format!("read {}", path.display())))?;
        let name = path.strip_prefix(data).unwrap_or(&path).display().to_string();
        show.row("on disk", format!("data/{name}, {} bytes{}", bytes.len(), beginning(&bytes)))?;
        if !path.parent().is_some_and(|folder| folder.ends_with("bodies")) {
            continue;
        }
        sealed += 1;
        let inside = bytes.get(BODY_HEADER..bytes.len().saturating_sub(BODY_SUM)).unwrap_or_default();
        let packets = list_packets(inside)?;
        if packets.iter().any(|packet| packet.ends_with("not encrypted")) {
            return Trouble::broken("what lies in the spool is not encrypted");
        }
        for packet in packets {
            show.row("", format!("  {packet}"))?;
        }
        show.row("", "  in there is the whole mail: envelope, headers and all")?;
    }
    match sealed {
        1 => Ok(()),
        n => Trouble::broken(format!("there are {n} sealed mails in the spool, and one is expected")),
    }
}

/// The first bytes, as numbers and as text.
fn beginning(bytes: &[u8]) -> String {
    let head: Vec<u8> = bytes.iter().copied().take(8).collect();
    if head.is_empty() {
        return String::new();
    }
    let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    let text: String = head.iter().map(shown).collect();
    format!(", begins {} \"{text}\"", data_encoding::HEXLOWER.encode(&head))
}

fn files(dir: &Path) -> Result<Vec<std::path::PathBuf>, Trouble> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        let fail = || Trouble::io(format!("list {}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(fail())? {
            let entry = entry.map_err(fail())?;
            if entry.file_type().map_err(fail())?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The list goes on, and each of the team gets a copy of its own.
pub(super) fn read(show: &mut Show<'_>, scene: &Scene, sent: &Plaintext) -> Result<(), Trouble> {
    show.step("Each of the team gets a copy of its own and opens it")?;
    scene.stage.ask(&Request::ListResume { list: list(SECURITY)? })?;
    let copies = deliveries(scene, 0, scene.cast.team.len())?;
    let now = scene.clock.now();
    let mut shown = None;
    for member in &scene.cast.team {
        let delivery = for_reader(&copies, member.address)?;
        let copy = copies::read(delivery, member, &scene.security, sent, now)?;
        show.row("copy for", format!("{}, {} bytes", delivery.to, delivery.mail.len()))?;
        show.row("", format!("  return path {}", delivery.from))?;
        for packet in copies::packets(delivery)? {
            show.row("", format!("  {packet}"))?;
        }
        shown = Some((delivery, copy));
    }
    let Some((delivery, copy)) = shown else { return Trouble::broken("there is no team") };
    show.row("opened", "all three; the list's signature is good, the report as sent, byte for byte")?;
    show.row("From", &copy.from)?;
    show.row("Subject", &copy.subject)?;
    show.text("relay's note", &copy.note)?;
    show.text("the report", &copy.text)?;
    show.text("outside", &copies::header(delivery))?;
    for word in [&scene.canary, scene.cast.reporter.name, scene.cast.reporter.address] {
        if copies::header(delivery).contains(word) {
            return Trouble::broken("the outer header tells what it must not tell");
        }
    }
    Ok(())
}

/// Waits until that many copies came after the `first`, and the relay's queue is empty: then there are no more to come.
pub(super) fn deliveries(scene: &Scene, first: usize, wanted: usize) -> Result<Vec<Delivery>, Trouble> {
    scene.patience.until(&format!("{wanted} copies have come out"), || {
        Ok((scene.sink.count() >= first + wanted).then_some(()))
    })?;
    settled(scene)?;
    let copies = scene.sink.taken_from(first);
    if copies.len() == wanted {
        return Ok(copies);
    }
    Trouble::broken(format!("{} copies came out instead of {wanted}", copies.len()))
}

/// Waits until the relay has nothing more to do.
pub(super) fn settled(scene: &Scene) -> Result<(), Trouble> {
    scene.patience.until("the relay's spool and queue are empty", || {
        match scene.stage.ask(&Request::Status)? {
            Answer::Status(s) => {
                Ok((s.arrivals + s.due + s.claimed + s.deferred + s.failed == 0).then_some(()))
            }
            _ => Trouble::broken("the relay gave no status"),
        }
    })
}

/// The one copy for this address.
pub(super) fn for_reader<'a>(copies: &'a [Delivery], address: &str) -> Result<&'a Delivery, Trouble> {
    let mut theirs = copies.iter().filter(|copy| copy.to == address);
    match (theirs.next(), theirs.next()) {
        (Some(copy), None) => Ok(copy),
        (None, _) => Trouble::broken(format!("no copy came for {address}")),
        (Some(_), Some(_)) => Trouble::broken(format!("several copies came for {address}")),
    }
}
