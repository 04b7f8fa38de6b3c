//! Passes requests on to a live instance of the service that serves them, found in the registry.
//!
//! The caller's token goes along and is checked again there; no identity travels in headers of ours.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web::Bytes,
};
use domain::DomainError;
use moka::future::Cache;
use parking_lot::Mutex;
use shared::InstanceId;
use store::{Instance, Service};
use tokio::time::timeout;
use web::{ApiResult, WebError, address};

use crate::{
    breaker::Breaker,
    directory::{Directory, Key, Live, key},
};

/// Headers of the request that go along; all others are for this server, or forged.
const PASSED_ON: [&str; 5] = ["authorization", "content-type", "idempotency-key", "traceparent", "tracestate"];
/// Headers of the answer that come back.
const PASSED_BACK: [&str; 6] =
    ["content-type", "retry-after", "www-authenticate", "content-security-policy", "referrer-policy", "cache-control"];
/// Bytes of an answer's body.
const ANSWER: usize = 1024 * 1024;
/// Instances that get one request, beside those that cannot be reached.
const TRIES: usize = 3;
/// How long it is good for which instances there are.
const INSTANCES_KEPT: Duration = Duration::from_millis(250);

/// One for each process; clones share its connections and breakers.
#[derive(Clone)]
pub(crate) struct Gateway {
    http: reqwest::Client,
    directory: Arc<Directory>,
    instances: Cache<Service, Arc<Vec<Live>>>,
    /// Bounded by the instances that are registered.
    breakers: Arc<Mutex<HashMap<Key, Breaker>>>,
    /// So that the instances get their requests in turn.
    turn: Arc<AtomicUsize>,
    /// What a request may take in all.
    patience: Duration,
}

/// What came of asking one instance.
enum Tried {
    Answered(HttpResponse),
    /// 502, 503 or 504: it, or what is before it, cannot serve now. Another instance may.
    Unable(HttpResponse),
    /// Nothing was sent.
    Unreached(anyhow::Error),
    /// It may have been carried out, or not.
    Lost(anyhow::Error),
    /// Of no use to try again.
    Unusable(anyhow::Error),
}

/// A request on its way.
struct Passing<'a> {
    request: &'a HttpRequest,
    address: Option<HeaderValue>,
    body: Bytes,
}

impl Gateway {
    pub fn new(http: reqwest::Client, directory: Arc<Directory>, patience: Duration) -> Self {
        let instances = Cache::builder().max_capacity(8).time_to_live(INSTANCES_KEPT).build();
        Self { http, directory, instances, breakers: Arc::default(), turn: Arc::default(), patience }
    }

    /// The answer of a live instance. Where one cannot be reached another is asked; one that was reached is not followed
    /// by another unless the method is idempotent (RFC 9110 §9.2.2). All together within the configured time.
    pub async fn forward(&self, service: Service, request: &HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
        self.pass(service, request, body, request.method().is_idempotent()).await
    }

    /// [`forward`](Self::forward) for a route that knows the `Idempotency-Key`: with one, the request can be repeated.
    pub async fn forward_keyed(&self, service: Service, request: &HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
        self.pass(service, request, body, request.headers().contains_key("idempotency-key")).await
    }

    async fn pass(
        &self,
        service: Service,
        request: &HttpRequest,
        body: Bytes,
        repeatable: bool,
    ) -> ApiResult<HttpResponse> {
        if !is_plain(request.uri().path()) {
            return Err(WebError(DomainError::NotFound("there is nothing at this path")));
        }
        let ends = Instant::now() + self.patience;
        let address = address::of(request).and_then(|address| HeaderValue::from_str(&address.to_string()).ok());
        let passing = Passing { request, address, body };
        let mut unable = None;
        let mut last = anyhow::anyhow!("no instance of {} can be asked", service.as_str());
        let (candidates, mut tries) = (self.candidates(service).await?, 0);
        for (n, live) in candidates.iter().enumerate() {
            if tries == TRIES || !self.admit(&live.instance) {
                continue;
            }
            // Who may be followed by another must not use up all of the time.
            let followed = repeatable && tries + 1 < TRIES && n + 1 < candidates.len();
            let share = if followed { self.patience / 3 } else { self.patience };
            let time = share.min(ends.saturating_duration_since(Instant::now()));
            let tried = timeout(time, self.ask(live, &passing)).await;
            let tried = tried.unwrap_or_else(|_| Tried::Lost(anyhow::anyhow!("no answer in {time:?}")));
            self.note(&live.instance, &tried);
            tries += usize::from(!matches!(tried, Tried::Unreached(_)));
            match tried {
                Tried::Answered(answer) => return Ok(answer),
                Tried::Unable(answer) if !repeatable => return Ok(answer),
                Tried::Unable(answer) => unable = Some(answer),
                Tried::Unreached(e) => last = e,
                Tried::Lost(e) if repeatable => last = e,
                Tried::Lost(e) => return Err(unavailable(e)),
                Tried::Unusable(e) => return Err(WebError(DomainError::Unexpected(e))),
            }
        }
        match unable {
            Some(answer) => Ok(answer),
            None => {
                metrics::counter!("chatapp_gateway_unanswered_total", "service" => service.as_str()).increment(1);
                Err(unavailable(last))
            }
        }
    }

