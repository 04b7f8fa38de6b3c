//! Who takes part: guests and rooms, made by REST, so many at a time.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use client::{
    Api, Error, LoginTokens, TokenProvider,
    api::NewRoom,
    protocol::{Retention, RoomType},
    shared::{RoomId, UserId},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{progress::Progress, target::advice};

/// REST calls under way at once.
const CALLS: usize = 64;

/// Everybody and where they are.
pub struct Cast {
    pub users: Vec<User>,
    pub rooms: Vec<Room>,
}

/// A guest.
pub struct User {
    pub id: UserId,
    tokens: LoginTokens,
}

/// A room of the run.
pub struct Room {
    pub id: RoomId,
    /// Indexes of users; the first made it.
    pub members: Vec<usize>,
}

/// Who is to be in which room, before anything is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    pub users: usize,
    /// The members of each room, at least one.
    pub rooms: Vec<Vec<usize>>,
    /// Pairs who write to each other directly; these rooms come after the others.
    pub direct: Vec<(usize, usize)>,
    /// So many messages do the rooms keep, but for direct ones; none: all.
    pub keep: Option<u64>,
}

impl Layout {
    /// `users` spread evenly over `rooms`, each in one: user `i` in room `i mod rooms`.
    pub fn even(users: usize, rooms: usize) -> Self {
        let members = |room: usize| (room..users).step_by(rooms.max(1)).collect();
        Self { users, rooms: (0..rooms).map(members).collect(), direct: Vec::new(), keep: None }
    }

    /// Calls it takes.
    fn calls(&self) -> usize {
        self.users + self.rooms.iter().map(Vec::len).sum::<usize>() + 3 * self.direct.len()
    }
}

impl User {
    /// A token; with `renew`, one that has not run out.
    pub async fn token(&self, refused: Option<&str>) -> client::Result<String> {
        match refused {
            None => self.tokens.token().await,
            Some(refused) => self.tokens.refresh(refused).await,
        }
    }
}

impl Cast {
    /// Makes them all. They stay on the deployment.
    pub async fn make(api: &Api, layout: &Layout, progress: &Progress) -> anyhow::Result<Self> {
        progress.stage("making users and rooms", layout.calls() as u64);
        let users = try_each(0..layout.users, |_| async {
            let session = api.guest(None).await?;
            progress.step();
            Ok(User { id: session.user.id, tokens: LoginTokens::new(api.clone(), session) })
        });
        let users: Vec<User> = users.await.context("make a guest")?;
        let made = AtomicU64::new(0);
        let rooms = try_each(&layout.rooms, |members| async {
            let owner = api.with_token(users[members[0]].token(None).await?);
            let name = format!("bench {}", made.fetch_add(1, Ordering::Relaxed));
            let retention = layout.keep.map(|keep| Retention { max_age_seconds: None, max_messages: Some(keep) });
            let room = owner.create_room(&NewRoom { retention, ..NewRoom::new(&name, RoomType::Public) }).await?;
            progress.step();
            Ok(Room { id: room.id, members: members.clone() })
        });
        let mut rooms: Vec<Room> = rooms.await.context("make a room")?;
        let joins = rooms.iter().flat_map(|room| room.members.iter().skip(1).map(|member| (room.id, *member)));
        let joins = try_each(joins.collect::<Vec<_>>(), |(room, member)| {
            let user = &users[member];
            async move {
                api.with_token(user.token(None).await?).join_room(room).await?;
                progress.step();
                Ok(())
            }
        });
        joins.await.context("join a room")?;
        let direct = try_each(&layout.direct, |&(one, other)| {
            let (users, pair) = (&users, [one, other]);
            async move {
                // Guests write only to people who have them in their contacts.
                for (adds, added) in [(one, other), (other, one)] {
                    api.with_token(users[adds].token(None).await?).add_contact(users[added].id).await?;
                    progress.step();
                }
                let room = api.with_token(users[one].token(None).await?).direct_room(users[other].id).await?;
                progress.step();
                Ok(Room { id: room.id, members: pair.to_vec() })
            }
        });
        rooms.extend(direct.await.context("open a direct room")?);
        Ok(Self { users, rooms })
    }

    /// The rooms of each user, by index.
    pub fn rooms_of_users(&self) -> Vec<Vec<u32>> {
        let mut rooms = vec![Vec::new(); self.users.len()];
        for (at, room) in self.rooms.iter().enumerate() {
            room.members.iter().for_each(|member| rooms[*member].push(at as u32));
        }
        rooms
    }
}

/// `make` for each, [`CALLS`] at a time, in order.
async fn try_each<I, T, F>(items: impl IntoIterator<Item = I>, make: impl FnMut(I) -> F) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = client::Result<T>>,
{
    let made = stream::iter(items).map(make).buffered(CALLS).try_collect().await;
    made.map_err(|error: Error| anyhow::anyhow!("{error}{}", advice(error.code())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_spread_evenly_each_in_one_room() {
        let layout = Layout::even(5, 2);
        assert_eq!(layout.rooms, [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(layout.calls(), 10);
        assert_eq!(Layout::even(3, 0).rooms.len(), 0);
    }
}
