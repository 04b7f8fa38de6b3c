//! Reads other products' key sets: over HTTP or from a file. When they are read, `domain::identity::external` says.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use domain::identity::external::{Fetched, KeySource};
use reqwest::{
    StatusCode, Url,
    header::{CACHE_CONTROL, HeaderMap},
};
use shared::{settings::KeysAt, token::external::MAX_SET};
use tokio::io::AsyncReadExt;

/// What a set may take to come, from the first packet to the last.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a set is good for that does not say so itself, and between which bounds one may.
const FRESH: Duration = Duration::from_secs(600);
const FRESHEST: Duration = Duration::from_secs(60);
const OLDEST: Duration = Duration::from_secs(24 * 3600);

/// Asks for them as they are wherever the settings say.
pub struct KeyReader {
    http: reqwest::Client,
}

impl KeyReader {
    /// Redirects are not followed: where keys come from is for the settings to say.
    pub fn new() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { http })
    }

    async fn get(&self, url: &Url) -> anyhow::Result<Fetched> {
        let mut response = self.http.get(url.clone()).send().await?;
        ensure!(response.status() == StatusCode::OK, "{url} answered {}", response.status());
        let fresh_for = fresh_for(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            ensure!(body.len() <= MAX_SET, "{url} answered more than {MAX_SET} bytes");
        }
        Ok(Fetched { body, fresh_for })
    }
}

#[async_trait]
impl KeySource for KeyReader {
    async fn fetch(&self, from: &KeysAt) -> anyhow::Result<Fetched> {
        match from {
            KeysAt::Url(url) => self.get(url).await,
            KeysAt::File(path) => read(path).await.with_context(|| format!("read {}", path.display())),
        }
    }
}

async fn read(path: &Path) -> anyhow::Result<Fetched> {
    let mut body = Vec::new();
    // One byte more: then it is too large, and the set says so.
    tokio::fs::File::open(path).await?.take(MAX_SET as u64 + 1).read_to_end(&mut body).await?;
    Ok(Fetched { body, fresh_for: FRESHEST })
}

/// As far as it is understood (RFC 9111 §5.2.2): `max-age`, and what says not to keep it.
fn fresh_for(headers: &HeaderMap) -> Duration {
    let mut fresh = FRESH;
    let lists = headers.get_all(CACHE_CONTROL).iter().filter_map(|list| list.to_str().ok());
    for directive in lists.flat_map(|list| list.split(',')).map(|one| one.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            Some(("max-age", seconds)) => {
                fresh = seconds.trim_matches('"').parse().map_or(FRESH, Duration::from_secs);
            }
            _ if matches!(directive.as_str(), "no-store" | "no-cache") => return FRESHEST,
            _ => {}
        }
    }
    fresh.clamp(FRESHEST, OLDEST)
}

#[cfg(test)]
mod tests {
    use host_fixture::KeyServer;

    use super::*;

    async fn fetch(from: KeysAt) -> anyhow::Result<Fetched> {
        KeyReader::new().unwrap().fetch(&from).await
    }

    fn at(server: &KeyServer) -> KeysAt {
        KeysAt::Url(server.url().parse().unwrap())
    }

    #[tokio::test]
    async fn a_set_is_read_with_how_long_it_is_good_for() {
        let server = KeyServer::start("{}");
        let minutes = async |headers: &str| {
            server.answer("200 OK", headers, "{}");
            let fetched = fetch(at(&server)).await.unwrap();
            assert_eq!(fetched.body, b"{}");
            fetched.fresh_for.as_secs() / 60
        };
        for (headers, expected) in [
            ("", 10),
            ("Cache-Control: max-age=1800\r\n", 30),
            ("Cache-Control: public, MAX-AGE=3600\r\n", 60),
            ("Cache-Control: max-age=0\r\n", 1),
            ("Cache-Control: max-age=99999999999\r\n", 24 * 60),
            ("Cache-Control: max-age=soon\r\n", 10),
            ("Cache-Control: no-store, max-age=1800\r\n", 1),
            ("Cache-Control: public\r\nCache-Control: no-cache\r\n", 1),
        ] {
            assert_eq!(minutes(headers).await, expected, "{headers}");
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error_and_a_redirect_is_not_followed() {
        let (server, elsewhere) = (KeyServer::start("{}"), KeyServer::start("{}"));
        for (status, headers) in [
            ("404 Not Found", String::new()),
            ("500 Internal Server Error", String::new()),
            ("302 Found", format!("Location: {}\r\n", elsewhere.url())),
            ("204 No Content", String::new()),
        ] {
            server.answer(status, &headers, "");
            assert!(fetch(at(&server)).await.is_err(), "{status}");
        }
        assert_eq!((server.requests(), elsewhere.requests()), (4, 0));
        server.answer("200 OK", "", &"x".repeat(MAX_SET + 1));
        assert!(fetch(at(&server)).await.is_err(), "too large");
        let nobody = KeysAt::Url("http://127.0.0.1:1/keys".parse().unwrap());
        assert!(fetch(nobody).await.is_err());
    }

    #[tokio::test]
    async fn a_file_is_read_as_it_is_and_not_much_of_a_large_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        assert!(fetch(KeysAt::File(path.clone())).await.is_err());
        std::fs::write(&path, "{}").unwrap();
        let fetched = fetch(KeysAt::File(path.clone())).await.unwrap();
        assert_eq!((fetched.body.as_slice(), fetched.fresh_for), (b"{}".as_slice(), FRESHEST));
        std::fs::write(&path, "x".repeat(4 * MAX_SET)).unwrap();
        assert_eq!(fetch(KeysAt::File(path)).await.unwrap().body.len(), MAX_SET + 1);
    }
}
