//! Whom messages name: an index for each member, and one for everybody in the room. A message is in one of the two, a
//! deleted one in neither, so counting needs no message.

use std::collections::BTreeSet;

use shared::{RoomId, UserId};

use super::{counted, keys::Counted, kv::Read, membership::is_member, tx::Tx};
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

/// Enters a message with whom it names: three reads and writes for each of them, none where there is nobody.
pub(super) fn enter(tx: &mut Tx, message: &StoredMessage) -> Result<()> {
    indexes(message).try_for_each(|index| counted::enter(tx, index, message.room, message.seq))
}

/// Takes a message out again.
pub(super) fn remove(tx: &mut Tx, message: &StoredMessage) -> Result<()> {
    indexes(message).try_for_each(|index| counted::remove(tx, index, message.room, message.seq))
}

/// Where a message is counted: who is named with everybody is not counted by name too.
fn indexes(message: &StoredMessage) -> impl Iterator<Item = Counted> {
    let all = message.mentions.all;
    let named = message.mentions.users.iter().filter(move |_| !all).map(|user| Counted::Naming(*user));
    named.chain(all.then_some(Counted::NamingAll))
}

/// Messages from after a number to the last one that name the user or everybody, each once.
pub(super) fn count(read: &impl Read, room: RoomId, user: UserId, after_to: (u64, u64)) -> Result<u64> {
    let count = |index| counted::count(read, index, room, after_to);
    Ok(count(Counted::Naming(user))? + count(Counted::NamingAll)?)
}
