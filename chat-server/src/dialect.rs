//! Dialects: spellings of the same commands and events. No rule lives in one.

pub mod native;

use bytes::Bytes;
use shared::protocol::ServerFrame;

/// How a connection spells its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Native,
}

impl Dialect {
    /// A ready WebSocket frame; `request_id` is that of the command it answers.
    pub fn encode(self, frame: &ServerFrame, request_id: Option<&str>) -> Bytes {
        match self {
            Self::Native => native::encode(frame, request_id),
        }
    }
}

/// One event on its way to many: encoded at most once per dialect, then a refcount for each receiver.
pub struct Encoded<'a> {
    event: &'a ServerFrame,
    native: Option<Bytes>,
}

impl<'a> Encoded<'a> {
    pub fn new(event: &'a ServerFrame) -> Self {
        Self { event, native: None }
    }

    /// The frame for a connection of this dialect.
    pub fn frame(&mut self, dialect: Dialect) -> Bytes {
        let slot = match dialect {
            Dialect::Native => &mut self.native,
        };
        slot.get_or_insert_with(|| dialect.encode(self.event, None)).clone()
    }
}
