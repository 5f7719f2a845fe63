//! One mail transaction: who it is from, whom it is for, and whether its end may be taken in. Pure.

use super::command::{Forward, needs_utf8};
use super::data::Refusal;
use super::reply::{bare_cr_or_lf, lines, reply};
use super::settings::Limits;
use crate::mail::address::Address;
use crate::mail::arrival::{Recipient, Via};
use crate::mail::directory::{Destination, Directory, Kind, Purpose};
use crate::mime::scan::{Outer, header_count, outer};
use crate::secret::Plaintext;

/// Between MAIL and the end of DATA.
#[derive(Debug)]
pub(super) struct Transaction {
    reverse_path: Option<Address>,
    utf8: bool,
    /// The one kind of list that all recipients belong to.
    kind: Option<Kind>,
    recipients: Vec<Accepted>,
    /// For each RCPT that got its 250, the place of its recipient: LMTP answers them one by one (RFC 2033 §4.2).
    order: Vec<usize>,
}

#[derive(Debug)]
struct Accepted {
    recipient: Recipient,
    encrypted_only: bool,
}

/// What is to become of a whole message.
pub(super) struct Judged {
    /// Who gets it; nobody when all is refused.
    pub(super) recipients: Vec<Recipient>,
    /// The replies to give: `None` stands for what the intake will say.
    pub(super) replies: Vec<Option<Vec<u8>>>,
}

impl Transaction {
    pub(super) fn new(reverse_path: Option<Address>, utf8: bool) -> Self {
        Self { reverse_path, utf8, kind: None, recipients: Vec::new(), order: Vec::new() }
    }

    /// Where bounces go.
    pub(super) fn reverse_path(&self) -> Option<Address> {
        self.reverse_path.clone()
    }

    /// Whether no recipient was accepted so far.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Accepts one more recipient, or says why not.
    pub(super) fn add(
        &mut self,
        to: Forward,
        non_ascii: bool,
        directory: &Directory,
        limits: &Limits,
    ) -> Result<(), Vec<u8>> {
        if non_ascii && !self.utf8 {
            let no = needs_utf8();
            return Err(reply(no.code, no.status, no.text));
        }
        // RFC 5321 §4.5.3.1.10.
        if self.order.len() >= limits.max_recipients {
            return Err(reply(452, "4.5.3", "Too many recipients for one mail, send the rest in another"));
        }
        let address = match to {
            Forward::To(address) => Some(address),
            Forward::Postmaster => directory.bare_postmaster(),
        };
        let (address, destination) = address
            .ok_or_else(nobody)
            .and_then(|address| resolve(&address, directory).map(|destination| (address, destination)))?;
        if self.kind.is_some_and(|kind| kind != destination.kind) {
            return Err(reply(
                452,
                "4.5.3",
                "Lists of different kinds take their mail apart, send this in another",
            ));
        }
        self.kind = Some(destination.kind);
        self.note(address, destination);
        Ok(())
    }

    /// Stores a recipient once, however often it is named.
    fn note(&mut self, address: Address, destination: Destination) {
        let Destination { list, encrypted_only, purpose, .. } = destination;
        // Commands and bounces may be in the clear wherever posts may not.
        let encrypted_only = encrypted_only && matches!(purpose, Purpose::Post | Purpose::Reporter);
        let known = self.recipients.iter().position(|a| a.recipient.address.same_mailbox(&address));
        self.order.push(known.unwrap_or(self.recipients.len()));
        if known.is_none() {
            self.recipients
                .push(Accepted { recipient: Recipient { address, list, purpose }, encrypted_only });
        }
    }

    /// The same reply for everybody who waits for one.
    pub(super) fn refuse(&self, via: Via, text: &[u8]) -> Judged {
        Judged { recipients: Vec::new(), replies: vec![Some(text.to_vec()); self.replies_due(via)] }
    }

