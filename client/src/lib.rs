//! The Rust client of ChatApp: REST ([`Api`]), `/chat` ([`Chat`]) and `/presence` ([`Presence`]).
//!
//! A connection keeps itself: it answers and sends pings, comes back after a loss with jittered delays, obeys close
//! codes and `RECONNECT`, finds another instance where its own is gone, renews its token (of another product's before the
//! server ends the connection with it), and repeats messages without
//! a reply under the same `clientMessageId`, so that none is doubled.
//!
//! [`Chat`] resumes: it keeps the application's position in every room and in the user's own log, tells the server after
//! each return, and is sent what was missed. A position moves when the event is in the application's queue, never
//! before; so events come without a hole, without a double and in order, also to an application that reads slowly.
//! Frames are passed on as they come: a fault of the server is not covered up.
//!
//! Reading order: `api` → `chat`, `presence` → `socket` → `positions`, `events`, `pending`, `endpoint`, `disconnect`,
//! `backoff`.

pub mod api;
mod backoff;
mod chat;
mod disconnect;
mod endpoint;
mod error;
mod events;
mod pending;
mod positions;
mod presence;
mod socket;
pub mod tls;
mod token;

pub use api::Api;
pub use backoff::Backoff;
pub use chat::{Ack, Chat, HistoryPage, JoinedRoom, OutgoingMessage, PageQuery, Recipient, SyncPage};
pub use disconnect::{Disconnect, Verdict};
pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use events::{Event, Events, Identity};
pub use presence::{OwnStatus, Presence};
pub use shared::{self, ErrorCode, protocol};
pub use socket::Options;
pub use token::{LoginTokens, TokenProvider};
