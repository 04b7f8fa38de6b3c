//! Login sessions: begun, refreshed, listed, ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::{SessionId, Timestamp, UserId, protocol::User};
use store::{Exchange, Rotation, SessionRecord, StoreError, UserRecord};
use utoipa::ToSchema;

use super::{Accounts, Source, WRONG_LOGIN, own_user};
use crate::{DomainError, Result, Viewer, identity::TICKET_LIFETIME, secret};

/// Sessions of one user; of more, those not used for the longest end.
const MAX_SESSIONS: usize = 50;
/// Characters kept of what a client calls itself.
const MAX_AGENT: usize = 200;
/// Bytes of a refresh token: two ids and two secrets, with a dot between each. Longer ones are refused unread.
const MAX_REFRESH: usize = 36 + 1 + 36 + 1 + secret::LENGTH + 1 + secret::LENGTH;
/// How long a refresh token may be exchanged once more: an answer that was lost is asked for again.
const GRACE: Duration = Duration::from_secs(10);

/// Which tokens a login gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Short ones, each with a refresh token.
    Refreshed,
    /// One, for `auth.lastingTokenHours`: for clients that know no refresh tokens.
    Lasting,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    pub refresh_token: String,
}

/// What signing up, logging in and refreshing answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    pub user: User,
    /// Access token: `Authorization: Bearer`.
    pub token: String,
    /// Gives the next pair, once; asked again within 10 seconds, another in its place.
    pub refresh_token: String,
    /// Lifetime of `token`, in seconds.
    pub expires_in: u64,
}

/// A login of the caller's.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionItem {
    pub id: SessionId,
    /// It is the one that asks.
    pub current: bool,
    pub created_at: Timestamp,
    /// When a token was last issued to it.
    pub last_used_at: Timestamp,
    /// It ends by itself then, unless it is used before.
    pub expires_at: Timestamp,
    /// What the client called itself at the login: its `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Where the login came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// All of the caller's logins, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    pub items: Vec<SessionItem>,
}

/// Opens one socket, once: `?ticket=`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WsTicket {
    pub ticket: String,
    /// How long it is good for, in seconds.
    pub expires_in: u64,
}

impl Accounts {
    /// Begins a session of an account as it was read: where its password is another by now, that was the wrong one. One
    /// that is not refreshed ends with its only token.
    pub(super) async fn start_session(&self, record: UserRecord, source: &Source, tokens: Tokens) -> Result<SignedIn> {
        let (id, secret) = (SessionId::new(), next_secret(&secret::random()));
        let now = Timestamp::now();
        let session = SessionRecord {
            id,
            user: record.id,
            refresh_hash: secret::hash(&secret),
            family_hash: secret::hash(family(&secret)),
            replaced: None,
            created_at: now,
            used_at: now,
            expires_at: now.after(match tokens {
                Tokens::Refreshed => self.refresh_lifetime,
                Tokens::Lasting => self.lasting_lifetime,
            }),
            agent: source.agent.as_deref().map(printable).filter(|agent| !agent.is_empty()),
            address: Some(source.address.clone()),
        };
        let password = record.password_hash.as_deref();
        match self.store.sessions.create_session(&session, MAX_SESSIONS, password).await {
            Ok(true) => {}
            // Changed since it was verified.
            Ok(false) => return Err(WRONG_LOGIN),
            // It was deleted after it was looked up.
            Err(StoreError::UserNotFound) => return Err(DomainError::AccountClosed),
            Err(e) => return Err(e.into()),
        }
        self.signed_in(record, id, &secret, tokens).await
    }

    async fn signed_in(
        &self,
        record: UserRecord,
        session: SessionId,
        secret: &str,
        tokens: Tokens,
    ) -> Result<SignedIn> {
        let lifetime = (tokens == Tokens::Lasting).then_some(self.lasting_lifetime);
        let (token, lifetime) = self.identity.issue(&record, session, lifetime).await?;
        let presence = self.presence.own_shown(record.id).await?;
        let refresh_token = format!("{}.{session}.{secret}", record.id);
        Ok(SignedIn { user: own_user(record, presence), token, refresh_token, expires_in: lifetime.as_secs() })
    }

