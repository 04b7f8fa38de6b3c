//! The one timer of a worker's rooms: typing that is over, and receipts that are due. Sleeps while there is neither.

use std::rc::Rc;

use tokio::time::{Instant, sleep_until};

use super::{Hub, State};

/// Rooms told of receipts before the sockets get a turn.
const ROOMS_A_ROUND: usize = 100;

impl State {
    /// When something is to be done next.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.typing.next_end().into_iter().chain(self.receipts.next_due()).min()
    }

    /// Does what is to be done by now, or a part of it.
    fn tick(&mut self, now: Instant) {
        self.end_typing_over(now);
        for _ in 0..ROOMS_A_ROUND {
            let Some((room, moved)) = self.receipts.take_due(now) else { return };
            self.tell_receipts(room, &moved);
        }
    }
}

/// Ends with the worker.
pub(super) async fn run(hub: Rc<Hub>) {
    loop {
        let next = hub.state.borrow().next_tick();
        hub.armed.set(next);
        match next {
            None => hub.sooner.notified().await,
            Some(at) => tokio::select! {
                () = sleep_until(at) => {
                    hub.update(|state| state.tick(Instant::now()));
                    tokio::task::yield_now().await;
                }
                () = hub.sooner.notified() => {}
            },
        }
    }
}
