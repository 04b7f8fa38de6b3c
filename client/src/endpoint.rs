//! Where a connection goes: to one address, or to the instance the registry names.

use std::time::Duration;

use url::Url;

use crate::{Api, Disconnect, Error, Result};

/// Where to connect. Text is a URL, an [`Api`] stands for its registry.
#[derive(Clone)]
pub enum Endpoint {
    /// Always this address: `ws`, `wss`, `http` or `https`.
    Url(String),
    /// The least-loaded instance that `GET /api/registry/{chat|presence}` names; asked again with the connection's own
    /// token when the instance in use cannot be reached, so that the connection outlives its instance.
    Registry(Api),
}

impl From<&str> for Endpoint {
    fn from(url: &str) -> Self {
        Self::Url(url.to_owned())
    }
}

impl From<&String> for Endpoint {
    fn from(url: &String) -> Self {
        Self::Url(url.clone())
    }
}

impl From<String> for Endpoint {
    fn from(url: String) -> Self {
        Self::Url(url)
    }
}

impl From<Api> for Endpoint {
    fn from(api: Api) -> Self {
        Self::Registry(api)
    }
}

impl Endpoint {
    /// The address for `path` (`/chat` or `/presence`) now.
    pub(crate) async fn look_up(self, path: &str, token: &str, timeout: Duration) -> Result<Url, Disconnect> {
        let (api, service) = match self {
            Self::Url(url) => return socket_url(&url, path).map_err(|e| Disconnect::Lost(e.to_string())),
            Self::Registry(api) => (api.with_token(token), path.trim_matches('/')),
        };
        let lost = |error: &dyn std::fmt::Display| Disconnect::Lost(format!("no instance of {service}: {error}"));
        let found = tokio::time::timeout(timeout, api.instance(service)).await.map_err(|e| lost(&e))?;
        match found {
            Ok(instance) => socket_url(&instance.url, path).map_err(|e| lost(&e)),
            // As an upgrade refused with this status: 401 asks for another token, 404 is the end.
            Err(Error::Api { status, .. }) if status < 500 => Err(Disconnect::Handshake { status }),
            Err(error) => Err(lost(&error)),
        }
    }

    /// A URL that cannot be used is an error at once.
    pub(crate) fn check(&self, path: &str) -> Result<()> {
        match self {
            Self::Url(url) => socket_url(url, path).map(|_| ()),
            Self::Registry(_) => Ok(()),
        }
    }
}

/// `url` as the address of a socket: http becomes ws, https wss, and an empty path `path`.
pub(crate) fn socket_url(url: &str, path: &str) -> Result<Url> {
    let bad = |why: &str| Error::Url(format!("{url}: {why}"));
    let mut parsed = Url::parse(url).map_err(|e| bad(&e.to_string()))?;
    let scheme = match parsed.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(bad("expected ws, wss, http or https")),
    };
    if !parsed.has_host() || parsed.set_scheme(scheme).is_err() {
        return Err(bad("no host"));
    }
    if parsed.path().trim_matches('/').is_empty() {
        parsed.set_path(path);
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_socket_addresses() {
        for (given, expected) in [
            ("ws://h:3001", "ws://h:3001/chat"),
            ("http://h:3001/", "ws://h:3001/chat"),
            ("https://h/chat", "wss://h/chat"),
            ("wss://h/ws?x=1", "wss://h/ws?x=1"),
        ] {
            assert_eq!(socket_url(given, "/chat").unwrap().as_str(), expected);
        }
        for bad in ["", "h:3001", "ftp://h/", "ws://"] {
            assert!(matches!(socket_url(bad, "/chat"), Err(Error::Url(_))), "{bad}");
        }
    }
}