    /// What a running instance answers at its `/metrics`: at most [`ANSWER`] bytes, within the configured time.
    pub async fn metrics_of(&self, id: InstanceId) -> ApiResult<HttpResponse> {
        for service in Service::ALL {
            let found = self.directory.live(service).await?;
            let Some(live) = found.into_iter().find(|live| live.instance.id == id) else { continue };
            let ask = self.http.get(format!("{}/metrics", base(&live)));
            let tried =
                timeout(self.patience, async { Ok::<_, anyhow::Error>(read(ask.send().await.map_err(lost)?).await) })
                    .await;
            return match tried {
                Ok(Ok(Tried::Answered(answer) | Tried::Unable(answer))) => Ok(answer),
                Ok(Ok(Tried::Unreached(e) | Tried::Lost(e) | Tried::Unusable(e)) | Err(e)) => Err(unavailable(e)),
                Err(_) => Err(unavailable(anyhow::anyhow!("no answer in {:?}", self.patience))),
            };
        }
        Err(WebError(DomainError::NotFound("there is no such instance")))
    }

    /// The live instances, each time beginning with another.
    async fn candidates(&self, service: Service) -> ApiResult<Vec<Live>> {
        let look_up = async { self.directory.live(service).await.map(Arc::new) };
        let found = self.instances.try_get_with(service, look_up).await;
        let found = found.map_err(|e| unavailable(anyhow::anyhow!("read the registry: {e}")))?;
        let mut candidates = found.to_vec();
        if !candidates.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len();
            candidates.rotate_left(turn);
        }
        let there = |id| candidates.iter().any(|live| live.instance.id == id);
        self.breakers.lock().retain(|(of, id), _| *of != service || there(*id));
        Ok(candidates)
    }

    fn admit(&self, instance: &Instance) -> bool {
        let admitted = self.breakers.lock().entry(key(instance)).or_default().admit(Instant::now());
        if !admitted {
            count(instance.service, "spared");
        }
        admitted
    }

    fn note(&self, instance: &Instance, tried: &Tried) {
        let outcome = match tried {
            Tried::Answered(_) => "answered",
            Tried::Unable(_) => "unable",
            Tried::Unreached(_) => "unreached",
            Tried::Lost(_) => "lost",
            Tried::Unusable(_) => "unusable",
        };
        count(instance.service, outcome);
        let mut breakers = self.breakers.lock();
        let breaker = breakers.entry(key(instance)).or_default();
        if !matches!(tried, Tried::Unreached(_) | Tried::Lost(_)) {
            breaker.succeeded();
        } else if breaker.failed(Instant::now()) {
            let service = instance.service.as_str();
            metrics::counter!("chatapp_gateway_breakers_opened_total", "service" => service).increment(1);
            tracing::warn!(service, instance = %instance.id, "does not answer; it is spared for a while");
        }
    }

    async fn ask(&self, live: &Live, passing: &Passing<'_>) -> Tried {
        let request = passing.request;
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or_default();
        let mut ask = self.http.request(method, format!("{}{target}", base(live))).body(passing.body.clone());
        for name in PASSED_ON {
            if let Some(value) = request.headers().get(name) {
                ask = ask.header(name, value.as_bytes());
            }
        }
        // What the client said of where it came from is not repeated: whoever is to be believed has been by now.
        if let Some(address) = &passing.address {
            ask = ask.header("x-forwarded-for", address.as_bytes());
        }
        // So that it has one name in the answer and in the logs of both.
        if let Some(id) = web::request_id(request) {
            ask = ask.header("x-request-id", id);
        }
        match ask.send().await {
            Ok(answer) => read(answer).await,
            Err(e) if e.is_connect() => Tried::Unreached(lost(e)),
            Err(e) => Tried::Lost(lost(e)),
        }
    }
}

