//! What server and tool use during a part of the run.

use std::time::{Duration, Instant};

use crate::process::{Processes, Usage};

/// Watches the server's processes and this one.
pub struct Meter {
    server: Processes,
    own: Processes,
}

/// A moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub at: Instant,
    pub server: Usage,
    pub own: Usage,
    /// Deliveries so far.
    pub delivered: u64,
}

/// Between two readings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    pub time: Duration,
    pub server_cpu: Duration,
    pub own_cpu: Duration,
    pub delivered: u64,
}

impl Meter {
    /// `pids`: the server's processes, with their children; none: it is not watched.
    pub fn new(pids: &[u32]) -> Self {
        Self { server: Processes::with_children(pids), own: Processes::own() }
    }

    pub fn watches_server(&self) -> bool {
        !self.server.is_empty()
    }

    pub fn read(&self, delivered: u64) -> Reading {
        Reading { at: Instant::now(), server: self.server.usage(), own: self.own.usage(), delivered }
    }
}

impl Reading {
    pub fn since(&self, earlier: &Self) -> Span {
        Span {
            time: self.at - earlier.at,
            server_cpu: self.server.cpu.saturating_sub(earlier.server.cpu),
            own_cpu: self.own.cpu.saturating_sub(earlier.own.cpu),
            delivered: self.delivered - earlier.delivered,
        }
    }
}

impl Span {
    /// Cores' worth of CPU of this process.
    pub fn own_cores(&self) -> f64 {
        self.own_cpu.as_secs_f64() / self.time.as_secs_f64().max(1e-9)
    }

    pub fn server_cores(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.time.as_secs_f64().max(1e-9)
    }
}
