//! Serves one connection until it ends: reads, writes, watches for silence, side by side, so that a peer that does not
//! read delays no reading and is noticed.

use std::{borrow::Cow, time::Duration};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use parking_lot::Mutex;
use serde::Deserialize;
use shared::protocol::ServerFrame;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::{
    Command, Shared,
    dial::{Socket, closed},
};
use crate::{Disconnect, Error, Event};

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
}

/// What the sides of one connection share.
struct Line<'a> {
    shared: &'a Shared,
    heartbeat: Duration,
    heard: Mutex<Instant>,
    moved: Mutex<Option<Move>>,
    asked_to_move: Notify,
}

/// Longest wait for the close handshake.
const CLOSING: Duration = Duration::from_millis(500);

/// Runs the connection: first writes `first`, then what is pending, then what `commands` brings.
pub(crate) async fn drive(
    socket: Socket,
    heartbeat: Duration,
    first: Vec<String>,
    shared: &Shared,
    commands: &mut mpsc::Receiver<Command>,
) -> Ended {
    let (mut sink, mut stream) = socket.split();
    let line = Line {
        shared,
        heartbeat,
        heard: Mutex::new(Instant::now()),
        moved: Mutex::default(),
        asked_to_move: Notify::new(),
    };
    let reason = tokio::select! {
        reason = line.read(&mut stream) => reason,
        reason = line.write(&mut sink, first, commands) => reason,
        reason = line.silence() => reason,
        reason = line.moving() => reason,
        never = shared.events.catch_up() => match never {},
    };
    if matches!(reason, Disconnect::Finished | Disconnect::Moved) {
        // A courtesy: the server need not answer.
        let _ = tokio::time::timeout(CLOSING, async {
            sink.close().await?;
            while stream.next().await.transpose()?.is_some() {}
            Ok::<_, tokio_tungstenite::tungstenite::Error>(())
        })
        .await;
    }
    Ended { reason, moved: line.moved.into_inner() }
}

impl Line<'_> {
    async fn read(&self, stream: &mut SplitStream<Socket>) -> Disconnect {
        loop {
            let message = stream.next().await;
            *self.heard.lock() = Instant::now();
            match message {
                Some(Ok(Message::Text(text))) => self.take(&text),
                Some(Ok(Message::Close(frame))) => return closed(frame),
                // Pings are answered by the WebSocket layer; pongs have done their work above.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Disconnect::Lost(error.to_string()),
                None => return Disconnect::Lost("the connection ended".into()),
            }
        }
    }

    /// A frame: a reply goes to its caller, the rest to the application.
    fn take(&self, text: &str) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head<'a> {
            #[serde(borrow)]
            request_id: Option<Cow<'a, str>>,
        }
        let frame = serde_json::from_str::<ServerFrame>(text);
        let request = serde_json::from_str::<Head>(text).ok().and_then(|head| head.request_id);
        if let Some(request) = request {
            let reply = frame.map_err(|e| Error::Unexpected(e.to_string()));
            let known = request.parse().is_ok_and(|id| self.shared.pending.lock().resolve(id, reply));
            if !known {
                tracing::debug!(%request, "a reply nobody waits for");
            }
            return;
        }
        match frame {
            Ok(ServerFrame::Reconnect { after_ms, url }) => {
                let at = Instant::now() + Duration::from_millis(after_ms);
                *self.moved.lock() = Some(Move { at, url });
                self.asked_to_move.notify_one();
            }
            Ok(frame) => self.shared.events.emit(Event::Frame(frame)),
            // A newer server may say more than this client knows.
            Err(error) => tracing::debug!(%error, "a frame this client does not know"),
        }
    }

    async fn write(
        &self,
        sink: &mut SplitSink<Socket, Message>,
        first: Vec<String>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Disconnect {
        match self.try_write(sink, first, commands).await {
            Ok(()) => Disconnect::Finished,
            // The reader knows better why, and is about to say so; this is for a socket that ends one way only.
            Err(error) => {
                tokio::time::sleep(CLOSING).await;
                Disconnect::Lost(error.to_string())
            }
        }
    }

    async fn try_write(
        &self,
        sink: &mut SplitSink<Socket, Message>,
        first: Vec<String>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        for frame in first {
            sink.feed(Message::text(frame)).await?;
        }
        self.write_pending(sink).await?;
        let mut tick = tokio::time::interval(self.heartbeat / 2);
        loop {
            // Asked anew at every turn, so that callers who gave up make room within half a heartbeat.
            let room = self.shared.pending.lock().has_room();
            tokio::select! {
                command = commands.recv(), if room => {
                    match command {
                        Some(Command::Call(call)) => self.shared.pending.lock().insert(call),
                        Some(Command::Tell(frame)) => sink.feed(Message::Text(frame)).await?,
                        Some(Command::Close) | None => return Ok(()),
                    }
                    self.write_pending(sink).await?;
                }
                _ = tick.tick() => {
                    if self.heard.lock().elapsed() >= self.heartbeat {
                        sink.send(Message::Ping(Bytes::new())).await?;
                    }
                }
            }
        }
    }

    async fn write_pending(
        &self,
        sink: &mut SplitSink<Socket, Message>,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let frames = self.shared.pending.lock().take_unwritten();
        for frame in frames {
            sink.feed(Message::Text(frame)).await?;
        }
        sink.flush().await
    }

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
}
