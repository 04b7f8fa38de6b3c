//! A user's own log: a hash of entries by `rev`, with its head, in the user's tag. The scripts that change what it tells
//! of number it in the same step.

use async_trait::async_trait;
use redis::cmd;
use shared::{EventId, RoomId, UserId, protocol::Position};

use super::{
    Engine,
    codec::{parse, user},
    connection::corrupt,
    scripts::{self, Call, MAX_PAGE},
};
use crate::{Result, UserChanges, UserLog, user_log::USER_CHANGES_KEPT};

/// Of a log that may have no entry yet.
pub(super) fn position(rev: Option<&str>, event_id: Option<&str>) -> Result<Position> {
    match (rev, event_id) {
        (Some(rev), Some(event_id)) => {
            Ok(Position { rev: parse(rev, "a rev")?, event_id: parse(event_id, "an event id")? })
        }
        (None, None) => Ok(Position::BEGINNING),
        _ => Err(corrupt("a position")),
    }
}

#[async_trait]
impl UserLog for Engine {
    async fn user_positions(&self, users: &[UserId]) -> Result<Vec<Position>> {
        let reads = users.iter().map(|user| {
            let mut read = cmd("HMGET");
            read.arg(self.keys.user_log(*user)).arg("rev").arg("eid");
            read
        });
        let heads: Vec<(Option<String>, Option<String>)> =
            self.connections.ask_all("read users' positions", reads.collect()).await?;
        heads.iter().map(|(rev, event_id)| position(rev.as_deref(), event_id.as_deref())).collect()
    }

    async fn user_changes(&self, user: UserId, after: Position, limit: usize) -> Result<UserChanges> {
        let read = Call::new(&scripts::USER_CHANGES)
            .keys([self.keys.user_log(user), self.keys.inbox_items(user), self.keys.inbox_read(user)])
            .arg(after.rev)
            .arg(after.event_id.to_string())
            .arg(limit.min(MAX_PAGE));
        let answer: Vec<Option<String>> = self.connections.run("read a user's changes", read).await?;
        let field = |at: usize| answer.get(at).and_then(Option::as_deref);
        match field(0) {
            Some("OK") => {}
            Some("RESET") => return Ok(UserChanges::Reset { head: position(field(1), field(2))? }),
            _ => return Err(corrupt("a user's changes")),
        }
        let changes = answer.get(2..).unwrap_or_default().chunks_exact(4).map(|entry| match entry {
            [Some(rev), Some(text), item, read_at] => {
                let item = item.as_deref().map(|item| user::item(item, read_at.as_deref())).transpose()?;
                user::change(parse(rev, "a rev")?, text, item)
            }
            _ => Err(corrupt("a user's changes")),
        });
        Ok(UserChanges::Page { changes: changes.collect::<Result<_>>()?, has_more: field(1) == Some("1") })
    }

    async fn note_read_mark(&self, user: UserId, room: RoomId, seq: u64) -> Result<Position> {
        let event_id = EventId::random();
        let note = Call::new(&scripts::NOTE_USER_CHANGE)
            .keys([self.keys.user_log(user), self.keys.user_channel(user)])
            .arg(event_id.to_string())
            .arg(user::read_mark(room, seq))
            .arg(USER_CHANGES_KEPT);
        Ok(Position { rev: self.connections.run("note a read mark", note).await?, event_id })
    }
}
