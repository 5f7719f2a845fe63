//! Settings and policies as an operator meets them: the files that come with the program, what a wrong line is told,
//! a new installation, and what `check` says of it.

// Helpers of tests are tests as well; clippy sees only functions marked as such.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "config/check.rs"]
mod check;
#[path = "config/files.rs"]
mod files;
#[path = "config/init.rs"]
mod init;
#[path = "config/presets.rs"]
mod presets;
#[path = "config/refusals.rs"]
mod refusals;
