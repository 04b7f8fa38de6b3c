//! REST: accounts, rooms, messages, the registry, and the gateway to what other services serve.
//!
//! Reading order: [`server`] → [`routes`] (the whole URL table) → a file of `routes/` → [`receive`] → [`directory`] → [`gateway`] → [`breaker`].

mod breaker;
mod directory;
mod gateway;
mod receive;
pub mod routes;
pub mod server;

pub use server::Server;
