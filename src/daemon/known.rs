//! What a running daemon knows of its settings.

use std::path::PathBuf;

use crate::config::{Config, Snapshot};
use crate::logging::Filter;

/// Where they are, and how they were.
pub(super) struct Known {
    pub(super) file: PathBuf,
    /// As they were at the start: what needs a restart is compared with these.
    pub(super) at_start: Snapshot,
    /// As they were read last.
    pub(super) now: Snapshot,
    /// What of the log is written.
    pub(super) filter: Filter,
}

impl Known {
    pub(super) fn at_start(config: &Config) -> Self {
        let read = config.snapshot();
        Self {
            file: config.source.file().to_owned(),
            at_start: read.clone(),
            now: read,
            filter: Filter::none(),
        }
    }
}
