//! Serves one connection until it ends: reads, writes, watches for silence, side by side, so that a peer that does not
//! read delays no reading and is noticed.

mod read;
mod write;

use std::{convert::Infallible, sync::atomic::AtomicBool, time::Duration};

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite;

use super::{Command, Shared, dial::Socket};
use crate::{Disconnect, TokenProvider};

/// A `RECONNECT` frame: when to leave, and where to.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub at: Instant,
    pub url: Option<String>,
}

/// How the connection ended.
pub(crate) struct Ended {
    pub reason: Disconnect,
    /// The server had asked for it.
    pub moved: Option<Move>,
    /// The last one that was shown.
    pub token: String,
}

/// What the sides of one connection share.
struct Line<'a> {
    shared: &'a Shared,
    heartbeat: Duration,
    heard: Mutex<Instant>,
    moved: Mutex<Option<Move>>,
    asked_to_move: Notify,
    /// The application has not been given an event; from then on it is given none.
    behind: AtomicBool,
    fell_behind: Notify,
    /// A reply has come: there may be room for another call.
    answered: Notify,
    /// A frame that an event asked for, on its way to the writer; one at a time.
    asked: mpsc::Sender<String>,
    /// The server is about to end the connection with its token.
    expiring: Notify,
    token: Mutex<String>,
    /// `AUTHENTICATE` by the next one, on its way to the writer.
    renewal: Mutex<Option<String>>,
    renewed: Notify,
}

/// Longest wait for the close handshake.
const CLOSING: Duration = Duration::from_millis(500);

/// The `requestId` of an `AUTHENTICATE` on a connection that stands: nobody waits for its reply.
const RENEWAL_ID: &str = "renewal";

/// Runs the connection, which `token` opened: first writes what restores it, then what is pending, then what `commands` brings.
pub(crate) async fn drive(
    socket: Socket,
    heartbeat: Duration,
    shared: &Shared,
    (tokens, token): (&dyn TokenProvider, String),
    commands: &mut mpsc::Receiver<Command>,
) -> Ended {
    let (mut sink, mut stream) = socket.split();
    let (asked, asked_for) = mpsc::channel(1);
    let line = Line {
        shared,
        heartbeat,
        heard: Mutex::new(Instant::now()),
        moved: Mutex::default(),
        asked_to_move: Notify::new(),
        behind: AtomicBool::new(false),
        fell_behind: Notify::new(),
        answered: Notify::new(),
        asked,
        expiring: Notify::new(),
        token: Mutex::new(token),
        renewal: Mutex::default(),
        renewed: Notify::new(),
    };
    let reason = tokio::select! {
        reason = line.read(&mut stream) => reason,
        reason = line.write(&mut sink, asked_for, commands) => reason,
        reason = line.silence() => reason,
        reason = line.moving() => reason,
        reason = line.behind() => reason,
        never = line.renewing(tokens) => match never {},
        never = shared.events.catch_up() => match never {},
    };
    if matches!(reason, Disconnect::Finished | Disconnect::Moved | Disconnect::Behind) {
        // A courtesy: the server need not answer.
        let _ = tokio::time::timeout(CLOSING, async {
            sink.close().await?;
            while stream.next().await.transpose()?.is_some() {}
            Ok::<_, tungstenite::Error>(())
        })
        .await;
    }
    Ended { reason, moved: line.moved.into_inner(), token: line.token.into_inner() }
}

impl Line<'_> {
    /// Ends when nothing came for two heartbeats.
    async fn silence(&self) -> Disconnect {
        loop {
            let limit = *self.heard.lock() + 2 * self.heartbeat;
            if limit <= Instant::now() {
                return Disconnect::Silent;
            }
            sleep_until(limit).await;
        }
    }

    /// Ends when a `RECONNECT` frame is due; until then the connection goes on.
    async fn moving(&self) -> Disconnect {
        loop {
            let due = self.moved.lock().as_ref().map(|plan| plan.at);
            match due {
                Some(at) if at <= Instant::now() => return Disconnect::Moved,
                Some(at) => sleep_until(at).await,
                None => self.asked_to_move.notified().await,
            }
        }
    }

    /// Shows the server the next token when it says that the one it has is about to end. Where there is none the
    /// connection ends with it, and comes back as after any token that is refused.
    async fn renewing(&self, tokens: &dyn TokenProvider) -> Infallible {
        loop {
            self.expiring.notified().await;
            let old = self.token.lock().clone();
            let next = match tokens.token().await {
                Ok(same) if same == old => tokens.refresh(&old).await,
                next => next,
            };
            match next {
                Ok(token) => {
                    let frame =
                        json!({ "type": "AUTHENTICATE", "payload": { "token": token }, "requestId": RENEWAL_ID });
                    *self.renewal.lock() = Some(frame.to_string());
                    *self.token.lock() = token;
                    self.renewed.notify_one();
                }
                Err(error) => tracing::debug!(%error, "there is no next token"),
            }
        }
    }

    /// Ends when an application that fell behind has taken all it was given; the next connection resumes.
    async fn behind(&self) -> Disconnect {
        self.fell_behind.notified().await;
        self.shared.events.drained().await;
        Disconnect::Behind
    }
}
