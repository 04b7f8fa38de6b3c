//! A device: its rooms, its read marks and what it was told, as an application would keep them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chatapp::verify::ledger::{History, Ledger};
use client::{
    Api, Chat, Event, Events, Options, PageQuery,
    protocol::{Position, ResumeStatus, Resumed, Room, ServerFrame},
    shared::{RoomId, UserId},
};
use e2e::Door;
use parking_lot::Mutex;

/// The one device of a ledger: each device has a judge of its own.
const SELF: usize = 0;

pub struct Device {
    pub chat: Chat,
    pub door: Door,
    pub state: Arc<Mutex<State>>,
}

/// What an application would show.
#[derive(Default)]
pub struct State {
    pub ledger: Ledger,
    /// The own read mark in each room one is in.
    pub read: BTreeMap<RoomId, u64>,
    pub synced: bool,
    pub resumes: u64,
}

impl Device {
    pub async fn connect(user: UserId, api: Api, token: &str, door: Door) -> Self {
        let url = format!("ws://{}", door.address());
        let (chat, events) = Chat::connect_with(url, token.to_owned(), Options::default()).await.unwrap();
        let state = Arc::<Mutex<State>>::default();
        let ear = Ear { user, api, state: state.clone(), held: None };
        tokio::spawn(ear.listen(events));
        Self { chat, door, state }
    }
}

/// Hears the events of one device until its connection is closed.
struct Ear {
    user: UserId,
    api: Api,
    state: Arc<Mutex<State>>,
    /// Room events since the connection came back, until `RESUMED` says what they follow on.
    held: Option<Vec<ServerFrame>>,
}

impl Ear {
    async fn listen(mut self, mut events: Events) {
        while let Some(event) = events.next().await {
            self.hear(event).await;
        }
    }

    async fn hear(&mut self, event: Event) {
        match event {
            Event::Connected(_) => self.held = self.state.lock().synced.then(Vec::new),
            Event::Disconnected { .. } | Event::Closed(_) => self.release(&BTreeMap::new()).await,
            Event::Synced { rooms, more } => {
                for room in rooms {
                    let position = room.position.expect("a synced room has a position");
                    self.enter(&room, position).await;
                }
                self.state.lock().synced |= !more;
            }
            Event::Resumed { rooms, .. } => self.resumed(rooms).await,
            Event::Frame(frame) => match &mut self.held {
                Some(held) => held.push(frame),
                None => self.take(&frame, &BTreeMap::new()).await,
            },
        }
    }

    /// The rooms named are the rooms there are, and how each went on.
    async fn resumed(&mut self, rooms: BTreeMap<RoomId, Resumed>) {
        for (room, resumed) in &rooms {
            if let Some(read) = resumed.last_read_seq {
                self.state.lock().read.insert(*room, read);
            }
            match (resumed.status, resumed.position) {
                (ResumeStatus::CaughtUp, _) => {}
                (ResumeStatus::Reset, Some(position)) => self.refetch(*room, position).await,
                (ResumeStatus::New, Some(position)) => self.watch(*room, position).await,
                _ => self.leave(*room),
            }
        }
        self.release(&rooms).await;
        self.state.lock().resumes += 1;
    }

    async fn release(&mut self, resumed: &BTreeMap<RoomId, Resumed>) {
        for frame in self.held.take().unwrap_or_default() {
            self.take(&frame, resumed).await;
        }
    }

    /// `resumed`: of these rooms it is known already how they went on; older news of coming and going says nothing.
    async fn take(&mut self, frame: &ServerFrame, resumed: &BTreeMap<RoomId, Resumed>) {
        match frame {
            ServerFrame::RoomAdded { room, position, .. } if !resumed.contains_key(&room.id) => {
                self.enter(room, *position).await;
            }
            ServerFrame::RoomRemoved { room_id, .. } if !resumed.contains_key(room_id) => self.leave(*room_id),
            ServerFrame::ReadMark { room_id, seq, .. } => {
                if let Some(read) = self.state.lock().read.get_mut(room_id) {
                    *read = (*read).max(*seq);
                }
            }
            ServerFrame::Reset { room_id, position } => self.refetch(*room_id, *position).await,
            frame => {
                let state = &mut *self.state.lock();
                if let ServerFrame::NewMessage { message, .. } = frame
                    && message.user_id == self.user
                    && let Some(read) = state.read.get_mut(&message.room_id)
                {
                    *read = (*read).max(message.seq);
                }
                state.ledger.tell(SELF, frame);
            }
        }
    }

    async fn enter(&mut self, room: &Room, position: Position) {
        self.state.lock().read.insert(room.id, room.last_read_seq.unwrap_or_default());
        self.watch(room.id, position).await;
    }

    fn leave(&mut self, room: RoomId) {
        let state = &mut *self.state.lock();
        state.read.remove(&room);
        state.ledger.unwatch(SELF, room);
    }

    /// Begins to watch: the state is fetched, the events go on after `position`.
    async fn watch(&mut self, room: RoomId, position: Position) {
        let begin = History { items: Vec::new(), position };
        {
            let ledger = &mut self.state.lock().ledger;
            ledger.watch(SELF, self.user, room, &begin);
            ledger.hide_older(SELF, room);
        }
        self.fetch(room).await;
    }

    async fn refetch(&mut self, room: RoomId, position: Position) {
        self.state.lock().ledger.reset(SELF, room, position);
        self.fetch(room).await;
    }

    async fn fetch(&mut self, room: RoomId) {
        // None: one has left meanwhile, which is about to be told.
        if let Some(history) = history(&self.api, room).await {
            self.state.lock().ledger.refetch(SELF, room, &history);
        }
    }
}

/// All that a user may see of a room, oldest first; `None` where they are no member.
pub async fn history(api: &Api, room: RoomId) -> Option<History> {
    let mut items = Vec::new();
    loop {
        let after = Some(items.last().map_or(0, |message: &client::protocol::Message| message.seq));
        let query = PageQuery { after, limit: Some(200), ..PageQuery::default() };
        let page = loop {
            match api.history(room, query).await {
                // Its server is being started again; the test has an end of its own.
                Err(error) if error.is_temporary() => tokio::time::sleep(Duration::from_millis(50)).await,
                outcome => break outcome.ok()?,
            }
        };
        items.extend(page.items);
        if !page.has_more {
            return Some(History { items, position: page.position });
        }
    }
}
