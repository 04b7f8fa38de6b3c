//! Invites: a hash for each room, so that a use and the join by it are one script.

use async_trait::async_trait;
use redis::cmd;
use shared::{RoomId, Timestamp, UserId, protocol::Role};

use super::{
    Engine,
    codec::{fields, parse, role_text},
    connection::corrupt,
    intents::millis,
    scripts::{self, Call},
};
use crate::{Actor, Invite, InviteHash, Invites, Joined, NewInvite, Result, StoreError, invites::INVITES_A_ROOM};

/// As it stands in keys: hex digits.
pub(super) fn hash_text(hash: &InviteHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(text: &str) -> Result<InviteHash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(corrupt("a hash"));
    }
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| corrupt("a hash"))?;
    }
    Ok(hash)
}

/// `by madeAt expiresAt maxUses uses`.
fn invite(hash: InviteHash, text: &str) -> Result<Invite> {
    let [by, made_at, expires_at, max_uses, uses] = fields(text, "an invite")?;
    let time = |text| Ok::<_, StoreError>(Timestamp::from_millis(parse(text, "a time")?));
    Ok(Invite {
        hash,
        by: parse(by, "a user")?,
        made_at: time(made_at)?,
        expires_at: time(expires_at)?,
        max_uses: Some(parse(max_uses, "a count")?).filter(|most| *most > 0),
        uses: parse(uses, "a count")?,
    })
}

#[async_trait]
impl Invites for Engine {
    async fn put_invite(&self, new: &NewInvite) -> Result<Invite> {
        let keys = &self.keys;
        let put = Call::new(&scripts::PUT_INVITE)
            .keys([keys.room(new.room), keys.members(new.room), keys.invites(new.room)])
            .arg(new.by.to_string())
            .arg(role_text(new.by_role))
            .arg(hash_text(&new.hash))
            .arg(millis(new.lifetime))
            .arg(new.max_uses.unwrap_or(0))
            .arg(INVITES_A_ROOM);
        let answer: Vec<String> = self.connections.run("make an invite", put).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", text] => invite(new.hash, text),
            ["NO_ROOM"] => Err(StoreError::RoomNotFound),
            ["ROLES_CHANGED"] => Err(StoreError::RolesChanged),
            ["TOO_MANY_INVITES"] => Err(StoreError::TooManyInvites),
            _ => Err(corrupt("an answer")),
        }
    }

    /// There are at most [`INVITES_A_ROOM`].
    async fn invites(&self, room: RoomId) -> Result<Vec<Invite>> {
        if self.read_room(room).await?.is_none() {
            return Err(StoreError::RoomNotFound);
        }
        let read = cmd("HGETALL").arg(self.keys.invites(room)).to_owned();
        let texts: Vec<(String, String)> = self.connections.ask("list invites", &read).await?;
        let read = texts.iter().map(|(name, text)| invite(hash(name)?, text));
        let mut invites: Vec<Invite> = read.collect::<Result<_>>()?;
        invites.sort_by_key(|invite| (invite.made_at, invite.hash));
        Ok(invites)
    }

    async fn remove_invite(&self, room: RoomId, by: UserId, by_role: Role, hash: &InviteHash) -> Result<()> {
        let keys = &self.keys;
        let remove = Call::new(&scripts::REMOVE_INVITE)
            .keys([keys.room(room), keys.members(room), keys.invites(room)])
            .arg(by.to_string())
            .arg(role_text(by_role))
            .arg(hash_text(hash));
        match self.connections.run::<String>("withdraw an invite", remove).await?.as_str() {
            "OK" => Ok(()),
            "NO_ROOM" => Err(StoreError::RoomNotFound),
            "ROLES_CHANGED" => Err(StoreError::RolesChanged),
            "NO_INVITE" => Err(StoreError::InviteNotFound),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn redeem(&self, room: RoomId, user: &Actor, hash: &InviteHash, max_members: u64) -> Result<Joined> {
        self.join_with(room, user, Role::Member, (max_members, Some(hash))).await
    }

    async fn invite_salt(&self, room: RoomId) -> Result<[u8; 32]> {
        let salt = Call::new(&scripts::SALT)
            .keys([self.keys.room(room), self.keys.salt(room)])
            .arg(hash_text(&rand::random()));
        let salt: Option<String> = self.connections.run("read a room's salt", salt).await?;
        hash(&salt.ok_or(StoreError::RoomNotFound)?)
    }
}
