//! Links by which whoever has an e-mail says that they want no more of them, without a login (RFC 2369, RFC 8058). Nothing is
//! kept for them: a link names its user, and is signed.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use shared::UserId;
use tokio::sync::OnceCell;
use url::Url;

use super::{Letters, parse_token};
use crate::{
    DomainError, Result,
    accounts::Source,
    notifications::{EMAIL, push_key},
};

/// Tells this use of the deployment's key from others.
const USE: &[u8] = b"links in e-mails";
/// At the address of api-server.
const PATH: &str = "api/notifications/unsubscribe";

/// What links are made of.
pub(super) struct Links {
    /// Where clients reach api-server, ending with a slash.
    base: Option<Url>,
    key: OnceCell<hmac::Key>,
}

impl Links {
    /// Without an address, or with one that is none, there are no links.
    pub fn new(public_url: Option<&str>) -> Self {
        let base = public_url.and_then(|url| Url::parse(&format!("{}/", url.trim_end_matches('/'))).ok());
        Self { base: base.filter(|url| matches!(url.scheme(), "http" | "https")), key: OnceCell::new() }
    }
}

impl Letters {
    /// Where this user stops e-mails of notifications; `None`: it is not known where this deployment is reached. It is good
    /// for as long as the deployment's own key is.
    pub(super) async fn unsubscribe_link(&self, user: UserId) -> Result<Option<String>> {
        let Some(base) = &self.links.base else { return Ok(None) };
        let signature = hmac::sign(self.key().await?, user.as_bytes());
        let token = format!("{user}.{}", URL_SAFE_NO_PAD.encode(signature));
        let link = base.join(&format!("{PATH}?token={token}")).map_err(anyhow::Error::new)?;
        Ok(Some(link.into()))
    }

    /// Is it the token of such a link? Changes nothing. Tells nothing of who has an account: that is not looked at.
    pub async fn check_unsubscribe(&self, token: &str, from: &Source) -> Result<UserId> {
        let key = self.key().await?;
        let signed = parse_token(token).filter(|(user, signature)| {
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
            hmac::verify(key, user.as_bytes(), &signature).is_ok()
        });
        match signed {
            Some((user, _)) => Ok(user),
            None => {
                self.rates.reset(&from.network).await?;
                Err(DomainError::invalid("token", "this link is not valid; it must be whole"))
            }
        }
    }

    /// Switches e-mail off for whoever the token is of, as they can in their settings. Doing it twice is fine. Counted by
    /// user: the servers of a mail provider ask for many from few addresses.
    pub async fn unsubscribe(&self, token: &str, from: &Source) -> Result<()> {
        let user = self.check_unsubscribe(token, from).await?;
        self.rates.unsubscribe(user).await?;
        if self.store.users.user(user).await?.is_some() {
            self.store.notify_preferences.switch_off(user, EMAIL).await?;
        }
        Ok(())
    }

    /// Of the one key that the deployment has for what it says to others, so that there is no second to look after.
    async fn key(&self) -> Result<&hmac::Key> {
        let derive = async || {
            let kept = push_key(&self.store).await?;
            let derived = Sha256::new().chain_update(USE).chain_update([0]).chain_update(kept).finalize();
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &derived))
        };
        self.links.key.get_or_try_init(derive).await
    }
}
