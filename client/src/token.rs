//! Where connections get their access tokens from.

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::{Api, Error, Result, api::Session};

/// Gives access tokens; asked before every connection attempt.
pub trait TokenProvider: Send + Sync + 'static {
    /// The token to connect with.
    fn token(&self) -> BoxFuture<'_, Result<String>>;

    /// The server refused `refused`, or is about to: another one, or an error, which ends the connection.
    fn refresh<'a>(&'a self, refused: &'a str) -> BoxFuture<'a, Result<String>>;
}

/// One fixed token: when it is refused, the connection is over.
impl TokenProvider for String {
    fn token(&self) -> BoxFuture<'_, Result<String>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }

    fn refresh<'a>(&'a self, _refused: &'a str) -> BoxFuture<'a, Result<String>> {
        Box::pin(std::future::ready(Err(Error::Token("the token was refused and there is no other".into()))))
    }
}

impl TokenProvider for &'static str {
    fn token(&self) -> BoxFuture<'_, Result<String>> {
        Box::pin(std::future::ready(Ok((*self).to_owned())))
    }

    fn refresh<'a>(&'a self, _refused: &'a str) -> BoxFuture<'a, Result<String>> {
        Box::pin(std::future::ready(Err(Error::Token("the token was refused and there is no other".into()))))
    }
}

impl<T: TokenProvider> TokenProvider for std::sync::Arc<T> {
    fn token(&self) -> BoxFuture<'_, Result<String>> {
        (**self).token()
    }

    fn refresh<'a>(&'a self, refused: &'a str) -> BoxFuture<'a, Result<String>> {
        (**self).refresh(refused)
    }
}

/// Tokens of one login, renewed with its refresh token. Share one (in an `Arc`) among all connections of the login:
/// presenting a refresh token a second time ends the login.
pub struct LoginTokens {
    api: Api,
    session: Mutex<Session>,
}

impl LoginTokens {
    /// Takes over the tokens of `session`; nobody else may refresh with them from here on.
    pub fn new(api: Api, session: Session) -> Self {
        Self { api, session: Mutex::new(session) }
    }
}

impl TokenProvider for LoginTokens {
    fn token(&self) -> BoxFuture<'_, Result<String>> {
        Box::pin(async { Ok(self.session.lock().await.token.clone()) })
    }

    fn refresh<'a>(&'a self, refused: &'a str) -> BoxFuture<'a, Result<String>> {
        Box::pin(async move {
            // Held across the request on purpose: a second connection waits and takes the new token.
            let mut session = self.session.lock().await;
            if session.token == refused {
                let fresh = self.api.refresh(&session.refresh_token).await?;
                session.token = fresh.token;
                session.refresh_token = fresh.refresh_token;
            }
            Ok(session.token.clone())
        })
    }
}
