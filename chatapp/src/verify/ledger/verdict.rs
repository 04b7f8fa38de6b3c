//! The comparison with the histories, when all is quiet.

use std::collections::HashMap;

use client::{
    protocol::Message,
    shared::{RoomId, UserId},
};

use super::{Account, Device, History, Ledger, Sent, Truth, key_of, view::View};
use crate::verify::breach::{Breach, Breaches};

impl Ledger {
    /// Everything that is wrong: what was seen on the way, and what the histories show.
    pub fn judge(&self, truth: &Truth) -> Breaches {
        let mut breaches = self.breaches.clone();
        for (room, history) in &truth.histories {
            judge_numbers(*room, history, &mut breaches);
            self.judge_messages(*room, history, &mut breaches);
            self.judge_watched(None, *room, history, &mut breaches);
            self.judge_reactions(*room, history, &mut breaches);
        }
        for account in &truth.accounts {
            match truth.histories.get(&account.room) {
                Some(history) => self.judge_account(account, history, &mut breaches),
                None => breaches.note(Breach::Lost, format_args!("the history of {} cannot be read", account.room)),
            }
        }
        breaches
    }

    /// What is wrong with what one device was told: so far, and in comparison with a room's history, or the part of it
    /// that its user may see. Judges nothing of what was sent.
    pub fn judge_device(&self, device: Device, room: RoomId, history: &History) -> Breaches {
        let mut breaches = self.breaches.clone();
        self.judge_watched(Some(device), room, history, &mut breaches);
        breaches
    }

    /// Each message in the history as it was acknowledged, once; and nothing that nobody sent.
    fn judge_messages(&self, room: RoomId, history: &History, breaches: &mut Breaches) {
        let by_seq: HashMap<u64, &Message> = history.items.iter().map(|message| (message.seq, message)).collect();
        let mut stored: HashMap<&str, u64> = HashMap::new();
        for message in history.items.iter().filter(|message| message.deleted_at.is_none()) {
            *stored.entry(key_of(&message.content)).or_default() += 1;
        }
        for (key, times) in &stored {
            if !self.messages.contains_key(*key) {
                breaches.note(Breach::Diverged, format_args!("a message that nobody sent: {key:?}"));
            } else if *times > 1 {
                breaches.note_many(Breach::Doubled, times - 1, format_args!("{key} is stored {times} times"));
            }
        }
        let of_room = self.messages.iter().filter(|(_, sent)| sent.room == room);
        for (key, sent) in of_room {
            let Some((id, seq)) = sent.stored else { continue };
            match by_seq.get(&seq).filter(|message| message.id == id && message.user_id == sent.author) {
                None => breaches.note(Breach::Lost, format_args!("{key}, acknowledged as seq {seq} of {room}")),
                Some(message) => self.judge_message(key, sent, message, breaches),
            }
        }
    }

    /// What was acknowledged of its edits, its deletion and its reactions.
    fn judge_message(&self, key: &str, sent: &Sent, message: &Message, breaches: &mut Breaches) {
        let deleted = message.deleted_at.is_some();
        if !sent.deleted.allows(&deleted) {
            breaches.note(Breach::Lost, format_args!("the deletion of {key}, or it was deleted by nobody"));
        }
        if deleted {
            if !message.content.is_empty() {
                breaches.note(Breach::Diverged, format_args!("{key} is deleted and its content is there"));
            }
            return;
        }
        if key_of(&message.content) != key {
            breaches.note(Breach::Lost, format_args!("{key}: in its place is {:?}", message.content));
        } else if !sent.content.allows(&message.content) {
            breaches.note(Breach::Lost, format_args!("an edit of {key}: it is now {:?}", message.content));
        }
    }

