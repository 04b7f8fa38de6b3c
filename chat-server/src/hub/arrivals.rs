//! What has gone out to somebody's connection of the Messaging API in a direct conversation: its clients have no word for
//! that, so it is marked for them. In a room of many it would be a write for each member and message.

use std::{collections::HashMap, rc::Rc};

use futures_util::{StreamExt, stream};
use shared::{RoomId, UserId, protocol::command::Mark};
use store::{ChangeBody, RoomEvent};

use super::{CONCURRENT_READS, Hub, Peer, room::Room};

/// The last message of each room that went out to a user, and is not marked yet: at most one for each user and direct
/// room of the worker.
#[derive(Default)]
pub(super) struct Arrivals(HashMap<(UserId, RoomId), (Rc<Peer>, u64)>);

impl Arrivals {
    /// The event is on its way to the connection.
    pub fn note(&mut self, peer: &Rc<Peer>, direct: bool, event: &RoomEvent) {
        let ChangeBody::Message(message) = &event.change.body else { return };
        let user = peer.viewer.user;
        if direct && peer.is_messaging() && message.author != user {
            self.0.insert((user, event.room), (peer.clone(), message.seq));
        }
    }

    /// Is something to be marked?
    pub fn is_pending(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Room {
    /// Is it known to be a direct one?
    pub(super) fn is_direct(&self) -> bool {
        self.direct.is_some()
    }
}

/// Marks, whenever there is something. Where that fails, the next message makes up for it. Ends with the worker.
pub(super) async fn run(hub: Rc<Hub>) {
    loop {
        hub.arrived.notified().await;
        let arrivals = std::mem::take(&mut hub.state.borrow_mut().arrivals.0);
        let marks = stream::iter(arrivals).for_each_concurrent(CONCURRENT_READS, |((_, room_id), (peer, seq))| {
            let hub = &hub;
            async move {
                if let Err(e) = hub.domain.messages.mark_delivered(&peer.viewer, &Mark { room_id, seq }).await {
                    e.log();
                }
            }
        });
        marks.await;
    }
}
