//! Dialects: spellings of the same commands and events. No rule lives in one.

pub mod messaging;
pub mod native;
pub mod resources;

use bytes::Bytes;
use domain::{Viewer, rooms::Direct};
use shared::{
    RoomId,
    protocol::{BadFrame, ChatCommand, ClientFrame, ServerFrame},
};
use socket::Outbound;

/// How a connection spells its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Native,
    Messaging,
    /// Of one room, which is known once the user is.
    Resources(Option<RoomId>),
}

impl Dialect {
    /// A text of the user's as a command.
    pub fn decode(self, viewer: &Viewer, text: &str) -> Result<ClientFrame<ChatCommand>, BadFrame> {
        match self {
            Self::Native | Self::Resources(None) => native::decode(text),
            Self::Messaging => messaging::decode(viewer, text),
            Self::Resources(Some(room)) => Ok(resources::decode(room, text)),
        }
    }

    /// A ready WebSocket frame; `request_id` is that of the command it answers. `None`: the dialect has no word for it.
    pub fn encode(self, frame: &ServerFrame, request_id: Option<&str>) -> Option<Bytes> {
        self.encode_in(None, frame, request_id)
    }

    /// The same, of a direct room.
    fn encode_in(self, direct: Option<&Direct>, frame: &ServerFrame, request_id: Option<&str>) -> Option<Bytes> {
        match self {
            Self::Native => Some(native::encode(frame, request_id)),
            Self::Messaging => messaging::encode(frame, direct, request_id),
            Self::Resources(room) => resources::encode(room, frame),
        }
    }

    /// Is a room that was joined shown, as it stood then?
    pub fn shows_rooms(self) -> bool {
        self == Self::Native
    }

    /// The first frame of a connection; `token` is what it came with.
    pub fn greet(self, success: &ServerFrame, token: Option<&str>, request_id: Option<&str>) -> Option<Bytes> {
        match (self, success) {
            (Self::Resources(_), ServerFrame::AuthSuccess { user_id, .. }) => Some(resources::welcome(*user_id, token)),
            _ => self.encode(success, request_id),
        }
    }

    /// Queues the frame, where the dialect has a word for it. A queue that overflows is noticed by the connection's loop.
    pub fn push(self, outbound: &Outbound, frame: &ServerFrame, request_id: Option<&str>) {
        if let Some(frame) = self.encode(frame, request_id) {
            outbound.push(frame);
        }
    }
}

/// One event on its way to many: encoded at most once per dialect, then a refcount for each receiver.
pub struct Encoded<'a> {
    event: &'a ServerFrame,
    /// Whose room it is about, where that is a direct one, as far as that is known.
    direct: Option<&'a Direct>,
    /// What the dialect makes of it, once it has been asked.
    native: Option<Option<Bytes>>,
    messaging: Option<Option<Bytes>>,
    /// For those of one room. Another is only where the lobby was deleted and made anew: it is the only other.
    resources: Option<(Option<RoomId>, Option<Bytes>)>,
}

impl<'a> Encoded<'a> {
    pub fn new(event: &'a ServerFrame) -> Self {
        Self::in_room(event, None)
    }

    /// An event of a room.
    pub fn in_room(event: &'a ServerFrame, direct: Option<&'a Direct>) -> Self {
        Self { event, direct, native: None, messaging: None, resources: None }
    }

    /// The frame for a connection of this dialect; `None`: it is told nothing.
    pub fn frame(&mut self, dialect: Dialect) -> Option<Bytes> {
        let slot = match dialect {
            Dialect::Native => &mut self.native,
            Dialect::Messaging => &mut self.messaging,
            Dialect::Resources(room) => {
                let (of, frame) =
                    self.resources.get_or_insert_with(|| (room, dialect.encode_in(self.direct, self.event, None)));
                return if *of == room { frame.clone() } else { dialect.encode_in(self.direct, self.event, None) };
            }
        };
        slot.get_or_insert_with(|| dialect.encode_in(self.direct, self.event, None)).clone()
    }
}
