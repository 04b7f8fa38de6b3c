//! Presence: a user's status is derived from their live connections and what they chose, and published once for each
//! change to those who may watch.

mod deriving;
mod lease;
mod watching;

use std::sync::Arc;

use deriving::next_change;
pub use deriving::{Times, derive, is_looking};
use lease::{Here, Local};
use moka::sync::Cache;
use serde::Serialize;
use shared::{
    InstanceId, RoomId, Settings, Timestamp, UserId,
    protocol::{
        LastSeenFor, RoomType, Status, UserPresence,
        command::{OwnStatus, SetStatus},
    },
};
use store::{ChosenStatus, PresenceState, Publishing, SocketKind, Store, presence::PresenceEvent};
use utoipa::ToSchema;
pub use watching::{Seen, SeenUsers, Sight, view};

use self::watching::view_of;
use crate::{Names, Result, Viewer, validate::Check};

/// How often a publish is derived again because the state moved meanwhile. Each try means somebody else's change
/// went through, and that one publishes too.
const PUBLISH_TRIES: usize = 8;
/// Rooms whose type is remembered.
const KINDS_KEPT: u64 = 100_000;

/// What a user chose, as they see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OwnPresence {
    pub status: OwnStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What those who may watch them see now.
    pub seen: UserPresence,
}

pub struct Presence {
    store: Store,
    names: Arc<Names>,
    here: Here,
    times: Times,
    max_watched: usize,
    /// A room's type does not change.
    kinds: Cache<RoomId, RoomType>,
}

impl Presence {
    pub(crate) fn new(store: Store, settings: &Settings, instance: InstanceId, names: Arc<Names>) -> Self {
        let times = Times { grace: settings.presence_grace(), away: settings.presence_away() };
        let max_watched = settings.presence.max_watched;
        Self { store, names, here: Here::new(instance), times, max_watched, kinds: Cache::new(KINDS_KEPT) }
    }

    /// A socket of the viewer opened. `connection` is unique in this process; end it with [`Self::disconnected`]. Gives
    /// their status as they see it themselves ([`Self::own`]). One operation of the store; two where the user's status
    /// changes by it and they chose one, or have other connections.
    pub async fn connected(&self, viewer: &Viewer, connection: u64, kind: SocketKind) -> Result<Status> {
        let local = Local { user: viewer.user, kind, focused: None, since: Timestamp::now() };
        self.here.put(connection, local);
        let state = self.announce(connection, Some(&viewer.username)).await?.unwrap_or_default();
        Ok(derive(&state, Timestamp::now(), self.times).status)
    }

    /// Is the user looking at this device? Nothing is done where they were, or were not, already.
    pub async fn focus(&self, viewer: &Viewer, connection: u64, focused: bool) -> Result<()> {
        let Some(before) = self.here.get(connection).filter(|local| local.focused != Some(focused)) else {
            return Ok(());
        };
        let since = Timestamp::now();
        if !focused {
            // Before the device says so: a process that dies in between leaves a look too many, and not one too few.
            self.store.presence.due_at(viewer.user, since.after(self.times.away)).await?;
        }
        self.here.put(connection, Local { focused: Some(focused), since, ..before });
        let announced = self.announce(connection, Some(&viewer.username)).await;
        if announced.is_err() {
            // Not known to the store: saying it again must not be taken for nothing new.
            self.here.put(connection, before);
        }
        announced.map(drop)
    }

