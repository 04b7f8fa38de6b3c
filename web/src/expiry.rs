//! A socket by another product's token ends with it, unless its client shows the next one meanwhile. It is told a minute
//! ahead. Sockets by sessions of ours have no such end: their sessions have.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use domain::Login;
use shared::{Timestamp, protocol::ServerFrame};
use socket::{CloseCode, Outbound};
use tokio::time::{Instant, Sleep};

/// How long before the end it is told.
const AHEAD: Duration = Duration::from_secs(60);
/// The clock is looked at so often at least: it may be set, and a machine may sleep.
const LONGEST: Duration = Duration::from_secs(3600);

/// One for each socket; most have none to wait for.
pub struct Expiry(Option<Box<Timer>>);

struct Timer {
    until: Timestamp,
    told: bool,
    sleep: Pin<Box<Sleep>>,
}

/// What is to be done now.
#[derive(Debug, PartialEq)]
enum Due {
    /// The client is to be told that there is so much time left.
    Tell { in_ms: u64 },
    /// The socket is to be closed.
    Close,
}

impl Expiry {
    pub fn of(login: Login) -> Self {
        match login {
            Login::Session(_) => Self(None),
            Login::Host { until } => {
                Self(Some(Box::new(Timer { until, told: false, sleep: Box::pin(tokio::time::sleep(Duration::ZERO)) })))
            }
        }
    }

    /// Each of the two comes once. Never ready where there is nothing to wait for.
    fn poll_due(&mut self, cx: &mut Context) -> Poll<Due> {
        let Some(timer) = &mut self.0 else { return Poll::Pending };
        loop {
            let left = timer.until.since(Timestamp::now());
            if left.is_zero() {
                self.0 = None;
                return Poll::Ready(Due::Close);
            }
            if !timer.told && left <= AHEAD {
                timer.told = true;
                let in_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                return Poll::Ready(Due::Tell { in_ms });
            }
            let wait = if timer.told { left } else { left - AHEAD };
            timer.sleep.as_mut().reset(Instant::now() + wait.min(LONGEST));
            if timer.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Does what is due: `push` for the client, or closes the socket (4401). Ready when something was done.
    pub fn poll(&mut self, cx: &mut Context, outbound: &Outbound, push: impl FnOnce(&ServerFrame)) -> Poll<()> {
        self.poll_due(cx).map(|due| match due {
            Due::Tell { in_ms } => push(&ServerFrame::TokenExpiring { in_ms }),
            Due::Close => outbound.close(CloseCode::Unauthorized),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;
    use shared::SessionId;

    use super::*;

    fn ending(seconds: u64) -> Expiry {
        Expiry::of(Login::Host { until: Timestamp::now().after(Duration::from_secs(seconds)) })
    }

    async fn due(expiry: &mut Expiry) -> Due {
        poll_fn(|cx| expiry.poll_due(cx)).await
    }

    #[tokio::test]
    async fn what_ends_within_a_minute_is_told_at_once_and_once() {
        for (seconds, told) in [(59, true), (61, false), (3600, false), (u64::MAX / 2000, false)] {
            let mut expiry = ending(seconds);
            let first = due(&mut expiry).now_or_never();
            assert_eq!(matches!(first, Some(Due::Tell { in_ms: 58_000..=59_000 })), told);
            assert_eq!(due(&mut expiry).now_or_never(), None, "{seconds}");
        }
        assert_eq!(due(&mut Expiry::of(Login::Session(SessionId::new()))).now_or_never(), None);
    }

    #[tokio::test]
    async fn it_is_told_before_the_end_and_the_end_comes_once() {
        let mut expiry = ending(1);
        assert!(matches!(due(&mut expiry).await, Due::Tell { .. }));
        assert_eq!(due(&mut expiry).await, Due::Close);
        assert_eq!(due(&mut expiry).now_or_never(), None);
        let past = Login::Host { until: Timestamp::from_millis(0) };
        assert_eq!(due(&mut Expiry::of(past)).now_or_never(), Some(Due::Close));
    }
}
