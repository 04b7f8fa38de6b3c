//! What comes: replies go to their callers, events to the application, as long as it takes them.

use std::{borrow::Cow, sync::atomic::Ordering, time::Duration};

use futures_util::{StreamExt, stream::SplitStream};
use serde::Deserialize;
use shared::protocol::ServerFrame;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{Line, Move};
use crate::{
    Disconnect, Error,
    socket::{
        RESTORE_ID,
        dial::{Socket, closed},
    },
};

impl Line<'_> {
    /// Reads until the connection ends, or is of no use.
    pub(super) async fn read(&self, stream: &mut SplitStream<Socket>) -> Disconnect {
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
                self.shared.restore.note_refusal(code);
                return Err(Disconnect::Lost(format!("not resumed: {code}: {message}")));
            }
            (Some(request), Err(error)) if request == RESTORE_ID => {
                return Err(Disconnect::Lost(format!("not resumed: {error}")));
            }
            (Some(request), frame) if request != RESTORE_ID => self.reply(&request, frame),
            (_, Ok(ServerFrame::Reconnect { after_ms, url })) => {
                let at = Instant::now() + Duration::from_millis(after_ms);
                *self.moved.lock() = Some(Move { at, url });
                self.asked_to_move.notify_one();
            }
            (_, Ok(ServerFrame::TokenExpiring { .. })) => self.expiring.notify_one(),
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
        let Some(frame) = self.shared.restore.whole(frame) else { return };
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
}
