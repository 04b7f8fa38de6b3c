//! Who is told of a room's new messages, and who not any more.

use std::collections::{HashMap, HashSet};

use shared::{NotificationId, RoomId, Timestamp, UserId};
use store::{
    DueRoom, Job, Marks, Membership, Outcome, PageFrom, PageRequest, PresenceState, RoomLevel, Store, StoredMessage,
    UserRecord,
};

use super::Notifications;
use crate::{Result, pages::PAGE_BYTES, presence::is_looking};

/// Members decided on at once.
const MEMBER_PAGE: usize = 200;
/// Messages of a room considered at once.
const MESSAGE_PAGE: usize = 200;

/// Members a room has at most where it is kept who was not notified because they are online. It is a write for each of
/// them and page of messages, for an author who may never ask; whom something was queued for is known without it.
const SUPPRESSED_KEPT_UP_TO: u64 = 32;

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
    /// They have blocked its author.
    Blocked,
    /// They have muted the room.
    Muted,
    /// They want to hear of mentions only, and it is none.
    NotMentioned,
}

/// What keeps members from being told who are otherwise. Read for those alone.
#[derive(Default)]
pub struct Exceptions {
    /// (who, whom) of blocks; those of others do not matter.
    pub blocks: HashSet<(UserId, UserId)>,
    /// Who has set something for the room.
    pub levels: HashMap<UserId, RoomLevel>,
}

/// A member for whom it is decided.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    pub membership: &'a Membership,
    pub presence: &'a PresenceState,
    pub read_seq: u64,
    pub exceptions: &'a Exceptions,
}

/// Messages of a room that are considered together.
struct Considered {
    room: RoomId,
    /// In order, without deleted ones: those after `after`, up to `upto`.
    messages: Vec<StoredMessage>,
    after: u64,
    upto: u64,
    /// Is it kept who was not notified?
    small: bool,
}

impl Notifications {
    /// Considers a room's new messages: one job for each member who is to be told, about the newest message they have
    /// not seen. Doing it twice queues nothing twice.
    ///
    /// Costs a read for each page of the members, and one more of presence where some of them have not read all, with a
    /// key for each who has not; two reads of exceptions and a write where one of them is told; and a write for the room
    /// with what became of its last members. That is for all that was said within `notification.delay_ms`: the messages
    /// themselves cost their room's place in the queue, whatever the number of members. So where 1,000 members are
    /// online and read along, six reads every two seconds; while none of them reads, five more, of 999 keys. No job.
    pub async fn consider(&self, due: &DueRoom) -> Result<usize> {
        let from = PageFrom::After(due.notified_seq);
        let page = PageRequest { from, limit: MESSAGE_PAGE, visible_after: 0, max_bytes: PAGE_BYTES };
        let Some(brief) = self.store.notify_queue.brief(due.room, Some(page), 0, MEMBER_PAGE).await? else {
            self.store.notify_queue.conclude(due.room, due.head_seq, &[]).await?;
            return Ok(0);
        };
        let upto = brief.messages.last().map_or(due.head_seq, |last| last.seq);
        let considered = Considered {
            room: due.room,
            messages: brief.messages.into_iter().filter(|m| m.deleted_at.is_none()).collect(),
            after: due.notified_seq,
            upto,
            small: brief.member_count <= SUPPRESSED_KEPT_UP_TO,
        };
        let (mut queued, mut members, mut outcomes) = (0, brief.members, Vec::new());
        while !considered.messages.is_empty() {
            let jobs;
            (jobs, outcomes) = self.decide_page(&considered, &members).await?;
            queued += jobs.len();
            if !jobs.is_empty() {
                self.store.outbox.enqueue(&jobs).await?;
            }
            let after = match members.last() {
                Some((last, _)) if members.len() == MEMBER_PAGE => last.joined_rev,
                _ => break,
            };
            if !outcomes.is_empty() {
                self.store.notify_queue.put_outcomes(due.room, &outcomes).await?;
            }
            let next = self.store.notify_queue.brief(due.room, None, after, MEMBER_PAGE).await?;
            members = next.map(|brief| brief.members).unwrap_or_default();
        }
        self.store.notify_queue.conclude(due.room, upto, &outcomes).await?;
        Ok(queued)
    }

