//! One SMTP or LMTP session as a state machine: events in, actions out. No sockets, no clock.
//!
//! The driver does the actions in their order. After [`Action::StartTls`] it reads nothing until it has sent
//! [`Event::TlsDone`], after [`Action::TakeIn`] nothing until [`Event::Taken`]; [`Action::Close`] is always the last.

use std::sync::Arc;

use super::budget::Budget;
use super::command::{Command, Forward, Hello, Malformed, parse};
use super::data::{Decoder, Ended, Refusal};
pub use super::events::{Action, Event, NotTaken, Phase, Tally, Terms, Tls};
use super::guard::ClientGuard;
use super::line::{Line, Lines};
use super::reply::{bare_cr_or_lf, closing, help, lines, not_taken, reply};
use super::transaction::{Judged, Transaction, not_kept};
use crate::mail::address::Address;
use crate::mail::arrival::{Envelope, Via};
use crate::mail::directory::Directory;
use crate::time::Timestamp;

/// Commands that move nothing (NOOP, RSET, …) in a row before a client is sent away.
const MAX_IDLE_COMMANDS: usize = 100;

/// Where a session stands.
///
/// ```text
///        Connected          EHLO           MAIL          DATA            CRLF.CRLF
///  Fresh ────────▶ Greeted ──────▶ Ready ──────▶ Mail ────────▶ Data ───────────────▶ TakingIn
///                     ▲              │ ▲          │ RCPT ↺        │ refused               │
///             TlsDone │     STARTTLS │ └──────────┘ RSET, EHLO    │                       │ Taken
///                  Upgrading ◀───────┘ └──────────────────────────┴───────────────────────┘
///
///  QUIT, Timeout, too many errors, a bare CR or LF, ShuttingDown (after Data and TakingIn are done) ──▶ Closed
/// ```
enum State {
    Fresh,
    Greeted,
    Ready(Helo),
    Mail(Helo, Transaction),
    Data(Helo, Transaction, Decoder),
    TakingIn(Helo, Vec<Option<Vec<u8>>>),
    Upgrading,
    Closed,
}

/// What the client called itself.
struct Helo(String);

/// One session.
pub struct Session {
    terms: Terms,
    directory: Arc<Directory>,
    budget: Budget,
    guard: Option<ClientGuard>,
    now: Timestamp,
    state: State,
    lines: Lines,
    /// What came while the intake was at work.
    pending: Vec<u8>,
    tally: Tally,
    idle_commands: usize,
    stopping: bool,
}

impl Session {
    /// A session that has not begun.
    #[must_use]
    pub fn new(terms: Terms, directory: Arc<Directory>, budget: Budget) -> Self {
        let lines = Lines::new(terms.limits.max_command_line);
        let (state, pending, tally) = (State::Fresh, Vec::new(), Tally::default());
        let (guard, now, idle_commands, stopping) = (None, Timestamp::from_secs(0), 0, false);
        Self { terms, directory, budget, guard, now, state, lines, pending, tally, idle_commands, stopping }
    }

