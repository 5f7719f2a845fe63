//! What the parts cost: read from where `benches/parts.rs` (criterion) has left it.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One part, in nanoseconds.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) median: f64,
    /// The confidence interval of the median, 95 %.
    pub(crate) between: (f64, f64),
    /// How many bytes one run works on, if it is a matter of bytes.
    pub(crate) bytes: Option<u64>,
}

/// All parts that were measured, by name; none when the parts were not run.
pub(crate) fn read() -> Vec<Part> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let mut found = Vec::new();
    collect(&target.join("criterion"), &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn collect(folder: &Path, found: &mut Vec<Part>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map_while(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()) {
        match (json(&entry.join("benchmark.json")), json(&entry.join("estimates.json"))) {
            (Some(what), Some(figures)) if entry.ends_with("new") => found.extend(part(&what, &figures)),
            _ => collect(&entry, found),
        }
    }
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

fn part(what: &Value, figures: &Value) -> Option<Part> {
    let median = &figures["median"];
    let bound = |name: &str| median["confidence_interval"][name].as_f64();
    Some(Part {
        name: what["full_id"].as_str()?.to_owned(),
        median: median["point_estimate"].as_f64()?,
        between: (bound("lower_bound")?, bound("upper_bound")?),
        bytes: what["throughput"]["Bytes"].as_u64(),
    })
}
