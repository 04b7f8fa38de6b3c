//! The lobby: the public room in which everybody is who comes by Resources.

use std::{collections::BTreeMap, time::Duration};

use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Retention, RoomType},
};
use store::{Actor, NotifySettings, RoomLevel, RoomRecord, StoreError};
use tokio::time::sleep;

use super::Rooms;
use crate::{DomainError, Result, Viewer, names::DELETED_USER};

const HANDLE: &str = "lobby";
/// Anybody may write there, so that not everything can be kept.
const KEPT: u64 = 100_000;
/// How often, and how long apart, it is looked for while another process makes it.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Is it the lobby's handle? Nobody else's room has it.
pub(super) fn is_lobby(handle: &str) -> bool {
    handle.eq_ignore_ascii_case(HANDLE)
}

impl Rooms {
    /// The lobby, made where there is none, with the viewer as a member of it. Two reads for who is one.
    pub async fn enter_lobby(&self, viewer: &Viewer) -> Result<RoomId> {
        let room = self.lobby().await?;
        if self.store.rooms.membership(room, viewer.user).await?.is_some() {
            return Ok(room);
        }
        match self.join(viewer, room).await {
            Ok(_) | Err(DomainError::AlreadyAMember) => Ok(room),
            Err(e) => Err(e),
        }
    }

    /// Of many processes that find none one makes it: whose claim of the handle comes first. The others wait for it, also
    /// where that one dies on the way and the handle is free again only when it was swept.
    async fn lobby(&self) -> Result<RoomId> {
        for _ in 0..TRIES {
            if let Some(room) = self.store.rooms.room_id_by_handle(HANDLE).await? {
                return Ok(room);
            }
            match self.make_lobby().await {
                Err(StoreError::HandleTaken) => sleep(PAUSE).await,
                made => return Ok(made?),
            }
        }
        Err(DomainError::Unavailable(anyhow::anyhow!("the lobby is being made by another process")))
    }

    /// It is nobody's: who joins an empty room owns it, so that it has a member that no account can be.
    async fn make_lobby(&self) -> store::Result<RoomId> {
        let room = RoomRecord {
            id: RoomId::new(),
            handle: Some(HANDLE.into()),
            name: Some("Lobby".into()),
            description: None,
            kind: RoomType::Public,
            created_by: UserId::NOBODY,
            created_at: Timestamp::now(),
            history_visibility: HistoryVisibility::All,
            retention: Some(Retention { max_messages: Some(KEPT), ..Retention::default() }),
            asked: None,
        };
        // Nobody is never there: nothing is to be decided about, or queued for them.
        let muted =
            NotifySettings { rooms: BTreeMap::from([(room.id, RoomLevel::Muted)]), ..NotifySettings::default() };
        self.store.notify_preferences.put_notify_settings(UserId::NOBODY, &muted).await?;
        let nobody = Actor { id: UserId::NOBODY, username: DELETED_USER.into() };
        self.store.rooms.create_room(&room, &[nobody]).await?;
        Ok(room.id)
    }
}
