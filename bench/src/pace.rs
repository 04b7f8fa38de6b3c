//! When messages are due: fixed beforehand, whatever the server does (open loop), and kept to the microsecond by a
//! timer of the kernel; the runtime's own has milliseconds only.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;

/// An even beat that ends after a time or a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// A second.
    pub rate: f64,
    /// Beats before it are not measured.
    pub warmup: Duration,
    pub until: Until,
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// So long after the warm-up.
    Time(Duration),
    /// So many measured messages.
    Messages(u64),
}

/// One message's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// After the beginning.
    pub due: Duration,
    /// Not in the warm-up.
    pub measured: bool,
}

impl Schedule {
    /// Beat number `n`, from 0; `None`: it is over.
    pub fn beat(&self, n: u64) -> Option<Beat> {
        let due = self.due(n);
        let measured = due >= self.warmup;
        let over = match self.until {
            Until::Time(time) => due >= self.warmup + time,
            Until::Messages(messages) => measured && n >= self.first_measured() + messages,
        };
        (!over).then_some(Beat { due, measured })
    }

    /// Closed loop: a message is due `now`, after so many measured ones. `None`: it is over.
    pub fn closed(&self, now: Duration, measured: u64) -> Option<Beat> {
        let over = match self.until {
            Until::Time(time) => now >= self.warmup + time,
            Until::Messages(messages) => measured >= messages,
        };
        (!over).then_some(Beat { due: now, measured: now >= self.warmup })
    }

    /// How long it will take.
    pub fn length(&self) -> Duration {
        match self.until {
            Until::Time(time) => self.warmup + time,
            Until::Messages(messages) => self.due(self.first_measured() + messages),
        }
    }

    fn due(&self, n: u64) -> Duration {
        Duration::from_secs_f64(n as f64 / self.rate)
    }

    fn first_measured(&self) -> u64 {
        let near = (self.warmup.as_secs_f64() * self.rate) as u64;
        (near.saturating_sub(1)..=near + 1).find(|n| self.due(*n) >= self.warmup).unwrap_or(near + 1)
    }
}

/// Waits until a moment.
pub struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// Within a runtime. Errors: no file is to be had.
    #[expect(deprecated, reason = "sound for a descriptor that is owned here; its successor is unsafe to call")]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(AsyncFd::new(rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
    }

    /// Returns at `due`; if that has passed, once the others have had their turn.
    pub async fn until(&self, due: Instant) -> io::Result<()> {
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: timespec(wait) };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
            if let Ok(outcome) = read {
                return outcome.map(drop);
            }
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(time.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: f64, until: Until) -> Schedule {
        Schedule { rate, warmup: Duration::from_secs(1), until }
    }

    fn beats(schedule: Schedule) -> Vec<Beat> {
        (0..).map_while(|n| schedule.beat(n)).collect()
    }

    #[test]
    fn beats_are_even_and_those_of_the_warm_up_are_not_measured() {
        let beats = beats(schedule(10.0, Until::Time(Duration::from_secs(2))));
        assert_eq!(beats.len(), 30);
        assert_eq!(beats.iter().filter(|beat| beat.measured).count(), 20);
        assert_eq!((beats[10].due, beats[10].measured), (Duration::from_secs(1), true));
        assert_eq!(beats[3].due, Duration::from_millis(300));
    }

    #[test]
    fn a_number_of_messages_is_measured_exactly() {
        for rate in [0.3, 3.0, 7.0, 1000.0 / 3.0] {
            for messages in [1, 2, 100] {
                let schedule = schedule(rate, Until::Messages(messages));
                let beats = beats(schedule);
                assert_eq!(beats.iter().filter(|beat| beat.measured).count() as u64, messages, "at {rate}");
                assert!(beats[beats.len() - 1].due < schedule.length());
            }
        }
    }

    #[tokio::test]
    async fn the_timer_is_never_early() {
        let timer = Timer::new().unwrap();
        for micros in [0, 300, 1700] {
            let due = Instant::now() + Duration::from_micros(micros);
            timer.until(due).await.unwrap();
            assert!(Instant::now() >= due);
        }
    }
}
