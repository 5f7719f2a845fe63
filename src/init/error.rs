//! What stands against a new installation, as told to whoever wanted one.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::pgp::keyring::KeyError;

/// Why there is no new installation. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Some of it is there already.
    #[error(
        "{} already there, and nothing is overwritten: choose another folder, or move what is there away",
        exist(.0)
    )]
    Exists(Vec<PathBuf>),
    /// The passphrase file that was given is not there.
    #[error(
        "there is no passphrase file {}: write a passphrase to it (mode 0600), or leave the option out and one is made",
        .0.display()
    )]
    NoPassphrase(PathBuf),
    /// A path that no settings file can hold.
    #[error("the path {} is not UTF-8, and so cannot stand in relay.toml: choose another", .0.display())]
    NotUtf8(PathBuf),
    /// The service's user is missing.
    #[error(
        "this machine has no user {0} for the service: run `make install` and `systemd-sysusers` first, or make an \
         installation in one folder with --dir"
    )]
    NoUser(&'static str),
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The settings do not fit together, for example because the domain makes an address too long.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

fn exist(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> InitError {
    let path = path.to_owned();
    move |source| InitError::Io { what, path, source }
}
