//! The whole system, from outside.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "seeds and reports, shown when a test fails")]

mod changes;
mod dialects;
mod durability;
mod faults;
mod growth;
mod model;
mod outbox;
mod presence;
mod registry;
mod resumes;
mod stopping;
mod story;
mod support;
mod tour;
mod usage;
mod verify;
