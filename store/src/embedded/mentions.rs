//! Whom messages name: an index for each member, and one for everybody in the room. A message is in one of the two, a
//! deleted one in neither, so counting needs no message.

use std::collections::BTreeSet;

use shared::{RoomId, UserId};

use super::{keys, kv::Read, membership::is_member, tx::Tx};
use crate::{Mentions, Result, StoredMessage};

/// Those who are members, each once, in the order given: a read for each of them.
pub(super) fn of_members(read: &impl Read, room: RoomId, mentions: Mentions) -> Result<Mentions> {
    let mut named = BTreeSet::new();
    let mut users = Vec::with_capacity(mentions.users.len());
    for user in mentions.users {
        if named.insert(user) && is_member(read, room, user)? {
            users.push(user);
        }
    }
    Ok(Mentions { users, all: mentions.all })
}

/// Enters a message with whom it names: a write for each of them, none where there is nobody.
pub(super) fn enter(tx: &mut Tx, message: &StoredMessage) -> Result<()> {
    let (room, seq) = (message.room, message.seq);
    if message.mentions.all {
        // Who is named with everybody is not counted by name too.
        return tx.put(keys::mention_of_all(room, seq), Vec::new());
    }
    for user in &message.mentions.users {
        tx.put(keys::mention(room, *user, seq), Vec::new())?;
    }
    Ok(())
}

/// Takes a message out again.
pub(super) fn remove(tx: &mut Tx, message: &StoredMessage) {
    let (room, seq) = (message.room, message.seq);
    if message.mentions.all {
        return tx.delete(keys::mention_of_all(room, seq));
    }
    for user in &message.mentions.users {
        tx.delete(keys::mention(room, *user, seq));
    }
}

/// Messages after `seq` that name the user or everybody, each once. Walks the keys of those, and keeps none.
pub(super) fn count(read: &impl Read, room: RoomId, user: UserId, seq: u64) -> Result<u64> {
    Ok(read.count(&keys::mentions_after(room, user, seq))? + read.count(&keys::mentions_of_all_after(room, seq))?)
}
