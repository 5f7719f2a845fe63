//! Swap areas that plaintext could be written to.

use std::fs;
use std::io;
use std::path::Path;

const TABLE: &str = "/proc/swaps";

/// The active swap areas of this machine that are neither encrypted nor in memory. Where nobody may look, there is one
/// that is not known.
#[must_use]
pub fn plain_areas() -> Vec<String> {
    areas_of(fs::read_to_string(TABLE), Path::new("/sys/class/block"))
}

fn areas_of(table: io::Result<String>, block: &Path) -> Vec<String> {
    match table {
        Ok(table) => plain_swaps(&table, block),
        // proc(5): a kernel without swap has no such file.
        Err(why) if why.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(why) => vec![format!("unknown areas: {TABLE} cannot be read: {why}")],
    }
}

/// The same from the text of `/proc/swaps` and the folder of block devices.
fn plain_swaps(table: &str, block: &Path) -> Vec<String> {
    let areas = table.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    areas.filter(|area| !is_safe(area, block)).map(str::to_owned).collect()
}

fn is_safe(area: &str, block: &Path) -> bool {
    let Some(device) =
        area.strip_prefix("/dev/").and_then(|d| fs::canonicalize(area).ok().or_else(|| Some(d.into())))
    else {
        // A swap file: what lies below its file system cannot be told from here.
        return false;
    };
    let Some(name) = device.file_name() else { return false };
    let sys = block.join(name);
    let read = |file: &str| fs::read_to_string(sys.join(file)).unwrap_or_default();
    if name.to_string_lossy().starts_with("zram") {
        // Compressed memory; with a backing device it writes to that one.
        return matches!(read("backing_dev").trim(), "" | "none");
    }
    // The device mapper's name for dm-crypt and LUKS.
    read("dm/uuid").starts_with("CRYPT-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_that_never_reaches_a_disk_in_the_clear_is_fine() {
        let sys = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = sys.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("dm-90/dm/uuid", "CRYPT-PLAIN-swap\n");
        put("dm-91/dm/uuid", "LVM-abc\n");
        put("zram90/backing_dev", "none\n");
        put("zram91/backing_dev", "/dev/sdz1\n");
        let head = "Filename\tType\tSize\tUsed\tPriority\n";
        let plain = |area: &str| plain_swaps(&format!("{head}{area} partition 1 0 -2\n"), sys.path());
        assert!(plain("/dev/dm-90").is_empty());
        assert!(plain("/dev/zram90").is_empty());
        for area in ["/dev/dm-91", "/dev/zram91", "/dev/sdz2", "/swapfile"] {
            assert_eq!(plain(area), [area]);
        }
        assert!(plain_swaps(head, sys.path()).is_empty());
        assert!(plain_swaps("", sys.path()).is_empty());
    }
    #[test]
    fn a_table_that_cannot_be_read_is_not_an_empty_one() {
        let areas = |kind: io::ErrorKind| areas_of(Err(kind.into()), Path::new("/nonexistent"));
        assert!(areas(io::ErrorKind::NotFound).is_empty(), "a kernel without swap");
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidData, io::ErrorKind::Other] {
            let unknown = areas(kind);
            assert!(unknown.len() == 1 && unknown[0].contains("/proc/swaps cannot be read"), "{unknown:?}");
        }
        assert!(areas_of(Ok(String::new()), Path::new("/nonexistent")).is_empty());
    }
}
