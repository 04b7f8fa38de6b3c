//! The whole system as processes, for tests: the real binaries on free ports, over an embedded store or a Redis of
//! their own, killed when the test ends. What they logged is shown when it failed.
//!
//! Reading order: [`System`] → [`Process`] → `binaries`; [`Door`].

mod binaries;
mod door;
mod logs;
mod process;
mod system;
mod wait;

pub use binaries::binary;
pub use door::Door;
pub use process::{Exit, Process, Signal};
pub use system::{Person, System};
pub use wait::{eventually, within};
