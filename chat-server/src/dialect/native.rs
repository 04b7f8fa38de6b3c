//! The native dialect: JSON text frames `{"type", "payload", "requestId?"}`.

use bytes::Bytes;
use shared::protocol::{BadFrame, ChatCommand, ClientFrame, ServerFrame, encode_frame};

/// A client's text as a command.
pub fn decode(text: &str) -> Result<ClientFrame<ChatCommand>, BadFrame> {
    ClientFrame::<ChatCommand>::parse(text)
}

/// A frame of ours as a ready WebSocket text frame.
pub fn encode(frame: &ServerFrame, request_id: Option<&str>) -> Bytes {
    socket::text_frame(encode_frame(frame, request_id))
}
