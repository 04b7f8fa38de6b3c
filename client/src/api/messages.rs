//! Messages: sending, changing, reading, finding.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use shared::{MessageId, RoomId, protocol::Message};

use super::Api;
use crate::{Error, HistoryPage, OutgoingMessage, PageQuery, Recipient, Result};

/// Replies to a message, oldest first; deleted ones come without content.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyPage {
    pub items: Vec<Message>,
    /// There are more after the last one's `seq`.
    pub has_more: bool,
}

/// Messages that were found, newest first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchPage {
    pub items: Vec<Message>,
    /// The `before` of the next call; there may be older ones, also where `items` is empty. `None`: that is all.
    #[serde(default)]
    pub next_before: Option<u64>,
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

    /// `DELETE /api/messages/{id}`: its content.
    pub async fn delete_message(&self, id: MessageId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/messages/{id}"))).await
    }

    /// `PATCH /api/messages/{id}`: another content; gives the message as it is now.
    pub async fn edit_message(&self, id: MessageId, content: &str) -> Result<Message> {
        let request = self.request(Method::PATCH, &format!("/api/messages/{id}"));
        Self::read(request.json(&json!({ "content": content }))).await
    }

    /// `PUT` or (`add: false`) `DELETE /api/messages/{id}/reactions/{emoji}`; gives how many have given it now.
    pub async fn react(&self, id: MessageId, emoji: &str, add: bool) -> Result<u64> {
        #[derive(Deserialize)]
        struct Reacted {
            count: u64,
        }
        let method = if add { Method::PUT } else { Method::DELETE };
        let request = self.request(method, &format!("/api/messages/{id}/reactions/{}", in_path(emoji)));
        Ok(Self::read::<Reacted>(request).await?.count)
    }

    /// `GET /api/messages/{id}/replies`: those after the `seq` `after`.
    pub async fn replies(&self, id: MessageId, after: Option<u64>) -> Result<ReplyPage> {
        self.get(&format!("/api/messages/{id}/replies"), &json!({ "after": after })).await
    }

    /// `GET /api/rooms/{id}/search`: text messages that hold `query`, before the `seq` `before`; `limit` is at most 200.
    pub async fn search(
        &self,
        room: RoomId,
        query: &str,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<SearchPage> {
        let query = json!({ "query": query, "before": before, "limit": limit });
        self.get(&format!("/api/rooms/{room}/search"), &query).await
    }
}

/// Any text as one part of a path (RFC 3986 §3.3).
fn in_path(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
