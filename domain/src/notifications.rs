//! Notifications: who is told of what. Requests and absent readers' messages become jobs of the durable outbox;
//! channels (notification-server) carry them out.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use shared::{MessageId, NotificationId, RoomId, Timestamp, UserId, protocol::RoomType};
use store::{
    Attempt, DueRoom, InboxItem, Job, JobState, Membership, PageFrom, PageRequest, PresenceState, RoomRecord, Store,
    StoredMessage,
};
use utoipa::ToSchema;

use crate::{
    DomainError, Names, Result, Viewer,
    messages::preview,
    rooms::PAGE_BYTES,
    validate::{Check, page_limit},
};

/// Users one request may name.
const MAX_RECIPIENTS: usize = 1000;
/// Inbox items a page gives at most.
const MAX_PAGE: usize = 100;
/// Members decided on at once.
const MEMBER_PAGE: usize = 200;
/// Messages of a room considered at once.
const MESSAGE_PAGE: usize = 200;
/// Inbox items among which a later message of the same room is looked for.
const SUPERSEDING: usize = 20;
/// Bytes of `data`.
const MAX_DATA: usize = 4096;
/// The longest a notification may wait to be delivered: 28 days.
const MAX_TTL: u64 = 28 * 24 * 3600;

/// The body of `POST /notify`: exactly one of `userId` and `userIds`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotifyRequest {
    pub user_id: Option<UserId>,
    pub user_ids: Option<Vec<UserId>>,
    pub title: String,
    pub body: String,
    /// Handed to the devices as it is; up to 4 KiB.
    pub data: Option<serde_json::Value>,
    pub category: Option<String>,
    /// Only by these channels; default: all the user has.
    pub channels: Option<Vec<String>>,
    /// A later one with this key takes this one's place while it is unread.
    pub collapse_key: Option<String>,
    /// Not delivered later than so many seconds from now.
    pub ttl: Option<u64>,
}

/// How one recipient's notification stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotifyState {
    pub user_id: UserId,
    pub done: bool,
    pub channels: Vec<ChannelState>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelState {
    pub channel: String,
    /// `queued | delivered | suppressed | failed`
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub at: Timestamp,
}

/// A notification in the caller's inbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    pub id: NotificationId,
    pub title: String,
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    pub created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
}

/// One page of the inbox, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPage {
    pub items: Vec<Notification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Why a member is, or is not, notified of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Notify,
    /// They wrote it.
    Author,
    /// They joined after it.
    JoinedLater,
    /// They have read it meanwhile.
    Read,
    /// A device is connected and, as far as we know, looked at.
    Present,
}

pub struct Notifications {
    store: Store,
    names: Arc<Names>,
}

impl Notifications {
    pub(crate) fn new(store: Store, names: Arc<Names>) -> Self {
        Self { store, names }
    }

    /// Queues a notification: stored when it returns. Every recipient must exist.
    pub async fn notify(&self, request: NotifyRequest) -> Result<NotificationId> {
        let users = match (request.user_id, request.user_ids) {
            (Some(user), None) => vec![user],
            (None, Some(mut users)) => {
                users.sort_unstable();
                users.dedup();
                users
            }
            _ => return Err(DomainError::invalid("userId", "give either userId or userIds")),
        };
        let mut check = Check::default();
        check.that((1..=MAX_RECIPIENTS).contains(&users.len()), "userIds", format!("name 1 to {MAX_RECIPIENTS} users"));
        check.line("title", &request.title, 1, 200).optional_text("body", Some(&request.body), 2000);
        for (field, text) in [("category", &request.category), ("collapseKey", &request.collapse_key)] {
            if let Some(text) = text {
                check.line(field, text, 1, 64);
            }
        }
        let data = request.data.as_ref().map_or(0, |data| data.to_string().len());
        check.that(data <= MAX_DATA, "data", format!("use up to {MAX_DATA} bytes"));
        check.that(request.ttl.is_none_or(|ttl| (1..=MAX_TTL).contains(&ttl)), "ttl", format!("use 1 to {MAX_TTL} s"));
        if let Some(channels) = &request.channels {
            let known = channels.iter().all(|c| CHANNELS.contains(&c.as_str()));
            check.that(known && !channels.is_empty(), "channels", format!("use some of {}", CHANNELS.join(", ")));
        }
        check.done()?;
        let cards = self.names.cards_of(users.iter().copied()).await?;
        if users.iter().any(|user| !cards.contains_key(user)) {
            return Err(DomainError::UserNotFound);
        }
        let (id, now) = (NotificationId::new(), Timestamp::now());
        let job = |user| Job {
            id,
            user,
            title: request.title.clone(),
            body: request.body.clone(),
            data: request.data.clone(),
            category: request.category.clone(),
            channels: request.channels.clone(),
            collapse_key: request.collapse_key.clone(),
            expires_at: request.ttl.map(|ttl| now.after(Duration::from_secs(ttl))),
            created_at: now,
            message: None,
            request_hash: None,
        };
        let jobs: Vec<Job> = users.into_iter().map(job).collect();
        self.store.outbox.enqueue(&jobs).await?;
        Ok(id)
    }

