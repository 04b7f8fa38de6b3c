//! Engine.IO 4: messages over a WebSocket, or over HTTP requests until a WebSocket takes their place. Without a word of
//! what the messages say: a session is served by whoever serves a [`socket::Connection`].
//!
//! Reading order: [`packet`] (the spelling) → [`engine`] (the sessions of a service, and where requests find them) →
//! [`source`] (what a session hears) and [`polled`] (how it speaks without a socket) → [`http`] and [`upgrade`] (the two
//! doors). A session lives on one worker; requests come on any, and reach it by its bounded mailbox.

pub mod engine;
pub mod fault;
pub mod http;
pub mod packet;
pub mod polled;
pub mod source;
pub mod upgrade;

pub use engine::{Allowance, Config, Engine, Opened, Serve, new_sid};
pub use fault::Fault;
pub use source::Source;
