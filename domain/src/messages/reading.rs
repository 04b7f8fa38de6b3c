//! Reading what a member may see: history, one message, its replies.

use serde::{Deserialize, Serialize};
use shared::{
    MessageId, RoomId,
    protocol::{Message, Position},
};
use store::{PageFrom, PageRequest, StoredMessage};
use utoipa::ToSchema;

use super::{DEFAULT_PAGE, MAX_PAGE, Messages};
use crate::{
    DomainError, Result, Viewer,
    pages::{ANSWER_BYTES, PAGE_BYTES, fitting, page_limit},
    rooms::Access,
};

/// A page of a room's history; at most one of `before`, `after`, `around` (each a `seq`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct HistoryQuery {
    pub before: Option<u64>,
    pub after: Option<u64>,
    pub around: Option<u64>,
    /// 1 to 200, default 50.
    pub limit: Option<usize>,
}

/// Newest first; with `after`, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    pub items: Vec<Message>,
    pub has_more: bool,
    /// What the page is current to.
    pub position: Position,
}

/// Replies to one message, oldest first; deleted ones too, without content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplyPage {
    pub items: Vec<Message>,
    /// There are more after the last one's `seq`.
    pub has_more: bool,
}

impl Messages {
    /// A page of history that the viewer may see.
    pub async fn history(&self, viewer: &Viewer, room: RoomId, query: HistoryQuery) -> Result<MessagePage> {
        let from = match (query.before, query.after, query.around) {
            (None, None, None) => PageFrom::Newest,
            (Some(seq), None, None) => PageFrom::Before(seq),
            (None, Some(seq), None) => PageFrom::After(seq),
            (None, None, Some(seq)) => PageFrom::Around(seq),
            _ => return Err(DomainError::invalid("before", "give at most one of before, after and around")),
        };
        let limit = page_limit(query.limit, DEFAULT_PAGE, MAX_PAGE)?;
        let access = self.rooms.access(viewer.user, room).await?;
        let page = PageRequest { from, limit, visible_after: access.visible_after(), max_bytes: PAGE_BYTES };
        let page = self.store.log.history(room, page).await?;
        let mut items = self.show(viewer, page.items).await?;
        let mut has_more = page.has_more;
        let newer = match from {
            PageFrom::Around(seq) => items.partition_point(|message| message.seq > seq),
            _ => 0,
        };
        if newer == 0 {
            let fitting = fitting(&items, ANSWER_BYTES);
            has_more |= fitting < items.len();
            items.truncate(fitting);
        } else {
            // Each half of what is around a message has half of the room.
            let older = fitting(&items[newer..], ANSWER_BYTES / 2);
            has_more |= newer + older < items.len();
            items.truncate(newer + older);
            let newest = newer - fitting(items[..newer].iter().rev(), ANSWER_BYTES / 2);
            items.drain(..newest);
        }
        Ok(MessagePage { items, has_more, position: page.position })
    }

    /// One message that the viewer may see.
    pub async fn message(&self, viewer: &Viewer, id: MessageId) -> Result<Message> {
        let (message, _) = self.visible(viewer, id).await?;
        self.show_one(viewer, message).await
    }

    /// Replies to a message the viewer may see, those after the `seq` `after`; `limit` is 1 to 200, default 50.
    pub async fn replies(
        &self,
        viewer: &Viewer,
        id: MessageId,
        after: Option<u64>,
        limit: Option<usize>,
    ) -> Result<ReplyPage> {
        let limit = page_limit(limit, DEFAULT_PAGE, MAX_PAGE)?;
        // Replies are later than what they reply to: who may see this may see them.
        self.visible(viewer, id).await?;
        let (replies, mut has_more) = self.store.log.replies(id, after.unwrap_or_default(), limit, PAGE_BYTES).await?;
        let mut items = self.show(viewer, replies).await?;
        let fitting = fitting(&items, ANSWER_BYTES);
        has_more |= fitting < items.len();
        items.truncate(fitting);
        Ok(ReplyPage { items, has_more })
    }

    /// The message, if the viewer is a member and may see it; a deleted one comes without content. Every rule about one
    /// message starts here. Three reads.
    pub(crate) async fn visible(&self, viewer: &Viewer, id: MessageId) -> Result<(StoredMessage, Access)> {
        let access = match self.rooms.access(viewer.user, id.room).await {
            Err(DomainError::RoomNotFound | DomainError::NotAMember) => return Err(DomainError::MessageNotFound),
            other => other?,
        };
        let message = self.visible_to(&access, id).await?;
        Ok((message, access))
    }

    /// The message, if who was found to be a member of its room may see it.
    pub(super) async fn visible_to(&self, access: &Access, id: MessageId) -> Result<StoredMessage> {
        match self.store.log.message(id).await? {
            Some(message) if message.seq > access.visible_after() => Ok(message),
            _ => Err(DomainError::MessageNotFound),
        }
    }
}
