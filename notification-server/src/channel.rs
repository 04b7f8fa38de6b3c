//! What a channel is: one way a notification reaches a user. A new one is a file in `channel/`, an entry in
//! [`Channels::new`] and its name in `domain::notifications::CHANNELS`; the worker does not change.

mod email;
mod inbox;
mod push;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::Domain;
use shared::{NotificationId, Timestamp};
use store::{Job, PushKind};

pub use self::push::web_push::WebPush;
use self::{
    email::Email,
    inbox::Inbox,
    push::{apns::Apns, fcm::Fcm, webhook::Webhook},
};
use crate::outgoing::Outgoing;

/// What came of one attempt. Texts are shown to whoever sent the notification.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is where the user finds it.
    Delivered { detail: Option<String> },
    /// The user is not to have it, or has nothing that takes it; that is no failure.
    Suppressed { why: String },
    /// Not now: try again, not before `after` where the other side named it.
    Retry { why: String, after: Option<Duration> },
    /// Not before `until`, as the user wishes; that is no failure either.
    Held { why: String, until: Timestamp },
    /// Another notification carries it, with others: it is told of as that one stands.
    Gathered { into: NotificationId },
    /// Never, however often it is tried.
    Failed { why: String },
}

#[async_trait]
pub trait Channel: Send + Sync {
    /// As requests and states spell it; the same for the life of the deployment.
    fn name(&self) -> &'static str;
    /// The subscriptions it serves, if any: each of a user's is a place of its own, `NAME/ID`, and is tried, retried and
    /// told of by itself. Otherwise the name alone is the place.
    fn kind(&self) -> Option<PushKind> {
        None
    }
    /// Do jobs that name no channels go by it? Otherwise only those that name it.
    fn is_for_all(&self) -> bool {
        true
    }
    /// Delivers to the job's user at a place, within 30 s (then it counts as `Retry`). The same job may come again after
    /// a crash: a channel that can recognise it by (id, user) does.
    async fn deliver(&self, job: &Job, place: &str) -> Outcome;
}

/// The channels that are configured.
pub struct Channels {
    pub all: Vec<Arc<dyn Channel>>,
    /// One of them, which also tells browsers its key.
    pub web_push: Option<Arc<WebPush>>,
}

impl Channels {
    /// Fails where a setting cannot be right, or the system has no certificates.
    pub fn new(domain: &Domain) -> anyhow::Result<Self> {
        let settings = &domain.settings.notification;
        let outgoing = Outgoing::new(settings.allow_private_targets)?;
        let mut all: Vec<Arc<dyn Channel>> =
            vec![Arc::new(Inbox::new(domain.clone())), Arc::new(Email::new(domain.clone())?)];
        let contact = settings.webpush.contact.clone();
        let web_push = contact.map(|contact| Arc::new(WebPush::new(domain.clone(), outgoing.clone(), contact)));
        if let Some(web_push) = &web_push {
            all.push(web_push.clone());
        }
        if let Some(fcm) = Fcm::new(domain.clone(), &settings.fcm)? {
            all.push(Arc::new(fcm));
        }
        if let Some(apns) = Apns::new(domain.clone(), &settings.apns)? {
            all.push(Arc::new(apns));
        }
        if settings.webhooks {
            all.push(Arc::new(Webhook::new(domain.clone(), outgoing)));
        }
        Ok(Self { all, web_push })
    }
}
