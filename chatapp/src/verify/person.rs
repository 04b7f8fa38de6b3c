//! A user of the run: an account, its tokens, and REST calls that are repeated while the deployment has a bad moment.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use client::{
    Api, Error, ErrorCode, LoginTokens, PageQuery, Result, TokenProvider,
    api::{Session, Signup},
    protocol::Room,
    shared::{RoomId, UserId},
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    Say,
    ledger::{Device, History},
};

pub(super) struct Person {
    pub device: Device,
    pub id: UserId,
    pub name: String,
    pub tokens: Arc<LoginTokens>,
    api: Api,
}

/// Between two tries of a call.
const PAUSE: Duration = Duration::from_millis(200);
/// How long accounts may take: with the default limit, about 400 users.
const SIGN_UP_WITHIN: Duration = Duration::from_secs(20 * 60);
/// What a person can do about a wait.
const LIMITED: &str = "the deployment limits signups per address, so this takes a while. It \
                       is faster with a larger limits.signups_per_minute \
                       (CHATAPP__LIMITS__SIGNUPS_PER_MINUTE=1000), or with fewer --users";
/// Messages of a page; the most there may be.
const PAGE: u32 = 200;

impl Person {
    /// Makes an account: a guest or, where there are none, a user with a password. Waits as long as the server says
    /// that too many are made; of those who wait at the same `gate` one says so and looks whether it is over.
    pub async fn sign_up(
        api: &Api,
        device: Device,
        name: String,
        gate: &Mutex<()>,
        say: Say<'_>,
    ) -> anyhow::Result<Self> {
        let end = Instant::now() + SIGN_UP_WITHIN;
        loop {
            let error = match account(api, &name).await {
                Ok(session) => {
                    let id = session.user.id;
                    let tokens = Arc::new(LoginTokens::new(api.clone(), session));
                    return Ok(Self { device, id, name, tokens, api: api.clone() });
                }
                Err(error) => error,
            };
            if error.code() != Some(ErrorCode::RateLimitExceeded) {
                return Err(error).with_context(|| format!("make the account {name}"));
            }
            anyhow::ensure!(Instant::now() < end, "the deployment limits signups: {SIGN_UP_WITHIN:?} were not enough");
            match gate.try_lock() {
                Ok(_first) => {
                    say(&format!("{device} users are there; {LIMITED}"));
                    tokio::time::sleep(pause(&error)).await;
                }
                Err(_) => drop(gate.lock().await),
            }
        }
    }

    /// A call as this user, once; a token that has run out is renewed.
    pub async fn ask<T, F: Future<Output = Result<T>>>(&self, call: impl Fn(Api) -> F) -> Result<T> {
        let token = self.tokens.token().await?;
        match call(self.api.with_token(&token)).await {
            Err(error) if error.code() == Some(ErrorCode::Unauthorized) => {
                let token = self.tokens.refresh(&token).await?;
                call(self.api.with_token(token)).await
            }
            outcome => outcome,
        }
    }

    /// [`ask`](Self::ask), again and again until it succeeds, fails for good, or `limit` has passed.
    pub async fn insist<T, F: Future<Output = Result<T>>>(
        &self,
        limit: Duration,
        call: impl Fn(Api) -> F,
    ) -> Result<T> {
        let end = Instant::now() + limit;
        loop {
            match self.ask(&call).await {
                Err(error) if error.is_temporary() && Instant::now() < end => tokio::time::sleep(pause(&error)).await,
                outcome => return outcome,
            }
        }
    }

    /// The whole of a room.
    pub async fn history(&self, room: RoomId, limit: Duration) -> Result<History> {
        let mut items = Vec::new();
        loop {
            let after = Some(items.last().map_or(0, |message: &client::protocol::Message| message.seq));
            let query = PageQuery { after, limit: Some(PAGE), ..PageQuery::default() };
            let page = self.insist(limit, |api| async move { api.history(room, query).await }).await?;
            items.extend(page.items);
            if !page.has_more {
                return Ok(History { items, position: page.position });
            }
        }
    }

    /// The rooms with this user's counts.
    pub async fn rooms(&self, limit: Duration) -> Result<Vec<Room>> {
        self.insist(limit, |api| async move { api.all_rooms().await }).await
    }
}

/// How long to wait after an error that may pass: what the server says, or a moment.
pub(super) fn pause(error: &Error) -> Duration {
    match error {
        Error::Api { retry_after: Some(after), .. } => (*after).max(PAUSE),
        _ => PAUSE,
    }
}

/// A guest; a user with a password where guests are not allowed.
async fn account(api: &Api, name: &str) -> Result<Session> {
    match api.guest(Some(name)).await {
        Err(error) if error.code() == Some(ErrorCode::Forbidden) => {
            let (email, password) = (format!("{name}@verify.invalid"), uuid::Uuid::new_v4().to_string());
            api.signup(&Signup { username: name, email: &email, password: &password, display_name: None }).await
        }
        outcome => outcome,
    }
}
