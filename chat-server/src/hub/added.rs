//! Rooms that others add a user to, or remove them from, while they are connected.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use domain::{DomainError, Result, Viewer, messages::Missed};
use futures_util::{StreamExt, stream};
use shared::{
    RoomId, UserId,
    protocol::{Position, Room, ServerFrame},
};
use store::{ChangeBody, RoomEvent};

use super::{
    CONCURRENT_READS, Hub, Peer,
    repair::{FIRST_RETRY, LAST_RETRY},
};
use crate::session::on_event::{hidden, is_hidden};

/// A room of so few changes is told from the user's joining on.
const YOUNG: u64 = 50;

/// The user was added to a room: `ROOM_ADDED` and then its events, on each connection that has not got it yet.
/// `position`: of the entry in the user's own log that says so.
pub async fn add_room(hub: &Rc<Hub>, user: UserId, room: RoomId, position: Option<Position>) -> Result<()> {
    let mut peers = hub.without_room(user, room);
    peers.retain(|peer| position.is_none_or(|position| peer.lacks(position)));
    let Some(one) = peers.first() else { return Ok(()) };
    let viewer = one.viewer.clone();
    let added = async {
        let mut gates = Vec::with_capacity(peers.len());
        for peer in &peers {
            gates.extend(hub.gate_unless_there(peer, room).await?);
            let others = hub.learn_directs(peer, std::iter::once(room)).await?;
            hub.watch(peer, others).await?;
        }
        Ok::<_, DomainError>((gates, Added::read(hub, &viewer, room, position).await?))
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

/// A room that changed for the user while a connection was busy: it is added where it is lacking, and taken away where
/// they are no member any more, as the command may have put the connection in behind the change that said so. Tried again
/// while the store is away: going on as it is would be silent.
pub(super) async fn settle_room(hub: Rc<Hub>, user: UserId, room: RoomId) {
    let settle = async || {
        add_room(&hub, user, room, None).await?;
        verify_member(&hub, user, room, None).await
    };
    let mut wait = FIRST_RETRY;
    while let Err(e) = settle().await {
        e.log();
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_RETRY);
    }
}

/// What a connection is told of a room it was added to.
pub struct Added {
    pub frame: ServerFrame,
    pub position: Position,
    /// What happened since the user joined, where that can be told: who is written to for the first time is in the
    /// room before anything can be followed, and should get the message all the same.
    pub since: Vec<RoomEvent>,
}

impl Added {
    /// `None`: the user is no member. `user_position`: of the entry in their own log that says so.
    pub async fn read(
        hub: &Hub,
        viewer: &Viewer,
        room: RoomId,
        user_position: Option<Position>,
    ) -> Result<Option<Self>> {
        let view = match hub.domain.rooms.view(viewer, room).await {
            Ok(view) => view,
            // Nobody but its members knows of it.
            Err(DomainError::RoomNotFound) => return Ok(None),
            Err(e) => return Err(e),
        };
        let (Some(head), true) = (view.position, is_member(&view)) else { return Ok(None) };
        let mut since = Vec::new();
        let mut position = head;
        // All of it or nothing: what is told must go on to where the room's gate took over.
        if head.rev <= YOUNG
            && let Missed::Events { events, has_more: false } =
                hub.domain.messages.missed(room, Position { rev: 0, ..head }, YOUNG as usize).await?
        {
            let joined = |e: &RoomEvent| matches!(e.change.body, ChangeBody::Joined);
            if let Some(own) = events.iter().rposition(|e| joined(e) && e.change.user == viewer.user) {
                // Who was put into a new room together is there from its beginning.
                let at = own + events[own + 1..].iter().take_while(|e| joined(e)).count();
                position = Position { rev: events[at].change.rev, event_id: events[at].change.event_id };
                since = events.into_iter().skip(at + 1).collect();
                hide_edits(hub, viewer, room, &mut since).await?;
            }
        }
        let room = Room { position: Some(position), ..view };
        Ok(Some(Self { frame: ServerFrame::RoomAdded { room, position, user_position }, position, since }))
    }
}

/// Takes out of edits what the user may not see.
async fn hide_edits(hub: &Hub, viewer: &Viewer, room: RoomId, events: &mut [RoomEvent]) -> Result<()> {
    if !events.iter().any(|event| is_hidden(event, u64::MAX)) {
        return Ok(());
    }
    let visible_after = hub.domain.rooms.hidden_up_to(room, &[viewer.user]).await?.pop().unwrap_or(u64::MAX);
    for event in events.iter_mut().filter(|event| is_hidden(event, visible_after)) {
        *event = hidden(event);
    }
    Ok(())
}

/// The user was removed from a room. Its log has said so, as a rule; this is for where it could not.
pub async fn verify_member(hub: &Hub, user: UserId, room: RoomId, position: Option<Position>) -> Result<()> {
    // One that is just being attached by a list read before is told to read it again.
    hub.without_room(user, room);
    let attached = hub.attached(user, room);
    let Some(peer) = attached.values().next() else { return Ok(()) };
    let viewer = peer.viewer.clone();
    let gone = match hub.domain.rooms.view(&viewer, room).await {
        Ok(view) => !is_member(&view),
        Err(DomainError::RoomNotFound) => true,
        Err(e) => return Err(e),
    };
    if gone {
        hub.update(|state| {
            for (attach, peer) in attached {
                let same = |m: &mut super::members::Member| m.attach == attach;
                let still = state.rooms.get_mut(&room).and_then(|r| r.members.get_mut(peer.id)).is_some_and(same);
                if still {
                    state.remove_from_room(&peer, room, position.filter(|position| peer.lacks(*position)));
                }
            }
        });
    }
    Ok(())
}

/// After a reset of a room: who left meanwhile is not told so by its log any more.
pub(super) async fn verify_members(hub: Rc<Hub>, room: RoomId, users: HashSet<UserId>) {
    let verify = |user| {
        let hub = hub.clone();
        async move {
            if let Err(e) = verify_member(&hub, user, room, None).await {
                e.log();
            }
        }
    };
    stream::iter(users).for_each_concurrent(CONCURRENT_READS, verify).await;
}

fn is_member(view: &Room) -> bool {
    view.role.is_some()
}

impl Hub {
    /// The user's connections that are not in the room. Busy ones are left to their command, and looked at after it.
    fn without_room(&self, user: UserId, room: RoomId) -> Vec<Rc<Peer>> {
        let state = self.state.borrow();
        let without = |peer: &&Rc<Peer>| {
            let there = peer.rooms.borrow().contains(room);
            if !there && peer.is_busy() {
                self.look_later(peer, room);
            }
            !there && !peer.is_busy()
        };
        state.users.get(&user).into_iter().flat_map(|u| &u.peers).filter(without).cloned().collect()
    }

    /// The user's connections in the room, by attachment.
    fn attached(&self, user: UserId, room: RoomId) -> HashMap<u64, Rc<Peer>> {
        let state = self.state.borrow();
        let Some(entry) = state.rooms.get(&room) else { return HashMap::new() };
        entry.members.iter().filter(|m| m.peer.viewer.user == user).map(|m| (m.attach, m.peer.clone())).collect()
    }
}
