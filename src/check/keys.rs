//! The relay's own keys: are they there, closed to others, unlocked by the passphrase, and fit for their addresses?

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
    permissions(dir, report);
    let source = config.keys.passphrase_source(credentials);
    file_systems(&source, dir, report);
    let passphrase = passphrase(config, &source, report);
    let keys = KeyDir::new(dir);
    for list in config.lists.iter().filter(|list| list.kind.takes_mail()) {
        certificate(&keys, list, now, report);
    }
    if let Err(error) = keys.spool_cert() {
        unusable("the spool key", &error, report);
    }
    if let Some(passphrase) = passphrase {
        unlock(config, &keys, &passphrase, report);
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
fn file_systems(source: &PassphraseSource, dir: &Path, report: &mut Report) {
    let (PassphraseSource::File(path) | PassphraseSource::Credential { path: Some(path), .. }) = source
    else {
        return;
    };
    let (Ok(passphrase), Ok(keys)) = (fs::metadata(path), fs::metadata(dir)) else { return };
    if passphrase.dev() == keys.dev() {
        let what = format!(
            "the passphrase and the keys in {} lie on one file system: whoever gets the disk or its backup has both",
            dir.display()
        );
        let remedy =
            "keep the passphrase on another file system, or in a systemd credential (passphrase_credential)";
        report.warn(path.display(), what, remedy);
    }
}

fn permissions(dir: &Path, report: &mut Report) {
    for path in inside(dir) {
        let Ok(meta) = path.symlink_metadata() else { continue };
        let mode = meta.permissions().mode() & 0o7777;
        let (open, right) = if meta.is_dir() {
            (mode & 0o077, "700")
        } else if path.file_name().is_some_and(|name| name == "cert.asc") {
            (mode & 0o022, "644")
        } else {
            (mode & 0o077, "600")
        };
        if open != 0 && !meta.is_symlink() {
            let what = format!(
                "others can {} it (mode {mode:04o})",
                if open & 0o022 != 0 { "change" } else { "read" }
            );
            report.error(path.display(), what, format!("chmod {right} {}", path.display()));
        }
    }
}

/// The directory, its folders, and the files in them.
fn inside(dir: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| -> Vec<PathBuf> {
        let mut all: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
        all.sort();
        all
    };
    let mut all = vec![dir.to_owned()];
    for path in entries(dir) {
        let below = if path.is_dir() { entries(&path) } else { Vec::new() };
        all.push(path);
        all.extend(below);
    }
    all
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

fn unlock(config: &Config, keys: &KeyDir, passphrase: &Passphrase, report: &mut Report) {
    for list in config.lists.iter().filter(|list| list.kind.takes_mail()) {
        if let Err(error) = keys.load_list(&list.name, passphrase) {
            unusable(&format!("the key of \"{}\"", list.name), &error, report);
        }
    }
    match keys.load_spool(passphrase) {
        // That there is none has been told.
        Ok(_) | Err(KeyError::Missing(_)) => {}
        Err(error) => unusable("the spool key", &error, report),
    }
    if let Err(error) = keys.load_tags(passphrase) {
        unusable("the tag key", &error, report);
    }
}

/// The error names the file and what to do.
fn unusable(what: &str, error: &KeyError, report: &mut Report) {
    let remedy = match error {
        KeyError::Io { .. } => RUN_AS,
        KeyError::WrongPassphrase(_) => {
            "use the passphrase that the key was made with: [keys] passphrase_file"
        }
        _ => "restore it from a backup",
    };
    report.error(what, error.to_string(), remedy);
}
