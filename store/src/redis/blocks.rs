//! Blocks. The two users' lists are the truth; the direct room, in another slot, follows them, so that what is said there
//! is checked by what its scripts read anyway.

use redis::cmd;
use shared::{RoomId, Timestamp, UserId};

use super::{
    Engine,
    codec::{parse, user},
    connection::corrupt,
    intents::{Intent, new_attempt, voided},
    people::{Change, is_in},
    scripts::{self, Call},
};
use crate::{Result, StoreError};

impl Engine {
    /// See [`People::block`](crate::People::block): an intent, the list, the room, the intent is gone.
    pub(super) async fn change_block(&self, owner: UserId, other: UserId, change: Change) -> Result<()> {
        let attempt = new_attempt();
        let intent = Intent::Block { user: owner, other, attempt: attempt.clone() };
        let pending = self.record_intent(&intent, Timestamp::now()).await?;
        match self.write_block(owner, other, change).await {
            Ok(()) => {
                self.settle_blocked([owner, other], &attempt).await?;
                self.finish_block(owner, other).await?;
            }
            Err(full @ StoreError::TooManyPeople) => {
                self.forget_intent(&pending).await?;
                return Err(full);
            }
            // Not known what came of it: the intent stays for the sweep.
            Err(unknown) => return Err(unknown),
        }
        self.forget_intent(&pending).await
    }

    /// After the room: what waits between the two, if the block stands.
    pub(super) async fn finish_block(&self, owner: UserId, other: UserId) -> Result<()> {
        let block = is_in(self.keys.blocks(owner), other);
        match self.connections.ask("look for a block", &block).await? {
            true => self.drop_between(owner, other).await,
            false => Ok(()),
        }
    }

    /// The list alone.
    pub(super) async fn write_block(&self, owner: UserId, other: UserId, change: Change) -> Result<()> {
        let entry = user::block(other, matches!(change, Change::Add(_)));
        self.change_people(owner, (self.keys.blocks(owner), other), change, entry).await
    }

    /// Brings the direct room of the two, if it is there, to what their lists say.
    pub(super) async fn settle_blocked(&self, users: [UserId; 2], attempt: &str) -> Result<()> {
        let seen = self.either_blocks(users).await?;
        self.settle_blocked_as(users, seen, attempt).await
    }

    /// The same, having seen this in the lists. Where they changed meanwhile, once more: the last who looks has seen the
    /// last.
    pub(super) async fn settle_blocked_as(&self, users: [UserId; 2], seen: bool, attempt: &str) -> Result<()> {
        let room = RoomId::direct(users[0], users[1]);
        let mut blocked = seen;
        loop {
            let set = Call::new(&scripts::SET_BLOCKED)
                .keys([self.keys.room(room), self.keys.void(room, attempt)])
                .arg(u8::from(blocked));
            match self.connections.run::<String>("note a block at a room", set).await?.as_str() {
                "OK" => {}
                "VOID" => return Err(voided()),
                _ => return Err(corrupt("an answer")),
            }
            let now = self.either_blocks(users).await?;
            if now == blocked {
                return Ok(());
            }
            blocked = now;
        }
    }

    /// The same for a direct room whose making was cut off.
    pub(super) async fn settle_blocked_room(&self, room: RoomId) -> Result<()> {
        let members = cmd("HKEYS").arg(self.keys.members(room)).to_owned();
        let members: Vec<String> = self.connections.ask("list members", &members).await?;
        let users: Vec<UserId> = members.iter().map(|user| parse(user, "a member")).collect::<Result<_>>()?;
        match users[..] {
            [a, b] => self.settle_blocked([a, b], &new_attempt()).await,
            _ => Ok(()),
        }
    }

    async fn either_blocks(&self, [a, b]: [UserId; 2]) -> Result<bool> {
        let reads = vec![is_in(self.keys.blocks(a), b), is_in(self.keys.blocks(b), a)];
        let found: Vec<bool> = self.connections.ask_all("look for blocks", reads).await?;
        Ok(found.contains(&true))
    }
}
