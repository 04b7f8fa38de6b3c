//! The calls that wait for a reply, in the order they were made. Bounded by its capacity: while it is full, the
//! connection takes no further calls.

use std::collections::BTreeMap;

use shared::protocol::ServerFrame;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{Error, Result};

/// May a call be repeated on another connection when its reply was lost?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is once: reads, and messages that carry a `clientMessageId`.
    Harmless,
    /// Twice is twice, or fails the second time.
    Once,
}

/// A command and where its reply goes.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its `requestId`; larger is later.
    pub id: u64,
    /// The whole frame.
    pub frame: Utf8Bytes,
    pub repeat: Repeat,
    pub reply: oneshot::Sender<Result<ServerFrame>>,
}

struct Entry {
    call: Call,
    /// Handed to a socket, so that the server may have carried it out.
    written: bool,
}

pub(crate) struct Pending {
    calls: BTreeMap<u64, Entry>,
    capacity: usize,
}

impl Pending {
    pub fn new(capacity: usize) -> Self {
        Self { calls: BTreeMap::new(), capacity }
    }

    /// Whether another call fits; first forgets those whose callers have gone.
    pub fn has_room(&mut self) -> bool {
        if self.calls.len() >= self.capacity {
            self.calls.retain(|_, entry| !entry.call.reply.is_closed());
        }
        self.calls.len() < self.capacity
    }

    /// Keeps a call, to be written when [`take_unwritten`](Self::take_unwritten) gives it. A call whose caller has
    /// gone is dropped: it must not be carried out behind their back.
    pub fn insert(&mut self, call: Call) {
        if !call.reply.is_closed() {
            self.calls.insert(call.id, Entry { call, written: false });
        }
    }

    /// Frames to write, in order; they count as written from here on.
    pub fn take_unwritten(&mut self) -> Vec<Utf8Bytes> {
        self.calls.retain(|_, entry| entry.written || !entry.call.reply.is_closed());
        let unwritten = self.calls.values_mut().filter(|entry| !entry.written);
        unwritten
            .map(|entry| {
                entry.written = true;
                entry.call.frame.clone()
            })
            .collect()
    }

    /// Gives a reply to its caller. `false`: nobody waits for it (any more), as with a duplicate.
    pub fn resolve(&mut self, id: u64, reply: Result<ServerFrame>) -> bool {
        match self.calls.remove(&id) {
            Some(entry) => entry.call.reply.send(reply).is_ok(),
            None => false,
        }
    }

    /// The connection is gone: calls that may be repeated wait for the next one, those that may not and were written
    /// fail with [`Error::Interrupted`]. With `afresh`, all that was written fails.
    pub fn interrupt(&mut self, afresh: bool) {
        let (kept, lost) = std::mem::take(&mut self.calls)
            .into_iter()
            .partition(|(_, entry)| !entry.written || (entry.call.repeat == Repeat::Harmless && !afresh));
        self.calls = kept;
        for entry in self.calls.values_mut() {
            entry.written = false;
        }
        let lost: BTreeMap<u64, Entry> = lost;
        for entry in lost.into_values() {
            // A caller that has gone needs no answer.
            let _ = entry.call.reply.send(Err(Error::Interrupted));
        }
    }

    /// Nothing will come any more.
    pub fn fail_all(&mut self, error: impl Fn() -> Error) {
        for (_, entry) in std::mem::take(&mut self.calls) {
            // A caller that has gone needs no answer.
            let _ = entry.call.reply.send(Err(error()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Result<ServerFrame>>;

    fn call(id: u64, repeat: Repeat) -> (Call, Reply) {
        let (reply, receiver) = oneshot::channel();
        (Call { id, frame: id.to_string().into(), repeat, reply }, receiver)
    }

    fn table(calls: &[(u64, Repeat)]) -> (Pending, Vec<Reply>) {
        let mut pending = Pending::new(8);
        let replies = calls
            .iter()
            .map(|&(id, repeat)| {
                let (call, reply) = call(id, repeat);
                pending.insert(call);
                reply
            })
            .collect();
        (pending, replies)
    }

    fn left() -> Result<ServerFrame> {
        Ok(ServerFrame::RoomLeft { room_id: shared::RoomId::new() })
    }

    #[test]
    fn a_reply_goes_to_its_caller_once() {
        let (mut pending, mut replies) = table(&[(1, Repeat::Once), (2, Repeat::Once)]);
        assert!(pending.resolve(2, left()));
        assert!(!pending.resolve(2, left()), "a duplicate finds nobody");
        assert!(!pending.resolve(9, left()));
        assert!(replies[1].try_recv().unwrap().is_ok());
        assert!(replies[0].try_recv().is_err(), "the other one still waits");
    }

    #[test]
    fn frames_are_written_once_and_in_order() {
        let (mut pending, _replies) = table(&[(2, Repeat::Once), (1, Repeat::Harmless)]);
        assert_eq!(pending.take_unwritten(), ["1", "2"]);
        assert!(pending.take_unwritten().is_empty());
    }

    #[test]
    fn after_an_interruption_only_what_is_harmless_or_unwritten_goes_on() {
        let (mut pending, mut replies) = table(&[(1, Repeat::Harmless), (2, Repeat::Once)]);
        pending.take_unwritten();
        let (late, mut late_reply) = call(3, Repeat::Once);
        pending.insert(late);
        pending.interrupt(false);
        assert!(matches!(replies[1].try_recv(), Ok(Err(Error::Interrupted))));
        assert!(replies[0].try_recv().is_err());
        assert!(late_reply.try_recv().is_err());
        assert_eq!(pending.take_unwritten(), ["1", "3"]);
    }

    #[test]
    fn an_interruption_afresh_keeps_only_what_was_not_written() {
        let (mut pending, mut replies) = table(&[(1, Repeat::Harmless)]);
        pending.take_unwritten();
        let (late, _reply) = call(2, Repeat::Harmless);
        pending.insert(late);
        pending.interrupt(true);
        assert!(matches!(replies[0].try_recv(), Ok(Err(Error::Interrupted))));
        assert_eq!(pending.take_unwritten(), ["2"]);
    }

    #[test]
    fn it_is_bounded_and_callers_that_went_away_make_room() {
        let (mut pending, mut replies) = table(&(0..8).map(|id| (id, Repeat::Once)).collect::<Vec<_>>());
        assert!(!pending.has_room());
        replies.pop();
        assert!(pending.has_room());
    }

    #[test]
    fn what_nobody_waits_for_is_never_written() {
        let (mut pending, replies) = table(&[(1, Repeat::Harmless)]);
        drop(replies);
        assert!(pending.take_unwritten().is_empty());
    }

    #[test]
    fn closing_fails_everything() {
        let (mut pending, mut replies) = table(&[(1, Repeat::Harmless), (2, Repeat::Once)]);
        pending.fail_all(|| Error::Interrupted);
        for reply in &mut replies {
            assert!(reply.try_recv().unwrap().is_err());
        }
    }
}
