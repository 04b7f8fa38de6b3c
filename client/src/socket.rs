//! What `/chat` and `/presence` have in common: calls correlated by `requestId`, over a connection that comes back.
//!
//! Reading order: [`Options`] → [`Link`] (the callers' end) → `keeper` (keeps it connected) → `dial` (makes one
//! connection) → `drive` (serves one connection).

mod dial;
mod drive;
mod keeper;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde::Serialize;
use shared::{ErrorCode, protocol::ServerFrame};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{
    Endpoint, Error, Events, Identity, Result, TokenProvider,
    events::{EventSink, event_channel},
    pending::{Call, Pending, Repeat},
};

/// How a connection behaves; the defaults suit an application.
#[derive(Debug, Clone)]
pub struct Options {
    /// A call without a reply for so long fails; it includes the time without a connection.
    pub call_timeout: Duration,
    /// From the start of an attempt to `AUTH_SUCCESS`.
    pub connect_timeout: Duration,
    /// Ceiling of the first delay between attempts.
    pub backoff_base: Duration,
    /// Ceiling of all delays between attempts.
    pub backoff_cap: Duration,
    /// A connection that stood for so long was a success: the delays and refusals counted before are forgotten.
    pub stable_after: Duration,
    /// Events that wait for the application.
    pub event_queue: usize,
    /// How long the connection waits, and reads nothing, for an application whose queue is full. After that it passes
    /// events over, so that replies still come, and once the queue is empty a new connection resumes from the last
    /// event in it.
    pub event_patience: Duration,
    /// Calls that wait for a reply; more wait to be sent.
    pub pending_calls: usize,
    /// Bytes of a frame; a larger one is not sent, because the server would close the connection.
    pub frame_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(15),
            stable_after: Duration::from_secs(10),
            event_queue: 1024,
            event_patience: Duration::from_secs(1),
            pending_calls: 256,
            frame_bytes: 64 * 1024,
        }
    }
}

/// What a connection takes over from the one before it.
pub(crate) trait Restore: Send + Sync + 'static {
    /// The server is to hold its events until the `frames` have been read.
    fn holds(&self) -> bool {
        false
    }

    /// Frames the connection begins with, before anything else. Answers with their `requestId`, which is none or
    /// [`RESTORE_ID`], are events.
    fn frames(&self) -> Vec<String>;

    /// Puts together what comes in several frames. `None`: there is more to come.
    fn whole(&self, frame: ServerFrame) -> Option<ServerFrame> {
        Some(frame)
    }

    /// The server refused the `frames`; the connection ends.
    fn note_refusal(&self, _code: ErrorCode) {}

    /// Notes a frame that the application is given as an event. Gives the frame that it asks for, if any.
    fn note_event(&self, _frame: &ServerFrame) -> Option<String> {
        None
    }

    /// Notes the reply to a call.
    fn note_reply(&self, _frame: &ServerFrame) {}
}

/// The `requestId` of [`Restore::frames`] whose failure ends the connection; calls have numbers.
pub(crate) const RESTORE_ID: &str = "restore";

/// What callers ask of the connection.
pub(crate) enum Command {
    Call(Call),
    /// A frame without a reply.
    Tell(Utf8Bytes),
    /// The connection is to end as if it was lost.
    Cut,
    Close,
}

/// What callers and the connection's task share.
pub(crate) struct Shared {
    pub pending: Mutex<Pending>,
    pub events: EventSink,
    pub restore: Arc<dyn Restore>,
    pub options: Options,
}

/// The callers' end of a connection. When the last clone is dropped the connection is closed.
#[derive(Clone)]
pub(crate) struct Link {
    commands: mpsc::Sender<Command>,
    next_id: Arc<AtomicU64>,
    options: Options,
    identity: Arc<Identity>,
}

/// Commands on their way to the connection's task, beyond those that wait for a reply.
const COMMAND_QUEUE: usize = 64;

