//! Accounts, logins, profiles, other users and contacts.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    UserId,
    protocol::{User, UserPresence},
};

use super::{Api, Page};
use crate::Result;

/// A login: who, and the tokens.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub user: User,
    /// The access token.
    pub token: String,
    pub refresh_token: String,
    /// Seconds the access token is valid.
    pub expires_in: u64,
}

/// Shows no token.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Session").field("user", &self.user.username).finish_non_exhaustive()
    }
}

/// The tokens after a refresh.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    pub token: String,
    pub refresh_token: String,
    pub expires_in: u64,
}

/// A new account.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signup<'a> {
    pub username: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<&'a str>,
}

impl Api {
    /// `POST /api/signup`: makes an account and logs in.
    pub async fn signup(&self, signup: &Signup<'_>) -> Result<Session> {
        self.post("/api/signup", signup).await
    }

    /// `POST /api/login` with a username or, where it has an `@`, an e-mail address.
    pub async fn login(&self, name: &str, password: &str) -> Result<Session> {
        let field = if name.contains('@') { "email" } else { "username" };
        self.post("/api/login", &json!({ field: name, "password": password })).await
    }

    /// `POST /api/guest`, with a name wished for or any.
    pub async fn guest(&self, username: Option<&str>) -> Result<Session> {
        let body = username.map_or(json!({}), |username| json!({ "username": username }));
        self.post("/api/guest", &body).await
    }

    /// `POST /api/token/refresh`: new tokens for old; the old refresh token must not be used again.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Refreshed> {
        self.post("/api/token/refresh", &json!({ "refreshToken": refresh_token })).await
    }

    /// `POST /api/logout`: ends the login and its sockets.
    pub async fn logout(&self) -> Result<()> {
        Self::done(self.request(Method::POST, "/api/logout")).await
    }

    /// `GET /api/profile`: oneself.
    pub async fn profile(&self) -> Result<User> {
        self.get("/api/profile", &()).await
    }

    /// `PATCH /api/profile` with the fields to change.
    pub async fn update_profile(&self, fields: &Value) -> Result<User> {
        Self::read(self.request(Method::PATCH, "/api/profile").json(fields)).await
    }

    /// `GET /api/users`: accounts whose name begins with `query`.
    pub async fn users(&self, query: &str, cursor: Option<&str>) -> Result<Page<User>> {
        self.get("/api/users", &json!({ "query": query, "cursor": cursor })).await
    }

    /// `GET /api/users/{id}`.
    pub async fn user(&self, id: UserId) -> Result<User> {
        self.get(&format!("/api/users/{id}"), &()).await
    }

    /// `GET /api/users/{id}/status`; who may not watch them sees `offline`.
    pub async fn user_status(&self, id: UserId) -> Result<UserPresence> {
        self.get(&format!("/api/users/{id}/status"), &()).await
    }

    /// `GET /api/contacts`.
    pub async fn contacts(&self) -> Result<Page<User>> {
        self.get("/api/contacts", &()).await
    }

    /// `PUT /api/contacts/{id}`; adding one twice is one. Asks them, or accepts what they asked, where contacts are asked.
    pub async fn add_contact(&self, id: UserId) -> Result<()> {
        Self::done(self.request(Method::PUT, &format!("/api/contacts/{id}"))).await
    }

    /// `DELETE /api/contacts/{id}`.
    pub async fn remove_contact(&self, id: UserId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/contacts/{id}"))).await
    }

    /// `DELETE /api/contacts/requests/{id}`: takes back what one asked, declines what the other one did.
    pub async fn drop_contact_request(&self, id: UserId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/contacts/requests/{id}"))).await
    }

    /// `GET /api/blocks`.
    pub async fn blocks(&self) -> Result<Page<User>> {
        self.get("/api/blocks", &()).await
    }

    /// `PUT /api/blocks/{id}`; blocking one twice is once.
    pub async fn block(&self, id: UserId) -> Result<()> {
        Self::done(self.request(Method::PUT, &format!("/api/blocks/{id}"))).await
    }

    /// `DELETE /api/blocks/{id}`.
    pub async fn unblock(&self, id: UserId) -> Result<()> {
        Self::done(self.request(Method::DELETE, &format!("/api/blocks/{id}"))).await
    }
}
