//! Presence: a user's status is derived from their live connections and what they chose, and published once for each
//! change to those who may watch.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::{
    InstanceId, Settings, Timestamp, UserId,
    protocol::{
        RoomType, Status, UserPresence,
        command::{OwnStatus, SetStatus},
    },
};
use store::{ChosenStatus, Device, PresenceState, Published, Publishing, SocketKind, Store, presence::PresenceEvent};
use utoipa::ToSchema;

use crate::{Names, Result, Viewer, validate::Check};

/// How often a publish is derived again because the state moved meanwhile. Each try means somebody else's change
/// went through, and that one publishes too.
const PUBLISH_TRIES: usize = 8;
/// Users looked at at once for one call.
const CONCURRENT_READS: usize = 16;

/// What a user chose, as they see it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OwnPresence {
    pub status: OwnStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What those who may watch them see now.
    pub seen: UserPresence,
}

/// Users as a viewer may see them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeenUsers {
    /// In the order they were asked for.
    pub users: Vec<UserPresence>,
}

pub struct Presence {
    store: Store,
    names: Arc<Names>,
    instance: InstanceId,
    grace: Duration,
    max_watched: usize,
}

impl Presence {
    pub(crate) fn new(store: Store, settings: &Settings, instance: InstanceId, names: Arc<Names>) -> Self {
        let grace = settings.presence_grace();
        let max_watched = settings.presence.max_watched;
        Self { store, names, instance, grace, max_watched }
    }

    /// A socket of the viewer opened. `connection` is unique in this process; end it with [`Self::disconnected`]. Gives
    /// their status as they see it themselves ([`Self::own`]). One operation of the store; two where the user's status
    /// changes by it and they chose one, or have other connections.
    pub async fn connected(&self, viewer: &Viewer, connection: u64, kind: SocketKind) -> Result<Status> {
        self.put(viewer, connection, kind, None).await
    }

    /// Is the user looking at this device?
    pub async fn focus(&self, viewer: &Viewer, connection: u64, kind: SocketKind, focused: bool) -> Result<()> {
        self.put(viewer, connection, kind, Some(focused)).await.map(drop)
    }

    async fn put(&self, viewer: &Viewer, connection: u64, kind: SocketKind, focused: Option<bool>) -> Result<Status> {
        let device = Device { instance: self.instance, connection, kind, focused, since: Timestamp::now() };
        let alone = PresenceState { devices: vec![device.clone()], ..PresenceState::default() };
        let alone = PresenceEvent {
            user: viewer.user,
            username: viewer.username.clone(),
            published: derive(&alone, device.since, self.grace),
            last_seen: None,
        };
        let state = self.store.presence.put_device(viewer.user, &device, &alone).await?;
        let status = derive(&state, Timestamp::now(), self.grace).status;
        if self.publish(viewer.user, &state, Some(&viewer.username)).await?.is_none() {
            self.settle(viewer.user).await?;
        }
        Ok(status)
    }

    /// A socket ended. The user stays as they are for the grace time, so that a reload does not flicker.
    pub async fn disconnected(&self, user: UserId, connection: u64) -> Result<()> {
        let now = Timestamp::now();
        self.store.presence.remove_device(user, self.instance, connection, now, self.grace).await?;
        self.settle(user).await?;
        Ok(())
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
        self.settle(viewer.user).await?;
        Ok(())
    }

    /// Derives the user's status and publishes it if it differs from what was published last. `false`: they are gone and
    /// their grace has not passed, so it must be done again.
    pub async fn settle(&self, user: UserId) -> Result<bool> {
        for _ in 0..PUBLISH_TRIES {
            let Some(state) = self.store.presence.presence(&[user]).await?.pop() else { return Ok(true) };
            if let Some(settled) = self.publish(user, &state, None).await? {
                return Ok(settled);
            }
        }
        Ok(false)
    }

    /// Publishes what follows from `state`, if it differs from what was published last. `None`: the state has moved on.
    /// Else as [`Self::settle`].
    async fn publish(&self, user: UserId, state: &PresenceState, username: Option<&str>) -> Result<Option<bool>> {
        let now = Timestamp::now();
        let published = derive(state, now, self.grace);
        let settled = !state.devices.is_empty() || !in_grace(state, now, self.grace);
        if published == state.published {
            return Ok(Some(settled));
        }
        let username = match username {
            Some(username) => username.to_owned(),
            None => self.names.username(user).await?,
        };
        let last_seen = state.last_seen.filter(|_| published.status == Status::Offline);
        let event = PresenceEvent { user, username, published, last_seen };
        Ok(match self.store.presence.publish(&event, state.version).await? {
            Publishing::Sent | Publishing::Unchanged => Some(settled),
            Publishing::Stale => None,
        })
    }

    /// The user as they see themselves: what they chose while connected, also `invisible` (as offline).
    pub async fn own(&self, user: UserId) -> Result<UserPresence> {
        Ok(self.chosen(user).await?.seen)
    }

    /// What the user chose, and what others see of it.
    pub async fn chosen(&self, user: UserId) -> Result<OwnPresence> {
        let state = self.store.presence.presence(&[user]).await?.pop().unwrap_or_default();
        let username = self.names.username(user).await?;
        let status = match state.chosen {
            ChosenStatus::Online => OwnStatus::Online,
            ChosenStatus::Away => OwnStatus::Away,
            ChosenStatus::Busy => OwnStatus::Busy,
            ChosenStatus::Invisible => OwnStatus::Invisible,
        };
        let seen = shown(user, username, &state, derive(&state, Timestamp::now(), self.grace));
        Ok(OwnPresence { status, text: state.text, seen })
    }