    /// How a notification stands, for each recipient and channel.
    pub async fn state(&self, id: NotificationId) -> Result<Vec<NotifyState>> {
        let states = self.store.outbox.states(id).await?;
        if states.is_empty() {
            return Err(DomainError::NotFound("there is no such notification"));
        }
        Ok(states.into_iter().map(to_state).collect())
    }

    pub async fn inbox(&self, viewer: &Viewer, cursor: Option<&str>, limit: Option<usize>) -> Result<NotificationPage> {
        let before: Option<NotificationId> = match cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?),
            None => None,
        };
        let limit = page_limit(limit, 50, MAX_PAGE)?;
        let items = self.store.inboxes.inbox(viewer.user, before, limit).await?;
        let next_cursor = items.last().filter(|_| items.len() == limit).map(|item| item.id.to_string());
        Ok(NotificationPage { items: items.into_iter().map(to_notification).collect(), next_cursor })
    }

    pub async fn mark_read(&self, viewer: &Viewer, id: NotificationId) -> Result<()> {
        match self.store.inboxes.mark_inbox_read(viewer.user, id, Timestamp::now()).await? {
            true => Ok(()),
            false => Err(DomainError::NotFound("there is no such notification in your inbox")),
        }
    }

    /// How many were unread.
    pub async fn mark_all_read(&self, viewer: &Viewer) -> Result<u64> {
        Ok(self.store.inboxes.mark_inbox_all_read(viewer.user, Timestamp::now()).await?)
    }

    /// Considers a room's new messages: one job for each member who is to be told, about the newest message they have
    /// not seen. Costs a read of the members, whatever the number of messages; doing it twice queues nothing twice.
    pub async fn consider(&self, due: &DueRoom) -> Result<usize> {
        let Some((record, _)) = self.store.rooms.room(due.room).await? else {
            self.store.notify_queue.finish_due(due.room, due.head_seq).await?;
            return Ok(0);
        };
        let from = PageFrom::After(due.notified_seq);
        let page = PageRequest { from, limit: MESSAGE_PAGE, visible_after: 0, max_bytes: PAGE_BYTES };
        let page = self.store.log.history(due.room, page).await?;
        let considered = page.items.last().map_or(due.head_seq, |last| last.seq);
        let messages: Vec<_> = page.items.into_iter().filter(|m| m.deleted_at.is_none()).collect();
        let mut queued = 0;
        let mut after = 0;
        while !messages.is_empty() {
            let members = self.store.rooms.members(due.room, after, MEMBER_PAGE).await?;
            let jobs = self.decide_page(&record, &messages, &members).await?;
            queued += jobs.len();
            self.store.outbox.enqueue(&jobs).await?;
            match members.last() {
                Some(last) if members.len() == MEMBER_PAGE => after = last.joined_rev,
                _ => break,
            }
        }
        self.store.notify_queue.finish_due(due.room, considered).await?;
        Ok(queued)
    }

    /// Why a job is not to be delivered any more: what happened to its message, or to its recipient's part in the
    /// room, since it was queued. Costs three reads at once; none for a job that is not of a message.
    pub async fn cancelled(&self, job: &Job) -> Result<Option<&'static str>> {
        let Some(id) = job.message else { return Ok(None) };
        let (message, membership, read) = tokio::try_join!(
            self.store.log.message(id),
            self.store.rooms.membership(id.room, job.user),
            self.store.log.marks(id.room, std::slice::from_ref(&job.user)),
        )?;
        Ok(match (message, membership) {
            (None, _) => Some("the message is gone"),
            (Some(message), _) if message.deleted_at.is_some() => Some("the message was deleted"),
            (_, None) => Some("no longer a member of the room"),
            _ if read.first().is_some_and(|marks| marks.read >= id.seq) => Some("read meanwhile"),
            _ => None,
        })
    }

    /// Has a later message of the same room reached the recipient's inbox already? Then this one, which was held up,
    /// is not to take its place. Looks at the newest items.
    pub async fn superseded(&self, job: &Job) -> Result<bool> {
        let Some(id) = job.message else { return Ok(false) };
        let newest = self.store.inboxes.inbox(job.user, None, SUPERSEDING).await?;
        let seq = |item: &InboxItem| item.data.as_ref().and_then(|data| data["seq"].as_u64());
        Ok(newest.iter().any(|item| item.room == Some(id.room) && seq(item) > Some(id.seq)))
    }

    async fn decide_page(
        &self,
        record: &RoomRecord,
        messages: &[StoredMessage],
        members: &[Membership],
    ) -> Result<Vec<Job>> {
        let users: Vec<UserId> = members.iter().map(|m| m.user).collect();
        let presence = self.store.presence.presence(&users).await?;
        let marks = self.store.log.marks(record.id, &users).await?;
        let authors: Vec<UserId> = messages.iter().map(|m| m.author).collect();
        let cards = self.names.cards_of(authors).await?;
        let now = Timestamp::now();
        let mut jobs = Vec::new();
        for ((member, state), read) in members.iter().zip(&presence).zip(marks.iter().map(|marks| marks.read)) {
            let newest = messages.iter().rfind(|m| decide(member, state, read, m) == Decision::Notify);
            let Some(message) = newest else { continue };
            // Counted from the read mark, not from what this page holds: the notification takes the place of earlier
            // ones, and stands for all of them. Messages deleted before are counted too.
            let count = message.seq - member.joined_seq.max(read);
            let author = cards.get(&message.author).map_or(crate::names::DELETED_USER, |c| c.display_name.as_str());
            jobs.push(message_job(record, message, author, count, member.user, now));
        }
        Ok(jobs)
    }
}

