//! Following rooms and users on the bus: subscribed while somebody here needs it, and not longer.

use std::{rc::Rc, time::Duration};

use domain::{DomainError, Result};
use shared::{RoomId, UserId, protocol::Position};
use store::Topic;
use tokio::time::{Instant, timeout_at};

use super::{
    Hub, Peer, User, repair,
    room::{Followed, Latch, Room},
    users,
};

/// Longest wait until rooms are followed: a store that does not answer, or a gap that is long.
const FOLLOWED: Duration = Duration::from_secs(10);

/// Keeps rooms followed until members have been added, or not.
pub struct Pins {
    hub: Rc<Hub>,
    pins: Vec<Pin>,
}

struct Pin {
    room: RoomId,
    epoch: u64,
    /// The entry's, which may go before anybody looks at it.
    latch: Rc<Latch>,
}

impl Pins {
    /// Those that were asked for; of some there may be no entry.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = RoomId> {
        self.pins.iter().map(|pin| pin.room)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let pins = std::mem::take(&mut self.pins);
        self.hub.update(|state| {
            for pin in pins {
                if let Some(room) = state.rooms.get_mut(&pin.room)
                    && room.epoch == pin.epoch
                {
                    room.pins -= 1;
                    state.drop_idle(pin.room);
                }
            }
        });
    }
}

impl Hub {
    /// Begins to follow a user, with this connection as one of theirs. What happens from now on is heard, and told
    /// after [`begin_own`](Self::begin_own).
    pub async fn follow_user(&self, peer: &Rc<Peer>) -> Result<()> {
        let user = peer.viewer.user;
        let known = self.update(|state| {
            let epoch = state.number();
            let entry = state.users.entry(user).or_insert_with(|| Box::new(User { epoch, ..User::default() }));
            // One device is the rule: room for four would be most of the entry.
            entry.peers.reserve_exact(1);
            entry.peers.push(peer.clone());
            entry.own.last().is_some()
        });
        // Following twice is following once, and another connection may still be waiting for the same.
        if known { Ok(()) } else { Ok(self.topics.subscribe(&[Topic::User(user)]).await?) }
    }

    /// The user's own log stood at `head` when they were followed: what is later is told, unless it is already.
    pub fn begin_own(self: &Rc<Self>, user: UserId, head: Position) {
        let begun = self.update(|state| {
            let entry = state.users.get_mut(&user).filter(|entry| entry.own.last().is_none());
            entry.map(|entry| entry.own.begin(head)).is_some()
        });
        if begun {
            users::start_telling(self, user);
        }
    }

    /// Follows these rooms: when it returns, every change after each room's last delivered one will be delivered to
    /// members that are added while the pins are held. A room that does not exist (any more) is passed over: it has no
    /// entry then, and nobody can be added. `Unavailable` after [`FOLLOWED`], and when the server stops.
    pub async fn follow(self: &Rc<Self>, rooms: &[RoomId]) -> Result<Pins> {
        let (pins, fresh) = self.pin(rooms);
        if !fresh.is_empty() {
            // A task of its own: who asked first may go away while others wait.
            actix_web::rt::spawn(start(self.clone(), fresh));
        }
        let until = Instant::now() + FOLLOWED;
        for pin in &pins.pins {
            let followed = tokio::select! {
                followed = timeout_at(until, pin.latch.settled()) => followed.unwrap_or(Followed::Failed),
                () = self.drain.begun().cancelled() => Followed::Failed,
            };
            if followed == Followed::Failed {
                return Err(unfollowed());
            }
        }
        Ok(pins)
    }

    fn pin(self: &Rc<Self>, rooms: &[RoomId]) -> (Pins, Vec<(RoomId, u64)>) {
        let mut pins = Pins { hub: self.clone(), pins: Vec::with_capacity(rooms.len()) };
        let mut fresh = Vec::new();
        let mut state = self.state.borrow_mut();
        for id in rooms {
            if !state.rooms.contains_key(id) {
                let epoch = state.number();
                state.rooms.insert(*id, Room::new(epoch));
                fresh.push((*id, epoch));
            }
            if let Some(room) = state.rooms.get_mut(id) {
                room.pins += 1;
                pins.pins.push(Pin { room: *id, epoch: room.epoch, latch: room.latch.clone() });
            }
        }
        drop(state);
        (pins, fresh)
    }

    /// Ends entries and tells whoever waits for them why.
    pub(super) fn abandon(&self, rooms: &[(RoomId, u64)], why: Followed) {
        self.update(|state| {
            for (id, epoch) in rooms {
                if state.rooms.get(id).is_some_and(|room| room.epoch == *epoch)
                    && let Some(room) = state.rooms.remove(id)
                {
                    room.latch.set(why);
                    state.stale.insert(Topic::Room(*id));
                }
            }
        });
    }
}

fn unfollowed() -> DomainError {
    DomainError::Unavailable(anyhow::anyhow!("the room cannot be followed"))
}

/// Subscribe first, then note the head: what happens in between is held.
async fn start(hub: Rc<Hub>, rooms: Vec<(RoomId, u64)>) {
    let ids: Vec<RoomId> = rooms.iter().map(|(id, _)| *id).collect();
    let topics: Vec<Topic> = ids.iter().map(|id| Topic::Room(*id)).collect();
    let heads = async {
        hub.topics.subscribe(&topics).await?;
        hub.domain.rooms.positions(&ids).await
    };
    let heads = match heads.await {
        Ok(heads) => heads,
        Err(e) => {
            e.log();
            return hub.abandon(&rooms, Followed::Failed);
        }
    };
    for ((id, epoch), head) in rooms.into_iter().zip(heads) {
        let Some(head) = head else {
            hub.abandon(&[(id, epoch)], Followed::NoRoom);
            continue;
        };
        let live = hub.update(|state| {
            let room = state.rooms.get_mut(&id).filter(|room| room.epoch == epoch)?;
            room.track.jump(head);
            Some(repair::settle(state, id))
        });
        if live == Some(false) {
            actix_web::rt::spawn(repair::repair(hub.clone(), id));
        }
    }
}

/// Unsubscribes what nobody needs any more; one round at a time.
pub(super) async fn unsubscribe_stale(hub: Rc<Hub>) {
    loop {
        hub.stale.notified().await;
        let unneeded = || {
            let mut state = hub.state.borrow_mut();
            let stale = std::mem::take(&mut state.stale);
            stale.into_iter().filter(|topic| !state.wants(*topic)).collect()
        };
        hub.topics.unsubscribe(unneeded).await;
    }
}
