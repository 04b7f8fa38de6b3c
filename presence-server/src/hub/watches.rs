//! Who on this worker watches whom, how, and what each of them was told last.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use domain::presence::{Seen, Sight, view};
use shared::{
    UserId,
    protocol::{ServerFrame, UserPresence, encode_frame},
};
use socket::{Outbound, Pushed, text_frame};
use store::presence::PresenceEvent;

/// What a connection wants to watch; whether it may is its `sight`.
struct Watch {
    watcher: u64,
    viewer: UserId,
    outbound: Outbound,
    sight: Sight,
    /// Shared by those who know the same; nothing before the first snapshot.
    told: Option<Rc<UserPresence>>,
    /// While a snapshot is read: the newest event, which must not come before it.
    held: Option<Option<Arc<PresenceEvent>>>,
}

/// Bounded by `presence.max_watched` for each connection.
#[derive(Default)]
pub(super) struct Watches(HashMap<UserId, Vec<Watch>>);

/// What is told of a user, in the ways that watchers may see it: each is made once, for the first of them.
struct News<'a> {
    event: &'a PresenceEvent,
    views: HashMap<Sight, Telling>,
}

/// What a watcher is to know, and the frame that says so, made for the first who does not know it.
struct Telling {
    presence: Rc<UserPresence>,
    frame: OnceCell<Bytes>,
}

impl Telling {
    fn new(presence: UserPresence) -> Self {
        Self { presence: Rc::new(UserPresence { devices: None, ..presence }), frame: OnceCell::new() }
    }

    fn frame(&self) -> Bytes {
        let encode = || text_frame(encode_frame(&ServerFrame::PresenceUpdate((*self.presence).clone()), None));
        self.frame.get_or_init(encode).clone()
    }
}

impl<'a> News<'a> {
    fn new(event: &'a PresenceEvent) -> Self {
        Self { event, views: HashMap::new() }
    }

    fn as_seen(&mut self, sight: Sight) -> &Telling {
        self.views.entry(sight).or_insert_with(|| Telling::new(view(self.event, sight)))
    }
}

impl Watch {
    /// Nothing, where it is what they know. Adds a socket to wake to `touched`.
    fn tell(&mut self, telling: &Telling, touched: &mut Vec<Outbound>) {
        if self.told.as_ref() == Some(&telling.presence) {
            return;
        }
        self.told = Some(telling.presence.clone());
        metrics::counter!("chatapp_presence_deliveries_total").increment(1);
        if self.outbound.push(telling.frame()) == Pushed::First {
            touched.push(self.outbound.clone());
        }
    }

    /// Lets what was held follow.
    fn let_go(&mut self, touched: &mut Vec<Outbound>) {
        if let Some(Some(event)) = self.held.take() {
            self.tell(News::new(&event).as_seen(self.sight), touched);
        }
    }
}

impl Watches {
    pub fn contains(&self, user: UserId) -> bool {
        self.0.contains_key(&user)
    }

    /// What happens to these users is held for the connection, until [`Self::release`] or [`Self::abandon`].
    pub fn hold(&mut self, (watcher, viewer): (u64, UserId), outbound: &Outbound, users: &[UserId]) {
        for user in users {
            let of_user = self.0.entry(*user).or_default();
            match of_user.iter_mut().find(|watch| watch.watcher == watcher) {
                Some(watch) => watch.held = Some(None),
                None => of_user.push(Watch {
                    watcher,
                    viewer,
                    outbound: outbound.clone(),
                    sight: Sight::Hidden,
                    told: None,
                    held: Some(None),
                }),
            }
        }
    }

    /// The connection's snapshot is queued: what was held follows it.
    pub fn release(&mut self, watcher: u64, seen: Vec<Seen>, touched: &mut Vec<Outbound>) {
        for Seen { sight, presence } in seen {
            let Some(of_user) = self.0.get_mut(&presence.user_id) else { continue };
            let told = UserPresence { devices: None, ..presence };
            let known = of_user.iter().find_map(|watch| watch.told.clone().filter(|known| **known == told));
            let told = known.unwrap_or_else(|| Rc::new(told));
            for watch in of_user.iter_mut().filter(|watch| watch.watcher == watcher) {
                watch.sight = sight;
                watch.told = Some(told.clone());
                watch.let_go(touched);
            }
        }
    }

    /// There is no snapshot. Gives those of the users of whom the connection knows nothing, and watches no more.
    pub fn abandon(&mut self, watcher: u64, users: &[UserId], touched: &mut Vec<Outbound>) -> Vec<UserId> {
        let mut unknown = Vec::new();
        for user in users {
            let of_user = self.0.get_mut(user).into_iter().flatten();
            for watch in of_user.filter(|watch| watch.watcher == watcher) {
                match watch.told {
                    Some(_) => watch.let_go(touched),
                    None => unknown.push(*user),
                }
            }
        }
        unknown
    }

    /// Ends watching the user. `true`: nobody watches them any more.
    pub fn unwatch(&mut self, watcher: u64, user: UserId) -> bool {
        let Some(of_user) = self.0.get_mut(&user) else { return false };
        of_user.retain(|watch| watch.watcher != watcher);
        of_user.is_empty() && self.0.remove(&user).is_some()
    }

    /// To everyone who watches the user, but those of whom it is not known any more how: O(of them on this worker).
    pub fn publish(
        &mut self,
        event: &Arc<PresenceEvent>,
        is_open: impl Fn(UserId) -> bool,
        touched: &mut Vec<Outbound>,
    ) {
        let Some(of_user) = self.0.get_mut(&event.user) else { return };
        let mut news = News::new(event);
        for watch in of_user {
            match &mut watch.held {
                Some(held) => *held = Some(event.clone()),
                // They are told once it was looked at again.
                None if is_open(watch.viewer) => {}
                None => watch.tell(news.as_seen(watch.sight), touched),
            }
        }
    }

    /// How the viewer sees a user now, on all their connections. `false`: one is about to be told by a snapshot, which may
    /// be older.
    pub fn look_again(&mut self, viewer: UserId, seen: Seen, touched: &mut Vec<Outbound>) -> bool {
        let Seen { sight, presence } = seen;
        let of_user = self.0.get_mut(&presence.user_id).into_iter().flatten();
        let telling = Telling::new(presence);
        let mut told = true;
        for watch in of_user.filter(|watch| watch.viewer == viewer) {
            if watch.held.is_some() {
                told = false;
                continue;
            }
            watch.sight = sight;
            watch.tell(&telling, touched);
        }
        told
    }

    /// Who watches the user, or whether this one does.
    pub fn viewers(&self, user: UserId, only: Option<UserId>) -> HashSet<UserId> {
        let of_user = self.0.get(&user).into_iter().flatten();
        of_user.map(|watch| watch.viewer).filter(|viewer| only.is_none_or(|only| only == *viewer)).collect()
    }

    /// Everyone who watches, with whom.
    pub fn all(&self) -> impl Iterator<Item = (UserId, UserId)> {
        self.0.iter().flat_map(|(user, of_user)| of_user.iter().map(|watch| (watch.viewer, *user)))
    }
}
