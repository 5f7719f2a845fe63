//! What the figures were taken on, without its name and its paths.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::measure::{Series, millis};

/// The machine in general words.
pub(crate) struct Machine {
    pub(crate) processors: usize,
    pub(crate) model: String,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// The file system under the stores of this run.
    pub(crate) disk: String,
    /// How long a page takes to get there for good, in milliseconds: what every durable step waits for, some of them twice.
    pub(crate) sync: Series,
    /// How many processes wanted a processor when the run ended, on average over five minutes.
    pub(crate) load: String,
}

pub(crate) fn facts() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    let total =
        memory.lines().find_map(|l| l.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let load = read("/proc/loadavg");
    // Only the version's numbers: what follows may say whose kernel it is.
    let release = read("/proc/sys/kernel/osrelease");
    let kernel = release.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    Machine {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        model: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
        memory_gib: total.unwrap_or(0u64) >> 20,
        kernel: kernel.to_owned(),
        disk: file_system(&std::env::temp_dir()),
        sync: syncs(),
        load: load.split_whitespace().nth(1).unwrap_or("?").to_owned(),
    }
}

fn syncs() -> Series {
    let mut file = tempfile::tempfile().unwrap();
    let mut syncs = Series::default();
    for _ in 0..100 {
        file.write_all(&[1; 4096]).unwrap();
        syncs.push(millis(|| file.sync_data().unwrap()));
    }
    syncs
}

/// The kind of file system that holds this folder.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let holding = fields.filter(|f| f.len() > 2 && folder.starts_with(f[1]));
    holding.max_by_key(|f| f[1].len()).map_or_else(|| "unknown".to_owned(), |f| f[2].to_owned())
}