    /// Why a job is not to be delivered any more: what happened to its recipient, to its message, or to their part in the
    /// room, since it was queued. Costs four reads at once, then two; one for a job that is not of a message.
    pub async fn cancelled(&self, job: &Job) -> Result<Option<&'static str>> {
        let away = |account: Option<UserRecord>| match account {
            None => Some("the account is gone"),
            Some(account) => account.banned_at.map(|_| BANNED),
        };
        if job.letter.is_some() {
            // Whose account it is about is found when it is written.
            return Ok(None);
        }
        let Some(id) = job.message else {
            return Ok(away(self.store.users.user(job.user).await?));
        };
        let (account, message, membership, read) = tokio::try_join!(
            self.store.users.user(job.user),
            self.store.log.message(id),
            self.store.rooms.membership(id.room, job.user),
            self.store.log.marks(id.room, std::slice::from_ref(&job.user)),
        )?;
        if let Some(why) = away(account) {
            return Ok(Some(why));
        }
        Ok(match (message, membership) {
            (None, _) => Some("the message is gone"),
            (Some(message), _) if message.deleted_at.is_some() => Some("the message was deleted"),
            (_, None) => Some("no longer a member of the room"),
            _ if read.first().is_some_and(|marks| marks.read >= id.seq) => Some("read meanwhile"),
            (Some(message), _) => {
                let exceptions = Exceptions::read(&self.store, id.room, vec![job.user], &[message.author]).await?;
                exceptions.keep_from(job.user, &message).and_then(Decision::suppressed)
            }
        })
    }

    /// Decides for these members; gives the jobs and, for whoever asks what became of a message, what cannot be known
    /// from the jobs: that a job stands for more messages than its own, and in a small room who was online or has blocked
    /// the author. Who has read a message is known by their mark.
    async fn decide_page(
        &self,
        considered: &Considered,
        members: &[(Membership, Marks)],
    ) -> Result<(Vec<Job>, Vec<(UserId, Outcome)>)> {
        let presence = self.presence_of_unread(considered, members).await?;
        let exceptions = self.exceptions(considered, members, &presence).await?;
        let at = Timestamp::now();
        let (mut tell, mut outcomes) = (Vec::new(), Vec::new());
        for recipient in recipients(members, &presence, &exceptions) {
            let (member, read) = (recipient.membership, recipient.read_seq);
            let decisions = || considered.messages.iter().rev().map(|m| (m, decide(recipient, m)));
            let mut told =
                decisions().filter(|(_, decision)| *decision == Decision::Notify).map(|(message, _)| message);
            // What they have read, and what was before them, was not decided on.
            let after = considered.after.max(read).max(member.joined_seq);
            if let Some(message) = told.next() {
                // Counted from the read mark, not from what this page holds: the notification takes the place of
                // earlier ones, and stands for all of them. Messages deleted before, and those of who is blocked, are
                // counted too.
                let count = message.seq - member.joined_seq.max(read);
                if told.next().is_some() {
                    let notification = Some(NotificationId::for_message(message.id()));
                    outcomes.push((member.user, Outcome { after, seq: message.seq, at, notification, reason: None }));
                }
                tell.push((member.user, message, after, count));
            } else if considered.small
                && let Some(reason) = decisions().find_map(|(_, decision)| decision.suppressed())
            {
                let reason = Some(reason.into());
                outcomes.push((member.user, Outcome { after, seq: considered.upto, at, notification: None, reason }));
            }
        }
        let jobs = tell.iter().map(|told| message_job(*told, at)).collect();
        Ok((jobs, outcomes))
    }

    /// How the members stand who have not read all, in order. Of the others it does not matter, and nobody asks.
    async fn presence_of_unread(
        &self,
        considered: &Considered,
        members: &[(Membership, Marks)],
    ) -> Result<Vec<PresenceState>> {
        let (none, away) = (Exceptions::default(), vec![PresenceState::default(); members.len()]);
        let unread = |recipient: &Recipient| {
            considered.messages.iter().rev().any(|message| decide(*recipient, message) == Decision::Notify)
        };
        let asked: Vec<UserId> =
            recipients(members, &away, &none).filter(unread).map(|recipient| recipient.membership.user).collect();
        if asked.is_empty() {
            return Ok(away);
        }
        let states = self.store.presence.presence(&asked).await?;
        let mut states: HashMap<UserId, PresenceState> = asked.into_iter().zip(states).collect();
        Ok(members.iter().map(|(member, _)| states.remove(&member.user).unwrap_or_default()).collect())
    }

    /// What keeps those from being told who would be.
    async fn exceptions(
        &self,
        considered: &Considered,
        members: &[(Membership, Marks)],
        presence: &[PresenceState],
    ) -> Result<Exceptions> {
        let none = Exceptions::default();
        let (mut told, mut authors) = (HashSet::new(), HashSet::new());
        for recipient in recipients(members, presence, &none) {
            for message in &considered.messages {
                if decide(recipient, message) == Decision::Notify {
                    told.insert(recipient.membership.user);
                    authors.insert(message.author);
                }
            }
        }
        let (told, authors): (Vec<UserId>, Vec<UserId>) = (told.into_iter().collect(), authors.into_iter().collect());
        if told.is_empty() { Ok(none) } else { Exceptions::read(&self.store, considered.room, told, &authors).await }
    }
}