/// Channels a request may name.
pub const CHANNELS: [&str; 1] = [INBOX];
/// The in-app inbox: every user has it.
pub const INBOX: &str = "inbox";

/// Is this member to be told of this message? Pure: the rules of notification are this function.
pub fn decide(member: &Membership, presence: &PresenceState, read_seq: u64, message: &StoredMessage) -> Decision {
    if message.author == member.user {
        Decision::Author
    } else if message.seq <= member.joined_seq {
        Decision::JoinedLater
    } else if message.seq <= read_seq {
        Decision::Read
    } else if presence.devices.iter().any(|device| device.focused != Some(false)) {
        Decision::Present
    } else {
        Decision::Notify
    }
}

fn message_job(
    record: &RoomRecord,
    message: &StoredMessage,
    author: &str,
    count: u64,
    user: UserId,
    now: Timestamp,
) -> Job {
    let title = match (record.kind, &record.name) {
        (RoomType::Direct, _) | (_, None) => author.to_owned(),
        (_, Some(room)) => format!("{author} in {room}"),
    };
    let more = if count > 1 { format!(" (+{} more)", count - 1) } else { String::new() };
    Job {
        id: NotificationId::for_message(message.id()),
        user,
        title,
        body: preview(message) + &more,
        data: Some(serde_json::json!({ "roomId": record.id, "messageId": message.id(), "seq": message.seq })),
        category: Some("message".into()),
        channels: None,
        collapse_key: Some(format!("room:{}", record.id)),
        expires_at: None,
        created_at: now,
        message: Some(message.id()),
        request_hash: None,
    }
}

/// The inbox item of a job.
pub fn inbox_item(job: &Job) -> InboxItem {
    InboxItem {
        id: job.id,
        title: job.title.clone(),
        body: job.body.clone(),
        data: job.data.clone(),
        category: job.category.clone(),
        room: job.message.map(|message: MessageId| message.room),
        created_at: job.created_at,
        read_at: None,
    }
}

fn to_state(state: JobState) -> NotifyState {
    let channel = |a: Attempt| ChannelState { channel: a.channel, state: a.state, detail: a.detail, at: a.at };
    NotifyState { user_id: state.user, done: state.done, channels: state.attempts.into_iter().map(channel).collect() }
}

/// An inbox item as clients see it.
pub fn to_notification(item: InboxItem) -> Notification {
    Notification {
        id: item.id,
        title: item.title,
        body: item.body,
        data: item.data,
        category: item.category,
        room_id: item.room,
        created_at: item.created_at,
        read_at: item.read_at,
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        InstanceId,
        protocol::{MessageType, Role},
    };
    use store::{Device, SocketKind};

    use super::*;

    fn device(focused: Option<bool>) -> Device {
        let since = Timestamp::from_millis(0);
        Device { instance: InstanceId::new(), connection: 1, kind: SocketKind::Chat, focused, since }
    }

    #[test]
    fn who_is_told_of_a_message() {
        let (me, other) = (UserId::new(), UserId::new());
        let message = |seq, author| StoredMessage {
            room: RoomId::direct(me, other),
            seq,
            author,
            kind: MessageType::Text,
            content: "hi".into(),
            at: Timestamp::from_millis(0),
            client_message_id: None,
            reply_to: None,
            replies: 0,
            mentions: store::Mentions::default(),
            reactions: Vec::new(),
            edited_at: None,
            deleted_at: None,
        };
        let at = Timestamp::from_millis(0);
        let member = Membership { user: me, role: Role::Member, joined_seq: 2, joined_rev: 1, joined_at: at };
        let with = |devices| PresenceState { devices, ..PresenceState::default() };
        let cases = [
            (message(5, other), vec![], 0, Decision::Notify, "away, unread"),
            (message(5, other), vec![device(Some(false))], 0, Decision::Notify, "an idle desktop does not eat it"),
            (message(5, other), vec![device(Some(false)), device(None)], 0, Decision::Present, "a phone is open"),
            (message(5, other), vec![device(Some(true))], 0, Decision::Present, "looking"),
            (message(5, other), vec![], 5, Decision::Read, "read meanwhile"),
            (message(5, other), vec![], 4, Decision::Notify, "read up to the one before"),
            (message(2, other), vec![], 0, Decision::JoinedLater, "from before they joined"),
            (message(5, me), vec![], 0, Decision::Author, "their own"),
        ];
        for (message, devices, read, expected, why) in cases {
            assert_eq!(decide(&member, &with(devices), read, &message), expected, "{why}");
        }
    }
}
