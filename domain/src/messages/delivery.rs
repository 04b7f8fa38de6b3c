//! What became of a message, for its author: who has got it, who has read it, who was notified or why not.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::{MessageId, NotificationId, Timestamp, UserId};
use store::{Attempt, JobState, Membership, Outcome};
use utoipa::ToSchema;

use super::{DEFAULT_PAGE, MAX_PAGE, Messages, showing::name_of};
use crate::{
    DomainError, Result, Viewer,
    notifications::{INBOX, PRIVATE, as_carried},
    pages::page_limit,
};

/// Notifications whose states are read at once.
const CONCURRENT_READS: usize = 32;

/// One page of a message's recipients, in order of joining.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryPage {
    pub items: Vec<Delivery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What became of a message for one member who may see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub user_id: UserId,
    pub username: String,
    /// Always: a message that is answered is stored for all.
    pub stored: bool,
    /// One of their devices has it.
    pub delivered: bool,
    pub read: bool,
    /// What was decided about notifying them of this message, as far as it is kept: the notification that was queued for
    /// it, for 7 days after its last change; else the last decision in the room, where this message was part of it. None
    /// before it was decided, for what they had read by then, and for who was online, or has blocked its author, in a
    /// room of more than 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
}

/// What its author is told of a notification: how far it has come, by which kind of channel. Not what is the
/// recipient's affair: which devices they have, what those services say, what the recipient wishes to hear, and when.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// Of several channels the one that reached them, else the one tried last. None before the first attempt, and where
    /// nothing was queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// `queued | delivered | suppressed | failed`
    pub state: String,
    /// Why it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when; while the message's own notification is queued, when the message was sent.
    pub at: Timestamp,
    /// Each kind of channel by itself; of several devices of one kind the one that has come furthest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelPush>,
}

/// How a notification stands on one kind of channel.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelPush {
    pub channel: String,
    /// `queued | delivered | suppressed | failed`
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried again after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    pub at: Timestamp,
}

impl Messages {
    /// What became of a message for each member, other than its author, who may see it. Only its author may ask.
    /// `limit` is 1 to 200, default 50. Five reads, and one for each
    /// notification that stands for this message among others.
    pub async fn delivery(
        &self,
        viewer: &Viewer,
        id: MessageId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<DeliveryPage> {
        let limit = page_limit(limit, DEFAULT_PAGE, MAX_PAGE)?;
        let (message, access) = self.visible(viewer, id).await?;
        if message.author != viewer.user {
            return Err(DomainError::Forbidden("only its author may ask what became of a message"));
        }
        let (mut members, next_cursor) = self.rooms.member_page(viewer, id.room, cursor, limit).await?;
        let sees = |member: &Membership| access.hidden_from(member) < id.seq;
        members.retain(|member| member.user != viewer.user && sees(member));
        let users: Vec<UserId> = members.iter().map(|member| member.user).collect();
        let own = NotificationId::for_message(id);
        let (marks, own_jobs, mut outcomes) = tokio::try_join!(
            self.store.log.marks(id.room, &users),
            self.store.outbox.states_of(own, &users),
            self.store.notify_queue.outcomes(id.room, &users),
        )?;
        for (outcome, own_job) in outcomes.iter_mut().zip(&own_jobs) {
            // The message's own notification is the truth about it, whatever was decided about later messages.
            let stands = |outcome: &Outcome| outcome.after < id.seq && id.seq <= outcome.seq;
            *outcome = outcome.take().filter(|outcome| own_job.is_none() && stands(outcome));
        }
        let own_jobs = as_carried(&self.store, own_jobs).await?;
        let jobs = self.jobs(&users, &outcomes).await?;
        let cards = self.names.cards_of(users.iter().copied()).await?;
        let delivery = |(((user, marks), own_job), outcome): (_, Option<Outcome>)| {
            let (user, marks, own_job): (UserId, store::Marks, Option<JobState>) = (user, marks, own_job);
            let push = match &own_job {
                Some(job) => Some(push_of_job(job, message.at)),
                None => outcome.and_then(|outcome| push_of_outcome(outcome, jobs.get(&user))),
            };
            Delivery {
                user_id: user,
                username: name_of(&cards, user),
                stored: true,
                delivered: marks.delivered >= id.seq,
                read: marks.read >= id.seq,
                push,
            }
        };
        let items = users.into_iter().zip(marks).zip(own_jobs).zip(outcomes).map(delivery).collect();
        Ok(DeliveryPage { items, next_cursor })
    }

    /// How the notifications stand that were queued for these users.
    async fn jobs(&self, users: &[UserId], outcomes: &[Option<Outcome>]) -> Result<HashMap<UserId, JobState>> {
        let mut asked: HashMap<NotificationId, Vec<UserId>> = HashMap::new();
        for (user, outcome) in users.iter().zip(outcomes) {
            if let Some(id) = outcome.as_ref().and_then(|outcome| outcome.notification) {
                asked.entry(id).or_default().push(*user);
            }
        }
        let reads = asked.into_iter().map(|(id, users)| async move { self.store.outbox.states_of(id, &users).await });
        let states: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENT_READS).try_collect().await?;
        let states = as_carried(&self.store, states.into_iter().flatten().collect()).await?;
        Ok(states.into_iter().flatten().map(|state| (state.user, state)).collect())
    }
}

