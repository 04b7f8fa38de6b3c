//! One attempt at a connection: TCP, upgrade, `AUTH_SUCCESS`.

use std::time::Duration;

use futures_util::StreamExt;
use shared::protocol::{SUBPROTOCOL, ServerFrame};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Request, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::{CloseFrame, WebSocketConfig},
    },
};
use url::Url;

use crate::{Disconnect, Identity, tls};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Largest frame taken from a server, which promises replies of at most 256 KiB.
const MAX_SERVER_FRAME: usize = 4 * 1024 * 1024;

/// A connection that is authenticated.
pub(crate) struct Dialled {
    pub socket: Socket,
    pub identity: Identity,
    pub heartbeat: Duration,
}

/// Connects to `url` and authenticates with `token`, within `timeout`. With `hold` the server is to hold its events.
pub(crate) async fn dial(url: &Url, token: &str, hold: bool, timeout: Duration) -> Result<Dialled, Disconnect> {
    match tokio::time::timeout(timeout, connect(url, token, hold)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Disconnect::Lost(format!("no connection within {timeout:?}"))),
    }
}

async fn connect(url: &Url, token: &str, hold: bool) -> Result<Dialled, Disconnect> {
    // The defaults are 128 KiB for each direction, allocated at once.
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(4 * 1024)
        .max_message_size(Some(MAX_SERVER_FRAME))
        .max_frame_size(Some(MAX_SERVER_FRAME));
    let request = request(url, token, hold)?;
    let tls = match url.scheme() {
        "wss" => Some(tls::connector().map_err(|e| Disconnect::Lost(format!("certificates: {e}")))?),
        _ => None,
    };
    let connecting = connect_async_tls_with_config(request, Some(config), true, tls);
    let (mut socket, _) = connecting.await.map_err(refusal)?;
    let (identity, heartbeat) = authenticated(&mut socket, hold).await?;
    Ok(Dialled { socket, identity, heartbeat })
}

fn request(url: &Url, token: &str, hold: bool) -> Result<Request<()>, Disconnect> {
    let mut url = url.clone();
    if hold {
        url.query_pairs_mut().append_pair("hold", "1");
    }
    let mut request = url.as_str().into_client_request().map_err(|e| Disconnect::Lost(e.to_string()))?;
    let protocols = HeaderValue::from_str(&format!("{SUBPROTOCOL}, bearer.{token}"));
    let mut protocols = protocols.map_err(|_| Disconnect::Token("it cannot stand in a header".into()))?;
    protocols.set_sensitive(true);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols);
    Ok(request)
}

fn refusal(error: tungstenite::Error) -> Disconnect {
    match error {
        tungstenite::Error::Http(response) => Disconnect::Handshake { status: response.status().as_u16() },
        error => Disconnect::Lost(error.to_string()),
    }
}

/// Waits for `AUTH_SUCCESS`, the first frame of every socket. A server that refuses sends an `ERROR` and closes.
async fn authenticated(socket: &mut Socket, hold: bool) -> Result<(Identity, Duration), Disconnect> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                // Events that flow before the client has said where it left off would be a silent hole.
                Ok(ServerFrame::AuthSuccess { resuming: false, .. }) if hold => {
                    return Err(Disconnect::Lost("the server does not hold events for a client that resumes".into()));
                }
                Ok(ServerFrame::AuthSuccess { user_id, username, session_id, heartbeat_ms, .. }) => {
                    let heartbeat = Duration::from_millis(heartbeat_ms.max(1));
                    return Ok((Identity { user_id, username, session_id }, heartbeat));
                }
                Ok(ServerFrame::Error { code, message, .. }) => tracing::debug!(%code, message, "refused"),
                _ => return Err(Disconnect::Lost("the first frame was not AUTH_SUCCESS".into())),
            },
            Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Disconnect::Lost(error.to_string())),
            None => return Err(Disconnect::Lost("the connection ended".into())),
        }
    }
}

/// A close frame as a reason; one without a code is 1005.
pub(crate) fn closed(frame: Option<CloseFrame>) -> Disconnect {
    match frame {
        Some(frame) => Disconnect::Closed { code: frame.code.into(), reason: frame.reason.to_string() },
        None => Disconnect::Closed { code: 1005, reason: String::new() },
    }
}
