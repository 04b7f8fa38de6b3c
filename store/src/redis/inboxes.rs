//! Each user's inbox, in the user's tag.

use async_trait::async_trait;
use redis::cmd;
use shared::{EventId, NotificationId, Timestamp, UserId};

use super::{
    Engine, codec,
    connection::corrupt,
    scripts::{self, Call},
};
use crate::{InboxItem, Inboxes, Result, notify::INBOX_KEPT, user_log::USER_CHANGES_KEPT};

impl Engine {
    /// Gives how many items there are of what was asked for, and how many of them were unread.
    async fn mark_inbox(&self, user: UserId, at: Timestamp, id: Option<NotificationId>) -> Result<(u64, u64)> {
        let mark = Call::new(&scripts::MARK_INBOX_READ)
            .keys([self.keys.inbox_items(user), self.keys.inbox_read(user)])
            .keys([self.keys.user_log(user), self.keys.user_channel(user)])
            .arg(at.as_millis())
            .arg(EventId::random().to_string())
            .arg(codec::user::notification_read(id))
            .arg(USER_CHANGES_KEPT)
            .arg(id.map(|id| id.to_string()));
        self.connections.run("mark the inbox as read", mark).await
    }
}

#[async_trait]
impl Inboxes for Engine {
    async fn add_to_inbox(&self, user: UserId, item: &InboxItem, collapse_key: Option<&str>) -> Result<()> {
        let keys = &self.keys;
        let add = Call::new(&scripts::ADD_TO_INBOX)
            .keys([keys.inbox_items(user), keys.inbox_order(user), keys.inbox_read(user)])
            .keys([keys.inbox_collapse(user), keys.inbox_keys(user), keys.user_log(user), keys.user_channel(user)])
            .arg(item.id.to_string())
            .arg(item.created_at.as_millis())
            .arg(codec::user::stored_item(item)?)
            .arg(INBOX_KEPT)
            .arg(item.read_at.map(|at| at.as_millis().to_string()).unwrap_or_default())
            .arg(EventId::random().to_string())
            .arg(codec::user::notification(item.id))
            .arg(USER_CHANGES_KEPT)
            .arg(collapse_key);
        self.connections.run::<i64>("add to an inbox", add).await.map(drop)
    }

    async fn inbox(&self, user: UserId, before: Option<NotificationId>, limit: usize) -> Result<Vec<InboxItem>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let read = Call::new(&scripts::INBOX)
            .keys([self.keys.inbox_items(user), self.keys.inbox_order(user), self.keys.inbox_read(user)])
            .arg(limit.min(INBOX_KEPT))
            .arg(before.map(|id| id.to_string()));
        let answer: Vec<Option<String>> = self.connections.run("read an inbox", read).await?;
        let items = answer.chunks_exact(2).map(|item| match item {
            [Some(text), read_at] => codec::user::item(text, read_at.as_deref()),
            _ => Err(corrupt("an inbox")),
        });
        items.collect()
    }

    async fn inbox_unread(&self, user: UserId) -> Result<u64> {
        // Both at once: what is read is among the items.
        let lengths =
            [self.keys.inbox_items(user), self.keys.inbox_read(user)].map(|key| cmd("HLEN").arg(key).to_owned());
        let (items, read): (u64, u64) = self.connections.ask_atomic("count unread items", lengths.to_vec()).await?;
        Ok(items.saturating_sub(read))
    }

    async fn mark_inbox_read(&self, user: UserId, id: NotificationId, at: Timestamp) -> Result<bool> {
        Ok(self.mark_inbox(user, at, Some(id)).await?.0 > 0)
    }

    async fn mark_inbox_all_read(&self, user: UserId, at: Timestamp) -> Result<u64> {
        Ok(self.mark_inbox(user, at, None).await?.1)
    }
}