impl Link {
    /// Makes the first connection and starts the task that keeps it. `path` is used where the URL has none,
    /// and names the service in the registry.
    pub async fn open(
        endpoint: Endpoint,
        path: &'static str,
        tokens: Arc<dyn TokenProvider>,
        restore: Arc<dyn Restore>,
        options: Options,
    ) -> Result<(Self, Events)> {
        endpoint.check(path)?;
        let (events, receiver) = event_channel(options.event_queue);
        let pending = Mutex::new(Pending::new(options.pending_calls.max(1)));
        let shared = Arc::new(Shared { pending, events, restore, options: options.clone() });
        let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
        let keeper = keeper::Keeper::new(endpoint, path, tokens, shared, inbox);
        let identity = keeper.start().await.map_err(|reason| match reason {
            crate::Disconnect::Token(why) => Error::Token(why),
            reason => Error::Connect(reason),
        })?;
        let next_id = Arc::new(AtomicU64::new(1));
        Ok((Self { commands, next_id, options, identity: Arc::new(identity) }, receiver))
    }

    /// Who it speaks for.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Sends a command and waits for its reply. An `ERROR` reply is an [`Error::Api`].
    pub async fn call(&self, kind: &str, payload: impl Serialize, repeat: Repeat) -> Result<ServerFrame> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = self.frame(kind, payload, Some(id))?;
        let timeout = self.options.call_timeout;
        let outcome = tokio::time::timeout(timeout, async {
            let (reply, receiver) = oneshot::channel();
            let call = Command::Call(Call { id, frame, repeat, reply });
            self.commands.send(call).await.map_err(|_| gone())?;
            receiver.await.map_err(|_| gone())?
        });
        match outcome.await.map_err(|_| Error::Timeout(timeout))?? {
            ServerFrame::Error { code, message, details, retry_after_ms } => Err(Error::Api {
                code,
                status: code.http_status(),
                detail: message,
                retry_after: retry_after_ms.map(Duration::from_millis),
                details,
            }),
            frame => Ok(frame),
        }
    }

    /// Sends a command that has no reply. `Ok`: it will be written while the connection lasts, no more.
    pub async fn tell(&self, kind: &str, payload: impl Serialize) -> Result<()> {
        let frame = self.frame(kind, payload, None)?;
        self.commands.send(Command::Tell(frame)).await.map_err(|_| gone())
    }

    /// Ends TCP without a close frame; the connection comes back by itself. Nothing happens while there is none.
    pub async fn cut(&self) {
        // Refused: it is closed.
        let _ = self.commands.send(Command::Cut).await;
    }

    /// Closes the connection (1000) and waits until it is.
    pub async fn close(&self) {
        // Refused: it is closed already.
        let _ = self.commands.send(Command::Close).await;
        self.commands.closed().await;
    }

    fn frame(&self, kind: &str, payload: impl Serialize, id: Option<u64>) -> Result<Utf8Bytes> {
        let text = encode(kind, payload, id.map(|id| id.to_string()).as_deref())?;
        if text.len() > self.options.frame_bytes {
            let detail = format!("the frame has {} bytes, allowed are {}", text.len(), self.options.frame_bytes);
            let code = ErrorCode::PayloadTooLarge;
            return Err(Error::Api { code, status: 413, detail, retry_after: None, details: Vec::new() });
        }
        Ok(text.into())
    }
}

/// The text of a client's frame.
pub(crate) fn encode(kind: &str, payload: impl Serialize, request_id: Option<&str>) -> Result<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame<'a, P> {
        r#type: &'a str,
        payload: P,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    }
    let frame = Frame { r#type: kind, payload, request_id };
    serde_json::to_string(&frame).map_err(|e| Error::Unexpected(format!("{kind} cannot be encoded: {e}")))
}

fn gone() -> Error {
    Error::Closed(crate::Disconnect::Finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_spelt_as_the_protocol_says() {
        let text = encode("PING", serde_json::json!({}), Some("7")).unwrap();
        assert_eq!(text, r#"{"type":"PING","payload":{},"requestId":"7"}"#);
        assert_eq!(encode("PING", serde_json::json!({}), None).unwrap(), r#"{"type":"PING","payload":{}}"#);
    }
}
