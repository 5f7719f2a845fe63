//! The page: `docs/performance.md`.

use std::fmt::Write;

use super::accepts;
use super::delivery::{Delivery, Signing};
use super::distance::{Distance, WAYS};
use super::fan_out;
use super::machine::Machine;
use super::measure::{Pair, Series};
use super::memory::Memory;
use super::parts::Part;
use super::start::Start;

/// Everything that was measured; what could not be measured is missing.
pub(crate) struct Results {
    pub(crate) fan_out: Vec<fan_out::Row>,
    pub(crate) accepts: Vec<accepts::Row>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) distance: Option<Distance>,
    pub(crate) memory: Option<Memory>,
    pub(crate) start: Start,
    pub(crate) parts: Vec<Part>,
    pub(crate) machine: Machine,
    pub(crate) quick: bool,
}

/// The targets: at most, at least, at least, and in mebibytes at most.
const FAN_OUT: f64 = 1.5;
const ACCEPTS: f64 = 0.7;
const DELIVERY: f64 = 0.6;
/// Messages each second over one connection to a hop that is far away.
const FAR: f64 = 20.0;
const MEMORY: f64 = 300.0;

/// The sections, in their order.
pub(crate) const SECTIONS: [&str; 7] = [
    "## Targets",
    "## Fan-out",
    "## Durable accepts",
    "## Delivery",
    "## Memory",
    "## Start and command line",
    "## Parts",
];

pub(crate) fn write(results: &Results) -> String {
    let sections = [
        targets(results),
        fan_out(&results.fan_out),
        accepts(&results.accepts),
        delivery(results.delivery.as_ref(), results.distance.as_ref()),
        memory(results.memory.as_ref()),
        start(&results.start),
        parts(&results.parts),
    ];
    let mut page = head(results);
    for (title, text) in SECTIONS.iter().zip(sections) {
        let _ = write!(page, "\n{title}\n\n{text}");
    }
    page
}

fn head(results: &Results) -> String {
    let Machine { processors, model, memory_gib, kernel, disk, sync, load } = &results.machine;
    let quick = if results.quick {
        "**A quick run: it shows that everything runs, and nothing else.**\n\n"
    } else {
        ""
    };
    format!(
        "# Performance\n\n\
         Written by `make bench`; do not edit it. {quick}Run that to measure your own machine (about ten minutes on an idle one;\n\
         `BENCH_QUICK=1` only shows that it runs, and `TMPDIR` chooses the disk).\n\n\
         Times tell about a machine, ratios about the program: each figure of ours stands beside the bare cost of what it cannot\n\
         avoid. Both were measured in the same run, in turns, after a round that does not count. \"a (b to c)\" is the median of\n\
         the rounds, the least and the most; a ratio is taken round by round.\n\n\
         This run: {processors} processors ({model}), {memory_gib} GiB of memory, Linux {kernel}, load {load} at the end; stores on\n\
         {disk}, where a sync of 4 KiB takes {sync} ms. The bench's own clients and peers run on the same processors.\n",
        sync = spread(sync, 2)
    )
}

fn targets(results: &Results) -> String {
    let mut page = "| what | target | measured | |\n| --- | --- | --- | --- |\n".to_owned();
    let mut row = |what: &str, target: String, measured: String, met: bool| {
        let _ =
            writeln!(page, "| {what} | {target} | {measured} | {} |", if met { "met" } else { "**missed**" });
    };
    let worst = |rows: Vec<f64>, most: bool| {
        rows.into_iter().reduce(if most { f64::max } else { f64::min }).unwrap_or(f64::NAN)
    };
    let seal = worst(results.fan_out.iter().map(|r| r.seal.ratio().median()).collect(), true);
    row(
        "sealing to the readers, worst case",
        format!("at most {FAN_OUT}"),
        format!("{seal:.2}"),
        seal <= FAN_OUT,
    );
    let relay = worst(results.fan_out.iter().map(|r| r.relay.ratio().median()).collect(), true);
    row("the whole relay, worst case", format!("at most {FAN_OUT}"), format!("{relay:.2}"), relay <= FAN_OUT);
    for relaying in [false, true] {
        let rows = results.accepts.iter().filter(|r| r.relaying == relaying);
        let least = worst(rows.map(|r| r.rate.ratio().median()).collect(), false);
        let what = if relaying { "accepts while it relays, worst case" } else { "accepts, worst case" };
        row(what, format!("at least {ACCEPTS}"), format!("{least:.2}"), least >= ACCEPTS);
    }
    if let Some(delivery) = &results.delivery {
        let ratio = delivery.kept.ratio().median();
        row("delivery", format!("at least {DELIVERY}"), format!("{ratio:.2}"), ratio >= DELIVERY);
    }
    for (way, pair) in WAYS.iter().zip(results.distance.iter().flat_map(|distance| &distance.0)) {
        let (what, least) = (format!("messages/s on one connection, {} ms each way", way.as_millis()), FAR);
        let ours = pair.ours.median();
        row(&what, format!("at least {least}"), format!("{ours:.1}"), ours >= least);
    }
    if let Some(memory) = &results.memory {
        let peak = mebibytes(memory.peak);
        row("memory", format!("at most {MEMORY} MiB"), format!("{peak:.0} MiB"), peak <= MEMORY);
    }
    page
}