/// Where requests for an instance go. notification-server's URL is for us; those of the socket services are for clients,
/// and need not lead anywhere from here.
fn base(live: &Live) -> String {
    let Instance { service, url, address, .. } = &live.instance;
    match address {
        Some(address) if live.known && *service != Service::Notification => format!("http://{address}"),
        // ws becomes http, and wss https.
        _ => match url.strip_prefix("ws") {
            Some(rest) => format!("http{rest}"),
            None => url.clone(),
        },
    }
}

/// Does a path lead where it seems to lead? Where it is parsed as a URL, `\` is a `/`, and segments of one or two dots, also
/// percent-encoded ones, are folded (WHATWG URL §4.4): a route of ours would become any path of the instance's.
fn is_plain(path: &str) -> bool {
    let path = path.to_ascii_lowercase().replace("%2e", ".").replace("%5c", "\\").replace("%2f", "/");
    !path.contains('\\') && !path.split('/').any(|segment| segment == "." || segment == "..")
}

async fn read(mut answer: reqwest::Response) -> Tried {
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    for name in PASSED_BACK {
        if let Some(value) = answer.headers().get(name) {
            response.insert_header((HeaderName::from_static(name), value.as_bytes()));
        }
    }
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(part)) if body.len() + part.len() > ANSWER => {
                return Tried::Unusable(anyhow::anyhow!("an answer is larger than {ANSWER} bytes"));
            }
            Ok(Some(part)) => body.extend_from_slice(&part),
            Ok(None) => break,
            Err(e) => return Tried::Lost(lost(e)),
        }
    }
    let response = response.body(body);
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Tried::Unable(response)
        }
        _ => Tried::Answered(response),
    }
}

fn lost(e: reqwest::Error) -> anyhow::Error {
    anyhow::Error::new(e.without_url()).context("pass a request on")
}

fn unavailable(cause: anyhow::Error) -> WebError {
    WebError(DomainError::Unavailable(cause))
}

fn count(service: Service, outcome: &'static str) {
    metrics::counter!("chatapp_gateway_attempts_total", "service" => service.as_str(), "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use shared::InstanceId;

    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_is_not_passed_on() {
        for plain in
            ["/", "/notify", "/notify/ABC", "/api/presence/me", "/notify/...", "/notify/.a", "/notify/%20", "//x"]
        {
            assert!(is_plain(plain), "{plain}");
            assert_eq!(reqwest::Url::parse(&format!("http://h{plain}")).unwrap().path(), plain);
        }
        for other in [
            "/notify/..\\metrics",
            "/notify\\..\\metrics",
            "/notify/../metrics",
            "/notify/./x",
            "/notify/%2e%2E/metrics",
            "/notify/.%2e/metrics",
            "/notify/..%5Cmetrics",
            "/notify/..%2Fmetrics",
            "/notify/..",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }

    #[test]
    fn requests_go_where_an_instance_can_be_reached_from_here() {
        let live = |service, url: &str, known| {
            let (id, version, address) = (InstanceId::new(), "0".into(), Some(([10, 0, 0, 1], 80).into()));
            let instance =
                Instance { id, service, url: url.into(), address, beat: 1, load: 0, version, draining: false };
            Live { instance, known }
        };
        for (service, url, known, expected) in [
            (Service::Presence, "wss://example.org", true, "http://10.0.0.1:80"),
            (Service::Presence, "wss://example.org", false, "https://example.org"),
            (Service::Presence, "ws://h:3002", false, "http://h:3002"),
            (Service::Notification, "http://n:3003", true, "http://n:3003"),
        ] {
            assert_eq!(base(&live(service, url, known)), expected, "{url}");
        }
    }
}
