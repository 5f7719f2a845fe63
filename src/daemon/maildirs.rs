//! The maildirs that the daemon watches.

use std::sync::Arc;

use crate::config::Config;
use crate::daemon::rooms::Rooms;
use crate::ingress::Budget;
use crate::ingress::maildir::{Watcher, Way};
use crate::ledger::mark::Marks;

impl Rooms {
    /// A watcher for each maildir of these settings.
    pub(super) fn watchers(&self, config: &Config, budget: Budget) -> Vec<Watcher> {
        let way = Way {
            intake: self.intake(),
            marks: Marks::new(Arc::clone(&self.store)),
            clock: Arc::clone(&self.clock),
            stays: self.stays.clone(),
            budget,
        };
        let directory = config.directory();
        // Whom mail is for was asked when the settings were read.
        let watchers = config
            .maildir
            .iter()
            .filter_map(|(name, settings)| Watcher::new(name, settings, &directory, way.clone()).ok());
        watchers.collect()
    }
}
