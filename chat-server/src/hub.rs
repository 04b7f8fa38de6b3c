//! One hub per worker: the rooms its connections are in, and the bus events on their way to them.
//!
//! Lives on one thread: `Rc` and `RefCell`, no locks, and no borrow is held across an await. Nobody awaits a socket:
//! an event is pushed to bounded queues, and a queue that overflows takes its connection out at once.

pub mod added;
mod arrivals;
mod attach;
mod bounds;
mod bus;
mod directs;
mod follow;
mod heads;
pub mod held;
pub mod members;
pub mod own;
mod receipts;
mod repair;
pub mod room;
mod room_set;
mod sessions;
#[cfg(test)]
mod tests;
mod ticker;
mod topics;
mod typing;
pub mod users;
mod watching;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use arrivals::Arrivals;
pub use attach::GateGuard;
use bytes::Bytes;
use domain::{Domain, Viewer};
pub use follow::Pins;
use held::Hold;
use members::{Item, Member, Mode};
use own::Own;
use receipts::Receipts;
pub use repair::{FIRST_RETRY, LAST_RETRY, is_outage};
use room::{Followed, Room};
use room_set::RoomSet;
use shared::{
    RoomId, UserId,
    protocol::{Position, ServerFrame},
    settings::{Chat, Limits},
};
use socket::{Outbound, Pulse, Pushed};
use store::{ChangeBody, RoomEvent, Topic};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use topics::Topics;
use typing::Typing;
use watching::Watching;
use web::Drain;

use crate::{
    dialect::{Dialect, Encoded},
    session::on_event::{hidden, is_hidden, on_event},
};

/// Reads of room logs under way at once on this worker.
const CONCURRENT_READS: usize = 32;

/// A connection as the hub knows it.
pub struct Peer {
    /// Unique in this process.
    pub id: u64,
    pub viewer: Viewer,
    pub dialect: Dialect,
    pub outbound: Outbound,
    /// The rooms it is a member of in the hub.
    rooms: RefCell<RoomSet>,
    /// A command is changing its rooms: rooms added by others wait until it is done.
    busy: Cell<bool>,
    /// Rooms that changed while it was busy, to be looked at when it is not.
    later: RefCell<RoomSet>,
    /// The room it is leaving by a command of its own: it needs no event to tell it.
    pub leaving: Cell<Option<RoomId>>,
    /// Its client will resume: it gets no events until then.
    hold: RefCell<Option<Box<Hold>>>,
    /// It gets the changes of the user's own log after this `rev`; `None`: none yet.
    own_after: Cell<Option<u64>>,
    gone: Cell<bool>,
}

impl Peer {
    /// A connection that is being set up: busy until [`Hub::end_busy`].
    pub fn new(viewer: Viewer, dialect: Dialect, outbound: Outbound) -> Rc<Self> {
        Rc::new(Self {
            id: socket::next_connection_id(),
            viewer,
            dialect,
            outbound,
            rooms: RefCell::default(),
            busy: Cell::new(true),
            later: RefCell::default(),
            leaving: Cell::new(None),
            hold: RefCell::default(),
            own_after: Cell::new(None),
            gone: Cell::new(false),
        })
    }

    /// Rooms that others add wait.
    fn is_busy(&self) -> bool {
        self.busy.get() || self.is_held()
    }
}

/// This worker's rooms and users.
pub struct Hub {
    pub domain: Domain,
    drain: Arc<Drain>,
    pulse: Rc<Pulse>,
    topics: Topics,
    state: RefCell<State>,
    /// Topics may have become stale.
    stale: Notify,
    /// When the ticker wakes by itself.
    armed: Cell<Option<Instant>>,
    /// It is to wake sooner.
    sooner: Notify,
    /// Events may have been lost, and so the end of a session.
    lost: Notify,
    /// How people are is to be looked at.
    people: Notify,
    /// What went out is to be marked.
    arrived: Notify,
    reads: Semaphore,
}

struct State {
    rooms: HashMap<RoomId, Room>,
    typing: Typing,
    receipts: Receipts,
    watching: Watching,
    arrivals: Arrivals,
    /// Boxed: an entry is large, and a growing table is half empty.
    users: HashMap<UserId, Box<User>>,
    /// Topics nobody needed when they were put here.
    stale: HashSet<Topic>,
    out: Out,
    turn: Turn,
    /// Numbers rooms' entries and attachments.
    next: u64,
}

/// A user with connections on this worker.
#[derive(Default)]
struct User {
    peers: Vec<Rc<Peer>>,
    own: Own,
    /// Names this entry: going and coming back gives another.
    epoch: u64,
}

/// What may still be pushed to one queue before the sockets get their turn: a quarter of what a queue holds, so that
/// one whose peer reads well does not overflow only because its socket was given no turn.
#[derive(Clone, Copy)]
struct Turn {
    frames: usize,
    bytes: usize,
}

impl Turn {
    fn new(limits: &Limits) -> Self {
        Self { frames: limits.queue_frames / 4, bytes: limits.queue_bytes / 4 }
    }

