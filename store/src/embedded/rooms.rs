//! Rooms, their members and how a member sees them.

use async_trait::async_trait;
use shared::{
    MessageId, RoomId, UserId,
    protocol::{HistoryVisibility, Position, Role, RoomType},
};

use super::{
    Embedded, codec, counted,
    keys::{self, Counted},
    kv::{Order, Read, Snapshot},
    marks::find_marks,
    membership::{
        add_member, blank_head, find_head, find_member, find_message, find_record, head, is_member, put_head,
    },
    mentions, people, room_admin,
    tx::Tx,
};
use crate::{Actor, Head, Joined, Membership, Result, RoomRecord, RoomView, Rooms, StoreError};

/// Heads read on the caller's thread: they change with every message, so they are in memory.
const HEADS_HERE: usize = 4;

fn room_id(bytes: &[u8]) -> Result<RoomId> {
    RoomId::from_slice(bytes).ok_or_else(|| codec::corrupt("room id"))
}

fn create(tx: &mut Tx, room: &RoomRecord, members: &[Actor]) -> Result<()> {
    if tx.get(&keys::room(room.id))?.is_some() || tx.get(&keys::tombstone(room.id))?.is_some() {
        return Ok(());
    }
    if members.is_empty() {
        return Err(anyhow::anyhow!("a room begins with its first member").into());
    }
    if let Some(handle) = &room.handle {
        if tx.get(&keys::handle(handle))?.is_some() {
            return Err(StoreError::HandleTaken);
        }
        tx.put(keys::handle(handle), room.id.as_bytes().to_vec())?;
    }
    if room.kind == RoomType::Public {
        tx.put(keys::public_room(index_name(room), room.id), Vec::new())?;
    }
    tx.put(keys::room(room.id), codec::to_json(room)?)?;
    if room.retention.is_some() {
        tx.put(keys::room_with_retention(room.id), Vec::new())?;
    }
    let mut row = blank_head();
    for (i, member) in members.iter().enumerate() {
        let role = if i == 0 && room.kind != RoomType::Direct { Role::Owner } else { Role::Member };
        if !is_member(tx, room.id, member.id)? {
            add_member(tx, &mut row.head, room.id, member, role)?;
        }
    }
    if let (RoomType::Direct, [a, b]) = (room.kind, members) {
        row.blocked = people::either_blocks(tx, a.id, b.id)?;
    }
    put_head(tx, room.id, &row)
}

/// The name a public room is found by.
pub(super) fn index_name(room: &RoomRecord) -> &str {
    room.name.as_deref().unwrap_or_default()
}

/// `invited`: whether the invite they come by is good, where they come by one.
pub(super) fn join(
    tx: &mut Tx,
    room: RoomId,
    user: &Actor,
    (role, max_members): (Role, u64),
    invited: Option<bool>,
) -> Result<Joined> {
    let mut row = head(tx, room)?;
    if is_member(tx, room, user.id)? {
        return Err(StoreError::AlreadyAMember);
    }
    if tx.get(&keys::ban(room, user.id))?.is_some() {
        return Err(StoreError::Banned);
    }
    if invited == Some(false) {
        return Err(StoreError::InviteNotFound);
    }
    if row.head.members >= max_members {
        return Err(StoreError::RoomFull);
    }
    let role = if row.head.members == 0 { Role::Owner } else { role };
    let membership = add_member(tx, &mut row.head, room, user, role)?;
    put_head(tx, room, &row)?;
    Ok(Joined { membership, position: row.head.position() })
}

/// Four reads, the last message if asked for, and where something may be unread the counts of what is deleted and what names the
/// user among it, [each bounded](counted).
pub(super) fn view(read: &impl Read, user: UserId, room: RoomId, with_last: bool) -> Result<Option<RoomView>> {
    let Some(membership) = find_member(read, room, user)? else { return Ok(None) };
    let (Some(record), Some(row)) = (find_record(read, room)?, find_head(read, room)?) else {
        // It was deleted, and they are about to be told.
        return Ok(None);
    };
    let head = row.head;
    let read_seq = find_marks(read, room, user)?.read;
    let seen = read_seq.max(membership.joined_seq).max(head.floor);
    let (mut unread, mut mentions) = (0, 0);
    if seen < head.seq {
        unread = (head.seq - seen).saturating_sub(counted::count(read, Counted::Deleted, room, (seen, head.seq))?);
        mentions = mentions::count(read, room, user, (seen, head.seq))?;
    }
    let hidden = match record.history_visibility {
        HistoryVisibility::All => head.floor,
        HistoryVisibility::Joined => head.floor.max(membership.joined_seq),
    };
    let newest = MessageId { room, seq: head.seq };
    let last_message = if with_last { find_message(read, hidden, newest)? } else { None };
    Ok(Some(RoomView { record, head, membership, read_seq, unread, mentions, last_message }))
}

