//! Notifications, and where the socket servers are.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{NotificationId, RoomId, Timestamp, UserId};

use super::{Api, Page};
use crate::Result;

/// A notification in one's inbox.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    pub id: NotificationId,
    pub title: String,
    pub body: String,
    #[serde(default)]
    pub data: Option<Value>,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub room_id: Option<RoomId>,
    pub created_at: Timestamp,
    #[serde(default)]
    pub read_at: Option<Timestamp>,
}

/// A notification to send.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    pub user_ids: Vec<UserId>,
    pub title: String,
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Only these channels; default: all the user has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// A later one with the same key takes its place while unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse_key: Option<String>,
    /// Seconds after which it is no longer delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

/// A notification is stored and will be delivered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Queued {
    pub id: NotificationId,
    pub status: String,
}

/// A live instance of a service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Instance {
    /// Where clients reach it.
    pub url: String,
    #[serde(default)]
    pub instance: Option<String>,
    #[serde(default)]
    pub load: Option<f64>,
}

impl Api {
    /// `GET /api/registry/{service}` (`chat` or `presence`): the least-loaded instance.
    pub async fn instance(&self, service: &str) -> Result<Instance> {
        self.get(&format!("/api/registry/{service}"), &()).await
    }

    /// `POST /notify`, with a service's key as the token.
    pub async fn notify(&self, notify: &Notify) -> Result<Queued> {
        self.post("/notify", notify).await
    }

    /// `GET /notify/{id}`: how it stands on each channel.
    pub async fn notify_state(&self, id: NotificationId) -> Result<Value> {
        self.get(&format!("/notify/{id}"), &()).await
    }

    /// `GET /api/notifications`: one's own, newest first. Of what is read on another device an event tells.
    pub async fn notifications(&self, cursor: Option<&str>) -> Result<Page<Notification>> {
        self.get("/api/notifications", &json!({ "cursor": cursor })).await
    }

    /// `PUT /api/notifications/{id}/read`.
    pub async fn mark_notification_read(&self, id: NotificationId) -> Result<()> {
        Self::done(self.request(Method::PUT, &format!("/api/notifications/{id}/read"))).await
    }

    /// `PUT /api/notifications/read-all`.
    pub async fn mark_all_notifications_read(&self) -> Result<()> {
        Self::done(self.request(Method::PUT, "/api/notifications/read-all")).await
    }
}
