//! The in-app inbox, which every user has. Idempotent: the store keeps an item once by its id.

use std::hash::{BuildHasher, RandomState};

use async_trait::async_trait;
use domain::{
    Domain, DomainError,
    notifications::{INBOX, inbox_item},
};
use store::Job;
use tokio::sync::Mutex;

use super::{Channel, Outcome};
use crate::worker::OVERTAKEN;

/// Locks that users share; what waits for one is bounded by the jobs in delivery.
const LOCKS: usize = 64;

pub struct Inbox {
    domain: Domain,
    /// One job at a time for each user, in the order they were claimed: a later one takes the place of an earlier one
    /// of its key, never the other way round.
    locks: [Mutex<()>; LOCKS],
    hasher: RandomState,
}

impl Inbox {
    pub fn new(domain: Domain) -> Self {
        Self { domain, locks: [const { Mutex::const_new(()) }; LOCKS], hasher: RandomState::new() }
    }

    async fn add(&self, job: &Job) -> domain::Result<Outcome> {
        let place = self.hasher.hash_one(job.user) as usize % LOCKS;
        let _turn = self.locks[place].lock().await;
        if self.domain.notifications.superseded(job).await? {
            return Ok(Outcome::Suppressed { why: OVERTAKEN.into() });
        }
        self.domain.store.inboxes.add_to_inbox(job.user, &inbox_item(job), job.collapse_key.as_deref()).await?;
        Ok(Outcome::Delivered { detail: None })
    }
}

#[async_trait]
impl Channel for Inbox {
    fn name(&self) -> &'static str {
        INBOX
    }

    async fn deliver(&self, job: &Job, _: &str) -> Outcome {
        match self.add(job).await {
            Ok(outcome) => outcome,
            Err(DomainError::Unavailable(_)) => Outcome::Retry { why: "the store is away".into(), after: None },
            Err(e) => {
                e.log();
                Outcome::Retry { why: "internal error".into(), after: None }
            }
        }
    }
}
