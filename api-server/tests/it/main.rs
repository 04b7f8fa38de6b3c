//! The api-server over HTTP, on both engines. Every answer, in every test, is held to the rules of [`support::Answer`].
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod accounts;
mod bad_input;
mod cors;
mod document;
mod gateway;
mod history;
mod logs;
mod messages;
mod outage;
mod people;
mod privacy;
mod registry;
mod rooms;
mod support;
mod tokens;
