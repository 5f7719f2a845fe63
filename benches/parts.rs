//! What the parts of one mail's way cost, each for itself. `make bench` runs it; `cargo bench --bench parts -- NAME` runs
//! some of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench ends loudly, and criterion writes functions"
)]

#[path = "parts/mail.rs"]
mod mail;
#[path = "parts/store.rs"]
mod store;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let quick = std::env::var("BENCH_QUICK").is_ok_and(|v| v == "1");
    let time = if quick { Duration::from_millis(20) } else { Duration::from_secs(2) };
    let criterion = Criterion::default().sample_size(10).warm_up_time(time / 4).measurement_time(time);
    let mut criterion = criterion.without_plots().configure_from_args();
    mail::parts(&mut criterion);
    store::parts(&mut criterion);
    criterion.final_summary();
}