    /// An event was delivered, in a frame of so many bytes.
    fn take(&mut self, bytes: usize) {
        self.frames = self.frames.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn is_over(self) -> bool {
        self.frames == 0 || self.bytes == 0
    }
}

/// What a round of pushes left to do.
#[derive(Default)]
struct Out {
    /// To be woken, each once.
    touched: Vec<Outbound>,
    /// Their queue is gone: they leave their rooms now.
    lost: Vec<Rc<Peer>>,
}

impl Out {
    /// `None`: the connection's dialect has no word for it.
    fn push(&mut self, peer: &Rc<Peer>, frame: Option<Bytes>) {
        let Some(frame) = frame else { return };
        match peer.outbound.push(frame) {
            Pushed::First => self.touched.push(peer.outbound.clone()),
            Pushed::More => {}
            Pushed::Overflowed | Pushed::Closed => self.lost.push(peer.clone()),
        }
    }
}

impl State {
    fn new(settings: &Chat, turn: Turn) -> Self {
        Self {
            rooms: HashMap::new(),
            turn,
            typing: Typing::new(Duration::from_millis(settings.typing_ms)),
            receipts: Receipts::new(Duration::from_millis(settings.receipt_ms), settings.receipt_members),
            watching: Watching::default(),
            arrivals: Arrivals::default(),
            users: HashMap::new(),
            stale: HashSet::new(),
            out: Out::default(),
            next: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// To each member's queue, encoded once. O(members).
    fn deliver(&mut self, event: &RoomEvent) {
        let Some(room) = self.rooms.get_mut(&event.room) else { return };
        let rev = event.change.rev;
        let frame = on_event(event);
        let mut shown = Encoded::in_room(&frame, room.direct.as_ref());
        let blank = is_hidden(event, u64::MAX).then(|| on_event(&hidden(event)));
        let mut blank = blank.as_ref().map(Encoded::new);
        let left = event.change.body.ends_membership().then_some(event.change.user);
        if let ChangeBody::Message(message) = &event.change.body {
            room.authors.note(message.seq, message.author);
        }
        let direct = room.is_direct();
        let (mut deliveries, mut bytes) = (0, 0);
        for member in room.members.iter_mut() {
            if left == Some(member.peer.viewer.user) {
                continue;
            }
            let encoded = match &mut blank {
                Some(blank) if is_hidden(event, member.visible_after.unwrap_or(u64::MAX)) => blank,
                _ => &mut shown,
            };
            match &mut member.mode {
                Mode::Live { after } if rev > *after => {
                    let frame = encoded.frame(member.peer.dialect);
                    bytes = bytes.max(frame.as_ref().map_or(0, Bytes::len));
                    deliveries += u64::from(frame.is_some());
                    self.out.push(&member.peer, frame);
                    self.arrivals.note(&member.peer, direct, event);
                }
                Mode::Live { .. } => {}
                Mode::Gated(gate) => {
                    if let Some(frame) = encoded.frame(member.peer.dialect) {
                        gate.hold(rev, Item::Frame(frame));
                    }
                }
            }
        }
        metrics::counter!("chatapp_deliveries_total").increment(deliveries);
        if left.is_some() || matches!(event.change.body, ChangeBody::Message(_)) {
            self.end_typing(event.room, event.change.user);
        }
        if let ChangeBody::Updated(now) = &event.change.body {
            self.room_changed(event.room, now.history_visibility);
        }
        if let Some(user) = left {
            self.user_left(event.room, user, rev);
        }
        if matches!(event.change.body, ChangeBody::Ended) {
            self.room_ended(event.room, rev);
        }
        self.turn.take(bytes);
        self.drop_lost();
    }

    /// With the room, everybody's connections end in it.
    fn room_ended(&mut self, room: RoomId, rev: u64) {
        let Some(entry) = self.rooms.get(&room) else { return };
        let users: HashSet<UserId> = entry.members.iter().map(|member| member.peer.viewer.user).collect();
        users.into_iter().for_each(|user| self.user_left(room, user, rev));
    }

    /// The user's connections end with the change that was their leaving, or their being taken out.
    fn user_left(&mut self, room: RoomId, user: UserId, rev: u64) {
        let Some(entry) = self.rooms.get_mut(&room) else { return };
        let mut leaving = Vec::new();
        for connection in entry.members.of(user) {
            let Some(member) = entry.members.get_mut(connection) else { continue };
            match &mut member.mode {
                Mode::Live { after } if rev > *after => leaving.push(member.peer.clone()),
                Mode::Live { .. } => {}
                Mode::Gated(gate) => gate.hold(rev, Item::Left),
            }
        }
        for peer in leaving {
            self.remove_from_room(&peer, room, None);
        }
    }

    /// Out of the room, and told, unless it was its own command. `position`: of the entry in the user's own log that
    /// says so.
    fn remove_from_room(&mut self, peer: &Rc<Peer>, room: RoomId, position: Option<Position>) {
        if !self.detach(peer, room) || peer.leaving.get() == Some(room) {
            return;
        }
        let frame = peer.dialect.encode(&ServerFrame::RoomRemoved { room_id: room, user_position: position }, None);
        self.out.push(peer, frame);
    }

    /// `false`: it was not in the room.
    fn detach(&mut self, peer: &Peer, room: RoomId) -> bool {
        peer.rooms.borrow_mut().remove(room);
        let removed = self.rooms.get_mut(&room).is_some_and(|entry| entry.members.remove(peer.id).is_some());
        self.drop_idle(room);
        removed
    }

    fn drop_idle(&mut self, room: RoomId) {
        if self.rooms.get(&room).is_some_and(Room::is_idle) {
            self.rooms.remove(&room);
            self.stale.insert(Topic::Room(room));
        }
    }

    /// Connections whose queue overflowed during the last pushes leave at once.
    fn drop_lost(&mut self) {
        while let Some(peer) = self.out.lost.pop() {
            self.forget(&peer);
        }
    }

    /// Out of everything.
    fn forget(&mut self, peer: &Rc<Peer>) {
        if peer.gone.replace(true) {
            return;
        }
        for room in peer.rooms.take() {
            self.detach(peer, room);
        }
        self.stale.extend(self.watching.remove(peer).into_iter().map(Topic::Presence));
        let user = peer.viewer.user;
        if let Some(entry) = self.users.get_mut(&user) {
            entry.peers.retain(|other| other.id != peer.id);
            if entry.peers.is_empty() {
                self.users.remove(&user);
                self.stale.insert(Topic::User(user));
            }
        }
    }

    /// The room's log is to be read. `false`: it is being read already, and will be once more.
    fn suspect(&mut self, room: RoomId) -> bool {
        let Some(entry) = self.rooms.get_mut(&room) else { return false };
        let begins = entry.track.suspect();
        if begins {
            entry.latch.set(Followed::NotYet);
        }
        begins
    }

    fn wants(&self, topic: Topic) -> bool {
        match topic {
            Topic::Room(room) => self.rooms.contains_key(&room),
            Topic::User(user) => self.users.contains_key(&user),
            Topic::Presence(user) => self.watching.contains(user),
        }
    }

    /// `None`: the connection or the room has gone.
    fn insert_member(&mut self, peer: &Rc<Peer>, room: RoomId, mode: Mode, visible_after: Option<u64>) -> Option<u64> {
        if peer.gone.get() {
            return None;
        }
        let attach = self.number();
        let entry = self.rooms.get_mut(&room)?;
        entry.members.insert(Member { peer: peer.clone(), mode, attach, visible_after });
        peer.rooms.borrow_mut().insert(room);
        Some(attach)
    }
}

impl Hub {
    /// A hub for this worker, with its tasks; call inside the worker's runtime. It ends with the worker.
    pub fn start(domain: Domain, drain: Arc<Drain>) -> Rc<Self> {
        let subscriber = domain.store.bus.subscriber();
        let heartbeat = Duration::from_secs(domain.settings.limits.heartbeat_seconds);
        let state = RefCell::new(State::new(&domain.settings.chat, Turn::new(&domain.settings.limits)));
        let hub = Rc::new(Self {
            pulse: Pulse::start(heartbeat, drain.begun().clone()),
            domain,
            drain,
            topics: Topics::new(subscriber.subscriptions),
            state,
            stale: Notify::new(),
            armed: Cell::new(None),
            sooner: Notify::new(),
            lost: Notify::new(),
            people: Notify::new(),
            arrived: Notify::new(),
            reads: Semaphore::new(CONCURRENT_READS),
        });
        actix_web::rt::spawn(bus::run(hub.clone(), subscriber.inbox));
        actix_web::rt::spawn(follow::unsubscribe_stale(hub.clone()));
        actix_web::rt::spawn(heads::run(hub.clone()));
        actix_web::rt::spawn(ticker::run(hub.clone()));
        actix_web::rt::spawn(watching::run(hub.clone()));
        actix_web::rt::spawn(arrivals::run(hub.clone()));
        actix_web::rt::spawn(web::sessions::watch(hub.domain.clone(), hub.clone()));
        hub
    }

    /// The stop of the service.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// The worker's pings.
    pub fn pulse(&self) -> &Rc<Pulse> {
        &self.pulse
    }

    /// Changes the state, then lets the sockets it touched send and unneeded topics go. `change` must not call back.
    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.borrow_mut();
        state.turn = Turn::new(&self.domain.settings.limits);
        let result = change(&mut state);
        state.drop_lost();
        let stale = !state.stale.is_empty();
        let tick = state.next_tick();
        let (people, arrived) = (state.watching.is_pending(), state.arrivals.is_pending());
        let touched = std::mem::take(&mut state.out.touched);
        drop(state);
        touched.iter().for_each(Outbound::wake);
        if stale {
            self.stale.notify_one();
        }
        if people {
            self.people.notify_one();
        }
        if arrived {
            self.arrived.notify_one();
        }
        if tick.is_some_and(|tick| self.armed.get().is_none_or(|armed| tick < armed)) {
            self.sooner.notify_one();
        }
        result
    }
}
