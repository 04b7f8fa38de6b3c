//! Rooms as people see them: lists, snapshots, members, what is unread.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::{
    RoomId, UserId,
    protocol::{Member, Message, Position, Room, RoomType, command::Sync},
};
use store::{Head, Membership, PageFrom, PageRequest, RoomRecord, RoomView};
use utoipa::ToSchema;

use super::Rooms;
use crate::{
    DomainError, Result, Viewer,
    messages::show,
    pages::{ANSWER_BYTES, PAGE_BYTES, fitting, page_limit},
    validate::Check,
};

/// What `ROOM_JOINED` shows: so many messages, but no more bytes of them than leave room for the rest of a frame.
const SNAPSHOT_MESSAGES: usize = 100;
const SNAPSHOT_BYTES: usize = 96 * 1024;
const SNAPSHOT_MEMBERS: usize = 200;
/// Rooms and members a page gives at most.
const MAX_PAGE: usize = 200;
/// Rooms read at once for a page: last messages may be long, and what does not fit was read for nothing.
const VIEWS_AT_ONCE: usize = 50;
/// Reads under way at once for one call.
pub(super) const CONCURRENT_READS: usize = 32;

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

/// Whose direct room it is: both, or one where the other's account is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct(Vec<UserId>);

impl Direct {
    /// The one that is not `user`, where they are still there.
    pub fn other(&self, user: UserId) -> Option<UserId> {
        self.0.iter().copied().find(|member| *member != user)
    }
}

impl Rooms {
    /// Whose room it is, if it is a direct one. Costs nothing for most that are not; else one read, and one more where it
    /// has no two members.
    pub async fn direct(&self, room: RoomId) -> Result<Option<Direct>> {
        if !room.may_be_direct() {
            return Ok(None);
        }
        let members: Vec<UserId> = self.store.rooms.members(room, 0, 2).await?.iter().map(|m| m.user).collect();
        let direct = match members[..] {
            [a, b] => RoomId::direct(a, b) == room,
            _ => self.store.rooms.room(room).await?.is_some_and(|(record, _)| record.kind == RoomType::Direct),
        };
        Ok(direct.then_some(Direct(members)))
    }

    /// A room as its member sees it; a public room as anyone does.
    pub async fn view(&self, viewer: &Viewer, room: RoomId) -> Result<Room> {
        if let Some(view) = self.store.rooms.views(viewer.user, &[room]).await?.pop().flatten() {
            return self.to_rooms(viewer, vec![view]).await?.pop().ok_or(DomainError::RoomNotFound);
        }
        match self.store.rooms.room(room).await? {
            Some((record, head)) if record.kind == RoomType::Public => Ok(outside_view(record, head)),
            _ => Err(DomainError::RoomNotFound),
        }
    }

    /// The viewer's rooms with unread counts and last messages, in order of id; `limit` is 1 to 200, default 200.
    pub async fn mine(&self, viewer: &Viewer, cursor: Option<&str>, limit: Option<usize>) -> Result<RoomPage> {
        let (items, next_cursor) = self.own_page(viewer, cursor, page_limit(limit, MAX_PAGE, MAX_PAGE)?).await?;
        Ok(RoomPage { items, next_cursor })
    }

    /// The same, with where the viewer's own log stood before the rooms were read; `limit` is 1 to 200, default 100.
    pub async fn sync(&self, viewer: &Viewer, input: &Sync) -> Result<SyncPage> {
        let limit = page_limit(input.limit, 100, MAX_PAGE)?;
        let user = self.store.user_log.user_positions(&[viewer.user]).await?.pop().unwrap_or(Position::BEGINNING);
        let (rooms, next_cursor) = self.own_page(viewer, input.cursor.as_deref(), limit).await?;
        Ok(SyncPage { user, rooms, next_cursor })
    }

