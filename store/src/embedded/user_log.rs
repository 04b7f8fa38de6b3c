//! A user's own log. Other operations write it in their own command, so an entry is there exactly when what it tells of
//! is. Entries are thin: a notification is filled in from the inbox when it is read.

use std::sync::Arc;

use async_trait::async_trait;
use shared::{EventId, RoomId, UserId, protocol::Position};

use super::{
    Embedded,
    codec::{self, UserChangeRow, UserWhat},
    inbox, keys,
    kv::{Order, Read},
    tx::Tx,
};
use crate::{
    BusEvent, Result, UserChange, UserChangeBody, UserChanges, UserEvent, UserLog, user_log::USER_CHANGES_KEPT,
};

pub(super) fn position(read: &impl Read, user: UserId) -> Result<Position> {
    read.get(&keys::user_log(user))?.map_or(Ok(Position::BEGINNING), |row| codec::decode_position(&row))
}

/// Records a change in the user's own log, drops the one beyond [`USER_CHANGES_KEPT`] and publishes it: one read and
/// two or three writes.
pub(super) fn record_user_change(tx: &mut Tx, user: UserId, body: UserChangeBody) -> Result<Position> {
    let what = match &body {
        UserChangeBody::RoomAdded(room) => UserWhat::RoomAdded(*room),
        UserChangeBody::RoomRemoved(room) => UserWhat::RoomRemoved(*room),
        UserChangeBody::ReadMark { room, seq } => UserWhat::ReadMark { room: *room, seq: *seq },
        UserChangeBody::Contact { user, added } => UserWhat::Contact { user: *user, added: *added },
        UserChangeBody::Block { user, added } => UserWhat::Block { user: *user, added: *added },
        UserChangeBody::Request { user, incoming, pending } => {
            UserWhat::Request { user: *user, incoming: *incoming, pending: *pending }
        }
        UserChangeBody::Notification(item) => UserWhat::Notification(item.id),
        UserChangeBody::NotificationRead(id) => UserWhat::NotificationRead(*id),
        UserChangeBody::NotifySettings => UserWhat::NotifySettings,
        UserChangeBody::Nothing => return Err(anyhow::anyhow!("nothing is no change").into()),
    };
    let now = Position { rev: position(tx, user)?.rev + 1, event_id: EventId::random() };
    let Position { rev, event_id } = now;
    tx.put(keys::user_log(user), codec::encode_position(now))?;
    tx.put(keys::user_change(user, rev), UserChangeRow { event_id, what }.encode())?;
    if rev > USER_CHANGES_KEPT {
        tx.delete(keys::user_change(user, rev - USER_CHANGES_KEPT));
    }
    let change = UserChange { rev, event_id, body };
    tx.publish(BusEvent::User(user, Arc::new(UserEvent::Change(change))));
    Ok(now)
}

fn changes(read: &impl Read, user: UserId, after: Position, limit: usize) -> Result<UserChanges> {
    let head = position(read, user)?;
    // The beginning is known while the first change is, or while there is none.
    let known = read.get(&keys::user_change(user, after.rev.max(1)))?;
    let known = known.map(|row| UserChangeRow::decode(&row)).transpose()?;
    let is_known = match known {
        Some(row) => after.rev == 0 || row.event_id == after.event_id,
        None => after.rev == 0 && head.rev == 0,
    };
    if !is_known {
        return Ok(UserChanges::Reset { head });
    }
    let changes = read.collect(&keys::user_changes_after(user, after.rev), Order::Ascending, limit, |key, row| {
        let rev = keys::last_number(key).ok_or_else(|| codec::corrupt("user change key"))?;
        let UserChangeRow { event_id, what } = UserChangeRow::decode(row)?;
        Ok(UserChange { rev, event_id, body: fill_in(read, user, what)? })
    })?;
    let last = changes.last().map_or(after.rev, |c| c.rev);
    Ok(UserChanges::Page { has_more: last < head.rev, changes })
}

fn fill_in(read: &impl Read, user: UserId, what: UserWhat) -> Result<UserChangeBody> {
    Ok(match what {
        UserWhat::RoomAdded(room) => UserChangeBody::RoomAdded(room),
        UserWhat::RoomRemoved(room) => UserChangeBody::RoomRemoved(room),
        UserWhat::ReadMark { room, seq } => UserChangeBody::ReadMark { room, seq },
        UserWhat::Contact { user, added } => UserChangeBody::Contact { user, added },
        UserWhat::Block { user, added } => UserChangeBody::Block { user, added },
        UserWhat::Request { user, incoming, pending } => UserChangeBody::Request { user, incoming, pending },
        UserWhat::NotificationRead(id) => UserChangeBody::NotificationRead(id),
        UserWhat::NotifySettings => UserChangeBody::NotifySettings,
        UserWhat::Notification(id) => {
            inbox::find(read, user, id)?.map_or(UserChangeBody::Nothing, UserChangeBody::Notification)
        }
    })
}

#[async_trait]
impl UserLog for Embedded {
    async fn user_positions(&self, users: &[UserId]) -> Result<Vec<Position>> {
        if let [user] = users {
            return self.read_point(|read| Ok(vec![position(read, *user)?])).await;
        }
        let users = users.to_vec();
        self.read(move |read| users.into_iter().map(|user| position(read, user)).collect()).await
    }

    async fn user_changes(&self, user: UserId, after: Position, limit: usize) -> Result<UserChanges> {
        self.read(move |read| changes(read, user, after, limit)).await
    }

    async fn note_read_mark(&self, user: UserId, room: RoomId, seq: u64) -> Result<Position> {
        self.write(move |tx| record_user_change(tx, user, UserChangeBody::ReadMark { room, seq })).await
    }
}
