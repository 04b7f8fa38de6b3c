//! Untrusted in, typed out: who is calling, and from where.

use std::{future::Future, net::IpAddr, pin::Pin};

use actix_http::RequestHead;
use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::USER_AGENT, web::Data};
use domain::{Domain, DomainError, Viewer, accounts::Source};
pub use socket::bearer;

use crate::{WebError, address};

/// The caller, by `Authorization: Bearer` (RFC 6750 §2.1); without a valid token the request ends with 401.
pub struct Caller(pub Viewer);

impl FromRequest for Caller {
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, WebError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = bearer(request.head()).map(str::to_owned);
        let domain = request.app_data::<Data<Domain>>().cloned();
        Box::pin(async move {
            let domain = domain.ok_or_else(|| anyhow::anyhow!("the service has no domain"))?;
            let token = token.ok_or(DomainError::Unauthorized("send Authorization: Bearer <token>"))?;
            Ok(Self(domain.identity.authenticate(&token).await?))
        })
    }
}

/// The header `Idempotency-Key`, where it is given: names a request, so that a repeat is known.
pub struct IdempotencyKey(pub Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = WebError;
    type Future = std::future::Ready<Result<Self, WebError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = match request.headers().get("idempotency-key").map(|value| value.to_str()) {
            None => Ok(Self(None)),
            Some(Ok(key)) => Ok(Self(Some(key.to_owned()))),
            Some(Err(_)) => Err(DomainError::invalid("Idempotency-Key", "use visible ASCII characters").into()),
        };
        std::future::ready(key)
    }
}

/// Where the request comes from, and what the client calls itself.
pub struct CameFrom(pub Source);

impl FromRequest for CameFrom {
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(source(request.head(), address::of(request)))))
    }
}

/// The same of a request that is no route's.
pub(crate) fn source(head: &RequestHead, address: Option<IpAddr>) -> Source {
    let (address, network) = match address {
        Some(address) => (address.to_string(), address::network(address)),
        None => ("unknown".into(), "unknown".into()),
    };
    let agent = head.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    Source { address, network, agent }
}
