//! How long a message takes from its sender to another member: measured on the clock of this process, where both were
//! connected all the while. What comes by a resume is counted, not timed: that would time the loss.

use std::{collections::HashMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::ledger::Device;

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    #[serde(rename = "p99.9")]
    pub p999: f64,
    /// How many were measured.
    pub samples: u64,
}

#[derive(Debug)]
pub(super) struct Meter {
    /// When each message was first sent, by which device; by key. One for each message of the run.
    sent: HashMap<String, (Instant, Device)>,
    /// Since when each device is connected.
    since: HashMap<Device, Instant>,
    /// Microseconds.
    histogram: Histogram<u64>,
}

/// Whatever takes longer counts as this.
const LONGEST: Duration = Duration::from_secs(600);

impl Meter {
    pub fn new() -> anyhow::Result<Self> {
        let longest = u64::try_from(LONGEST.as_micros())?;
        let histogram = Histogram::new_with_bounds(1, longest, 3)?;
        Ok(Self { sent: HashMap::new(), since: HashMap::new(), histogram })
    }

    pub fn connected(&mut self, device: Device) {
        self.since.insert(device, Instant::now());
    }

    pub fn disconnected(&mut self, device: Device) {
        self.since.remove(&device);
    }

    pub fn sent(&mut self, key: &str, device: Device) {
        self.sent.insert(key.to_owned(), (Instant::now(), device));
    }

    /// Another device was told of the message.
    pub fn received(&mut self, key: &str, device: Device) {
        let Some((sent, author)) = self.sent.get(key) else { return };
        let steady = |device| self.since.get(device).is_some_and(|since| since < sent);
        if device != *author && steady(&device) && steady(author) {
            let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.histogram.saturating_record(micros.max(1));
        }
    }

    pub fn latency(&self) -> Latency {
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999), samples: self.histogram.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_timed_where_both_ends_were_connected_all_the_while() {
        let mut meter = Meter::new().unwrap();
        let ago = |millis| Instant::now().checked_sub(Duration::from_millis(millis)).unwrap();
        meter.since = [(1, ago(90)), (2, ago(90)), (3, ago(10))].into();
        meter.sent.insert("a".into(), (ago(50), 1));
        for device in [1, 2, 3, 4] {
            meter.received("a", device);
        }
        let latency = meter.latency();
        assert_eq!(latency.samples, 1, "only device 2 heard it from another, as a listener from before");
        assert!(latency.p50 >= 50.0, "{latency:?}");
        meter.disconnected(1);
        meter.received("a", 2);
        assert_eq!(meter.latency().samples, 1);
    }
}
