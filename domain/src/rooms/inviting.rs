//! Invites: making them, and coming in by them.
//!
//! A code is the room's id and a secret of 128 bits, so that it finds its room without an index; only the secret's hash is
//! kept. Made under an idempotency key, the secret is derived from a salt of the room, so that a repeat finds it again.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{Room, command::MakeInvite},
};
use store::{Invite, InviteHash, NewInvite, StoreError};
use utoipa::ToSchema;

use super::{Rooms, actor, governing::TRIES, roles::Act};
use crate::{
    DomainError, Result, Viewer,
    validate::{Check, check_key},
};

const LIFETIME: u64 = 7 * 24 * 3600;
const LIFETIMES: std::ops::RangeInclusive<u64> = 60..=365 * 24 * 3600;
const USES: std::ops::RangeInclusive<u64> = 1..=1_000_000;
/// Whatever is wrong with a code, this is all that is said of it.
const NO_INVITE: DomainError = DomainError::NotFound("there is no such invite");

type Secret = [u8; 16];

/// An invite as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownInvite {
    /// Names it, and lets nobody in.
    pub id: String,
    pub created_by: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
    pub uses: u64,
}

/// An invite just made: its code is not told again.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeInvite {
    /// Whoever has it may join the room.
    pub code: String,
    #[serde(flatten)]
    pub invite: ShownInvite,
}

/// All invites of a room, in order of making.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteList {
    pub items: Vec<ShownInvite>,
}

fn show(invite: Invite) -> ShownInvite {
    ShownInvite {
        id: URL_SAFE_NO_PAD.encode(invite.hash),
        created_by: invite.by,
        created_at: invite.made_at,
        expires_at: invite.expires_at,
        max_uses: invite.max_uses,
        uses: invite.uses,
    }
}

fn code(room: RoomId, secret: &Secret) -> String {
    URL_SAFE_NO_PAD.encode([room.as_bytes().as_slice(), secret].concat())
}

fn read_code(code: &str) -> Option<(RoomId, Secret)> {
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(code).ok()?.try_into().ok()?;
    let (room, secret) = bytes.split_at(16);
    Some((RoomId::from_slice(room)?, secret.try_into().ok()?))
}

/// 128 random bits, so a plain hash keeps them.
fn hash(secret: &Secret) -> InviteHash {
    Sha256::digest(secret).into()
}

/// The secret a user makes under an idempotency key: the same however often it is asked for.
fn derived(salt: [u8; 32], user: UserId, key: &str) -> Secret {
    let digest = Sha256::new().chain_update(salt).chain_update(user.as_bytes()).chain_update(key).finalize();
    let mut secret = Secret::default();
    secret.copy_from_slice(&digest[..16]);
    secret
}

