//! Who is calling: access tokens signed by this process's own key, validated with public keys from the store.
//!
//! No secret is shared between processes. A signer publishes its key before it first signs and keeps it published;
//! a validator looks an unknown `kid` up once, and remembers for a moment that there was none.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use moka::future::Cache;
use shared::{
    SessionId, UserId,
    settings::Auth,
    token::{self, Claims, Kid, PublicKey, SigningKey, TokenError},
};
use store::Store;
use tokio::sync::OnceCell;

use crate::{DomainError, Names, Result};

/// A caller whose token was valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Viewer {
    pub user: UserId,
    pub username: String,
    pub guest: bool,
    pub session: SessionId,
    pub claims: Arc<Claims>,
}

pub struct Identity {
    store: Store,
    names: Arc<Names>,
    access_lifetime: Duration,
    signing: OnceCell<SigningKey>,
    /// `kid` → key, or that there is none; one look-up at a time for each `kid`.
    known: Cache<Kid, PublicKey>,
    unknown: Cache<Kid, ()>,
}

impl Identity {
    pub fn new(store: Store, settings: &Auth, names: Arc<Names>) -> Self {
        Self {
            store,
            names,
            access_lifetime: Duration::from_secs(settings.access_token_seconds),
            signing: OnceCell::new(),
            known: Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(300)).build(),
            unknown: Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(5)).build(),
        }
    }

    /// An access token and its lifetime. The first call makes and publishes the key.
    pub async fn issue(&self, user: UserId, session: SessionId) -> Result<(String, Duration)> {
        let key = self.signing.get_or_try_init(|| self.make_key()).await?;
        let claims = token::access_claims(user, session, self.access_lifetime);
        Ok((key.sign(&claims).context("sign a token")?, self.access_lifetime))
    }

    async fn make_key(&self) -> Result<SigningKey> {
        let key = SigningKey::generate().map_err(|_| anyhow::anyhow!("no randomness for a signing key"))?;
        self.store.signing_keys.publish_key(key.public(), self.key_ttl()).await?;
        Ok(key)
    }

    /// A key outlives the last token signed with it, and three missed heartbeats.
    fn key_ttl(&self) -> Duration {
        self.access_lifetime + 3 * crate::upkeep::KEY_BEAT + Duration::from_secs(60)
    }

    /// Publishes this process's key again, if it has one.
    pub async fn republish_key(&self) -> Result<()> {
        if let Some(key) = self.signing.get() {
            self.store.signing_keys.publish_key(key.public(), self.key_ttl()).await?;
        }
        Ok(())
    }

    /// The public keys as a JWK set (RFC 7517 §5).
    pub async fn jwks(&self) -> Result<serde_json::Value> {
        let keys = self.store.signing_keys.signing_keys().await?;
        Ok(serde_json::json!({ "keys": keys.iter().map(PublicKey::to_jwk).collect::<Vec<_>>() }))
    }

    /// The caller a token names. Costs one signature check (about 60 µs); the store is asked only for a new `kid` and
    /// for a user not seen in the last 30 s.
    pub async fn authenticate(&self, token: &str) -> Result<Viewer> {
        let claims = self.verify(token).await?;
        let Some(card) = self.names.card(claims.sub).await? else {
            return Err(DomainError::Unauthorized("the account is gone"));
        };
        Ok(Viewer {
            user: claims.sub,
            username: card.username.clone(),
            guest: card.guest,
            session: claims.sid,
            claims: Arc::new(claims),
        })
    }

    /// Has the caller's login not ended? For who holds on to a viewer: ask after following the user's topic, and a
    /// session that ends later is heard of. One read.
    pub async fn check_session(&self, viewer: &Viewer) -> Result<()> {
        match self.store.sessions.session(viewer.session).await? {
            Some(_) => Ok(()),
            None => Err(DomainError::Unauthorized("the session has ended")),
        }
    }

    async fn verify(&self, token: &str) -> Result<Claims> {
        let kid = token::peek_kid(token).map_err(refused)?;
        let Some(key) = self.find_key(&kid).await? else {
            return Err(refused(TokenError::UnknownKey));
        };
        token::verify(token, &key).map_err(refused)
    }

    async fn find_key(&self, kid: &Kid) -> Result<Option<PublicKey>> {
        if let Some(key) = self.known.get(kid).await {
            return Ok(Some(key));
        }
        if self.unknown.contains_key(kid) {
            return Ok(None);
        }
        let look_up = async {
            match self.store.signing_keys.signing_key(kid).await {
                Ok(Some(key)) => Ok(key),
                Ok(None) => Err(None),
                Err(e) => Err(Some(e.to_string())),
            }
        };
        match self.known.try_get_with_by_ref(kid, look_up).await {
            Ok(key) => Ok(Some(key)),
            Err(failure) => match failure.as_ref() {
                None => {
                    self.unknown.insert(kid.clone(), ()).await;
                    Ok(None)
                }
                Some(cause) => Err(DomainError::Unavailable(anyhow::anyhow!("look up a signing key: {cause}"))),
            },
        }
    }
}

/// The reason goes no further than "expired" or "not valid".
fn refused(e: TokenError) -> DomainError {
    DomainError::Unauthorized(match e {
        TokenError::Expired => "the token has expired",
        TokenError::Malformed | TokenError::UnknownKey | TokenError::Refused => "the token is not valid",
    })
}
