//! `/presence`: one's own status and other people's, over a socket that keeps itself. What was set and watched is set
//! and watched again after a reconnect.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use serde_json::json;
use shared::{
    ErrorCode, Timestamp, UserId,
    protocol::{ServerFrame, UserPresence},
};

use crate::{
    Endpoint, Error, Events, Identity, Options, Result, TokenProvider,
    chat::unexpected,
    pending::Repeat,
    socket::{Link, Restore, encode},
};

/// Users one connection remembers to watch; the server's own bound is the same.
const MAX_WATCHED: usize = 1000;

/// What a user sets for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnStatus {
    Online,
    Away,
    Busy,
    /// Looks `offline` to others.
    Invisible,
}

/// A connection to `/presence`. Clones share it; when the last is dropped it is closed.
#[derive(Clone)]
pub struct Presence {
    link: Link,
    wishes: Arc<Mutex<Wishes>>,
}

/// What the server forgets with a connection.
#[derive(Debug, Default)]
struct Wishes {
    status: Option<(OwnStatus, Option<String>)>,
    focused: Option<bool>,
    /// `SUBSCRIBE` without names was asked for.
    contacts: bool,
    /// At most [`MAX_WATCHED`].
    watched: BTreeSet<UserId>,
}

impl Restore for Mutex<Wishes> {
    fn frames(&self) -> Vec<String> {
        let wishes = self.lock();
        let mut commands = Vec::new();
        if let Some((status, text)) = &wishes.status {
            commands.push(("SET_STATUS", json!({ "status": status, "text": text })));
        }
        if let Some(focused) = wishes.focused {
            commands.push(("FOCUS", json!({ "focused": focused })));
        }
        if wishes.contacts {
            commands.push(("SUBSCRIBE", json!({})));
        }
        if !wishes.watched.is_empty() {
            commands.push(("SUBSCRIBE", json!({ "userIds": wishes.watched })));
        }
        // Encoding plain values into memory cannot fail.
        commands.into_iter().filter_map(|(kind, payload)| encode(kind, payload, None).ok()).collect()
    }
}

impl Presence {
    /// Connects to `endpoint` (`/presence` where it has no path) with default [`Options`]. Fails if the first attempt does;
    /// later losses are repaired. Updates, and after a reconnect a fresh `PRESENCE_SNAPSHOT`, come as events.
    pub async fn connect(endpoint: impl Into<Endpoint>, tokens: impl TokenProvider) -> Result<(Self, Events)> {
        Self::connect_with(endpoint, tokens, Options::default()).await
    }

    /// [`connect`](Self::connect) with the options given.
    pub async fn connect_with(
        endpoint: impl Into<Endpoint>,
        tokens: impl TokenProvider,
        options: Options,
    ) -> Result<(Self, Events)> {
        let wishes = Arc::new(Mutex::new(Wishes::default()));
        let (link, events) =
            Link::open(endpoint.into(), "/presence", Arc::new(tokens), wishes.clone(), options).await?;
        Ok((Self { link, wishes }, events))
    }

    /// Who the connection speaks for.
    pub fn identity(&self) -> &Identity {
        self.link.identity()
    }

    /// Watches these users; how they are now.
    pub async fn subscribe(&self, users: &[UserId]) -> Result<Vec<UserPresence>> {
        {
            let wishes = self.wishes.lock();
            let new = users.iter().filter(|user| !wishes.watched.contains(user)).count();
            if wishes.watched.len() + new > MAX_WATCHED {
                return Err(too_many());
            }
        }
        let snapshot = self.snapshot(json!({ "userIds": users })).await?;
        self.wishes.lock().watched.extend(users);
        Ok(snapshot)
    }

    /// Watches one's contacts; how they are now.
    pub async fn subscribe_contacts(&self) -> Result<Vec<UserPresence>> {
        let snapshot = self.snapshot(json!({})).await?;
        self.wishes.lock().contacts = true;
        Ok(snapshot)
    }

    async fn snapshot(&self, payload: serde_json::Value) -> Result<Vec<UserPresence>> {
        match self.link.call("SUBSCRIBE", payload, Repeat::Harmless).await? {
            ServerFrame::PresenceSnapshot { users } => Ok(users),
            other => Err(unexpected(&other)),
        }
    }

    /// Watches these users no more.
    pub async fn unsubscribe(&self, users: &[UserId]) -> Result<()> {
        {
            let mut wishes = self.wishes.lock();
            for user in users {
                wishes.watched.remove(user);
            }
        }
        match self.link.call("UNSUBSCRIBE", json!({ "userIds": users }), Repeat::Harmless).await? {
            ServerFrame::Unsubscribed { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Sets the own status and its text.
    pub async fn set_status(&self, status: OwnStatus, text: Option<&str>) -> Result<()> {
        let payload = json!({ "status": status, "text": text });
        match self.link.call("SET_STATUS", payload, Repeat::Harmless).await? {
            ServerFrame::StatusSet { .. } => {
                self.wishes.lock().status = Some((status, text.map(str::to_owned)));
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Says whether the user is looking.
    pub async fn focus(&self, focused: bool) -> Result<()> {
        match self.link.call("FOCUS", json!({ "focused": focused }), Repeat::Harmless).await? {
            ServerFrame::FocusSet { .. } => {
                self.wishes.lock().focused = Some(focused);
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Asks the server for its time; tells that the whole way works.
    pub async fn ping(&self) -> Result<Timestamp> {
        match self.link.call("PING", json!({}), Repeat::Harmless).await? {
            ServerFrame::Pong { server_time } => Ok(server_time),
            other => Err(unexpected(&other)),
        }
    }

    /// Closes the connection and waits until it is closed. Calls under way fail.
    pub async fn close(self) {
        self.link.close().await;
    }
}

fn too_many() -> Error {
    let code = ErrorCode::InvalidMessage;
    let detail = format!("one connection watches at most {MAX_WATCHED} users");
    Error::Api { code, status: code.http_status(), detail, retry_after: None, details: Vec::new() }
}