    /// Exchanges a refresh token for the next pair. An old one ends its session: one of the two who have it is a thief
    /// (RFC 9700 §4.14.2). Only who had one of the session can show an old one: the family is a secret like the rest, and
    /// a wrong guess is refused and ends nothing. Within [`GRACE`] the one before is exchanged once more: an answer may
    /// be lost, and the pair it held is void then.
    pub async fn refresh(&self, input: &Refresh, source: &Source) -> Result<SignedIn> {
        const REFUSED: DomainError = DomainError::Unauthorized("the refresh token is not valid");
        self.rates.login(&source.network).await?;
        let (user, session, secret) = parse_refresh(&input.refresh_token).ok_or(REFUSED)?;
        let (next, now) = (next_secret(family(secret)), Timestamp::now());
        // What can fail comes first: once the token is exchanged, nothing keeps the next one from being answered.
        let record = self.store.users.user(user).await?.ok_or(REFUSED)?;
        let signed_in = self.signed_in(record, session, &next, Tokens::Refreshed).await?;
        let exchange = Exchange {
            presented: secret::hash(secret),
            family: secret::hash(family(secret)),
            next: secret::hash(&next),
            at: now,
            grace: GRACE,
            expires_at: now.after(self.refresh_lifetime),
        };
        match self.store.sessions.rotate_refresh(user, session, &exchange).await? {
            Rotation::Rotated(_) => Ok(signed_in),
            Rotation::Reused => {
                self.identity.forget_session(session).await;
                Err(REFUSED)
            }
            Rotation::Unknown => Err(REFUSED),
        }
    }

    /// Ends the caller's session: its tokens are refused and its sockets are closed, here at once and on every other
    /// instance within a second.
    pub async fn log_out(&self, viewer: &Viewer) -> Result<()> {
        let session = viewer.session()?;
        self.store.sessions.end_session(viewer.user, session).await?;
        self.identity.forget_session(session).await;
        Ok(())
    }

    /// For clients that can set no header on a socket: a URL is logged on its way, so what stands there must be of no
    /// use to who reads it later.
    pub async fn ws_ticket(&self, viewer: &Viewer) -> Result<WsTicket> {
        self.rates.ticket(viewer.user).await?;
        let ticket = self.identity.issue_ticket(viewer).await?;
        Ok(WsTicket { ticket, expires_in: TICKET_LIFETIME.as_secs() })
    }

    /// The caller's logins that live.
    pub async fn sessions(&self, viewer: &Viewer) -> Result<SessionList> {
        let current = viewer.session()?;
        let sessions = self.store.sessions.sessions(viewer.user).await?;
        let items = sessions.into_iter().map(|session| SessionItem {
            id: session.id,
            current: session.id == current,
            created_at: session.created_at,
            last_used_at: session.used_at,
            expires_at: session.expires_at,
            agent: session.agent,
            address: session.address,
        });
        Ok(SessionList { items: items.collect() })
    }

    /// Ends one of the caller's sessions, as [`Self::log_out`] does.
    pub async fn revoke(&self, viewer: &Viewer, session: SessionId) -> Result<()> {
        viewer.session()?;
        let ended = self.store.sessions.end_session(viewer.user, session).await?;
        self.identity.forget_session(session).await;
        if ended { Ok(()) } else { Err(DomainError::NotFound("you have no such session")) }
    }
}

/// `USER.SESSION.SECRET`; the secret is `FAMILY.OWN`.
fn parse_refresh(token: &str) -> Option<(UserId, SessionId, &str)> {
    if token.len() > MAX_REFRESH {
        return None;
    }
    let mut parts = token.splitn(3, '.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?))
}

/// What all secrets of a session have in common.
fn family(secret: &str) -> &str {
    secret.split_once('.').map_or(secret, |(family, _)| family)
}

/// The next secret of the family.
fn next_secret(family: &str) -> String {
    format!("{family}.{}", secret::random())
}

/// What anybody sent, as one short line.
fn printable(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_read_only_in_its_own_form() {
        let (user, session) = (UserId::new(), SessionId::new());
        let first = next_secret(&secret::random());
        let secret = next_secret(family(&first));
        let token = format!("{user}.{session}.{secret}");
        assert_eq!(token.len(), MAX_REFRESH);
        assert_eq!(parse_refresh(&token), Some((user, session, secret.as_str())));
        assert!(family(&secret) == family(&first) && secret != first);
        let short = format!("{session}.{secret}");
        for bad in ["", ".", "..", short.as_str(), &format!("{token}x"), &format!("{user}.{secret}.{session}")] {
            assert_eq!(parse_refresh(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_agent_is_one_short_line() {
        assert_eq!(printable(" Fox/1 \r\n(é) "), "Fox/1 (é)");
        assert_eq!(printable(&"🦊".repeat(300)).chars().count(), MAX_AGENT);
    }
}
