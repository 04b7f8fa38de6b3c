//! Notification settings: one hash in the user's tag, `reach` and a field for each room that is not as the others.

use async_trait::async_trait;
use redis::cmd;
use shared::{EventId, RoomId, UserId};

use super::{
    Engine,
    codec::{self, from_json, json, parse},
    scripts::{self, Call},
};
use crate::{NotifyPreferences, NotifySettings, Reach, Result, RoomLevel, user_log::USER_CHANGES_KEPT};

const REACH: &str = "reach";

#[async_trait]
impl NotifyPreferences for Engine {
    async fn notify_settings(&self, user: UserId) -> Result<NotifySettings> {
        let read = cmd("HGETALL").arg(self.keys.notify(user)).to_owned();
        let fields: Vec<(String, String)> = self.connections.ask("read notification settings", &read).await?;
        let mut settings = NotifySettings::default();
        for (field, value) in fields {
            if field == REACH {
                settings.reach = from_json(&value)?;
            } else {
                settings.rooms.insert(parse(&field, "a room")?, from_json(&value)?);
            }
        }
        Ok(settings)
    }

    async fn put_notify_settings(&self, user: UserId, settings: &NotifySettings) -> Result<()> {
        let mut put = Call::new(&scripts::PUT_NOTIFY_SETTINGS)
            .keys([self.keys.notify(user), self.keys.user_log(user), self.keys.user_channel(user)])
            .arg(EventId::random().to_string())
            .arg(codec::user::NOTIFY_SETTINGS)
            .arg(USER_CHANGES_KEPT)
            .arg(json(&Reach::default())?)
            .arg(REACH)
            .arg(json(&settings.reach)?);
        for (room, level) in &settings.rooms {
            put = put.arg(room.to_string()).arg(json(level)?);
        }
        self.connections.run::<i64>("put notification settings", put).await.map(drop)
    }

    /// Anew while others change it: each time one of them is done.
    async fn switch_off(&self, user: UserId, channel: &str) -> Result<()> {
        let keys = &self.keys;
        let read = cmd("HGET").arg(keys.notify(user)).arg(REACH).to_owned();
        loop {
            let text: Option<String> = self.connections.ask("read how a user is reached", &read).await?;
            let mut reach: Reach = text.as_deref().map_or_else(|| Ok(Reach::default()), from_json)?;
            if !reach.off.insert(channel.to_owned()) {
                return Ok(());
            }
            let put = Call::new(&scripts::PUT_REACH)
                .keys([keys.notify(user), keys.user_log(user), keys.user_channel(user)])
                .arg(EventId::random().to_string())
                .arg(codec::user::NOTIFY_SETTINGS)
                .arg(USER_CHANGES_KEPT)
                .arg(text.unwrap_or_default())
                .arg(json(&reach)?);
            if self.connections.run("switch a channel off", put).await? {
                return Ok(());
            }
        }
    }

    async fn reach(&self, user: UserId) -> Result<Reach> {
        let read = cmd("HGET").arg(self.keys.notify(user)).arg(REACH).to_owned();
        let text: Option<String> = self.connections.ask("read how a user is reached", &read).await?;
        text.map_or_else(|| Ok(Reach::default()), |text| from_json(&text))
    }

    async fn room_levels(&self, room: RoomId, users: &[UserId]) -> Result<Vec<RoomLevel>> {
        let field = room.to_string();
        let reads = users.iter().map(|user| cmd("HGET").arg(self.keys.notify(*user)).arg(&field).to_owned()).collect();
        let texts: Vec<Option<String>> = self.connections.ask_all("read what of a room users want", reads).await?;
        texts.into_iter().map(|text| text.map_or_else(|| Ok(RoomLevel::All), |text| from_json(&text))).collect()
    }
}
