//! Rooms and memberships. The room is the truth; a user's list of rooms follows it.

use async_trait::async_trait;
use redis::{Cmd, cmd};
use shared::{
    EventId, RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Position, Role, RoomType},
};

use super::{
    Engine, codec,
    codec::{from_json, json, parse, role_text},
    connection::corrupt,
    intents::{Claim, Intent, Pending, count, new_attempt, voided},
    invites::hash_text,
    keys::{indexed, shard_of},
    scripts::{self, Call},
    users::indexed_ids,
};
use crate::{
    Actor, Head, InviteHash, Joined, Membership, Result, RoomRecord, RoomView, Rooms, StoreError, log::CHANGES_KEPT,
};

/// Fields of a room's hash: those of its head, in this order.
const HEAD: [&str; 6] = ["record", "seq", "rev", "eid", "floor", "members"];

/// A room's retention for a script: milliseconds and messages, each a number or nothing.
pub(super) fn limits(room: &RoomRecord) -> [String; 2] {
    let retention = room.retention.unwrap_or_default();
    let age = retention.max_age_seconds.map(|seconds| seconds.saturating_mul(1000));
    [age, retention.max_messages].map(|limit| limit.map(|n| n.to_string()).unwrap_or_default())
}

fn head(fields: &[String]) -> Result<(RoomRecord, Head)> {
    let [record, seq, rev, event_id, floor, members] = fields else { return Err(corrupt("a room")) };
    let head = Head {
        seq: parse(seq, "a seq")?,
        rev: parse(rev, "a rev")?,
        event_id: parse(event_id, "an event id")?,
        floor: parse(floor, "a floor")?,
        members: parse(members, "a count")?,
    };
    Ok((from_json(record)?, head))
}

fn view(user: UserId, room: RoomId, fields: &[Option<String>]) -> Result<RoomView> {
    let known = fields.get(..10).and_then(|f| f.iter().cloned().collect::<Option<Vec<String>>>());
    let known = known.ok_or_else(|| corrupt("a view"))?;
    let (record, head) = head(&known[..6])?;
    let membership = codec::joined(user, &known[6])?.membership;
    let read_seq = codec::room::marks(Some(&known[7]))?.read;
    let deleted: u64 = parse(&known[8], "a count")?;
    let mentions = parse(&known[9], "a count")?;
    let visible_after = match record.history_visibility {
        HistoryVisibility::All => head.floor,
        HistoryVisibility::Joined => head.floor.max(membership.joined_seq),
    };
    let last_message = match fields.get(10) {
        Some(Some(text)) if head.seq > visible_after => Some(codec::message::message(room, head.seq, text)?),
        _ => None,
    };
    let base = read_seq.max(membership.joined_seq).max(head.floor);
    let unread = head.seq.saturating_sub(base).saturating_sub(deleted);
    Ok(RoomView { record, head, membership, read_seq, unread, mentions, last_message })
}

impl Engine {
    pub(super) async fn read_room(&self, room: RoomId) -> Result<Option<(RoomRecord, Head)>> {
        let mut read = cmd("HMGET");
        read.arg(self.keys.room(room)).arg(&HEAD);
        let fields: Vec<Option<String>> = self.connections.ask("read a room", &read).await?;
        let fields: Option<Vec<String>> = fields.into_iter().collect();
        fields.map(|fields| head(&fields)).transpose()
    }

    /// The first half of making a room: intents, and the claim of its handle.
    pub(super) async fn begin_create(
        &self,
        room: &RoomRecord,
        members: &[Actor],
        attempt: &str,
        at: Timestamp,
    ) -> Result<Vec<Pending>> {
        let intent = Intent::Create { room: room.id, attempt: attempt.to_owned(), handle: room.handle.clone() };
        let create = self.record_intent(&intent, at).await?;
        if let Some(handle) = &room.handle {
            let key = self.keys.handle(&handle.to_ascii_lowercase());
            if !self.claim_name(&key, &Claim::pending(room.id, at)).await? {
                self.forget_intent(&create).await?;
                return Err(StoreError::HandleTaken);
            }
        }
        let begun = members.iter().map(|member| self.begin_membership(member.id, room.id, attempt));
        let mut pending = futures_util::future::try_join_all(begun).await?;
        pending.push(create);
        Ok(pending)
    }

