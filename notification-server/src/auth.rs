//! Who may send notifications: a service with an API key, or a token of scope `notify`.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use domain::{
    Domain, DomainError,
    admin::{API_KEY_PREFIX, hash_key},
};
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use web::{WebError, extract::bearer};

/// What a token's scope must name to send notifications.
const SCOPE: &str = "notify";
/// How long keys of the store are remembered: so long a revoked one is still good.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Keys as digests: neither their length nor how much of a guess was right shows in the time.
pub struct ApiKeys {
    configured: Vec<[u8; 32]>,
    /// Those made by `chatapp admin keys`, all of them.
    stored: Cache<(), Arc<Vec<[u8; 32]>>>,
}

impl ApiKeys {
    pub fn new(keys: &[SecretString]) -> Self {
        let configured = keys.iter().map(|key| hash_key(key.expose_secret())).collect();
        Self { configured, stored: Cache::builder().max_capacity(1).time_to_live(REMEMBERED).build() }
    }

    /// If it is one of the keys, what tells its holder from those of others. Only what looks like a key of the store
    /// costs a look there, once in 5 s.
    async fn holder(&self, presented: &str, store: &dyn store::ApiKeys) -> Result<Option<[u8; 16]>, DomainError> {
        let hash = hash_key(presented);
        let mut known = is_among(&hash, &self.configured);
        if !known && presented.starts_with(API_KEY_PREFIX) {
            let read = async { Ok(Arc::new(store.keys().await?.into_iter().map(|key| key.hash).collect())) };
            let stored: Result<_, Arc<store::StoreError>> = self.stored.try_get_with((), read).await;
            let stored = stored.map_err(|e| DomainError::Unavailable(anyhow::anyhow!("read the API keys: {e}")))?;
            known = is_among(&hash, &stored);
            if !known {
                return Err(DomainError::Unauthorized("the API key is not valid"));
            }
        }
        // It goes into ids that recipients see: enough of the digest to tell a few keys apart, too little to try
        // guesses on.
        let mut holder = [0; 16];
        holder[..4].copy_from_slice(&hash[..4]);
        Ok(known.then_some(holder))
    }
}

/// Compares with all of them.
fn is_among(hash: &[u8; 32], keys: &[[u8; 32]]) -> bool {
    keys.iter().fold(false, |known, key| verify_slices_are_equal(key, hash).is_ok() | known)
}

/// A caller who may send notifications and see how they stand. Without key or token the request ends with 401, with
/// a valid token without the scope with 403.
pub struct Sender {
    /// Tells one sender from another: idempotency keys are each sender's own.
    pub id: [u8; 16],
}

impl FromRequest for Sender {
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, WebError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let presented = bearer(request.head()).map(str::to_owned);
        let keys = request.app_data::<Data<ApiKeys>>().cloned();
        let domain = request.app_data::<Data<Domain>>().cloned();
        Box::pin(async move {
            let (keys, domain) = keys.zip(domain).ok_or_else(|| anyhow::anyhow!("the service lacks its data"))?;
            let presented = presented.ok_or(DomainError::Unauthorized("send Authorization: Bearer <key or token>"))?;
            if let Some(id) = keys.holder(&presented, &*domain.store.api_keys).await? {
                return Ok(Self { id });
            }
            let viewer = domain.identity.authenticate(&presented).await?;
            match viewer.has_scope(SCOPE) {
                true => Ok(Self { id: *viewer.user.as_bytes() }),
                false => Err(DomainError::Forbidden("the token is not of scope notify").into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use shared::Timestamp;
    use store::{ApiKeyRecord, StoreError};

    use super::*;

    /// A store with this key, or one that is away.
    struct Stored(Option<&'static str>);

    #[async_trait]
    impl store::ApiKeys for Stored {
        async fn create_key(&self, _: &ApiKeyRecord) -> store::Result<bool> {
            Ok(false)
        }

        async fn keys(&self) -> store::Result<Vec<ApiKeyRecord>> {
            let key = self.0.ok_or_else(|| StoreError::Unavailable(anyhow::anyhow!("away")))?;
            let (id, name, created_at) = ("x".into(), "x".into(), Timestamp::from_millis(0));
            Ok(vec![ApiKeyRecord { id, name, hash: hash_key(key), created_at }])
        }

        async fn revoke_key(&self, _: &str) -> store::Result<bool> {
            Ok(false)
        }
    }

    #[tokio::test]
    async fn only_a_whole_key_is_known() {
        let keys = ApiKeys::new(&["first-key-0123456789".into(), "second-key-0123456789".into()]);
        let away = Stored(None);
        let first = keys.holder("first-key-0123456789", &away).await.unwrap();
        let second = keys.holder("second-key-0123456789", &away).await.unwrap();
        assert!(first.is_some() && second.is_some() && first != second);
        for wrong in ["", "first-key-012345678", "first-key-0123456789x", "third-key-0123456789"] {
            assert_eq!(keys.holder(wrong, &away).await.unwrap(), None, "{wrong}");
        }
        assert_eq!(ApiKeys::new(&[]).holder("", &away).await.unwrap(), None, "no key configured: none is right");
    }

    #[tokio::test]
    async fn what_looks_like_a_key_of_the_store_is_one_or_refused() {
        let store = Stored(Some("cak_right"));
        let keys = ApiKeys::new(&[]);
        let away = keys.holder("cak_right", &Stored(None)).await.unwrap_err();
        assert!(matches!(away, DomainError::Unavailable(_)), "away is not wrong");
        assert!(keys.holder("cak_right", &store).await.unwrap().is_some());
        let wrong = keys.holder("cak_wrong", &store).await.unwrap_err();
        assert!(matches!(wrong, DomainError::Unauthorized(_)));
    }
}
