//! `/chat`: commands in, events out, for every room of a user on every device.
//!
//! Reading order: [`server`] → [`routes`] (the URL table and the upgrade) → [`session`] (what a client's frames do) →
//! [`hub`] (what the bus brings, and who gets it) → [`dialect`] (how frames are spelt) → [`socketio`] (clients that
//! connect another way).

pub mod dialect;
pub mod hub;
pub mod routes;
pub mod server;
pub mod session;
pub mod socketio;

pub use server::Server;