impl Exceptions {
    /// What keeps these users from being told of what these authors say in a room. Two reads at once.
    pub async fn read(store: &Store, room: RoomId, users: Vec<UserId>, authors: &[UserId]) -> Result<Self> {
        let (blocks, levels) = tokio::try_join!(
            store.people.blocks_among(&users, authors),
            store.notify_preferences.room_levels(room, &users),
        )?;
        let levels = users.into_iter().zip(levels).filter(|(_, level)| *level != RoomLevel::All).collect();
        Ok(Self { blocks: blocks.into_iter().collect(), levels })
    }

    /// Why the user is not told of the message, though nothing else speaks against it.
    fn keep_from(&self, user: UserId, message: &StoredMessage) -> Option<Decision> {
        let mentioned = message.mentions.all || message.mentions.users.contains(&user);
        match self.levels.get(&user).copied().unwrap_or_default() {
            _ if self.blocks.contains(&(user, message.author)) => Some(Decision::Blocked),
            RoomLevel::Muted => Some(Decision::Muted),
            RoomLevel::Mentions if !mentioned => Some(Decision::NotMentioned),
            RoomLevel::Mentions | RoomLevel::All => None,
        }
    }
}

fn recipients<'a>(
    members: &'a [(Membership, Marks)],
    presence: &'a [PresenceState],
    exceptions: &'a Exceptions,
) -> impl Iterator<Item = Recipient<'a>> {
    let recipient = move |((membership, marks), presence): (&'a (Membership, Marks), &'a PresenceState)| Recipient {
        membership,
        presence,
        read_seq: marks.read,
        exceptions,
    };
    members.iter().zip(presence).map(recipient)
}

/// Reasons that are the recipient's own affair: they tell where somebody is, and whom and what they do not want to hear.
pub const PRIVATE: [&str; 5] = [ONLINE, BLOCKED, MUTED, MENTIONS_ONLY, BANNED];
const ONLINE: &str = "online";
const BLOCKED: &str = "blocked";
const BANNED: &str = "the account is banned";
const MUTED: &str = "muted";
const MENTIONS_ONLY: &str = "mentions only";

impl Decision {
    /// Why nothing was queued for a member who has not read the message.
    pub const fn suppressed(self) -> Option<&'static str> {
        match self {
            Self::Present => Some(ONLINE),
            Self::Blocked => Some(BLOCKED),
            Self::Muted => Some(MUTED),
            Self::NotMentioned => Some(MENTIONS_ONLY),
            Self::Notify | Self::Author | Self::JoinedLater | Self::Read => None,
        }
    }
}

/// Is this member to be told of this message? Pure: the rules of notification are this function.
pub fn decide(recipient: Recipient, message: &StoredMessage) -> Decision {
    let Recipient { membership: member, presence, read_seq, exceptions } = recipient;
    if message.author == member.user {
        Decision::Author
    } else if message.seq <= member.joined_seq {
        Decision::JoinedLater
    } else if message.seq <= read_seq {
        Decision::Read
    } else if is_looking(&presence.devices) {
        Decision::Present
    } else {
        exceptions.keep_from(member.user, message).unwrap_or(Decision::Notify)
    }
}

