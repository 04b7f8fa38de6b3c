//! Messages on their way to the store: a connection may have several under way, which share the store's round trips. They
//! are checked one after another, stored in their order, and answered in their order.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
};

use domain::{
    Result,
    messages::{Prepared, Sent},
};
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesOrdered};
use shared::{
    RoomId,
    protocol::{ServerFrame, command::SendMessage},
};
use tokio::task::unconstrained;
use web::sockets::error_frame;

use super::Session;

/// Sends of one connection under way; with more nothing is read from it.
const MOST: usize = 32;

/// What a connection has under way. Nothing is kept where nothing is.
#[derive(Default)]
pub struct Sends(Option<Box<FuturesOrdered<LocalBoxFuture<'static, Answer>>>>);

struct Answer {
    request_id: Option<String>,
    sent: Result<Sent>,
}

impl Sends {
    pub fn is_full(&self) -> bool {
        self.0.as_ref().is_some_and(|sends| sends.len() >= MOST)
    }

    /// The next answer, when it is there; never, where none is to come.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        match self.0.as_mut().map(|sends| sends.poll_next_unpin(cx)) {
            Some(Poll::Ready(Some(answer))) => Poll::Ready(answer),
            Some(Poll::Pending | Poll::Ready(None)) | None => Poll::Pending,
        }
    }
}

impl Session {
    /// Checks a message and hands it to the store.
    pub(super) async fn begin_send(&mut self, input: SendMessage, request_id: Option<&str>) {
        let request_id = request_id.map(str::to_owned);
        let (peer, messages) = (self.peer.clone(), self.hub.domain.messages.clone());
        let prepared = {
            let mut prepared = pin!(messages.prepare(&peer.viewer, input));
            poll_fn(|cx| {
                if let Poll::Ready(prepared) = prepared.as_mut().poll(cx) {
                    return Poll::Ready(prepared);
                }
                // Those before it do not wait for it.
                if self.take_answers(cx) {
                    peer.outbound.flush();
                }
                Poll::Pending
            })
            .await
        };
        if prepared.as_ref().is_ok_and(Prepared::is_refused) {
            // What it repeats may be under way.
            self.finish_sends().await;
        }
        // The author is told the message itself too, a moment before the reply.
        let cork = peer.outbound.cork();
        let share = messages.keep_order();
        let send = async move {
            let sent = match prepared {
                Ok(prepared) => messages.commit(prepared).await,
                Err(refusal) => Err(refusal),
            };
            drop(cork);
            Answer { request_id, sent }
        };
        // Where the task's budget is spent, tokio would have several wait, and let them go on in any order.
        let send = unconstrained(send).boxed_local();
        self.sends.0.get_or_insert_default().push_back(send);
        if share {
            // Its place in the order of the store is where it is polled first.
            self.take_answers(&mut Context::from_waker(Waker::noop()));
        } else {
            self.finish_sends().await;
        }
    }

    /// Takes the answers that are there; waits for one.
    pub(super) fn poll_sends(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.take_answers(cx) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Until nothing is under way. The answers do not wait for whatever comes after them.
    pub(super) async fn finish_sends(&mut self) {
        while self.sends.0.is_some() {
            poll_fn(|cx| self.poll_sends(cx)).await;
            self.peer.outbound.flush();
        }
    }

    /// `false`: there was none.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(answer) = self.sends.poll_next(cx) {
            self.answer(answer);
            any = true;
        }
        if self.sends.0.as_ref().is_some_and(|sends| sends.is_empty()) {
            self.sends.0 = None;
        }
        any
    }

    fn answer(&self, answer: Answer) {
        let frame = match answer.sent {
            Ok(sent) => {
                self.forget_typing(sent.id.room);
                acknowledged(sent)
            }
            Err(e) => error_frame(&e),
        };
        self.push(&frame, answer.request_id.as_deref());
    }

    /// What is said ends the typing of it.
    fn forget_typing(&self, room: RoomId) {
        self.typing.borrow_mut().forget(room);
    }
}

fn acknowledged(sent: Sent) -> ServerFrame {
    ServerFrame::MessageAck {
        id: sent.id,
        room_id: sent.id.room,
        seq: sent.id.seq,
        rev: sent.rev,
        timestamp: sent.timestamp,
        client_message_id: sent.client_message_id,
        duplicate: sent.duplicate,
    }
}
