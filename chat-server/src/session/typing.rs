//! What a connection has said of its typing: repeats are not passed on, and what it began it ends.

use std::{collections::HashMap, time::Duration};

use domain::{DomainError, Result};
use shared::RoomId;
use tokio::time::Instant;

/// Rooms a connection may type in at once; a person types in one.
const ROOMS: usize = 8;

/// What was said of each room lately; at most [`ROOMS`].
pub struct Said {
    /// How long a word lasts; then the others have ended it by themselves. Half as large as a `Duration`.
    lasts_ms: u64,
    rooms: HashMap<RoomId, Word>,
}

struct Word {
    /// When `true` was last passed on.
    at: Instant,
    typing: bool,
}

impl Said {
    pub fn new(lasts: Duration) -> Self {
        Self { lasts_ms: u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX), rooms: HashMap::new() }
    }

    fn lasts(&self) -> Duration {
        Duration::from_millis(self.lasts_ms)
    }

    /// The client says that it types, or does not. Is it to be passed on? `true` is, once in half the time it lasts, so
    /// that the second word comes before the first has ended; `false` only where `true` was.
    /// [`RateLimited`](DomainError::RateLimited) beyond [`ROOMS`] rooms at once.
    pub fn say(&mut self, room: RoomId, typing: bool, now: Instant) -> Result<bool> {
        let lasts = self.lasts();
        self.rooms.retain(|_, word| now < word.at + lasts);
        let full = self.rooms.len() >= ROOMS;
        match self.rooms.get_mut(&room) {
            Some(word) if !typing => Ok(std::mem::replace(&mut word.typing, false)),
            None if !typing => Ok(false),
            Some(word) if now < word.at + lasts / 2 => Ok(false),
            None if full => Err(DomainError::RateLimited { retry_after: lasts }),
            _ => {
                self.rooms.insert(room, Word { at: now, typing: true });
                Ok(true)
            }
        }
    }

    /// Its message, or its leaving, has ended it for the others; or they could not be told. The next word is the first.
    pub fn forget(&mut self, room: RoomId) {
        self.rooms.remove(&room);
    }

    /// The rooms it still types in, now that it ends.
    pub fn take(&mut self, now: Instant) -> Vec<RoomId> {
        let lasts = self.lasts();
        let typing = |(room, word): (RoomId, Word)| (word.typing && now < word.at + lasts).then_some(room);
        self.rooms.drain().filter_map(typing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(6);

    #[test]
    fn repeats_are_passed_on_every_three_seconds_and_an_end_once() {
        let (mut said, room, now) = (Said::new(LASTS), RoomId::new(), Instant::now());
        let mut say = |typing, ms| said.say(room, typing, now + Duration::from_millis(ms)).unwrap();
        assert!(!say(false, 0), "it had not said that it types");
        assert!(say(true, 0));
        assert!(!say(true, 2999));
        assert!(say(true, 3000));
        assert!(say(false, 3100));
        assert!(!say(false, 3200));
        assert!(!say(true, 5999), "every 3 s, also after an end");
        assert!(say(true, 6000));
    }

    #[test]
    fn who_ends_has_stopped_typing_in_the_rooms_where_that_is_not_known() {
        let (mut said, now) = (Said::new(LASTS), Instant::now());
        let [over, stopped, sent, typing] = std::array::from_fn(|_| RoomId::new());
        said.say(over, true, now).unwrap();
        for room in [stopped, sent, typing] {
            assert!(said.say(room, true, now + LASTS / 2).unwrap());
        }
        said.say(stopped, false, now + LASTS / 2).unwrap();
        said.forget(sent);
        assert_eq!(said.take(now + LASTS), [typing]);
    }

    #[test]
    fn a_connection_types_in_eight_rooms_at_once() {
        let (mut said, now) = (Said::new(LASTS), Instant::now());
        for _ in 0..ROOMS {
            assert!(said.say(RoomId::new(), true, now).unwrap());
        }
        assert!(matches!(said.say(RoomId::new(), true, now), Err(DomainError::RateLimited { .. })));
        assert!(said.say(RoomId::new(), true, now + LASTS).unwrap());
    }
}
