//! A user's own log on all their connections: rooms added and removed, read marks, contacts, blocks, notifications and
//! what became of them.

use std::{collections::HashMap, rc::Rc};

use domain::{Result, rooms::Standing};
use shared::{
    NotificationId, RoomId, UserId,
    protocol::{Position, RequestDirection, ServerFrame},
};
use socket::CloseCode;
use store::{InboxItem, UserChange, UserChangeBody, UserChanges};

use super::{
    Hub, Peer, State,
    added::{add_room, verify_member},
    own::{Next, Own},
    repair::{FIRST_RETRY, LAST_RETRY},
};
use crate::dialect::Encoded;

/// Changes of a user's own log read at once.
pub const OWN_PAGE: usize = 100;

/// What connections are told of a change of the user's own log.
pub enum Told {
    Added(RoomId),
    Removed(RoomId),
    Frame(Box<ServerFrame>),
    /// It is not there any more, or a later change says it all.
    Nothing,
}

impl Told {
    fn frame(frame: ServerFrame) -> Self {
        Self::Frame(Box::new(frame))
    }
}

/// Changes of a user's own log in order, as they are told now: of several read marks in one room only the last, of
/// several times that notifications were set anew as well, and notifications with the texts of their messages. One read
/// for all marks, one for what is unread of the inbox, and those of notifications together.
pub async fn explain(hub: &Hub, user: UserId, changes: Vec<UserChange>) -> Result<Vec<(Position, Told)>> {
    let marked = |change: &UserChange| match &change.body {
        UserChangeBody::ReadMark { room, .. } => Some((*room, change.rev)),
        _ => None,
    };
    let last: HashMap<RoomId, u64> = changes.iter().filter_map(marked).collect();
    let rooms: Vec<RoomId> = last.keys().copied().collect();
    let standings = hub.domain.rooms.standings(user, &rooms).await?;
    let standings: HashMap<RoomId, Standing> = standings.into_iter().flatten().map(|s| (s.room, s)).collect();
    let item = |change: &UserChange| match &change.body {
        UserChangeBody::Notification(item) => Some(item.clone()),
        _ => None,
    };
    let items = hub.domain.notifications.with_texts(user, changes.iter().filter_map(item).collect()).await?;
    let mut items: HashMap<NotificationId, InboxItem> = items.into_iter().map(|item| (item.id, item)).collect();
    let is_read = |change: &UserChange| matches!(change.body, UserChangeBody::NotificationRead(_));
    let unread = if changes.iter().any(is_read) { hub.domain.notifications.unread(user).await? } else { 0 };
    let is_set = |change: &&UserChange| change.body == UserChangeBody::NotifySettings;
    let last_set = changes.iter().rev().find(is_set).map(|change| change.rev);
    let told = |change: UserChange| {
        let user_position = change.position();
        let told = match change.body {
            UserChangeBody::RoomAdded(room) => Told::Added(room),
            UserChangeBody::RoomRemoved(room) => Told::Removed(room),
            UserChangeBody::ReadMark { room, .. } => match standings.get(&room) {
                Some(s) if last.get(&room) == Some(&change.rev) => {
                    let (seq, unread, mentions) = (s.read_seq, s.unread, s.mentions);
                    Told::frame(ServerFrame::ReadMark { room_id: room, seq, unread, mentions, user_position })
                }
                _ => Told::Nothing,
            },
            UserChangeBody::Contact { user, added } => {
                Told::frame(ServerFrame::ContactUpdated { user_id: user, added, user_position })
            }
            UserChangeBody::Request { user, incoming, pending } => Told::frame(ServerFrame::ContactRequestUpdated {
                user_id: user,
                direction: if incoming { RequestDirection::Incoming } else { RequestDirection::Outgoing },
                pending,
                user_position,
            }),
            UserChangeBody::Block { user, added } => {
                Told::frame(ServerFrame::BlockUpdated { user_id: user, blocked: added, user_position })
            }
            UserChangeBody::Notification(item) => {
                let item = items.remove(&item.id).unwrap_or(item);
                Told::frame(ServerFrame::Notification {
                    id: item.id,
                    title: item.title,
                    body: item.body,
                    data: item.data,
                    category: item.category,
                    room_id: item.room,
                    created_at: item.created_at,
                    user_position,
                })
            }
            UserChangeBody::NotificationRead(id) => {
                Told::frame(ServerFrame::NotificationRead { id, unread, user_position })
            }
            UserChangeBody::NotifySettings if last_set == Some(change.rev) => {
                Told::frame(ServerFrame::NotificationSettingsUpdated { user_position })
            }
            UserChangeBody::NotifySettings | UserChangeBody::Nothing => Told::Nothing,
        };
        (user_position, told)
    };
    Ok(changes.into_iter().map(told).collect())
}

