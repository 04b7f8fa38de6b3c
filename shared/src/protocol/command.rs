//! What a client asks: `{"type", "payload", "requestId?"}` text frames, parsed once into typed commands.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::object::{HistoryVisibility, MessageType, Position, Retention, Role, RoomType};
use crate::{AttachmentId, FieldProblem, MessageId, RoomId, UserId};

/// Longest `requestId` that is echoed, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// A parsed frame; `C` is [`ChatCommand`] or [`PresenceCommand`].
#[derive(Debug, PartialEq)]
pub struct ClientFrame<C> {
    pub command: C,
    pub request_id: Option<String>,
}

/// Why a frame could not be parsed; what `INVALID_MESSAGE` says of it.
#[derive(Debug, PartialEq)]
pub struct BadFrame {
    /// The frame's own, where it could be read.
    pub request_id: Option<String>,
    pub message: String,
    pub details: Vec<FieldProblem>,
}

/// First frame of a socket that did not authenticate in its handshake.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Authenticate {
    pub token: String,
    /// On `/chat`: the client will send `RESUME` or `SYNC`; its events wait until then.
    #[serde(default)]
    pub resume: bool,
}

/// Names a room by id or by handle: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRoom {
    pub room_id: Option<RoomId>,
    pub handle: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaveRoom {
    pub room_id: RoomId,
}

/// Also the body of `POST /api/rooms`.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateRoom {
    pub name: String,
    pub handle: Option<String>,
    pub description: Option<String>,
    /// `public` or `private`.
    #[serde(rename = "type")]
    pub kind: RoomType,
    /// Default: `all` for public, `joined` for private rooms.
    pub history_visibility: Option<HistoryVisibility>,
    /// Default: all messages are kept.
    pub retention: Option<Retention>,
}

/// The body of `PATCH /api/rooms/{id}`: what is given changes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchRoom {
    pub name: Option<String>,
    /// Empty: none any more.
    pub description: Option<String>,
    /// `joined` hides from members what was sent before they joined; there is no way back from it.
    pub history_visibility: Option<HistoryVisibility>,
    /// Without any limit: all messages are kept.
    pub retention: Option<Retention>,
    /// Refused: it stays as it was made.
    #[serde(rename = "type")]
    pub kind: Option<RoomType>,
    /// Refused: it stays as it was made.
    pub handle: Option<String>,
}

/// The body of `POST /api/rooms/{id}/invites`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MakeInvite {
    /// Seconds, 60 to 31,536,000 (a year); default: a week.
    pub expires_in: Option<u64>,
    /// 1 to 1,000,000; default: any number.
    pub max_uses: Option<u64>,
}

/// The body of `PUT /api/rooms/{id}/members/{userId}`.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
pub struct SetRole {
    pub role: Role,
}

/// Goes to a room, or to a user through their direct room: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    pub room_id: Option<RoomId>,
    pub recipient_id: Option<UserId>,
    /// May be absent where there are attachments.
    #[serde(default)]
    pub content: String,
    #[serde(rename = "type", default)]
    pub kind: MessageType,
    pub client_message_id: Option<String>,
    pub reply_to: Option<MessageId>,
    /// Uploads of one's own that no other message has.
    #[serde(default)]
    pub attachments: Vec<AttachmentId>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteMessage {
    pub message_id: MessageId,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EditMessage {
    pub message_id: MessageId,
    pub content: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct React {
    pub message_id: MessageId,
    pub emoji: String,
    /// `false` takes it back.
    pub add: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypingStatus {
    pub room_id: RoomId,
    pub is_typing: bool,
}

/// Everything up to `seq` has been read, or delivered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    pub room_id: RoomId,
    pub seq: u64,
}

/// Asks for the state of all rooms, a page at a time.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Sync {
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
    /// Rooms; 1 to 200, default 100.
    pub limit: Option<usize>,
}

/// Where the client left off.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Resume {
    /// In the user's own log.
    pub user: Option<Position>,
    #[serde(default)]
    pub rooms: HashMap<RoomId, Position>,
    /// Further `RESUME` frames follow with other rooms; the last one has none of this.
    #[serde(default)]
    pub more: bool,
}

