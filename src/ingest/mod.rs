//! `vouchsafe ingest`: one mail from a mail server's pipe, handed to the running daemon.
//!
//! The store is the daemon's alone, so the mail goes to its LMTP socket like any other, and success is said when the
//! daemon has said 250: then it is sealed and durable. Nothing of it is written anywhere here. Whatever else happens, the
//! mail server keeps the mail: what is not known to be refused for good is tried again.

mod door;
mod message;
mod outcome;
mod reply;
mod session;

use std::io::Read;
use std::time::Duration;

pub use self::door::{Door, Place};
use self::message::{Message, Unread};
use self::outcome::sum;
pub use self::outcome::{Code, Failure};
use self::session::Session;
use crate::mail::address::Address;

/// Whom the mail is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// These, as they were typed.
    Named(Vec<String>),
    /// Whoever stands in the first header field of this name.
    Field(&'static str),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where the daemon takes mail.
    pub door: Door,
    /// The reverse-path as it was typed; where it was not, the mail's own: its mbox line, `Return-Path` or author.
    pub sender: Option<String>,
    /// Whom it is for.
    pub recipients: Recipients,
    /// The time of each step.
    pub patience: Duration,
}

/// Hands in the mail that `input` holds, to its end. When this returns `Ok` the mail is durable for every recipient.
///
/// # Errors
/// Why it is not, with the exit code for it.
pub fn ingest(order: &Order, input: &mut dyn Read) -> Result<(), Failure> {
    let done = hand_in(order, input);
    if done.is_err() {
        // A mail server whose pipe breaks may take that for the failure, and not what we say.
        let _ = std::io::copy(input, &mut std::io::sink());
    }
    done
}

fn hand_in(order: &Order, input: &mut dyn Read) -> Result<(), Failure> {
    let mut session = Session::open(&order.door, order.patience)?;
    let limit = session.max_size();
    let message = Message::read(input, limit).map_err(|why| unread(&why, limit))?;
    let sender = reverse_path(order.sender.as_deref(), &message);
    let (mut waiting, mut verdicts) = recipients(&order.recipients, &message)?;
    // Lists of different kinds take their mail apart: as many transactions as they want.
    while !waiting.is_empty() {
        let before = waiting.len();
        let round = session.transaction(sender.as_ref(), waiting, &message)?;
        verdicts.extend(round.settled);
        waiting = round.later;
        if waiting.len() == before {
            return Err(Failure::later("the daemon takes none of the recipients"));
        }
    }
    session.quit();
    sum(verdicts)
}

/// The reverse-path of a mail (RFC 5321 §4.4); `None` is the null one, which nothing but `<>` or nothing at all means.
/// What is no address, such as a bare `root`, says nothing: the mail itself is asked, and none is refused for it.
fn reverse_path(typed: Option<&str>, message: &Message) -> Option<Address> {
    match typed.map(|typed| bare(typed.trim())) {
        Some("") => None,
        Some(typed) => typed.parse().ok().or_else(|| message.sender()),
        None => message.sender(),
    }
}

fn bare(typed: &str) -> &str {
    typed.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(typed)
}

type Settled = Vec<Result<(), Failure>>;

/// The recipients, and the verdict on those that can be nobody's address.
fn recipients(wanted: &Recipients, message: &Message) -> Result<(Vec<Address>, Settled), Failure> {
    match wanted {
        Recipients::Named(typed) => {
            let (mut right, mut settled) = (Vec::new(), Vec::new());
            for text in typed {
                match bare(text).parse::<Address>() {
                    Ok(address) if right.contains(&address) => {}
                    Ok(address) => right.push(address),
                    Err(why) => settled.push(Err(Failure::of(
                        Code::NoUser,
                        "5.1.3",
                        format!("\"{}\": {why}", shown(text)),
                    ))),
                }
            }
            Ok((right, settled))
        }
        Recipients::Field(name) => match message.address(name) {
            Some(address) => Ok((vec![address], Vec::new())),
            // It is the mail server that writes the field, so that its settings are wrong and not the mail.
            None => Err(Failure::later(format!(
                "the mail has no field {name} with one address, which should name its recipient: let the mail server \
                 write it, or name the recipient on the command line"
            ))),
        },
    }
}

/// Text that a log can show.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(100).collect()
}

fn unread(why: &Unread, limit: usize) -> Failure {
    match why {
        Unread::TooLarge => {
            Failure::of(Code::Data, "5.3.4", format!("the mail is larger than {limit} bytes (max_message)"))
        }
        Unread::Empty => {
            Failure::of(Code::Data, "5.6.0", "there is no mail on standard input, not even a header")
        }
        Unread::Io(error) => Failure::later(format!("the mail cannot be read from standard input: {error}")),
    }
}

#[cfg(test)]
mod tests;