/// `None`: the job that was queued is no longer known.
fn push_of_outcome(outcome: Outcome, job: Option<&JobState>) -> Option<Push> {
    if outcome.notification.is_none() {
        let (state, reason) = ("suppressed".into(), outcome.reason.filter(|reason| is_told(reason)));
        return Some(Push { channel: None, state, reason, at: outcome.at, channels: Vec::new() });
    }
    job.map(|job| push_of_job(job, outcome.at))
}

fn is_told(reason: &str) -> bool {
    !PRIVATE.contains(&reason)
}

fn push_of_job(job: &JobState, queued_at: Timestamp) -> Push {
    let channels = channels_of(&job.attempts);
    // Of several channels the one that reached them; else the one tried last.
    let last = || job.attempts.last().and_then(|last| channels.iter().find(|one| one.channel == kind_of(last)));
    match channels.iter().find(|one| one.state == DELIVERED).or_else(last) {
        None => Push { channel: None, state: QUEUED.into(), reason: None, at: queued_at, channels },
        Some(told) => Push {
            channel: Some(told.channel.clone()),
            state: told.state.clone(),
            reason: told.reason.clone(),
            at: told.at,
            channels,
        },
    }
}

const DELIVERED: &str = "delivered";
const QUEUED: &str = "queued";

/// The kind of channel of a place.
fn kind_of(attempt: &Attempt) -> &str {
    attempt.channel.split('/').next().unwrap_or_default()
}

/// One for each kind, in the order they were first tried.
fn channels_of(attempts: &[Attempt]) -> Vec<ChannelPush> {
    // Of two as far the later one tells.
    let come = |attempt: &Attempt| ["suppressed", "failed", QUEUED, DELIVERED].iter().position(|s| *s == attempt.state);
    let mut furthest: Vec<&Attempt> = Vec::new();
    for attempt in attempts {
        match furthest.iter_mut().find(|known| kind_of(known) == kind_of(attempt)) {
            Some(known) if come(known) <= come(attempt) => *known = attempt,
            Some(_) => {}
            None => furthest.push(attempt),
        }
    }
    let told = |attempt: &&Attempt| ChannelPush {
        channel: kind_of(attempt).to_owned(),
        state: attempt.state.clone(),
        // What a device's service said is the recipient's affair.
        reason: attempt.detail.clone().filter(|reason| attempt.channel == INBOX && is_told(reason)),
        attempts: attempt.tries,
        // When their quiet hours end is, too.
        next_attempt_at: attempt.next_at.filter(|_| !attempt.held),
        at: attempt.at,
    };
    furthest.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(channel: &str, state: &str, detail: &str) -> Attempt {
        let at = Timestamp::from_millis(1);
        let queued = (state == QUEUED).then_some(Timestamp::from_millis(9));
        Attempt {
            channel: channel.into(),
            state: state.into(),
            detail: Some(detail.into()),
            tries: 2,
            next_at: queued,
            held: false,
            at,
        }
    }

    fn told(attempts: Vec<Attempt>) -> (String, Vec<String>) {
        let job = JobState { user: UserId::new(), done: false, attempts, claim: 1, request_hash: None };
        let push = push_of_job(&job, Timestamp::from_millis(0));
        let text = |one: &ChannelPush| {
            let next = one.next_attempt_at.map(|at| format!(" again at {}", at.as_millis())).unwrap_or_default();
            let why = one.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{} {}{why} {}{next}", one.channel, one.state, one.attempts)
        };
        let summary = format!("{} {}", push.channel.unwrap_or_default(), push.state);
        (summary, push.channels.iter().map(text).collect())
    }

    #[test]
    fn an_author_is_told_of_each_kind_of_channel_and_nothing_that_is_the_recipients_affair() {
        assert_eq!(told(Vec::new()), (" queued".into(), Vec::new()));
        let busy = || attempt("webpush/b", QUEUED, "503 from their service");
        let (summary, channels) = told(vec![
            attempt("webpush/a", "failed", "410 Gone"),
            busy(),
            attempt("inbox", "suppressed", "read meanwhile"),
            attempt("fcm", "suppressed", "the user has no such subscription"),
        ]);
        assert_eq!(summary, "fcm suppressed");
        let expected = ["webpush queued 2 again at 9", "inbox suppressed (read meanwhile) 2", "fcm suppressed 2"]
            .map(String::from);
        assert_eq!(channels, expected);
        let (summary, channels) = told(vec![attempt("webpush/a", DELIVERED, "201"), busy()]);
        assert_eq!((summary.as_str(), channels), ("webpush delivered", vec!["webpush delivered 2".to_owned()]));
        let held = Attempt { held: true, ..attempt("webpush/a", QUEUED, "do not disturb until") };
        assert_eq!(told(vec![held]).1, ["webpush queued 2"], "until when they sleep is not told");
        for private in PRIVATE {
            assert_eq!(told(vec![attempt("inbox", "suppressed", private)]).1, ["inbox suppressed 2"]);
        }
    }
}
