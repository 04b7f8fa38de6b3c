//! The pings of a worker, and its stop: one wheel and one waiter for all its sockets, so that an idle socket costs no
//! timer, and a message no lock that workers share.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::outbound::{Inner, Outbound, Stage, ping_frame};

/// A slot is visited in each tick; ticks are about this long.
const TICK: Duration = Duration::from_secs(1);
/// Heartbeats without a sign of life after which a peer is dropped.
const SILENT: u8 = 2;

/// Visits every socket of this worker once in each period: pings it, or ends it when it was silent for two. When the
/// server stops, tells them all to drain. Its task ends when the last handle goes.
pub struct Pulse {
    period: Duration,
    slots: RefCell<Vec<Vec<Weak<Inner>>>>,
    current: Cell<usize>,
    shutdown: CancellationToken,
}

impl Pulse {
    /// Starts the wheel; call inside the worker's runtime (a `LocalSet`).
    pub fn start(period: Duration, shutdown: CancellationToken) -> Rc<Self> {
        let ticks = (period.as_millis() / TICK.as_millis()).clamp(1, 256);
        let slots = usize::try_from(ticks).unwrap_or(1);
        let tick = period / u32::try_from(slots).unwrap_or(1);
        let slots = RefCell::new(vec![Vec::new(); slots]);
        let pulse = Rc::new(Self { period, slots, current: Cell::new(0), shutdown: shutdown.clone() });
        let weak = Rc::downgrade(&pulse);
        tokio::task::spawn_local(async move {
            let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + tick, tick);
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                let stopping = tokio::select! {
                    () = shutdown.cancelled() => true,
                    _ = timer.tick() => false,
                };
                let Some(pulse) = weak.upgrade() else { return };
                if stopping {
                    return pulse.drain();
                }
                pulse.tick();
            }
        });
        pulse
    }

    /// How often a socket is pinged.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// From now on this socket is told when the server stops and, if `pinged`, is pinged; it leaves by being dropped.
    pub fn watch(&self, outbound: &Outbound, pinged: bool) {
        outbound.inner().pinged.set(pinged);
        // The slot visited last comes round a whole period from now.
        self.slots.borrow_mut()[self.current.get()].push(outbound.downgrade());
        if self.shutdown.is_cancelled() {
            outbound.drain();
        }
    }

    fn drain(&self) {
        let slots = self.slots.take();
        slots.iter().flatten().filter_map(Outbound::upgrade).for_each(|outbound| outbound.drain());
        self.slots.replace(vec![Vec::new(); slots.len()]);
    }

    fn tick(&self) {
        let mut slots = self.slots.borrow_mut();
        let next = (self.current.get() + 1) % slots.len();
        self.current.set(next);
        slots[next].retain(|weak| Outbound::upgrade(weak).is_some_and(|outbound| visit(&outbound)));
    }
}

/// Gives whether the socket is to be visited again.
fn visit(outbound: &Outbound) -> bool {
    if outbound.stage() != Stage::Open {
        return false;
    }
    let inner = outbound.inner();
    if !inner.pinged.get() {
        return true;
    }
    let silent = if inner.heard.take() { 0 } else { inner.silent.get() + 1 };
    inner.silent.set(silent);
    if silent >= SILENT {
        // Nobody is there to read a close frame.
        outbound.end();
        return false;
    }
    outbound.send(ping_frame(b""));
    true
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;
    use crate::QueueLimits;

    const LIMITS: QueueLimits = QueueLimits { frames: 100, bytes: 1000, time: Duration::from_secs(300) };

    #[tokio::test(start_paused = true)]
    async fn a_peer_silent_for_two_heartbeats_is_dropped_and_one_that_answers_is_not() {
        LocalSet::new()
            .run_until(async {
                let pulse = Pulse::start(Duration::from_secs(30), CancellationToken::new());
                let (silent, alive) = (Outbound::new(LIMITS), Outbound::new(LIMITS));
                pulse.watch(&silent, true);
                pulse.watch(&alive, true);
                tokio::time::sleep(Duration::from_millis(29_500)).await;
                assert_eq!(silent.waiting(), 0, "no ping before a whole period");
                for beat in 1..=3 {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    alive.heard();
                    assert_eq!(alive.waiting(), beat);
                    // Beat 1 counts the handshake as a sign of life.
                    assert_eq!(silent.stage() == Stage::Ended, beat == 3, "beat {beat}");
                }
                assert_eq!(alive.stage(), Stage::Open);
            })
            .await;
    }
}
