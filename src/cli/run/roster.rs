//! `roster export` and `roster import`: the files are read and written here, the daemon decides.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Desk, Shown, done};
use crate::cli::failure::Failure;
use crate::cli::nouns::{Roster, Source};
use crate::cli::roster as files;
use crate::cli::show;
use crate::cli::text::one_line;
use crate::control::wire::{
    Answer, ErrorKind, ListName, PlanRow, Request, RosterAnswer, RosterRequest, RosterSource,
};

/// How many certificates are asked for at once: each has 1 MiB at most, and few have a hundredth of it.
const AT_ONCE: usize = 8;
/// How often an export is begun anew because somebody changed a certificate meanwhile.
const TRIES: usize = 5;

impl Desk<'_> {
    pub(super) fn roster(&self, verb: Roster) -> Result<Shown, Failure> {
        match verb {
            Roster::Export { to, list } => self.roster_export(&to, list.as_ref()),
            Roster::Import {
                source,
                from,
                dry_run,
                signed_by,
                certificates,
                list,
                address,
                orgs,
                skip,
                bring_back,
                yes,
                json,
            } => {
                let mut remarks = Vec::new();
                let needs_certificates = || {
                    let why = "a table has no certificates";
                    let next = "give them with --certificates: a folder of files, or one keyring";
                    Failure::new(ErrorKind::Usage, "nothing was imported", why, next)
                };
                let read = match from {
                    Source::Vouchsafe => files::directory(&source, signed_by.as_deref())?,
                    Source::Schleuder => {
                        let orgs: BTreeMap<_, _> =
                            orgs.into_iter().map(|one| (one.domain, one.org)).collect();
                        let certificates = certificates.as_deref();
                        files::schleuder(&source, address.as_deref(), certificates, &orgs, list)?
                    }
                    Source::Csv => {
                        let certificates = certificates.as_deref().ok_or_else(needs_certificates)?;
                        let (read, ignored) = files::table(&source, certificates, list)?;
                        if !ignored.is_empty() {
                            remarks.push(format!("these columns mean nothing here: {}", ignored.join(", ")));
                        }
                        read
                    }
                };
                self.roster_import(read, remarks, &Wanted { dry_run, skip, bring_back, yes, json })
            }
        }
    }

    fn roster_export(&self, to: &Path, list: Option<&ListName>) -> Result<Shown, Failure> {
        let kept = files::kept(to)?;
        for _ in 0..TRIES {
            let request = RosterRequest::Export { list: list.cloned(), kept: kept.clone() };
            let RosterAnswer::Exported { mut files, certificates } = self.ask_roster(request)? else {
                return Err(Failure::unexpected());
            };
            let mut whole = true;
            for some in certificates.chunks(AT_ONCE) {
                let request = RosterRequest::Certificates { certificates: some.to_vec() };
                let RosterAnswer::Files(more) = self.ask_roster(request)? else {
                    return Err(Failure::unexpected());
                };
                whole &= more.len() == some.len();
                files.extend(more);
            }
            if !whole || !files::is_whole(&files) {
                continue;
            }
            let (written, removed) = files::store(to, &files)?;
            let what =
                format!("{} holds the roster: {written} files written, {removed} removed", to.display());
            return Ok((one_line(&what) + "\n").into());
        }
        let why = "certificates were changed at the same time, again and again";
        Err(Failure::new(ErrorKind::Busy, "nothing was written", why, "try again"))
    }

    fn ask_roster(&self, request: RosterRequest) -> Result<RosterAnswer, Failure> {
        Ok(*expect!(self.ask(&Request::Roster(request)), Answer::Roster(answer) => answer))
    }

    fn roster_import(
        &self,
        source: RosterSource,
        remarks: Vec<String>,
        wanted: &Wanted,
    ) -> Result<Shown, Failure> {
        let mut request = Request::Roster(RosterRequest::Import {
            source,
            skip: wanted.skip,
            bring_back: wanted.bring_back,
            agreed: None,
        });
        let RosterAnswer::Plan(mut plan) = *expect!(self.ask(&request), Answer::Roster(answer) => answer)
        else {
            return Err(Failure::unexpected());
        };
        plan.remarks.extend(remarks);
        let shown = show::plan(&plan, wanted.json);
        let against = plan.items.iter().filter(|item| item.rule.is_some()).count();
        let changes = plan.items.iter().filter(|item| item.rule.is_none()).count();
        if wanted.dry_run || changes == 0 && against == 0 {
            return Ok(shown.into());
        }
        if against > 0 && !wanted.skip {
            return Ok(Shown { text: shown, verdict: Some(refused(against)) });
        }
        if !wanted.yes {
            self.terminal.tell(&shown);
        }
        self.terminal.agree(wanted.yes, &question(&plan, changes, against))?;
        if let Request::Roster(RosterRequest::Import { agreed, .. }) = &mut request {
            *agreed = Some(plan.digest.clone());
        }
        let answer = done(self.ask(&request)?)?;
        // Whoever was asked has seen it; whoever said yes beforehand reads it now.
        Ok(if wanted.yes && !wanted.json { format!("{shown}{}", answer.text).into() } else { answer })
    }
}

/// How an import is wanted.
struct Wanted {
    dry_run: bool,
    skip: bool,
    bring_back: bool,
    yes: bool,
    json: bool,
}

fn question(plan: &PlanRow, changes: usize, against: usize) -> String {
    let left = if against == 0 { String::new() } else { format!(" {against} are left out.") };
    let missed = match plan.unreachable.len() {
        0 => String::new(),
        missed => format!(" {missed} of them cannot receive mail today."),
    };
    format!("Changes to be made: {changes}.{left}{missed}")
}

fn refused(against: usize) -> Failure {
    let what = format!("nothing was imported: rules are against {against} of the entries");
    let why = "an import is done as a whole or not at all";
    Failure::new(ErrorKind::Data, &what, why, "mend what is named, or import the others with --skip")
}
