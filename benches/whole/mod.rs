//! What is measured, in which order, and how much of it.

mod accepts;
mod delivery;
mod distance;
mod fan_out;
mod home;
mod machine;
mod measure;
mod memory;
mod page;
mod parts;
mod peer;
mod start;
mod text;

use std::time::Duration;

use crate::outside::is_root;
use home::Crowd;
use page::Results;

/// How much is measured.
pub(crate) struct Plan {
    /// Whether this is only to see that everything runs.
    pub(crate) quick: bool,
    /// How often a thing and its bare cost are measured, in turns.
    pub(crate) rounds: usize,
    /// Fan-out: to how many readers.
    pub(crate) readers: &'static [usize],
    /// Fan-out: of how many bytes.
    pub(crate) sizes: &'static [usize],
    /// Accepts: over how many connections.
    pub(crate) connections: &'static [usize],
    /// Accepts: of how many bytes.
    pub(crate) arrivals: &'static [usize],
    /// Accepts: how long each round lasts.
    pub(crate) window: Duration,
    /// Delivery: copies in each round.
    pub(crate) copies: usize,
    /// Memory: the size of the mail on the wire in bytes, and its readers.
    pub(crate) large: (usize, usize),
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Plan {
    /// What stands in the page.
    const FULL: Self = Self {
        quick: false,
        rounds: 7,
        readers: &[10, 100, 1000],
        sizes: &[10 * KIB, MIB, 10 * MIB],
        connections: &[1, 4, 16],
        arrivals: &[2 * KIB, 100 * KIB],
        window: Duration::from_millis(500),
        copies: 2000,
        large: (50 * MIB - 64 * KIB, 100),
    };

    /// As little as shows that everything runs.
    pub(crate) const QUICK: Self = Self {
        quick: true,
        rounds: 1,
        readers: &[10],
        sizes: &[10 * KIB],
        connections: &[1, 4],
        arrivals: &[2 * KIB],
        window: Duration::from_millis(200),
        copies: 40,
        large: (MIB, 10),
    };

    /// The whole, or what `BENCH_QUICK=1` asks for.
    pub(crate) fn chosen() -> &'static Self {
        if std::env::var("BENCH_QUICK").is_ok_and(|v| v == "1") { &Self::QUICK } else { &Self::FULL }
    }

    /// Of how many people the crowd has to be.
    fn people(&self) -> usize {
        let most = self.readers.iter().copied().max().unwrap_or(0);
        most.max(self.copies / delivery::MAILS).max(self.large.1)
    }
}

/// Measures everything; returns the page.
pub(crate) fn run(plan: &Plan) -> String {
    let crowd = gather(plan);
    page::write(&Results {
        fan_out: fan_out::measure(plan, &crowd),
        accepts: accepts::measure(plan, &crowd),
        delivery: delivery::measure(plan, &crowd),
        distance: distance::measure(plan, &crowd),
        memory: memory::measure(plan, &crowd),
        start: start::measure(plan, &crowd),
        parts: parts::read(),
        machine: machine::facts(),
        quick: plan.quick,
    })
}

/// Measures one section; returns its text.
pub(crate) fn section(plan: &Plan, name: &str) -> String {
    let crowd = gather(plan);
    match name {
        "fan-out" => page::fan_out(&fan_out::measure(plan, &crowd)),
        "accepts" => page::accepts(&accepts::measure(plan, &crowd)),
        "delivery" => {
            let far = distance::measure(plan, &crowd);
            page::delivery(delivery::measure(plan, &crowd).as_ref(), far.as_ref())
        }
        "signing" => page::signing(delivery::signing(plan, &crowd).as_deref()),
        "memory" => page::memory(memory::measure(plan, &crowd).as_ref()),
        "start" => page::start(&start::measure(plan, &crowd)),
        other => panic!("{other:?} is no section: fan-out, accepts, delivery, signing, memory, start"),
    }
}

fn gather(plan: &Plan) -> Crowd {
    say(&format!("making {} people with keys", plan.people()));
    if is_root() {
        say("running as root: the daemon gets another user");
    }
    Crowd::gather(plan.people())
}

/// Tells whoever waits what is going on.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