pub(super) fn fan_out(rows: &[fan_out::Row]) -> String {
    let mut page = "One announced mail, signed and encrypted, from the sealed arrival to the sealed copies: unlocked, scanned, parsed, decrypted,\n\
         verified, judged, composed, signed, sealed. *Bare*: the session key wrapped to each reader (PKESK v3, Cv25519) and a body of the\n\
         same length encrypted once (SEIPD v1), by Sequoia on one thread. *Sealing* is the part of the relay that does the same. What\n\
         the whole relay does besides reads each byte several times more (three decryptions and encryptions and two hashes of\n\
         signatures against one encryption) and makes one RSA decryption and one RSA signature; so the ratio of the whole falls\n\
         with the number of readers and not with the size. Readers' certificates are parsed, as in a running daemon; freed memory is not wiped\n\
         here, as it is there.\n\n\
         | readers | size | relay, ms | sealing, ms | bare, ms | relay / bare | sealing / bare |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for row in rows {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.readers,
            size(row.size),
            spread(&row.relay.ours, 2),
            spread(&row.seal.ours, 2),
            spread(&row.relay.bare, 2),
            spread(&row.relay.ratio(), 2),
            spread(&row.seal.ratio(), 2),
        );
    }
    page
}

pub(super) fn accepts(rows: &[accepts::Row]) -> String {
    let mut page = "Mails each second that were answered with 250, over so many connections at once, each sending the same clear report again and\n\
         again. *Bare*: as many threads put mail that was sealed before into a store on the same disk: body written and synced, one\n\
         commit. *Idle*: the list is paused, so the worker takes each mail up only to put it aside (two more commits, in turn with\n\
         those that take mail in). *Relaying*: it also relays them meanwhile, on the same processors. Where a sync takes far less\n\
         than a millisecond, the difference is work and not waiting: the dialogue with its client, a key exchange (X25519) for each\n\
         mail, and memory that is wiped. On a disk that takes a millisecond for a sync it is small beside that.\n\n\
         | worker | size | connections | ours, 1/s | bare, 1/s | ours / bare |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for row in rows {
        let Pair { ours, bare } = &row.rate;
        let worker = if row.relaying { "relaying" } else { "idle" };
        let (size, connections) = (size(row.size), row.connections);
        let ratio = spread(&row.rate.ratio(), 2);
        let _ = writeln!(
            page,
            "| {worker} | {size} | {connections} | {} | {} | {ratio} |",
            spread(ours, 0),
            spread(bare, 0)
        );
    }
    page
}

