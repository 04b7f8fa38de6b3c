//! What a server says: replies, which carry the `requestId` of their command, and events, which carry none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::object::{
    HistoryVisibility, Member, Message, Position, Receipt, Retention, Role, Room, Status, UserPresence,
};
use crate::{ErrorCode, EventId, FieldProblem, MessageId, NotificationId, RoomId, SessionId, Timestamp, UserId};

/// How a log went on for a client that named its position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeStatus {
    /// All that was missed has been sent.
    CaughtUp,
    /// It cannot be proven that nothing is missing: fetch anew.
    Reset,
    /// No longer a member.
    Gone,
    /// Not named by the client; its events start here.
    New,
}

/// Who has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestDirection {
    /// The other one.
    Incoming,
    /// Oneself.
    Outgoing,
}

/// Where a log stands after a `RESUME`; events go on from there. Counts are absolute, and there for rooms one is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resumed {
    pub status: ResumeStatus,
    /// None for `gone`.
    #[serde(flatten)]
    pub position: Option<Position>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read_seq: Option<u64>,
}

/// Every frame a server sends on `/chat` and `/presence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum ServerFrame {
    /// The first frame of every socket, once it is attached to all rooms of its user.
    AuthSuccess {
        user_id: UserId,
        username: String,
        status: Status,
        /// None where another product's token opened the socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
        heartbeat_ms: u64,
        resuming: bool,
    },
    Pong {
        server_time: Timestamp,
    },
    Error {
        code: ErrorCode,
        message: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Vec<FieldProblem>,
        /// With `RATE_LIMIT_EXCEEDED`: when to try again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    RoomJoined {
        room: Room,
        position: Position,
        messages: Vec<Message>,
        users: Vec<Member>,
        member_count: u64,
    },
    RoomLeft {
        room_id: RoomId,
    },
    RoomCreated {
        room: Room,
    },
    /// Sent only once the message is stored; may come before or after the event and is no position.
    MessageAck {
        id: MessageId,
        room_id: RoomId,
        seq: u64,
        rev: u64,
        timestamp: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_message_id: Option<String>,
        /// The first result again: the same key was sent before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
    },
    EditMessageAck {
        message_id: MessageId,
        edited_at: Timestamp,
    },
    DeleteMessageAck {
        message_id: MessageId,
    },
    /// `count`: how many have given it now.
    ReactAck {
        message_id: MessageId,
        emoji: String,
        count: u64,
    },
    /// A page of the user's rooms, each current to its `position`.
    Synced {
        user: Position,
        rooms: Vec<Room>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_cursor: Option<String>,
    },
    /// All events that were missed have been sent before this.
    Resumed {
        user: Resumed,
        rooms: BTreeMap<RoomId, Resumed>,
        /// More frames follow with other rooms; the last one has none of this.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// `items` newest first; with `after`, oldest first.
    History {
        room_id: RoomId,
        items: Vec<Message>,
        has_more: bool,
        position: Position,
    },

    NewMessage {
        #[serde(flatten)]
        message: Message,
        rev: u64,
        event_id: EventId,
    },
    /// The whole message as it is now.
    MessageEdited {
        #[serde(flatten)]
        message: Message,
        rev: u64,
        event_id: EventId,
    },
    /// `count`: how many have given this emoji now.
    ReactionUpdated {
        room_id: RoomId,
        message_id: MessageId,
        seq: u64,
        user_id: UserId,
        username: String,
        emoji: String,
        added: bool,
        count: u64,
        rev: u64,
        event_id: EventId,
    },
    MessageDeleted {
        room_id: RoomId,
        message_id: MessageId,
        seq: u64,
        user_id: UserId,
        rev: u64,
        event_id: EventId,
    },
    UserJoined {
        room_id: RoomId,
        user_id: UserId,
        username: String,
        rev: u64,
        event_id: EventId,
    },
    UserLeft {
        room_id: RoomId,
        user_id: UserId,
        username: String,
        /// Who took them out of the room; absent where they left by themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        removed_by: Option<UserId>,
        rev: u64,
        event_id: EventId,
    },
    /// What the room is now, and who changed it; what it was made as it stays.
    RoomUpdated {
        room_id: RoomId,
        user_id: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        history_visibility: HistoryVisibility,
        /// Absent: all messages are kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention: Option<Retention>,
        rev: u64,
        event_id: EventId,
    },
    /// The room is gone with all that was in it; `ROOM_REMOVED` follows.
    RoomDeleted {
        room_id: RoomId,
        user_id: UserId,
        rev: u64,
        event_id: EventId,
    },
    /// A member has this role now.
    MemberUpdated {
        room_id: RoomId,
        user_id: UserId,
        role: Role,
        rev: u64,
        event_id: EventId,
    },
    /// Comes before any event of that room.
    RoomAdded {
        room: Room,
        position: Position,
        /// In the user's own log; absent where the server found out by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_position: Option<Position>,
    },
    RoomRemoved {
        room_id: RoomId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_position: Option<Position>,
    },
    /// The user has read up to `seq`, on whichever device. Counts are absolute.
    ReadMark {
        room_id: RoomId,
        seq: u64,
        unread: u64,
        mentions: u64,
        user_position: Position,
    },
    ContactUpdated {
        user_id: UserId,
        /// `false`: no longer a contact.
        added: bool,
        user_position: Position,
    },
    /// A contact request waits, or waits no more. Becoming a contact ends it, and is told by `CONTACT_UPDATED` alone.
    ContactRequestUpdated {
        user_id: UserId,
        direction: RequestDirection,
        pending: bool,
        user_position: Position,
    },
    BlockUpdated {
        user_id: UserId,
        /// `false`: no longer blocked.
        blocked: bool,
        user_position: Position,
    },
    Notification {
        id: NotificationId,
        title: String,
        body: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<serde_json::Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        category: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        created_at: Timestamp,
        user_position: Position,
    },
    /// Read on whichever device: this notification, or without an `id` all that came before this. The count is absolute.
    NotificationRead {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<NotificationId>,
        /// How many of the inbox are unread now.
        unread: u64,
        user_position: Position,
    },
    /// What the user wants to be told of was set anew, on whichever device: fetch it.
    NotificationSettingsUpdated {
        user_position: Position,
    },
    /// In no log; ends by itself 6 s after it was last said.
    TypingUpdate {
        room_id: RoomId,
        user_id: UserId,
        username: String,
        is_typing: bool,
    },
    /// Marks of other members that moved; in no log, at most one for a room and second.
    Receipt {
        room_id: RoomId,
        receipts: Vec<Receipt>,
    },
    /// Part of the room's log may have been missed and could not be repaired: fetch it again.
    Reset {
        room_id: RoomId,
        position: Position,
    },
    /// The server is about to drain: connect again after `after_ms`.
    Reconnect {
        after_ms: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },

    /// The token of another product that opened the socket ends: `AUTHENTICATE` by the next one, or it is closed.
    TokenExpiring {
        in_ms: u64,
    },

    StatusSet {
        status: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    FocusSet {
        focused: bool,
    },
    PresenceSnapshot {
        users: Vec<UserPresence>,
    },
    Unsubscribed {
        user_ids: Vec<UserId>,
    },
    PresenceUpdate(UserPresence),
}

/// The JSON text of a frame; `request_id` is that of the command it answers.
pub fn encode_frame(frame: &ServerFrame, request_id: Option<&str>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply<'a> {
        #[serde(flatten)]
        frame: &'a ServerFrame,
        request_id: &'a str,
    }
    let text = match request_id {
        None => serde_json::to_string(frame),
        Some(request_id) => serde_json::to_string(&Reply { frame, request_id }),
    };
    // Serialising these types into memory cannot fail: no maps with non-string keys, no I/O.
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_carries_its_request_id_beside_type_and_payload() {
        let frame = ServerFrame::Reconnect { after_ms: 7, url: None };
        assert_eq!(encode_frame(&frame, Some("q")), r#"{"type":"RECONNECT","payload":{"afterMs":7},"requestId":"q"}"#);
        assert_eq!(encode_frame(&frame, None), r#"{"type":"RECONNECT","payload":{"afterMs":7}}"#);
    }

    #[test]
    fn an_error_without_details_has_none() {
        let frame = ServerFrame::Error {
            code: ErrorCode::RoomNotFound,
            message: "no".into(),
            details: vec![],
            retry_after_ms: None,
        };
        assert_eq!(
            encode_frame(&frame, None),
            r#"{"type":"ERROR","payload":{"code":"ROOM_NOT_FOUND","message":"no"}}"#
        );
    }
}
