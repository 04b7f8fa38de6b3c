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

    /// Is it one of the keys? Compares with all of them.
    fn know(&self, presented: &str) -> bool {
        let presented = digest(&SHA256, presented.as_bytes());
        let same = |key: &Digest| verify_slices_are_equal(key.as_ref(), presented.as_ref()).is_ok();
        self.0.iter().fold(false, |known, key| same(key) | known)
    }
}

/// A caller who may send notifications and see how they stand. Without key or token the request ends with 401, with
/// a valid token without the scope with 403.
pub struct Sender;

impl FromRequest for Sender {
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, WebError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let presented = bearer(request).map(str::to_owned);
        let keys = request.app_data::<Data<ApiKeys>>().cloned();
        let domain = request.app_data::<Data<Domain>>().cloned();
        Box::pin(async move {
            let (keys, domain) = keys.zip(domain).ok_or_else(|| anyhow::anyhow!("the service lacks its data"))?;
            let presented = presented.ok_or(DomainError::Unauthorized("send Authorization: Bearer <key or token>"))?;
            if keys.know(&presented) {
                return Ok(Self);
            }
            let viewer = domain.identity.authenticate(&presented).await?;
            match viewer.claims.has_scope(SCOPE) {
                true => Ok(Self),
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
        assert!(keys.know("first-key-0123456789") && keys.know("second-key-0123456789"));
        for wrong in ["", "first-key-012345678", "first-key-0123456789x", "third-key-0123456789"] {
            assert!(!keys.know(wrong), "{wrong}");
        }
        assert!(!ApiKeys::new(&[]).know(""), "no key configured: none is right");
    }
}
