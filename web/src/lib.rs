//! What the HTTP side of every service has in common: errors as problem+json, who is calling, health and metrics,
//! listening, serving, and the `main` of a service binary.
//!
//! Reading order: [`launch`] → [`server`] → [`registration`] → [`error`] → [`extract`], [`address`] → [`observe`], [`histogram`], and for
//! services with sockets [`sockets`], [`sessions`], [`expiry`], [`announced`] and [`drain`]; [`jwks`] for other products' tokens.

pub mod address;
pub mod announced;
pub mod drain;
pub mod error;
pub mod expiry;
pub mod extract;
pub mod histogram;
pub mod jwks;
pub mod launch;
pub mod observe;
mod registration;
pub mod server;
pub mod sessions;
pub mod sockets;

pub use announced::{Announced, Sockets};
pub use drain::Drain;
pub use error::{ApiResult, WebError};
pub use expiry::Expiry;
pub use extract::{Caller, CameFrom, IdempotencyKey};
pub use histogram::Histogram;
pub use observe::request_id;
pub use server::{ServiceSpec, listen, serve};
