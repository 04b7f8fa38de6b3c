//! How far messages have come: marks, unread counts, and what became of one message.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use shared::{MessageId, RoomId, Timestamp, UserId, protocol::Receipt};

use super::{Api, Page};
use crate::Result;

/// What one has not read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    pub total: u64,
    pub rooms: Vec<UnreadRoom>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnreadRoom {
    pub room_id: RoomId,
    pub unread: u64,
    #[serde(default)]
    pub mentions: u64,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub user_id: UserId,
    pub username: String,
    /// Always, since a message that is answered is stored.
    pub stored: bool,
    /// One of their devices has it.
    pub delivered: bool,
    pub read: bool,
    /// What was decided about notifying them of this message, as far as it is known.
    #[serde(default)]
    pub push: Option<Push>,
}

/// A notification about a message.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Push {
    #[serde(default)]
    pub channel: Option<String>,
    /// `queued | delivered | suppressed | failed`
    pub state: String,
    #[serde(default)]
    pub reason: Option<String>,
    pub at: Timestamp,
}

impl Api {
    /// `PUT /api/rooms/{id}/read`: moves the own read mark forward to `seq`.
    pub async fn mark_read(&self, room: RoomId, seq: u64) -> Result<()> {
        let request = self.request(Method::PUT, &format!("/api/rooms/{room}/read"));
        Self::done(request.json(&json!({ "seq": seq }))).await
    }

    /// `GET /api/unread`.
    pub async fn unread(&self) -> Result<Unread> {
        self.get("/api/unread", &()).await
    }

    /// `PUT /api/rooms/{id}/delivered`: moves the own delivered mark forward to `seq`.
    pub async fn mark_delivered(&self, room: RoomId, seq: u64) -> Result<()> {
        let request = self.request(Method::PUT, &format!("/api/rooms/{room}/delivered"));
        Self::done(request.json(&json!({ "seq": seq }))).await
    }

    /// `GET /api/rooms/{id}/receipts`: the members' marks, in order of joining.
    pub async fn receipts(&self, room: RoomId, cursor: Option<&str>) -> Result<Page<Receipt>> {
        self.get(&format!("/api/rooms/{room}/receipts"), &json!({ "cursor": cursor })).await
    }

    /// `GET /api/messages/{id}/delivery`: what became of one's own message for each recipient.
    pub async fn delivery(&self, id: MessageId, cursor: Option<&str>) -> Result<Page<Delivery>> {
        self.get(&format!("/api/messages/{id}/delivery"), &json!({ "cursor": cursor })).await
    }
}
