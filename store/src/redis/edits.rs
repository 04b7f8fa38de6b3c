//! Changing messages that are there: editing and deleting.

use shared::{
    EventId, MessageId,
    protocol::{Position, Role},
};

use super::{
    Engine,
    codec::{self, json, parse, role_text},
    keys::shard_of,
    log::refused,
    scripts::{self, Call, ENTRIES_A_STEP},
};
use crate::{Actor, Edit, Result, StoredMessage, log::CHANGES_KEPT};

/// What the room's log has come to with this, or had when it was found to be so already.
fn position(rev: &str, event_id: &str) -> Result<Position> {
    Ok(Position { rev: parse(rev, "a rev")?, event_id: parse(event_id, "an event id")? })
}

impl Engine {
    /// See [`RoomLog::edit_message`](crate::RoomLog::edit_message). Some commands more for each mention.
    pub(super) async fn edit(&self, edit: &Edit) -> Result<StoredMessage> {
        let (MessageId { room, seq }, keys) = (edit.id, &self.keys);
        let call = Call::new(&scripts::EDIT_MESSAGE)
            .keys([keys.room(room), keys.members(room), keys.messages(room), keys.changes(room)])
            .keys([keys.mentions(room), keys.room_channel(room)])
            .arg(seq)
            .arg(edit.by.id.to_string())
            .arg(EventId::random().to_string())
            .arg(json(&edit.by.username)?)
            .arg(&edit.content)
            .arg(codec::message::mentions(&edit.mentions))
            .arg(CHANGES_KEPT);
        let answer: Vec<String> = self.connections.run("edit a message", call).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", text, rev, event_id] => {
                self.replicated(room, position(rev, event_id)?).await?;
                codec::message::message(room, seq, text)
            }
            ref other => Err(refused(other.first().copied())),
        }
    }

    /// See [`RoomLog::delete_message`](crate::RoomLog::delete_message). Some commands more for each mention.
    /// Of its reactions' index entries [`ENTRIES_A_STEP`] go at once, the rest with trimming.
    pub(super) async fn delete(&self, id: MessageId, by: &Actor, by_role: Option<Role>) -> Result<Option<Position>> {
        let (MessageId { room, seq }, keys) = (id, &self.keys);
        let call = Call::new(&scripts::DELETE_MESSAGE)
            .keys([keys.room(room), keys.messages(room), keys.changes(room), keys.deleted(room)])
            .keys([keys.mentions(room), keys.reactions(room), keys.room_channel(room)])
            .keys([keys.leaving(room), keys.retention(shard_of(room))])
            .keys([keys.files(room), keys.orphans(shard_of(room)), keys.members(room)])
            .arg(seq)
            .arg(by.id.to_string())
            .arg(EventId::random().to_string())
            .arg(json(&by.username)?)
            .arg(CHANGES_KEPT)
            .arg(room.to_string())
            .arg(ENTRIES_A_STEP)
            .arg(by_role.map_or("", role_text));
        let answer: Vec<String> = self.connections.run("delete a message", call).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [done @ ("OK" | "GONE"), rev, event_id] => {
                let position = position(rev, event_id)?;
                self.replicated(room, position).await?;
                Ok((done == "OK").then_some(position))
            }
            ref other => Err(refused(other.first().copied())),
        }
    }
}
