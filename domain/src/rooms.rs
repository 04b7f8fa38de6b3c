//! Rooms and membership: who may see, join and leave what.

mod standing;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{
        HistoryVisibility, Member, Message, Position, Role, Room, RoomType,
        command::{CreateRoom, JoinRoom, Sync},
    },
    settings::Limits,
};
pub use standing::Standing;
use store::{Actor, Head, Membership, PageFrom, PageRequest, RoomRecord, RoomView, Store};
use utoipa::ToSchema;

use crate::{
    DomainError, Names, Result, Viewer,
    messages::to_message,
    validate::{Check, page_limit},
};

/// What `ROOM_JOINED` shows.
const SNAPSHOT_MESSAGES: usize = 100;
const SNAPSHOT_MEMBERS: usize = 200;
/// Bytes of contents in a snapshot or page.
pub(crate) const PAGE_BYTES: usize = 200 * 1024;
/// Rooms and members a page gives at most.
const MAX_PAGE: usize = 200;
/// Reads under way at once for one call.
const CONCURRENT_READS: usize = 32;

/// A room, current to `position`, as shown to who just joined it. `messages` newest first.
#[derive(Debug, Clone)]
pub struct RoomSnapshot {
    pub room: Room,
    pub position: Position,
    pub messages: Vec<Message>,
    pub users: Vec<Member>,
    pub member_count: u64,
}

