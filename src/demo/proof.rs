//! Steps 7 and 8: nothing of all this was ever written down, the journal holds, and the relay ends in order.

use std::fs;

use super::scene::Scene;
use super::search::{Found, Search};
use super::show::Show;
use super::stage::{Log, Stage};
use super::trouble::Trouble;
use crate::control::wire::{Answer, Part, Request};

/// Looks for the canary while the relay runs, and first whether the search can find at all.
pub(super) fn search_while_it_runs(show: &mut Show<'_>, scene: &Scene, log: &Log) -> Result<(), Trouble> {
    show.step("The canary is looked for: on disk, in the log, on the wire")?;
    let search = Search::new(&scene.canary);
    show.row("forms", format!("{}; also across line ends", search.forms().join("; ")))?;
    control(show, &search, &scene.stage)?;
    nowhere(show, "while it runs", &search.directory(scene.stage.directory.path())?)?;
    not_in_log(show, &search, log)?;
    let copies = scene.sink.taken_from(0);
    if copies.iter().any(|copy| !search.look(&copy.mail).is_empty() || copy.from.contains(&scene.canary)) {
        return Trouble::broken("the canary stands readable in a copy on the wire");
    }
    show.row("on the wire", format!("{} copies: not found", copies.len()))
}

/// Plants the canary in all its forms: a search that does not find that would prove nothing.
fn control(show: &mut Show<'_>, search: &Search, stage: &Stage) -> Result<(), Trouble> {
    let planted = stage.data().join("planted-control");
    fs::write(&planted, search.control()).map_err(Trouble::io("plant the control file"))?;
    let found = search.directory(stage.directory.path());
    fs::remove_file(&planted).map_err(Trouble::io("remove the control file"))?;
    let found = found?;
    let forms = found.hits.iter().filter(|(path, _)| *path == planted).count();
    if forms != search.forms().len() {
        return Trouble::broken("the search does not find the planted canary in every form");
    }
    show.row("control", format!("a planted file with all {forms} forms: found in every form, and removed"))
}

fn nowhere(show: &mut Show<'_>, when: &str, found: &Found) -> Result<(), Trouble> {
    if let Some((path, form)) = found.hits.first() {
        return Trouble::broken(format!("the canary lies in {} ({form})", path.display()));
    }
    let text = format!("{} files, {} bytes (settings, keys, data): not found", found.files, found.bytes);
    show.row(when, text)
}

fn not_in_log(show: &mut Show<'_>, search: &Search, log: &Log) -> Result<(), Trouble> {
    let said = log.bytes();
    if let Some(form) = search.look(&said).first() {
        return Trouble::broken(format!("the canary stands in the relay's log ({form})"));
    }
    let lines = said.iter().filter(|byte| **byte == b'\n').count();
    show.row("in the log", format!("{lines} lines, {} bytes: not found", said.len()))
}

/// Verifies the journal, stops the relay, looks once more, and removes everything.
pub(super) fn stop(show: &mut Show<'_>, scene: Scene, log: &Log) -> Result<(), Trouble> {
    show.step("The journal is verified, and the relay stopped")?;
    verify_journal(show, &scene)?;
    let search = Search::new(&scene.canary);
    let (status, directory) = scene.stage.terminate(&scene.patience)?;
    if status.code() != Some(0) {
        return Trouble::broken(format!("the relay did not end in order ({status})"));
    }
    show.row("SIGTERM", "the relay came to its end: exit code 0")?;
    nowhere(show, "after its end", &search.directory(directory.path())?)?;
    not_in_log(show, &search, log)?;
    directory.remove()?;
    show.row("removed", "the directory with all it held; the people's secret keys were in memory only")?;
    show.line("")?;
    show.line("All as promised: every reader got a copy only that reader opens, and no content was stored.")
}

fn verify_journal(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    let Answer::Verified { chains, done: Part { more: None, .. }, .. } =
        scene.stage.ask(&Request::JournalVerify { list: None, head: None, after: None })?
    else {
        return Trouble::broken("the relay did not verify its journal");
    };
    let mut rows = Vec::new();
    for chain in chains {
        if !chain.sound {
            let problem = chain.problem.unwrap_or_default();
            return Trouble::broken(format!("the journal of {} is broken: {problem}", chain.list));
        }
        let head: String = chain.head.unwrap_or_default().chars().take(16).collect();
        rows.push(vec![chain.list, format!("{} entries", chain.entries), format!("sound, head {head}…")]);
    }
    show.table("journal verify", &rows)
}
