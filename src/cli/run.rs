//! What each admin command asks, and what it does with the answer.

/// The value of one variant of an answer.
macro_rules! expect {
    ($answer:expr, $pattern:pat => $value:expr) => {
        match $answer? {
            $pattern => $value,
            _ => return Err(Failure::unexpected()),
        }
    };
}

mod apply;
mod ballot;
mod contact;
mod duty;
mod hold;
mod long;
mod org;
mod roster;
mod team;
mod watch;

use std::io::{self, Write};
use std::path::Path;

use super::args::Admin;
use super::failure::{Failure, refused};
use super::input::{self, Terminal};
use super::names::{Who, Why};
use super::nouns::{Journal, Key, List, Member, Queue, Store};
use super::progress::waiting;
use super::show;
use super::text::{lines, one_line};
use crate::control::client;
use crate::control::wire::{Answer, ErrorKind, JournalRow, MemberRow, Page, Request};

/// How many rows are asked for at once.
const PAGE: u64 = 500;

/// Carries a command out against the daemon behind `socket`, and writes what it shows to `out`.
///
/// # Errors
/// With what to tell the person, and the exit code.
pub fn run(command: Admin, socket: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    run_with(command, socket, out, &Terminal::of_this_process())
}

/// The same, with somebody else to ask.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    command: Admin,
    socket: &Path,
    out: &mut dyn Write,
    terminal: &Terminal,
) -> Result<(), Failure> {
    if let Admin::Status { json, watch: Some(seconds) } = command {
        return watch::watch(socket, seconds, json, out);
    }
    let watched = terminal.is_watched() && !command.is_for_programs();
    let shown = Desk { socket, terminal, watched }.carry_out(command)?;
    match out.write_all(shown.text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read it has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    shown.verdict.map_or(Ok(()), Err)
}

/// What a command shows; and, where showing it is not all, why it fails nevertheless.
struct Shown {
    text: String,
    verdict: Option<Failure>,
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Self { text, verdict: None }
    }
}

struct Desk<'a> {
    socket: &'a Path,
    terminal: &'a Terminal,
    /// Whether somebody sees what goes to standard error meanwhile.
    watched: bool,
}

