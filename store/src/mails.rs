//! E-mails about rooms: jobs of the outbox that wait for what else comes, so that it is one mail.

use async_trait::async_trait;
use shared::{NotificationId, RoomId, Timestamp, UserId};

use crate::{Job, Result};

/// Messages of a room: those after `after`, up to `upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathered {
    pub after: u64,
    pub upto: u64,
}

#[async_trait]
pub trait Mails: Send + Sync {
    /// Puts messages of a room into the mail about it that is waiting for this job's user, and gives that mail's id.
    /// Where none is waiting this job, a [`Letter::Unread`](crate::Letter::Unread) of the room, is queued and becomes it,
    /// due at `due`; but not one that was queued before.
    async fn gather(&self, mail: &Job, room: RoomId, came: Gathered, due: Timestamp) -> Result<NotificationId>;
    /// What is in this mail about a room: the same each time, as nothing more goes into it from now on, until the outbox
    /// settles it for good. `None`: it is no mail that waits or is under way.
    async fn seal(&self, id: NotificationId, user: UserId, room: RoomId) -> Result<Option<Gathered>>;
}
