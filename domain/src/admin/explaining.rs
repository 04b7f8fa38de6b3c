//! What became of a message or of a notification, with every reason: also those that its author is not told.

use std::collections::HashMap;

use serde::Serialize;
use shared::{MessageId, NotificationId, RoomId, Timestamp, UserId};
use store::{DELETED_USER, JobState, Outcome};
use utoipa::ToSchema;

use super::Admin;
use crate::{DomainError, Result, notifications::ChannelState};

/// Recipients in one answer.
const PAGE: usize = 100;

/// One page of recipients: of a message in order of joining, of a notification in order of id.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Where the id was a message's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<ExplainedMessage>,
    pub items: Vec<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A message, without what it says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedMessage {
    pub id: MessageId,
    pub room_id: RoomId,
    pub seq: u64,
    pub author: UserId,
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

/// What became of it for one recipient.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub user_id: UserId,
    pub username: String,
    /// Of a message: one of their devices has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<bool>,
    /// The notification that was queued: the message's own, or one that stands for it among others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<NotificationId>,
    /// The last decision in the room, where this message was part of it and it has no notification of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionLine>,
    /// No attempt will follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<bool>,
    /// Each place by itself: `inbox`, or a channel and the id of a push subscription.
    pub channels: Vec<ChannelState>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionLine {
    /// Why nobody was told; none: they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub at: Timestamp,
}

impl Admin {
    /// By the id of a message or of a notification; `cursor` as it was answered. Six reads, and one for each notification
    /// that stands for a message among others.
    pub async fn explain(&self, id: &str, cursor: Option<&str>) -> Result<Explained> {
        let after = match cursor {
            None => 0,
            Some(text) => text.parse().map_err(|_| DomainError::invalid("cursor", "use nextCursor of a page"))?,
        };
        if let Ok(message) = id.parse::<MessageId>() {
            return self.explain_message(message, after).await;
        }
        match id.parse::<NotificationId>() {
            Ok(notification) => self.explain_notification(notification, after).await,
            Err(_) => Err(DomainError::NotFound("this is the id of no message and of no notification")),
        }
    }

    async fn explain_message(&self, id: MessageId, after: u64) -> Result<Explained> {
        let message = self.store.log.message(id).await?.ok_or(DomainError::MessageNotFound)?;
        let members = self.store.rooms.members(id.room, after, PAGE).await?;
        let next_cursor = members.last().filter(|_| members.len() == PAGE).map(|last| last.joined_rev.to_string());
        let users: Vec<UserId> = members.iter().map(|member| member.user).filter(|u| *u != message.author).collect();
        let own = NotificationId::for_message(id);
        let (marks, own_jobs, outcomes) = tokio::try_join!(
            self.store.log.marks(id.room, &users),
            self.store.outbox.states_of(own, &users),
            self.store.notify_queue.outcomes(id.room, &users),
        )?;
        let names = self.usernames(&users).await?;
        let mut items = Vec::with_capacity(users.len());
        for (((user, marks), own_job), outcome) in users.into_iter().zip(marks).zip(own_jobs).zip(outcomes) {
            let stands = |outcome: &Outcome| own_job.is_none() && outcome.after < id.seq && id.seq <= outcome.seq;
            let outcome = outcome.filter(stands);
            let other = outcome.as_ref().and_then(|outcome| outcome.notification);
            let (notification, job) = match (own_job, other) {
                (Some(job), _) => (Some(own), Some(job)),
                (None, Some(other)) => {
                    (Some(other), self.store.outbox.states_of(other, &[user]).await?.pop().flatten())
                }
                (None, None) => (None, None),
            };
            items.push(Explanation {
                user_id: user,
                username: name_of(&names, user),
                delivered: Some(marks.delivered >= id.seq),
                read: Some(marks.read >= id.seq),
                notification,
                decision: outcome.map(|outcome| DecisionLine { reason: outcome.reason, at: outcome.at }),
                done: job.as_ref().map(|job| job.done),
                channels: channels(job),
            });
        }
        let message = ExplainedMessage {
            id,
            room_id: id.room,
            seq: id.seq,
            author: message.author,
            at: message.at,
            edited_at: message.edited_at,
            deleted_at: message.deleted_at,
        };
        Ok(Explained { message: Some(message), items, next_cursor })
    }

    async fn explain_notification(&self, id: NotificationId, after: u64) -> Result<Explained> {
        let states = self.store.outbox.states(id).await?;
        if states.is_empty() {
            return Err(DomainError::NotFound("there is no such notification, or it is not known any more"));
        }
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let more = states.len() > skip.saturating_add(PAGE);
        let page: Vec<JobState> = states.into_iter().skip(skip).take(PAGE).collect();
        let names = self.usernames(&page.iter().map(|state| state.user).collect::<Vec<_>>()).await?;
        let explain = |state: JobState| Explanation {
            user_id: state.user,
            username: name_of(&names, state.user),
            delivered: None,
            read: None,
            notification: Some(id),
            decision: None,
            done: Some(state.done),
            channels: channels(Some(state)),
        };
        let next_cursor = more.then(|| (skip + PAGE).to_string());
        Ok(Explained { message: None, items: page.into_iter().map(explain).collect(), next_cursor })
    }

    async fn usernames(&self, users: &[UserId]) -> Result<HashMap<UserId, String>> {
        let records = self.store.users.users(users).await?;
        Ok(records.into_iter().flatten().map(|user| (user.id, user.username)).collect())
    }
}

fn name_of(names: &HashMap<UserId, String>, user: UserId) -> String {
    names.get(&user).cloned().unwrap_or_else(|| DELETED_USER.into())
}

fn channels(job: Option<JobState>) -> Vec<ChannelState> {
    job.into_iter().flat_map(|job| job.attempts).map(ChannelState::from).collect()
}
