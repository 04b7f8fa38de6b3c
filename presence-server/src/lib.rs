//! `/presence`: who is there. Users set their status and watch others; every change is told once to each watcher.
//!
//! Reading order: [`server`] → `routes` → `session` (what a connection asks) → `hub` (what it is told).

mod hub;
mod routes;
pub mod server;
mod session;

pub use server::Server;
