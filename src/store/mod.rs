//! Where everything durable lives, behind one contract.

mod bodies;
mod change;
pub mod contract;
pub mod disk;
mod folder;
pub mod place;
pub mod redb;
mod rows;
pub mod sled;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use self::contract::{Store, StoreError};
use self::disk::Disk;
use self::folder::{REDB, SLED};
use self::redb::Redb;
use self::sled::Sled;

/// `[store]`: which engine, and where it keeps its files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The engine.
    pub kind: Kind,
    /// The directory that holds the store; made with mode 0700 if it is not there.
    pub path: PathBuf,
}

/// The engines there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The embedded engine that survives a power cut.
    #[default]
    Redb,
    /// The embedded engine that survives the death of the daemon, and can lose what it acknowledged in a power cut.
    Sled,
}

impl Kind {
    /// What the engine cannot do, for whoever chose it; none of one that keeps every promise.
    #[must_use]
    pub const fn shortcoming(self) -> Option<&'static str> {
        match self {
            Self::Redb => None,
            Self::Sled => Some(
                "the engine sled can lose accepted mail when the power is cut, since it does not sync its files, and it \
                 gives no disk space back",
            ),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Redb => REDB.kind,
            Self::Sled => SLED.kind,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { kind: Kind::default(), path: PathBuf::from("data") }
    }
}

/// Opens the store that the settings name; a directory that is not there yet is made.
///
/// # Errors
/// `Locked` when another process has it open, `OtherEngine` when another engine wrote it, `TooNew` when a later release wrote it, `Damaged` when it is not what was
/// written, `Io` when the medium fails.
pub fn open(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    open_on(settings, Disk::default())
}

/// As [`open`], on a medium of the caller's.
///
/// # Errors
/// As [`open`].
pub fn open_on(settings: &Settings, disk: Disk) -> Result<Arc<dyn Store>, StoreError> {
    disk.make_dir(&settings.path).map_err(|e| disk.explain("make the store's directory", &e))?;
    match settings.kind {
        Kind::Redb => Ok(Arc::new(Redb::open_on(&settings.path, disk)?)),
        Kind::Sled => Ok(Arc::new(Sled::open_on(&settings.path, disk)?)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn settings_have_defaults_and_name_what_is_allowed() {
        assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
        let wrong = toml::from_str::<Settings>("kind = \"oracle\"").unwrap_err().to_string();
        assert!(wrong.contains("oracle") && wrong.contains("redb"), "{wrong}");
        assert!(toml::from_str::<Settings>("file = \"x\"").is_err(), "an unknown key is refused");
    }

    #[test]
    fn a_missing_directory_is_made_for_the_daemon_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("var/lib/store");
        open(&Settings { path: path.clone(), ..Settings::default() }).unwrap();
        for made in [path.clone(), path.join("bodies"), dir.path().join("var")] {
            assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", made.display());
        }
        for file in std::fs::read_dir(&path).unwrap().map(|f| f.unwrap()).filter(|f| f.path().is_file()) {
            assert_eq!(
                file.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{:?}",
                file.file_name()
            );
        }
    }
}
