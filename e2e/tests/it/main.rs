//! The whole system, from outside.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod changes;
mod durability;
mod faults;
mod model;
mod presence;
mod resumes;
mod stopping;
mod story;
mod support;
mod tour;
mod usage;
mod verify;
