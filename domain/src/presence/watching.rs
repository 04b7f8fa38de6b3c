//! Who may watch whom, and what they see.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{LastSeenFor, RoomType, Status, UserPresence},
};
use store::{PresenceState, Published, Relation, presence::PresenceEvent};
use utoipa::ToSchema;

use super::Presence;
use crate::{Result, Viewer, validate::Check};

/// Users as a viewer may see them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeenUsers {
    /// In the order they were asked for.
    pub users: Vec<UserPresence>,
}

/// How a viewer may watch a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sight {
    /// Not at all: the user looks offline.
    #[default]
    Hidden,
    /// By what both are in.
    Shared,
    /// The viewer is in the user's contacts.
    Contact,
    /// They are the user.
    Own,
}

impl Sight {
    /// Is the viewer told when the user was last seen?
    pub fn sees_last_seen(self, told: LastSeenFor) -> bool {
        match (self, told) {
            (Self::Own, _) | (Self::Shared | Self::Contact, LastSeenFor::Everyone) => true,
            (Self::Contact, LastSeenFor::Contacts) => true,
            (Self::Hidden | Self::Shared | Self::Contact, _) => false,
        }
    }
}

/// A user as somebody may see them, and how they may.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub sight: Sight,
    pub presence: UserPresence,
}

/// What a watcher is told by this event.
pub fn view(event: &PresenceEvent, sight: Sight) -> UserPresence {
    let last_seen = event.last_seen.filter(|_| sight.sees_last_seen(event.last_seen_for));
    shown((event.user, event.username.clone()), sight, event.published.clone(), last_seen)
}

/// What a viewer sees of this state, as it was published last.
pub(super) fn view_of(user: (UserId, String), sight: Sight, state: &PresenceState) -> UserPresence {
    let last_seen = state.last_seen.filter(|_| sight.sees_last_seen(state.last_seen_for));
    let seen = shown(user, sight, state.published.clone(), last_seen);
    let devices = match seen.status {
        Status::Offline => 0,
        _ => u32::try_from(state.devices.len()).unwrap_or(u32::MAX),
    };
    UserPresence { devices: Some(devices), ..seen }
}

fn shown(
    (user_id, username): (UserId, String),
    sight: Sight,
    published: Published,
    last_seen: Option<Timestamp>,
) -> UserPresence {
    let published = if sight == Sight::Hidden { Published::default() } else { published };
    let last_seen = last_seen.filter(|_| published.status == Status::Offline);
    let Published { status, text: status_text } = published;
    UserPresence { user_id, username, status, status_text, last_seen, devices: None }
}

impl Presence {
    /// Each user as the viewer may see them, in order; see [`Self::see`].
    pub async fn seen_by(&self, viewer: &Viewer, users: &[UserId]) -> Result<Vec<UserPresence>> {
        Ok(self.see(viewer.user, users).await?.into_iter().map(|seen| seen.presence).collect())
    }

