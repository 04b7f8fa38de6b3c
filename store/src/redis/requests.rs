//! Contact requests. What a user asks for stands in their own list, which is the truth, and in another slot in the list of
//! who is asked. Each step is one script in one of the two tags; a request's token keeps what belongs to an earlier request
//! from undoing a later one, so that steps at once end alike.

use redis::{Cmd, cmd};
use shared::{EventId, Timestamp, UserId};

use super::{
    Engine,
    codec::{parse, user},
    connection::corrupt,
    intents::Intent,
    people::is_in,
    scripts::{self, Call},
};
use crate::{Asked, Most, Requests, Result, StoreError, user_log::USER_CHANGES_KEPT};

/// What is done in the tag of one of the two; `change_requests.lua` says what each is.
pub(super) enum Op {
    /// With whether the other one has the owner in their contacts.
    Ask(Most, bool),
    Deliver(u64, Most),
    Befriend,
    /// Up to this token.
    Drop(u64),
    Lose(u64),
}

/// Whatever the token.
const ANY: u64 = i64::MAX.cast_unsigned();

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Contact,
    Pending { token: u64, waited: bool },
    Full,
    Blocked,
    Dropped { blocking: bool, outgoing: u64, incoming: u64 },
    Done,
}

impl Engine {
    /// See [`People::ask_contact`](crate::People::ask_contact).
    pub(super) async fn ask(&self, owner: UserId, other: UserId, most: Most) -> Result<Asked> {
        let pending = self.record_intent(&Intent::Request { user: owner, other }, Timestamp::now()).await?;
        let read = is_in(self.keys.contacts(other), owner);
        let has_me = self.connections.ask("look for a contact", &read).await?;
        let asked = match self.request_step(owner, other, Op::Ask(most, has_me)).await? {
            Step::Contact => {
                self.request_step(other, owner, Op::Befriend).await?;
                Ok(Asked::Contact)
            }
            Step::Pending { token, waited } => match self.request_step(other, owner, Op::Deliver(token, most)).await? {
                Step::Contact => {
                    self.request_step(owner, other, Op::Befriend).await?;
                    Ok(Asked::Contact)
                }
                // Who asks again learns nothing of it, as little as who is blocked.
                Step::Full if !waited => {
                    self.request_step(owner, other, Op::Drop(token)).await?;
                    Err(StoreError::TooManyPeople)
                }
                _ => Ok(self.look_again(owner, other, token).await?),
            },
            Step::Full => Err(StoreError::TooManyPeople),
            Step::Blocked => Err(StoreError::Blocked),
            Step::Dropped { .. } | Step::Done => return Err(corrupt("an answer")),
        };
        self.forget_intent(&pending).await?;
        asked
    }

    /// A request was delivered. Where it has been taken back, declined or accepted meanwhile, nothing is behind it.
    async fn look_again(&self, owner: UserId, other: UserId, token: u64) -> Result<Asked> {
        let waiting = token_of(self.keys.outgoing(owner), other);
        let waiting: Option<u64> = self.connections.ask("look for a request", &waiting).await?;
        let contact = is_in(self.keys.contacts(owner), other);
        let contact: bool = self.connections.ask("look for a contact", &contact).await?;
        if waiting != Some(token) {
            self.request_step(other, owner, Op::Lose(token)).await?;
        }
        Ok(if contact { Asked::Contact } else { Asked::Pending })
    }

    /// See [`People::drop_requests`](crate::People::drop_requests).
    pub(super) async fn drop_between(&self, owner: UserId, other: UserId) -> Result<()> {
        let pending = self.record_intent(&Intent::Request { user: owner, other }, Timestamp::now()).await?;
        let Step::Dropped { blocking, outgoing, incoming } = self.request_step(owner, other, Op::Drop(ANY)).await?
        else {
            return Err(corrupt("an answer"));
        };
        self.request_step(other, owner, Op::Lose(outgoing)).await?;
        let mut declined = incoming;
        // Who is blocked does not learn of it.
        if !blocking && let Step::Dropped { outgoing, .. } = self.request_step(other, owner, Op::Drop(ANY)).await? {
            declined = declined.max(outgoing);
        }
        self.request_step(owner, other, Op::Lose(declined)).await?;
        self.forget_intent(&pending).await
    }

