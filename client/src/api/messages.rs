//! Messages, history and unread counts.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use shared::{MessageId, RoomId, protocol::Message};

use super::Api;
use crate::{Error, HistoryPage, OutgoingMessage, PageQuery, Recipient, Result};

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

impl Api {
    /// `GET /api/rooms/{id}/messages`.
    pub async fn history(&self, room: RoomId, query: PageQuery) -> Result<HistoryPage> {
        self.get(&format!("/api/rooms/{room}/messages"), &query).await
    }

    /// `POST /api/rooms/{id}/messages`; may be repeated with the same message. For a user, open the direct room first.
    pub async fn send(&self, message: &OutgoingMessage) -> Result<Message> {
        let Recipient::Room(room) = message.to else {
            return Err(Error::Unexpected("REST sends to rooms; ask for the direct room with the user".into()));
        };
        self.post(&format!("/api/rooms/{room}/messages"), message).await
    }

    /// `GET /api/messages/{id}`.
    pub async fn message(&self, id: MessageId) -> Result<Message> {
        self.get(&format!("/api/messages/{id}"), &()).await
    }

    /// `DELETE /api/messages/{id}`.
    pub async fn delete_message(&self, id: MessageId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/messages/{id}"))).await
    }

    /// `PUT /api/rooms/{id}/read`: moves the own read mark forward to `seq`.
    pub async fn mark_read(&self, room: RoomId, seq: u64) -> Result<()> {
        let request = self.request(Method::PUT, &format!("/api/rooms/{room}/read"));
        Self::done(request.json(&json!({ "seq": seq }))).await
    }

    /// `GET /api/unread`.
    pub async fn unread(&self) -> Result<Unread> {
        self.get("/api/unread", &()).await
    }
}