/// Tells a user of this message, of those after `after` before it, and of how many it stands for. What it says is the
/// message's, when it is shown.
fn message_job((user, message, after, count): (UserId, &StoredMessage, u64, u64), now: Timestamp) -> Job {
    let room = message.room;
    Job {
        id: NotificationId::for_message(message.id()),
        user,
        title: String::new(),
        body: String::new(),
        data: Some(
            serde_json::json!({ "roomId": room, "messageId": message.id(), "seq": message.seq, "count": count }),
        ),
        category: Some("message".into()),
        channels: None,
        collapse_key: Some(format!("room:{room}")),
        expires_at: None,
        created_at: now,
        message: Some(message.id()),
        after,
        badge: None,
        letter: None,
        request_hash: None,
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        InstanceId, RoomId,
        protocol::{MessageType, Role, Status},
    };
    use store::{ChosenStatus, Device, Published, SocketKind};

    use super::*;

    fn device(focused: Option<bool>) -> Device {
        let since = Timestamp::from_millis(0);
        Device { instance: InstanceId::new(), connection: 1, kind: SocketKind::Chat, focused, since }
    }

    fn message(room: RoomId, seq: u64, author: UserId) -> StoredMessage {
        StoredMessage {
            room,
            seq,
            author,
            kind: MessageType::Text,
            content: "hi".into(),
            at: Timestamp::from_millis(0),
            client_message_id: None,
            reply_to: None,
            replies: 0,
            mentions: store::Mentions::default(),
            attachments: Vec::new(),
            reactions: Vec::new(),
            edited_at: None,
            deleted_at: None,
        }
    }

    /// Since the second message.
    fn member(user: UserId) -> Membership {
        Membership { user, role: Role::Member, joined_seq: 2, joined_rev: 1, joined_at: Timestamp::from_millis(0) }
    }

    #[test]
    fn who_is_told_of_a_message() {
        let (me, other, blocked) = (UserId::new(), UserId::new(), UserId::new());
        let message = |seq, author| message(RoomId::direct(me, other), seq, author);
        let member = member(me);
        let with = |devices| PresenceState { devices, ..PresenceState::default() };
        let cases = [
            (message(5, other), vec![], 0, Decision::Notify, "away, unread"),
            (message(5, other), vec![device(Some(false))], 0, Decision::Notify, "an idle desktop does not eat it"),
            (message(5, other), vec![device(None)], 0, Decision::Present, "a client that never says"),
            (
                message(5, other),
                vec![device(Some(false)), device(None)],
                0,
                Decision::Notify,
                "nor does the chat beside it",
            ),
            (message(5, other), vec![device(Some(true))], 0, Decision::Present, "looking"),
            (message(5, other), vec![device(Some(false)), device(Some(true))], 0, Decision::Present, "on the phone"),
            (message(5, other), vec![], 5, Decision::Read, "read meanwhile"),
            (message(5, other), vec![], 4, Decision::Notify, "read up to the one before"),
            (message(2, other), vec![], 0, Decision::JoinedLater, "from before they joined"),
            (message(5, me), vec![], 0, Decision::Author, "their own"),
            (message(5, blocked), vec![], 0, Decision::Blocked, "of one they block"),
            (
                message(5, blocked),
                vec![device(Some(false))],
                0,
                Decision::Blocked,
                "whatever else would let it through",
            ),
            (message(5, blocked), vec![device(None)], 0, Decision::Present, "blocks are asked for the absent alone"),
            (message(5, blocked), vec![], 5, Decision::Read, "read, also of one they block"),
        ];
        let cases = cases.map(|(message, devices, read, expected, why)| (message, devices, read, None, expected, why));
        let naming = |users: &[UserId], all| StoredMessage {
            mentions: store::Mentions { users: users.to_vec(), all },
            ..message(5, other)
        };
        let (muted, mentions) = (Some(RoomLevel::Muted), Some(RoomLevel::Mentions));
        let levels = [
            (message(5, other), vec![], 0, muted, Decision::Muted, "a muted room"),
            (naming(&[me], true), vec![], 0, muted, Decision::Muted, "a muted room, also where it names them"),
            (message(5, other), vec![], 0, mentions, Decision::NotMentioned, "mentions only, and it is none"),
            (naming(&[other], false), vec![], 0, mentions, Decision::NotMentioned, "it names another"),
            (naming(&[other, me], false), vec![], 0, mentions, Decision::Notify, "it names them"),
            (naming(&[], true), vec![], 0, mentions, Decision::Notify, "it names everybody"),
            (message(5, blocked), vec![], 0, mentions, Decision::Blocked, "blocked before all"),
            (naming(&[me], false), vec![device(None)], 0, muted, Decision::Present, "they are there"),
        ];
        for (message, devices, read, level, expected, why) in cases.into_iter().chain(levels) {
            let exceptions = Exceptions {
                blocks: HashSet::from([(me, blocked), (other, me), (blocked, me)]),
                levels: level.map(|level| (me, level)).into_iter().collect(),
            };
            let presence = with(devices);
            let recipient =
                Recipient { membership: &member, presence: &presence, read_seq: read, exceptions: &exceptions };
            assert_eq!(decide(recipient, &message), expected, "{why}");
        }
    }

    #[test]
    fn what_others_are_shown_of_them_does_not_matter() {
        let (me, other) = (UserId::new(), UserId::new());
        let (member, message) = (member(me), message(RoomId::direct(me, other), 5, other));
        let (exceptions, published) = (Exceptions::default(), Published { status: Status::Online, text: None });
        let lid = PresenceState { left: Some(Timestamp::now()), published, ..PresenceState::default() };
        let devices = vec![device(Some(true))];
        let hidden = PresenceState { chosen: ChosenStatus::Invisible, devices, ..PresenceState::default() };
        let cases = [
            (&lid, Decision::Notify, "the lid was closed a second ago, and they are still shown as online"),
            (&hidden, Decision::Present, "they are there, and shown as offline"),
        ];
        for (presence, expected, why) in cases {
            let recipient = Recipient { membership: &member, presence, read_seq: 0, exceptions: &exceptions };
            assert_eq!(decide(recipient, &message), expected, "{why}");
        }
    }
}
