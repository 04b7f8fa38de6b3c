//! Dialects: spellings of the same commands and events. No rule lives in one.

pub mod native;

use bytes::Bytes;
use domain::Viewer;
use shared::protocol::{BadFrame, ChatCommand, ClientFrame, ServerFrame};
use socket::Outbound;

/// How a connection spells its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Native,
}

impl Dialect {
    /// A text of the user's as a command.
    pub fn decode(self, _viewer: &Viewer, text: &str) -> Result<ClientFrame<ChatCommand>, BadFrame> {
        match self {
            Self::Native => native::decode(text),
        }
    }

    /// A ready WebSocket frame; `request_id` is that of the command it answers. `None`: the dialect has no word for it.
    pub fn encode(self, frame: &ServerFrame, request_id: Option<&str>) -> Option<Bytes> {
        match self {
            Self::Native => Some(native::encode(frame, request_id)),
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
    /// What the dialect makes of it, once it has been asked.
    native: Option<Option<Bytes>>,
}

impl<'a> Encoded<'a> {
    pub fn new(event: &'a ServerFrame) -> Self {
        Self { event, native: None }
    }

    /// The frame for a connection of this dialect; `None`: it is told nothing.
    pub fn frame(&mut self, dialect: Dialect) -> Option<Bytes> {
        let slot = match dialect {
            Dialect::Native => &mut self.native,
        };
        slot.get_or_insert_with(|| dialect.encode(self.event, None)).clone()
    }
}
