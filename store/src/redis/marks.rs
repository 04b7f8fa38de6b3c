//! How far members have come in a room: one hash, with the delivered and the read mark of each.

use redis::cmd;
use shared::{RoomId, UserId};

use super::{
    Engine, codec,
    connection::corrupt,
    log::refused,
    scripts::{self, Call, ENTRIES_A_STEP},
};
use crate::{Marked, Marks, Result};

/// Which mark to move.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Delivered,
    /// The delivered one too.
    Read,
}

impl Engine {
    /// See [`RoomLog::mark_read`](crate::RoomLog::mark_read).
    pub(super) async fn mark(&self, room: RoomId, user: UserId, (mark, seq): (Mark, u64)) -> Result<Marked> {
        let keys = &self.keys;
        let call = Call::new(&scripts::MARK)
            .keys([keys.room(room), keys.members(room), keys.marks(room), keys.mentions(room)])
            .key(keys.room_channel(room))
            .arg(user.to_string())
            .arg(seq)
            .arg(match mark {
                Mark::Delivered => "delivered",
                Mark::Read => "read",
            })
            .arg(ENTRIES_A_STEP);
        let answer: Vec<String> = self.connections.run("move a mark", call).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", marks] => {
                let words: Vec<&str> = marks.split(' ').collect();
                codec::room::marked(words.try_into().map_err(|_| corrupt("marks"))?)
            }
            ref other => Err(refused(other.first().copied())),
        }
    }

    /// See [`RoomLog::marks`](crate::RoomLog::marks).
    pub(super) async fn read_marks(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Marks>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = cmd("HMGET");
        read.arg(self.keys.marks(room));
        for user in users {
            read.arg(user.to_string());
        }
        let texts: Vec<Option<String>> = self.connections.ask("read marks", &read).await?;
        texts.iter().map(|text| codec::room::marks(text.as_deref())).collect()
    }
}
