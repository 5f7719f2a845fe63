//! The release binary as the program under test: for tests with much to do.

use std::path::{Path, PathBuf};

use super::in_ci;
use super::install::use_binary;

/// Chooses the release binary beside the one that cargo has built for this test, unless `VOUCHSAFE_TEST_BINARY` says
/// otherwise. Where there is none the debug build is used, aloud; in continuous integration that is a failure. Once for
/// each test program, before anything was run.
pub fn use_release() {
    if std::env::var_os("VOUCHSAFE_TEST_BINARY").is_some() {
        return;
    }
    match release() {
        Some(release) => use_binary(release),
        None => {
            assert!(!in_ci(), "there is no release binary: cargo build --release");
            eprintln!("there is no release binary (cargo build --release): the debug build is used instead");
        }
    }
}

/// The release binary; `None` where it was not built.
pub fn release() -> Option<PathBuf> {
    let debug = Path::new(env!("CARGO_BIN_EXE_vouchsafe"));
    let release = debug.parent()?.parent()?.join("release").join(debug.file_name()?);
    release.exists().then_some(release)
}
