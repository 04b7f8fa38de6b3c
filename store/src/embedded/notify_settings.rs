//! Notification settings: a row for how a user is reached, and one for each room that is not as the others.

use std::collections::BTreeMap;

use async_trait::async_trait;
use shared::{RoomId, UserId};

use super::{
    Embedded, codec, keys,
    kv::{Order, Read},
    user_log::record_user_change,
};
use crate::{NotifyPreferences, NotifySettings, Reach, Result, RoomLevel, UserChangeBody};

fn reach(read: &impl Read, user: UserId) -> Result<Reach> {
    read.get(&keys::reach(user))?.map_or_else(|| Ok(Reach::default()), |row| codec::from_json(&row))
}

fn rooms(read: &impl Read, user: UserId) -> Result<BTreeMap<RoomId, RoomLevel>> {
    let room = |key: &[u8]| RoomId::from_slice(keys::last_id(key)).ok_or_else(|| codec::corrupt("a room"));
    let all = read.collect(&keys::room_levels(user), Order::Ascending, usize::MAX, |key, row| {
        Ok((room(key)?, codec::from_json(row)?))
    })?;
    Ok(all.into_iter().collect())
}

#[async_trait]
impl NotifyPreferences for Embedded {
    async fn notify_settings(&self, user: UserId) -> Result<NotifySettings> {
        self.read(move |read| Ok(NotifySettings { reach: reach(read, user)?, rooms: rooms(read, user)? })).await
    }

    async fn put_notify_settings(&self, user: UserId, settings: &NotifySettings) -> Result<()> {
        let settings = settings.clone();
        self.write(move |tx| {
            let before = NotifySettings { reach: reach(tx, user)?, rooms: rooms(tx, user)? };
            if before == settings {
                return Ok(());
            }
            for room in before.rooms.into_keys() {
                tx.delete(keys::room_level(user, room));
            }
            for (room, level) in &settings.rooms {
                tx.put(keys::room_level(user, *room), codec::to_json(level)?)?;
            }
            tx.put(keys::reach(user), codec::to_json(&settings.reach)?)?;
            record_user_change(tx, user, UserChangeBody::NotifySettings).map(drop)
        })
        .await
    }

    async fn switch_off(&self, user: UserId, channel: &str) -> Result<()> {
        let channel = channel.to_owned();
        self.write(move |tx| {
            let mut reach = reach(tx, user)?;
            if !reach.off.insert(channel.clone()) {
                return Ok(());
            }
            tx.put(keys::reach(user), codec::to_json(&reach)?)?;
            record_user_change(tx, user, UserChangeBody::NotifySettings).map(drop)
        })
        .await
    }

    async fn reach(&self, user: UserId) -> Result<Reach> {
        self.read_point(|read| reach(read, user)).await
    }

    async fn room_levels(&self, room: RoomId, users: &[UserId]) -> Result<Vec<RoomLevel>> {
        let users = users.to_vec();
        self.read(move |read| {
            let level = |user: &UserId| match read.get(&keys::room_level(*user, room))? {
                Some(row) => codec::from_json(&row),
                None => Ok(RoomLevel::All),
            };
            users.iter().map(level).collect()
        })
        .await
    }
}
