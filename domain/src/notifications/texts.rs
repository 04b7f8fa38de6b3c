//! What a notification says of a message. Its texts are not kept with it: they are the message's own, with the names of its
//! author and room, as they are when it is shown, so that what is deleted is gone from here too.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use shared::{MessageId, UserId, protocol::RoomType};
use store::{InboxItem, Job, RoomRecord};

use super::Notifications;
use crate::{Result, messages::preview, names::DELETED_USER};

/// Of a message that is gone, or not for them to read any more.
const NO_TITLE: &str = "Message";
/// Instead of the text of such a message, or of one that is deleted.
const NO_TEXT: &str = "This message is no longer available";
/// Messages read at once.
const CONCURRENT_READS: usize = 32;

/// Title and body.
type Texts = (String, String);

impl Notifications {
    /// A user's items with the texts of their messages. Three reads for each item of a message, those of all items
    /// together, and one for an author who is not cached.
    pub async fn with_texts(&self, user: UserId, items: Vec<InboxItem>) -> Result<Vec<InboxItem>> {
        let reads = items.into_iter().map(|mut item| async move {
            // Only an item of a message has a room; its data are ours.
            let message = item.room.and(item.data.as_ref()).and_then(message_of);
            if let Some(message) = message {
                (item.title, item.body) = self.texts(user, message, count_of(item.data.as_ref())).await?;
            }
            Ok(item)
        });
        stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }

    /// A job with the texts of its message, for the channels.
    pub async fn with_text(&self, mut job: Job) -> Result<Job> {
        if let Some(message) = job.message {
            (job.title, job.body) = self.texts(job.user, message, count_of(job.data.as_ref())).await?;
        }
        Ok(job)
    }

    async fn texts(&self, user: UserId, id: MessageId, count: u64) -> Result<Texts> {
        let (message, membership, room) = tokio::try_join!(
            self.store.log.message(id),
            self.store.rooms.membership(id.room, user),
            self.store.rooms.room(id.room),
        )?;
        let reads = membership.is_some_and(|membership| membership.joined_seq < id.seq);
        let (Some(message), Some((room, _)), true) = (message, room, reads) else {
            return Ok((NO_TITLE.into(), NO_TEXT.into()));
        };
        let author = self.names.card(message.author).await?;
        let title = title(author.as_ref().map_or(DELETED_USER, |card| &card.display_name), &room);
        let text = match count {
            _ if message.deleted_at.is_some() => NO_TEXT.into(),
            0 | 1 => preview(&message),
            more => format!("{} (+{} more)", preview(&message), more - 1),
        };
        Ok((title, text))
    }
}

fn title(author: &str, room: &RoomRecord) -> String {
    match (room.kind, &room.name) {
        (RoomType::Direct, _) | (_, None) => author.to_owned(),
        (_, Some(room)) => format!("{author} in {room}"),
    }
}

fn message_of(data: &Value) -> Option<MessageId> {
    data["messageId"].as_str()?.parse().ok()
}

/// How many messages the notification stands for.
fn count_of(data: Option<&Value>) -> u64 {
    data.and_then(|data| data["count"].as_u64()).unwrap_or(1)
}
