//! The api-server over HTTP, on both engines. Every answer, in every test, is held to the rules of [`support::Answer`].
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod accounts;
mod attachments;
mod avatars;
mod bad_input;
mod blocks;
mod changes;
mod cors;
mod document;
mod external;
mod gateway;
mod history;
mod invites;
mod jwt;
mod logs;
mod marks;
mod mentions;
mod messages;
mod once;
mod outage;
mod people;
mod privacy;
mod rates;
mod recovery;
mod registry;
mod replies;
mod requests;
mod retention;
mod roles;
mod rooms;
mod search;
mod sessions;
mod sockets;
mod stand_in;
mod support;
mod tokens;