    /// The viewer's rooms after `cursor`, at most `limit` of them and as many as an answer holds.
    async fn own_page(
        &self,
        viewer: &Viewer,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Room>, Option<String>)> {
        let after: Option<RoomId> = match cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?),
            None => None,
        };
        let mut ids = self.store.rooms.rooms_of(viewer.user).await?;
        ids.retain(|id| after.is_none_or(|after| *id > after));
        let more = ids.len() > limit;
        ids.truncate(limit);
        let mut rooms: Vec<Room> = Vec::with_capacity(ids.len());
        for some in ids.chunks(VIEWS_AT_ONCE) {
            let views = self.store.rooms.views(viewer.user, some).await?;
            rooms.extend(self.to_rooms(viewer, views.into_iter().flatten().collect()).await?);
            let fitting = fitting(&rooms, ANSWER_BYTES);
            if fitting < rooms.len() {
                rooms.truncate(fitting);
                let next_cursor = rooms.last().map(|room| room.id.to_string());
                return Ok((rooms, next_cursor));
            }
        }
        let next_cursor = ids.last().filter(|_| more).map(ToString::to_string);
        Ok((rooms, next_cursor))
    }

    /// Public rooms by the beginning of their name.
    pub async fn public(&self, query: &str, cursor: Option<&str>, limit: Option<usize>) -> Result<RoomPage> {
        if !query.is_empty() {
            Check::default().line("query", query, 1, 80).done()?;
        }
        let after = match cursor {
            Some(cursor) => Some(read_place(cursor).ok_or(DomainError::invalid("cursor", "not a cursor"))?),
            None => None,
        };
        let limit = page_limit(limit, 50, MAX_PAGE)?;
        let after = after.as_ref().map(|(name, id)| (name.as_str(), *id));
        let ids = self.store.rooms.public_rooms(query, after, limit).await?;
        let found: Vec<(RoomRecord, Head)> = self.heads(&ids).await?.into_iter().flatten().collect();
        let next_cursor = found.last().filter(|_| ids.len() == limit).map(|(room, _)| place(room));
        Ok(RoomPage { items: found.into_iter().map(|(r, h)| outside_view(r, h)).collect(), next_cursor })
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
        let members = self.store.rooms.members(room, 0, SNAPSHOT_MEMBERS).await?;
        let mut messages = show(&self.store, &self.names, viewer.user, page.items).await?;
        messages.truncate(fitting(&messages, SNAPSHOT_BYTES));
        Ok(RoomSnapshot {
            room: self.view(viewer, room).await?,
            position: page.position,
            messages,
            users: self.name_members(members).await?,
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
        let limit = page_limit(limit, 50, MAX_PAGE)?;
        let (memberships, next_cursor) = self.member_page(viewer, room, cursor, limit).await?;
        Ok(MemberPage { items: self.name_members(memberships).await?, next_cursor })
    }

    /// One page of memberships, in order of joining, for a member.
    pub(crate) async fn member_page(
        &self,
        viewer: &Viewer,
        room: RoomId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Membership>, Option<String>)> {
        let after: u64 = match cursor {
            Some(cursor) => cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?,
            None => 0,
        };
        self.access(viewer.user, room).await?;
        let members = self.store.rooms.members(room, after, limit).await?;
        let next_cursor = members.last().filter(|_| members.len() == limit).map(|last| last.joined_rev.to_string());
        Ok((members, next_cursor))
    }

    /// Those whose account is there.
    async fn name_members(&self, memberships: Vec<Membership>) -> Result<Vec<Member>> {
        let cards = self.names.cards_of(memberships.iter().map(|m| m.user)).await?;
        let member = |m: Membership| {
            let card = cards.get(&m.user)?;
            let (username, display_name) = (card.username.clone(), card.display_name.clone());
            Some(Member { user_id: m.user, username, display_name, role: m.role, joined_at: m.joined_at })
        };
        Ok(memberships.into_iter().filter_map(member).collect())
    }

    /// What is unread, by the same function as the rooms' own counts.
    pub async fn unread(&self, viewer: &Viewer) -> Result<Unread> {
        self.unread_of(viewer.user).await
    }

    /// The same, of whoever is not here to ask: for what is shown on their devices.
    pub async fn unread_of(&self, user: UserId) -> Result<Unread> {
        let ids = self.store.rooms.rooms_of(user).await?;
        let views = self.store.rooms.standings(user, &ids).await?;
        let with_unread = views.into_iter().flatten().filter(|view| view.unread > 0);
        let rooms: Vec<_> = with_unread
            .map(|view| RoomUnread { room_id: view.record.id, unread: view.unread, mentions: view.mentions })
            .collect();
        Ok(Unread { total: rooms.iter().map(|r| r.unread).sum(), rooms })
    }

    async fn to_rooms(&self, viewer: &Viewer, mut views: Vec<RoomView>) -> Result<Vec<Room>> {
        let last = views.iter_mut().filter_map(|view| view.last_message.take()).collect();
        let last = show(&self.store, &self.names, viewer.user, last).await?;
        let mut last: HashMap<RoomId, Message> = last.into_iter().map(|message| (message.room_id, message)).collect();
        let room = |view: RoomView| Room {
            last_message: last.remove(&view.record.id),
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

/// Where a public room stands among the others, whether it is there when it is asked for or not.
fn place(room: &RoomRecord) -> String {
    let name = room.name.as_deref().unwrap_or_default();
    URL_SAFE_NO_PAD.encode([room.id.as_bytes().as_slice(), name.as_bytes()].concat())
}

fn read_place(cursor: &str) -> Option<(String, RoomId)> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (id, name) = bytes.split_at_checked(16)?;
    Some((String::from_utf8(name.to_vec()).ok()?, RoomId::from_slice(id)?))
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