    /// Puts a connection as it is known here, and publishes what follows. What changed here meanwhile is put too. Gives
    /// the state with it; `None`: it has ended.
    async fn announce(&self, connection: u64, username: Option<&str>) -> Result<Option<PresenceState>> {
        while let (Some(local), Some(device)) = (self.here.get(connection), self.here.device(connection)) {
            let user = local.user;
            let username = match username {
                Some(username) => username.to_owned(),
                None => self.names.username(user).await?,
            };
            let alone = PresenceState { devices: vec![device.clone()], ..PresenceState::default() };
            let published = derive(&alone, Timestamp::now(), self.times);
            // Who is not offline was not last seen, so nobody is to be told or not told of it.
            let alone =
                PresenceEvent { user, username, published, last_seen: None, last_seen_for: LastSeenFor::default() };
            let state = self.store.presence.put_device(user, &device, &alone).await?;
            let now = self.here.device(connection);
            if now.as_ref().is_none_or(|now| now.instance != device.instance) {
                self.remove(user, device.instance, connection).await?;
            } else if now == Some(device) {
                if self.publish(user, (&state, Timestamp::now()), Some(&alone.username)).await?.is_none() {
                    self.settle(user).await?;
                }
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    /// A socket ended. The user stays as they are for the grace time, so that a reload does not flicker. Where the store
    /// cannot be told, it is told with a later [`beat`](Self::beat).
    pub async fn disconnected(&self, user: UserId, connection: u64) -> Result<()> {
        let Some(instance) = self.here.remove(connection) else { return Ok(()) };
        let removed = self.remove(user, instance, connection).await;
        if removed.is_err() {
            self.here.owe(connection, user);
        }
        removed
    }

    async fn remove(&self, user: UserId, instance: InstanceId, connection: u64) -> Result<()> {
        let now = Timestamp::now();
        self.store.presence.remove_device(user, instance, connection, now, self.times.grace).await?;
        self.settle(user).await
    }

    /// What the user chose to show; `invisible` looks offline to others.
    pub async fn choose(&self, viewer: &Viewer, input: &SetStatus) -> Result<()> {
        Check::default().optional_text("text", input.text.as_deref(), 100).done()?;
        let chosen = match input.status {
            OwnStatus::Online => ChosenStatus::Online,
            OwnStatus::Away => ChosenStatus::Away,
            OwnStatus::Busy => ChosenStatus::Busy,
            OwnStatus::Invisible => ChosenStatus::Invisible,
        };
        let text = input.text.as_deref().filter(|text| !text.is_empty());
        self.store.presence.set_chosen(viewer.user, chosen, text).await?;
        self.settle(viewer.user).await
    }

    /// Derives the user's status and publishes it if it differs from what was published last.
    pub async fn settle(&self, user: UserId) -> Result<()> {
        self.settled(user).await.map(drop)
    }

    /// [`settle`](Self::settle) for a user who was due: notes when they are due next, and that they were looked at.
    pub(crate) async fn settle_due(&self, user: UserId) -> Result<()> {
        // Whose state does not stand still is left to whoever takes them next.
        let Some((state, now)) = self.settled(user).await? else { return Ok(()) };
        if let Some(at) = next_change(&state, now, self.times) {
            self.store.presence.due_at(user, at).await?;
        }
        Ok(self.store.presence.finish_due_user(user).await?)
    }

    /// Gives the state that was published from, and as of when; `None`: it has moved on each time.
    async fn settled(&self, user: UserId) -> Result<Option<(PresenceState, Timestamp)>> {
        for _ in 0..PUBLISH_TRIES {
            let state = self.store.presence.presence(&[user]).await?.pop().unwrap_or_default();
            let now = Timestamp::now();
            if self.publish(user, (&state, now), None).await?.is_some() {
                return Ok(Some((state, now)));
            }
        }
        Ok(None)
    }

    /// Publishes what follows from `state` at `now`, if it differs from what was published last. `None`: the state has
    /// moved on.
    async fn publish(
        &self,
        user: UserId,
        (state, now): (&PresenceState, Timestamp),
        username: Option<&str>,
    ) -> Result<Option<()>> {
        let published = derive(state, now, self.times);
        if published == state.published {
            return Ok(Some(()));
        }
        let username = match username {
            Some(username) => username.to_owned(),
            None => self.names.username(user).await?,
        };
        let last_seen = match (published.status, state.devices.is_empty()) {
            (Status::Offline, true) => state.last_seen,
            // They hide, and look as if their last connection had ended a grace time ago.
            (Status::Offline, false) => Some(now.before(self.times.grace)),
            _ => None,
        };
        let event = PresenceEvent { user, username, published, last_seen, last_seen_for: state.last_seen_for };
        Ok(match self.store.presence.publish(&event, state.version).await? {
            Publishing::Sent | Publishing::Unchanged => Some(()),
            Publishing::Stale => None,
        })
    }

    /// Who of those who may watch the user is told when they were last seen.
    pub async fn tell_last_seen(&self, user: UserId, whom: LastSeenFor) -> Result<()> {
        Ok(self.store.presence.set_last_seen_for(user, whom).await?)
    }

    /// The user as they see themselves: what they chose while connected, also `invisible` (as offline).
    pub async fn own(&self, user: UserId) -> Result<UserPresence> {
        Ok(self.own_shown(user).await?.0)
    }

    /// [`own`](Self::own), and who is told when they were last seen.
    pub(crate) async fn own_shown(&self, user: UserId) -> Result<(UserPresence, LastSeenFor)> {
        let state = self.store.presence.presence(&[user]).await?.pop().unwrap_or_default();
        Ok((self.derived(user, &state).await?, state.last_seen_for))
    }

    async fn derived(&self, user: UserId, state: &PresenceState) -> Result<UserPresence> {
        let username = self.names.username(user).await?;
        let published = derive(state, Timestamp::now(), self.times);
        Ok(view_of((user, username), Sight::Own, &PresenceState { published, ..state.clone() }))
    }

    /// What the user chose, and what others see of it.
    pub async fn chosen(&self, user: UserId) -> Result<OwnPresence> {
        let state = self.store.presence.presence(&[user]).await?.pop().unwrap_or_default();
        let status = match state.chosen {
            ChosenStatus::Online => OwnStatus::Online,
            ChosenStatus::Away => OwnStatus::Away,
            ChosenStatus::Busy => OwnStatus::Busy,
            ChosenStatus::Invisible => OwnStatus::Invisible,
        };
        let seen = self.derived(user, &state).await?;
        Ok(OwnPresence { status, text: state.text, seen })
    }
}
