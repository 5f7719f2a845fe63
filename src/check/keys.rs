//! The relay's own keys: are they there, closed to others, unlocked by the passphrase, and fit for their addresses?

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::ending::ending;
use super::report::Report;
use crate::config::{Config, List, NoPassphrase, PassphraseSource};
use crate::mail::address::Address;
use crate::pgp::keyring::{KeyDir, KeyError, Passphrase};
use crate::time::Timestamp;

const RUN_AS: &str = "run `check` as the daemon's user or as root";

pub(super) fn keys(config: &Config, credentials: Option<&Path>, now: Timestamp, report: &mut Report) {
    let dir = &config.keys.path;
    if !dir.is_dir() {
        let what = format!("the key directory {} is missing or cannot be read", dir.display());
        let remedy = "make a new installation with `vouchsafe init`, restore the keys from a backup, or mend [keys] path";
        report.error(config.source.place(&["keys", "path"]), what, remedy);
        return;
    }
    let keys = KeyDir::new(dir);
    permissions(&keys, report);
    let source = config.keys.passphrase_source(credentials);
    file_systems(&source, &config.folder, dir, report);
    let passphrase = passphrase(config, &source, report);
    for list in config.lists.iter().filter(|list| list.kind.takes_mail()) {
        certificate(&keys, list, now, report);
    }
    if let Err(error) = keys.spool_cert() {
        unusable("the spool key", &error, report);
    }
    secrets(config, &keys, passphrase.as_ref(), report);
    signers(config, &keys, passphrase.as_ref(), report);
}

/// The keys that sign what leaves. Without them mail goes out as well, and fewer readers get it.
fn signers(config: &Config, keys: &KeyDir, passphrase: Option<&Passphrase>, report: &mut Report) {
    for domain in config.domains().into_iter().filter(|_| config.egress.dkim) {
        let what = format!("the DKIM keys of {domain}");
        match (keys.dkim(domain.as_str()), passphrase) {
            (Err(error), _) => unusable(&what, &error, report),
            (Ok(pairs), _) if pairs.is_empty() => report.note(
                what,
                "there are none: mail leaves unsigned, unless the mail server behind signs it",
                format!("run `vouchsafe key dkim {domain}` and publish what it prints, or set [egress] dkim = false"),
            ),
            (Ok(_), Some(passphrase)) => {
                secret(&what, keys.load_dkim(domain.as_str(), passphrase).map(|_| ()), report);
            }
            (Ok(_), None) => {}
        }
    }
}

fn passphrase(config: &Config, source: &PassphraseSource, report: &mut Report) -> Option<Passphrase> {
    let place = |key| config.source.place(&["keys", key]);
    match (source.read(), source) {
        (Ok(Some(passphrase)), _) => Some(passphrase),
        (Ok(None), _) => {
            let what = "the passphrase is asked for at the terminal, so the secret keys were not tried";
            report.note(
                place("passphrase_file"),
                what,
                "a daemon without a terminal needs passphrase_file or passphrase_credential",
            );
            None
        }
        (Err(NoPassphrase::NoCredentials(name)), _) => {
            let what = format!(
                "the passphrase is the systemd credential \"{name}\", which only the unit gets: the secret keys were not tried"
            );
            report.note(place("passphrase_credential"), what, "");
            None
        }
        (Err(NoPassphrase::Key(KeyError::Missing(path))), _) => {
            let what = format!("there is no passphrase file {}", path.display());
            report.error(
                place("passphrase_file"),
                what,
                "restore it, or mount the file system that holds it",
            );
            None
        }
        (Err(error @ NoPassphrase::Key(KeyError::Readable(_))), PassphraseSource::File(path)) => {
            report.error(
                place("passphrase_file"),
                error.to_string(),
                format!("chmod 600 {}", path.display()),
            );
            None
        }
        (Err(error), _) => {
            report.error(place("passphrase_file"), error.to_string(), RUN_AS);
            None
        }
    }
}

