//! Passes requests on to a live notification-server, found in the registry.
//!
//! The caller's token goes along and is checked again there; no identity travels in headers of ours.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::Bytes,
};
use domain::DomainError;
use moka::future::Cache;
use store::{Instance, Registry, Service};
use web::{ApiResult, WebError};

/// Headers of the request that go along.
const PASSED_ON: [&str; 3] = ["authorization", "content-type", "idempotency-key"];
/// Headers of the answer that come back.
const PASSED_BACK: [&str; 3] = ["content-type", "retry-after", "www-authenticate"];
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a look-up of the registry is good for.
const INSTANCES_KEPT: Duration = Duration::from_secs(1);

/// One for each process; clones share its connections.
#[derive(Clone)]
pub(crate) struct Gateway {
    http: reqwest::Client,
    registry: Arc<dyn Registry>,
    instances: Cache<(), Arc<Vec<Instance>>>,
}

impl Gateway {
    pub fn new(registry: Arc<dyn Registry>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let instances = Cache::builder().max_capacity(1).time_to_live(INSTANCES_KEPT).build();
        Ok(Self { http, registry, instances })
    }

    /// The answer of the first live instance. Where one cannot be reached the next is asked; one that was reached is
    /// not asked again unless the method is idempotent (RFC 9110 §9.2.2).
    pub async fn forward(&self, request: &HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
        let mut last = anyhow::anyhow!("no notification-server is registered");
        for instance in self.live().await?.iter() {
            match self.ask(instance, request, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(e) => {
                    let may_retry = e.is_connect() || request.method() != Method::POST;
                    last = anyhow::Error::new(e.without_url()).context("pass a request on");
                    if !may_retry {
                        break;
                    }
                }
            }
        }
        Err(WebError(DomainError::Unavailable(last)))
    }

    async fn live(&self) -> ApiResult<Arc<Vec<Instance>>> {
        let look_up = async { self.registry.instances(Service::Notification).await.map(Arc::new) };
        let found = self.instances.try_get_with((), look_up).await;
        found.map_err(|e| WebError(DomainError::Unavailable(anyhow::anyhow!("read the registry: {e}"))))
    }

    async fn ask(&self, to: &Instance, request: &HttpRequest, body: Bytes) -> Result<HttpResponse, reqwest::Error> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or_default();
        let mut ask = self.http.request(method, format!("{}{target}", to.url)).body(body);
        for name in PASSED_ON {
            if let Some(value) = request.headers().get(name) {
                ask = ask.header(name, value.as_bytes());
            }
        }
        // So that it has one name in the answer and in the logs of both.
        if let Some(id) = web::request_id(request) {
            ask = ask.header("x-request-id", id);
        }
        let answer = ask.send().await?;
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        for name in PASSED_BACK {
            if let Some(value) = answer.headers().get(name) {
                response.insert_header((header::HeaderName::from_static(name), value.as_bytes()));
            }
        }
        Ok(response.body(answer.bytes().await?))
    }
}
