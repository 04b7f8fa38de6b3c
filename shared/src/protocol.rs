//! The native protocol as types: the objects REST and sockets share, what a client asks, what a server says.

pub mod command;
pub mod frame;
pub mod messaging;
pub mod object;
pub mod resources;

pub use command::{BadFrame, ChatCommand, ClientFrame, PresenceCommand};
pub use frame::{RequestDirection, ResumeStatus, Resumed, ServerFrame, encode_frame};
pub use object::{
    Attachment, HistoryVisibility, LastSeenFor, Member, Message, MessageType, Position, Reaction, Receipt, Retention,
    Role, Room, RoomType, Status, User, UserPresence,
};

/// The WebSocket subprotocol the server selects (RFC 6455 §1.9); the token rides beside it as `bearer.<token>`.
pub const SUBPROTOCOL: &str = "chatapp.v1";
