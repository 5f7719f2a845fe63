//! What comes back: the admins are told what needs them, bounces find their copy, automatic mail goes nowhere, and
//! nothing goes round in circles. Real daemons, a real Postfix, and gpg for whoever reads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures and skips"
)]

mod outside;

#[path = "bounces/alerts.rs"]
mod alerts;
#[path = "bounces/certs.rs"]
mod certs;
#[path = "bounces/circles.rs"]
mod circles;
#[path = "bounces/returned.rs"]
mod returned;
