//! What a queue's frames go out on: a socket as a rule; or somebody takes them, until a socket takes their place.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::net::tcp::OwnedWriteHalf;

use super::Outbound;

/// Takes frames where there is no socket, or none yet.
pub trait Taker {
    /// Takes frames from the front, and says how many; called each time some were queued. It cannot call back.
    fn take(&mut self, frames: &VecDeque<Bytes>) -> usize;
}

/// Where frames go.
pub(super) enum Transport {
    /// Not connected yet, or no more.
    None,
    Socket(OwnedWriteHalf),
    Taken(Box<dyn Taker>),
}

impl Outbound {
    /// From now on what is queued is taken, whole frames of it.
    pub fn hand_to(&self, taker: impl Taker + 'static) {
        *self.inner.transport.borrow_mut() = Transport::Taken(Box::new(taker));
    }

    /// From now on what is queued goes out on the other's transport, behind what waits there; the other ends.
    pub fn take_over(&self, other: &Self) {
        {
            let (mut ours, mut theirs) = (self.inner.queue.borrow_mut(), other.inner.queue.borrow_mut());
            while let Some(frame) = theirs.frames.pop_back() {
                ours.bytes += frame.len();
                ours.frames.push_front(frame);
            }
            // Whoever took frames took whole ones.
            (ours.cut, ours.blocked) = (theirs.cut, theirs.blocked);
            *self.inner.transport.borrow_mut() = other.inner.transport.replace(Transport::None);
        }
        other.disconnect();
        self.inner.wake_task();
        self.inner.flush();
    }
}
