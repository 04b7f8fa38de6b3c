//! Spares an instance that does not answer: after [`FAILURES`] in a row it is asked nothing for [`OPEN`], then one
//! request tries. Pure: time is given.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
pub(crate) const FAILURES: u32 = 5;
/// How long it stays open, and how long the one that tries may take before another does.
pub(crate) const OPEN: Duration = Duration::from_secs(5);

/// One for each instance.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// May a request go there now?
    pub fn admit(&mut self, now: Instant) -> bool {
        match self.open_until {
            None => true,
            Some(until) if now < until => false,
            // This one tries; the next may if nothing comes of it.
            Some(_) => {
                self.open_until = Some(now + OPEN);
                true
            }
        }
    }

    /// It answered.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It did not answer. `true`: that opened it.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return false;
        }
        self.open_until.replace(now + OPEN).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done, in order, with its time in seconds.
    #[derive(Clone)]
    enum Step {
        /// Asked for admission: granted or not.
        Ask(u64, bool),
        Answered,
        /// Failed; it opened or not.
        Failed(u64, bool),
    }
    use Step::{Answered, Ask, Failed};

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_with_an_answer() {
        let failures = |at: u64, opens: bool| {
            let last = [Failed(at, opens)];
            (1..FAILURES).map(|_| Failed(at, false)).chain(last).collect::<Vec<_>>()
        };
        let table: Vec<(&str, Vec<Step>)> = vec![
            ("nothing is known", vec![Ask(0, true), Ask(0, true)]),
            ("one failure is none", vec![Failed(0, false), Ask(0, true)]),
            ("it opens", [failures(0, true), vec![Ask(0, false), Ask(4, false)]].concat()),
            ("one tries", [failures(0, true), vec![Ask(5, true), Ask(5, false), Ask(9, false)]].concat()),
            (
                "the one that tries fails",
                [failures(0, true), vec![Ask(5, true), Failed(6, false), Ask(10, false), Ask(11, true)]].concat(),
            ),
            (
                "nothing comes of the one that tries",
                [failures(0, true), vec![Ask(5, true), Ask(9, false), Ask(10, true)]].concat(),
            ),
            (
                "an answer closes it",
                [failures(0, true), vec![Ask(5, true), Answered, Ask(5, true), Ask(5, true)]].concat(),
            ),
            (
                "who answers now and then is asked on",
                [(1..FAILURES).map(|_| Failed(0, false)).collect(), vec![Answered], failures(0, true)].concat(),
            ),
        ];
        let start = Instant::now();
        for (name, steps) in table {
            let mut breaker = Breaker::default();
            for (n, step) in steps.iter().enumerate() {
                let at = |seconds: &u64| start + Duration::from_secs(*seconds);
                match step {
                    Ask(seconds, granted) => assert_eq!(breaker.admit(at(seconds)), *granted, "{name}, step {n}"),
                    Answered => breaker.succeeded(),
                    Failed(seconds, opens) => assert_eq!(breaker.failed(at(seconds)), *opens, "{name}, step {n}"),
                }
            }
        }
    }
}
