//! A user's lists of people, each a set in the user's tag.

use async_trait::async_trait;
use redis::{Cmd, cmd};
use shared::{EventId, UserId};

use super::{
    Engine,
    codec::{parse, user},
    connection::corrupt,
    scripts::{self, Call},
};
use crate::{Asked, Most, People, Relation, Requests, Result, StoreError, user_log::USER_CHANGES_KEPT};

/// What is done to a list.
pub(super) enum Change {
    /// With how many it may have.
    Add(usize),
    Remove,
}

impl Engine {
    /// Adds to a list of the owner, or removes from it, with its entry in the owner's own log.
    pub(super) async fn change_people(
        &self,
        owner: UserId,
        (list, other): (String, UserId),
        change: Change,
        entry: String,
    ) -> Result<()> {
        let (verb, most) = match change {
            Change::Add(most) => ("SADD", most),
            Change::Remove => ("SREM", 0),
        };
        let keys = &self.keys;
        let call = Call::new(&scripts::CHANGE_PEOPLE)
            .keys([list, keys.user_log(owner), keys.user_channel(owner), keys.presence_channel(owner)])
            .arg(other.to_string())
            .arg(verb)
            .arg(most)
            .arg(EventId::random().to_string())
            .arg(entry)
            .arg(USER_CHANGES_KEPT)
            .arg(user::access_changed(other));
        match self.connections.run::<String>("change a list of people", call).await?.as_str() {
            "OK" => Ok(()),
            "FULL" => Err(StoreError::TooManyPeople),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn list_people(&self, list: String) -> Result<Vec<UserId>> {
        let read = cmd("SMEMBERS").arg(list).to_owned();
        let texts: Vec<String> = self.connections.ask("read a list of people", &read).await?;
        let mut ids: Vec<UserId> = texts.iter().map(|text| parse(text, "a user")).collect::<Result<_>>()?;
        ids.sort_unstable();
        Ok(ids)
    }
}

pub(super) fn is_in(list: String, user: UserId) -> Cmd {
    cmd("SISMEMBER").arg(list).arg(user.to_string()).to_owned()
}

#[async_trait]
impl People for Engine {
    async fn add_contact(&self, owner: UserId, contact: UserId, most: usize) -> Result<()> {
        let entry = user::contact(contact, true);
        self.change_people(owner, (self.keys.contacts(owner), contact), Change::Add(most), entry).await
    }

    async fn remove_contact(&self, owner: UserId, contact: UserId) -> Result<()> {
        let entry = user::contact(contact, false);
        self.change_people(owner, (self.keys.contacts(owner), contact), Change::Remove, entry).await
    }

    async fn contacts(&self, owner: UserId) -> Result<Vec<UserId>> {
        self.list_people(self.keys.contacts(owner)).await
    }

    async fn ask_contact(&self, owner: UserId, other: UserId, most: Most) -> Result<Asked> {
        self.ask(owner, other, most).await
    }

    async fn drop_requests(&self, owner: UserId, other: UserId) -> Result<()> {
        self.drop_between(owner, other).await
    }

    async fn requests(&self, owner: UserId) -> Result<Requests> {
        self.list_requests(owner).await
    }

    async fn note_written(&self, owner: UserId, to: UserId) -> Result<()> {
        let note = Call::new(&scripts::NOTE_WRITTEN)
            .keys([self.keys.wrote(owner), self.keys.presence_channel(owner)])
            .arg(to.to_string())
            .arg(user::access_changed(to));
        self.connections.run::<i64>("note whom a user wrote to", note).await.map(drop)
    }

    async fn block(&self, owner: UserId, other: UserId, most: usize) -> Result<()> {
        self.change_block(owner, other, Change::Add(most)).await
    }

    async fn unblock(&self, owner: UserId, other: UserId) -> Result<()> {
        self.change_block(owner, other, Change::Remove).await
    }

    async fn blocks(&self, owner: UserId) -> Result<Vec<UserId>> {
        self.list_people(self.keys.blocks(owner)).await
    }

    async fn blocks_among(&self, owners: &[UserId], others: &[UserId]) -> Result<Vec<(UserId, UserId)>> {
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = others.iter().map(UserId::to_string).collect();
        let reads = owners.iter().map(|owner| cmd("SMISMEMBER").arg(self.keys.blocks(*owner)).arg(&names).to_owned());
        let found: Vec<Vec<bool>> = self.connections.ask_all("look for blocks", reads.collect()).await?;
        let of_owner = |(owner, found): (&UserId, Vec<bool>)| {
            let owner = *owner;
            others.iter().zip(found).filter(|(_, blocked)| *blocked).map(move |(other, _)| (owner, *other))
        };
        Ok(owners.iter().zip(found).flat_map(of_owner).collect())
    }

    async fn relations(&self, viewer: UserId, others: &[UserId]) -> Result<Vec<Relation>> {
        let keys = &self.keys;
        let lists = others.iter().flat_map(|other| [keys.contacts(*other), keys.blocks(*other), keys.wrote(*other)]);
        let reads = lists.map(|list| is_in(list, viewer)).collect();
        let found: Vec<bool> = self.connections.ask_all("look for a user in lists", reads).await?;
        let relation = |is: &[bool]| Relation { has_me: is[0], blocks_me: is[1], wrote_me: is[2] };
        Ok(found.chunks_exact(3).map(relation).collect())
    }
}