    /// Makes the room itself; `false` when it was there already.
    pub(super) async fn write_room(&self, room: &RoomRecord, members: &[Actor], attempt: &str) -> Result<bool> {
        let id = room.id;
        let keys = &self.keys;
        let keys = [
            keys.room(id),
            keys.members(id),
            keys.joined(id),
            keys.changes(id),
            keys.room_channel(id),
            keys.void(id, attempt),
            keys.retention(shard_of(id)),
        ];
        let mut create =
            Call::new(&scripts::CREATE_ROOM).keys(keys).arg(json(room)?).arg(id.to_string()).arg(&limits(room));
        for (i, member) in members.iter().enumerate() {
            let role = if i == 0 && room.kind != RoomType::Direct { Role::Owner } else { Role::Member };
            create = create.arg(member.id.to_string()).arg(role_text(role)).arg(EventId::random().to_string());
            create = create.arg(json(&member.username)?);
        }
        let answer: String = self.connections.run("create a room", create).await?;
        match answer.as_str() {
            "OK" => Ok(true),
            "EXISTS" => Ok(false),
            "VOID" => Err(voided()),
            _ => Err(corrupt("an answer")),
        }
    }

    /// The second half of a join: the room itself.
    pub(super) async fn join_room(
        &self,
        room: RoomId,
        user: &Actor,
        role: Role,
        max_members: u64,
        (attempt, invite): (&str, Option<&InviteHash>),
    ) -> Result<Joined> {
        let join = Call::new(&scripts::JOIN)
            .keys(self.membership_keys(room, attempt))
            .key(self.keys.invites(room))
            .arg(user.id.to_string())
            .arg(role_text(role))
            .arg(EventId::random().to_string())
            .arg(json(&user.username)?)
            .arg(max_members)
            .arg(CHANGES_KEPT)
            .arg(invite.map(hash_text).unwrap_or_default());
        let answer: Vec<String> = self.connections.run("join a room", join).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", membership] => codec::joined(user.id, membership),
            ["NO_ROOM"] => Err(StoreError::RoomNotFound),
            ["ALREADY"] => Err(StoreError::AlreadyAMember),
            ["FULL"] => Err(StoreError::RoomFull),
            ["BANNED"] => Err(StoreError::Banned),
            ["NO_INVITE"] => Err(StoreError::InviteNotFound),
            ["VOID"] => Err(voided()),
            _ => Err(corrupt("an answer")),
        }
    }

    /// Joins, by an invite or without: the room, and then the user's list of rooms.
    pub(super) async fn join_with(
        &self,
        room: RoomId,
        user: &Actor,
        role: Role,
        (max_members, invite): (u64, Option<&InviteHash>),
    ) -> Result<Joined> {
        let attempt = new_attempt();
        let pending = self.begin_membership(user.id, room, &attempt).await?;
        match self.join_room(room, user, role, max_members, (&attempt, invite)).await {
            Ok(joined) => {
                self.finish_membership(user.id, room, &attempt, true, &pending).await?;
                Ok(joined)
            }
            Err(refused) => {
                self.abandon(user.id, room, &pending, &refused).await?;
                Err(refused)
            }
        }
    }

    pub(super) fn membership_keys(&self, room: RoomId, attempt: &str) -> [String; 9] {
        let keys = &self.keys;
        [
            keys.room(room),
            keys.members(room),
            keys.joined(room),
            keys.marks(room),
            keys.changes(room),
            keys.room_channel(room),
            keys.void(room, attempt),
            keys.admins(room),
            keys.bans(room),
        ]
    }

    /// After the room refused: the index follows the room as it is now.
    pub(super) async fn abandon(
        &self,
        user: UserId,
        room: RoomId,
        pending: &Pending,
        refused: &StoreError,
    ) -> Result<()> {
        // Not known what came of it: the intent stays for the sweep.
        if matches!(refused, StoreError::Unavailable(_) | StoreError::Unexpected(_)) {
            return Ok(());
        }
        self.settle_membership(user, room).await?;
        self.forget_intent(pending).await
    }

    fn member_read(&self, room: RoomId, user: UserId) -> Cmd {
        cmd("HGET").arg(self.keys.members(room)).arg(user.to_string()).to_owned()
    }
}

