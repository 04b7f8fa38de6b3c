//! What a channel is: one way a notification reaches a user. A new one is a file in `channel/`, an entry in [`all`]
//! and its name in `domain::notifications::CHANNELS`; the worker does not change.

mod email;
mod inbox;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::Domain;
use store::Job;

use self::{email::Email, inbox::Inbox};

/// What came of one attempt. Texts are shown to whoever sent the notification.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is where the user finds it.
    Delivered { detail: Option<String> },
    /// The user is not to have it, or has nothing that takes it; that is no failure.
    Suppressed { why: String },
    /// Not now: try again, not before `after` where the other side named it.
    Retry { why: String, after: Option<Duration> },
    /// Never, however often it is tried.
    Failed { why: String },
}

#[async_trait]
pub trait Channel: Send + Sync {
    /// As requests and states spell it; the same for the life of the deployment.
    fn name(&self) -> &'static str;
    /// Do jobs that name no channels go by it? Otherwise only those that name it.
    fn is_for_all(&self) -> bool {
        true
    }
    /// Delivers to the job's user, within 30 s (then it counts as `Retry`). The same job may come again after a
    /// crash: a channel that can recognise it by (id, user) does.
    async fn deliver(&self, job: &Job) -> Outcome;
}

/// The channels of this version; an error names the setting that cannot be right.
pub fn all(domain: &Domain) -> anyhow::Result<Vec<Arc<dyn Channel>>> {
    Ok(vec![Arc::new(Inbox::new(domain.clone())), Arc::new(Email::new(domain.clone())?)])
}
