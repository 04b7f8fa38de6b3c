//! How a job stands after an attempt, and when the next one is due. Pure: the worker reads, delivers and writes.

use domain::notifications::GATHERED;
use shared::Timestamp;
use store::Attempt;

use crate::{channel::Outcome, retry::Schedule};

const QUEUED: &str = "queued";
const DELIVERED: &str = "delivered";
const SUPPRESSED: &str = "suppressed";
const FAILED: &str = "failed";

/// Characters of a detail that are kept.
const MAX_DETAIL: usize = 200;
/// What was held is tried within so long.
const HELD_SPREAD: std::time::Duration = std::time::Duration::from_secs(30);
/// The longest wait another side may ask for.
const MAX_AFTER: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// One attempt at a job.
pub struct Try<'a> {
    /// From 1.
    pub number: u32,
    pub at: Timestamp,
    /// Uniform in 0..1, for the jitter.
    pub random: f64,
    pub schedule: &'a Schedule,
}

/// The channels still to be tried: those not over, then those not tried yet.
pub fn open(earlier: &[Attempt], wanted: Vec<String>) -> Vec<String> {
    let untried = wanted.into_iter().filter(|name| earlier.iter().all(|a| a.channel != *name));
    let not_over = earlier.iter().filter(|a| a.state == QUEUED).map(|a| a.channel.clone());
    not_over.chain(untried).collect()
}

/// `earlier` with this try's outcomes in place, and when to try again; `None`: the job is over.
pub fn conclude(
    mut attempts: Vec<Attempt>,
    outcomes: Vec<(String, Outcome)>,
    this: &Try,
) -> (Vec<Attempt>, Option<Timestamp>) {
    let (mut retry_at, mut held_until) = (None, None);
    for (channel, outcome) in outcomes {
        let held = matches!(outcome, Outcome::Held { .. });
        let (attempt, again) = next_state(channel, outcome, this);
        // One job has one time: the latest, so that no channel is tried before it asked to be. What is held waits for
        // itself: it is held again.
        let due = if held { &mut held_until } else { &mut retry_at };
        *due = (*due).max(again);
        match attempts.iter_mut().find(|a| a.channel == attempt.channel) {
            Some(place) => *place = attempt,
            None => attempts.push(attempt),
        }
    }
    (attempts, retry_at.or(held_until))
}

