//! The deployment under load: its REST address and its chat-servers.

use std::net::SocketAddr;

use anyhow::Context;
use client::{Api, ErrorCode};
use tokio_tungstenite::{Connector, tungstenite::http::Uri};
use url::Url;

/// Where a deployment is reached. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    pub api: Api,
    /// At least one; connections go to them in turn.
    pub chat: Vec<ChatServer>,
}

/// One chat-server.
#[derive(Clone)]
pub struct ChatServer {
    pub url: Url,
    /// Looked up once, so that ten thousand connections do not ask as often.
    pub address: SocketAddr,
    /// How `wss` is spoken: with the certificates this machine trusts, which the REST calls go by too. Read once.
    pub tls: Option<Connector>,
}

impl Target {
    /// `chat` empty: the one the registry names; `api` as any user, whom it is told to.
    pub async fn find(api: &Api, chat: &[Url]) -> anyhow::Result<Self> {
        let mut urls = chat.to_vec();
        if urls.is_empty() {
            let instance = api.instance("chat").await.context("ask the registry for a chat-server (or give --chat)")?;
            urls.push(chat_url(&instance.url).map_err(anyhow::Error::msg).context("what the registry names")?);
        }
        let mut found = Vec::new();
        for url in urls {
            let address = look_up(&url).await?;
            let tls = match url.scheme() {
                "wss" => Some(client::tls::connector().context("read the certificates this machine trusts")?),
                _ => None,
            };
            found.push(ChatServer { url, address, tls });
        }
        Ok(Self { api: api.clone(), chat: found })
    }
}

async fn look_up(url: &Url) -> anyhow::Result<SocketAddr> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let mut addresses = tokio::net::lookup_host((host, port)).await.with_context(|| format!("look up {host}"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}

impl ChatServer {
    /// The address of the socket. `hold`: its events wait until the client has said where it left off.
    pub fn uri(&self, hold: bool) -> anyhow::Result<Uri> {
        let mut url = self.url.clone();
        if hold {
            url.query_pairs_mut().append_pair("hold", "1");
        }
        Ok(url.as_str().parse()?)
    }
}

/// A chat-server's address as people write it: http or ws, with or without the path.
pub fn chat_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|e| format!("{text}: {e}"))?;
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        other => return Err(format!("{text}: expected ws or wss, not {other}")),
    };
    if !url.has_host() || url.set_scheme(scheme).is_err() {
        return Err(format!("{text}: no host"));
    }
    if url.path().trim_matches('/').is_empty() {
        url.set_path("/chat");
    }
    Ok(url)
}

/// What to do about an error of the deployment, where it is the limits that a load generator runs into.
pub fn advice(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::RateLimitExceeded) => {
            " (the deployment limits rates, HTTP 429: for a benchmark start it with CHATAPP__LIMITS__ENABLED=false)"
        }
        Some(ErrorCode::Forbidden) => " (are guests allowed? CHATAPP__AUTH__GUESTS=true)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_servers_are_written_with_or_without_their_path() {
        for (given, expected) in [
            ("ws://h:3001", "ws://h:3001/chat"),
            ("http://h:3001/", "ws://h:3001/chat"),
            ("https://h/chat", "wss://h/chat"),
        ] {
            assert_eq!(chat_url(given).unwrap().as_str(), expected);
        }
        for bad in ["", "h:3001", "ftp://h"] {
            assert!(chat_url(bad).is_err(), "{bad}");
        }
    }
}
