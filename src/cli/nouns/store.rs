//! What is said of the whole store.

use clap::Subcommand;

/// Verbs of `store`.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Say that the store was restored, where the daemon cannot notice: everything waits then.
    Restored {
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Go on after a restore.
    Resume {
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}
