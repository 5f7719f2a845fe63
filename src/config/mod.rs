//! The settings: one TOML file, `relay.toml`, in which each room of the house owns its section, and the policy files
//! that its lists name.
//!
//! `relay.toml` owns addresses and keys, a policy file kinds and rules; a list is `[list.NAME]` in both. Paths count
//! from the folder of `relay.toml`. [`Config::load`] gives everything resolved and checked against each other, or one
//! [`ConfigError`] with file, line and column.

mod admin;
mod changes;
mod door;
mod keys;
mod lists;
mod mailboxes;
mod maildirs;
mod metrics;
mod source;
mod terms;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

pub use self::admin::{Admin, NoCertificate, Notified, Wrong};
pub use self::changes::{Change, Snapshot};
pub use self::door::door;
pub use self::keys::{Keys, NoPassphrase, PassphraseSource};
pub use self::lists::{Clear, List};
use self::lists::{Lists, RawList};
pub use self::mailboxes::Mailboxes;
pub use self::maildirs::Maildirs;
pub use self::metrics::Metrics;
pub use self::source::{ConfigError, Place, Source};
use self::source::{folder_of, read};
use self::terms::terms;
use crate::control::server;
use crate::egress::route::{self, DnsSettings, RouteError};
use crate::id::ListName;
use crate::ingress::rates::settings::RateSettings;
use crate::ingress::settings::{Limits, ListenAddr, LmtpSettings, SmtpSettings};
use crate::logging;
use crate::mail::address::Domain;
use crate::mail::directory::{Directory, ListEntry};
use crate::policy::{Finding, Policy, Severity};
use crate::store;

/// Files that are no connections to mail servers: the store, bodies, admins, mailboxes.
const OTHER_FILES: u64 = 256;

/// `[process]`: the daemon's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// Whether to serve although memory may be written to unencrypted swap.
    pub allow_swap: bool,
}