/// A page of history; at most one of `before` and `after`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetHistory {
    pub room_id: RoomId,
    pub before: Option<u64>,
    pub after: Option<u64>,
    pub limit: Option<usize>,
}

/// What a client may ask on `/chat`.
#[derive(Debug, PartialEq)]
pub enum ChatCommand {
    Authenticate(Authenticate),
    JoinRoom(JoinRoom),
    LeaveRoom(LeaveRoom),
    CreateRoom(CreateRoom),
    SendMessage(SendMessage),
    DeleteMessage(DeleteMessage),
    EditMessage(EditMessage),
    React(React),
    TypingStatus(TypingStatus),
    MarkRead(Mark),
    MarkDelivered(Mark),
    GetHistory(GetHistory),
    Sync(Sync),
    Resume(Resume),
    Ping,
}

/// What a user sets for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnStatus {
    Online,
    Away,
    Busy,
    /// Looks `offline` to others.
    Invisible,
}

#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
pub struct SetStatus {
    pub status: OwnStatus,
    /// Up to 100 characters; none or blank for no text.
    pub text: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Focus {
    pub focused: bool,
}

/// Default: the user's contacts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribe {
    pub user_ids: Option<Vec<UserId>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsubscribe {
    pub user_ids: Vec<UserId>,
}

/// What a client may ask on `/presence`.
#[derive(Debug, PartialEq)]
pub enum PresenceCommand {
    Authenticate(Authenticate),
    SetStatus(SetStatus),
    Focus(Focus),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Ping,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    request_id: Option<String>,
}

impl ClientFrame<ChatCommand> {
    /// Parses a text frame of `/chat`. Unknown fields are ignored, an unknown `type` is a [`BadFrame`].
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        parse_frame(text, |kind, payload| {
            Ok(match kind {
                "SEND_MESSAGE" => ChatCommand::SendMessage(payload.read()?),
                "PING" => ChatCommand::Ping,
                "MARK_READ" => ChatCommand::MarkRead(payload.read()?),
                "MARK_DELIVERED" => ChatCommand::MarkDelivered(payload.read()?),
                "TYPING_STATUS" => ChatCommand::TypingStatus(payload.read()?),
                "EDIT_MESSAGE" => ChatCommand::EditMessage(payload.read()?),
                "REACT" => ChatCommand::React(payload.read()?),
                "SYNC" => ChatCommand::Sync(payload.read()?),
                "RESUME" => ChatCommand::Resume(payload.read()?),
                "GET_HISTORY" => ChatCommand::GetHistory(payload.read()?),
                "JOIN_ROOM" => ChatCommand::JoinRoom(payload.read()?),
                "LEAVE_ROOM" => ChatCommand::LeaveRoom(payload.read()?),
                "CREATE_ROOM" => ChatCommand::CreateRoom(payload.read()?),
                "DELETE_MESSAGE" => ChatCommand::DeleteMessage(payload.read()?),
                "AUTHENTICATE" => ChatCommand::Authenticate(payload.read()?),
                _ => return Err(PayloadError::UnknownType),
            })
        })
    }
}

impl ClientFrame<PresenceCommand> {
    /// Parses a text frame of `/presence`. Unknown fields are ignored, an unknown `type` is a [`BadFrame`].
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        parse_frame(text, |kind, payload| {
            Ok(match kind {
                "SET_STATUS" => PresenceCommand::SetStatus(payload.read()?),
                "FOCUS" => PresenceCommand::Focus(payload.read()?),
                "SUBSCRIBE" => PresenceCommand::Subscribe(payload.read()?),
                "UNSUBSCRIBE" => PresenceCommand::Unsubscribe(payload.read()?),
                "PING" => PresenceCommand::Ping,
                "AUTHENTICATE" => PresenceCommand::Authenticate(payload.read()?),
                _ => return Err(PayloadError::UnknownType),
            })
        })
    }
}