fn next_state(channel: String, outcome: Outcome, this: &Try) -> (Attempt, Option<Timestamp>) {
    let (state, detail, again) = match outcome {
        Outcome::Delivered { detail } => (DELIVERED, detail, None),
        Outcome::Suppressed { why } => (SUPPRESSED, Some(why), None),
        Outcome::Failed { why } => (FAILED, Some(why), None),
        Outcome::Gathered { into } => (GATHERED, Some(into.to_string()), None),
        // So that what many users held does not come all in one moment.
        Outcome::Held { why, until } => (QUEUED, Some(why), Some(until.after(HELD_SPREAD.mul_f64(this.random)))),
        Outcome::Retry { why, .. } if this.number >= this.schedule.attempts => {
            (FAILED, Some(format!("gave up after {} attempts: {why}", this.number)), None)
        }
        Outcome::Retry { why, after } => {
            let wait = after.unwrap_or_default().min(MAX_AFTER) + this.schedule.wait(this.number, this.random);
            (QUEUED, Some(why), Some(this.at.after(wait)))
        }
    };
    let detail = detail.map(|text| text.chars().take(MAX_DETAIL).collect());
    (Attempt { channel, state: state.into(), detail, at: this.at }, again)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::NotificationId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn nth<R>(number: u32, f: impl FnOnce(&Try) -> R) -> R {
        f(&Try { number, at: NOW, random: 0.5, schedule: &Schedule::default() })
    }

    fn one(number: u32, outcome: Outcome) -> (String, Option<String>, Option<Timestamp>) {
        let (mut attempts, again) = nth(number, |this| conclude(Vec::new(), vec![("push".into(), outcome)], this));
        assert_eq!(attempts.len(), 1);
        let attempt = attempts.remove(0);
        assert_eq!((attempt.channel.as_str(), attempt.at), ("push", NOW));
        (attempt.state, attempt.detail, again)
    }

    fn retry(after: Option<u64>) -> Outcome {
        Outcome::Retry { why: "busy".into(), after: after.map(Duration::from_secs) }
    }

    fn earlier(channel: &str, state: &str) -> Attempt {
        Attempt { channel: channel.into(), state: state.into(), detail: None, at: Timestamp::from_millis(0) }
    }

    #[test]
    fn an_outcome_becomes_a_state() {
        let delivered = Outcome::Delivered { detail: None };
        assert_eq!(one(1, delivered), ("delivered".into(), None, None));
        let suppressed = Outcome::Suppressed { why: "no device".into() };
        assert_eq!(one(1, suppressed), ("suppressed".into(), Some("no device".into()), None));
        let into = NotificationId::new();
        assert_eq!(one(1, Outcome::Gathered { into }), ("gathered".into(), Some(into.to_string()), None));
        let failed = Outcome::Failed { why: "gone".into() };
        assert_eq!(one(1, failed), ("failed".into(), Some("gone".into()), None));
    }

    #[test]
    fn what_may_be_retried_waits_longer_each_time_and_fails_with_the_tenth_attempt() {
        let queued = |ms| ("queued".into(), Some("busy".into()), Some(NOW.after(Duration::from_millis(ms))));
        assert_eq!(one(1, retry(None)), queued(500));
        assert_eq!(one(2, retry(None)), queued(1000));
        assert_eq!(one(9, retry(None)), queued(128_000));
        let over = ("failed".into(), Some("gave up after 10 attempts: busy".into()), None);
        assert_eq!(one(10, retry(None)), over);
    }

    #[test]
    fn what_is_held_is_tried_soon_after_whatever_the_attempt() {
        let until = NOW.after(Duration::from_secs(8 * 3600));
        let held = || Outcome::Held { why: "quiet hours".into(), until };
        for attempt in [1, 10] {
            let expected = ("queued".into(), Some("quiet hours".into()), Some(until.after(HELD_SPREAD / 2)));
            assert_eq!(one(attempt, held()), expected);
        }
    }

    #[test]
    fn a_wait_the_other_side_asked_for_is_obeyed_up_to_a_day() {
        assert_eq!(one(1, retry(Some(90))).2, Some(NOW.after(Duration::from_millis(90_500))));
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(one(1, retry(Some(u64::MAX))).2, Some(NOW.after(day + Duration::from_millis(500))));
    }

    #[test]
    fn a_channel_that_is_over_is_not_tried_again_and_keeps_its_state() {
        let before = vec![earlier("inbox", DELIVERED), earlier("push", QUEUED), earlier("mail", FAILED)];
        let wanted = ["inbox", "push", "mail", "hook"].map(String::from).to_vec();
        assert_eq!(open(&before, wanted), ["push", "hook"]);
        let outcomes = vec![("push".into(), Outcome::Delivered { detail: None }), ("hook".into(), retry(None))];
        let (after, again) = nth(2, |this| conclude(before, outcomes, this));
        let states: Vec<_> = after.iter().map(|a| (a.channel.as_str(), a.state.as_str())).collect();
        assert_eq!(states, [("inbox", DELIVERED), ("push", DELIVERED), ("mail", FAILED), ("hook", QUEUED)]);
        assert_eq!(after[0].at, Timestamp::from_millis(0), "untouched");
        assert_eq!(again, Some(NOW.after(Duration::from_secs(1))));
    }

    #[test]
    fn the_latest_of_several_waits_counts() {
        let outcomes = vec![("a".into(), retry(Some(60))), ("b".into(), retry(None))];
        let (_, again) = nth(1, |this| conclude(Vec::new(), outcomes, this));
        assert_eq!(again, Some(NOW.after(Duration::from_millis(60_500))));
    }

    #[test]
    fn what_is_held_holds_nothing_else() {
        let held = Outcome::Held { why: "quiet hours".into(), until: NOW.after(Duration::from_secs(8 * 3600)) };
        let outcomes = vec![("push".into(), held), ("inbox".into(), retry(None))];
        let (_, again) = nth(1, |this| conclude(Vec::new(), outcomes, this));
        assert_eq!(again, Some(NOW.after(Duration::from_millis(500))));
    }

    #[test]
    fn a_detail_has_a_bound() {
        let (_, detail, _) = one(1, Outcome::Failed { why: "é".repeat(10_000) });
        assert_eq!(detail.unwrap().chars().count(), MAX_DETAIL);
    }
}
