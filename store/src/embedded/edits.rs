//! Changing messages that are there: editing and deleting.

use shared::{
    MessageId, Timestamp,
    protocol::{Position, Role},
};

use super::{
    attachments, counted,
    keys::{self, Counted},
    membership::{Recording, find_message, head, open_message, put_head, put_message, record_change, speaker_head},
    mentions, replies,
    room_admin::with_role,
    tx::Tx,
};
use crate::{Actor, ChangeBody, Edit, Result, StoreError, StoredMessage};

/// See [`RoomLog::edit_message`](crate::RoomLog::edit_message). Three reads and three writes, and some for each mention.
pub(super) fn edit(tx: &mut Tx, edit: Edit) -> Result<StoredMessage> {
    let Edit { id, by, content, mentions } = edit;
    let mut row = speaker_head(tx, id.room, by.id)?;
    let mut message = open_message(tx, row.head.floor, id)?;
    if message.content == content {
        return Ok(message);
    }
    let at = Timestamp::now();
    mentions::remove(tx, &message)?;
    message.content = content;
    message.mentions = mentions::of_members(tx, id.room, mentions)?;
    message.edited_at = Some(at);
    mentions::enter(tx, &message)?;
    put_message(tx, &message)?;
    let body = ChangeBody::Edited(message.clone());
    record_change(tx, &mut row.head, Recording { room: id.room, by: &by, at, body })?;
    put_head(tx, id.room, &row)?;
    Ok(message)
}

/// See [`RoomLog::delete_message`](crate::RoomLog::delete_message). Five reads and six writes, and some for each mention
/// and for what it replied to. Its reactions are out of sight at once and out of the index with the next sweep: there
/// may be as many as members.
pub(super) fn delete(tx: &mut Tx, id: MessageId, by: &Actor, by_role: Option<Role>) -> Result<Option<Position>> {
    let MessageId { room, seq } = id;
    let mut row = head(tx, room)?;
    let mut message = find_message(tx, row.head.floor, id)?.ok_or(StoreError::MessageNotFound)?;
    if message.deleted_at.is_some() {
        return Ok(None);
    }
    if let Some(role) = by_role {
        with_role(tx, room, by.id, role)?;
    }
    let at = Timestamp::now();
    mentions::remove(tx, &message)?;
    replies::uncount(tx, row.head.floor, &message)?;
    if !message.reactions.is_empty() {
        tx.put(keys::leaving(&keys::reactions_to(room, seq)), Vec::new())?;
    }
    attachments::leave(tx, room, &message.attachments)?;
    message.content.clear();
    message.attachments.clear();
    message.mentions = Default::default();
    message.reactions.clear();
    message.deleted_at = Some(at);
    put_message(tx, &message)?;
    counted::enter(tx, Counted::Deleted, room, seq)?;
    record_change(tx, &mut row.head, Recording { room, by, at, body: ChangeBody::Deleted { seq } })?;
    put_head(tx, room, &row)?;
    Ok(Some(row.head.position()))
}
