//! What the machine adds: swap, locked memory, file permissions.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Resource, geteuid, getrlimit};

use super::report::Report;
use crate::config::Config;
use crate::store::Kind;
use crate::swap;

pub(super) fn host(config: &Config, report: &mut Report) {
    memory(config, report);
    data(config, report);
    tls_files(config, report);
    let smtp = &config.smtp;
    if smtp.listen.is_empty() && smtp.tls_listen.is_empty() && config.lmtp.listen.is_empty() {
        let what = "nothing listens, so no mail can come in";
        report.warn(config.source.place(&["smtp", "listen"]), what, "set [smtp] listen or [lmtp] listen");
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

fn data(config: &Config, report: &mut Report) {
    // Every engine there is survives a power cut; one that does not must be told of here.
    match config.store.kind {
        Kind::Redb => {}
    }
    let path = &config.store.path;
    match fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
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

fn tls_files(config: &Config, report: &mut Report) {
    let (smtp, egress) = (&config.smtp, &config.egress);
    let files = [
        ("smtp", "tls_cert", &smtp.tls_cert),
        ("smtp", "tls_key", &smtp.tls_key),
        ("egress", "ca_file", &egress.ca_file),
    ];
    for (section, key, file) in files {
        let Some(file) = file else { continue };
        let place = config.source.place(&[section, key]);
        match fs::File::open(file).and_then(|f| f.metadata()) {
            Err(e) => {
                let what = format!("{key} cannot be read: {} ({e})", file.display());
                report.error(place, what, "name a PEM file that the daemon's user can read");
            }
            Ok(meta) if key == "tls_key" && meta.permissions().mode() & 0o007 != 0 => {
                let what = format!("the TLS key {} can be read by everybody", file.display());
                report.error(place, what, format!("chmod o= {}", file.display()));
            }
            Ok(_) => {}
        }
    }
}
