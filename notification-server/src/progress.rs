//! How a job stands after an attempt, and when the next one is due. Pure: the worker reads, delivers and writes.

use domain::notifications::GATHERED;
use shared::Timestamp;
use store::Attempt;

use crate::{channel::Outcome, retry::Schedule};

const QUEUED: &str = "queued";
const DELIVERED: &str = "delivered";
const SUPPRESSED: &str = "suppressed";
/// Nothing will be tried any more: a dead letter.
pub const FAILED: &str = "failed";

/// Characters of a detail that are kept.
const MAX_DETAIL: usize = 200;
/// What was held is tried within so long.
const HELD_SPREAD: std::time::Duration = std::time::Duration::from_secs(30);
/// The longest wait another side may ask for.
const MAX_AFTER: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// One attempt at a job.
pub struct Try<'a> {
    /// Claims since its state was last written, whose holders did not live to say what came of them. Each may have
    /// reached somebody, and counts as an attempt.
    pub lost: u32,
    pub at: Timestamp,
    /// Uniform in 0..1, for the jitter.
    pub random: f64,
    pub schedule: &'a Schedule,
}

/// The places still to be tried, at whatever time: those not over, then those not tried yet.
pub fn open(earlier: &[Attempt], wanted: Vec<String>) -> Vec<String> {
    let untried = wanted.into_iter().filter(|name| earlier.iter().all(|a| a.channel != *name));
    let not_over = earlier.iter().filter(|a| a.state == QUEUED).map(|a| a.channel.clone());
    not_over.chain(untried).collect()
}

/// Of the places that are open those whose time has come.
pub fn due(earlier: &[Attempt], mut open: Vec<String>, now: Timestamp) -> Vec<String> {
    let waits = |place: &String| earlier.iter().any(|a| a.channel == *place && a.next_at.is_some_and(|at| at > now));
    open.retain(|place| !waits(place));
    open
}

/// Of these places those that were tried as often as they may be, the last times without an end.
pub fn exhausted(earlier: &[Attempt], places: Vec<String>, this: &Try) -> (Vec<(String, Outcome)>, Vec<String>) {
    let (spent, rest): (Vec<_>, Vec<_>) =
        places.into_iter().partition(|place| this.before(earlier, place) >= this.schedule.attempts);
    let why = || format!("gave up after {} attempts that did not end", this.schedule.attempts);
    (spent.into_iter().map(|place| (place, Outcome::Failed { why: why() })).collect(), rest)
}

/// `earlier` with this try's outcomes in place, and when the job is due again: when the first of its places is. `None`:
/// it is over.
pub fn conclude(
    mut attempts: Vec<Attempt>,
    outcomes: Vec<(String, Outcome)>,
    this: &Try,
) -> (Vec<Attempt>, Option<Timestamp>) {
    for (place, outcome) in outcomes {
        let attempt = next_state(this.before(&attempts, &place), place, outcome, this);
        match attempts.iter_mut().find(|a| a.channel == attempt.channel) {
            Some(place) => *place = attempt,
            None => attempts.push(attempt),
        }
    }
    let due = attempts.iter().filter(|a| a.state == QUEUED).map(|a| a.next_at.unwrap_or(this.at)).min();
    (attempts, due)
}

impl Try<'_> {
    /// How often a place was tried before this.
    fn before(&self, earlier: &[Attempt], place: &str) -> u32 {
        let known = earlier.iter().find(|a| a.channel == place).map_or(0, |a| a.tries);
        known.saturating_add(self.lost)
    }
}

