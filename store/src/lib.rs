//! Where state lives: traits by concern, two engines behind them, one conformance suite (`tests/`) for both.
//!
//! A method is a whole operation of the domain ([`RoomLog::append`], not `xadd`) and atomic unless it says otherwise.
//! "The store is down" is always [`StoreError::Unavailable`], never `false`, `None` or an empty list.
//!
//! Reading order: [`error`] → [`users`] → [`people`] → [`sessions`] → [`secrets`] → [`deletions`] → [`rooms`] →
//! [`room_admin`] → [`invites`] → [`log`] → [`attachments`] → [`user_log`] → [`bus`] → [`presence`] → [`notify`] →
//! [`mails`] → [`notify_settings`] → [`push`] → [`ops`] → [`api_keys`] → [`backup`], then an engine: [`embedded`] or [`redis`].

pub mod api_keys;
pub mod attachments;
pub mod backup;
pub mod bus;
pub mod deletions;
pub mod embedded;
pub mod error;
pub mod invites;
pub mod log;
pub mod mails;
pub mod notify;
pub mod notify_settings;
pub mod ops;
pub mod people;
pub mod presence;
pub mod push;
pub mod redis;
pub mod room_admin;
pub mod rooms;
pub mod secrets;
pub mod sessions;
pub mod user_log;
pub mod users;

use std::{sync::Arc, time::Duration};

pub use api_keys::{ApiKeyRecord, ApiKeys};
pub use attachments::{AttachmentRecord, Attachments, Orphan, UploadClaim, UploadQuota};
pub use backup::{BackedUp, Backups};
pub use bus::{Bus, BusEvent, Inbox, Signal, Subscriber, Subscriptions, Topic, UserEvent};
pub use deletions::{DELETED_USER, Deletions};
pub use error::{Result, StoreError};
pub use invites::{Invite, InviteHash, Invites, NewInvite};
pub use log::{
    Appended, Change, ChangeBody, Changes, Edit, HistoryPage, MarkEvent, Marked, Marks, Mentions, NewMessage, PageFrom,
    PageRequest, Reacting, RoomEvent, RoomLog, StoredMessage, Tally, TypingEvent,
};
pub use mails::{Gathered, Mails};
pub use notify::{
    Attempt, Backlog, Briefing, ClaimedJob, DueRoom, InboxItem, Inboxes, Job, JobState, Letter, NotifyQueue, Outbox,
    Outcome,
};
pub use notify_settings::{DoNotDisturb, NotifyPreferences, NotifySettings, Reach, RoomLevel};
pub use ops::{Draining, Finding, Health, Instance, Level, Limits, Maintenance, Registry, Service, SigningKeys, Taken};
pub use people::{Asked, Most, People, Relation, Requests};
pub use presence::{ChosenStatus, Device, Presence, PresenceState, Published, Publishing, SocketKind};
pub use push::{PushKind, PushSubscription, PushSubscriptions, WebPushKeys};
pub use room_admin::{Ban, Removal, RoleChange, RoomAdmin, RoomPatch, RoomUpdate};
pub use rooms::{Actor, Head, Joined, Membership, RoomRecord, RoomView, Rooms};
pub use secrets::{Secret, SecretKind, Secrets};
pub use sessions::{Arrival, Exchange, Login, Replaced, Rotation, SessionRecord, Sessions, Ticket, Tickets};
use shared::settings::StoreUrl;
pub use user_log::{UserChange, UserChangeBody, UserChanges, UserLog};
pub use users::{ExternalId, ProfilePatch, UserRecord, Users};

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub users: Arc<dyn Users>,
    pub people: Arc<dyn People>,
    pub sessions: Arc<dyn Sessions>,
    pub secrets: Arc<dyn Secrets>,
    pub tickets: Arc<dyn Tickets>,
    pub deletions: Arc<dyn Deletions>,
    pub signing_keys: Arc<dyn SigningKeys>,
    pub rooms: Arc<dyn Rooms>,
    pub room_admin: Arc<dyn RoomAdmin>,
    pub invites: Arc<dyn Invites>,
    pub log: Arc<dyn RoomLog>,
    pub attachments: Arc<dyn Attachments>,
    pub user_log: Arc<dyn UserLog>,
    pub bus: Arc<dyn Bus>,
    pub presence: Arc<dyn Presence>,
    pub notify_queue: Arc<dyn NotifyQueue>,
    pub outbox: Arc<dyn Outbox>,
    pub mails: Arc<dyn Mails>,
    pub inboxes: Arc<dyn Inboxes>,
    pub push: Arc<dyn PushSubscriptions>,
    pub notify_preferences: Arc<dyn NotifyPreferences>,
    pub registry: Arc<dyn Registry>,
    pub limits: Arc<dyn Limits>,
    pub maintenance: Arc<dyn Maintenance>,
    pub api_keys: Arc<dyn ApiKeys>,
    pub backups: Arc<dyn Backups>,
    pub health: Arc<dyn Health>,
}

impl Store {
    /// One engine that is everything.
    pub(crate) fn from_engine<E>(engine: Arc<E>) -> Self
    where
        E: Users + Sessions + Tickets + SigningKeys + Rooms + RoomAdmin + RoomLog + UserLog + Bus + Presence,
        E: Invites + NotifyQueue + Outbox + Inboxes + Registry + Limits + Maintenance + Health + ApiKeys + Backups,
        E: Deletions + People + Secrets + PushSubscriptions + NotifyPreferences + Attachments + Mails + 'static,
    {
        Self {
            users: engine.clone(),
            people: engine.clone(),
            sessions: engine.clone(),
            secrets: engine.clone(),
            tickets: engine.clone(),
            deletions: engine.clone(),
            signing_keys: engine.clone(),
            rooms: engine.clone(),
            room_admin: engine.clone(),
            invites: engine.clone(),
            log: engine.clone(),
            attachments: engine.clone(),
            user_log: engine.clone(),
            bus: engine.clone(),
            presence: engine.clone(),
            notify_queue: engine.clone(),
            outbox: engine.clone(),
            mails: engine.clone(),
            inboxes: engine.clone(),
            push: engine.clone(),
            notify_preferences: engine.clone(),
            registry: engine.clone(),
            limits: engine.clone(),
            maintenance: engine.clone(),
            api_keys: engine.clone(),
            backups: engine.clone(),
            health: engine,
        }
    }
}

/// Opens the engine the settings name. An embedded store can be open once, by one process.
pub async fn open(settings: &shared::settings::Store) -> Result<Store> {
    let wait = (settings.wait_replicas > 0).then(|| redis::ReplicaWait {
        replicas: settings.wait_replicas,
        within: Duration::from_millis(settings.wait_ms),
    });
    match &settings.url {
        StoreUrl::Embedded(dir) => embedded::open(dir).await,
        StoreUrl::Redis(url) => redis::open(url, &settings.key_prefix, wait).await,
        StoreUrl::RedisCluster(seeds) => redis::open_cluster(seeds, &settings.key_prefix, wait).await,
    }
}
