//! What the machine adds: swap, locked memory, file permissions.

use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{Resource, geteuid, getrlimit};

use super::report::Report;
use crate::config::Config;
use crate::group::Group;
use crate::ingress::tls_config;
use crate::swap;

pub(super) fn host(config: &Config, report: &mut Report) {
    memory(config, report);
    files(config, report);
    maildirs(config, report);
    data(config, report);
    tls_files(config, report);
    groups(config, report);
    let smtp = &config.smtp;
    let listens = !(smtp.listen.is_empty() && smtp.tls_listen.is_empty() && config.lmtp.listen.is_empty());
    if !listens && config.imap.is_empty() && config.maildir.is_empty() {
        let what = "nothing listens and nothing is fetched, so no mail can come in";
        let remedy = "set [smtp] listen or [lmtp] listen, or add [imap.NAME] or [maildir.NAME]";
        report.warn(config.source.place(&["smtp", "listen"]), what, remedy);
    }
}

/// Whether the memory that content passes through can end on a disk.
fn memory(config: &Config, report: &mut Report) {
    let limit = getrlimit(Resource::Memlock).current;
    // capabilities(7): CAP_IPC_LOCK, which root has, lifts the limit.
    let unlimited = limit.is_none() || geteuid().is_root();
    let plain = swap::plain_areas();
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{} KiB", bytes / 1024));
    let remedy =
        "encrypt or turn off swap, or start the daemon by its unit, which sets LimitMEMLOCK=infinity";
    match (plain.is_empty(), unlimited) {
        (_, true) => {}
        (true, false) => {
            let what = format!("this user may lock {limit} of memory: enough for the keys, not for all mail");
            report.note(
                "memory",
                what,
                "the daemon's unit sets LimitMEMLOCK=infinity; without swap it changes nothing",
            );
        }
        (false, false) => {
            let swaps = plain.join(", ");
            let what = format!(
                "memory can be written to unencrypted swap ({swaps}), since this user may lock only {limit} of it"
            );
            let serve = if config.process.allow_swap {
                "allow_swap lets it"
            } else {
                "`serve` would refuse to start"
            };
            report.warn(config.source.place(&["process", "allow_swap"]), format!("{what}: {serve}"), remedy);
        }
    }
}

/// Whether the maildirs are there; whether the daemon's user may use them its log says.
fn maildirs(config: &Config, report: &mut Report) {
    for (name, settings) in &config.maildir {
        for folder in ["new", "cur"].map(|folder| settings.path.join(folder)) {
            if !fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
                let what =
                    format!("{} is no folder, so no mail comes in by [maildir.{name}]", folder.display());
                let remedy = "make it for the daemon's user and who delivers there, or mend the path";
                report.warn(config.source.place(&["maildir", name, "path"]), what, remedy);
            }
        }
    }
}

/// Whether there are as many files as the limits of connections ask for.
fn files(config: &Config, report: &mut Report) {
    let needed = config.open_files();
    if let Some(limit) = getrlimit(Resource::Nofile).maximum.filter(|limit| *limit < needed) {
        let what = format!(
            "a process may have {limit} files open, and max_connections and connections_total may want {needed}: clients \
             that come then have to wait"
        );
        let remedy = "start the daemon by its unit and raise LimitNOFILE, or lower max_connections";
        report.warn(config.source.place(&["limits", "max_connections"]), what, remedy);
    }
}

fn data(config: &Config, report: &mut Report) {
    if let Some(what) = config.store.kind.shortcoming() {
        let remedy = "set kind = \"redb\" with an empty path, unless the machine cannot lose its power";
        report.warn(config.source.place(&["store", "kind"]), what, remedy);
    }
    let path = &config.store.path;
    match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => can_be_made(config, report),
        Err(e) if e.kind() == ErrorKind::NotADirectory => can_be_made(config, report),
        Err(e) => {
            let what = format!("the data directory cannot be looked at ({e})");
            report.warn(path.display(), what, "run `check` as the daemon's user or as root");
        }
        Ok(meta) if !meta.is_dir() => {
            report.error(
                config.source.place(&["store", "path"]),
                "is not a directory",
                "name a directory, or move the file away",
            );
        }
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            let what = format!(
                "the data directory is open to others (mode {:04o})",
                meta.permissions().mode() & 0o7777
            );
            report.error(path.display(), what, format!("chmod 700 {}", path.display()));
        }
        Ok(_) => {}
    }
}

/// Whether `serve` could make the data directory, with the folders that it lies in.
fn can_be_made(config: &Config, report: &mut Report) {
    let path = &config.store.path;
    let there = path.ancestors().skip(1).find(|folder| folder.symlink_metadata().is_ok());
    let there = there.unwrap_or(Path::new("/"));
    // access(2): a read-only file system stops root as well.
    let why = match fs::metadata(there) {
        Ok(meta) if !meta.is_dir() => "is not a directory".to_owned(),
        Ok(_) => match accessat(CWD, there, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) => return,
            Err(e) => format!("cannot be written ({})", std::io::Error::from(e)),
        },
        Err(e) => format!("leads nowhere ({e})"),
    };
    let what = format!("the data directory {} cannot be made: {} {why}", path.display(), there.display());
    let remedy = "make it for the daemon's user (install -d -m 0700 -o USER), name another, or run `check` as that user";
    report.error(config.source.place(&["store", "path"]), what, remedy);
}

/// Whether the groups exist that sockets are to be given to.
fn groups(config: &Config, report: &mut Report) {
    for (section, group) in [("control", &config.control.group), ("lmtp", &config.lmtp.group)] {
        if let Some(Err(why)) = group.as_deref().map(Group::find) {
            let remedy = format!("create it (groupadd --system NAME), or change [{section}] group");
            report.error(config.source.place(&[section, "group"]), why.to_string(), remedy);
        }
    }
}

fn tls_files(config: &Config, report: &mut Report) {
    let smtp = &config.smtp;
    let files = [("tls_cert", &smtp.tls_cert), ("tls_key", &smtp.tls_key)];
    let mut readable = true;
    for (key, file) in files {
        let Some(file) = file else { continue };
        readable = pem_file(config.source.place(&["smtp", key]), key, file, report) && readable;
    }
    if let (Some(cert), Some(key), true) = (&smtp.tls_cert, &smtp.tls_key, readable)
        && let Err(why) = tls_config(cert, key)
    {
        let place = config.source.place(&["smtp", "tls_cert"]);
        report.error(place, why.to_string(), "renew or replace the pair: `serve` would refuse to start");
    }
}

/// Whether a PEM file can be read; a secret key must not be everybody's.
pub(super) fn pem_file(place: impl Display, key: &str, file: &Path, report: &mut Report) -> bool {
    match fs::File::open(file).and_then(|f| f.metadata()) {
        Err(e) => {
            let what = format!("{key} cannot be read: {} ({e})", file.display());
            report.error(place, what, "name a PEM file that the daemon's user can read");
            false
        }
        Ok(meta) if key.ends_with("_key") && meta.permissions().mode() & 0o007 != 0 => {
            let what = format!("the TLS key {} can be read by everybody", file.display());
            report.error(place, what, format!("chmod o= {}", file.display()));
            true
        }
        Ok(_) => true,
    }
}
