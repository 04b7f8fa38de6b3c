//! A user's own inbox.

use serde::Serialize;
use shared::{MessageId, NotificationId, RoomId, Timestamp, UserId};
use store::{InboxItem, Job};
use utoipa::ToSchema;

use super::Notifications;
use crate::{
    DomainError, Result, Viewer,
    pages::{ANSWER_BYTES, fitting, page_limit},
};

/// Inbox items a page gives at most.
const MAX_PAGE: usize = 100;
/// Inbox items among which a later message of the same room is looked for.
const SUPERSEDING: usize = 20;

/// A notification in the caller's inbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    pub id: NotificationId,
    pub title: String,
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    pub created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
}

/// One page of the inbox, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPage {
    pub items: Vec<Notification>,
    /// How many of the whole inbox are unread.
    pub unread: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Notifications {
    /// Newest first; `limit` is 1 to 100, default 50. A page that would be too long as JSON has fewer.
    pub async fn inbox(&self, viewer: &Viewer, cursor: Option<&str>, limit: Option<usize>) -> Result<NotificationPage> {
        let before: Option<NotificationId> = match cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?),
            None => None,
        };
        let limit = page_limit(limit, 50, MAX_PAGE)?;
        let (items, unread) = tokio::try_join!(
            self.store.inboxes.inbox(viewer.user, before, limit),
            self.store.inboxes.inbox_unread(viewer.user)
        )?;
        let more = items.len() == limit;
        let items = self.with_texts(viewer.user, items).await?;
        let mut items: Vec<Notification> = items.into_iter().map(to_notification).collect();
        let fitting = fitting(&items, ANSWER_BYTES);
        let next_cursor = (more || fitting < items.len()).then(|| items.get(fitting.saturating_sub(1))).flatten();
        let next_cursor = next_cursor.map(|item| item.id.to_string());
        items.truncate(fitting);
        Ok(NotificationPage { items, unread, next_cursor })
    }

    /// How many of a user's inbox are unread.
    pub async fn unread(&self, user: UserId) -> Result<u64> {
        Ok(self.store.inboxes.inbox_unread(user).await?)
    }

    /// The user's devices are told.
    pub async fn mark_read(&self, viewer: &Viewer, id: NotificationId) -> Result<()> {
        match self.store.inboxes.mark_inbox_read(viewer.user, id, Timestamp::now()).await? {
            true => Ok(()),
            false => Err(DomainError::NotFound("there is no such notification in your inbox")),
        }
    }

    /// How many were unread. The user's devices are told.
    pub async fn mark_all_read(&self, viewer: &Viewer) -> Result<u64> {
        Ok(self.store.inboxes.mark_inbox_all_read(viewer.user, Timestamp::now()).await?)
    }

    /// Has a later message of the same room reached the recipient's inbox already? Then this one, which was held up,
    /// is not to take its place. Looks at the newest items, and at one message where there is a later one.
    pub async fn superseded(&self, job: &Job) -> Result<bool> {
        let Some(id) = job.message else { return Ok(false) };
        let newest = self.store.inboxes.inbox(job.user, None, SUPERSEDING).await?;
        let seq = |item: &InboxItem| item.data.as_ref().and_then(|data| data["seq"].as_u64());
        let later = newest.iter().filter(|item| item.room == Some(id.room)).filter_map(seq).filter(|seq| *seq > id.seq);
        let Some(later) = later.max() else { return Ok(false) };
        // One that is deleted tells nothing.
        let message = self.store.log.message(MessageId { room: id.room, seq: later }).await?;
        Ok(message.is_some_and(|message| message.deleted_at.is_none()))
    }
}

/// The inbox item of a job; that of a message without its texts, which are filled in when it is shown.
pub fn inbox_item(job: &Job) -> InboxItem {
    let kept = |text: &String| if job.message.is_some() { String::new() } else { text.clone() };
    InboxItem {
        id: job.id,
        title: kept(&job.title),
        body: kept(&job.body),
        data: job.data.clone(),
        category: job.category.clone(),
        room: job.message.map(|message: MessageId| message.room),
        created_at: job.created_at,
        read_at: None,
    }
}

/// An inbox item as clients see it.
fn to_notification(item: InboxItem) -> Notification {
    Notification {
        id: item.id,
        title: item.title,
        body: item.body,
        data: item.data,
        category: item.category,
        room_id: item.room,
        created_at: item.created_at,
        read_at: item.read_at,
    }
}