impl Desk<'_> {
    fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        refused(waiting(self.watched, || client::ask(self.socket, request))?)
    }

    /// Asks for what is simply done.
    fn order(&self, request: &Request) -> Result<Shown, Failure> {
        done(self.ask(request)?)
    }

    /// The same, after a person agreed.
    fn after_consent(&self, request: &Request, yes: bool, what: &str) -> Result<Shown, Failure> {
        self.terminal.agree(yes, what)?;
        self.order(request)
    }

    fn carry_out(&self, command: Admin) -> Result<Shown, Failure> {
        match command {
            Admin::Status { json, .. } => {
                let row = expect!(self.ask(&Request::Status), Answer::Status(row) => row);
                Ok(show::one(&*row, show::status, json).into())
            }
            Admin::Reload => self.order(&Request::Reload),
            Admin::List(verb) => self.list(verb),
            Admin::Store(verb) => self.store(verb),
            Admin::Key(verb) => self.key(verb),
            Admin::Org(verb) => self.org(verb),
            Admin::Member(verb) => self.member(verb),
            Admin::Team(verb) => self.team(verb),
            Admin::Breach(verb) => self.breach(verb),
            Admin::Roster(verb) => self.roster(verb),
            Admin::Hold(verb) => self.hold(verb),
            Admin::Queue(verb) => self.queue(verb),
            Admin::Journal(verb) => self.journal(verb),
        }
    }

    fn list(&self, verb: List) -> Result<Shown, Failure> {
        match verb {
            List::Ls { json } => {
                let rows = expect!(self.ask(&Request::ListLs), Answer::Lists(rows) => rows);
                Ok(show::rows(&rows, &show::LISTS, json).into())
            }
            List::Show { list, json } => {
                let row = expect!(self.ask(&Request::ListShow { list: list.0 }), Answer::List(row) => row);
                Ok(show::one(&*row, show::list, json).into())
            }
            List::Pause { list } => self.order(&Request::ListPause { list: list.0 }),
            List::Resume { list } => self.order(&Request::ListResume { list: list.0 }),
        }
    }

    fn store(&self, verb: Store) -> Result<Shown, Failure> {
        match verb {
            Store::Restored { yes } => {
                let what =
                    "Nothing is relayed or delivered until `vouchsafe store resume`; mail is still taken in.";
                self.after_consent(&Request::StoreRestored, yes, what)
            }
            Store::Resume { yes } => {
                let what = "Waiting mail is relayed and queued copies are delivered.";
                self.after_consent(&Request::StoreResume, yes, what)
            }
        }
    }

    fn key(&self, verb: Key) -> Result<Shown, Failure> {
        match verb {
            Key::Ls { json } => {
                let rows = expect!(self.ask(&Request::KeyLs), Answer::Keys(rows) => rows);
                Ok(show::rows(&rows, &show::KEYS, json).into())
            }
            Key::Export { list } => {
                let request = Request::KeyExport { list: list.0 };
                let armored = expect!(self.ask(&request), Answer::Certificate { armored } => armored);
                Ok(lines(&armored).into())
            }
            // The program makes it by itself: without it no daemon starts.
            Key::New { .. } | Key::Dkim { .. } => Err(Failure::unexpected()),
            Key::Import { what, passphrase_file, yes } => {
                let passphrase = passphrase_file.map(|file| input::passphrase(&file)).transpose()?;
                let (list, key) = (what.list, input::secret(&what.file)?);
                self.import(Request::KeyImport { list, key, passphrase, confirm: yes })
            }
        }
    }

    /// The daemon says what it needs: the key's passphrase, consent to another fingerprint, or neither.
    fn import(&self, mut request: Request) -> Result<Shown, Failure> {
        loop {
            let answer = self.ask(&request)?;
            match (answer, &mut request) {
                (Answer::PassphraseNeeded, Request::KeyImport { passphrase: needed @ None, .. }) => {
                    *needed = Some(self.terminal.passphrase("Passphrase of the key")?);
                }
                (Answer::Confirm { what }, Request::KeyImport { confirm: confirm @ false, .. }) => {
                    self.terminal.agree(false, &one_line(&what))?;
                    *confirm = true;
                }
                (answer, _) => return done(answer),
            }
        }
    }

    fn member(&self, verb: Member) -> Result<Shown, Failure> {
        match verb {
            Member::Add { who, org, cert, format, ask, why } => {
                let (cert, address) = (input::certificate(&cert)?, who.address);
                let list = who.list;
                self.order(&why.of(Request::MemberAdd { list, org, address, cert, format, ask }))
            }
            Member::Accept { who, statement, why } => self.accept(who, &statement, why),
            Member::AskAlias { who } => self.ask_alias(who),
            Member::Staff(verb) => self.staff(verb),
            Member::Ls { list, json, within } => {
                let request = Request::MemberLs { list: list.0 };
                let rows = expect!(self.ask(&request), Answer::Members(rows) => rows);
                Ok(members(rows, &show::MEMBERS, within, json))
            }
            Member::Show { who, json } => {
                let request = Request::MemberShow { list: who.list, address: who.address };
                let row = expect!(self.ask(&request), Answer::Member(row) => row);
                Ok(show::one(&*row, show::member, json).into())
            }
            Member::SetCert { who, cert, yes, why } => self.set_cert(&who, &cert, yes, &why),
            Member::SetFormat { who, format, why } => {
                let (list, address) = (who.list, who.address);
                self.order(&why.of(Request::MemberSetFormat { list, address, format: format.0 }))
            }
            Member::Alias(verb) => self.alias(verb),
            Member::Cert(verb) => self.cert(verb),
            Member::Delivery(verb) => self.delivery(verb),
            Member::Probe { who } => {
                self.order(&Request::MemberProbe { list: who.list, address: who.address })
            }
            Member::Suspend { who: Who { list, address }, why: Why { reason } } => {
                self.order(&Request::MemberSuspend { list, address, reason })
            }
            Member::Resume { who: Who { list, address }, why: Why { reason } } => {
                self.order(&Request::MemberResume { list, address, reason })
            }
            Member::Remove { who, why: Why { reason }, yes } => {
                let what = format!("{} leaves {}; its queued copies are withdrawn.", who.address, who.list);
                let request = Request::MemberRemove { list: who.list, address: who.address, reason };
                self.after_consent(&request, yes, &one_line(&what))
            }
        }
    }

    /// The daemon knows the pinned fingerprint, and so it says whether there is anything to agree to.
    fn set_cert(&self, who: &Who, cert: &Path, yes: bool, why: &Why) -> Result<Shown, Failure> {
        let cert = input::certificate(cert)?;
        let request = |confirm_other| {
            let (list, address, cert) = (who.list.clone(), who.address.clone(), cert.clone());
            why.clone().of(Request::MemberSetCert { list, address, cert, confirm_other })
        };
        let answer = self.ask(&request(yes))?;
        let Answer::Confirm { what } = answer else { return done(answer) };
        self.terminal.agree(false, &one_line(&what))?;
        self.order(&request(true))
    }

    fn queue(&self, verb: Queue) -> Result<Shown, Failure> {
        match verb {
            Queue::Ls { list, destination, json } => {
                let (list, destination) = (&list.0, &destination);
                let rows = self.pages(
                    |after| {
                        let (list, destination) = (list.clone(), destination.clone());
                        Request::QueueLs { list, destination, after, limit: PAGE }
                    },
                    |answer| if let Answer::Parcels(page) = answer { Some(page) } else { None },
                )?;
                Ok(show::rows(&rows, &show::PARCELS, json).into())
            }
            Queue::Show { id, json } => {
                let row = expect!(self.ask(&Request::QueueShow { id }), Answer::Parcel(row) => row);
                Ok(show::one(&*row, show::parcel, json).into())
            }
            Queue::Retry { id: Some(id), .. } => self.order(&Request::QueueRetry { id }),
            Queue::Retry { id: None, list, .. } => self.retry_all(list.as_ref()),
            Queue::Drop { id, yes } => {
                let what = format!("The copy {id} is destroyed; its reader will not get it.");
                self.after_consent(&Request::QueueDrop { id }, yes, &what)
            }
        }
    }

    fn journal(&self, verb: Journal) -> Result<Shown, Failure> {
        match verb {
            Journal::Ls { list, limit, all, json } => {
                let limit = (!all).then_some(limit);
                let mut rows: Vec<JournalRow> = self.pages(
                    |after| Request::JournalLs { list: list.0.clone(), newest: limit, after, limit: PAGE },
                    |answer| if let Answer::Journal(page) = answer { Some(page) } else { None },
                )?;
                if list.0.is_none() {
                    // Times are RFC 3339 in UTC and all of one length; a stable sort keeps each chain's own order.
                    rows.sort_by(|a, b| a.at.cmp(&b.at));
                }
                let most = limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
                let rows = rows.split_off(rows.len().saturating_sub(most));
                Ok(show::rows(&rows, &show::JOURNAL, json).into())
            }
            Journal::Verify { list, head, json } => self.verify(list.0.as_ref(), head.as_ref(), json),
        }
    }

    /// All pages, one after the other.
    fn pages<T>(
        &self,
        request: impl Fn(Option<String>) -> Request,
        page: impl Fn(Answer) -> Option<Page<T>>,
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let Page { rows, more } =
                page(self.ask(&request(after.clone()))?).ok_or_else(Failure::unexpected)?;
            all.extend(rows);
            after = next(after, more)?;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

/// All of them, or only those whose certificates need somebody: that is what a timer asks, so the exit code tells it too.
fn members(
    mut rows: Vec<MemberRow>,
    columns: &show::Columns<MemberRow>,
    within: Option<u64>,
    json: bool,
) -> Shown {
    let Some(days) = within else { return show::rows(&rows, columns, json).into() };
    // Who is suspended receives nothing by the admin's own decision.
    rows.retain(|row| row.standing == "active" && row.days_left.is_some_and(|left| left <= days));
    let verdict = (!rows.is_empty()).then(|| {
        let today = rows.iter().filter(|row| !row.can_receive).count();
        let what = format!("{} cannot receive mail in {days} days, {today} of them not now", rows.len());
        let why = "their certificates have ended by then, or cannot be used";
        Failure::new(ErrorKind::Data, &what, why, "ask for usable ones, then `vouchsafe member set-cert`")
    });
    Shown { text: show::rows(&rows, columns, json), verdict }
}

/// Where to go on; a cursor that stands still would go on for ever.
fn next(after: Option<String>, more: Option<String>) -> Result<Option<String>, Failure> {
    if more.is_some() && more == after { Err(Failure::unexpected()) } else { Ok(more) }
}

fn done(answer: Answer) -> Result<Shown, Failure> {
    match answer {
        Answer::Done { what, remarks } => {
            let remarks = remarks.iter().map(|remark| format!("note: {}\n", one_line(remark)));
            Ok(remarks.fold(one_line(&what) + "\n", |text, remark| text + &remark).into())
        }
        _ => Err(Failure::unexpected()),
    }
}
