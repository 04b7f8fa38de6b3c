//! How chat-server serves clients of Socket.IO.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIo {
    /// Is `/socket.io/` served at all?
    pub enabled: bool,
    /// How often the server pings.
    pub ping_interval_ms: u64,
    /// How long the answer may take; then the session ends.
    pub ping_timeout_ms: u64,
    /// Bytes of the answer to a poll, and of what a client puts into one request.
    pub max_payload: usize,
    /// Sessions of one instance that were begun by long-polling.
    pub sessions: usize,
}

impl Default for SocketIo {
    fn default() -> Self {
        Self {
            enabled: true,
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            max_payload: 1_000_000,
            sessions: 10_000,
        }
    }
}

impl SocketIo {
    pub fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval_ms)
    }

    pub fn ping_timeout(&self) -> Duration {
        Duration::from_millis(self.ping_timeout_ms)
    }
}
