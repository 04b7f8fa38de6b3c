//! Making rooms, and making one once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Retention, Room, RoomType, command::CreateRoom},
};
use store::{Actor, RoomRecord, StoreError};

use super::{Rooms, actor, lobby::is_lobby};
use crate::{
    DomainError, Result, Viewer,
    validate::{Check, check_key},
};

/// A shorter age would remove messages before their readers come back from a short break; a smaller number, while they
/// are being written.
const RETENTION_SECONDS: std::ops::RangeInclusive<u64> = 60..=1_000_000_000;
const RETENTION_MESSAGES: std::ops::RangeInclusive<u64> = 10..=1_000_000_000;

impl Rooms {
    /// Makes a public or private room, the viewer its owner.
    pub async fn create(&self, viewer: &Viewer, input: CreateRoom) -> Result<Room> {
        self.create_once(viewer, input, None).await
    }

    /// The same; with an idempotency key, a repeat gives the room that was made first, as it is now, for as long as it
    /// exists, before anything else is looked at.
    pub async fn create_once(&self, viewer: &Viewer, input: CreateRoom, key: Option<&str>) -> Result<Room> {
        check_key("Idempotency-Key", key)?;
        let id = key.map_or_else(RoomId::new, |key| RoomId::of_request(viewer.user, key));
        let mut room = new_room(id, viewer, &input);
        if key.is_some() {
            room.asked = Some(words(&room)?);
        }
        if key.is_some()
            && let Some(first) = self.made_before(viewer, &room).await?
        {
            return Ok(first);
        }
        check(&input)?;
        self.check_room_count(viewer.user).await?;
        match self.store.rooms.create_room(&room, &[actor(viewer)]).await {
            // The handle may be taken by this very room, made by a repeat at the same time.
            made @ (Ok(()) | Err(StoreError::HandleTaken)) if key.is_some() => {
                match (self.made_before(viewer, &room).await?, made) {
                    (Some(first), _) => Ok(first),
                    (None, Err(taken)) => Err(taken.into()),
                    // It was deleted not long ago.
                    (None, Ok(())) => Err(DomainError::RoomNotFound),
                }
            }
            Ok(()) => self.view(viewer, id).await,
            Err(e) => Err(e.into()),
        }
    }

    /// The room of this id, if it is there and was asked for in the same words; `RoomNotFound` where its maker may not see
    /// it any more.
    async fn made_before(&self, viewer: &Viewer, asked: &RoomRecord) -> Result<Option<Room>> {
        let Some((first, _)) = self.store.rooms.room(asked.id).await? else { return Ok(None) };
        if first.asked != asked.asked {
            return Err(DomainError::IdempotencyConflict);
        }
        self.view(viewer, asked.id).await.map(Some)
    }

    /// The direct room of the viewer and another user, made if it is not there and neither has blocked the other. One
    /// that is there can be read, whoever blocks whom.
    pub async fn open_direct(&self, viewer: &Viewer, other: UserId) -> Result<RoomId> {
        if other == viewer.user {
            return Err(DomainError::invalid("userId", "a direct room needs another user"));
        }
        let id = RoomId::direct(viewer.user, other);
        if self.store.rooms.membership(id, viewer.user).await?.is_some() {
            return Ok(id);
        }
        let card = self.names.require(other).await?;
        let relation = self.store.people.relations(viewer.user, &[other]).await?.pop().unwrap_or_default();
        if viewer.guest && !relation.has_me {
            return Err(DomainError::Forbidden("guests may write to people who have them in their contacts only"));
        }
        if relation.blocks_me || !self.store.people.blocks_among(&[viewer.user], &[other]).await?.is_empty() {
            return Err(DomainError::Blocked);
        }
        self.check_room_count(viewer.user).await?;
        let room = RoomRecord {
            id,
            handle: None,
            name: None,
            description: None,
            kind: RoomType::Direct,
            created_by: viewer.user,
            created_at: Timestamp::now(),
            history_visibility: HistoryVisibility::All,
            retention: None,
            asked: None,
        };
        let other = Actor { id: other, username: card.username.clone() };
        self.store.rooms.create_room(&room, &[actor(viewer), other]).await?;
        Ok(id)
    }

    pub(super) async fn check_room_count(&self, user: UserId) -> Result<()> {
        if self.store.rooms.rooms_of(user).await?.len() >= self.limits.rooms_per_user {
            return Err(DomainError::RoomFull("you are in as many rooms as you may be"));
        }
        Ok(())
    }
}

/// What is stored of a room as it is asked for.
fn new_room(id: RoomId, viewer: &Viewer, input: &CreateRoom) -> RoomRecord {
    let visibility = input.history_visibility.unwrap_or(match input.kind {
        RoomType::Public => HistoryVisibility::All,
        RoomType::Private | RoomType::Direct => HistoryVisibility::Joined,
    });
    RoomRecord {
        id,
        handle: input.handle.clone(),
        name: Some(input.name.clone()),
        description: input.description.clone().filter(|d| !d.is_empty()),
        kind: input.kind,
        created_by: viewer.user,
        created_at: Timestamp::now(),
        history_visibility: visibility,
        retention: input.retention.filter(|retention| *retention != Retention::default()),
        asked: None,
    }
}

/// Names what was asked for, whenever that was.
fn words(room: &RoomRecord) -> Result<String> {
    let asked = RoomRecord { created_at: Timestamp::from_millis(0), ..room.clone() };
    let text = serde_json::to_vec(&asked).map_err(|e| DomainError::Unexpected(e.into()))?;
    Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(text)))
}

fn check(input: &CreateRoom) -> Result<()> {
    let mut check = Check::default();
    check_form(&mut check, Some(&input.name), input.description.as_deref(), input.retention);
    check.that(input.kind != RoomType::Direct, "type", "open a direct room by PUT /api/direct/{userId}");
    if let Some(handle) = &input.handle {
        check.name("handle", handle);
        check.that(input.kind == RoomType::Public, "handle", "only a public room may have one");
    }
    check.done()?;
    match &input.handle {
        // Whoever made it would own what everybody says there.
        Some(handle) if is_lobby(handle) => Err(DomainError::HandleTaken),
        _ => Ok(()),
    }
}

/// What is given has the form it needs.
pub(super) fn check_form(
    check: &mut Check,
    name: Option<&str>,
    description: Option<&str>,
    retention: Option<Retention>,
) {
    if let Some(name) = name {
        check.line("name", name, 1, 80);
    }
    check.optional_text("description", description, 500);
    let limits = [
        ("retention.maxAgeSeconds", retention.and_then(|r| r.max_age_seconds), RETENTION_SECONDS),
        ("retention.maxMessages", retention.and_then(|r| r.max_messages), RETENTION_MESSAGES),
    ];
    for (field, limit, range) in limits {
        let fits = limit.is_none_or(|limit| range.contains(&limit));
        check.that(fits, field, format!("use {} to {}", range.start(), range.end()));
    }
}
