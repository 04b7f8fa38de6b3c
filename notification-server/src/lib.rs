//! The notification-server: takes notifications over REST, notices what absent members have not read, and carries
//! both out by channels, from a durable outbox.
//!
//! Reading order: [`server`] → [`routes`] → [`auth`] → [`notifier`] → [`worker`] → [`progress`] → [`retry`] →
//! [`channel`] → [`outgoing`]. The rules of who is told of what are in `domain::notifications`.

pub mod auth;
mod backlog;
pub mod channel;
mod notifier;
mod outage;
mod outgoing;
mod progress;
mod retry;
pub mod routes;
pub mod server;
mod worker;

pub use channel::{Channel, Outcome};
pub use retry::Schedule;
pub use server::Server;
