//! `vouchsafe demo`: sets up a relay in a temporary directory, starts this very binary with `serve` as a child, plays
//! everybody who writes to it and reads from it, and looks for what it must not leave behind.
//!
//! The child is talked to as anybody would: over SMTP and the control socket. The people's secret keys and their mail
//! live in this process's memory only, apart from the ciphertext that they send.

mod announcement;
mod cast;
mod copies;
mod mails;
mod patience;
mod proof;
mod report;
mod scene;
mod search;
mod setup;
mod show;
mod sink;
mod stage;
mod submission;
mod trouble;

use std::io::Write;

use self::show::Show;
use self::stage::Log;
use self::trouble::Trouble;

/// Why the demo ended before its end. Its child has been stopped and its directory removed.
#[derive(Debug, thiserror::Error)]
#[error("the demo failed at \"{step}\": {trouble}{log}")]
pub struct DemoError {
    step: String,
    trouble: Box<Trouble>,
    /// The end of the relay's log, which never holds content.
    log: String,
}

/// Runs the demo, which takes a few seconds, and tells on `out` what happens.
///
/// # Errors
/// [`DemoError`] names the step and what went wrong there; nothing is left behind then either.
pub fn run(out: &mut impl Write) -> Result<(), DemoError> {
    let log = Log::default();
    let mut show = Show::new(out);
    play(&mut show, &log).map_err(|trouble| {
        let expected = matches!(trouble, Trouble::Interrupted | Trouble::Output(_));
        let log = if expected { String::new() } else { log.tail() };
        DemoError { step: show.title().to_owned(), trouble: Box::new(trouble), log }
    })
}

fn play(show: &mut Show<'_>, log: &Log) -> Result<(), Trouble> {
    show.line("Vouchsafe demo: a relay of its own, with people, lists and mail that are made up.")?;
    show.line("Mail is shown here because this program plays its readers. The relay itself shows none.")?;
    let scene = setup::set_up(show, log)?;
    let sealed = report::send(show, &scene)?;
    report::read(show, &scene, &sealed)?;
    announcement::announce(show, &scene)?;
    announcement::stranger(show, &scene)?;
    announcement::in_the_clear(show, &scene)?;
    proof::search_while_it_runs(show, &scene, log)?;
    proof::stop(show, scene, log)
}