impl Engine {
    /// See [`Rooms::views`]; the last message only where it is asked for.
    async fn see_rooms(&self, user: UserId, rooms: &[RoomId], with_last: bool) -> Result<Vec<Option<RoomView>>> {
        let call = |room: RoomId| {
            let keys = &self.keys;
            Call::new(&scripts::VIEW)
                .keys([keys.room(room), keys.members(room), keys.marks(room), keys.messages(room)])
                .keys([keys.deleted(room), keys.mentions(room)])
                .arg(user.to_string())
                .arg(u8::from(with_last))
        };
        let calls = rooms.iter().copied().map(call).collect();
        let found: Vec<Option<Vec<Option<String>>>> = self.connections.run_all("view rooms", calls).await?;
        rooms.iter().zip(found).map(|(room, fields)| fields.map(|f| view(user, *room, &f)).transpose()).collect()
    }

    /// A user's rooms in order of id, from their set and from what is under way.
    pub(super) async fn settled_rooms(
        &self,
        user: UserId,
        intents: &[String],
        rooms: &[String],
    ) -> Result<Vec<RoomId>> {
        let mut ids: std::collections::BTreeSet<RoomId> =
            rooms.iter().map(|room| parse(room, "a room")).collect::<Result<_>>()?;
        for room in intents {
            let room = parse(room, "a room")?;
            // Only reads the truth: what is still under way is settled by whoever does it, or by the sweep.
            if self.is_member(room, user).await? {
                ids.insert(room);
            } else {
                ids.remove(&room);
            }
        }
        Ok(ids.into_iter().collect())
    }
}

#[async_trait]
impl Rooms for Engine {
    async fn create_room(&self, room: &RoomRecord, members: &[Actor]) -> Result<()> {
        let mut distinct: Vec<Actor> = Vec::with_capacity(members.len());
        for member in members {
            if !distinct.iter().any(|known| known.id == member.id) {
                distinct.push(member.clone());
            }
        }
        let attempt = new_attempt();
        let pending = self.begin_create(room, &distinct, &attempt, Timestamp::now()).await?;
        let made = self.write_room(room, &distinct, &attempt).await?;
        if made && let (RoomType::Direct, [a, b]) = (room.kind, &distinct[..]) {
            self.settle_blocked([a.id, b.id], &attempt).await?;
        }
        let record = if made { Some(room.clone()) } else { self.read_room(room.id).await?.map(|(r, _)| r) };
        self.confirm_create(room.id, record.as_ref(), room.handle.as_deref()).await?;
        for (member, intent) in distinct.iter().zip(&pending) {
            if made {
                self.finish_membership(member.id, room.id, &attempt, true, intent).await?;
            } else {
                self.settle_membership(member.id, room.id).await?;
                self.forget_intent(intent).await?;
            }
        }
        match pending.last() {
            Some(create) => self.forget_intent(create).await,
            None => Ok(()),
        }
    }

    async fn room(&self, id: RoomId) -> Result<Option<(RoomRecord, Head)>> {
        self.read_room(id).await
    }

