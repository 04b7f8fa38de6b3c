//! How far the application has been told: its position in the user's own log and in each room. What `/chat` resumes from.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use serde::Serialize;
use shared::{
    ErrorCode, RoomId,
    protocol::{Position, ResumeStatus, Resumed, ServerFrame},
};

use crate::socket::{RESTORE_ID, Restore, encode};

/// Rooms in one `RESUME`: about 30 KiB, half of what a server takes as a frame.
const ROOMS_PER_FRAME: usize = 256;

/// A log, as far as it has been told.
#[derive(Debug, Clone, Copy)]
struct Place {
    position: Position,
    /// Told on this connection: from here on only later positions count.
    moved: bool,
}

impl Place {
    fn new(position: Position) -> Self {
        Self { position, moved: true }
    }

    /// The server names a position. The first on a connection holds as it is (a store that lost writes goes back);
    /// later ones only forward, because `RESUMED` names where a room began to flow and its events may come before.
    fn stand(&mut self, position: Position) {
        if !self.moved || position.rev > self.position.rev {
            *self = Self::new(position);
        }
    }
}

#[derive(Debug, Default)]
struct Places {
    /// None until the first `SYNCED`.
    user: Option<Place>,
    /// At most the rooms the user is in, and those left since the last connection began.
    rooms: HashMap<RoomId, Place>,
    /// The first frames of the connection are not answered yet.
    resuming: bool,
    /// Of a `RESUMED` in several frames, what came before the last.
    resumed: BTreeMap<RoomId, Resumed>,
}

impl Places {
    fn room(&mut self, room: RoomId, position: Position) {
        self.rooms.entry(room).and_modify(|place| place.stand(position)).or_insert(Place::new(position));
    }

    /// A reply shows the room as it is at `position`; only what comes after that follows.
    fn enter(&mut self, room: RoomId, position: Position) {
        let known = self.rooms.get(&room).is_some_and(|place| place.position.rev >= position.rev);
        if !known {
            self.rooms.insert(room, Place::new(position));
        }
    }

    fn user(&mut self, position: Position) {
        self.user.get_or_insert(Place::new(position)).stand(position);
    }

    fn event(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Reset { room_id, position } => {
                self.rooms.insert(*room_id, Place::new(*position));
            }
            // Of a room that is known already, what follows begins where it was known to.
            ServerFrame::RoomAdded { room, position, .. } => {
                self.rooms.entry(room.id).or_insert(Place::new(*position));
            }
            // An old entry of the log may be about an earlier stay; `RESUMED` says what holds.
            ServerFrame::RoomRemoved { room_id, .. } if !self.resuming => {
                self.rooms.remove(room_id);
            }
            frame => {
                if let Some((room, position)) = room_position(frame) {
                    self.room(room, position);
                }
            }
        }
        if let Some(position) = user_position(frame) {
            self.user(position);
        }
    }
}

/// The positions of one application; shared by its connections, one after another.
#[derive(Debug, Default)]
pub(crate) struct Positions(Mutex<Places>);

impl Restore for Positions {
    fn holds(&self) -> bool {
        true
    }

    /// `SYNC` as long as nothing is known, else `RESUME`.
    fn frames(&self) -> Vec<String> {
        let places = &mut *self.0.lock();
        places.resuming = true;
        places.resumed.clear();
        let Some(user) = &mut places.user else { return sync(None).into_iter().collect() };
        user.moved = false;
        places.rooms.values_mut().for_each(|place| place.moved = false);
        let user = user.position;
        let rooms: Vec<_> = places.rooms.iter().map(|(room, place)| (*room, place.position)).collect();
        resume(user, &rooms)
    }

    fn whole(&self, frame: ServerFrame) -> Option<ServerFrame> {
        let ServerFrame::Resumed { user, mut rooms, more } = frame else { return Some(frame) };
        let resumed = &mut self.0.lock().resumed;
        resumed.append(&mut rooms);
        (!more).then(|| ServerFrame::Resumed { user, rooms: std::mem::take(resumed), more })
    }

    /// What is known is of no use; the next connection begins with `SYNC`.
    fn note_refusal(&self, code: ErrorCode) {
        if code == ErrorCode::InvalidMessage {
            *self.0.lock() = Places::default();
        }
    }

