//! What a notification says of a message. The text is not kept with it: it is the message's own as it is when it is
//! shown, so that what is deleted is gone from here too.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use shared::{MessageId, UserId};
use store::{InboxItem, Job};

use super::Notifications;
use crate::{Result, messages::preview};

/// Instead of the text of a message that is deleted, gone, or not for them to read any more.
const NO_TEXT: &str = "This message is no longer available";
/// Messages read at once.
const CONCURRENT_READS: usize = 32;

impl Notifications {
    /// A user's items with the texts of their messages. Two reads for each item of a message, those of all items
    /// together.
    pub async fn with_texts(&self, user: UserId, items: Vec<InboxItem>) -> Result<Vec<InboxItem>> {
        let reads = items.into_iter().map(|mut item| async move {
            // Only an item of a message has a room; its data are ours.
            let message = item.room.and(item.data.as_ref()).and_then(message_of);
            if let Some(message) = message {
                item.body = self.text(user, message, count_of(item.data.as_ref())).await?;
            }
            Ok(item)
        });
        stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }

    /// A job with the text of its message, for the channels.
    pub async fn with_text(&self, mut job: Job) -> Result<Job> {
        if let Some(message) = job.message {
            job.body = self.text(job.user, message, count_of(job.data.as_ref())).await?;
        }
        Ok(job)
    }

    async fn text(&self, user: UserId, id: MessageId, count: u64) -> Result<String> {
        let (message, membership) =
            tokio::try_join!(self.store.log.message(id), self.store.rooms.membership(id.room, user))?;
        let reads = membership.is_some_and(|membership| membership.joined_seq < id.seq);
        Ok(match message {
            Some(message) if reads && message.deleted_at.is_none() => match count {
                0 | 1 => preview(&message),
                more => format!("{} (+{} more)", preview(&message), more - 1),
            },
            _ => NO_TEXT.into(),
        })
    }
}

fn message_of(data: &Value) -> Option<MessageId> {
    data["messageId"].as_str()?.parse().ok()
}

/// How many messages the notification stands for.
fn count_of(data: Option<&Value>) -> u64 {
    data.and_then(|data| data["count"].as_u64()).unwrap_or(1)
}
