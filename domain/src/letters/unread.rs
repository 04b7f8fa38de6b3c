//! The e-mail about a room: what came there while somebody was away, in one mail and not one for each message. A message's
//! notification puts its messages into the mail that waits ([`Letters::gather`]); what is in it, and to be told still, is
//! decided when it is written.

use std::time::Duration;

use shared::{MessageId, NotificationId, RoomId, Timestamp, UserId};
use store::{Gathered, Job, Letter, Marks, PageFrom, PageRequest, StoredMessage};

use super::{Letters, Written, texts};
use crate::{
    Result,
    messages::preview,
    names::DELETED_USER,
    notifications::{Decision, Exceptions, Recipient, decide},
    pages::PAGE_BYTES,
};

/// Messages that a mail shows; of more it says how many.
const SHOWN: usize = 20;
/// Messages of a mail that are looked at one by one; later ones count as told.
const LOOKED_AT: usize = 200;

/// What became of messages that are to be mailed.
pub enum Gathering {
    /// They are in this mail.
    Into(NotificationId),
    /// They are in none.
    Nothing(&'static str),
}

impl Letters {
    /// Puts what a message's job tells of into the mail about its room that waits for its user, or begins one. One read,
    /// one write.
    pub async fn gather(&self, job: &Job, message: MessageId) -> Result<Gathering> {
        if let Err(why) = self.verified(job.user).await? {
            return Ok(Gathering::Nothing(why));
        }
        let due = Timestamp::now().after(Duration::from_secs(self.batch_seconds));
        let id = NotificationId::for_mail(message);
        let letter = Letter::Unread { room: message.room };
        let mail = Job { id, ..super::job(job.user, letter, None) };
        let came = Gathered { after: job.after, upto: message.seq };
        Ok(Gathering::Into(self.store.mails.gather(&mail, message.room, came, due).await?))
    }

    /// As it stands now: what was read or deleted meanwhile is left out, and all of it where they have muted the room, or
    /// are there. Seals the mail; then four reads at once, one, two, and one for authors who are not cached.
    pub(super) async fn write_unread(&self, job: &Job, room: RoomId) -> Result<Written> {
        let user = job.user;
        let to = match self.verified(user).await? {
            Ok((_, to)) => to,
            Err(why) => return Ok(Written::Nothing(why)),
        };
        let Some(came) = self.store.mails.seal(job.id, user, room).await? else {
            return Ok(Written::Nothing("nothing was gathered for it"));
        };
        let users = [user];
        let (membership, marks, presence, found) = tokio::try_join!(
            self.store.rooms.membership(room, user),
            self.store.log.marks(room, &users),
            self.store.presence.presence(&users),
            self.store.rooms.room(room),
        )?;
        let (Some(membership), Some((found, _))) = (membership, found) else {
            return Ok(Written::Nothing("no longer a member of the room"));
        };
        let read_seq = marks.first().map_or(0, |marks: &Marks| marks.read);
        let after = came.after.max(read_seq).max(membership.joined_seq);
        let limit = usize::try_from(came.upto.saturating_sub(after)).unwrap_or(LOOKED_AT).min(LOOKED_AT);
        if limit == 0 {
            return Ok(Written::Nothing("read meanwhile"));
        }
        let page = PageRequest { from: PageFrom::After(after), limit, visible_after: 0, max_bytes: PAGE_BYTES };
        let messages = self.store.log.history(room, page).await?.items;
        let beyond = messages.last().map_or(0, |last| came.upto.saturating_sub(last.seq));
        let there: Vec<StoredMessage> =
            messages.into_iter().filter(|m| m.seq <= came.upto && m.deleted_at.is_none()).collect();
        let authors: Vec<UserId> = there.iter().map(|message| message.author).collect();
        let exceptions = Exceptions::read(&self.store, room, users.to_vec(), &authors).await?;
        let presence = presence.into_iter().next().unwrap_or_default();
        let recipient = Recipient { membership: &membership, presence: &presence, read_seq, exceptions: &exceptions };
        let decide = |message: &StoredMessage| decide(recipient, message);
        let told: Vec<&StoredMessage> = there.iter().filter(|m| decide(m) == Decision::Notify).collect();
        if told.is_empty() {
            let why = there.iter().rev().find_map(|message| decide(message).suppressed());
            return Ok(Written::Nothing(why.unwrap_or("the messages were deleted")));
        }
        let shown = &told[..told.len().min(SHOWN)];
        let authors: Vec<UserId> = shown.iter().map(|message| message.author).collect();
        let cards = self.names.cards_of(authors).await?;
        let name = |message: &StoredMessage| {
            cards.get(&message.author).map_or(DELETED_USER, |card| card.display_name.as_str()).to_owned()
        };
        let lines: Vec<_> = shown.iter().map(|message| (name(message), preview(message))).collect();
        let all = told.len() as u64 + beyond;
        let page = texts::unread(found.name.as_deref(), &lines, all);
        let link = self.unsubscribe_link(user).await?;
        let mail = page.with_unsubscribe(link).to(to);
        Ok(Written::Mail(super::Mail { thread: Some(format!("{room}.{user}")), ..mail }))
    }
}
