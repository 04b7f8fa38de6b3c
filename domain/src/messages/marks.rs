//! How far members have come, and who is typing.

use serde::Serialize;
use shared::{
    RoomId,
    protocol::{
        Receipt,
        command::{Mark, TypingStatus},
    },
};
use store::{Marked, TypingEvent};
use utoipa::ToSchema;

use super::{DEFAULT_PAGE, MAX_PAGE, Messages};
use crate::{Result, Viewer, pages::page_limit};

/// One page of the members' marks, in order of joining.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptPage {
    pub items: Vec<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Messages {
    /// Moves the viewer's read mark (and with it the delivered one), only forward; gives where they stand. Their other
    /// devices are told; where that fails so does this, and a repeat tells them. No rate applies: a mark left out would
    /// be a wrong count, and whoever asks waits for the answer before the next one.
    pub async fn mark_read(&self, viewer: &Viewer, input: &Mark) -> Result<Marked> {
        let marked = match self.store.log.mark_read(input.room_id, viewer.user, input.seq).await {
            Ok(marked) => marked,
            Err(e) => return Err(self.rooms.hide(input.room_id, e.into()).await),
        };
        let read = marked.now.read;
        let member = (viewer.user, input.room_id);
        // A mark that stands there already may have been moved by a call that died before it told anybody. That is told
        // again, but not each time: a repeat must not fill the user's log.
        let repeated = input.seq >= read && read > 0 && self.noted.get(&member) != Some(read);
        if read > marked.before.read || repeated {
            self.store.user_log.note_read_mark(viewer.user, input.room_id, read).await?;
            self.noted.insert(member, read);
        }
        Ok(marked)
    }

    /// Moves the viewer's delivered mark, only forward; gives where both stand. No rate, as for
    /// [`mark_read`](Self::mark_read).
    pub async fn mark_delivered(&self, viewer: &Viewer, input: &Mark) -> Result<Marked> {
        match self.store.log.mark_delivered(input.room_id, viewer.user, input.seq).await {
            Ok(marked) => Ok(marked),
            Err(e) => Err(self.rooms.hide(input.room_id, e.into()).await),
        }
    }

    /// The marks of a room's members, in order of joining; `limit` is 1 to 200, default 50.
    pub async fn receipts(
        &self,
        viewer: &Viewer,
        room: RoomId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<ReceiptPage> {
        let limit = page_limit(limit, DEFAULT_PAGE, MAX_PAGE)?;
        let (members, next_cursor) = self.rooms.member_page(viewer, room, cursor, limit).await?;
        let users: Vec<_> = members.iter().map(|member| member.user).collect();
        let marks = self.store.log.marks(room, &users).await?;
        let receipt = |(user_id, marks): (_, store::Marks)| Receipt {
            room_id: room,
            user_id,
            delivered_seq: marks.delivered,
            read_seq: marks.read,
        };
        Ok(ReceiptPage { items: users.into_iter().zip(marks).map(receipt).collect(), next_cursor })
    }

    /// Tells the room that the viewer types, or has stopped. The caller has found them to be a member, and does not pass
    /// on what is only repeated.
    pub async fn typing(&self, viewer: &Viewer, input: &TypingStatus) -> Result<()> {
        let event = TypingEvent {
            room: input.room_id,
            user: viewer.user,
            username: viewer.username.clone(),
            typing: input.is_typing,
        };
        Ok(self.store.bus.publish_typing(&event).await?)
    }
}
