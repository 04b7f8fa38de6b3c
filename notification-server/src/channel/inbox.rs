//! The in-app inbox, which every user has. Idempotent: the store keeps an item once by its id.

use std::sync::Arc;

use async_trait::async_trait;
use domain::notifications::{INBOX, inbox_item};
use store::{Inboxes, Job, StoreError};

use super::{Channel, Outcome};

pub struct Inbox {
    inboxes: Arc<dyn Inboxes>,
}

impl Inbox {
    pub fn new(inboxes: Arc<dyn Inboxes>) -> Self {
        Self { inboxes }
    }
}

#[async_trait]
impl Channel for Inbox {
    fn name(&self) -> &'static str {
        INBOX
    }

    async fn deliver(&self, job: &Job) -> Outcome {
        match self.inboxes.add_to_inbox(job.user, &inbox_item(job), job.collapse_key.as_deref()).await {
            Ok(()) => Outcome::Delivered { detail: None },
            Err(StoreError::Unavailable(_)) => Outcome::Retry { why: "the store is away".into(), after: None },
            Err(e) => {
                tracing::error!(notification = %job.id, "cannot add to an inbox: {e:#}");
                Outcome::Retry { why: "internal error".into(), after: None }
            }
        }
    }
}
