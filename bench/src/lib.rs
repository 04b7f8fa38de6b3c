//! The load generator for users of ChatApp: what a deployment carries, and what that costs.
//!
//! One thread and one task for each connection: no lock on the way of a delivery, and one core's worth of load.
//!
//! Reading order: `cli` (options) → `workload` (what is done) → `target`, `cast` (by REST: users and rooms) → `fleet`,
//! `line` (connections) → `pace` (when messages are due) → `hall`, `frame` (what is said and heard) → `judge` (whether
//! all of it came) → `meter`, `process` (what it costs) → `latency`, `report`, `plot`.

pub mod cast;
pub mod cli;
pub mod fleet;
pub mod frame;
pub mod hall;
pub mod judge;
pub mod latency;
pub mod line;
pub mod meter;
pub mod pace;
pub mod pages;
pub mod plot;
pub mod process;
pub mod progress;
pub mod report;
pub mod resident;
pub mod target;
pub mod workload;