    /// Brings the lists of both to what follows from those who ask. What came to one of the lists alone, because whoever
    /// asked or declined died inside, is taken back.
    pub(super) async fn settle_requests(&self, user: UserId, other: UserId) -> Result<()> {
        for (from, to) in [(user, other), (other, user)] {
            let keys = &self.keys;
            // First: what is delivered later has a greater token.
            let incoming = token_of(keys.incoming(to), from);
            let incoming: Option<u64> = self.connections.ask("look for a request", &incoming).await?;
            let outgoing = token_of(keys.outgoing(from), to);
            let outgoing: Option<u64> = self.connections.ask("look for a request", &outgoing).await?;
            let lists = vec![is_in(keys.contacts(to), from), is_in(keys.blocks(to), from)];
            let lists: Vec<bool> = self.connections.ask_all("look for a user in lists", lists).await?;
            match (outgoing, incoming, &lists[..]) {
                (None, Some(token), _) => self.request_step(to, from, Op::Lose(token)).await?,
                (Some(_), _, [true, _]) => self.request_step(from, to, Op::Befriend).await?,
                (Some(token), None, [false, false]) => self.request_step(from, to, Op::Drop(token)).await?,
                _ => continue,
            };
        }
        Ok(())
    }

    pub(super) async fn request_step(&self, owner: UserId, user: UserId, op: Op) -> Result<Step> {
        let keys = &self.keys;
        let name = match op {
            Op::Ask(..) => "ask",
            Op::Deliver(..) => "deliver",
            Op::Befriend => "befriend",
            Op::Drop(_) => "drop",
            Op::Lose(_) => "lose",
        };
        let call = Call::new(&scripts::CHANGE_REQUESTS)
            .keys([keys.contacts(owner), keys.blocks(owner), keys.outgoing(owner), keys.incoming(owner)])
            .keys([keys.user_log(owner), keys.user_channel(owner), keys.presence_channel(owner)])
            .arg(name)
            .arg(user.to_string())
            .arg(user::access_changed(user))
            .arg(USER_CHANGES_KEPT)
            .arg(EventId::random().to_string())
            .arg(EventId::random().to_string());
        let call = match op {
            Op::Ask(most, has_me) => call.arg(most.contacts).arg(most.requests).arg(u8::from(has_me)),
            Op::Deliver(token, most) => call.arg(token).arg(most.requests),
            Op::Befriend => call,
            Op::Drop(token) | Op::Lose(token) => call.arg(token),
        };
        let (word, first, second): (String, u64, u64) = self.connections.run("change contact requests", call).await?;
        match word.as_str() {
            "CONTACT" => Ok(Step::Contact),
            "PENDING" => Ok(Step::Pending { token: first, waited: second == 1 }),
            "FULL" => Ok(Step::Full),
            "BLOCKED" => Ok(Step::Blocked),
            "DROPPED" | "BLOCKING" => {
                Ok(Step::Dropped { blocking: word == "BLOCKING", outgoing: first, incoming: second })
            }
            "OK" => Ok(Step::Done),
            _ => Err(corrupt("an answer")),
        }
    }

    pub(super) async fn list_requests(&self, owner: UserId) -> Result<Requests> {
        let read = |list: String| cmd("ZRANGE").arg(list).arg(0).arg(-1).to_owned();
        let reads = vec![read(self.keys.outgoing(owner)), read(self.keys.incoming(owner))];
        let found: Vec<Vec<String>> = self.connections.ask_all("read contact requests", reads).await?;
        let mut lists = found.iter().map(|texts| {
            let mut ids: Vec<UserId> = texts.iter().map(|text| parse(text, "a user")).collect::<Result<_>>()?;
            ids.sort_unstable();
            Ok(ids)
        });
        let mut next = || lists.next().unwrap_or_else(|| Err(corrupt("contact requests")));
        Ok(Requests { outgoing: next()?, incoming: next()? })
    }
}

fn token_of(list: String, user: UserId) -> Cmd {
    cmd("ZSCORE").arg(list).arg(user.to_string()).to_owned()
}
