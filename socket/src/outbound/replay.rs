//! Sending more than the queue holds, at the pace of the peer.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{Outbound, Pushed, Stage};

/// While it lives, what goes out is pulled by the peer: a frame is pushed when half the queue is free, so that together
/// they may be more than the queue holds; the limit of time counts from the last progress, and progress is a sign of
/// life. Nothing is read from the peer meanwhile, since it is the connection's task that waits here.
pub struct Replay {
    outbound: Outbound,
}

impl Replay {
    pub(super) fn begin(outbound: Outbound) -> Self {
        outbound.inner.replaying.set(true);
        Self { outbound }
    }

    /// Pushes a frame of at most half the queue's bytes as soon as there is room. `false`: the connection is about to
    /// end, or the peer took nothing for the limit of time and is closed as a slow consumer. Cancel-safe.
    pub async fn push(&self, frame: Bytes) -> bool {
        self.room().await && !matches!(self.outbound.push(frame), Pushed::Overflowed | Pushed::Closed)
    }

    /// Lets the socket send what has been pushed.
    pub fn flush(&self) {
        self.outbound.wake();
    }

    async fn room(&self) -> bool {
        let inner = &self.outbound.inner;
        loop {
            let stuck_at = {
                let mut queue = inner.queue.borrow_mut();
                if queue.stage != Stage::Open || inner.draining.get() {
                    return false;
                }
                if inner.is_roomy(&queue) {
                    return true;
                }
                queue.wants_room = true;
                queue.since.unwrap_or_else(Instant::now) + inner.limits.time
            };
            if stuck_at <= Instant::now() {
                inner.overflow(&mut inner.queue.borrow_mut());
                self.flush();
                return false;
            }
            self.flush();
            let woken = poll_fn(|_| {
                let queue = inner.queue.borrow();
                let go_on = !queue.wants_room || queue.stage != Stage::Open || inner.draining.get();
                if go_on { Poll::Ready(()) } else { Poll::Pending }
            });
            // Out of time: the peer may have taken something meanwhile, which the next round sees.
            let _ = timeout_at(stuck_at, woken).await;
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.outbound.inner.replaying.set(false);
        self.flush();
    }
}
