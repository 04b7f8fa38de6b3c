//! Serves one connection until it ends: reads, writes, watches for silence, side by side, so that a peer that does not
//! read delays no reading and is noticed.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

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
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use super::{
    Command, RESTORE_ID, Shared,
    dial::{Socket, closed},
};
use crate::{Disconnect, Error};

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
    /// The application has not been given an event; from then on it is given none.
    behind: AtomicBool,
    fell_behind: Notify,
    /// A reply has come: there may be room for another call.
    answered: Notify,
    /// A frame that an event asked for, on its way to the writer; one at a time.
    asked: mpsc::Sender<String>,
}

/// Longest wait for the close handshake.
const CLOSING: Duration = Duration::from_millis(500);

/// Runs the connection: first writes what restores it, then what is pending, then what `commands` brings.
pub(crate) async fn drive(
    socket: Socket,
    heartbeat: Duration,
    shared: &Shared,
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
    };
    let reason = tokio::select! {
        reason = line.read(&mut stream) => reason,
        reason = line.write(&mut sink, asked_for, commands) => reason,
        reason = line.silence() => reason,
        reason = line.moving() => reason,
        reason = line.behind() => reason,
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
    Ended { reason, moved: line.moved.into_inner() }
}

impl Line<'_> {
    async fn read(&self, stream: &mut SplitStream<Socket>) -> Disconnect {
        loop {
            let message = stream.next().await;
            self.hear();
            match message {
                Some(Ok(Message::Text(text))) => {
                    if let Err(reason) = self.take(&text).await {
                        return reason;
                    }
                }
                Some(Ok(Message::Close(frame))) => return closed(frame),
                // Pings are answered by the WebSocket layer; pongs have done their work above.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Disconnect::Lost(error.to_string()),
                None => return Disconnect::Lost("the connection ended".into()),
            }
        }
    }

    fn hear(&self) {
        *self.heard.lock() = Instant::now();
    }

    /// A frame: a reply goes to its caller, the rest to the application. An error: the connection is of no use.
    async fn take(&self, text: &str) -> Result<(), Disconnect> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head<'a> {
            #[serde(borrow)]
            request_id: Option<Cow<'a, str>>,
        }
        let frame = serde_json::from_str::<ServerFrame>(text);
        let request = serde_json::from_str::<Head>(text).ok().and_then(|head| head.request_id);
        match (request, frame) {
            (Some(request), Ok(ServerFrame::Error { code, message, .. })) if request == RESTORE_ID => {
                return Err(Disconnect::Lost(format!("not resumed: {code}: {message}")));
            }
            (Some(request), frame) if request != RESTORE_ID => self.reply(&request, frame),
            (_, Ok(ServerFrame::Reconnect { after_ms, url })) => {
                let at = Instant::now() + Duration::from_millis(after_ms);
                *self.moved.lock() = Some(Move { at, url });
                self.asked_to_move.notify_one();
            }
            (_, Ok(frame)) => self.tell(frame).await,
            // A newer server may say more than this client knows.
            (_, Err(error)) => tracing::debug!(%error, "a frame this client does not know"),
        }
        Ok(())
    }

    fn reply(&self, request: &str, frame: serde_json::Result<ServerFrame>) {
        if let Ok(frame) = &frame {
            self.shared.restore.note_reply(frame);
        }
        let reply = frame.map_err(|e| Error::Unexpected(e.to_string()));
        let known = request.parse().is_ok_and(|id| self.shared.pending.lock().resolve(id, reply));
        self.answered.notify_one();
        if !known {
            tracing::debug!(%request, "a reply nobody waits for");
        }
    }

    /// Gives an event to the application. If it takes none for too long it is behind, and is given nothing more on this
    /// connection: what it has is without a hole, and replies come all the same.
    async fn tell(&self, frame: ServerFrame) {
        if self.behind.load(Ordering::Relaxed) {
            return;
        }
        let slot = tokio::time::timeout(self.shared.options.event_patience, self.shared.events.slot()).await;
        // While it waited it could not hear.
        self.hear();
        let Ok(slot) = slot else {
            self.behind.store(true, Ordering::Relaxed);
            self.fell_behind.notify_one();
            return;
        };
        // Noted if and only if it is given: nothing is awaited in between.
        if let Some(frame) = self.shared.restore.note_event(&frame) {
            // There is room: the next is asked for when the answer to this one has come.
            let _ = self.asked.try_send(frame);
        }
        slot.put(frame.into());
    }

    async fn write(
        &self,
        sink: &mut SplitSink<Socket, Message>,
        asked_for: mpsc::Receiver<String>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Disconnect {
        match self.try_write(sink, asked_for, commands).await {
            Ok(reason) => reason,
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
        mut asked_for: mpsc::Receiver<String>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<Disconnect, tungstenite::Error> {
        for frame in self.shared.restore.frames() {
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
                        Some(Command::Cut) => return Ok(Disconnect::Lost("cut by the application".into())),
                        Some(Command::Close) | None => return Ok(Disconnect::Finished),
                    }
                    self.write_pending(sink).await?;
                }
                () = self.answered.notified(), if !room => {}
                Some(frame) = asked_for.recv() => sink.send(Message::text(frame)).await?,
                _ = tick.tick() => {
                    if self.heard.lock().elapsed() >= self.heartbeat {
                        sink.send(Message::Ping(Bytes::new())).await?;
                    }
                }
            }
        }
    }

    async fn write_pending(&self, sink: &mut SplitSink<Socket, Message>) -> Result<(), tungstenite::Error> {
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

    /// Ends when an application that fell behind has taken all it was given; the next connection resumes.
    async fn behind(&self) -> Disconnect {
        self.fell_behind.notified().await;
        self.shared.events.drained().await;
        Disconnect::Behind
    }
}
