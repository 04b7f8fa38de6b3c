//! What a notifier needs: rooms with something new, the durable outbox, and each user's inbox.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{InstanceId, MessageId, NotificationId, RoomId, Timestamp, UserId};

use crate::{Marks, Membership, PageRequest, Result, StoredMessage};

/// A room whose new messages have not been considered for notification.
#[derive(Debug, Clone, PartialEq)]
pub struct DueRoom {
    pub room: RoomId,
    /// Messages up to this one have been considered.
    pub notified_seq: u64,
    /// The room's head now.
    pub head_seq: u64,
}

/// What a notifier reads to decide who is told of a room's new messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Briefing {
    /// Members the room has.
    pub member_count: u64,
    pub messages: Vec<StoredMessage>,
    /// A page of the members, in order of joining.
    pub members: Vec<(Membership, Marks)>,
}

/// What a notifier decided for one member about the messages after `after`, up to `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    #[serde(default)]
    pub after: u64,
    pub seq: u64,
    pub at: Timestamp,
    /// The job that was queued; none: suppressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<NotificationId>,
    /// Why nothing was queued: `online`, `blocked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[async_trait]
pub trait NotifyQueue: Send + Sync {
    /// Keeps the last outcome for each of these members, for whoever asks what became of a message. Leaving the room
    /// removes it; of a room that is gone nothing is kept.
    async fn put_outcomes(&self, room: RoomId, outcomes: &[(UserId, Outcome)]) -> Result<()>;
    /// The last outcome for each of these members, in order.
    async fn outcomes(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Option<Outcome>>>;
    /// What is to be known of a room: up to `limit` members who joined after the `rev` `after`, with their marks, and a
    /// page of messages where one is asked for. One trip to the store. `None`: there is no such room.
    async fn brief(
        &self,
        room: RoomId,
        messages: Option<PageRequest>,
        after: u64,
        limit: usize,
    ) -> Result<Option<Briefing>>;
    /// Rooms due at `now`, none twice. Each is hidden from other takers for `lease`, then due again unless concluded; a
    /// lease of zero hides it from nobody, so whoever takes until nothing is due must conclude what they take.
    async fn take_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<DueRoom>>;
    /// Messages up to `seq` are considered (the mark only moves forward), and this came of it for these members, kept as
    /// [`Self::put_outcomes`] keeps it: both happen, or neither. The room leaves the queue if that is its head; else it
    /// is due at once. Of a room that is gone nothing is kept.
    async fn conclude(&self, room: RoomId, seq: u64, outcomes: &[(UserId, Outcome)]) -> Result<()>;
}

/// What a job says by e-mail in place of a title and a body: a letter about an account.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Letter {
    /// To whoever has this address, if anybody has. Nobody is looked for before it is written: the job's user is made up.
    ResetPassword { address: String, secret: String },
    /// Asks the user whether the account's address is theirs.
    VerifyAddress { secret: String },
    /// Tells the user that it was done.
    PasswordChanged,
    /// What came in a room while the user was away: no letter about an account, but a notification. Which messages is
    /// known to [`Mails`](crate::Mails).
    Unread { room: RoomId },
}

impl Letter {
    /// The room of a [`Letter::Unread`].
    pub const fn room(&self) -> Option<RoomId> {
        match self {
            Self::Unread { room } => Some(*room),
            Self::ResetPassword { .. } | Self::VerifyAddress { .. } | Self::PasswordChanged => None,
        }
    }
}

/// Without secret and address: what is printed may be logged.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::ResetPassword { .. } => "ResetPassword",
            Self::VerifyAddress { .. } => "VerifyAddress",
            Self::PasswordChanged => "PasswordChanged",
            Self::Unread { .. } => "Unread",
        })
    }
}

/// One notification for one user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The request it belongs to; (id, user) names the job.
    pub id: NotificationId,
    pub user: UserId,
    pub title: String,
    pub body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Only these; none: all the user has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// A later one with the same key takes this one's place while unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse_key: Option<String>,
    /// Not delivered after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// For a message: which. It stands for those of the room after `after`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    #[serde(default)]
    pub after: u64,
    /// Unread messages in all rooms. Not kept: read when it is delivered, as the texts of messages are.
    #[serde(skip)]
    pub badge: Option<u64>,
    /// What it is instead of a notification. Gone with the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<Letter>,
    /// Of all that was asked for, where the asker's key names the request: tells a repeat from another request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hash: Option<u64>,
}