/// In order of id, the first `limit`.
pub(super) fn rooms_of(read: &impl Read, user: UserId, limit: usize) -> Result<Vec<RoomId>> {
    read.collect(&keys::rooms_of(user), Order::Ascending, limit, |key, _| room_id(keys::last_id(key)))
}

#[async_trait]
impl Rooms for Embedded {
    async fn create_room(&self, room: &RoomRecord, members: &[Actor]) -> Result<()> {
        let (room, members) = (room.clone(), members.to_vec());
        self.write(move |tx| create(tx, &room, &members)).await
    }

    async fn room(&self, id: RoomId) -> Result<Option<(RoomRecord, Head)>> {
        self.read_point(|read| match (find_record(read, id)?, find_head(read, id)?) {
            (Some(record), Some(row)) => Ok(Some((record, row.head))),
            _ => Ok(None),
        })
        .await
    }

    async fn room_id_by_handle(&self, handle: &str) -> Result<Option<RoomId>> {
        let key = keys::handle(handle);
        self.read_point(|read| read.get(&key)?.map(|row| room_id(&row)).transpose()).await
    }

    async fn join(&self, room: RoomId, user: &Actor, role: Role, max_members: u64) -> Result<Joined> {
        let user = user.clone();
        self.write(move |tx| join(tx, room, &user, (role, max_members), None)).await
    }

    async fn leave(&self, room: RoomId, user: &Actor) -> Result<Position> {
        let user = user.clone();
        self.write(move |tx| room_admin::leave(tx, room, &user)).await
    }

    async fn positions(&self, rooms: &[RoomId]) -> Result<Vec<Option<Position>>> {
        let positions = |read: &Snapshot, rooms: &[RoomId]| {
            rooms.iter().map(|room| Ok(find_head(read, *room)?.map(|row| row.head.position()))).collect()
        };
        if rooms.len() <= HEADS_HERE {
            return self.read_point(|read| positions(read, rooms)).await;
        }
        let rooms = rooms.to_vec();
        self.read(move |read| positions(read, &rooms)).await
    }

    async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>> {
        self.read_point(|read| match find_head(read, room)? {
            Some(_) => find_member(read, room, user),
            None => Ok(None),
        })
        .await
    }

    async fn members(&self, room: RoomId, after: u64, limit: usize) -> Result<Vec<Membership>> {
        let span = keys::joined_after(room, after);
        self.read(move |read| match find_head(read, room)? {
            Some(_) => read.collect(&span, Order::Ascending, limit, |_, row| codec::decode_membership(row)),
            None => Ok(Vec::new()),
        })
        .await
    }

    async fn rooms_of(&self, user: UserId) -> Result<Vec<RoomId>> {
        self.read(move |read| rooms_of(read, user, usize::MAX)).await
    }

    async fn listed_rooms(&self, users: &[UserId]) -> Result<Vec<Vec<RoomId>>> {
        let users = users.to_vec();
        self.read(move |read| users.into_iter().map(|user| rooms_of(read, user, usize::MAX)).collect()).await
    }

    async fn views(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<Option<RoomView>>> {
        let rooms = rooms.to_vec();
        self.read(move |read| rooms.into_iter().map(|room| view(read, user, room, true)).collect()).await
    }

    async fn standings(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<Option<RoomView>>> {
        let rooms = rooms.to_vec();
        self.read(move |read| rooms.into_iter().map(|room| view(read, user, room, false)).collect()).await
    }

    async fn public_rooms(&self, prefix: &str, after: Option<(&str, RoomId)>, limit: usize) -> Result<Vec<RoomId>> {
        let span = keys::public_rooms(prefix, after);
        self.read(move |read| read.collect(&span, Order::Ascending, limit, |key, _| room_id(keys::last_id(key)))).await
    }
}
