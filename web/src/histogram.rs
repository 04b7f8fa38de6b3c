//! A histogram of times in a few atomic numbers: counting costs two additions, and nothing is kept of what was counted.
//! (The recorder's own keeps every sample until somebody asks.)

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;

/// Upper bounds of the buckets, in milliseconds; one more has no bound.
const BOUNDS: [u64; 14] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000];

/// What `/metrics` shows beside the recorder; bounded by the histograms there are in the code.
static SHOWN: Mutex<Vec<&'static Histogram>> = Mutex::new(Vec::new());

/// One for each process; a `static`.
pub struct Histogram {
    name: &'static str,
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Milliseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// `name` ends with `_seconds`.
    pub const fn new(name: &'static str) -> Self {
        Self { name, counts: [const { AtomicU64::new(0) }; BOUNDS.len() + 1], sum: AtomicU64::new(0) }
    }

    /// From now on `/metrics` shows it. Again is fine.
    pub fn show(&'static self) {
        let mut shown = SHOWN.lock();
        if !shown.iter().any(|other| std::ptr::eq(*other, self)) {
            shown.push(self);
        }
    }

    pub fn count(&self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.counts[BOUNDS.partition_point(|bound| *bound < ms)].fetch_add(1, Relaxed);
        self.sum.fetch_add(ms, Relaxed);
    }

    /// In Prometheus' text format.
    fn render(&self, text: &mut String) -> std::fmt::Result {
        let Self { name, counts, sum } = self;
        writeln!(text, "# TYPE {name} histogram")?;
        let mut all = 0;
        for (count, bound) in counts.iter().zip(BOUNDS) {
            all += count.load(Relaxed);
            writeln!(text, "{name}_bucket{{le=\"{}\"}} {all}", seconds(bound))?;
        }
        all += counts[BOUNDS.len()].load(Relaxed);
        writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {all}")?;
        writeln!(text, "{name}_sum {}\n{name}_count {all}", seconds(sum.load(Relaxed)))
    }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

/// Adds what is shown.
pub(crate) fn render(text: &mut String) {
    for histogram in SHOWN.lock().iter() {
        // A string takes all that is written to it.
        let _ = histogram.render(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_holds_what_is_at_most_its_bound() {
        static TRIED: Histogram = Histogram::new("tried_seconds");
        TRIED.show();
        TRIED.show();
        for ms in [0, 1, 2, 3, 60_000, 60_001] {
            TRIED.count(Duration::from_millis(ms));
        }
        let mut text = String::new();
        render(&mut text);
        for line in [
            "# TYPE tried_seconds histogram",
            "tried_seconds_bucket{le=\"0.001\"} 2",
            "tried_seconds_bucket{le=\"0.002\"} 3",
            "tried_seconds_bucket{le=\"0.005\"} 4",
            "tried_seconds_bucket{le=\"10\"} 4",
            "tried_seconds_bucket{le=\"60\"} 5",
            "tried_seconds_bucket{le=\"+Inf\"} 6",
            "tried_seconds_sum 120.007",
            "tried_seconds_count 6",
        ] {
            assert_eq!(text.lines().filter(|shown| *shown == line).count(), 1, "{line}\n{text}");
        }
    }
}
