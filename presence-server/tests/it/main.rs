//! Presence, as clients see it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod external;
mod presence;
mod process;
mod servers;
mod states;
mod support;
