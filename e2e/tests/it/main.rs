//! The whole system, from outside.
#![expect(clippy::unwrap_used, reason = "tests")]

mod durability;
mod presence;
mod stopping;
mod story;
mod support;
mod usage;