/// All settings, resolved. Paths are absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file itself, with its text.
    pub source: Source,
    /// The folder that relative paths counted from.
    pub folder: PathBuf,
    /// `[smtp]`.
    pub smtp: SmtpSettings,
    /// `[lmtp]`.
    pub lmtp: LmtpSettings,
    /// `[maildir.NAME]`.
    pub maildir: Maildirs,
    /// `[imap.NAME]`.
    pub imap: Mailboxes,
    /// `[limits]`.
    pub limits: Limits,
    /// `[rates]`.
    pub rates: RateSettings,
    /// `[egress]`.
    pub egress: route::Settings,
    /// `[dns]`.
    pub dns: DnsSettings,
    /// `[store]`.
    pub store: store::Settings,
    /// `[control]`.
    pub control: server::Settings,
    /// `[keys]`.
    pub keys: Keys,
    /// `[process]`.
    pub process: Process,
    /// `[admin]`.
    pub admin: Admin,
    /// `[log]`.
    pub log: logging::Settings,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[list.NAME]`, in the order of the file.
    pub lists: Vec<List>,
    /// The policy files that lists name.
    pub policies: Vec<PolicyFile>,
}

/// A policy file that at least one list names.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// The file, with its text.
    pub source: Source,
    /// What it says.
    pub policy: Arc<Policy>,
    /// What its authors should know; errors are none among them, since they refuse to load.
    pub findings: Vec<Finding>,
}

/// `relay.toml` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    smtp: SmtpSettings,
    lmtp: LmtpSettings,
    maildir: Maildirs,
    imap: Mailboxes,
    limits: Limits,
    rates: RateSettings,
    egress: route::Settings,
    dns: DnsSettings,
    store: store::Settings,
    control: server::Settings,
    keys: Keys,
    process: Process,
    admin: Admin,
    log: logging::Settings,
    metrics: Metrics,
    list: BTreeMap<ListName, RawList>,
}

impl Config {
    /// Reads `relay.toml` and the policy files that it names. It opens no key, socket or store.
    ///
    /// # Errors
    /// The first thing that cannot be used, with its place and what is allowed there.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::from_source(read(path)?, path)
    }

    /// Everything that keeps the settings from being loaded: after each problem its line is left out and the rest is
    /// read again. Empty when they load.
    #[must_use]
    pub fn problems(path: &Path) -> Vec<ConfigError> {
        match read(path) {
            Ok(source) => Self::problems_in(source, path),
            Err(error) => vec![error],
        }
    }

    /// The same for a text that has been read.
    #[must_use]
    pub fn problems_in(mut source: Source, path: &Path) -> Vec<ConfigError> {
        let mut found: Vec<ConfigError> = Vec::new();
        while let Err(error) = Self::from_source(source.clone(), path) {
            let line = error.place.at.filter(|_| error.place.file == path).map(|(line, _)| line);
            // A value that was left out is missing now, and that is no news.
            let is_news = found.is_empty() || !error.what.starts_with("missing field");
            if is_news {
                found.push(error);
            }
            let rest = line.and_then(|line| source.without_line(line)).filter(|_| is_news);
            let Some(rest) = rest else { break };
            source = rest;
        }
        found
    }

    /// The settings that a text is, if `path` is its file.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn from_source(source: Source, path: &Path) -> Result<Self, ConfigError> {
        let mut file: File = source.parse()?;
        let folder = folder_of(path)?;
        file.resolve_paths(&folder);
        file.verify(&source)?;
        let policies = policies(&source, path, &file.list)?;
        let typed = policies.iter().map(|(named, p)| (named.clone(), Arc::clone(&p.policy))).collect();
        let lists = Lists { source: &source, raw: &file.list, policies: &typed }.resolve()?;
        let config = Self {
            source,
            folder,
            smtp: file.smtp,
            lmtp: file.lmtp,
            maildir: file.maildir,
            imap: file.imap,
            limits: file.limits,
            rates: file.rates,
            egress: file.egress,
            dns: file.dns,
            store: file.store,
            control: file.control,
            keys: file.keys,
            process: file.process,
            admin: file.admin,
            log: file.log,
            metrics: file.metrics,
            lists,
            policies: policies.into_values().collect(),
        };
        maildirs::verify(&config.maildir, &config.source, &config.directory())?;
        mailboxes::verify(&config.imap, &config.source, &config.directory())?;
        Ok(config)
    }

    /// Which list an address names.
    #[must_use]
    pub fn directory(&self) -> Directory {
        let entry = |list: &List| ListEntry {
            name: list.name.clone(),
            address: list.address.clone(),
            kind: list.kind,
            encrypted_only: list.encrypted_only(),
        };
        Directory::new(self.lists.iter().map(entry).collect())
    }

    /// The settings as they were read, to be compared with another reading.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let text = |list: &List| Some((list.name.clone(), list.policy.as_ref()?.terms_text.as_ref()?.hash));
        Snapshot::of(&self.source, &self.folder).and_terms(self.lists.iter().filter_map(text))
    }

    /// How many files and sockets the daemon may have open at once, by its limits.
    #[must_use]
    pub fn open_files(&self) -> u64 {
        let sockets = self.limits.max_connections.saturating_add(self.egress.connections_total);
        u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(OTHER_FILES)
    }

    /// The domains that the lists' mail comes from, each once; address literals are none.
    #[must_use]
    pub fn domains(&self) -> Vec<&Domain> {
        let all = self.lists.iter().map(|list| list.address.domain());
        let mut all: Vec<&Domain> = all.filter(|domain| !domain.as_str().starts_with('[')).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The list of this name.
    #[must_use]
    pub fn list(&self, name: &ListName) -> Option<&List> {
        self.lists.iter().find(|list| &list.name == name)
    }
}

impl File {
    fn resolve_paths(&mut self, folder: &Path) {
        self.admin.resolve_paths(folder);
        maildirs::resolve_paths(&mut self.maildir, folder);
        mailboxes::resolve_paths(&mut self.imap, folder);
        let all = [
            Some(&mut self.store.path),
            Some(&mut self.control.socket),
            Some(&mut self.keys.path),
            self.keys.passphrase_file.as_mut(),
            self.smtp.tls_cert.as_mut(),
            self.smtp.tls_key.as_mut(),
        ];
        let mail = self.smtp.listen.iter_mut().chain(&mut self.smtp.tls_listen).chain(&mut self.lmtp.listen);
        let listen = mail.chain(&mut self.metrics.listen);
        let sockets = listen.filter_map(|l| if let ListenAddr::Unix(path) = l { Some(path) } else { None });
        for path in all.into_iter().flatten().chain(sockets).chain(self.egress.files()) {
            // `join` leaves an absolute path as it is.
            *path = folder.join(&*path);
        }
    }

    /// What is wrong within a section, but beyond single values.
    fn verify(&self, source: &Source) -> Result<(), ConfigError> {
        self.keys.verify(source)?;
        self.admin.verify(source)?;
        self.metrics.verify(source)?;
        self.log.check().map_err(|e| source.error(&["log", "filter"], e.to_string()))?;
        let smtp = |key: &str, what: String| Err(source.error(&["smtp", key], what));
        match (&self.smtp.tls_cert, &self.smtp.tls_key) {
            (Some(_), None) => {
                return smtp("tls_cert", "tls_cert is set without tls_key: set both or none".to_owned());
            }
            (None, Some(_)) => {
                return smtp("tls_key", "tls_key is set without tls_cert: set both or none".to_owned());
            }
            (None, None) if !self.smtp.tls_listen.is_empty() => {
                return smtp(
                    "tls_listen",
                    "tls_listen needs a certificate: set tls_cert and tls_key".to_owned(),
                );
            }
            _ => {}
        }
        if let Some(name) = self.smtp.hostname.as_ref().filter(|name| name.parse::<Domain>().is_err()) {
            return smtp(
                "hostname",
                format!("\"{name}\" is no domain name: give the name under which this host is known"),
            );
        }
        if let Some(what) = self.limits.problem() {
            return Err(source.error(&["limits"], what));
        }
        self.egress.check().map_err(|e| match &e {
            RouteError::Override { key, why } => {
                source.error(&["egress", "domain", key, egress_key(why)], e.to_string())
            }
            why => source.error(&["egress", egress_key(why)], e.to_string()),
        })
    }
}

/// The key that an error about `[egress]` is about.
fn egress_key(error: &RouteError) -> &'static str {
    match error {
        RouteError::ClearNotLocal(_) | RouteError::ClearToTheWorld | RouteError::ImplicitToTheWorld => "tls",
        RouteError::NoServerName => "smarthost",
        RouteError::Connections => "connections",
        RouteError::Helo(_) => "helo",
        RouteError::ServerName(_) | RouteError::NameForAll => "server_name",
        RouteError::HalfAClient | RouteError::Client(_) => "client_cert",
        RouteError::LoginEverywhere | RouteError::Auth(_) => "auth",
        RouteError::PolicyWithSmarthost => "mta_sts",
        RouteError::OverrideKey(_) | RouteError::OverrideTwice(_) => "",
        _ => "retry_first",
    }
}

/// Reads each policy file once, by the path as written in `relay.toml`.
fn policies(
    source: &Source,
    path: &Path,
    lists: &BTreeMap<ListName, RawList>,
) -> Result<BTreeMap<PathBuf, PolicyFile>, ConfigError> {
    let mut all = BTreeMap::new();
    for (name, list) in lists {
        let Some(named) = list.policy.as_ref().filter(|named| !all.contains_key(*named)) else { continue };
        // Errors show it the way `relay.toml` was named, so that an editor can follow them.
        let file = path.parent().unwrap_or(Path::new("")).join(named);
        let read = Source::read(&file).map_err(|why| {
            let what = format!("the policy file {} {why}", file.display());
            source.error(&["list", name.as_str(), "policy"], what)
        })?;
        all.insert(named.clone(), policy(read)?);
    }
    Ok(all)
}

fn policy(source: Source) -> Result<PolicyFile, ConfigError> {
    let mut policy = Policy::parse(source.text()).map_err(|e| source.refused(&e))?;
    policy.terms_text = terms(&source, &policy)?;
    let findings = policy.lint();
    if let Some(wrong) = findings.iter().find(|f| f.severity == Severity::Error) {
        let key: Vec<&str> = wrong.key.iter().map(String::as_str).collect();
        return Err(source.error(&key, format!("{}: {}", wrong.what, wrong.remedy)));
    }
    Ok(PolicyFile { source, policy: Arc::new(policy), findings })
}