    async fn room_id_by_handle(&self, handle: &str) -> Result<Option<RoomId>> {
        let Some(claim) = self.claim_of(&self.keys.handle(&handle.to_ascii_lowercase())).await? else {
            return Ok(None);
        };
        let id: RoomId = parse(&claim.owner, "a claim's owner")?;
        if claim.confirmed {
            return Ok(Some(id));
        }
        match self.read_room(id).await? {
            Some((room, _)) if room.handle.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(handle)) => {
                self.confirm_create(id, Some(&room), Some(handle)).await?;
                Ok(Some(id))
            }
            // Begun and not done, or never to be; the sweep decides which.
            _ => Ok(None),
        }
    }

    async fn join(&self, room: RoomId, user: &Actor, role: Role, max_members: u64) -> Result<Joined> {
        self.join_with(room, user, role, (max_members, None)).await
    }

    async fn leave(&self, room: RoomId, user: &Actor) -> Result<Position> {
        self.leave_with(room, user, None).await
    }

    async fn positions(&self, rooms: &[RoomId]) -> Result<Vec<Option<Position>>> {
        let reads = rooms.iter().map(|room| {
            let mut read = cmd("HMGET");
            read.arg(self.keys.room(*room)).arg("rev").arg("eid");
            read
        });
        let heads: Vec<Vec<Option<String>>> = self.connections.ask_all("read positions", reads.collect()).await?;
        let read = |head: &Vec<Option<String>>| match head.first() {
            Some(None) => Ok(None),
            _ => codec::position(head).map(Some),
        };
        heads.iter().map(read).collect()
    }

    async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>> {
        let text: Option<String> = self.connections.ask("read a membership", &self.member_read(room, user)).await?;
        text.map(|text| codec::joined(user, &text).map(|joined| joined.membership)).transpose()
    }

    async fn members(&self, room: RoomId, after: u64, limit: usize) -> Result<Vec<Membership>> {
        let mut range = cmd("ZRANGE");
        range.arg(self.keys.joined(room)).arg(format!("({after}")).arg("+inf");
        range.arg("BYSCORE").arg("LIMIT").arg(0).arg(count(limit));
        let users: Vec<String> = self.connections.ask("list members", &range).await?;
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = cmd("HMGET");
        read.arg(self.keys.members(room)).arg(&users);
        let texts: Vec<Option<String>> = self.connections.ask("read members", &read).await?;
        let found = users.iter().zip(texts).filter_map(|(user, text)| Some((user, text?)));
        // Who left, or left and came back, between the two reads is not of this page.
        let read = |(user, text): (&String, String)| {
            codec::joined(parse(user, "a member")?, &text).map(|joined| joined.membership)
        };
        let mut members: Vec<Membership> = found.map(read).collect::<Result<_>>()?;
        members.sort_by_key(|member| member.joined_rev);
        Ok(members)
    }

    async fn rooms_of(&self, user: UserId) -> Result<Vec<RoomId>> {
        let intents = cmd("HKEYS").arg(self.keys.user_intents(user)).to_owned();
        let rooms = cmd("SMEMBERS").arg(self.keys.user_rooms(user)).to_owned();
        // Together: between the two a join could end, and would be in neither.
        let (intents, rooms): (Vec<String>, Vec<String>) =
            self.connections.ask_atomic("list a user's rooms", vec![intents, rooms]).await?;
        self.settled_rooms(user, &intents, &rooms).await
    }

    async fn listed_rooms(&self, users: &[UserId]) -> Result<Vec<Vec<RoomId>>> {
        let reads = users.iter().map(|user| cmd("SMEMBERS").arg(self.keys.user_rooms(*user)).to_owned()).collect();
        let lists: Vec<Vec<String>> = self.connections.ask_all("list users' rooms", reads).await?;
        let parsed = |list: Vec<String>| {
            let mut rooms: Vec<RoomId> = list.iter().map(|room| parse(room, "a room")).collect::<Result<_>>()?;
            rooms.sort_unstable();
            Ok(rooms)
        };
        lists.into_iter().map(parsed).collect()
    }

    async fn views(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<Option<RoomView>>> {
        self.see_rooms(user, rooms, true).await
    }

    async fn standings(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<Option<RoomView>>> {
        self.see_rooms(user, rooms, false).await
    }

    async fn public_rooms(&self, prefix: &str, after: Option<(&str, RoomId)>, limit: usize) -> Result<Vec<RoomId>> {
        let folded = prefix.to_ascii_lowercase();
        // Names hold no zero byte; in the index one ends the name.
        if folded.contains('\0') {
            return Ok(Vec::new());
        }
        let mut start = format!("[{folded}");
        if let Some((name, id)) = after.map(|(name, id)| (name.to_ascii_lowercase(), id))
            && name >= folded
        {
            start = format!("({}", indexed(&name, id));
        }
        let mut range = cmd("ZRANGEBYLEX");
        range.arg(self.keys.public_rooms()).arg(start).arg([b"(", folded.as_bytes(), b"\xff"].concat());
        range.arg("LIMIT").arg(0).arg(count(limit));
        indexed_ids(self.connections.ask("search public rooms", &range).await?)
    }
}