    /// The same behind a guard, which is asked before each mail.
    #[must_use]
    pub fn guarded(self, guard: ClientGuard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// Does what an event asks for. `now` becomes the arrival time of a mail that ends with it.
    #[must_use]
    pub fn handle(&mut self, event: Event<'_>, now: Timestamp) -> Vec<Action> {
        let mut out = Vec::new();
        self.now = now;
        match event {
            Event::Connected => self.greet(&mut out),
            Event::Bytes(bytes) => self.advance(bytes, now, &mut out),
            Event::TlsDone => self.tls_done(),
            Event::Taken(result) => {
                self.taken(result, &mut out);
                let pending = std::mem::take(&mut self.pending);
                self.advance(&pending, now, &mut out);
            }
            Event::Timeout => self.close("4.4.2", "waited too long", &mut out),
            Event::ShuttingDown => self.stopping = true,
        }
        if self.stopping && !matches!(self.state, State::Data(..) | State::TakingIn(..)) {
            self.close("4.3.2", "is going down", &mut out);
        }
        out
    }

    /// What the session waits for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Fresh | State::Greeted | State::Ready(_) | State::Mail(..) => Phase::Command,
            State::Data(..) => Phase::Data,
            State::TakingIn(..) | State::Upgrading | State::Closed => Phase::Elsewhere,
        }
    }

    /// How it stands to TLS.
    #[must_use]
    pub fn tls(&self) -> Tls {
        self.terms.tls
    }

    /// What came of it so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn greet(&mut self, out: &mut Vec<Action>) {
        let (protocol, host) = (if self.lmtp() { "LMTP" } else { "ESMTP" }, &self.terms.hostname);
        out.push(Action::Reply(reply(220, "", &format!("{host} {protocol} Vouchsafe"))));
        self.state = State::Greeted;
    }

    /// RFC 3207 §4.2: after the handshake the session begins anew, and the client says hello again.
    fn tls_done(&mut self) {
        if matches!(self.state, State::Upgrading) {
            self.terms.tls = Tls::On;
            self.lines.clear();
            self.state = State::Greeted;
        }
    }

    /// Works through bytes until they run out or something else has to happen first.
    fn advance(&mut self, mut input: &[u8], now: Timestamp, out: &mut Vec<Action>) {
        // At the end no further command is begun.
        while !(input.is_empty() || self.stopping && self.phase() == Phase::Command) {
            match &mut self.state {
                State::TakingIn(..) => return self.pending.extend_from_slice(input),
                // RFC 3207 §4.2: nothing that came in the clear behind STARTTLS is ever looked at.
                State::Upgrading | State::Closed => return,
                State::Data(_, _, decoder) => {
                    if decoder.push(&mut input) {
                        self.end_of_data(now, out);
                    }
                }
                State::Fresh | State::Greeted | State::Ready(_) | State::Mail(..) => {
                    match self.lines.next(&mut input) {
                        None => return,
                        Some(line) => self.line(line, out),
                    }
                }
            }
        }
    }

    fn line(&mut self, line: Line, out: &mut Vec<Action>) {
        match line {
            Line::Whole(line) => match parse(&line) {
                Ok(command) => self.command(command, out),
                Err(Malformed { code, status, text }) => self.bad(reply(code, status, text), out),
            },
            Line::TooLong => {
                let text = format!("The line is longer than {} bytes", self.terms.limits.max_command_line);
                self.bad(reply(500, "5.5.2", &text), out);
            }
            // Another server in front may have seen one line where we see two, or content where we see commands.
            Line::BareCrOrLf => self.end(bare_cr_or_lf(500), out),
        }
    }

    fn command(&mut self, command: Command, out: &mut Vec<Action>) {
        match command {
            Command::Hello(kind, name) => self.hello(kind, name, out),
            Command::Mail { from, size, utf8 } => self.mail(from, size, utf8, out),
            Command::Rcpt { to, non_ascii } => self.rcpt(to, non_ascii, out),
            Command::Data => self.data(out),
            Command::StartTls => self.start_tls(out),
            Command::Rset => {
                self.reset();
                self.idle(reply(250, "2.0.0", "Forgotten"), out);
            }
            Command::Noop => self.idle(reply(250, "2.0.0", "Nothing done"), out),
            // RFC 5321 §3.5.3 and §7.3.
            Command::Vrfy => self.idle(reply(252, "2.0.0", "Send the mail and see"), out),
            Command::Help => self.idle(help(), out),
            Command::Quit => {
                self.end(reply(221, "2.0.0", &format!("{} says goodbye", self.terms.hostname)), out)
            }
            Command::NotOffered => self.bad(reply(502, "5.5.1", "This command is not offered"), out),
            // Content would follow, and we would read it as commands.
            Command::Bdat => self.end(reply(502, "5.5.1", "BDAT is not offered. Closing"), out),
            Command::Http => self.close("4.7.0", "is a mail server and no web server", out),
        }
    }

    /// RFC 5321 §4.1.4: hello ends a transaction like RSET.
    fn hello(&mut self, kind: Hello, name: String, out: &mut Vec<Action>) {
        // RFC 2033 §4.1: LHLO and nothing else there, and nowhere else.
        if (kind == Hello::Lhlo) != self.lmtp() {
            let (is, say) = if self.lmtp() { ("LMTP", "LHLO") } else { ("SMTP", "EHLO") };
            return self.bad(reply(500, "5.5.1", &format!("This is {is}: say {say}")), out);
        }
        let host = self.terms.hostname.clone();
        let size = format!("SIZE {}", self.terms.limits.max_message);
        let mut texts = vec![host.as_str()];
        if kind != Hello::Helo {
            texts.extend(["PIPELINING", &size, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "HELP"]);
            if self.terms.tls == Tls::Offered {
                texts.push("STARTTLS");
            }
        }
        self.state = State::Ready(Helo(name));
        self.idle(lines(250, "", &texts), out);
    }

    fn mail(&mut self, from: Option<Address>, size: usize, utf8: bool, out: &mut Vec<Action>) {
        let State::Ready(_) = &self.state else {
            let text = if self.began() { "One mail at a time" } else { "Say hello first" };
            return self.bad(reply(503, "5.5.1", text), out);
        };
        // RFC 1870 §6.1: what is declared is refused before it comes.
        if size > self.terms.limits.max_message {
            return out.push(Action::Reply(not_kept(Refusal::TooLarge, &self.terms.limits)));
        }
        if size > self.budget.free() {
            return out.push(Action::Reply(not_kept(Refusal::NoMemory, &self.terms.limits)));
        }
        if let Some(no) = self.guard.as_ref().and_then(|g| g.mail(from.as_ref(), size, self.now)) {
            return self.bad(no, out);
        }
        if let State::Ready(helo) = std::mem::replace(&mut self.state, State::Closed) {
            self.state = State::Mail(helo, Transaction::new(from, utf8));
        }
        out.push(Action::Reply(reply(250, "2.1.0", "Sender noted")));
    }

    fn rcpt(&mut self, to: Forward, non_ascii: bool, out: &mut Vec<Action>) {
        let State::Mail(_, transaction) = &mut self.state else {
            return self.bad(reply(503, "5.5.1", "MAIL comes before RCPT"), out);
        };
        if let Some(no) = self.guard.as_ref().and_then(|g| g.recipient(self.now)) {
            return self.bad(no, out);
        }
        let text = match transaction.add(to, non_ascii, &self.directory, &self.terms.limits) {
            Ok(()) => reply(250, "2.1.5", "Recipient noted"),
            Err(text) => text,
        };
        out.push(Action::Reply(text));
    }

    fn data(&mut self, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Mail(helo, transaction) if !transaction.is_empty() => {
                let decoder = Decoder::new(self.terms.limits.max_message, &self.budget);
                self.state = State::Data(helo, transaction, decoder);
                out.push(Action::Reply(reply(
                    354,
                    "",
                    "Send the message, and a line with a dot alone at its end",
                )));
            }
            State::Mail(helo, transaction) => {
                self.state = State::Mail(helo, transaction);
                // RFC 2920 §3.1, where the client could not know; RFC 2033 §4.2 wants 503.
                let code = if self.lmtp() { 503 } else { 554 };
                out.push(Action::Reply(reply(code, "5.5.1", "No recipient was accepted")));
            }
            state => {
                self.state = state;
                self.bad(reply(503, "5.5.1", "MAIL and RCPT come before DATA"), out);
            }
        }
    }

    fn start_tls(&mut self, out: &mut Vec<Action>) {
        let text = match (&self.state, self.terms.tls) {
            (_, Tls::On) => reply(503, "5.5.1", "TLS is on already"),
            (_, Tls::Unavailable) => reply(502, "5.5.1", "STARTTLS is not offered"),
            // RFC 3207 §4: not inside a transaction.
            (State::Mail(..), _) => reply(503, "5.5.1", "Not inside a transaction"),
            (_, Tls::Offered) => {
                self.state = State::Upgrading;
                out.push(Action::Reply(reply(220, "2.0.0", "Ready for TLS")));
                return out.push(Action::StartTls);
            }
        };
        self.bad(text, out);
    }

    fn end_of_data(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        let State::Data(helo, transaction, decoder) = std::mem::replace(&mut self.state, State::Closed)
        else {
            return;
        };
        let (via, limits) = (self.terms.via, &self.terms.limits);
        self.idle_commands = 0;
        match decoder.finish() {
            Ended::Refused(why) => {
                let Judged { replies, .. } = transaction.refuse(via, &not_kept(why, limits));
                out.extend(replies.into_iter().flatten().map(Action::Reply));
                // A message that was cut elsewhere by somebody else may go on as commands here: none is read.
                match why {
                    Refusal::BareCrOrLf | Refusal::Endless => out.push(Action::Close),
                    Refusal::NoMemory | Refusal::TooLarge => self.state = State::Ready(helo),
                }
            }
            Ended::Whole(raw, held) => {
                let reverse_path = transaction.reverse_path();
                let Judged { recipients, replies } = transaction.judge(&raw, via, limits);
                if recipients.is_empty() {
                    out.extend(replies.into_iter().flatten().map(Action::Reply));
                    self.state = State::Ready(helo);
                    return;
                }
                let envelope = Envelope {
                    reverse_path,
                    recipients,
                    client: self.terms.client.clone(),
                    helo: helo.0.clone(),
                    via,
                    tls: self.terms.tls == Tls::On,
                    at: now,
                };
                self.state = State::TakingIn(helo, replies);
                out.push(Action::TakeIn { envelope, raw, held });
            }
        }
    }

    fn taken(&mut self, result: Result<String, NotTaken>, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::TakingIn(helo, replies) => {
                self.tally.taken += usize::from(result.is_ok());
                let text = match result {
                    Ok(id) => reply(250, "2.0.0", &format!("Taken in as {id}")),
                    Err(why) => not_taken(why),
                };
                out.extend(replies.into_iter().map(|r| Action::Reply(r.unwrap_or_else(|| text.clone()))));
                self.state = State::Ready(helo);
            }
            state => self.state = state,
        }
    }

    fn reset(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Mail(helo, _) => State::Ready(helo),
            state => state,
        };
    }

    /// A reply to a command that moves nothing.
    fn idle(&mut self, text: Vec<u8>, out: &mut Vec<Action>) {
        out.push(Action::Reply(text));
        self.idle_commands += 1;
        if self.idle_commands > MAX_IDLE_COMMANDS {
            self.close("4.7.0", "saw too many commands without a mail", out);
        }
    }

    /// A reply to a command that is refused as such.
    fn bad(&mut self, text: Vec<u8>, out: &mut Vec<Action>) {
        out.push(Action::Reply(text));
        self.tally.bad_commands += 1;
        if self.tally.bad_commands > self.terms.limits.max_bad_commands {
            self.close("4.7.0", "saw too many errors", out);
        }
    }

    fn close(&mut self, status: &str, why: &str, out: &mut Vec<Action>) {
        let text = closing(&self.terms.hostname, status, why);
        self.end(text, out);
    }

    /// The last reply of a session.
    fn end(&mut self, text: Vec<u8>, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Closed) {
            self.state = State::Closed;
            out.extend([Action::Reply(text), Action::Close]);
        }
    }

    fn began(&self) -> bool {
        matches!(self.state, State::Mail(..))
    }

    fn lmtp(&self) -> bool {
        self.terms.via == Via::Lmtp
    }
}
