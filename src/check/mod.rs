//! Every problem with its remedy, without starting: settings, policies, keys, and what the machine adds.

mod admins;
mod dns;
mod ending;
mod host;
mod keys;
mod mailboxes;
mod out;
mod report;

use std::path::Path;

pub use self::report::{Finding, Report};
use crate::config::{Config, PolicyFile};
pub use crate::policy::Severity;
use crate::time::Clock;

/// A reader whom no mail reaches, at present or soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotReceive {
    /// The list.
    pub list: String,
    /// The reader's address.
    pub address: String,
    /// Why not.
    pub problem: String,
    /// From when on, and in how many days that is; `None`: now.
    pub from: Option<(String, u64)>,
}

/// What only the daemon knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    /// Whom no mail reaches, at present or soon.
    pub unreached: Vec<CannotReceive>,
    /// What else needs a person, a sentence each, as `status` says it.
    pub problems: Vec<String>,
    /// Whose address is not what the list's policy wants: the list, and what is to be said.
    pub flagged: Vec<(String, String)>,
}

/// Reads settings, policies and keys as `serve` would, and tells what is wrong with them. The store belongs to the
/// running daemon: `at_work` asks it, and gives `None` when no daemon answers. `credentials` is the value
/// of `$CREDENTIALS_DIRECTORY`.
pub fn check(
    config_path: &Path,
    clock: &dyn Clock,
    credentials: Option<&Path>,
    at_work: impl FnOnce(&Config) -> Option<AtWork>,
) -> Report {
    let mut report = Report::default();
    let Ok(config) = Config::load(config_path) else {
        for error in Config::problems(config_path) {
            report.error(
                error.place,
                error.what,
                "mend it and run `vouchsafe check` again: keys and host come then",
            );
        }
        return report;
    };
    for policy in &config.policies {
        rules(&config, policy, &mut report);
    }
    keys::keys(&config, credentials, clock.now(), &mut report);
    mailboxes::mailboxes(&config, &mut report);
    admins::admins(&config, clock.now(), &mut report);
    host::host(&config, &mut report);
    out::way_out(&config, clock.now(), &mut report);
    daemon(&config, at_work(&config), &mut report);
    report.sorted()
}

/// The same report with what DNS says of the lists' domains. Where the settings do not load there is nothing to look up.
#[must_use]
pub fn with_dns(mut report: Report, config_path: &Path) -> Report {
    if let Ok(config) = Config::load(config_path) {
        dns::dns(&config, &mut report);
    }
    report.sorted()
}

fn rules(config: &Config, policy: &PolicyFile, report: &mut Report) {
    for finding in &policy.findings {
        let key: Vec<&str> = finding.key.iter().map(String::as_str).collect();
        report.add(finding.severity, policy.source.place(&key), &finding.what, &finding.remedy);
    }
    for name in policy.policy.list.keys().filter(|name| config.list(name).is_none()) {
        let what = format!("the policy has a list \"{name}\", relay.toml has none of that name");
        let remedy = format!("add [list.{name}] with its address to relay.toml");
        report.warn(policy.source.place(&["list", name.as_str()]), what, remedy);
    }
    let idle = policy.policy.without_effect();
    if !idle.is_empty() {
        let what =
            format!("these rules are read, but this release does not act on them: {}", idle.join(", "));
        report.warn(policy.source.place(&[]), what, "keep them by hand until a release that does");
    }
}

fn daemon(config: &Config, at_work: Option<AtWork>, report: &mut Report) {
    let Some(AtWork { unreached, problems, flagged }) = at_work else {
        let what = format!(
            "the daemon does not answer on {}, and the store is its own: who cannot receive mail today, and what else waits for a person, is not known",
            config.control.socket.display()
        );
        report.note("readers", what, "start it and run `vouchsafe check` again");
        return;
    };
    for problem in problems {
        report.warn("daemon", problem, "see `vouchsafe status`");
    }
    for (list, what) in flagged {
        let remedy = "ask the organisation for a role address, or leave it as it is: the policy decides";
        report.warn(format!("list \"{list}\""), what, remedy);
    }
    let mut who = unreached;
    who.sort_by_key(|reader| reader.from.as_ref().map_or(0, |(_, days)| *days));
    for CannotReceive { list, address, problem, from } in who {
        let place = format!("list \"{list}\"");
        match from {
            None => report.warn(
                place,
                format!("{address} cannot receive mail: {problem}"),
                "ask for a usable certificate (`vouchsafe member set-cert`), or add a reader (`vouchsafe team add`)",
            ),
            Some((at, days)) => {
                let what = format!("{address} cannot receive mail from {at} on: the certificate {problem}");
                report.add(ending::nearness(days), place, what, "set the extended one (`vouchsafe member set-cert`)");
            }
        }
    }
}
