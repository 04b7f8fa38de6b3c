//! What the bus brings: all that one wake-up brought is taken in, then each touched socket is woken once.

use std::{collections::HashSet, rc::Rc};

use domain::Login;
use shared::{RoomId, UserId};
use socket::CloseCode;
use store::{BusEvent, Inbox, Signal, UserChangeBody, UserEvent};
use tokio::time::Instant;

use super::{
    Hub, State, repair,
    room::{Followed, Verdict},
    users,
};

/// Serves the worker's inbox until the store closes or the worker ends.
pub(super) async fn run(hub: Rc<Hub>, mut inbox: Inbox) {
    while let Some(first) = inbox.recv().await {
        hub.take_in(first, || inbox.try_recv());
        tokio::task::yield_now().await;
    }
}

impl Hub {
    /// One round: `first`, what `next` has without waiting, and then the touched sockets are woken. A burst longer than a
    /// quarter of a queue, or than a turn, goes out in several. Costs one push for each delivery.
    pub fn take_in(self: &Rc<Self>, first: Signal, mut next: impl FnMut() -> Option<Signal>) {
        let most = (self.domain.settings.limits.queue_frames / 4).max(1);
        let mut todo = Todo::default();
        self.update(|state| {
            let mut signal = Some(first);
            let mut taken = 0;
            while let Some(one) = signal {
                state.take(one, &mut todo);
                taken += 1;
                signal = if taken < most && !state.turn.is_over() { next() } else { None };
            }
        });
        todo.start(self);
    }
}

/// What needs the store; begun after the round.
#[derive(Default)]
struct Todo {
    gaps: Vec<RoomId>,
    users: HashSet<UserId>,
    lost: bool,
}

impl Todo {
    /// Each task ends when nothing is missing. There is at most one for a room's log, and one for a user's own.
    fn start(self, hub: &Rc<Hub>) {
        for room in self.gaps {
            actix_web::rt::spawn(repair::repair(hub.clone(), room));
        }
        for user in self.users {
            users::start_telling(hub, user);
        }
        if self.lost {
            hub.lost.notify_one();
        }
    }
}

impl State {
    fn take(&mut self, signal: Signal, todo: &mut Todo) {
        match signal {
            Signal::Event(BusEvent::Room(event)) => {
                if self.lacks_bounds(&event) && self.suspect(event.room) {
                    todo.gaps.push(event.room);
                }
                let Some(room) = self.rooms.get_mut(&event.room) else { return };
                match room.track.take(&event) {
                    Verdict::Deliver => self.deliver(&event),
                    Verdict::Old | Verdict::Held => {}
                    Verdict::Gap => {
                        room.latch.set(Followed::NotYet);
                        todo.gaps.push(event.room);
                    }
                }
            }
            Signal::Event(BusEvent::User(user, event)) => self.take_user_event(user, &event, todo),
            Signal::Event(BusEvent::Marked(event)) => self.take_mark(&event, Instant::now()),
            Signal::Event(BusEvent::Typing(event)) => self.take_typing(&event, Instant::now()),
            Signal::Event(BusEvent::Presence(event)) => self.watching.suspect(event.user, None),
            Signal::Event(BusEvent::AccessChanged { user, watcher }) => self.watching.suspect(user, watcher),
            Signal::Lost => {
                let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
                todo.gaps.extend(rooms.into_iter().filter(|room| self.suspect(*room)));
                todo.lost = true;
                self.watching.suspect_all();
                tracing::warn!("events may have been missed: reading the logs of all rooms and users");
                for (id, user) in &mut self.users {
                    user.own.suspect();
                    todo.users.insert(*id);
                }
            }
        }
    }

    fn take_user_event(&mut self, user: UserId, event: &UserEvent, todo: &mut Todo) {
        match event {
            UserEvent::Change(change) => {
                let Some(entry) = self.users.get_mut(&user) else { return };
                entry.own.take(change);
                if let UserChangeBody::RoomAdded(_) | UserChangeBody::RoomRemoved(_) = change.body {
                    entry.peers.iter().for_each(|peer| self.watching.suspect_sight(peer));
                }
                todo.users.insert(user);
            }
            UserEvent::SessionEnded(session) => {
                self.end_login(user, Login::Session(*session), CloseCode::Unauthorized);
            }
            UserEvent::AccountClosed => self.close_account(user),
        }
    }
}
