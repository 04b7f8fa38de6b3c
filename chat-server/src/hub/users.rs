//! Rooms added to and removed from users, on all their connections.

use std::{collections::HashMap, rc::Rc};

use domain::{DomainError, Viewer, messages::Missed};
use futures_util::{StreamExt, stream};
use shared::{
    RoomId, UserId,
    protocol::{Position, Room, ServerFrame},
};
use store::{ChangeBody, RoomEvent};

use super::{
    CONCURRENT_READS, Hub, Peer, follow,
    repair::{FIRST_RETRY, LAST_RETRY},
};

/// A room of so few changes is told from the user's joining on.
const YOUNG: u64 = 50;

/// The user was added to a room: `ROOM_ADDED` and then its events, on each connection that has not got it yet. Tried
/// again while the store is away: going on without the room would be silent.
pub(super) async fn add_room(hub: Rc<Hub>, user: UserId, room: RoomId) {
    let mut wait = FIRST_RETRY;
    while let Err(e) = try_add_room(&hub, user, room).await {
        e.log();
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_RETRY);
    }
}

async fn try_add_room(hub: &Rc<Hub>, user: UserId, room: RoomId) -> Result<(), DomainError> {
    let peers = hub.without_room(user, room);
    let Some(one) = peers.first() else { return Ok(()) };
    let viewer = one.viewer.clone();
    let added = async {
        let mut gates = Vec::with_capacity(peers.len());
        for peer in &peers {
            gates.extend(hub.gate_unless_there(peer, room).await?);
        }
        Ok::<_, DomainError>((gates, Added::read(hub, &viewer, room).await?))
    };
    match added.await {
        Ok((gates, Some(added))) => {
            for gate in gates {
                gate.open_unasked(&added.frame, added.position, &added.since);
            }
            Ok(())
        }
        // Left again meanwhile.
        Ok((_, None)) | Err(DomainError::RoomNotFound) => Ok(()),
        Err(e) => Err(e),
    }
}

/// What a connection is told of a room it was added to.
struct Added {
    frame: ServerFrame,
    position: Position,
    /// What happened since the user joined, where that can be told: who is written to for the first time is in the
    /// room before anything can be followed, and should get the message all the same.
    since: Vec<RoomEvent>,
}

impl Added {
    /// `None`: the user is no member.
    async fn read(hub: &Hub, viewer: &Viewer, room: RoomId) -> Result<Option<Self>, DomainError> {
        let view = hub.domain.rooms.view(viewer, room).await?;
        let (Some(head), true) = (view.position, is_member(&view)) else { return Ok(None) };
        let mut since = Vec::new();
        let mut position = head;
        if head.rev <= YOUNG
            && let Missed::Events { events, .. } =
                hub.domain.messages.missed(room, Position { rev: 0, ..head }, YOUNG as usize).await?
        {
            let joined = |e: &RoomEvent| matches!(e.change.body, ChangeBody::Joined);
            if let Some(own) = events.iter().rposition(|e| joined(e) && e.change.user == viewer.user) {
                // Who was put into a new room together is there from its beginning.
                let at = own + events[own + 1..].iter().take_while(|e| joined(e)).count();
                position = Position { rev: events[at].change.rev, event_id: events[at].change.event_id };
                since = events.into_iter().skip(at + 1).collect();
            }
        }
        let room = Room { position: Some(position), ..view };
        Ok(Some(Self { frame: ServerFrame::RoomAdded { room, position, user_position: None }, position, since }))
    }
}

/// The user was removed from a room. Its log has said so, as a rule; this is for where it could not.
pub(super) async fn verify_member(hub: Rc<Hub>, user: UserId, room: RoomId) {
    // One that is just being attached by a list read before is told to read it again.
    hub.without_room(user, room);
    let attached = hub.attached(user, room);
    let Some(peer) = attached.values().next() else { return };
    let viewer = peer.viewer.clone();
    let gone = match hub.domain.rooms.view(&viewer, room).await {
        Ok(view) => !is_member(&view),
        Err(DomainError::RoomNotFound) => true,
        Err(e) => return e.log(),
    };
    if gone {
        hub.update(|state| {
            for (attach, peer) in attached {
                let same = |m: &mut super::members::Member| m.attach == attach;
                let still = state.rooms.get_mut(&room).and_then(|r| r.members.get_mut(peer.id)).is_some_and(same);
                if still {
                    state.remove_from_room(&peer, room);
                }
            }
        });
    }
}

/// Attaches whatever rooms of the user are not attached; tried again while the store is away and the user is here.
pub(super) async fn recheck(hub: Rc<Hub>, user: UserId) {
    let mut wait = FIRST_RETRY;
    while hub.state.borrow().users.contains_key(&user) {
        match hub.domain.rooms.joined(user).await {
            Ok(rooms) => {
                for room in rooms {
                    add_room(hub.clone(), user, room).await;
                }
                return;
            }
            Err(e) => {
                e.log();
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
            }
        }
    }
}

/// After a loss: additions of any user may have been missed.
pub(super) async fn recheck_all(hub: Rc<Hub>) {
    let users = follow::users(&hub);
    stream::iter(users).for_each_concurrent(CONCURRENT_READS, |user| recheck(hub.clone(), user)).await;
}

fn is_member(view: &Room) -> bool {
    view.role.is_some()
}

impl Hub {
    /// The user's connections that are not in the room. Busy ones are left to their command, and looked at after it.
    fn without_room(&self, user: UserId, room: RoomId) -> Vec<Rc<Peer>> {
        let state = self.state.borrow();
        let without = |peer: &&Rc<Peer>| {
            let there = peer.rooms.borrow().contains(&room);
            if !there && peer.busy.get() {
                self.look_later(peer, room);
            }
            !there && !peer.busy.get()
        };
        state.users.get(&user).into_iter().flatten().filter(without).cloned().collect()
    }

    /// The user's connections in the room, by attachment.
    fn attached(&self, user: UserId, room: RoomId) -> HashMap<u64, Rc<Peer>> {
        let state = self.state.borrow();
        let Some(entry) = state.rooms.get(&room) else { return HashMap::new() };
        entry.members.iter().filter(|m| m.peer.viewer.user == user).map(|m| (m.attach, m.peer.clone())).collect()
    }
}
