//! Rooms and their members.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Member, Retention, Role, Room, RoomType},
};

use super::{Api, Page};
use crate::Result;

/// A room to make.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRoom<'a> {
    pub name: &'a str,
    /// `public` or `private`.
    #[serde(rename = "type")]
    pub kind: RoomType,
    /// A unique name, for public rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_visibility: Option<HistoryVisibility>,
    /// How long messages are kept; default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

impl<'a> NewRoom<'a> {
    /// A room with this name and type, and the server's defaults.
    pub fn new(name: &'a str, kind: RoomType) -> Self {
        Self { name, kind, handle: None, description: None, history_visibility: None, retention: None }
    }
}

/// What is to change of a room.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomPatch<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// Empty: none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// `joined` alone: there is no way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_visibility: Option<HistoryVisibility>,
    /// Without any limit: all messages are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// An invite that was made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// Whoever has it may join the room; it is not told again.
    pub code: String,
    /// Names it, and lets nobody in.
    pub id: String,
    pub expires_at: Timestamp,
    #[serde(default)]
    pub max_uses: Option<u64>,
}

impl Api {
    /// `POST /api/rooms`.
    pub async fn create_room(&self, room: &NewRoom<'_>) -> Result<Room> {
        self.post("/api/rooms", room).await
    }

    /// `GET /api/rooms`: one's own, with unread counts; one page of them.
    pub async fn rooms(&self, cursor: Option<&str>) -> Result<Page<Room>> {
        self.get("/api/rooms", &json!({ "cursor": cursor })).await
    }

    /// All of one's own rooms, page by page. A room that is joined or left meanwhile may be in it or not.
    pub async fn all_rooms(&self) -> Result<Vec<Room>> {
        let mut rooms = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.rooms(cursor.as_deref()).await?;
            rooms.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(rooms);
            }
        }
    }

    /// `GET /api/rooms/public`: those whose name begins with `query`.
    pub async fn public_rooms(&self, query: &str, cursor: Option<&str>) -> Result<Page<Room>> {
        self.get("/api/rooms/public", &json!({ "query": query, "cursor": cursor })).await
    }

    /// `GET /api/rooms/{id}`.
    pub async fn room(&self, id: RoomId) -> Result<Room> {
        self.get(&format!("/api/rooms/{id}"), &()).await
    }

    /// `PATCH /api/rooms/{id}`.
    pub async fn patch_room(&self, id: RoomId, patch: &RoomPatch<'_>) -> Result<Room> {
        Self::read(self.request(Method::PATCH, &format!("/api/rooms/{id}")).json(patch)).await
    }

    /// `DELETE /api/rooms/{id}`, with all that is in it.
    pub async fn delete_room(&self, id: RoomId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/rooms/{id}"))).await
    }

    /// `POST /api/rooms/{id}/join`.
    pub async fn join_room(&self, id: RoomId) -> Result<Room> {
        Self::read(self.request(Method::POST, &format!("/api/rooms/{id}/join"))).await
    }

    /// `DELETE /api/rooms/{id}/leave`.
    pub async fn leave_room(&self, id: RoomId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/rooms/{id}/leave"))).await
    }

    /// `GET /api/rooms/{id}/members`, in order of joining.
    pub async fn members(&self, id: RoomId, cursor: Option<&str>) -> Result<Page<Member>> {
        self.get(&format!("/api/rooms/{id}/members"), &json!({ "cursor": cursor })).await
    }

    /// `PUT /api/rooms/{id}/members/{user}`: a member's role; `owner` passes the room on.
    pub async fn set_role(&self, id: RoomId, user: UserId, role: Role) -> Result<()> {
        Self::done(self.request(Method::PUT, &format!("/api/rooms/{id}/members/{user}")).json(&json!({ "role": role })))
            .await
    }

    /// `DELETE /api/rooms/{id}/members/{user}`: takes a member out; they may come back.
    pub async fn remove_member(&self, id: RoomId, user: UserId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/rooms/{id}/members/{user}"))).await
    }

    /// `PUT /api/rooms/{id}/bans/{user}`: takes a member out, and keeps them out.
    pub async fn ban(&self, id: RoomId, user: UserId) -> Result<()> {
        Self::done(self.request(Method::PUT, &format!("/api/rooms/{id}/bans/{user}"))).await
    }

    /// `DELETE /api/rooms/{id}/bans/{user}`.
    pub async fn unban(&self, id: RoomId, user: UserId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/rooms/{id}/bans/{user}"))).await
    }

    /// `POST /api/rooms/{id}/invites`: `expires_in` in seconds, a week if not given; any number of uses if not given.
    pub async fn invite(&self, id: RoomId, expires_in: Option<u64>, max_uses: Option<u64>) -> Result<Invite> {
        self.post(&format!("/api/rooms/{id}/invites"), &json!({ "expiresIn": expires_in, "maxUses": max_uses })).await
    }

    /// `POST /api/invites/{code}`: joins the room it is for.
    pub async fn redeem(&self, code: &str) -> Result<Room> {
        Self::read(self.request(Method::POST, &format!("/api/invites/{code}"))).await
    }

    /// `PUT /api/direct/{user}`: the direct room with them; opening it twice is opening it once.
    pub async fn direct_room(&self, user: UserId) -> Result<Room> {
        Self::read(self.request(Method::PUT, &format!("/api/direct/{user}"))).await
    }
}