    /// Judges a whole message by what is visible from outside.
    pub(super) fn judge(self, raw: &Plaintext, via: Via, limits: &Limits) -> Judged {
        if let Some(text) = broken(raw.expose(), limits) {
            return self.refuse(via, &text);
        }
        // Not asked of mail to a list that takes any form: that costs a walk over it.
        let asked = self.recipients.iter().any(|a| a.encrypted_only);
        let clear = asked && outer(raw.expose()) == Outer::Clear;
        let refusals: Vec<Option<Vec<u8>>> = self
            .recipients
            .iter()
            .map(|a| (a.encrypted_only && clear).then(|| in_the_clear(&a.recipient.address)))
            .collect();
        if via == Via::Smtp {
            // One reply for all: a mail that is wrong for one list is wrong.
            if let Some(text) = refusals.iter().flatten().next() {
                return self.refuse(via, text);
            }
        }
        let replies = match via {
            // What is fetched has no session, and nobody waits for a reply.
            Via::Smtp | Via::Imap | Via::Maildir => vec![None],
            Via::Lmtp => self.order.iter().map(|place| refusals.get(*place).cloned().flatten()).collect(),
        };
        let left = self.recipients.into_iter().zip(refusals).filter(|(_, refusal)| refusal.is_none());
        Judged { recipients: left.map(|(accepted, _)| accepted.recipient).collect(), replies }
    }

    fn replies_due(&self, via: Via) -> usize {
        if via == Via::Lmtp { self.order.len() } else { 1 }
    }
}

/// How a message that was not kept is refused.
pub(super) fn not_kept(refusal: Refusal, limits: &Limits) -> Vec<u8> {
    match refusal {
        Refusal::BareCrOrLf => bare_cr_or_lf(554),
        Refusal::NoMemory => reply(452, "4.3.1", "Too much mail is under way, try again later"),
        // RFC 1870 §6.3.
        Refusal::TooLarge | Refusal::Endless => {
            reply(552, "5.3.4", &format!("The message is larger than {} bytes", limits.max_message))
        }
    }
}

/// What is wrong with the header block, whoever the mail is for.
fn broken(raw: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let headers = header_length(raw, limits.max_headers);
    if headers.is_none() {
        let text = format!("The header block is larger than {} bytes", limits.max_headers);
        return Some(reply(554, "5.3.4", &text));
    }
    // RFC 5321 §6.3.
    let loops = header_count(raw, "Received") > limits.max_received;
    loops.then(|| reply(554, "5.4.6", "Too many Received fields: this mail goes round in a loop"))
}

/// The length of the header block with its last line end, if that is no more than `limit`.
pub(super) fn header_length(raw: &[u8], limit: usize) -> Option<usize> {
    if raw.starts_with(b"\r\n") {
        return Some(0);
    }
    let window = raw.get(..limit.saturating_add(2)).unwrap_or(raw);
    let blank = window.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 2);
    blank.or_else(|| (raw.len() <= limit).then_some(raw.len()))
}

/// Who an address is for, or why it is for nobody. That our lists' addresses exist is no secret.
fn resolve(address: &Address, directory: &Directory) -> Result<Destination, Vec<u8>> {
    if !directory.owns(address.domain()) {
        return Err(reply(550, "5.7.1", "This server takes mail for its own lists only"));
    }
    directory.resolve(address).ok_or_else(nobody)
}

fn nobody() -> Vec<u8> {
    reply(550, "5.1.1", "There is no such address here")
}

fn in_the_clear(address: &Address) -> Vec<u8> {
    lines(
        550,
        "5.7.1",
        &[
            &format!("{address} takes encrypted mail only, and this mail is not encrypted as a whole."),
            "Encrypt it with OpenPGP (PGP/MIME, or one armored message as the whole text) to the key of that address.",
            &format!("For the key of {address} ask postmaster@{}", address.domain()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_block_is_measured_to_the_byte() {
        let head = b"A: b\r\n\r\nbody of any length";
        assert_eq!(header_length(head, 6), Some(6));
        assert_eq!(header_length(head, 5), None);
        assert_eq!(header_length(b"A: b\r\n", 6), Some(6), "no body at all");
        assert_eq!(header_length(b"A: b\r\n", 5), None);
        assert_eq!(header_length(b"\r\nbody", 1), Some(0));
        assert_eq!(header_length(b"", 1), Some(0));
    }

    #[test]
    fn the_refusal_of_clear_mail_tells_what_to_do() {
        let text = String::from_utf8(in_the_clear(&"distrib@lists.example.org".parse().unwrap())).unwrap();
        assert!(text.contains("PGP/MIME") && text.contains("For the key of distrib@lists.example.org"));
        assert!(text.lines().all(|l| l.len() <= 510), "RFC 5321 §4.5.3.1.5");
    }
}
