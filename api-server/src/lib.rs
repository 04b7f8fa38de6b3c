//! REST: accounts, rooms, messages, the registry, and the gateway to the notification endpoints.
//!
//! Reading order: [`server`] → [`routes`] (the whole URL table) → a file of `routes/` → [`gateway`].

mod gateway;
pub mod routes;
pub mod server;

pub use server::Server;
