//! Series of figures, and the habit of taking a thing and its bare cost in turns.

use std::time::{Duration, Instant};

/// Figures of the same thing, measured several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The middle one; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    pub(crate) fn figures(&self) -> &[f64] {
        &self.0
    }
}

/// Two things that were measured in turns, so that whatever else the machine did met both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pair {
    pub(crate) ours: Series,
    pub(crate) bare: Series,
}

impl Pair {
    /// Measures `ours` and `bare` in turns, so often, after one round that does not count.
    pub(crate) fn in_turns(
        rounds: usize,
        mut ours: impl FnMut() -> f64,
        mut bare: impl FnMut() -> f64,
    ) -> Self {
        let mut pair = Self::default();
        let _ = (ours(), bare());
        for _ in 0..rounds {
            pair.ours.push(ours());
            pair.bare.push(bare());
        }
        pair
    }

    /// Ours by bare, round by round.
    pub(crate) fn ratio(&self) -> Series {
        let rounds = self.ours.figures().iter().zip(self.bare.figures());
        Series(rounds.map(|(ours, bare)| ours / bare).collect())
    }
}

/// How long this takes, in milliseconds.
pub(crate) fn millis<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let done = work();
    let taken = start.elapsed();
    drop(done);
    taken.as_secs_f64() * 1e3
}

/// So many in this time, for each second.
#[allow(clippy::cast_precision_loss, reason = "counts are small")]
pub(crate) fn per_second(count: usize, taken: Duration) -> f64 {
    count as f64 / taken.as_secs_f64()
}
