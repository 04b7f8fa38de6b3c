//! The Rust client of ChatApp: REST ([`Api`]), `/chat` ([`Chat`]) and `/presence` ([`Presence`]).
//!
//! A connection keeps itself: it answers and sends pings, comes back after a loss with jittered delays, obeys close
//! codes and `RECONNECT`, renews its token, and repeats messages without a reply under the same `clientMessageId`, so
//! that none is doubled. After each return the event [`Event::Gap`] says that events may have been missed.
//!
//! Reading order: `api` → `chat`, `presence` → `socket` → `pending`, `disconnect`, `backoff`, `events`.

pub mod api;
mod backoff;
mod chat;
mod disconnect;
mod error;
mod events;
mod pending;
mod presence;
mod socket;
mod token;

pub use api::Api;
pub use backoff::Backoff;
pub use chat::{Ack, Chat, HistoryPage, JoinedRoom, OutgoingMessage, PageQuery, Recipient};
pub use disconnect::{Disconnect, Verdict};
pub use error::{Error, Result};
pub use events::{Event, Events, Gap, Identity};
pub use presence::{OwnStatus, Presence};
pub use shared::{self, ErrorCode, protocol};
pub use socket::Options;
pub use token::{LoginTokens, TokenProvider};
