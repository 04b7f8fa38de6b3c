//! Hears what a client is told and hands it to the ledger.

use std::{collections::BTreeMap, sync::Arc};

use client::{
    Event, Events,
    protocol::{Position, ResumeStatus, Resumed, ServerFrame},
    shared::RoomId,
};

use super::{ledger::key_of, person::Person, shared::Shared};

/// One device's ear.
pub(super) struct Listener {
    shared: Arc<Shared>,
    person: Arc<Person>,
    /// What came on this connection before `RESUMED`; it shows in which rooms an event counts from a reset on. As much
    /// as one resume brings.
    held: Option<Vec<ServerFrame>>,
    synced: bool,
}

impl Listener {
    /// Listens until the connection is over.
    pub async fn listen(shared: Arc<Shared>, person: Arc<Person>, mut events: Events) {
        let mut listener = Self { shared, person, held: None, synced: false };
        while let Some(event) = events.next().await {
            listener.hear(event).await;
        }
    }

    async fn hear(&mut self, event: Event) {
        let device = self.person.device;
        match event {
            Event::Connected(_) => {
                self.shared.meter.lock().connected(device);
                self.held = self.synced.then(Vec::new);
            }
            Event::Disconnected { .. } => {
                self.shared.meter.lock().disconnected(device);
                self.release().await;
                self.shared.count(|counts| counts.disconnects += 1);
            }
            Event::Closed(why) => {
                self.release().await;
                if !matches!(why, client::Disconnect::Finished) {
                    self.shared.count_named(format!("connection over: {why}"));
                }
            }
            Event::Synced { more, .. } => self.synced |= !more,
            Event::Resumed { rooms, .. } => {
                self.resumed(&rooms).await;
                self.shared.count(|counts| counts.resumes += 1);
            }
            Event::Frame(frame) => match &mut self.held {
                Some(held) => held.push(frame),
                None => self.take(&frame).await,
            },
        }
        self.shared.tell();
    }

    /// Rooms whose log could not be followed are fetched first: the events that came since count from there.
    async fn resumed(&mut self, rooms: &BTreeMap<RoomId, Resumed>) {
        for (room, resumed) in rooms {
            match (resumed.status, resumed.position) {
                (ResumeStatus::CaughtUp, _) => {}
                (ResumeStatus::Reset | ResumeStatus::New, Some(position)) => self.refetch(*room, position).await,
                (ResumeStatus::Reset | ResumeStatus::New, None) | (ResumeStatus::Gone, _) => {
                    self.shared.ledger.lock().lose_membership(self.person.device, *room);
                }
            }
        }
        self.release().await;
    }

    async fn release(&mut self) {
        for frame in self.held.take().unwrap_or_default() {
            self.take(&frame).await;
        }
    }

    async fn take(&mut self, frame: &ServerFrame) {
        let device = self.person.device;
        match frame {
            ServerFrame::Reset { room_id, position } => self.refetch(*room_id, *position).await,
            frame => {
                if let ServerFrame::NewMessage { message, .. } = frame {
                    self.shared.meter.lock().received(key_of(&message.content), device);
                }
                self.shared.ledger.lock().tell(device, frame);
            }
        }
    }

    async fn refetch(&self, room: RoomId, position: Position) {
        let device = self.person.device;
        self.shared.ledger.lock().reset(device, room, position);
        match self.person.history(room, self.shared.plan.quiet_within).await {
            Ok(history) => self.shared.ledger.lock().refetch(device, room, &history),
            Err(error) => self.shared.count_error(&error),
        }
    }
}