    /// Each user as the viewer may see them, in order: who may not be watched looks offline, as do the unknown. It is what
    /// was published last, so that the updates that follow a snapshot are all there is to know.
    pub async fn seen_by(&self, viewer: &Viewer, users: &[UserId]) -> Result<Vec<UserPresence>> {
        let allowed = self.watchable(viewer, users).await?;
        let states = self.store.presence.presence(users).await?;
        let cards = self.names.cards_of(users.iter().copied()).await?;
        let seen = users.iter().zip(states).map(|(user, state)| {
            let username = cards.get(user).map_or_else(String::new, |card| card.username.clone());
            if !allowed.contains(user) {
                return shown(*user, username, &PresenceState::default(), Published::default());
            }
            shown(*user, username, &state, state.published.clone())
        });
        Ok(seen.collect())
    }

    /// Those of `users` the viewer may watch: themselves, who has them in their contacts, and who shares a private or
    /// direct room with them; nobody who has blocked the viewer. Costs two reads for each user.
    pub async fn watchable(&self, viewer: &Viewer, users: &[UserId]) -> Result<HashSet<UserId>> {
        let mine: HashSet<_> = self.store.rooms.rooms_of(viewer.user).await?.into_iter().collect();
        let mine = &mine;
        let checks = users.iter().map(|user| async move {
            let may = self.may_watch(viewer.user, *user, mine).await?;
            Ok::<_, crate::DomainError>(may.then_some(*user))
        });
        stream::iter(checks)
            .buffer_unordered(CONCURRENT_READS)
            .try_filter_map(|u| async move { Ok(u) })
            .try_collect()
            .await
    }

    async fn may_watch(&self, watcher: UserId, user: UserId, mine: &HashSet<shared::RoomId>) -> Result<bool> {
        if watcher == user {
            return Ok(true);
        }
        let relation = self.store.people.relations(watcher, &[user]).await?.pop().unwrap_or_default();
        if relation.blocks_me {
            return Ok(false);
        }
        if relation.has_me || mine.contains(&shared::RoomId::direct(watcher, user)) {
            return Ok(true);
        }
        for room in self.store.rooms.rooms_of(user).await? {
            if mine.contains(&room)
                && let Some((record, _)) = self.store.rooms.room(room).await?
                && record.kind != RoomType::Public
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The users a subscription names: those given, at most `presence.maxWatched`, or the viewer's contacts.
    pub async fn watched(&self, viewer: &Viewer, users: Option<Vec<UserId>>) -> Result<Vec<UserId>> {
        let users = match users {
            Some(users) => users,
            None => self.store.people.contacts(viewer.user).await?,
        };
        let most = self.max_watched;
        Check::default().that(users.len() <= most, "userIds", format!("name up to {most} users")).done()?;
        Ok(users)
    }
}

/// What others are to be shown. Pure: the rules of presence are this function.
pub fn derive(state: &PresenceState, now: Timestamp, grace: Duration) -> Published {
    if state.devices.is_empty() {
        // Just gone: as before, until the grace has passed. Whoever was hidden stays hidden.
        return if in_grace(state, now, grace) { state.published.clone() } else { Published::default() };
    }
    let status = match state.chosen {
        ChosenStatus::Invisible => return Published::default(),
        ChosenStatus::Online => Status::Online,
        ChosenStatus::Away => Status::Away,
        ChosenStatus::Busy => Status::Busy,
    };
    Published { status, text: state.text.clone() }
}

/// Are they within the grace time since they were last seen?
fn in_grace(state: &PresenceState, now: Timestamp, grace: Duration) -> bool {
    state.last_seen.is_some_and(|seen| now < seen.after(grace))
}

fn shown(user_id: UserId, username: String, state: &PresenceState, published: Published) -> UserPresence {
    let offline = published.status == Status::Offline;
    UserPresence {
        user_id,
        username,
        status: published.status,
        status_text: published.text,
        last_seen: state.last_seen.filter(|_| offline && state.devices.is_empty()),
        devices: Some(if offline { 0 } else { u32::try_from(state.devices.len()).unwrap_or(u32::MAX) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn state(devices: usize, chosen: ChosenStatus) -> PresenceState {
        let device = |connection| Device {
            instance: InstanceId::new(),
            connection,
            kind: SocketKind::Chat,
            focused: None,
            since: Timestamp::from_millis(0),
        };
        PresenceState { devices: (0..devices as u64).map(device).collect(), chosen, ..PresenceState::default() }
    }

    #[test]
    fn a_connected_user_shows_what_they_chose_and_invisible_looks_offline() {
        let now = Timestamp::from_millis(100_000);
        let status = |chosen| derive(&state(1, chosen), now, GRACE).status;
        assert_eq!(status(ChosenStatus::Online), Status::Online);
        assert_eq!(status(ChosenStatus::Away), Status::Away);
        assert_eq!(status(ChosenStatus::Busy), Status::Busy);
        assert_eq!(status(ChosenStatus::Invisible), Status::Offline);
        let hidden = PresenceState { text: Some("here".into()), ..state(1, ChosenStatus::Invisible) };
        assert_eq!(derive(&hidden, now, GRACE), Published::default(), "not even the text shows");
    }

    #[test]
    fn who_just_left_stays_as_they_were_until_the_grace_has_passed() {
        let left = Timestamp::from_millis(100_000);
        let published = Published { status: Status::Busy, text: Some("meeting".into()) };
        let gone =
            PresenceState { last_seen: Some(left), published: published.clone(), ..state(0, ChosenStatus::Busy) };
        assert_eq!(derive(&gone, left.after(GRACE / 2), GRACE), published);
        assert_eq!(derive(&gone, left.after(GRACE), GRACE), Published::default());
    }

    #[test]
    fn a_user_never_seen_is_offline() {
        assert_eq!(derive(&PresenceState::default(), Timestamp::now(), GRACE), Published::default());
    }
}
