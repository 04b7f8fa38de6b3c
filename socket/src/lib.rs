//! The socket layer of chat-server and presence-server: RFC 6455 on actix-http, without a rule of the product in it.
//!
//! Reading order: [`handshake`] (who asks, from where) → [`mod@upgrade`] → [`connection`] (the loop of one socket), which
//! stands on [`payload_guard`] + [`inbound`] (what comes in), [`outbound`] (what goes out), [`pulse`] (pings) and
//! [`close`]. Everything of one connection lives on one worker thread: `Rc`, no locks.

pub mod close;
pub mod connection;
pub mod handshake;
pub mod inbound;
pub mod outbound;
pub mod payload_guard;
pub mod pulse;
pub mod upgrade;

pub use close::CloseCode;
pub use connection::{Connection, Flow, Handshake, Limits, Session, Step};
pub use handshake::{Credential, bearer, credential, origin_allowed};
pub use inbound::Inbound;
pub use outbound::{Cork, Outbound, Pushed, QueueLimits, Replay, binary_frame, text_frame};
pub use pulse::Pulse;
pub use upgrade::{Serve, Upgrade, upgrades};

/// Names a connection, once in this process: services that share one do not share a number.
pub fn next_connection_id() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
