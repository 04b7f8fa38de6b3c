//! The stream of events from a connection to the application: bounded, and never in the way of replies. An
//! application that falls behind loses frames, not silently: it is told of a [`Gap`].

use std::time::Duration;

use parking_lot::Mutex;
use shared::{SessionId, UserId, protocol::ServerFrame};
use tokio::sync::{Notify, mpsc};

use crate::Disconnect;

/// Who the connection speaks for, as the server said in `AUTH_SUCCESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user_id: UserId,
    pub username: String,
    pub session_id: SessionId,
}

/// Why events may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// There was a time without a connection.
    Reconnected,
    /// The application read too slowly and the queue was full.
    Overflow,
}

/// What happens on a connection.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all events are frames; a box would cost each an allocation")]
pub enum Event {
    /// It stands; the first event, and again after each reconnect.
    Connected(Identity),
    /// It ended; another attempt follows after `retry_in`.
    Disconnected { reason: Disconnect, retry_in: Duration },
    /// It ended for good; the last event.
    Closed(Disconnect),
    /// Events may be missing before this one: fetch again what matters.
    Gap(Gap),
    /// The server says.
    Frame(ServerFrame),
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
    held: Mutex<Held>,
    fell_behind: Notify,
}

/// What could not be told while the queue was full.
#[derive(Default)]
struct Held {
    behind: bool,
    /// The newest of `Connected`, `Disconnected`, `Closed`: older ones no longer matter.
    state: Option<Event>,
}

pub(crate) fn event_channel(capacity: usize) -> (EventSink, Events) {
    let (sender, receiver) = mpsc::channel(capacity.max(2));
    let sink = EventSink { channel: sender, held: Mutex::default(), fell_behind: Notify::new() };
    (sink, Events(receiver))
}

impl EventSink {
    /// Tells the application, or notes that it could not be told. Never waits.
    pub fn emit(&self, event: Event) {
        let mut held = self.held.lock();
        let refused = match held.behind {
            true => Some(event),
            false => match self.channel.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
                Err(mpsc::error::TrySendError::Full(event)) => Some(event),
            },
        };
        if let Some(event) = refused {
            held.behind = true;
            if !matches!(event, Event::Frame(_) | Event::Gap(_)) {
                held.state = Some(event);
            }
            self.fell_behind.notify_one();
        }
    }

    /// Tells what was held back as soon as there is room. Runs as long as it is polled; may be dropped at any time.
    pub async fn catch_up(&self) -> std::convert::Infallible {
        loop {
            self.flush().await;
            self.fell_behind.notified().await;
        }
    }

    /// Tells what was held back, if anything, as soon as there is room for it.
    pub async fn flush(&self) {
        if !self.held.lock().behind {
            return;
        }
        // Two places: for the state and for the gap.
        let Ok(mut permits) = self.channel.reserve_many(2).await else { return };
        let mut held = self.held.lock();
        if !std::mem::take(&mut held.behind) {
            return;
        }
        let state = held.state.take();
        let closed = matches!(state, Some(Event::Closed(_)));
        let gap = Event::Gap(Gap::Overflow);
        let told = if closed { [Some(gap), state] } else { [state, Some(gap)] };
        for (event, permit) in told.into_iter().flatten().zip(permits.by_ref()) {
            permit.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Event {
        Event::Frame(ServerFrame::RoomLeft { room_id: shared::RoomId::new() })
    }

    #[tokio::test]
    async fn an_application_that_falls_behind_is_told_of_the_gap_and_of_the_newest_state() {
        let (sink, mut events) = event_channel(2);
        for _ in 0..5 {
            sink.emit(frame());
        }
        sink.emit(Event::Disconnected { reason: Disconnect::Silent, retry_in: Duration::ZERO });
        sink.emit(Event::Closed(Disconnect::Silent));
        let told = async {
            let mut told = Vec::new();
            for _ in 0..4 {
                told.push(events.next().await.unwrap());
            }
            told
        };
        let told = tokio::time::timeout(Duration::from_secs(20), told);
        let told = tokio::select! { told = told => told.unwrap(), never = sink.catch_up() => match never {} };
        assert!(matches!(told[..2], [Event::Frame(_), Event::Frame(_)]), "{told:?}");
        assert_eq!(told[2..], [Event::Gap(Gap::Overflow), Event::Closed(Disconnect::Silent)]);
        sink.emit(frame());
        assert!(matches!(events.next().await, Some(Event::Frame(_))), "then it goes on");
    }

    #[tokio::test]
    async fn a_dropped_receiver_is_no_hindrance() {
        let (sink, events) = event_channel(2);
        drop(events);
        for _ in 0..5 {
            sink.emit(frame());
        }
        sink.flush().await;
    }
}