/// One page of members, in order of joining.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberPage {
    pub items: Vec<Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One page of rooms.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomPage {
    pub items: Vec<Room>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One page of what `SYNC` shows.
#[derive(Debug)]
pub struct SyncPage {
    /// Where the user's own log stood; whatever is in it later is to be told.
    pub user: Position,
    /// In order of id, each current to its own position.
    pub rooms: Vec<Room>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomUnread {
    pub room_id: RoomId,
    pub unread: u64,
    pub mentions: u64,
}

/// Rooms with something unread.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unread {
    pub total: u64,
    pub rooms: Vec<RoomUnread>,
}

/// A room a viewer was found to be a member of.
pub(crate) struct Access {
    pub record: RoomRecord,
    pub head: Head,
    pub membership: Membership,
}

impl Access {
    /// Messages up to this `seq` are hidden from the member.
    pub fn visible_after(&self) -> u64 {
        match self.record.history_visibility {
            HistoryVisibility::All => 0,
            HistoryVisibility::Joined => self.membership.joined_seq,
        }
    }
}

pub struct Rooms {
    store: Store,
    limits: Limits,
    names: Arc<Names>,
}

impl Rooms {
    pub(crate) fn new(store: Store, limits: Limits, names: Arc<Names>) -> Self {
        Self { store, limits, names }
    }

    /// Makes a public or private room, the viewer its owner.
    pub async fn create(&self, viewer: &Viewer, input: CreateRoom) -> Result<Room> {
        let mut check = Check::default();
        check.line("name", &input.name, 1, 80).optional_text("description", input.description.as_deref(), 500);
        check.that(input.kind != RoomType::Direct, "type", "open a direct room by PUT /api/direct/{userId}");
        if let Some(handle) = &input.handle {
            check.name("handle", handle);
            check.that(input.kind == RoomType::Public, "handle", "only a public room may have one");
        }
        check.done()?;
        self.check_room_count(viewer.user).await?;
        let visibility = input.history_visibility.unwrap_or(match input.kind {
            RoomType::Public => HistoryVisibility::All,
            RoomType::Private | RoomType::Direct => HistoryVisibility::Joined,
        });
        let room = RoomRecord {
            id: RoomId::new(),
            handle: input.handle,
            name: Some(input.name),
            description: input.description.filter(|d| !d.is_empty()),
            kind: input.kind,
            created_by: viewer.user,
            created_at: Timestamp::now(),
            history_visibility: visibility,
            retention: input.retention,
        };
        self.store.rooms.create_room(&room, &[actor(viewer)]).await?;
        self.view(viewer, room.id).await
    }

    /// The direct room of the viewer and another user, made if it is not there.
    pub async fn open_direct(&self, viewer: &Viewer, other: UserId) -> Result<RoomId> {
        if other == viewer.user {
            return Err(DomainError::invalid("userId", "a direct room needs another user"));
        }
        let id = RoomId::direct(viewer.user, other);
        if self.store.rooms.membership(id, viewer.user).await?.is_some() {
            return Ok(id);
        }
        let card = self.names.require(other).await?;
        if viewer.guest && !self.store.users.contacts(other).await?.contains(&viewer.user) {
            return Err(DomainError::Forbidden("guests may write to people who have them in their contacts only"));
        }
        self.check_room_count(viewer.user).await?;
        let room = RoomRecord {
            id,
            handle: None,
            name: None,
            description: None,
            kind: RoomType::Direct,
            created_by: viewer.user,
            created_at: Timestamp::now(),
            history_visibility: HistoryVisibility::All,
            retention: None,
        };
        let other = Actor { id: other, username: card.username.clone() };
        self.store.rooms.create_room(&room, &[actor(viewer), other]).await?;
        Ok(id)
    }

    async fn check_room_count(&self, user: UserId) -> Result<()> {
        if self.store.rooms.rooms_of(user).await?.len() >= self.limits.rooms_per_user {
            return Err(DomainError::RoomFull("you are in as many rooms as you may be"));
        }
        Ok(())
    }

    /// The room a command names.
    pub async fn resolve(&self, target: &JoinRoom) -> Result<RoomId> {
        match (target.room_id, &target.handle) {
            (Some(id), None) => Ok(id),
            (None, Some(handle)) => {
                Check::default().name("handle", handle).done()?;
                self.store.rooms.room_id_by_handle(handle).await?.ok_or(DomainError::RoomNotFound)
            }
            _ => Err(DomainError::invalid("roomId", "give either roomId or handle")),
        }
    }

    /// Joins a public room. Others need an invitation, and do not exist for who has none.
    pub async fn join(&self, viewer: &Viewer, room: RoomId) -> Result<Position> {
        let (record, _) = self.store.rooms.room(room).await?.ok_or(DomainError::RoomNotFound)?;
        if record.kind != RoomType::Public {
            return Err(match self.store.rooms.membership(room, viewer.user).await? {
                Some(_) => DomainError::AlreadyAMember,
                None => DomainError::RoomNotFound,
            });
        }
        self.check_room_count(viewer.user).await?;
        let joined = self.store.rooms.join(room, &actor(viewer), Role::Member, self.limits.room_members).await?;
        Ok(joined.position)
    }

    /// Leaves a room; a direct room cannot be left.
    pub async fn leave(&self, viewer: &Viewer, room: RoomId) -> Result<()> {
        let access = self.access(viewer.user, room).await?;
        if access.record.kind == RoomType::Direct {
            return Err(DomainError::Forbidden("a direct room cannot be left"));
        }
        self.store.rooms.leave(room, &actor(viewer)).await?;
        Ok(())
    }

    /// Is `user` a member? Who is not learns of public rooms only that they are no member, of others nothing.
    pub(crate) async fn access(&self, user: UserId, room: RoomId) -> Result<Access> {
        let (record, head) = self.store.rooms.room(room).await?.ok_or(DomainError::RoomNotFound)?;
        match self.store.rooms.membership(room, user).await? {
            Some(membership) => Ok(Access { record, head, membership }),
            None => Err(hidden(record.kind)),
        }
    }

    /// The error a non-member gets for this room, when the store has said only that they are none.
    pub(crate) async fn hide(&self, room: RoomId, error: DomainError) -> DomainError {
        match error {
            DomainError::NotAMember => match self.store.rooms.room(room).await {
                Ok(Some((record, _))) => hidden(record.kind),
                Ok(None) => DomainError::RoomNotFound,
                Err(e) => e.into(),
            },
            other => other,
        }
    }

    /// A room as its member sees it; a public room as anyone does.
    pub async fn view(&self, viewer: &Viewer, room: RoomId) -> Result<Room> {
        if let Some(view) = self.store.rooms.views(viewer.user, &[room]).await?.pop().flatten() {
            return self.to_rooms(vec![view]).await?.pop().ok_or(DomainError::RoomNotFound);
        }
        match self.store.rooms.room(room).await? {
            Some((record, head)) if record.kind == RoomType::Public => Ok(outside_view(record, head)),
            _ => Err(DomainError::RoomNotFound),
        }
    }

    /// All rooms of the viewer with unread counts and last messages, in order of id.
    pub async fn mine(&self, viewer: &Viewer) -> Result<RoomPage> {
        let ids = self.store.rooms.rooms_of(viewer.user).await?;
        let views = self.store.rooms.views(viewer.user, &ids).await?;
        Ok(RoomPage { items: self.to_rooms(views.into_iter().flatten().collect()).await?, next_cursor: None })
    }

    /// The same, a page at a time, with where the viewer's own log stood before the rooms were read.
    pub async fn sync(&self, viewer: &Viewer, input: &Sync) -> Result<SyncPage> {
        let after: Option<RoomId> = match &input.cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?),
            None => None,
        };
        let limit = page_limit(input.limit, 100, MAX_PAGE)?;
        let user = self.store.user_log.user_positions(&[viewer.user]).await?.pop().unwrap_or(Position::BEGINNING);
        let mut ids = self.store.rooms.rooms_of(viewer.user).await?;
        ids.retain(|id| after.is_none_or(|after| *id > after));
        let more = ids.len() > limit;
        ids.truncate(limit);
        let views = self.store.rooms.views(viewer.user, &ids).await?;
        let mut rooms = self.to_rooms(views.into_iter().flatten().collect()).await?;
        let mut next_cursor = ids.last().filter(|_| more).map(ToString::to_string);
        let mut bytes = 0;
        let mut fits = |room: &Room| {
            bytes += room.last_message.as_ref().map_or(0, |m| m.content.len());
            bytes <= PAGE_BYTES
        };
        let fitting = rooms.iter().take_while(|room| fits(room)).count().max(1);
        if fitting < rooms.len() {
            rooms.truncate(fitting);
            next_cursor = rooms.last().map(|room| room.id.to_string());
        }
        Ok(SyncPage { user, rooms, next_cursor })
    }

    /// Public rooms by the beginning of their name.
    pub async fn public(&self, query: &str, cursor: Option<&str>, limit: Option<usize>) -> Result<RoomPage> {
        if !query.is_empty() {
            Check::default().line("query", query, 1, 80).done()?;
        }
        let after: Option<RoomId> = match cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?),
            None => None,
        };
        let limit = page_limit(limit, 50, MAX_PAGE)?;
        let ids = self.store.rooms.public_rooms(query, after, limit).await?;
        let next_cursor = ids.last().filter(|_| ids.len() == limit).map(ToString::to_string);
        let found = self.heads(&ids).await?;
        Ok(RoomPage { items: found.into_iter().flatten().map(|(r, h)| outside_view(r, h)).collect(), next_cursor })
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(RoomRecord, Head)>>> {
        let reads = rooms.iter().map(|id| self.store.rooms.room(*id));
        Ok(stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?)
    }

    /// The ids of the viewer's rooms.
    pub async fn joined(&self, user: UserId) -> Result<Vec<RoomId>> {
        Ok(self.store.rooms.rooms_of(user).await?)
    }

    /// Where each room's log stands; `None`: no such room.
    pub async fn positions(&self, rooms: &[RoomId]) -> Result<Vec<Option<Position>>> {
        Ok(self.store.rooms.positions(rooms).await?)
    }

    /// Everything `ROOM_JOINED` shows. The messages are those of exactly its position.
    pub async fn snapshot(&self, viewer: &Viewer, room: RoomId) -> Result<RoomSnapshot> {
        let access = self.access(viewer.user, room).await?;
        let page = PageRequest {
            from: PageFrom::Newest,
            limit: SNAPSHOT_MESSAGES,
            visible_after: access.visible_after(),
            max_bytes: PAGE_BYTES,
        };
        let page = self.store.log.history(room, page).await?;
        let members = self.members_after(room, 0, SNAPSHOT_MEMBERS).await?;
        let messages = self.name_messages(page.items).await?;
        Ok(RoomSnapshot {
            room: self.view(viewer, room).await?,
            position: page.position,
            messages,
            users: members.into_iter().map(|(_, member)| member).collect(),
            member_count: access.head.members,
        })
    }

    /// Members in order of joining.
    pub async fn members(
        &self,
        viewer: &Viewer,
        room: RoomId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<MemberPage> {
        self.access(viewer.user, room).await?;
        let after: u64 = match cursor {
            Some(cursor) => cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?,
            None => 0,
        };
        let limit = page_limit(limit, 50, MAX_PAGE)?;
        let members = self.members_after(room, after, limit).await?;
        let next_cursor = members.last().filter(|_| members.len() == limit).map(|(rev, _)| rev.to_string());
        Ok(MemberPage { items: members.into_iter().map(|(_, member)| member).collect(), next_cursor })
    }

    async fn members_after(&self, room: RoomId, after: u64, limit: usize) -> Result<Vec<(u64, Member)>> {
        let memberships = self.store.rooms.members(room, after, limit).await?;
        let cards = self.names.cards_of(memberships.iter().map(|m| m.user)).await?;
        let member = |m: Membership| {
            let card = cards.get(&m.user)?;
            let (username, display_name) = (card.username.clone(), card.display_name.clone());
            let member = Member { user_id: m.user, username, display_name, role: m.role, joined_at: m.joined_at };
            Some((m.joined_rev, member))
        };
        Ok(memberships.into_iter().filter_map(member).collect())
    }

    /// What is unread, by the same function as the rooms' own counts.
    pub async fn unread(&self, viewer: &Viewer) -> Result<Unread> {
        let ids = self.store.rooms.rooms_of(viewer.user).await?;
        let views = self.store.rooms.views(viewer.user, &ids).await?;
        let with_unread = views.into_iter().flatten().filter(|view| view.unread > 0);
        let rooms: Vec<_> = with_unread
            .map(|view| RoomUnread { room_id: view.record.id, unread: view.unread, mentions: view.mentions })
            .collect();
        Ok(Unread { total: rooms.iter().map(|r| r.unread).sum(), rooms })
    }

    async fn name_messages(&self, messages: Vec<store::StoredMessage>) -> Result<Vec<Message>> {
        let cards = self.names.cards_of(messages.iter().map(|m| m.author)).await?;
        Ok(messages.into_iter().map(|m| to_message(m, &cards)).collect())
    }

    async fn to_rooms(&self, views: Vec<RoomView>) -> Result<Vec<Room>> {
        let authors = views.iter().filter_map(|v| v.last_message.as_ref()).map(|m| m.author);
        let cards = self.names.cards_of(authors).await?;
        let room = |view: RoomView| Room {
            last_message: view.last_message.map(|m| to_message(m, &cards)),
            role: Some(view.membership.role),
            unread: Some(view.unread),
            mentions: Some(view.mentions),
            last_read_seq: Some(view.read_seq),
            position: Some(view.head.position()),
            ..outside_view(view.record, view.head)
        };
        Ok(views.into_iter().map(room).collect())
    }
}

fn hidden(kind: RoomType) -> DomainError {
    match kind {
        RoomType::Public => DomainError::NotAMember,
        RoomType::Private | RoomType::Direct => DomainError::RoomNotFound,
    }
}

fn outside_view(record: RoomRecord, head: Head) -> Room {
    Room {
        id: record.id,
        handle: record.handle,
        name: record.name,
        description: record.description,
        kind: record.kind,
        created_by: record.created_by,
        member_count: head.members,
        created_at: record.created_at,
        history_visibility: record.history_visibility,
        last_message: None,
        role: None,
        unread: None,
        mentions: None,
        last_read_seq: None,
        retention: record.retention,
        position: None,
    }
}

pub(crate) fn actor(viewer: &Viewer) -> Actor {
    Actor { id: viewer.user, username: viewer.username.clone() }
}
