//! A real chat-server, over a store of its own, and real sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod attachments;
mod auth;
mod bad_input;
mod blocks;
mod commands;
mod delivery;
mod drain;
mod external;
mod gaps;
mod losses;
mod messaging;
mod own_log;
mod pipelined;
mod receipts;
mod resources;
mod resume;
mod roles;
mod rooms;
mod schedule;
mod slow;
mod support;
mod typing;
mod visibility;
