//! Who may send notifications: a service with an API key, or a token of scope `notify`.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
};
use domain::{Domain, DomainError};
use secrecy::{ExposeSecret, SecretString};
use web::{WebError, extract::bearer};

/// What a token's scope must name to send notifications.
const SCOPE: &str = "notify";

/// The configured keys, as digests: neither their length nor how much of a guess was right shows in the time.
pub struct ApiKeys(Vec<Digest>);

impl ApiKeys {
    pub fn new(keys: &[SecretString]) -> Self {
        Self(keys.iter().map(|key| digest(&SHA256, key.expose_secret().as_bytes())).collect())
    }

    /// If it is one of the keys, what tells its holder from those of others. Compares with all of them.
    fn holder(&self, presented: &str) -> Option<[u8; 16]> {
        let presented = digest(&SHA256, presented.as_bytes());
        let same = |key: &Digest| verify_slices_are_equal(key.as_ref(), presented.as_ref()).is_ok();
        let known = self.0.iter().fold(false, |known, key| same(key) | known);
        // It goes into ids that recipients see: enough of the digest to tell a few keys apart, too little to try
        // guesses on.
        let mut holder = [0; 16];
        holder[..4].copy_from_slice(&presented.as_ref()[..4]);
        known.then_some(holder)
    }
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
            if let Some(id) = keys.holder(&presented) {
                return Ok(Self { id });
            }
            let viewer = domain.identity.authenticate(&presented).await?;
            match viewer.claims.has_scope(SCOPE) {
                true => Ok(Self { id: *viewer.user.as_bytes() }),
                false => Err(DomainError::Forbidden("the token is not of scope notify").into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_key_is_known() {
        let keys = ApiKeys::new(&["first-key-0123456789".into(), "second-key-0123456789".into()]);
        let (first, second) = (keys.holder("first-key-0123456789"), keys.holder("second-key-0123456789"));
        assert!(first.is_some() && second.is_some() && first != second);
        for wrong in ["", "first-key-012345678", "first-key-0123456789x", "third-key-0123456789"] {
            assert_eq!(keys.holder(wrong), None, "{wrong}");
        }
        assert_eq!(ApiKeys::new(&[]).holder(""), None, "no key configured: none is right");
    }
}
