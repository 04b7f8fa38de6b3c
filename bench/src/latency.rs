//! Latencies: counted in a histogram of fixed size (3 digits, up to an hour), told as percentiles in milliseconds.

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// An hour; what takes longer counts as an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// The percentiles of a curve.
const CURVE: [f64; 14] = [0.0, 25.0, 50.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999];

/// Microseconds.
pub fn histogram() -> Histogram<u64> {
    // The bounds are constants that the constructor accepts.
    Histogram::new_with_bounds(1, LONGEST_US, 3).unwrap_or_else(|_| unreachable!("constant bounds"))
}

/// Counts a latency in microseconds.
pub fn record(histogram: &mut Histogram<u64>, micros: u64) {
    histogram.saturating_record(micros.max(1));
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    pub samples: u64,
    /// `[percentile, milliseconds]`, as far as there are samples enough to tell.
    #[serde(default)]
    pub curve: Vec<(f64, f64)>,
}

impl Latency {
    /// `None` where nothing was counted.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let samples = histogram.len();
        if samples == 0 {
            return None;
        }
        let at = |percentile: f64| millis(histogram.value_at_percentile(percentile));
        let told = |percentile: &f64| (1.0 - percentile / 100.0) * samples as f64 >= 1.0;
        let mut curve: Vec<_> = CURVE.into_iter().filter(told).map(|p| (p, at(p))).collect();
        curve.push((100.0, millis(histogram.max())));
        Some(Self {
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: millis(histogram.max()),
            samples,
            curve,
        })
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { p50, p90, p99, p999, max, .. } = self;
        write!(f, "p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {max:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_told_in_milliseconds() {
        let mut counted = histogram();
        (1..=1000).for_each(|ms| record(&mut counted, ms * 1000));
        let latency = Latency::of(&counted).unwrap();
        for (told, expected) in [(latency.p50, 500.0), (latency.p99, 990.0), (latency.max, 1000.0)] {
            assert!((told - expected).abs() / expected < 0.002, "{told} {expected}");
        }
        assert_eq!(latency.samples, 1000);
    }

    #[test]
    fn a_curve_ends_where_samples_are_too_few_and_then_with_the_worst() {
        let mut counted = histogram();
        (1..=100).for_each(|ms| record(&mut counted, ms * 1000));
        let curve = Latency::of(&counted).unwrap().curve;
        let told: Vec<_> = curve.iter().map(|(percentile, _)| *percentile).collect();
        assert_eq!(told[told.len() - 2..], [99.0, 100.0]);
    }

    #[test]
    fn nothing_counted_is_no_latency_and_beyond_an_hour_is_an_hour() {
        let mut counted = histogram();
        assert_eq!(Latency::of(&counted), None);
        record(&mut counted, u64::MAX);
        assert!(Latency::of(&counted).unwrap().max >= 3_600_000.0);
    }
}
