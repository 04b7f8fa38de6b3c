//! Invites: few for each room, so that making one looks at all of them.

use async_trait::async_trait;
use shared::{RoomId, Timestamp, UserId, protocol::Role};

use super::{
    Embedded, codec,
    keys::{self, Span},
    kv::{Order, Read},
    membership::{find_member, head},
    room_admin::with_role,
    rooms::join,
    tx::Tx,
};
use crate::{Actor, Invite, InviteHash, Invites, Joined, NewInvite, Result, StoreError, invites::INVITES_A_ROOM};

fn find(read: &impl Read, room: RoomId, hash: &InviteHash) -> Result<Option<Invite>> {
    read.get(&keys::invite(room, hash))?.map(|row| codec::decode_invite(&row)).transpose()
}

fn all(read: &impl Read, room: RoomId) -> Result<Vec<Invite>> {
    let span: Span = keys::invites(room);
    let mut invites = read.collect(&span, Order::Ascending, usize::MAX, |_, row| codec::decode_invite(row))?;
    invites.sort_by_key(|invite| (invite.made_at, invite.hash));
    Ok(invites)
}

fn put(tx: &mut Tx, new: &NewInvite) -> Result<Invite> {
    let now = Timestamp::now();
    head(tx, new.room)?;
    with_role(tx, new.room, new.by, new.by_role)?;
    if let Some(there) = find(tx, new.room, &new.hash)?.filter(|invite| now < invite.expires_at) {
        return Ok(there);
    }
    let mut kept = all(tx, new.room)?;
    drop_unless(tx, new.room, &mut kept, |invite| now < invite.expires_at);
    if kept.len() >= INVITES_A_ROOM {
        drop_unless(tx, new.room, &mut kept, |invite| invite.is_good(now));
    }
    if kept.len() >= INVITES_A_ROOM {
        return Err(StoreError::TooManyInvites);
    }
    let invite = Invite {
        hash: new.hash,
        by: new.by,
        made_at: now,
        expires_at: now.after(new.lifetime),
        max_uses: new.max_uses,
        uses: 0,
    };
    tx.put(keys::invite(new.room, &new.hash), codec::encode_invite(&invite))?;
    Ok(invite)
}

fn drop_unless(tx: &mut Tx, room: RoomId, invites: &mut Vec<Invite>, stays: impl Fn(&Invite) -> bool) {
    invites.retain(|invite| {
        let stays = stays(invite);
        if !stays {
            tx.delete(keys::invite(room, &invite.hash));
        }
        stays
    });
}

fn may_invite(read: &impl Read, room: RoomId, user: UserId) -> Result<bool> {
    Ok(find_member(read, room, user)?.is_some_and(|member| member.role != Role::Member))
}

fn redeem(tx: &mut Tx, room: RoomId, user: &Actor, (hash, max_members): (&InviteHash, u64)) -> Result<Joined> {
    let invite = match find(tx, room, hash)?.filter(|invite| invite.is_good(Timestamp::now())) {
        Some(invite) if may_invite(tx, room, invite.by)? => Some(invite),
        _ => None,
    };
    let joined = join(tx, room, user, (Role::Member, max_members), Some(invite.is_some()))?;
    if let Some(invite) = invite {
        let used = Invite { uses: invite.uses + 1, ..invite };
        tx.put(keys::invite(room, hash), codec::encode_invite(&used))?;
    }
    Ok(joined)
}

fn salt(tx: &mut Tx, room: RoomId) -> Result<[u8; 32]> {
    head(tx, room)?;
    let key = keys::invite_salt(room);
    if let Some(row) = tx.get(&key)? {
        return row.try_into().map_err(|_| codec::corrupt("salt"));
    }
    let salt: [u8; 32] = rand::random();
    tx.put(key, salt.to_vec())?;
    Ok(salt)
}

#[async_trait]
impl Invites for Embedded {
    async fn put_invite(&self, invite: &NewInvite) -> Result<Invite> {
        let invite = invite.clone();
        self.write(move |tx| put(tx, &invite)).await
    }

    async fn invites(&self, room: RoomId) -> Result<Vec<Invite>> {
        self.read(move |read| {
            head(read, room)?;
            all(read, room)
        })
        .await
    }

    async fn remove_invite(&self, room: RoomId, by: UserId, by_role: Role, hash: &InviteHash) -> Result<()> {
        let hash = *hash;
        self.write(move |tx| {
            head(tx, room)?;
            with_role(tx, room, by, by_role)?;
            find(tx, room, &hash)?.ok_or(StoreError::InviteNotFound)?;
            tx.delete(keys::invite(room, &hash));
            Ok(())
        })
        .await
    }

    async fn redeem(&self, room: RoomId, user: &Actor, hash: &InviteHash, max_members: u64) -> Result<Joined> {
        let (user, hash) = (user.clone(), *hash);
        self.write(move |tx| redeem(tx, room, &user, (&hash, max_members))).await
    }

    async fn invite_salt(&self, room: RoomId) -> Result<[u8; 32]> {
        self.write(move |tx| salt(tx, room)).await
    }
}