/// Whoever takes that disk or its backup has both.
fn file_systems(source: &PassphraseSource, folder: &Path, dir: &Path, report: &mut Report) {
    // Of the unit's credential only this is known outside: `init --service` wrote it there, in the clear.
    let written = folder.join("passphrase");
    let path = match source {
        PassphraseSource::File(path) | PassphraseSource::Credential { path: Some(path), .. } => path,
        PassphraseSource::Credential { path: None, .. } => &written,
        PassphraseSource::Prompt => return,
    };
    let (Ok(passphrase), Ok(keys)) = (fs::metadata(path), fs::metadata(dir)) else { return };
    if passphrase.dev() == keys.dev() {
        let what = format!(
            "the passphrase and the keys in {} lie on one file system: whoever gets the disk or its backup has both",
            dir.display()
        );
        let remedy = "keep the passphrase on another file system, or in a systemd credential that `systemd-creds encrypt` made";
        report.warn(path.display(), what, remedy);
    }
}

/// What `serve` refuses as well.
fn permissions(keys: &KeyDir, report: &mut Report) {
    for error in keys.exposed() {
        if let KeyError::Exposed { path, right, .. } = &error {
            report.error(path.display(), error.to_string(), format!("chmod {right:03o} {}", path.display()));
        }
    }
}

fn certificate(keys: &KeyDir, list: &List, now: Timestamp, report: &mut Report) {
    let name = &list.name;
    let cert = match keys.list_cert(name) {
        Ok(cert) => cert,
        Err(error) => return unusable(&format!("the certificate of \"{name}\""), &error, report),
    };
    let place = format!("the certificate of \"{name}\"");
    if let Err(problem) = cert.sealable(now) {
        let remedy = format!(
            "make a new key with gpg, take it over with `vouchsafe key import {name} FILE`, and publish it"
        );
        report.error(&place, format!("nobody can encrypt to it: {problem}"), remedy);
    }
    let extend = format!(
        "extend it with gpg, take it over with `vouchsafe key import {name} FILE`, and publish it again"
    );
    ending(&cert, now, &place, "it", &extend, report);
    let ids: Vec<Address> = cert.emails().iter().filter_map(|email| email.parse().ok()).collect();
    for address in list.addresses.iter().filter(|a| !ids.iter().any(|id| id.same_mailbox(a))) {
        let what =
            format!("it has no User ID for {address}: mail programs will not find it for that address");
        let remedy =
            format!("add the User ID with gpg and take the key over with `vouchsafe key import {name} FILE`");
        if *address == list.address {
            report.error(&place, what, remedy);
        } else {
            report.warn(&place, what, remedy);
        }
    }
}

/// The secret keys; without a passphrase as far as their files tell.
fn secrets(config: &Config, keys: &KeyDir, passphrase: Option<&Passphrase>, report: &mut Report) {
    for List { name, .. } in config.lists.iter().filter(|list| list.kind.takes_mail()) {
        let found = match passphrase {
            Some(passphrase) => keys.load_list(name, passphrase).map(|_| ()),
            None => keys.inspect_list(name),
        };
        secret(&format!("the key of \"{name}\""), found, report);
    }
    let found = match passphrase {
        Some(passphrase) => keys.load_spool(passphrase).map(|_| ()),
        None => keys.inspect_spool(),
    };
    match found {
        // That there is none has been told.
        Err(KeyError::Missing(_)) => {}
        found => secret("the spool key", found, report),
    }
    if let Some(passphrase) = passphrase {
        secret("the tag key", keys.load_tags(passphrase).map(|_| ()), report);
    }
}

fn secret(what: &str, found: Result<(), KeyError>, report: &mut Report) {
    match found {
        // Told with all others of that sort.
        Ok(()) | Err(KeyError::Exposed { .. }) => {}
        Err(error) => unusable(what, &error, report),
    }
}

/// The error names the file and what to do.
fn unusable(what: &str, error: &KeyError, report: &mut Report) {
    let remedy = match error {
        KeyError::Io { .. } => RUN_AS.to_owned(),
        KeyError::WrongPassphrase(_) => {
            "use the passphrase that the key was made with: [keys] passphrase_file".to_owned()
        }
        KeyError::MissingList { list, .. } => {
            format!("for a new list run `vouchsafe key new {list}`, else restore it from a backup")
        }
        KeyError::Unlocked(_) => "restore the locked key from a backup, or lock it with gpg".to_owned(),
        KeyError::Mismatch { .. } => "restore both files from the same backup".to_owned(),
        _ => "restore it from a backup".to_owned(),
    };
    // Certificate and secret key may miss the same file.
    let told = error.to_string();
    if report.findings.iter().all(|finding| finding.what != told) {
        report.error(what, told, remedy);
    }
}