    /// Each device, or one, was told of each change, and built from that what the history says.
    fn judge_watched(&self, only: Option<Device>, room: RoomId, history: &History, breaches: &mut Breaches) {
        let truth = View::fetched(history.position.rev, &history.items);
        let meant = |device: Device, of: RoomId| of == room && only.is_none_or(|only| only == device);
        for ((device, _), watched) in self.watched.iter().filter(|((device, of), _)| meant(*device, *of)) {
            for hole in watched.stream.holes(history.position.rev) {
                let count = hole.end() - hole.start() + 1;
                let what = format_args!("device {device} was never told rev {hole:?} of {room}");
                breaches.note_many(Breach::Hole, count, what);
            }
            for (seq, mine, theirs) in watched.view.differences(&truth) {
                let show = |seen: Option<&super::view::Seen>| seen.map_or("nothing".to_owned(), ToString::to_string);
                let (mine, theirs) = (show(mine), show(theirs));
                let what = format_args!("device {device} has for seq {seq} {mine}, the history {theirs}");
                breaches.note(Breach::Diverged, what);
            }
        }
    }

    /// Who acknowledged reactions are given by, as far as the history names them.
    fn judge_reactions(&self, room: RoomId, history: &History, breaches: &mut Breaches) {
        let by_key: HashMap<&str, &Message> = history
            .items
            .iter()
            .filter(|message| message.deleted_at.is_none())
            .map(|message| (key_of(&message.content), message))
            .collect();
        for ((key, emoji, user), given) in &self.reactions {
            if self.messages.get(key).is_none_or(|sent| sent.room != room) {
                continue;
            }
            let Some(message) = by_key.get(key.as_str()) else { continue };
            let found = message.reactions.iter().find(|reaction| reaction.emoji == *emoji);
            // The first fifty are named; of more, nobody can be missed for certain.
            let named = found.is_some_and(|reaction| reaction.user_ids.contains(user));
            let all_named = found.is_none_or(|reaction| reaction.user_ids.len() as u64 == reaction.count);
            if (named || all_named) && !given.allows(&named) {
                let what = format_args!("{user}'s {emoji} on {key}: it is {}", if named { "there" } else { "gone" });
                breaches.note(Breach::Lost, what);
            }
        }
    }

    /// The counts that a fresh reader would give, and a mark that only moves forward.
    fn judge_account(&self, account: &Account, history: &History, breaches: &mut Breaches) {
        let Account { user, room, last_read_seq, .. } = *account;
        let mark = self.marks.get(&(user, room)).copied().unwrap_or_default();
        let own = history.items.iter().filter(|message| message.user_id == user).map(|message| message.seq).max();
        let least = mark.certain.max(own.unwrap_or_default());
        let most = mark.possible.max(least);
        if !(least..=most).contains(&last_read_seq) {
            let what = format_args!("{user} has read {room} up to {least}..={most}, the server says {last_read_seq}");
            breaches.note(Breach::UnreadWrong, what);
        }
        let unread = history.items.iter().filter(|message| message.seq > last_read_seq && message.deleted_at.is_none());
        let counted = (unread.clone().count() as u64, unread.filter(|message| names(message, user)).count() as u64);
        let told = (account.unread, account.mentions);
        if told != counted {
            let what = format_args!("{user} in {room}: {told:?} unread and mentions, the history has {counted:?}");
            breaches.note(Breach::UnreadWrong, what);
        }
    }
}

/// Does it name this user, or everybody? Nobody is named by themselves.
fn names(message: &Message, user: UserId) -> bool {
    message.user_id != user && (message.mention_all || message.mentions.contains(&user))
}

/// `seq` counts from 1 without a gap: these rooms keep all messages.
fn judge_numbers(room: RoomId, history: &History, breaches: &mut Breaches) {
    for (expected, message) in (1..).zip(&history.items) {
        if message.seq != expected {
            let what = format_args!("{room} has seq {} where {expected} should be", message.seq);
            return breaches.note(if message.seq < expected { Breach::Doubled } else { Breach::Hole }, what);
        }
    }
}
