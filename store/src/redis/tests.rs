//! Tests of the engine itself: what only it knows (half done work, lost connections, slots, errors of the server).
//! What every engine must do is in the conformance suite.

mod bus;
mod deletions;
mod faults;
mod growth;
mod halves;
mod leavings;
mod operations;
mod replicas;
mod room;
mod server;
mod user_log;