impl Rooms {
    /// Makes an invite. With an idempotency key a repeat gives the same one, for as long as it is there, also over the
    /// rate.
    pub async fn invite(
        &self,
        viewer: &Viewer,
        room: RoomId,
        input: MakeInvite,
        key: Option<&str>,
    ) -> Result<MadeInvite> {
        check_key("Idempotency-Key", key)?;
        let lifetime = input.expires_in.unwrap_or(LIFETIME);
        let mut check = Check::default();
        for (field, value, range) in [("expiresIn", Some(lifetime), LIFETIMES), ("maxUses", input.max_uses, USES)] {
            let fits = value.is_none_or(|value| range.contains(&value));
            check.that(fits, field, format!("use {} to {}", range.start(), range.end()));
        }
        check.done()?;
        let lifetime = Duration::from_secs(lifetime);
        let mut secret = None;
        let mut over = self.rates.invite(viewer.user).await.err();
        for _ in 0..TRIES {
            let access = self.access(viewer.user, room).await?;
            access.require(Act::Invite)?;
            let secret = match (secret, key) {
                (Some(secret), _) => secret,
                (None, None) => *secret.insert(rand::random()),
                (None, Some(key)) => {
                    *secret.insert(derived(self.store.invites.invite_salt(room).await?, viewer.user, key))
                }
            };
            if let Some(e) = over.take()
                && (key.is_none() || !self.is_made(room, &hash(&secret)).await?)
            {
                return Err(e);
            }
            let (by, by_role) = (viewer.user, access.membership.role);
            let new = NewInvite { room, by, by_role, hash: hash(&secret), lifetime, max_uses: input.max_uses };
            match self.store.invites.put_invite(&new).await {
                Ok(made) => {
                    let same = made.max_uses == new.max_uses && made.expires_at.since(made.made_at) == lifetime;
                    let invite = if same { show(made) } else { return Err(DomainError::IdempotencyConflict) };
                    return Ok(MadeInvite { code: code(room, &secret), invite });
                }
                Err(StoreError::RolesChanged) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(StoreError::RolesChanged.into())
    }

    /// At most a hundred are looked at.
    async fn is_made(&self, room: RoomId, hash: &InviteHash) -> Result<bool> {
        Ok(self.store.invites.invites(room).await?.iter().any(|invite| invite.hash == *hash))
    }

    /// All invites that have not expired, in order of making.
    pub async fn invites(&self, viewer: &Viewer, room: RoomId) -> Result<InviteList> {
        self.access(viewer.user, room).await?.require(Act::Invite)?;
        let now = Timestamp::now();
        let invites = self.store.invites.invites(room).await?.into_iter().filter(|invite| now < invite.expires_at);
        Ok(InviteList { items: invites.map(show).collect() })
    }

    /// Withdraws the invite of this [id](ShownInvite::id); who came by it stays.
    pub async fn withdraw(&self, viewer: &Viewer, room: RoomId, id: &str) -> Result<()> {
        let hash: Option<InviteHash> = URL_SAFE_NO_PAD.decode(id).ok().and_then(|bytes| bytes.try_into().ok());
        for _ in 0..TRIES {
            let access = self.access(viewer.user, room).await?;
            access.require(Act::Invite)?;
            let hash = hash.ok_or(NO_INVITE)?;
            match self.store.invites.remove_invite(room, viewer.user, access.membership.role, &hash).await {
                Err(StoreError::RolesChanged) => {}
                other => return Ok(other?),
            }
        }
        Err(StoreError::RolesChanged.into())
    }

    /// Joins the room an invite is for. Who is a member already uses nothing up. `network` is where the code is tried
    /// from: [`Source::network`](crate::accounts::Source::network).
    pub async fn redeem(&self, viewer: &Viewer, code: &str, network: &str) -> Result<Room> {
        let (room, secret) = read_code(code).ok_or(NO_INVITE)?;
        self.rates.redeem(viewer.user, network).await?;
        if self.store.rooms.membership(room, viewer.user).await?.is_none() {
            self.check_room_count(viewer.user).await?;
            let (user, members) = (actor(viewer), self.limits.room_members);
            match self.store.invites.redeem(room, &user, &hash(&secret), members).await {
                Ok(_) | Err(StoreError::AlreadyAMember) => {}
                Err(StoreError::RoomNotFound | StoreError::Banned | StoreError::InviteNotFound) => {
                    return Err(NO_INVITE);
                }
                Err(e) => return Err(e.into()),
            }
        }
        match self.view(viewer, room).await {
            Err(DomainError::RoomNotFound) => Err(NO_INVITE),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_and_nothing_else_is_one() {
        let (room, secret) = (RoomId::new(), rand::random());
        let text = code(room, &secret);
        assert_eq!((read_code(&text), text.len()), (Some((room, secret)), 43));
        for bad in ["", "x", &text[1..], &format!("{text}A"), &"é".repeat(20), &"/".repeat(43)] {
            assert_eq!(read_code(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_derived_secret_is_of_its_room_its_user_and_its_key() {
        let (salt, user) = ([7; 32], UserId::new());
        let secret = derived(salt, user, "k");
        assert_eq!(secret, derived(salt, user, "k"));
        for other in [derived([8; 32], user, "k"), derived(salt, UserId::new(), "k"), derived(salt, user, "l")] {
            assert_ne!(secret, other);
        }
    }
}
