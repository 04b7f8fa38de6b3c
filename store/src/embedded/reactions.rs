//! Reactions: who gave what is an index; the tallies in the message's row say what a page shows, so that a page reads no
//! index.

use shared::{MessageId, RoomId, Timestamp, UserId};

use super::{
    codec, keys,
    kv::{Order, Read},
    membership::{
        Recording, find_head, find_message, open_message, put_head, put_message, record_change, speaker_head,
    },
    tx::Tx,
};
use crate::{
    ChangeBody, Reacting, Result, StoreError, Tally,
    log::{EMOJIS_A_MESSAGE, REACTORS_LISTED},
};

/// See [`RoomLog::react`](crate::RoomLog::react). Four reads and four writes.
pub(super) fn react(tx: &mut Tx, reacting: Reacting) -> Result<u64> {
    let Reacting { id, by, emoji, add } = reacting;
    let mut row = speaker_head(tx, id.room, by.id)?;
    let mut message = open_message(tx, row.head.floor, id)?;
    let key = keys::reaction(id.room, id.seq, by.id, &emoji);
    if tx.get(&key)?.is_some() == add {
        return Ok(message.reactions.iter().find(|tally| tally.emoji == emoji).map_or(0, |tally| tally.count));
    }
    let count = if add {
        tx.put(key, Vec::new())?;
        give(&mut message.reactions, &emoji, by.id)?
    } else {
        tx.delete(key);
        take_back(&mut message.reactions, &emoji, by.id)
    };
    put_message(tx, &message)?;
    let body = ChangeBody::Reacted { seq: id.seq, emoji, added: add, count };
    record_change(tx, &mut row.head, Recording { room: id.room, by: &by, at: Timestamp::now(), body })?;
    put_head(tx, id.room, &row)?;
    Ok(count)
}

/// Counts one more; gives how many there are.
fn give(tallies: &mut Vec<Tally>, emoji: &str, user: UserId) -> Result<u64> {
    if let Some(tally) = tallies.iter_mut().find(|tally| tally.emoji == emoji) {
        tally.count += 1;
        if tally.users.len() < REACTORS_LISTED {
            tally.users.push(user);
        }
        return Ok(tally.count);
    }
    if tallies.len() >= EMOJIS_A_MESSAGE {
        return Err(StoreError::TooManyReactions);
    }
    tallies.push(Tally { emoji: emoji.to_owned(), count: 1, users: vec![user] });
    Ok(1)
}

/// Counts one less; an emoji without anybody goes.
fn take_back(tallies: &mut Vec<Tally>, emoji: &str, user: UserId) -> u64 {
    let Some(at) = tallies.iter().position(|tally| tally.emoji == emoji) else { return 0 };
    let tally = &mut tallies[at];
    tally.count = tally.count.saturating_sub(1);
    tally.users.retain(|listed| *listed != user);
    let count = tally.count;
    if count == 0 {
        tallies.remove(at);
    }
    count
}

/// See [`RoomLog::reacted`](crate::RoomLog::reacted). A read and a short scan for each message.
pub(super) fn reacted(read: &impl Read, room: RoomId, user: UserId, mut seqs: Vec<u64>) -> Result<Vec<(u64, String)>> {
    let Some(row) = find_head(read, room)? else { return Ok(Vec::new()) };
    seqs.sort_unstable();
    seqs.dedup();
    let mut reacted = Vec::new();
    for seq in seqs {
        // The index of a deleted message goes only after it.
        if find_message(read, row.head.floor, MessageId { room, seq })?
            .is_none_or(|message| message.deleted_at.is_some())
        {
            continue;
        }
        let span = keys::reactions_by(room, seq, user);
        reacted.extend(read.collect(&span, Order::Ascending, EMOJIS_A_MESSAGE, |key, _| {
            let emoji = keys::emoji(key).ok_or_else(|| codec::corrupt("reaction key"))?;
            Ok((seq, emoji.to_owned()))
        })?);
    }
    Ok(reacted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_lists_the_first_and_a_newcomer_where_one_has_left_the_list() {
        let users: Vec<UserId> = (0..REACTORS_LISTED + 3).map(|_| UserId::new()).collect();
        let (listed, beyond) = users.split_at(REACTORS_LISTED);
        let mut tallies = Vec::new();
        for user in &users[..REACTORS_LISTED + 2] {
            give(&mut tallies, "👍", *user).unwrap();
        }
        assert_eq!((tallies[0].count, &tallies[0].users[..]), (REACTORS_LISTED as u64 + 2, listed));
        assert_eq!(take_back(&mut tallies, "👍", beyond[0]), REACTORS_LISTED as u64 + 1);
        assert_eq!(tallies[0].users, listed);
        assert_eq!(take_back(&mut tallies, "👍", listed[0]), REACTORS_LISTED as u64);
        assert_eq!(tallies[0].users, listed[1..], "nobody moves up");
        give(&mut tallies, "👍", beyond[2]).unwrap();
        assert_eq!(tallies[0].users.last(), Some(&beyond[2]));
        assert_eq!(tallies[0].users.len(), REACTORS_LISTED);
    }

    #[test]
    fn emojis_stand_in_order_of_their_first_use_and_no_more_than_a_message_may_have() {
        let (ann, bob) = (UserId::new(), UserId::new());
        let mut tallies = Vec::new();
        let emojis: Vec<String> = (0..EMOJIS_A_MESSAGE).map(|n| n.to_string()).collect();
        for emoji in &emojis {
            assert_eq!(give(&mut tallies, emoji, ann).unwrap(), 1);
        }
        assert!(matches!(give(&mut tallies, "new", ann), Err(StoreError::TooManyReactions)));
        assert_eq!(give(&mut tallies, "3", bob).unwrap(), 2);
        assert_eq!(take_back(&mut tallies, "0", ann), 0);
        assert_eq!(give(&mut tallies, "0", bob).unwrap(), 1);
        let order: Vec<&str> = tallies.iter().map(|tally| tally.emoji.as_str()).collect();
        let expected: Vec<&str> = emojis[1..].iter().chain(&emojis[..1]).map(String::as_str).collect();
        assert_eq!(order, expected);
    }
}
