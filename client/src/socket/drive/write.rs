//! What goes: first what restores the connection, then calls and what callers tell; a ping where nothing comes.

use futures_util::{SinkExt, stream::SplitSink};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};

use super::{CLOSING, Line};
use crate::{
    Disconnect,
    socket::{Command, dial::Socket},
};

impl Line<'_> {
    /// Writes until the application ends the connection, or it cannot be written to.
    pub(super) async fn write(
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
                () = self.renewed.notified() => {
                    let frame = self.renewal.lock().take();
                    if let Some(frame) = frame {
                        sink.send(Message::text(frame)).await?;
                    }
                }
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
}
