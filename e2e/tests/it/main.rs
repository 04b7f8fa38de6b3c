//! The whole system, from outside.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod usage;