    /// Each user as the viewer may see them, in order: who may not be watched looks offline, as do the unknown. It is what
    /// was published last, so that the updates that follow a snapshot are all there is to know. A few reads, however
    /// many users.
    pub async fn see(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<Seen>> {
        let (sights, states, cards) = tokio::try_join!(
            self.sights(viewer, users),
            async { Ok(self.store.presence.presence(users).await?) },
            self.names.cards_of(users.iter().copied()),
        )?;
        let seen = users.iter().zip(states).map(|(user, state)| {
            let sight = sights.get(user).copied().unwrap_or_default();
            let username = cards.get(user).map_or_else(String::new, |card| card.username.clone());
            Seen { sight, presence: view_of((*user, username), sight, &state) }
        });
        Ok(seen.collect())
    }

    /// How the viewer may watch those of the users whom they may watch: who has them in their contacts or has written to
    /// them, and who shares a private room with them; nobody who has blocked them. That a direct room was opened says
    /// nothing of who did not write there.
    async fn sights(&self, viewer: UserId, users: &[UserId]) -> Result<HashMap<UserId, Sight>> {
        let relations = self.store.people.relations(viewer, users).await?;
        let (mut sights, mut others) = (HashMap::new(), Vec::new());
        for (user, relation) in users.iter().zip(relations) {
            match relation {
                _ if *user == viewer => drop(sights.insert(*user, Sight::Own)),
                Relation { blocks_me: true, .. } => {}
                Relation { has_me: true, .. } => drop(sights.insert(*user, Sight::Contact)),
                Relation { wrote_me: true, .. } => drop(sights.insert(*user, Sight::Shared)),
                Relation { .. } => others.push(*user),
            }
        }
        if !others.is_empty() {
            let shared = self.in_private_with(viewer, others).await?;
            sights.extend(shared.into_iter().map(|user| (user, Sight::Shared)));
        }
        Ok(sights)
    }

    /// Those who share a private room with the viewer. Two reads, the second for rooms whose type is not known here.
    async fn in_private_with(&self, viewer: UserId, mut users: Vec<UserId>) -> Result<Vec<UserId>> {
        users.push(viewer);
        let mut lists = self.store.rooms.listed_rooms(&users).await?;
        users.pop();
        let mine: HashSet<RoomId> = lists.pop().unwrap_or_default().into_iter().collect();
        let common = |(user, list): (UserId, Vec<RoomId>)| {
            let direct = RoomId::direct(viewer, user);
            (user, list.into_iter().filter(|room| *room != direct && mine.contains(room)).collect::<Vec<_>>())
        };
        let common: Vec<(UserId, Vec<RoomId>)> = users.into_iter().zip(lists).map(common).collect();
        let rooms: HashSet<RoomId> = common.iter().flat_map(|(_, rooms)| rooms).copied().collect();
        let private = self.private_of(viewer, rooms).await?;
        let with = common.into_iter().filter(|(_, rooms)| rooms.iter().any(|room| private.contains(room)));
        Ok(with.map(|(user, _)| user).collect())
    }

    /// The private ones of these rooms of the viewer.
    async fn private_of(&self, viewer: UserId, rooms: HashSet<RoomId>) -> Result<HashSet<RoomId>> {
        let (known, unknown): (Vec<RoomId>, Vec<RoomId>) =
            rooms.into_iter().partition(|room| self.kinds.contains_key(room));
        let is_private = |room: &RoomId| self.kinds.get(room) == Some(RoomType::Private);
        let mut private: HashSet<RoomId> = known.into_iter().filter(is_private).collect();
        if unknown.is_empty() {
            return Ok(private);
        }
        // Where they are no member any more, there is nothing to share.
        for view in self.store.rooms.standings(viewer, &unknown).await?.into_iter().flatten() {
            self.kinds.insert(view.record.id, view.record.kind);
            if view.record.kind == RoomType::Private {
                private.insert(view.record.id);
            }
        }
        Ok(private)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_what() {
        let (user, at) = (UserId::new(), Timestamp::from_millis(1000));
        let event = |status, last_seen_for| PresenceEvent {
            user,
            username: "bob".into(),
            published: Published { status, text: Some("tea".into()).filter(|_| status != Status::Offline) },
            last_seen: Some(at),
            last_seen_for,
        };
        let sights = [Sight::Hidden, Sight::Shared, Sight::Contact, Sight::Own];
        for (told, expected) in [
            (LastSeenFor::Everyone, [false, true, true, true]),
            (LastSeenFor::Contacts, [false, false, true, true]),
            (LastSeenFor::Nobody, [false, false, false, true]),
        ] {
            for (sight, expected) in sights.into_iter().zip(expected) {
                let seen = view(&event(Status::Offline, told), sight);
                assert_eq!(seen.last_seen, expected.then_some(at), "{sight:?}, {told:?}");
                let seen = view(&event(Status::Busy, told), sight);
                let hidden = sight == Sight::Hidden;
                assert_eq!(seen.status, if hidden { Status::Offline } else { Status::Busy });
                assert_eq!((seen.status_text.is_none(), seen.last_seen), (hidden, None), "{sight:?}");
            }
        }
    }
}
