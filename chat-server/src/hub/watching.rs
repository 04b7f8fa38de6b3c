//! How the people of this worker's connections of the Messaging API are: their contacts, and whom they have a direct room
//! with. What the bus says of one is only a reason to look, so that what may be seen is decided in one place, by the
//! domain, each time; whoever knows already what is seen then is told nothing.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use bytes::Bytes;
use domain::Result;
use futures_util::{StreamExt, stream};
use shared::{
    Timestamp, UserId,
    protocol::{ServerFrame, Status, UserPresence},
};
use store::Topic;

use super::{FIRST_RETRY, Hub, LAST_RETRY, Peer, State};
use crate::dialect::Encoded;

/// Viewers looked for at once.
const AT_ONCE: usize = 16;

/// Who is watched, and by whom. At most `presence.maxWatched` for each connection.
#[derive(Default)]
pub(super) struct Watching {
    users: HashMap<UserId, Vec<Watch>>,
    /// Whom each connection watches.
    of: HashMap<u64, HashSet<UserId>>,
    /// What is to be looked at: (viewer, user). Bounded by the watches.
    pending: HashSet<(UserId, UserId)>,
}

struct Watch {
    peer: Rc<Peer>,
    /// A client takes everybody to be away of whom it has heard nothing.
    told: Status,
}

impl Watching {
    pub fn contains(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    /// Adds those the connection does not watch yet, as far as it may: gives them.
    fn add(&mut self, peer: &Rc<Peer>, mut users: Vec<UserId>, most: usize) -> Vec<UserId> {
        let own = self.of.entry(peer.id).or_default();
        users.retain(|user| own.len() < most && own.insert(*user));
        for user in &users {
            let watch = Watch { peer: peer.clone(), told: Status::Offline };
            self.users.entry(*user).or_default().push(watch);
        }
        users
    }

    /// Ends all of a connection's; gives who is watched by nobody any more.
    pub fn remove(&mut self, peer: &Peer) -> Vec<UserId> {
        let mut unwatched = Vec::new();
        for user in self.of.remove(&peer.id).into_iter().flatten() {
            let Some(watches) = self.users.get_mut(&user) else { continue };
            watches.retain(|watch| watch.peer.id != peer.id);
            if watches.is_empty() {
                self.users.remove(&user);
                unwatched.push(user);
            }
        }
        unwatched
    }

    /// Something may have changed in how this user is, or is seen: by everybody, or by one.
    pub fn suspect(&mut self, user: UserId, by: Option<UserId>) {
        let viewers = self.users.get(&user).into_iter().flatten().map(|watch| watch.peer.viewer.user);
        let viewers = viewers.filter(|viewer| by.is_none_or(|by| by == *viewer));
        self.pending.extend(viewers.map(|viewer| (viewer, user)));
    }

    /// In how the user of this connection sees others.
    pub fn suspect_sight(&mut self, peer: &Peer) {
        let users = self.of.get(&peer.id).into_iter().flatten();
        self.pending.extend(users.map(|user| (peer.viewer.user, *user)));
    }

    /// In everything.
    pub fn suspect_all(&mut self) {
        let all = self.users.iter().flat_map(|(user, w)| w.iter().map(|watch| (watch.peer.viewer.user, *user)));
        self.pending.extend(all);
    }

    /// Is something to be looked at?
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

impl State {
    /// Who was seen so, is told to the viewer's connections that do not know it. `frames`: those made before.
    fn tell_status(&mut self, viewer: UserId, seen: UserPresence, frames: &mut Frames) {
        let user = seen.user_id;
        for watch in self.watching.users.get_mut(&user).into_iter().flatten() {
            if watch.peer.viewer.user == viewer && watch.told != seen.status {
                watch.told = seen.status;
                let key = (user, seen.status, seen.last_seen);
                let frame = frames.entry(key).or_insert_with(|| {
                    Encoded::new(&ServerFrame::PresenceUpdate(seen.clone())).frame(watch.peer.dialect)
                });
                self.out.push(&watch.peer, frame.clone());
            }
        }
        self.drop_lost();
    }
}

/// Of one round of looks: those who see the same are told by one frame.
type Frames = HashMap<(UserId, Status, Option<Timestamp>), Option<Bytes>>;

impl Hub {
    /// Begins to tell a connection that is told such things how its contacts are, and these others.
    pub async fn watch_people(&self, peer: &Rc<Peer>, others: Vec<UserId>) -> Result<()> {
        if !peer.is_messaging() {
            return Ok(());
        }
        let mut people = self.domain.store.people.contacts(peer.viewer.user).await?;
        people.extend(others);
        self.watch(peer, people).await
    }

    /// Begins to tell how these users are. When it returns, whatever is published of them is heard.
    pub(super) async fn watch(&self, peer: &Rc<Peer>, users: Vec<UserId>) -> Result<()> {
        if users.is_empty() || peer.gone.get() {
            return Ok(());
        }
        let most = self.domain.settings.presence.max_watched;
        let added = self.update(|state| state.watching.add(peer, users, most));
        let topics: Vec<Topic> = added.iter().copied().map(Topic::Presence).collect();
        self.topics.subscribe(&topics).await?;
        // After it: what happens to them later is a reason to look again.
        let viewer = peer.viewer.user;
        self.update(|state| added.into_iter().for_each(|user| state.watching.suspect(user, Some(viewer))));
        Ok(())
    }
}

/// Looks, whenever there is a reason to. Ends with the worker.
pub(super) async fn run(hub: Rc<Hub>) {
    let mut wait = FIRST_RETRY;
    loop {
        hub.people.notified().await;
        match look(&hub).await {
            Ok(()) => wait = FIRST_RETRY,
            Err(e) => {
                e.log();
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
                hub.people.notify_one();
            }
        }
    }
}

/// An error: some is left.
async fn look(hub: &Hub) -> Result<()> {
    let pending = std::mem::take(&mut hub.state.borrow_mut().watching.pending);
    let mut by_viewer: HashMap<UserId, Vec<UserId>> = HashMap::new();
    for (viewer, user) in pending {
        by_viewer.entry(viewer).or_default().push(user);
    }
    let looks = by_viewer.into_iter().map(|(viewer, users)| async move {
        let seen = hub.domain.presence.see(viewer, &users).await;
        (viewer, users, seen)
    });
    let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
    let (mut all, mut frames) = (Ok(()), Frames::new());
    while let Some((viewer, users, seen)) = looks.next().await {
        match seen {
            Ok(seen) => hub.update(|state| {
                for seen in seen {
                    state.tell_status(viewer, seen.presence, &mut frames);
                }
            }),
            Err(e) => {
                hub.state.borrow_mut().watching.pending.extend(users.into_iter().map(|user| (viewer, user)));
                all = Err(e);
            }
        }
    }
    all
}
