//! The Messaging API's spelling of messages, which is the same in REST and on its socket.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    command::SendMessage,
    object::{self, Attachment, MessageType},
};
use crate::{AttachmentId, MessageId, RoomId, Timestamp, UserId};

/// A message. Exactly one of `recipientID` and `groupID` is there: a direct conversation has a recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: MessageId,
    #[serde(rename = "senderID")]
    pub sender_id: UserId,
    #[serde(rename = "recipientID")]
    pub recipient_id: Option<UserId>,
    #[serde(rename = "groupID")]
    pub group_id: Option<RoomId>,
    /// Empty once the message is deleted.
    pub content: String,
    pub message_type: MessageType,
    pub timestamp: Timestamp,
    pub delivered: bool,
    pub read: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Message {
    /// `direct`: it is of a direct room, of which this is the other one as the sender sees it, where that is known.
    pub fn new(message: object::Message, direct: Option<Option<UserId>>) -> Self {
        Self {
            id: message.id,
            sender_id: message.user_id,
            recipient_id: direct.flatten(),
            group_id: direct.is_none().then_some(message.room_id),
            content: message.content,
            message_type: message.kind,
            timestamp: message.timestamp,
            delivered: false,
            read: false,
            client_message_id: message.client_message_id,
            attachments: message.attachments,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
        }
    }
}

/// What a client sends: the body of `POST /api/messages/send`, and the data of `send_message`.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// The caller, where it is given.
    #[serde(rename = "senderID")]
    pub sender_id: Option<String>,
    /// Exactly one of this and `groupID`.
    #[serde(rename = "recipientID")]
    pub recipient_id: Option<UserId>,
    #[serde(rename = "groupID")]
    pub group_id: Option<RoomId>,
    /// May be absent where there are attachments.
    #[serde(default)]
    pub content: String,
    #[serde(default)]
    #[schema(default = "text")]
    pub message_type: MessageType,
    /// Makes a repeat give the first result.
    pub client_message_id: Option<String>,
    /// Uploads of the caller's that no other message has.
    #[serde(default)]
    pub attachments: Vec<AttachmentId>,
}

impl NewMessage {
    /// Does it name another than `caller` as its sender?
    pub fn is_anothers(&self, caller: UserId) -> bool {
        self.sender_id.as_ref().is_some_and(|sender| *sender != caller.to_string())
    }

    pub fn into_command(self) -> SendMessage {
        SendMessage {
            room_id: self.group_id,
            recipient_id: self.recipient_id,
            content: self.content,
            kind: self.message_type,
            client_message_id: self.client_message_id,
            reply_to: None,
            attachments: self.attachments,
        }
    }
}
