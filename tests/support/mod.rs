//! What several test binaries share: keys of people, ways to write OpenPGP mail, a world with two lists, and golden
//! mails. Each binary uses a part of it.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests end loudly"
)]

pub(crate) mod forge;
pub(crate) mod golden;
pub(crate) mod keys;
pub(crate) mod pen;
pub(crate) mod reader;
pub(crate) mod template;
pub(crate) mod world;
