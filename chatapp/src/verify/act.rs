//! What a user does: writes, edits, deletes, reacts, reads; and loses their connection.

use std::{sync::Arc, time::Duration};

use client::{
    Ack, Chat, Error, OutgoingMessage,
    shared::{MessageId, RoomId},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    person::{Person, pause},
    shared::{Said, Shared},
};

/// Own messages that may still be edited or deleted; the oldest are left as they are.
const OWN: usize = 32;
const EMOJIS: [&str; 3] = ["👍", "❤️", "🎉"];
/// Of a hundred actions so many are messages; [`Plan::rate`](super::Plan::rate) counts those.
const MESSAGES: u32 = 60;

/// A user at work.
pub(super) struct Actor {
    pub shared: Arc<Shared>,
    pub person: Arc<Person>,
    pub chat: Chat,
    pub rooms: Vec<RoomId>,
    /// Somebody to mention.
    pub friend: String,
    random: StdRng,
    next: u64,
    own: Vec<Said>,
}

impl Actor {
    pub fn new(shared: Arc<Shared>, person: Arc<Person>, chat: Chat, rooms: Vec<RoomId>, friend: String) -> Self {
        let random = StdRng::seed_from_u64(shared.plan.seed.wrapping_add(person.device as u64));
        Self { shared, person, chat, rooms, friend, random, next: 1, own: Vec::new() }
    }

    /// Acts until the load ends; what is under way then is brought to its end.
    pub async fn act(mut self) {
        let each = self.shared.plan.rate * 100.0 / f64::from(MESSAGES) / self.shared.plan.users as f64;
        while !self.shared.stop.is_cancelled() {
            // Exponential: as independent people act.
            let pause = -(1.0 - self.random.random::<f64>()).ln() / each;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs_f64(pause.clamp(0.0, 3600.0))) => {}
                () = self.shared.stop.cancelled() => return,
            }
            match self.random.random_range(0..100) {
                0..MESSAGES => self.write().await,
                60..72 => self.edit().await,
                72..78 => self.delete().await,
                78..92 => self.react().await,
                _ => self.read().await,
            }
        }
    }

    async fn write(&mut self) {
        let room = self.rooms[self.random.random_range(0..self.rooms.len())];
        let key = format!("{}.{}", self.person.device, self.next);
        self.next += 1;
        let words = match self.random.random_range(0..12) {
            0 => format!("hello @{}", self.friend),
            1 => "everybody, @all: come".to_owned(),
            _ => "word ".repeat(self.random.random_range(1..20)),
        };
        let mut message = OutgoingMessage::new(room, format!("{key} {words}"));
        if self.random.random_range(0..10) == 0 {
            message.reply_to = self.own.iter().find(|said| said.room == room).map(|said| said.id);
        }
        self.shared.ledger.lock().attempt_message(room, self.person.id, &message.content);
        self.shared.meter.lock().sent(&key, self.person.device);
        let Some(ack) = self.send(&key, &message).await else { return };
        if self.random.random_range(0..20) == 0 {
            // A client that did not hear the answer asks again, perhaps another way.
            self.send(&key, &message).await;
        }
        let said = Said { key, room, id: ack.id };
        self.shared.remember(said.clone());
        if self.own.len() == OWN {
            self.own.remove(0);
        }
        self.own.push(said);
    }

    /// Sends, under the same `clientMessageId` until the outcome is known.
    async fn send(&mut self, key: &str, message: &OutgoingMessage) -> Option<Ack> {
        let over_rest = self.random.random_range(0..8) == 0;
        loop {
            let outcome = tokio::select! {
                outcome = self.send_once(message, over_rest) => outcome,
                () = self.shared.abandon.cancelled() => return None,
            };
            match outcome {
                Ok(ack) => {
                    self.shared.ledger.lock().acknowledge_message(key, &ack);
                    self.shared.tell();
                    return Some(ack);
                }
                Err(error) => {
                    self.shared.count_error(&error);
                    if !error.is_temporary() {
                        return None;
                    }
                    tokio::time::sleep(pause(&error)).await;
                }
            }
        }
    }

    async fn send_once(&self, message: &OutgoingMessage, over_rest: bool) -> Result<Ack, Error> {
        if !over_rest {
            return self.chat.send(message).await;
        }
        let stored = self.person.ask(|api| async move { api.send(message).await }).await?;
        let (id, room_id, seq, timestamp) = (stored.id, stored.room_id, stored.seq, stored.timestamp);
        Ok(Ack { id, room_id, seq, rev: 0, timestamp, duplicate: false })
    }

    fn pick_own(&mut self) -> Option<usize> {
        (!self.own.is_empty()).then(|| self.random.random_range(0..self.own.len()))
    }

    async fn edit(&mut self) {
        let Some(at) = self.pick_own() else { return };
        let Said { key, id, .. } = self.own[at].clone();
        self.next += 1;
        let content = format!("{key} edited {}", self.next);
        self.shared.ledger.lock().attempt_edit(&content);
        let outcome = self.chat.edit_message(id, &content).await;
        self.settle(outcome, |shared| shared.ledger.lock().acknowledge_edit(&content));
    }

    async fn delete(&mut self) {
        let Some(at) = self.pick_own() else { return };
        let Said { key, id, .. } = self.own.remove(at);
        self.shared.forget(&key);
        self.shared.ledger.lock().attempt_deletion(&key);
        let outcome = self.chat.delete_message(id).await;
        self.settle(outcome, |shared| shared.ledger.lock().acknowledge_deletion(&key));
    }

    async fn react(&mut self) {
        let Some(said) = self.shared.recent(self.random.random_range(0..usize::MAX)) else { return };
        let emoji = EMOJIS[self.random.random_range(0..EMOJIS.len())];
        let (user, add) = (self.person.id, self.random.random_range(0..3) > 0);
        self.shared.ledger.lock().attempt_reaction(&said.key, emoji, user, add);
        let outcome = self.chat.react(said.id, emoji, add).await;
        self.settle(outcome, |shared| shared.ledger.lock().acknowledge_reaction(&said.key, emoji, user, add));
    }

    async fn read(&mut self) {
        let Some(said) = self.shared.recent(self.random.random_range(0..usize::MAX)) else { return };
        let MessageId { seq, .. } = said.id;
        let (user, room) = (self.person.id, said.room);
        self.shared.ledger.lock().mark(user, room, seq, false);
        if self.random.random_range(0..2) == 0 {
            let outcome = self.person.ask(|api| async move { api.mark_read(room, seq).await }).await;
            self.settle(outcome, |shared| shared.ledger.lock().mark(user, room, seq, true));
        } else {
            // There is no answer: it may be lost with the connection.
            let _ = self.chat.mark_read(room, seq).await;
        }
    }

    fn settle<T>(&self, outcome: Result<T, Error>, done: impl FnOnce(&Shared)) {
        match outcome {
            Ok(_) => done(&self.shared),
            Err(error) => self.shared.count_error(&error),
        }
    }
}

/// Cuts connections at random, one after another, until the load ends.
pub(super) async fn cut(shared: Arc<Shared>, chats: Vec<Chat>) {
    let Some(every) = shared.plan.cut_every else { return };
    let mut random = StdRng::seed_from_u64(!shared.plan.seed);
    loop {
        let pause = every.as_secs_f64() / chats.len() as f64 * 2.0 * random.random::<f64>();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(pause)) => {}
            () = shared.stop.cancelled() => return,
        }
        chats[random.random_range(0..chats.len())].cut().await;
        shared.count(|counts| counts.cuts += 1);
    }
}
