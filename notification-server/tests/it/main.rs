//! The notification-server over HTTP, on both engines: each test has a store and a server of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod apps;
mod crowd;
mod delivery;
mod explain;
mod http;
mod inbox;
mod keyed;
mod letters;
mod mails;
mod messages;
mod outcomes;
mod push;
mod push_service;
mod receiver;
mod support;