/// How a job stands on one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub channel: String,
    /// `queued | delivered | suppressed | failed`; or `gathered`: another notification carries it, whose id is the detail.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How often it was tried, those included of which nobody lived to say what came of them.
    #[serde(default)]
    pub tries: u32,
    /// While `queued`: when it is tried (again).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// It waits because the user wishes so, for no failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    pub at: Timestamp,
}

/// How a job stands. `done`: no attempt will follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    pub user: UserId,
    pub done: bool,
    pub attempts: Vec<Attempt>,
    /// The claim that came to this, from 1; 0: none did. What was claimed since then has not ended.
    #[serde(default)]
    pub claim: u32,
    /// As in the [`Job`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hash: Option<u64>,
}

impl JobState {
    /// Of a job that was never tried.
    pub(crate) const fn untried(job: &Job) -> Self {
        Self { user: job.user, done: false, attempts: Vec::new(), claim: 0, request_hash: job.request_hash }
    }
}

/// A job in the hands of a consumer.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    pub job: Job,
    /// From 1.
    pub attempt: u32,
    /// Names this claim to the store.
    pub receipt: String,
}

/// Jobs that are not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Anybody may take them up.
    pub due: u64,
    /// Under way, held by their user's wish, or to be tried again.
    pub later: u64,
}

#[async_trait]
pub trait Outbox: Send + Sync {
    /// Stored when it returns. Jobs with an (id, user) already there are not added again.
    async fn enqueue(&self, jobs: &[Job]) -> Result<()>;
    /// Jobs for this consumer: those never tried, those due again, and those whose claim is older than `lease`.
    async fn claim(
        &self,
        consumer: InstanceId,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<ClaimedJob>>;
    /// How many jobs there are. On the embedded engine O(jobs).
    async fn backlog(&self, now: Timestamp) -> Result<Backlog>;
    /// Ends the claim. With `retry_at` the job is due again then; without, it is over. `state` is what is told of it.
    async fn settle(&self, claimed: &ClaimedJob, state: &JobState, retry_at: Option<Timestamp>) -> Result<()>;
    /// The states of a request's jobs, in order of user; empty: no such request. Kept for 7 days.
    async fn states(&self, id: NotificationId) -> Result<Vec<JobState>>;
    /// The states of these users' jobs of a request, in order; `None`: no such job.
    async fn states_of(&self, id: NotificationId, users: &[UserId]) -> Result<Vec<Option<JobState>>>;
}

/// A notification in a user's inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxItem {
    pub id: NotificationId,
    pub title: String,
    pub body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
}

/// Items an inbox keeps; the oldest go.
pub const INBOX_KEPT: usize = 500;

#[async_trait]
pub trait Inboxes: Send + Sync {
    /// Adds an item, once by id: a change in the user's own log, published. An unread one with the same `collapse_key`
    /// goes.
    async fn add_to_inbox(&self, user: UserId, item: &InboxItem, collapse_key: Option<&str>) -> Result<()>;
    /// Newest first by (created_at, id), those strictly before the item `before`.
    async fn inbox(&self, user: UserId, before: Option<NotificationId>, limit: usize) -> Result<Vec<InboxItem>>;
    /// How many are unread. O(1); on the embedded engine it looks through the inbox.
    async fn inbox_unread(&self, user: UserId) -> Result<u64>;
    /// `false`: no such item. Reading one that was unread is a change in the user's own log, published; reading one twice
    /// keeps the first time, and is none.
    async fn mark_inbox_read(&self, user: UserId, id: NotificationId, at: Timestamp) -> Result<bool>;
    /// How many were unread. Where there were some, it is one change in the user's own log, published.
    async fn mark_inbox_all_read(&self, user: UserId, at: Timestamp) -> Result<u64>;
}
