//! People who go and come back: they remember how far they have seen each room, and resume there.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::Instant,
};

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;
use shared::{
    RoomId,
    protocol::{Position, ResumeStatus, Resumed, ServerFrame},
};
use tokio::sync::oneshot;

use crate::{
    cast::User,
    fleet::{Fleet, dial_as},
    frame,
    hall::Hall,
    line::{Line, Listener, Manner},
    target::ChatServer,
};

/// Listens for all of them; what they hear goes on to the hall.
pub struct Residents {
    hall: Rc<Hall>,
    memories: RefCell<Vec<Memory>>,
}

/// What one of them remembers.
#[derive(Default)]
struct Memory {
    /// In the user's own log.
    user: Option<Position>,
    rooms: HashMap<RoomId, Position>,
    /// Waits for `SYNCED` or `RESUMED`; gives how many logs were reset.
    waiting: Option<oneshot::Sender<u64>>,
    resets: u64,
    /// Commands of theirs that have an answer, without it.
    unanswered: u32,
}

/// The positions in any frame that has some.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    room_id: Option<RoomId>,
    #[serde(flatten)]
    position: Option<Position>,
    user_position: Option<Position>,
}

impl Residents {
    pub fn new(hall: Rc<Hall>, users: usize) -> Rc<Self> {
        Rc::new(Self { hall, memories: RefCell::new((0..users).map(|_| Memory::default()).collect()) })
    }

    /// Learns where all logs stand, once the connections (held) are open; then they are live.
    pub async fn settle_in(&self, fleet: &Fleet, users: usize) -> anyhow::Result<()> {
        let mut answers = Vec::new();
        for member in 0..users {
            if let Some(line) = fleet.line(member) {
                answers.push(self.expect(member));
                line.send(r#"{"type":"SYNC","payload":{"limit":200}}"#.to_owned()).await;
            }
        }
        for answer in answers {
            answer.await.context("a connection ended before SYNCED")?;
        }
        Ok(())
    }

    /// Connects `member` again and resumes; gives how many logs the server could not go on with.
    pub async fn come_back(
        self: Rc<Self>,
        fleet: &Fleet,
        server: &ChatServer,
        user: &User,
        member: usize,
    ) -> anyhow::Result<u64> {
        let manner = Manner { hold: true, slow: false };
        let socket = dial_as(server, user, manner).await.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        let line = Line::start(socket, member, manner, self.clone());
        let answer = self.expect(member);
        line.send(self.resume(member)).await;
        let resets = answer.await.context("the connection ended before RESUMED")?;
        fleet.put(member, line);
        Ok(resets)
    }

    /// `member` sends a message or asks for a page.
    pub fn asked(&self, member: usize) {
        self.memories.borrow_mut()[member].unanswered += 1;
    }

    /// Nothing that `member` asked is still unanswered: going away now leaves no doubt.
    pub fn may_go(&self, member: usize) -> bool {
        self.memories.borrow()[member].unanswered == 0
    }

    fn expect(&self, member: usize) -> oneshot::Receiver<u64> {
        let (sender, answer) = oneshot::channel();
        let memory = &mut self.memories.borrow_mut()[member];
        (memory.waiting, memory.resets) = (Some(sender), 0);
        answer
    }

    fn resume(&self, member: usize) -> String {
        let memory = &self.memories.borrow()[member];
        let rooms: BTreeMap<_, _> = memory.rooms.iter().collect();
        json!({ "type": "RESUME", "payload": { "user": memory.user, "rooms": rooms } }).to_string()
    }
}

impl Memory {
    fn saw(&mut self, room: RoomId, position: Position) {
        let known = self.rooms.entry(room).or_insert(position);
        if position.rev > known.rev {
            *known = position;
        }
    }

    fn saw_own(&mut self, position: Position) {
        if self.user.is_none_or(|known| position.rev > known.rev) {
            self.user = Some(position);
        }
    }

    /// `true`: that was all, the connection is live.
    fn on_reply(&mut self, frame: ServerFrame) -> bool {
        let more = match frame {
            ServerFrame::Synced { user, rooms, next_cursor } => {
                self.saw_own(user);
                let placed = rooms.iter().filter_map(|room| Some((room.id, room.position?)));
                placed.for_each(|(room, position)| self.saw(room, position));
                next_cursor.is_some()
            }
            ServerFrame::Resumed { user, rooms, more } => {
                user.position.iter().for_each(|position| self.saw_own(*position));
                let placed = rooms.iter().filter_map(|(room, at)| Some((*room, at.position?)));
                placed.for_each(|(room, position)| self.saw(room, position));
                let reset = |at: &&Resumed| matches!(at.status, ResumeStatus::Reset | ResumeStatus::Gone);
                self.resets += rooms.values().chain([&user]).filter(reset).count() as u64;
                more
            }
            _ => return false,
        };
        if !more && let Some(waiting) = self.waiting.take() {
            // Nobody waits any more: the run is over.
            let _ = waiting.send(self.resets);
        }
        !more
    }
}

impl Listener for Residents {
    fn frame(&self, member: usize, text: &str) {
        self.hall.frame(member, text);
        let memory = &mut self.memories.borrow_mut()[member];
        match self.hall.scanner.read(text) {
            frame::Frame::Delivery(_) => {
                if let (Some(room), Some(position)) = (frame::room(text), frame::position(text)) {
                    memory.saw(room, position);
                }
            }
            frame::Frame::Other(other) => match &*other.kind {
                "MESSAGE_ACK" | "HISTORY" | "ERROR" if other.request_id.is_some() => {
                    memory.unanswered = memory.unanswered.saturating_sub(1);
                }
                "SYNCED" | "RESUMED" => {
                    if let Ok(frame) = serde_json::from_str(text)
                        && memory.on_reply(frame)
                    {
                        self.hall.judge.borrow_mut().set_away(member, false);
                    }
                }
                "TYPING_UPDATE" | "RECEIPT" => {}
                _ => {
                    if let Ok(placed) = serde_json::from_str::<Placed>(other.payload()) {
                        placed.user_position.into_iter().for_each(|position| memory.saw_own(position));
                        if let (Some(room), Some(position)) = (placed.room_id, placed.position) {
                            memory.saw(room, position);
                        }
                    }
                }
            },
            frame::Frame::Unreadable => {}
        }
    }

    fn ended(&self, member: usize, why: &str) {
        self.memories.borrow_mut()[member].waiting = None;
        self.hall.ended(member, why);
    }
}

/// How long coming back took.
pub fn micros_since(begin: Instant) -> u64 {
    begin.elapsed().as_micros() as u64
}
