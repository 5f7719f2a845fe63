//! Randomness: the kernel's, or in tests a seed's.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// Where randomness comes from: the kernel, or in tests a seed.
#[derive(Debug)]
pub struct Entropy(Source);

#[derive(Debug)]
enum Source {
    Kernel,
    Seeded { seed: u64, drawn: AtomicU64 },
}

impl Entropy {
    /// The kernel's generator.
    #[must_use]
    pub const fn kernel() -> Self {
        Self(Source::Kernel)
    }

    /// A repeatable sequence, for tests only: it is no secret.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(Source::Seeded { seed, drawn: AtomicU64::new(0) })
    }

    /// The next `N` bytes, `N` at most 32. A kernel without randomness ends the process: nothing safe can follow.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= 32) };
        let mut out = [0; N];
        match &self.0 {
            Source::Kernel => {
                if getrandom::fill(&mut out).is_err() {
                    std::process::abort();
                }
            }
            Source::Seeded { seed, drawn } => {
                let n = drawn.fetch_add(1, Ordering::SeqCst);
                let digest =
                    Sha256::new().chain_update(seed.to_be_bytes()).chain_update(n.to_be_bytes()).finalize();
                for (to, from) in out.iter_mut().zip(digest) {
                    *to = from;
                }
            }
        }
        out
    }
}
