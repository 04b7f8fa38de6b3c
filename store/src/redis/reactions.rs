//! Reactions: who gave what is one sorted set for each room, ordered by its text (seq, user, emoji); the tallies in the
//! message's own text say what a page shows, so that a page reads no index.

use redis::cmd;
use shared::{EventId, MessageId, RoomId, UserId};

use super::{
    Engine,
    codec::{json, message, parse},
    connection::corrupt,
    log::refused,
    scripts::{self, Call},
};
use crate::{
    Reacting, Result,
    log::{CHANGES_KEPT, EMOJIS_A_MESSAGE, REACTORS_LISTED},
};

impl Engine {
    /// See [`RoomLog::react`](crate::RoomLog::react).
    pub(super) async fn change_reaction(&self, reacting: &Reacting) -> Result<u64> {
        let (MessageId { room, seq }, keys) = (reacting.id, &self.keys);
        let call = Call::new(&scripts::REACT)
            .keys([keys.room(room), keys.members(room), keys.messages(room), keys.changes(room)])
            .keys([keys.reactions(room), keys.room_channel(room)])
            .arg(seq)
            .arg(reacting.by.id.to_string())
            .arg(EventId::random().to_string())
            .arg(json(&reacting.by.username)?)
            .arg(message::emoji_text(&reacting.emoji))
            .arg(u8::from(reacting.add))
            .arg(EMOJIS_A_MESSAGE)
            .arg(REACTORS_LISTED)
            .arg(CHANGES_KEPT);
        let answer: Vec<String> = self.connections.run("change a reaction", call).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", count] => parse(count, "a count"),
            ref other => Err(refused(other.first().copied())),
        }
    }

    /// See [`RoomLog::reacted`](crate::RoomLog::reacted). One round trip; O(log reactions of the room) for each message.
    /// The index entries of what is deleted or gone may still be there.
    pub(super) async fn reactions_of(&self, room: RoomId, user: UserId, seqs: &[u64]) -> Result<Vec<(u64, String)>> {
        let mut seqs = seqs.to_vec();
        seqs.sort_unstable();
        seqs.dedup();
        let reads = seqs.iter().map(|seq| {
            let own = format!("{} {user}", message::padded(*seq));
            let mut range = cmd("ZRANGE");
            range.arg(self.keys.reactions(room)).arg(format!("[{own} ")).arg(format!("({own}!")).arg("BYLEX");
            range
        });
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        // Last, so that what is deleted meanwhile is known to be.
        let deleted = cmd("ZMSCORE").arg(self.keys.deleted(room)).arg(&seqs).to_owned();
        let floor = cmd("HMGET").arg(self.keys.room(room)).arg("floor").to_owned();
        let reads = reads.chain([deleted, floor]).collect();
        let found: Vec<Vec<Option<String>>> = self.connections.ask_all("look for reactions", reads).await?;
        let [entries @ .., deleted, floor] = &found[..] else { return Err(corrupt("reactions")) };
        let floor: u64 = floor.first().and_then(Option::as_deref).map_or(Ok(0), |floor| parse(floor, "a floor"))?;
        let shown = seqs.iter().zip(entries).zip(deleted).filter(|((seq, _), gone)| gone.is_none() && **seq > floor);
        let given = shown.flat_map(|((seq, entries), _)| entries.iter().flatten().map(move |entry| (*seq, entry)));
        let read = |(seq, entry): (u64, &String)| {
            let (_, text) = entry.rsplit_once(' ').ok_or_else(|| corrupt("a reaction"))?;
            Ok((seq, message::emoji(text)?))
        };
        given.map(read).collect()
    }
}
