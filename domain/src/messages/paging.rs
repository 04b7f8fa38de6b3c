//! History by offset, and how far its messages have come: for clients that know neither `seq` nor marks.

use shared::{
    RoomId, UserId,
    protocol::{Message, RoomType, command::SendMessage},
};
use store::{Marks, PageFrom, PageRequest};

use super::{DEFAULT_PAGE, MAX_PAGE, Messages};
use crate::{
    DomainError, Result, Viewer,
    pages::{PAGE_BYTES, page_limit},
    rooms::Access,
};

/// A message, and how far it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracked {
    pub message: Message,
    /// The other one, in a direct room; `None` also where their account is gone.
    pub recipient: Option<UserId>,
    pub direct: bool,
    /// Of a message of another: the viewer has got it. Of one's own: all other members have, as far as that is known: in
    /// a direct room, and in one of at most `chat.receiptMembers`.
    pub delivered: bool,
    /// The same of reading it.
    pub read: bool,
}

/// Messages newest first, after `offset` newer ones.
#[derive(Debug, PartialEq)]
pub struct OffsetPage {
    pub items: Vec<Tracked>,
    pub limit: usize,
    pub offset: u64,
    /// All that the viewer may see, deleted ones too: they keep their place.
    pub total: u64,
}

impl Messages {
    /// A page of the conversation that is named by a room's id or, where it is a direct one, by the other user's; none
    /// with a user to whom nobody has written is empty. Numbers are dense, so a page is found by arithmetic: O(page),
    /// however long the history and however far the offset. The page is whole, whatever its messages weigh: who pages by
    /// offset goes on by `limit`. `limit` is 1 to 200, default 50.
    pub async fn history_from(
        &self,
        viewer: &Viewer,
        conversation: &str,
        offset: u64,
        limit: Option<usize>,
    ) -> Result<OffsetPage> {
        let limit = page_limit(limit, DEFAULT_PAGE, MAX_PAGE)?;
        let Some(access) = self.conversation(viewer, conversation).await? else {
            return Ok(OffsetPage { items: Vec::new(), limit, offset, total: 0 });
        };
        let visible_after = access.visible_after();
        let total = access.head.seq.saturating_sub(visible_after);
        // Nothing is read where nothing can be: not even a room that retention has emptied.
        let mut before = access.head.seq.saturating_sub(offset) + 1;
        let mut found = Vec::new();
        while found.len() < limit && before > visible_after + 1 {
            let from = PageFrom::Before(before);
            let page = PageRequest { from, limit: limit - found.len(), visible_after, max_bytes: PAGE_BYTES };
            let page = self.store.log.history(access.record.id, page).await?;
            let Some(oldest) = page.items.last() else { break };
            before = oldest.seq;
            found.extend(page.items);
        }
        let items = self.track(viewer, &access, self.show(viewer, found).await?).await?;
        Ok(OffsetPage { items, limit, offset, total })
    }

    /// [`post`](Self::post), and how far the message has come: a repeat may find it read.
    pub async fn post_tracked(&self, viewer: &Viewer, input: SendMessage) -> Result<Tracked> {
        let recipient = input.recipient_id;
        let message = self.post(viewer, input).await?;
        let tracked = async {
            let access = self.rooms.access(viewer.user, message.room_id).await?;
            self.track(viewer, &access, vec![message.clone()]).await
        };
        // It is stored: a failure now would have it sent twice.
        let tracked = tracked.await.map_err(|e| e.log()).ok().and_then(|mut one| one.pop());
        let unknown = || Tracked { message, recipient, direct: recipient.is_some(), delivered: false, read: false };
        Ok(tracked.unwrap_or_else(unknown))
    }

    /// `None`: with a user to whom nobody has written.
    async fn conversation(&self, viewer: &Viewer, id: &str) -> Result<Option<Access>> {
        let room: RoomId = id.parse().map_err(|_| DomainError::RoomNotFound)?;
        match self.rooms.access(viewer.user, room).await {
            Err(DomainError::RoomNotFound) => {}
            found => return found.map(Some),
        }
        let other: UserId = id.parse().map_err(|_| DomainError::RoomNotFound)?;
        match self.rooms.access(viewer.user, RoomId::direct(viewer.user, other)).await {
            Err(DomainError::RoomNotFound) => match self.names.card(other).await? {
                Some(_) => Ok(None),
                None => Err(DomainError::RoomNotFound),
            },
            found => found.map(Some),
        }
    }

    /// One or two reads, of at most `chat.receiptMembers` members.
    async fn track(&self, viewer: &Viewer, access: &Access, messages: Vec<Message>) -> Result<Vec<Tracked>> {
        let (room, direct) = (access.record.id, access.record.kind == RoomType::Direct);
        let known = direct || access.head.members <= self.small;
        let mut users = vec![viewer.user];
        if known {
            let members = self.store.rooms.members(room, 0, self.small.max(2) as usize).await?;
            users.extend(members.into_iter().map(|member| member.user).filter(|user| *user != viewer.user));
        }
        let marks = self.store.log.marks(room, &users).await?;
        let Some((own, others)) = marks.split_first() else { return Ok(Vec::new()) };
        // What all others have got and read.
        let all = others
            .iter()
            .copied()
            .reduce(|a, b| Marks { delivered: a.delivered.min(b.delivered), read: a.read.min(b.read) });
        let all = all.unwrap_or_default();
        let other = users.get(1).copied();
        let tracked = |message: Message| {
            let (recipient, marks) = match message.user_id == viewer.user {
                true => (other, &all),
                false => (Some(viewer.user), own),
            };
            Tracked {
                recipient: recipient.filter(|_| direct),
                direct,
                delivered: message.seq <= marks.delivered,
                read: message.seq <= marks.read,
                message,
            }
        };
        Ok(messages.into_iter().map(tracked).collect())
    }
}
