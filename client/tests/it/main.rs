//! The connection logic against servers that misbehave as their scripts say.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod losses;
mod moves;
mod pace;
mod presence;
mod registry;
mod replies;
mod rest;
mod resumes;
mod support;
mod tokens;
