//! Requests to others: to the services the operator has chosen, and to URLs that users gave. The latter are held to [`domain::notifications::target`]; a name
//! is looked up once, and the connection goes to an address that was looked at; no proxy. No redirects, bounds on time and
//! on what is read for both.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use domain::notifications::{BadTarget, is_global, target};
use moka::sync::Cache;
use reqwest::{
    Client, ClientBuilder, RequestBuilder, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use shared::Timestamp;

/// From the look-up of the name to the end of the answer.
const LIMIT: Duration = Duration::from_secs(15);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Connections to one host that are kept for the next request.
const KEPT_PER_HOST: usize = 4;
/// What did not answer in time is not asked again for so long.
pub const SPARED: Duration = Duration::from_secs(60);
/// URLs that are spared at once; of more, some are asked.
const SLOW: u64 = 10_000;
const LATE: &str = "no answer in time";
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 8192;
const APNS_ID: &str = "apns-id";

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    /// As `Retry-After` says (RFC 9110 §10.2.3).
    pub retry_after: Option<Duration>,
    /// How the service names what it has accepted: `Location` (RFC 8030 §5), `apns-id`.
    pub id: Option<String>,
    /// The beginning of the body.
    pub text: String,
}

/// Why there is no answer. Nothing is told of what is behind an address that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Target(#[from] BadTarget),
    #[error("{0}")]
    Failed(&'static str),
    /// It was not asked: it has not answered in time lately.
    #[error("it has not answered in time lately")]
    Slow,
}

/// The one client for URLs of users; clones share its connections.
#[derive(Clone)]
pub struct Outgoing {
    client: Client,
    private: bool,
    /// URLs that did not answer in time, and are spared for a while: so few of them cannot take all places of delivery.
    slow: Cache<String, ()>,
}

impl Outgoing {
    /// `private`: private addresses and plain http are allowed.
    pub fn new(private: bool) -> reqwest::Result<Self> {
        let client = bounded().dns_resolver(Arc::new(Guard { private })).no_proxy().build()?;
        let slow = Cache::builder().max_capacity(SLOW).time_to_live(SPARED).build();
        Ok(Self { client, private, slow })
    }

    /// Posts, and reads the beginning of the answer. Takes 15 s at most.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, SendError> {
        let target = target(url, self.private)?;
        if self.slow.contains_key(url) {
            return Err(SendError::Slow);
        }
        let answer = exchange(self.client.post(target).headers(headers).body(body)).await;
        if answer == Err(SendError::Failed(LATE)) {
            self.slow.insert(url.to_owned(), ());
        }
        answer
    }
}

/// The client for a service that the operator has chosen.
pub struct Chosen {
    client: Client,
}

impl Chosen {
    /// With `http2`, by HTTP/2 alone.
    pub fn new(http2: bool) -> reqwest::Result<Self> {
        let client = if http2 { bounded().http2_prior_knowledge() } else { bounded() };
        Ok(Self { client: client.build()? })
    }

    /// A request to be completed; send it by [`exchange`].
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }
}

fn bounded() -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .timeout(LIMIT)
        .pool_max_idle_per_host(KEPT_PER_HOST)
        .user_agent(concat!("ChatApp/", env!("CARGO_PKG_VERSION")))
}

/// Sends, and reads the beginning of the answer. Takes 15 s at most.
pub async fn exchange(request: RequestBuilder) -> Result<Answer, SendError> {
    let mut response = request.send().await.map_err(|e| reason(&e))?;
    let status = response.status();
    let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let retry_after = header(RETRY_AFTER.as_str()).as_deref().and_then(retry_after);
    let named = || header(APNS_ID).or_else(|| header(LOCATION.as_str()));
    let id = status.is_success().then(named).flatten();
    let mut read = Vec::new();
    // A body that breaks off says no more; the status is known.
    while let Ok(Some(chunk)) = response.chunk().await {
        read.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES - read.len())]);
        if read.len() == ANSWER_BYTES {
            break;
        }
    }
    Ok(Answer { status, retry_after, id, text: String::from_utf8_lossy(&read).trim().to_owned() })
}

fn reason(error: &reqwest::Error) -> SendError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<BadTarget>() {
            return SendError::Target(*refused);
        }
        source = cause.source();
    }
    SendError::Failed(match error {
        e if e.is_timeout() => LATE,
        e if e.is_connect() => "no connection",
        _ => "the connection broke",
    })
}

/// Looks names up, and lets through what may be connected to.
struct Guard {
    private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            // On a thread of tokio's blocking pool; bounded by the deliveries under way.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|a| private || is_global(a.ip())).collect();
            match allowed.is_empty() {
                true => Err(BadTarget::Private.into()),
                false => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// `Retry-After`, seconds or a date, as a wait from now.
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp().as_millisecond();
    u64::try_from(date - Timestamp::now().as_millis()).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("https://localhost:{}/", address.port());
        let answer = Outgoing::new(false).unwrap().post(&url, HeaderMap::new(), Vec::new()).await;
        assert_eq!(answer, Err(SendError::Target(BadTarget::Private)));
        // Nobody has knocked: whoever does next is the first.
        let first = tokio::net::TcpStream::connect(address).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, first.local_addr().unwrap());
    }

    #[tokio::test]
    async fn of_an_answer_without_an_end_only_the_beginning_is_read() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let endless = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
            let mut written = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
            while written.is_ok() {
                written = socket.write_all(&[b'x'; 1000]).await;
            }
        });
        let answer = Outgoing::new(true).unwrap().post(&url, HeaderMap::new(), Vec::new()).await.unwrap();
        assert_eq!((answer.status, answer.text.len()), (StatusCode::BAD_REQUEST, ANSWER_BYTES));
        endless.await.unwrap();
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_date() {
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3600);
        let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        let wait = retry_after(&text).unwrap();
        assert!((3590..=3600).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(retry_after("Fri, 01 Jan 1999 00:00:00 GMT"), None);
        assert_eq!(retry_after("soon"), None);
    }
}
