//! Presence, as clients see it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod external;
mod focus;
mod lease;
mod outage;
mod presence;
mod process;
mod servers;
mod states;
mod storm;
mod support;
mod watching;
