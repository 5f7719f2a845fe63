//! A daemon whose wall clock the test moves while it runs: libfaketime stands between, and reads a file at each look.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::skip;

/// Where Debian's packages put it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// A clock that runs as the machine's does, so many seconds ahead of it.
pub struct Wall {
    file: PathBuf,
    ahead: i64,
}

impl Wall {
    /// A clock that is right so far, kept in this directory; none, aloud, where libfaketime is missing.
    pub fn kept_in(dir: &Path) -> Option<Self> {
        if !Path::new(LIBRARY).exists() {
            skip("libfaketime");
            return None;
        }
        let wall = Self { file: dir.join("wall-clock"), ahead: 0 };
        wall.show();
        Some(wall)
    }

    /// What the daemon has to be started with.
    pub fn environment(&self) -> Vec<(String, String)> {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            set("LD_PRELOAD", LIBRARY),
            set("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            set("FAKETIME_NO_CACHE", "1"),
            // Sleeps and timeouts go on as ever.
            set("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            set("DONT_FAKE_MONOTONIC", "1"),
        ]
    }

    /// Moves it by so many seconds. Whoever looks sees it at once.
    pub fn advance(&mut self, seconds: i64) {
        self.ahead += seconds;
        self.show();
    }

    /// Moves it by so many days.
    pub fn advance_days(&mut self, days: i64) {
        self.advance(days * 86_400);
    }

    /// What it shows now, in seconds since 1970.
    #[allow(
        clippy::disallowed_methods,
        reason = "how far ahead of the machine's clock it is, is its very point"
    )]
    pub fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        i64::try_from(now).unwrap() + self.ahead
    }

    /// The same for `gpg --faked-system-time`, which then runs on.
    pub fn for_gpg(&self) -> String {
        format!("--faked-system-time={}!", self.now())
    }

    fn show(&self) {
        // By a rename: who reads it meanwhile sees the one or the other.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("+{}\n", self.ahead)).unwrap();
        std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }
}

impl Drop for Wall {
    /// Libfaketime leaves its shared memory where a daemon is killed, as this user's: what looks for traces would find it.
    fn drop(&mut self) {
        let Ok(entries) = std::fs::read_dir("/dev/shm") else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = ["faketime_shm_", "sem.faketime_sem_"].iter().find_map(|kind| name.strip_prefix(kind));
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                drop(std::fs::remove_file(entry.path()));
            }
        }
    }
}