fn next_state(before: u32, channel: String, outcome: Outcome, this: &Try) -> Attempt {
    let most = this.schedule.attempts;
    let tries = match outcome {
        // Nobody was asked.
        Outcome::Held { .. } | Outcome::Suppressed { .. } | Outcome::Gathered { .. } => before,
        _ => before.saturating_add(1).min(most),
    };
    let held = matches!(outcome, Outcome::Held { .. });
    let (state, detail, next_at) = match outcome {
        Outcome::Delivered { detail } => (DELIVERED, detail, None),
        Outcome::Suppressed { why } => (SUPPRESSED, Some(why), None),
        Outcome::Failed { why } => (FAILED, Some(why), None),
        Outcome::Gathered { into } => (GATHERED, Some(into.to_string()), None),
        // So that what many users held does not come all in one moment.
        Outcome::Held { why, until } => (QUEUED, Some(why), Some(until.after(HELD_SPREAD.mul_f64(this.random)))),
        Outcome::Retry { why, .. } if tries >= most => {
            (FAILED, Some(format!("gave up after {tries} attempts: {why}")), None)
        }
        Outcome::Retry { why, after } => {
            let wait = after.unwrap_or_default().min(MAX_AFTER) + this.schedule.wait(tries, this.random);
            (QUEUED, Some(why), Some(this.at.after(wait)))
        }
    };
    let detail = detail.map(|text| text.chars().take(MAX_DETAIL).collect());
    Attempt { channel, state: state.into(), detail, tries, next_at, held, at: this.at }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::NotificationId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    /// An attempt after so many claims that did not end.
    fn after<R>(lost: u32, f: impl FnOnce(&Try) -> R) -> R {
        f(&Try { lost, at: NOW, random: 0.5, schedule: &Schedule::default() })
    }

    /// What comes of attempt `number` at a place, the earlier ones having ended.
    fn one(number: u32, outcome: Outcome) -> (String, Option<String>, Option<Timestamp>) {
        let before = Attempt { tries: number - 1, ..earlier("push", QUEUED) };
        let (mut attempts, again) = after(0, |this| conclude(vec![before], vec![("push".into(), outcome)], this));
        assert_eq!(attempts.len(), 1);
        let attempt = attempts.remove(0);
        assert_eq!((attempt.channel.as_str(), attempt.at, attempt.next_at), ("push", NOW, again));
        (attempt.state, attempt.detail, again)
    }

    fn held() -> Outcome {
        Outcome::Held { why: "quiet hours".into(), until: NOW.after(Duration::from_secs(8 * 3600)) }
    }

    fn retry(after: Option<u64>) -> Outcome {
        Outcome::Retry { why: "busy".into(), after: after.map(Duration::from_secs) }
    }

    fn earlier(channel: &str, state: &str) -> Attempt {
        Attempt {
            channel: channel.into(),
            state: state.into(),
            detail: None,
            tries: 0,
            next_at: None,
            held: false,
            at: Timestamp::from_millis(0),
        }
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
    fn what_is_held_is_tried_soon_after_and_however_often_it_is_held_that_is_no_attempt() {
        let end = NOW.after(Duration::from_secs(8 * 3600));
        let mut attempts = Vec::new();
        for _ in 0..20 {
            let (now, again) = after(0, |this| conclude(attempts, vec![("push".into(), held())], this));
            let told = (now[0].state.as_str(), now[0].tries, now[0].held, again);
            assert_eq!(told, (QUEUED, 0, true, Some(end.after(HELD_SPREAD / 2))));
            attempts = now;
        }
        let (tried, again) = after(0, |this| conclude(attempts, vec![("push".into(), retry(None))], this));
        assert_eq!((tried[0].tries, tried[0].held, again), (1, false, Some(NOW.after(Duration::from_millis(500)))));
    }

    #[test]
    fn a_claim_that_did_not_end_counts_as_an_attempt_and_ten_of_them_end_it() {
        let place = || vec!["push".to_owned()];
        let before = |tries| vec![Attempt { tries, ..earlier("push", QUEUED) }];
        let (tried, _) = after(4, |this| conclude(before(3), vec![("push".into(), retry(None))], this));
        assert_eq!(tried[0].tries, 8);
        for (tries, lost, over) in [(0, 9, false), (0, 10, true), (9, 0, false), (9, 1, true), (9, u32::MAX, true)] {
            let (spent, rest) = after(lost, |this| exhausted(&before(tries), place(), this));
            assert_eq!((spent.len(), rest.len()), if over { (1, 0) } else { (0, 1) }, "{tries} {lost}");
            if over {
                let (ended, again) = after(lost, |this| conclude(before(tries), spent, this));
                let detail = ended[0].detail.as_deref();
                assert_eq!((ended[0].state.as_str(), ended[0].tries, again), (FAILED, 10, None));
                assert_eq!(detail, Some("gave up after 10 attempts that did not end"));
            }
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
        let (now, again) = after(0, |this| conclude(before, outcomes, this));
        let states: Vec<_> = now.iter().map(|a| (a.channel.as_str(), a.state.as_str())).collect();
        assert_eq!(states, [("inbox", DELIVERED), ("push", DELIVERED), ("mail", FAILED), ("hook", QUEUED)]);
        assert_eq!(now[0].at, Timestamp::from_millis(0), "untouched");
        assert_eq!(again, Some(NOW.after(Duration::from_millis(500))));
    }

    #[test]
    fn each_place_waits_for_itself_and_the_job_for_the_first() {
        let outcomes = vec![("a".into(), retry(Some(60))), ("b".into(), retry(None)), ("c".into(), held())];
        let (attempts, again) = after(0, |this| conclude(Vec::new(), outcomes, this));
        assert_eq!(again, Some(NOW.after(Duration::from_millis(500))), "b's");
        let places = || ["a", "b", "c", "new"].map(String::from).to_vec();
        let at = |ms| due(&attempts, places(), NOW.after(Duration::from_millis(ms)));
        assert_eq!(at(499), ["new"]);
        assert_eq!(at(500), ["b", "new"]);
        assert_eq!(at(60_500), ["a", "b", "new"]);
        assert_eq!(at(9 * 3_600_000), places());
        let later = Try { lost: 0, at: again.unwrap(), random: 0.5, schedule: &Schedule::default() };
        let (_, next) = conclude(attempts, vec![("b".into(), Outcome::Delivered { detail: None })], &later);
        assert_eq!(next, Some(NOW.after(Duration::from_millis(60_500))), "a's, as it was");
    }

    #[test]
    fn a_detail_has_a_bound() {
        let (_, detail, _) = one(1, Outcome::Failed { why: "é".repeat(10_000) });
        assert_eq!(detail.unwrap().chars().count(), MAX_DETAIL);
    }
}