enum PayloadError {
    UnknownType,
    Malformed(serde_json::Error),
}

struct Payload<'a>(Option<&'a RawValue>);

impl Payload<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        serde_json::from_str(self.0.map_or("{}", RawValue::get)).map_err(PayloadError::Malformed)
    }
}

fn parse_frame<C>(
    text: &str,
    command: impl FnOnce(&str, Payload) -> Result<C, PayloadError>,
) -> Result<ClientFrame<C>, BadFrame> {
    let envelope: Envelope = serde_json::from_str(text).map_err(|e| BadFrame {
        request_id: None,
        message: format!("not a frame {{\"type\", \"payload\", \"requestId?\"}}: {e}"),
        details: Vec::new(),
    })?;
    if envelope.request_id.as_ref().is_some_and(|id| id.len() > MAX_REQUEST_ID) {
        return Err(BadFrame {
            request_id: None,
            message: format!("requestId is longer than {MAX_REQUEST_ID} bytes"),
            details: vec![FieldProblem { field: "requestId".into(), problem: "too long".into() }],
        });
    }
    match command(&envelope.kind, Payload(envelope.payload)) {
        Ok(command) => Ok(ClientFrame { command, request_id: envelope.request_id }),
        Err(PayloadError::UnknownType) => Err(BadFrame {
            request_id: envelope.request_id,
            message: "unknown type".into(),
            details: vec![FieldProblem { field: "type".into(), problem: "not a command of this socket".into() }],
        }),
        Err(PayloadError::Malformed(e)) => Err(BadFrame {
            request_id: envelope.request_id,
            message: format!("the payload of {} is malformed: {e}", envelope.kind),
            details: vec![FieldProblem { field: "payload".into(), problem: e.to_string() }],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ClientFrame<ChatCommand>, BadFrame> {
        ClientFrame::<ChatCommand>::parse(text)
    }

    #[test]
    fn a_command_is_read_with_its_request_id_and_unknown_fields_are_ignored() {
        let frame = parse(r#"{"type":"MARK_READ","payload":{"roomId":"00000000-0000-0000-0000-000000000001","seq":3,"x":1},"requestId":"r","y":2}"#).unwrap();
        assert_eq!(frame.request_id.as_deref(), Some("r"));
        assert!(matches!(frame.command, ChatCommand::MarkRead(Mark { seq: 3, .. })));
    }

    #[test]
    fn ping_needs_no_payload() {
        assert_eq!(parse(r#"{"type":"PING"}"#).unwrap().command, ChatCommand::Ping);
    }

    #[test]
    fn what_cannot_be_read_says_why_and_keeps_the_request_id() {
        let bad = parse(r#"{"type":"NOPE","requestId":"7"}"#).unwrap_err();
        assert_eq!((bad.request_id.as_deref(), bad.message.as_str()), (Some("7"), "unknown type"));
        let bad = parse(r#"{"type":"MARK_READ","payload":{"seq":-1},"requestId":"8"}"#).unwrap_err();
        assert_eq!(bad.request_id.as_deref(), Some("8"));
        assert!(bad.message.contains("MARK_READ"), "{}", bad.message);
        for text in ["", "null", "[]", "{}", "\u{0}", r#"{"type":7}"#, r#"{"type":"PING","requestId":[]}"#] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!(r#"{{"type":"PING","requestId":"{}"}}"#, "x".repeat(129))).is_err());
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        assert!(parse(&"[".repeat(60_000)).is_err());
        let deep = format!(r#"{{"type":"SEND_MESSAGE","payload":{}1{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
        assert!(parse(&deep).is_err());
    }
}
