//! Small forms of every workload against real deployments: counts, never times.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod liar;
mod options;
mod support;
mod tls;
mod workloads;
