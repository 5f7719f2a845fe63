//! How much of the disk a directory takes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a directory and all below it take, in bytes: blocks, not lengths. What goes away meanwhile counts nothing.
pub(crate) fn used(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let below = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => used(&entry.path()),
        // stat(2): st_blocks counts units of 512 bytes, whatever the file system's own are.
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    });
    below.sum()
}

/// Bytes, for people.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}

/// Somebody who looks at a directory all the time.
pub(crate) struct Peak {
    done: Arc<AtomicBool>,
    watcher: JoinHandle<u64>,
}

impl Peak {
    pub(crate) fn watch(dir: &Path) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let (dir, stop) = (dir.to_owned(), Arc::clone(&done));
        let watcher = thread::spawn(move || {
            let mut peak = 0;
            while !stop.load(Ordering::Acquire) {
                peak = peak.max(used(&dir));
                thread::sleep(Duration::from_millis(20));
            }
            peak
        });
        Self { done, watcher }
    }

    /// The most that was seen.
    pub(crate) fn end(self) -> u64 {
        self.done.store(true, Ordering::Release);
        self.watcher.join().unwrap()
    }
}