    fn note_event(&self, frame: &ServerFrame) -> Option<String> {
        let places = &mut *self.0.lock();
        match frame {
            ServerFrame::Synced { user, rooms, next_cursor } => {
                // A later page knows more of the user's log than has been told.
                places.user.get_or_insert(Place::new(*user));
                for room in rooms {
                    if let Some(position) = room.position {
                        places.room(room.id, position);
                    }
                }
                places.resuming = next_cursor.is_some();
                return next_cursor.as_deref().and_then(|cursor| sync(Some(cursor)));
            }
            ServerFrame::Resumed { user, rooms, .. } => {
                if let Some(position) = user.position {
                    places.user(position);
                }
                for (room, resumed) in rooms {
                    match resumed.position {
                        Some(position) if resumed.status != ResumeStatus::Gone => places.room(*room, position),
                        _ => drop(places.rooms.remove(room)),
                    }
                }
                places.resuming = false;
            }
            frame => places.event(frame),
        }
        None
    }

    fn note_reply(&self, frame: &ServerFrame) {
        let mut places = self.0.lock();
        match frame {
            ServerFrame::RoomJoined { room, position, .. } => places.enter(room.id, *position),
            ServerFrame::RoomCreated { room } => {
                if let Some(position) = room.position {
                    places.enter(room.id, position);
                }
            }
            ServerFrame::RoomLeft { room_id } => drop(places.rooms.remove(room_id)),
            // A page of history or of `SYNC` that a caller asked for is no word on what was told as events.
            _ => {}
        }
    }
}

fn sync(cursor: Option<&str>) -> Option<String> {
    #[derive(Serialize)]
    struct Sync<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<&'a str>,
    }
    // Encoding plain values into memory cannot fail.
    encode("SYNC", Sync { cursor }, Some(RESTORE_ID)).ok()
}

fn resume(user: Position, rooms: &[(RoomId, Position)]) -> Vec<String> {
    #[derive(Serialize)]
    struct Resume {
        user: Position,
        rooms: HashMap<RoomId, Position>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    }
    let frames = rooms.len().div_ceil(ROOMS_PER_FRAME).max(1);
    let frame = |n: usize| {
        let rooms = rooms.iter().skip(n * ROOMS_PER_FRAME).take(ROOMS_PER_FRAME).copied().collect();
        // Encoding plain values into memory cannot fail.
        encode("RESUME", Resume { user, rooms, more: n + 1 < frames }, Some(RESTORE_ID)).ok()
    };
    (0..frames).filter_map(frame).collect()
}

/// Where an event stands in its room's log; none for what is in no room's log.
fn room_position(frame: &ServerFrame) -> Option<(RoomId, Position)> {
    let (room, rev, event_id) = match frame {
        ServerFrame::NewMessage { message, rev, event_id } | ServerFrame::MessageEdited { message, rev, event_id } => {
            (message.room_id, rev, event_id)
        }
        ServerFrame::ReactionUpdated { room_id, rev, event_id, .. }
        | ServerFrame::MessageDeleted { room_id, rev, event_id, .. }
        | ServerFrame::UserJoined { room_id, rev, event_id, .. }
        | ServerFrame::UserLeft { room_id, rev, event_id, .. }
        | ServerFrame::MemberUpdated { room_id, rev, event_id, .. }
        | ServerFrame::RoomUpdated { room_id, rev, event_id, .. }
        | ServerFrame::RoomDeleted { room_id, rev, event_id, .. } => (*room_id, rev, event_id),
        _ => return None,
    };
    Some((room, Position { rev: *rev, event_id: *event_id }))
}

/// Where an event stands in the user's own log; none for what is not in it.
fn user_position(frame: &ServerFrame) -> Option<Position> {
    match frame {
        ServerFrame::RoomAdded { user_position, .. } | ServerFrame::RoomRemoved { user_position, .. } => *user_position,
        ServerFrame::ReadMark { user_position, .. }
        | ServerFrame::ContactUpdated { user_position, .. }
        | ServerFrame::BlockUpdated { user_position, .. }
        | ServerFrame::ContactRequestUpdated { user_position, .. }
        | ServerFrame::Notification { user_position, .. }
        | ServerFrame::NotificationRead { user_position, .. }
        | ServerFrame::NotificationSettingsUpdated { user_position } => Some(*user_position),
        _ => None,
    }
}
