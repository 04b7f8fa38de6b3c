//! REST: one method for each route, by concern in `accounts`, `rooms`, `messages`, `receipts` and
//! `notifications`.

mod accounts;
mod messages;
mod notifications;
mod problem;
mod receipts;
mod rooms;

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use accounts::{Refreshed, Session, Signup};
pub use messages::{ReplyPage, SearchPage};
pub use notifications::{Instance, Notification, Notify, Queued};
pub use receipts::{Delivery, Push, Unread, UnreadRoom};
pub use rooms::NewRoom;

use crate::{Error, Result};

/// The REST API of one deployment, as one user or as nobody. Cheap to clone; connections are pooled.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    /// Without a slash at its end.
    base: String,
    token: Option<String>,
}

/// A part of a list, and where the next begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// For the next call; `None` at the end.
    pub next_cursor: Option<String>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Page<T> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<T> {
            Page {
                items: Vec<T>,
                #[serde(default, rename = "nextCursor", alias = "cursor")]
                next_cursor: Option<String>,
            },
            List(Vec<T>),
        }
        Ok(match Either::deserialize(d)? {
            Either::Page { items, next_cursor } => Self { items, next_cursor },
            Either::List(items) => Self { items, next_cursor: None },
        })
    }
}

/// No answer takes longer than this.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Api {
    /// The API at `base_url`, as `http://localhost:3000`, as nobody.
    pub fn new(base_url: &str) -> Result<Self> {
        let url = url::Url::parse(base_url).map_err(|e| Error::Url(format!("{base_url}: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Error::Url(format!("{base_url}: expected http or https")));
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(TIMEOUT / 3).build()?;
        Ok(Self { http, base: base_url.trim_end_matches('/').to_owned(), token: None })
    }

    /// The same API, as the user of `token` (or with a service's key).
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// A request to `path`, authenticated if there is a token; for routes that have no method here.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads its JSON answer; anything but 2xx is [`Error::Api`].
    pub async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
        let response = problem::check(request.send().await?).await?;
        let body = response.bytes().await?;
        serde_json::from_slice(&body).map_err(|e| Error::Unexpected(format!("the body: {e}")))
    }

    /// Sends a request whose answer has nothing to read.
    pub async fn done(request: RequestBuilder) -> Result<()> {
        problem::check(request.send().await?).await.map(|_| ())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T> {
        Self::read(self.request(Method::GET, &with_query(path, query)?)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        Self::read(self.request(Method::POST, path).json(body)).await
    }
}

/// `path` with the fields of a flat `query` object; fields that are null are left out.
fn with_query(path: &str, query: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(query).map_err(|e| Error::Unexpected(format!("the query: {e}")))?;
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => drop(pairs.append_pair(name, text)),
            other => drop(pairs.append_pair(name, &other.to_string())),
        }
    }
    let pairs = pairs.finish();
    Ok(if pairs.is_empty() { path.to_owned() } else { format!("{path}?{pairs}") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_encoded_and_nulls_left_out() {
        let path = with_query("/x", &json!({ "query": "a b&c", "limit": 5, "cursor": null })).unwrap();
        assert!(path == "/x?limit=5&query=a+b%26c" || path == "/x?query=a+b%26c&limit=5", "{path}");
        assert_eq!(with_query("/x", &json!({})).unwrap(), "/x");
    }

    #[test]
    fn a_list_is_a_page_without_a_next_one() {
        let page: Page<u8> = serde_json::from_str("[1,2]").unwrap();
        assert_eq!(page, Page { items: vec![1, 2], next_cursor: None });
        let page: Page<u8> = serde_json::from_str(r#"{"items":[1],"nextCursor":"c"}"#).unwrap();
        assert_eq!(page, Page { items: vec![1], next_cursor: Some("c".into()) });
    }

    #[test]
    fn a_base_that_is_no_http_url_is_refused() {
        for bad in ["", "localhost:3000", "ftp://x", "ws://x"] {
            assert!(matches!(Api::new(bad), Err(Error::Url(_))), "{bad}");
        }
    }
}
