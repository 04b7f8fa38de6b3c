//! `chatapp verify`: does this deployment keep the promise? Real clients talk through real sockets that are cut at
//! random; then what each was told is compared with what is stored.
//!
//! Reading order: `command` (the command line) → [`Run`] (from accounts to verdict) → `person`, `act` (what a client
//! does) → `listen` (what it is told) → `ledger` (the judge) → `report`.

pub mod breach;
pub mod command;
pub mod ledger;
pub mod report;

mod act;
mod listen;
mod meter;
mod person;
mod run;
mod shared;

use std::time::Duration;

pub use report::Report;
pub use run::Run;
pub use shared::Counts;

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Address of the api-server.
    pub api: String,
    /// chat-servers, taken in turn; none: those that the registry names.
    pub chat: Vec<String>,
    pub users: usize,
    /// Every user is in all of them.
    pub rooms: usize,
    /// Messages a second, of all users together; edits, deletions, reactions and marks come on top.
    pub rate: f64,
    /// About how often each user's connection is cut; `None`: never.
    pub cut_every: Option<Duration>,
    /// What is done follows from it; when it happens does not.
    pub seed: u64,
    /// After the load, every member must have been told of everything within this time.
    pub quiet_within: Duration,
}

impl Plan {
    /// A plan for the deployment at `api`, with a small load.
    pub fn new(api: impl Into<String>) -> Self {
        Self {
            api: api.into(),
            chat: Vec::new(),
            users: 20,
            rooms: 3,
            rate: 40.0,
            cut_every: Some(Duration::from_secs(10)),
            seed: rand::random::<u64>() >> 16,
            quiet_within: Duration::from_secs(60),
        }
    }
}

/// Hears in words what a run is about to do, for a person who waits.
pub type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);