pub(super) fn delivery(delivery: Option<&Delivery>, distance: Option<&Distance>) -> String {
    let Some(Delivery { copies, length, kept, anew }) = delivery else { return MISSING.to_owned() };
    let mut page = format!(
        "{copies} queued copies of {} each to Postfix's smtp-sink, over 10 connections, in the clear on loopback. *Bare*: smtp-source\n\
         sends as many messages of that length to the same sink over as many sessions, `-d` or not; it reads nothing from a disk\n\
         and records nothing. The daemon keeps its connections, so `-d` is what it is held against.\n\n\
         | beside | ours, 1/s | bare, 1/s | ours / bare |\n| --- | ---: | ---: | ---: |\n\
         | smtp-source -d (connections kept) | {} | {} | {} |\n| smtp-source (a connection for each message) | {} | {} | {} |\n",
        size(*length),
        spread(&kept.ours, 0),
        spread(&kept.bare, 0),
        spread(&kept.ratio(), 2),
        spread(&anew.ours, 0),
        spread(&anew.bare, 0),
        spread(&anew.ratio(), 2),
    );
    for (way, pair) in WAYS.iter().zip(distance.iter().flat_map(|distance| &distance.0)) {
        page += &format!(
            "| one message a round trip, one connection, {} ms each way | {} | {} | {} |\n",
            way.as_millis(),
            spread(&pair.ours, 1),
            spread(&pair.bare, 1),
            spread(&pair.ratio(), 2),
        );
    }
    page
}

/// Not on the page: asked for by `--only signing`.
pub(super) fn signing(rows: Option<&[Signing]>) -> String {
    let Some(rows) = rows else { return MISSING.to_owned() };
    let mut page = "Delivery with DKIM: each copy's body is read and hashed once (SHA-256) before it is sent, and signed by Ed25519 and by RSA\n\
         with 2048 bits. *Bare* is the daemon that signs nothing, in turns with the one that does.\n\n\
         | copies | size | signed, 1/s | unsigned, 1/s | signed / unsigned |\n| ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for Signing { copies, length, rate } in rows {
        let _ = writeln!(
            page,
            "| {copies} | {} | {} | {} | {} |",
            size(*length),
            spread(&rate.ours, 0),
            spread(&rate.bare, 0),
            spread(&rate.ratio(), 2)
        );
    }
    page
}

pub(super) fn memory(memory: Option<&Memory>) -> String {
    let Some(Memory { mail, readers, at_start, peak_relayed, peak, after }) = memory else {
        return MISSING.to_owned();
    };
    format!(
        "One mail of {} on the wire to {readers} readers, through the daemon and out to smtp-sink. Resident memory:\n\n\
         | at start | most, until queued | most, until delivered (VmHWM) | afterwards |\n| ---: | ---: | ---: | ---: |\n\
         | {:.0} MiB | {:.0} MiB | {:.0} MiB | {:.0} MiB |\n",
        size(*mail),
        mebibytes(*at_start),
        mebibytes(*peak_relayed),
        mebibytes(*peak),
        mebibytes(*after),
    )
}

pub(super) fn start(start: &Start) -> String {
    format!(
        "With {} readers in the store, in milliseconds: {} until `serve` is ready (the store checks itself, keys are unlocked);\n\
         {} for a whole `vouchsafe status`.\n",
        start.readers,
        spread(&start.ready, 0),
        spread(&start.status, 1),
    )
}

fn parts(parts: &[Part]) -> String {
    if parts.is_empty() {
        return "Not measured in this run: `cargo bench --bench parts` measures them.\n".to_owned();
    }
    let mut page = "Each for itself, by criterion: the median and its 95 % confidence interval. Sizes count what goes in.\n\n\
         | part | time | | rate |\n| --- | ---: | ---: | ---: |\n"
        .to_owned();
    for Part { name, median, between: (low, high), bytes } in parts {
        #[allow(clippy::cast_precision_loss, reason = "sizes are small")]
        let rate = bytes
            .map_or(String::new(), |bytes| format!("{:.0} MiB/s", bytes as f64 / median * 1e9 / 1048576.0));
        let _ = writeln!(page, "| {name} | {} | {} to {} | {rate} |", time(*median), time(*low), time(*high));
    }
    page
}

const MISSING: &str = "Not measured: Postfix's smtp-sink is missing (`deploy/packages.sh bench`).\n";

/// Median, least and most.
fn spread(series: &Series, digits: usize) -> String {
    format!("{:.digits$} ({:.digits$} to {:.digits$})", series.median(), series.min(), series.max())
}

fn size(bytes: usize) -> String {
    match bytes {
        ..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} MiB", mebibytes(bytes as u64)),
    }
}

#[allow(clippy::cast_precision_loss, reason = "sizes are small")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

fn time(nanos: f64) -> String {
    match nanos {
        ..1e6 => format!("{:.0} µs", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}