/// Where each user's own log stands.
pub async fn own_heads(hub: &Hub, users: &[UserId]) -> Result<Vec<Position>> {
    Ok(hub.domain.store.user_log.user_positions(users).await?)
}

/// A page of a user's own log.
pub async fn own_changes(hub: &Hub, user: UserId, after: Position) -> Result<UserChanges> {
    // The semaphore is never closed.
    let _turn = hub.reads.acquire().await;
    Ok(hub.domain.store.user_log.user_changes(user, after, OWN_PAGE).await?)
}

/// Begins to tell what is new in the user's own log, if there is something and nobody does.
pub fn start_telling(hub: &Rc<Hub>, user: UserId) {
    let start = |state: &mut State| {
        let entry = state.users.get_mut(&user)?;
        entry.own.start().then_some(entry.epoch)
    };
    if let Some(epoch) = hub.update(start) {
        actix_web::rt::spawn(tell_own_log(hub.clone(), user, epoch));
    }
}

/// Tells what is new, in order, until nothing is left or the user has gone. Tried again while the store is away.
async fn tell_own_log(hub: Rc<Hub>, user: UserId, epoch: u64) {
    let mut wait = FIRST_RETRY;
    loop {
        let next = hub.own(user, epoch, Own::next_step).unwrap_or(Next::End);
        let told = match next {
            Next::End => return,
            Next::Tell(changes) => tell(&hub, user, epoch, changes).await,
            Next::Read(after) => read_and_tell(&hub, user, epoch, after).await,
        };
        match told {
            Ok(()) => wait = FIRST_RETRY,
            Err(e) => {
                e.log();
                hub.own(user, epoch, Own::suspect);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
            }
        }
    }
}

async fn read_and_tell(hub: &Rc<Hub>, user: UserId, epoch: u64, after: Position) -> Result<()> {
    match own_changes(hub, user, after).await? {
        UserChanges::Page { changes, has_more } => {
            if hub.own(user, epoch, Own::go_back).unwrap_or(true) {
                return Ok(());
            }
            tell(hub, user, epoch, changes).await?;
            if has_more {
                hub.own(user, epoch, Own::suspect);
            }
        }
        UserChanges::Reset { head } => {
            tracing::warn!(%user, "a user's own log cannot be told from where it was left: closing their connections");
            hub.own(user, epoch, |own| own.reset(head));
            hub.close_live(user);
        }
    }
    Ok(())
}

/// One by one, to each connection of the user that has not got it yet. Ends early where one went live further back.
async fn tell(hub: &Rc<Hub>, user: UserId, epoch: u64, changes: Vec<UserChange>) -> Result<()> {
    for (position, told) in explain(hub, user, changes).await? {
        // Nothing is awaited between this and looking for the connections that lack it.
        if !hub.own(user, epoch, |own| own.is_next(position)).unwrap_or(false) {
            return Ok(());
        }
        let frame = match told {
            Told::Added(room) => {
                add_room(hub, user, room, Some(position)).await?;
                None
            }
            Told::Removed(room) => {
                verify_member(hub, user, room, Some(position)).await?;
                None
            }
            Told::Frame(frame) => Some(frame),
            Told::Nothing => None,
        };
        let mut encoded = frame.as_deref().map(Encoded::new);
        let next = hub.update(|state| {
            let entry = state.users.get_mut(&user).filter(|entry| entry.epoch == epoch);
            let Some(entry) = entry.filter(|entry| entry.own.is_next(position)) else { return false };
            entry.own.told(position);
            for peer in entry.peers.iter().filter(|peer| peer.lacks(position)) {
                peer.own_after.set(Some(position.rev));
                if let Some(encoded) = &mut encoded {
                    state.out.push(peer, encoded.frame(peer.dialect));
                }
            }
            true
        });
        if !next {
            return Ok(());
        }
    }
    Ok(())
}

impl Peer {
    /// Is it told the user's own log, and not yet this change?
    pub(super) fn lacks(&self, position: Position) -> bool {
        self.own_after.get().is_some_and(|after| after < position.rev)
    }
}

impl Hub {
    /// Closes the user's live connections: their clients resume, and are told what cannot be told here.
    fn close_live(&self, user: UserId) {
        let state = self.state.borrow();
        for peer in state.users.get(&user).iter().flat_map(|entry| &entry.peers) {
            if peer.own_after.take().is_some() {
                peer.outbound.close(CloseCode::Restart);
            }
        }
    }

    /// The user's own log here; `None`: the entry of this `epoch` has gone.
    fn own<T>(&self, user: UserId, epoch: u64, change: impl FnOnce(&mut Own) -> T) -> Option<T> {
        self.update(|state| state.users.get_mut(&user).filter(|u| u.epoch == epoch).map(|u| change(&mut u.own)))
    }
}
