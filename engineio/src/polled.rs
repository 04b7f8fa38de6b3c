//! How a session speaks that has no socket: a request that waits is answered with what is queued.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use bytes::Bytes;
use socket::Taker;
use tokio::sync::oneshot;

use crate::{Fault, packet};

/// Answers a poll.
pub type Answer = oneshot::Sender<Result<Vec<u8>, Fault>>;

/// The poll that waits; shared by who takes them in and the queue that answers it.
#[derive(Clone)]
pub struct Polled {
    waiting: Rc<RefCell<Option<Answer>>>,
    /// Bytes of an answer, unless one packet has more.
    most: usize,
}

impl Polled {
    pub fn new(most: usize) -> Self {
        Self { waiting: Rc::default(), most }
    }

    /// Waits for what comes. `Err`: there is one that waits already.
    pub fn wait(&self, answer: Answer) -> Result<(), Answer> {
        let mut waiting = self.waiting.borrow_mut();
        // One whose client has gone waits no more.
        if waiting.as_ref().is_some_and(|other| !other.is_closed()) {
            return Err(answer);
        }
        *waiting = Some(answer);
        Ok(())
    }

    /// Answers the one that waits with this packet alone.
    pub fn end(&self, packet: &str) {
        if let Some(answer) = self.waiting.take() {
            // A client that has gone needs none.
            let _ = answer.send(Ok(packet.into()));
        }
    }
}

impl Taker for Polled {
    fn take(&mut self, frames: &VecDeque<Bytes>) -> usize {
        let mut waiting = self.waiting.borrow_mut();
        if frames.is_empty() || waiting.as_ref().is_none_or(Answer::is_closed) {
            return 0;
        }
        let (body, taken) = packet::body(frames, self.most);
        if body.is_empty() {
            return taken;
        }
        // Whoever did not wait any longer has got nothing: it goes out with the next.
        let answered = waiting.take().is_some_and(|answer| answer.send(Ok(body)).is_ok());
        if answered { taken } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_poll_that_waits_is_answered_and_what_does_not_fit_waits_for_the_next() {
        let mut polled = Polled::new(8);
        let mut frames = VecDeque::from([packet::text("one"), packet::text("two")]);
        assert_eq!(polled.take(&frames), 0, "nobody waits");
        let (answer, mut answered) = oneshot::channel();
        assert!(polled.wait(answer).is_ok());
        assert_eq!(polled.take(&VecDeque::new()), 0);
        assert!(answered.try_recv().is_err(), "there was nothing to tell");
        let (second, _) = oneshot::channel();
        assert!(polled.wait(second).is_err(), "one waits already");
        assert_eq!(polled.take(&frames), 1);
        assert_eq!(answered.try_recv().unwrap(), Ok(b"4one".to_vec()));
        frames.pop_front();
        assert_eq!(polled.take(&frames), 0);
    }

    #[test]
    fn who_stopped_waiting_takes_nothing_away_from_the_next() {
        let mut polled = Polled::new(100);
        let frames = VecDeque::from([packet::text("hello")]);
        let (gone, given_up) = oneshot::channel();
        polled.wait(gone).unwrap();
        drop(given_up);
        assert_eq!(polled.take(&frames), 0);
        let (answer, mut answered) = oneshot::channel();
        assert!(polled.wait(answer).is_ok(), "it is no second one");
        assert_eq!(polled.take(&frames), 1);
        assert_eq!(answered.try_recv().unwrap(), Ok(b"4hello".to_vec()));
    }

    #[test]
    fn pings_of_sockets_are_for_nobody_here() {
        let mut polled = Polled::new(100);
        let (answer, mut answered) = oneshot::channel();
        polled.wait(answer).unwrap();
        assert_eq!(polled.take(&VecDeque::from([socket::outbound::ping_frame(b"")])), 1);
        assert!(answered.try_recv().is_err(), "it waits on");
    }
}
