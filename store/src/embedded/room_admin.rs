//! Roles, kicks, bans, changing what a room is, and what becomes of a room whose owner leaves.

use async_trait::async_trait;
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{Position, Role, RoomType},
};

use super::{
    Embedded, codec, ending,
    keys::{self, Span},
    kv::{Order, Read},
    membership::{Recording, find_member, head, put_head, put_member, record, record_change, remove_member},
    rooms::index_name,
    tx::Tx,
};
use crate::{
    Actor, Ban, ChangeBody, Head, Membership, Removal, Result, RoleChange, RoomAdmin, RoomRecord, RoomUpdate,
    StoreError, room_admin::BANS_A_ROOM,
};

/// See [`Rooms::leave`](crate::Rooms::leave). Two or three reads more where the owner leaves.
pub(super) fn leave(tx: &mut Tx, room: RoomId, user: &Actor) -> Result<Position> {
    let mut row = head(tx, room)?;
    let membership = find_member(tx, room, user.id)?.ok_or(StoreError::NotAMember)?;
    remove_member(tx, &mut row.head, (room, &membership), user, ChangeBody::Left)?;
    if membership.role == Role::Owner
        && let Some(heir) = heir(tx, room)?
    {
        // Nobody here knows their name.
        let actor = Actor { id: heir.user, username: String::new() };
        give_role(tx, &mut row.head, (room, &heir), (&actor, Role::Owner))?;
    }
    put_head(tx, room, &row)?;
    Ok(row.head.position())
}

/// Who gets a room that its owner has left; `None`: nobody is there.
fn heir(tx: &Tx, room: RoomId) -> Result<Option<Membership>> {
    match first(tx, &keys::admins(room), |row| codec::Row::new(row, "admin").user())? {
        Some(admin) => find_member(tx, room, admin),
        None => first(tx, &keys::joined_after(room, 0), codec::decode_membership),
    }
}

/// The first row of a span.
fn first<T>(tx: &Tx, span: &Span, read: impl Fn(&[u8]) -> Result<T>) -> Result<Option<T>> {
    Ok(tx.collect(span, Order::Ascending, 1, |_, row| read(row))?.pop())
}

/// One change: the member `actor` has this role from now on. The caller puts the head.
fn give_role(
    tx: &mut Tx,
    head: &mut Head,
    (room, member): (RoomId, &Membership),
    (actor, role): (&Actor, Role),
) -> Result<()> {
    if member.role == Role::Admin {
        tx.delete(keys::admin(room, member.joined_rev));
    }
    put_member(tx, room, &Membership { role, ..member.clone() })?;
    record_change(tx, head, Recording { room, by: actor, at: Timestamp::now(), body: ChangeBody::Role { role } })
}

/// The member, if they have this role.
pub(super) fn with_role(read: &impl Read, room: RoomId, user: UserId, role: Role) -> Result<Membership> {
    find_member(read, room, user)?.filter(|member| member.role == role).ok_or(StoreError::RolesChanged)
}

fn set_role(tx: &mut Tx, change: &RoleChange) -> Result<Position> {
    let RoleChange { room, by, by_role, user, from, to } = change;
    let mut row = head(tx, *room)?;
    let giver = with_role(tx, *room, by.id, *by_role)?;
    let member = with_role(tx, *room, user.id, *from)?;
    give_role(tx, &mut row.head, (*room, &member), (user, *to))?;
    if *to == Role::Owner {
        give_role(tx, &mut row.head, (*room, &giver), (by, Role::Admin))?;
    }
    put_head(tx, *room, &row)?;
    Ok(row.head.position())
}

fn update(tx: &mut Tx, update: &RoomUpdate) -> Result<RoomRecord> {
    let RoomUpdate { room, by, by_role, patch } = update;
    let mut row = head(tx, *room)?;
    let before = record(tx, *room)?;
    with_role(tx, *room, by.id, *by_role)?;
    let now = patch.applied(&before);
    if now == before {
        return Ok(now);
    }
    tx.put(keys::room(*room), codec::to_json(&now)?)?;
    if now.kind == RoomType::Public {
        tx.delete(keys::public_room(index_name(&before), *room));
        tx.put(keys::public_room(index_name(&now), *room), Vec::new())?;
    }
    match now.retention {
        Some(_) => tx.put(keys::room_with_retention(*room), Vec::new())?,
        None => tx.delete(keys::room_with_retention(*room)),
    }
    let body = ChangeBody::Updated(Box::new(now.clone()));
    record_change(tx, &mut row.head, Recording { room: *room, by, at: Timestamp::now(), body })?;
    put_head(tx, *room, &row)?;
    Ok(now)
}

fn remove(tx: &mut Tx, removal: &Removal) -> Result<Position> {
    let Removal { room, by, by_role, user, role, ban } = removal;
    let mut row = head(tx, *room)?;
    with_role(tx, *room, by.id, *by_role)?;
    let member = find_member(tx, *room, user.id)?;
    if member.as_ref().map(|member| member.role) != *role {
        return Err(StoreError::RolesChanged);
    }
    if *ban {
        put_ban(tx, *room, Ban { user: user.id, by: by.id, at: Timestamp::now() })?;
    }
    if let Some(member) = member {
        remove_member(tx, &mut row.head, (*room, &member), user, ChangeBody::Removed { by: by.id })?;
        put_head(tx, *room, &row)?;
    }
    Ok(row.head.position())
}

/// O(bans of the room), which are bounded.
fn put_ban(tx: &mut Tx, room: RoomId, ban: Ban) -> Result<()> {
    let key = keys::ban(room, ban.user);
    if tx.get(&key)?.is_some() {
        return Ok(());
    }
    if tx.count(&keys::bans(room, None))? >= BANS_A_ROOM as u64 {
        return Err(StoreError::TooManyBans);
    }
    tx.put(key, codec::encode_ban(&ban))
}

#[async_trait]
impl RoomAdmin for Embedded {
    async fn delete_room(&self, room: RoomId, by: &Actor, by_role: Option<Role>) -> Result<()> {
        let by = by.clone();
        self.write(move |tx| ending::delete(tx, room, &by, by_role)).await
    }

    async fn update_room(&self, change: &RoomUpdate) -> Result<RoomRecord> {
        let change = change.clone();
        self.write(move |tx| update(tx, &change)).await
    }

    async fn set_role(&self, change: &RoleChange) -> Result<Position> {
        let change = change.clone();
        self.write(move |tx| set_role(tx, &change)).await
    }

    async fn remove_member(&self, removal: &Removal) -> Result<Position> {
        let removal = removal.clone();
        self.write(move |tx| remove(tx, &removal)).await
    }

    async fn unban(&self, room: RoomId, by: UserId, by_role: Role, user: UserId) -> Result<()> {
        self.write(move |tx| {
            head(tx, room)?;
            with_role(tx, room, by, by_role)?;
            tx.delete(keys::ban(room, user));
            Ok(())
        })
        .await
    }

    async fn bans(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Result<Vec<Ban>> {
        self.read(move |read| {
            head(read, room)?;
            read.collect(&keys::bans(room, after), Order::Ascending, limit, |_, row| codec::decode_ban(row))
        })
        .await
    }
}
