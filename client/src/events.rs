//! The stream of events from a connection to the application: bounded and without a loss. Where the application reads
//! too slowly the connection waits a moment, then resumes from the last event the application has taken.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use shared::{
    RoomId, SessionId, UserId,
    protocol::{ResumeStatus, Resumed, Room, ServerFrame},
};
use tokio::sync::{Notify, mpsc};

use crate::Disconnect;

/// Who the connection speaks for, as the server said in `AUTH_SUCCESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user_id: UserId,
    pub username: String,
    /// The login; none where another product's token was shown.
    pub session_id: Option<SessionId>,
}

/// What happens on a connection. Those of `/chat` come without a hole, without a double and in order, over whatever
/// reconnects; where the server cannot promise that, [`Resumed`](Self::Resumed) or a `RESET` frame names the rooms.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all events are frames; a box would cost each an allocation")]
pub enum Event {
    /// It stands; the first event, and again after each reconnect.
    Connected(Identity),
    /// It ended; another attempt follows after `retry_in`.
    Disconnected { reason: Disconnect, retry_in: Duration },
    /// It ended for good; the last event.
    Closed(Disconnect),
    /// `/chat`, after the first connection: the user's rooms as they are, each current to its `position`. Their events
    /// go on from there. Another page follows if there are `more`.
    Synced { rooms: Vec<Room>, more: bool },
    /// `/chat`, after each further connection: what was missed has come before this. Says how the user's own log went
    /// on, and each room of the user or known from before; [`Event::stale_rooms`] are those to fetch again.
    Resumed { user: Resumed, rooms: BTreeMap<RoomId, Resumed> },
    /// The server says.
    Frame(ServerFrame),
}

impl Event {
    /// Rooms of which events may be missing before this one: fetch again what matters of them. Events go on after it.
    pub fn stale_rooms(&self) -> Vec<RoomId> {
        match self {
            Self::Frame(ServerFrame::Reset { room_id, .. }) => vec![*room_id],
            Self::Resumed { rooms, .. } => rooms
                .iter()
                .filter(|(_, room)| matches!(room.status, ResumeStatus::Reset | ResumeStatus::New))
                .map(|(id, _)| *id)
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl From<ServerFrame> for Event {
    fn from(frame: ServerFrame) -> Self {
        match frame {
            ServerFrame::Synced { rooms, next_cursor, .. } => Self::Synced { rooms, more: next_cursor.is_some() },
            ServerFrame::Resumed { user, rooms, .. } => Self::Resumed { user, rooms },
            frame => Self::Frame(frame),
        }
    }
}

/// The receiving end. Dropping it is fine: calls go on working.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// The sending end; bounded by the capacity of the channel.
pub(crate) struct EventSink {
    channel: mpsc::Sender<Event>,
    /// The newest of `Connected`, `Disconnected`, `Closed` that found the queue full: older ones no longer matter.
    held: Mutex<Option<Event>>,
    holding: Notify,
}

/// A place in the queue.
pub(crate) struct Slot<'a>(Option<mpsc::Permit<'a, Event>>);

impl Slot<'_> {
    /// Puts the event there; where nobody receives, it is dropped.
    pub fn put(self, event: Event) {
        if let Some(permit) = self.0 {
            permit.send(event);
        }
    }
}

pub(crate) fn event_channel(capacity: usize) -> (EventSink, Events) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (EventSink { channel: sender, held: Mutex::default(), holding: Notify::new() }, Events(receiver))
}

impl EventSink {
    /// Says how the connection stands, at once or as soon as there is room. Never waits.
    pub fn state(&self, event: Event) {
        let mut held = self.held.lock();
        let refused = match *held {
            Some(_) => Some(event),
            None => match self.channel.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
                Err(mpsc::error::TrySendError::Full(event)) => Some(event),
            },
        };
        if refused.is_some() {
            *held = refused;
            self.holding.notify_one();
        }
    }

    /// Waits for room for a frame, behind all that was said before it.
    pub async fn slot(&self) -> Slot<'_> {
        loop {
            let Ok(permit) = self.channel.reserve().await else { return Slot(None) };
            let held = self.held.lock().take();
            match held {
                Some(state) => permit.send(state),
                None => return Slot(Some(permit)),
            }
        }
    }

    /// Waits until the application has taken all there is, or has gone.
    pub async fn drained(&self) {
        // Refused: it has gone.
        let _ = self.channel.reserve_many(self.channel.max_capacity()).await;
    }

    /// Says what was held back as soon as there is room. Runs as long as it is polled; may be dropped at any time.
    pub async fn catch_up(&self) -> std::convert::Infallible {
        loop {
            self.flush().await;
            self.holding.notified().await;
        }
    }

    /// Says what was held back, if anything, as soon as there is room for it.
    pub async fn flush(&self) {
        if self.held.lock().is_some() {
            // Dropped unused: the state was what there was to say.
            let _ = self.slot().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Event {
        Event::Frame(ServerFrame::RoomLeft { room_id: RoomId::new() })
    }

    async fn within<T>(work: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), work).await.unwrap()
    }

    #[tokio::test]
    async fn a_full_queue_keeps_the_newest_state_before_all_later_frames() {
        let (sink, mut events) = event_channel(1);
        let first = frame();
        sink.slot().await.put(first.clone());
        sink.state(Event::Disconnected { reason: Disconnect::Silent, retry_in: Duration::ZERO });
        sink.state(Event::Closed(Disconnect::Silent));
        let last = frame();
        let put = async { sink.slot().await.put(last.clone()) };
        let take = async { [events.next().await, events.next().await, events.next().await].map(Option::unwrap) };
        let (told, ()) = within(async { tokio::join!(take, put) }).await;
        assert_eq!(told, [first, Event::Closed(Disconnect::Silent), last]);
    }

    #[tokio::test]
    async fn it_is_drained_once_the_application_has_taken_all() {
        let (sink, mut events) = event_channel(2);
        sink.slot().await.put(frame());
        let drained = sink.drained();
        tokio::pin!(drained);
        assert!(futures_util::poll!(&mut drained).is_pending());
        within(events.next()).await;
        within(drained).await;
    }

    #[tokio::test]
    async fn a_dropped_receiver_is_no_hindrance() {
        let (sink, events) = event_channel(2);
        drop(events);
        for _ in 0..5 {
            within(sink.slot()).await.put(frame());
            sink.state(Event::Closed(Disconnect::Finished));
        }
        within(sink.flush()).await;
        within(sink.drained()).await;
    }
}
