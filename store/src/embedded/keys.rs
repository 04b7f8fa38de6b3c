//! How every key is spelt. Numbers are big-endian, so that ranges sort; ids are their 16 bytes; times are milliseconds
//! with the sign bit flipped. The first byte names the family.
//!
//! | Space | Key | Value |
//! |---|---|---|
//! | state | `F` | format version (u32) |
//! | state | `u` user | [`UserRecord`](crate::UserRecord), JSON; or a zero byte: it was deleted, and when, until nothing is left to do |
//! | state | `n` folded username | user |
//! | state | `s` folded username (accounts only) | user |
//! | state | `e` folded address | user |
//! | state | `3` hash(issuer, subject) | user; stays when the user goes |
//! | state | `#` | accounts and guests there are (u64) |
//! | state | `c` owner contact | empty |
//! | state | `D` owner blocked | empty |
//! | state | `O` owner direction user | empty; contact requests that wait, direction 0: outgoing, 1: incoming |
//! | state | `7` owner user | empty; the owner wrote to them |
//! | state | `S` user session | [`SessionRecord`](crate::SessionRecord), JSON |
//! | state | `T` expiry user session | empty |
//! | state | `l` 0 user | secrets sent to the user's address, JSON |
//! | state | `l` 1 expiry user | empty; users by when a secret of theirs ends |
//! | state | `k` kid | expiry, then the public key, JSON |
//! | state | `r` room | [`RoomRecord`](crate::RoomRecord), JSON |
//! | state | `h` room | head row: head, when due for notification, notified seq |
//! | state | `H` folded handle | room |
//! | state | `p` folded name, escaped; room | empty; public rooms in order of name |
//! | state | `m` room user | membership row |
//! | state | `j` room joinedRev | membership row; members in order of joining |
//! | state | `f` room joinedRev | user; admins in order of joining |
//! | state | `B` room user | ban row |
//! | state | `v` room hash | invite row |
//! | state | `E` room | salt of the room's derived secrets |
//! | state | `W` room | empty; the room was deleted, and its id is not free yet |
//! | state | `G` time room | empty; deleted rooms by when what is left of them is to be looked at |
//! | state | `i` user room | empty; the rooms of a user |
//! | state | `w` room user | marks: read (u64), delivered (u64) |
//! | state | `d` room seq | empty; deleted messages |
//! | state | `a` room user seq | empty; messages that name the user |
//! | state | `A` room seq | empty; messages that name everybody |
//! | state | `y` room seq user emoji | empty; reactions |
//! | state | `z` family level room (user) bucket | how many of `d`, `a` or `A` there are in a bucket of `seq`s (u64) |
//! | state | `b` room seq replySeq | empty; replies to a message |
//! | state | `t` room | empty; rooms with retention |
//! | state | `g` prefix | empty; the keys of `state` with this prefix belong to nothing any more, and go bit by bit |
//! | state | `o` room user | last [`Outcome`](crate::Outcome), JSON |
//! | state | `U` user | where the user's own log stands: rev, event (u64 each) |
//! | state | `x` day room author hash(dedupe key) | dedupe row; the day first, so that the oldest go in one range |
//! | state | `q` due room | empty; rooms due for notification |
//! | state | `J` notification user | job row |
//! | state | `Q` class time notification user | empty; class 0: due at time, 1: claimed at time |
//! | state | `R` notification user | [`JobState`](crate::JobState), JSON |
//! | state | `X` time notification user | empty; jobs that were over at time |
//! | state | `M` 0 user room | notification, after, upto (u64 each): the mail about the room that waits |
//! | state | `M` 1 notification user | after, upto (u64 each): what is in a mail about a room that is under way |
//! | state | `L` user created notification | [`InboxItem`](crate::InboxItem), JSON |
//! | state | `I` user notification | created, then the collapse key's hash if it has one |
//! | state | `K` user hash(collapse key) | notification |
//! | state | `N` user | items in the inbox (u64) |
//! | state | `P` user | what presence remembers, JSON |
//! | state | `Y` 0 time user | empty; guests who were not known to be seen later |
//! | state | `Y` 1 user | the time under which the guest stands there |
//! | state | `Y` 2 time user | empty; accounts whose deletion began then and is not over |
//! | state | `Z` id | [`ApiKeyRecord`](crate::ApiKeyRecord), JSON |
//! | state | `1` `u` user attachment | an upload that no message has, JSON |
//! | state | `1` `c` user attachment | an upload claimed by a message, JSON |
//! | state | `1` `r` room attachment | empty; files of a room's messages |
//! | state | `1` `o` attachment | empty; files that nothing has any more |
//! | state | `2` time user attachment | empty; uploads by when they are to be looked after |
//! | state | `4` user id | [`PushSubscription`](crate::PushSubscription), JSON |
//! | state | `5` id | user who has put the push endpoint last |
//! | state | `9` user | [`Reach`](crate::Reach), JSON |
//! | state | `8` user room | [`RoomLevel`](crate::RoomLevel), JSON |
//! | state | `6` | private key for pushes, PKCS #8 |
//! | log | `M` room seq | message row |
//! | log | `C` room rev | change row |
//! | log | `V` user rev | row of a change in the user's own log |

mod attachments;
mod counted;
mod leaving;
mod notify;
mod people;
mod sessions;

use sha2::{Digest, Sha256};
use shared::{RoomId, Timestamp, UserId};

pub(super) use self::{attachments::*, counted::*, leaving::*, notify::*, people::*, sessions::*};
use crate::{ExternalId, InviteHash};

/// The two parts of the database: what is overwritten, and what is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Space {
    State,
    Log,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) space: Space,
    pub(super) bytes: Vec<u8>,
}

/// The keys from `lo` to before `hi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) space: Space,
    pub(super) lo: Vec<u8>,
    pub(super) hi: Vec<u8>,
}

/// Length of a family's byte.
const TAG: usize = 1;
/// Length of an id or a hash.
const ID: usize = 16;

fn state(tag: u8, parts: &[&[u8]]) -> Key {
    key(Space::State, tag, parts)
}

fn key(space: Space, tag: u8, parts: &[&[u8]]) -> Key {
    let mut bytes = Vec::with_capacity(TAG + parts.iter().map(|p| p.len()).sum::<usize>());
    bytes.push(tag);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Key { space, bytes }
}

impl Key {
    /// A row that is read with every message: of a head or a membership.
    pub(super) fn is_of_every_message(&self) -> bool {
        self.space == Space::State && matches!(self.bytes.first(), Some(b'h' | b'm'))
    }

    /// All keys that begin with this one.
    fn prefix(self) -> Span {
        let hi = after_prefix(&self.bytes);
        Span { space: self.space, lo: self.bytes, hi }
    }
}

impl Span {
    /// Only the keys strictly after `key`.
    fn above(mut self, key: Key) -> Self {
        self.lo = key.bytes;
        self.lo.push(0);
        self
    }

    /// Only the keys strictly before `key`.
    fn below(mut self, key: Key) -> Self {
        self.hi = key.bytes;
        self
    }
}

/// The first key after all that begin with `prefix`. A family's byte is below 255, so there is one.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut hi = prefix.to_vec();
    while let Some(last) = hi.pop() {
        if last < u8::MAX {
            hi.push(last + 1);
            break;
        }
    }
    hi
}

/// As stored: order of bytes is order of time, before the epoch too.
fn time(at: Timestamp) -> [u8; 8] {
    (at.as_millis().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// A text of any length as a part of a key of fixed length.
pub(super) fn hash(text: &[u8]) -> [u8; ID] {
    let digest = Sha256::digest(text);
    let mut short = [0; ID];
    short.copy_from_slice(&digest[..ID]);
    short
}

/// Names and addresses are compared by ASCII lower case.
pub(super) fn fold(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// The 8 bytes at `at`, if the key is long enough.
fn eight(key: &[u8], at: usize) -> Option<[u8; 8]> {
    key.get(at..at + 8)?.try_into().ok()
}

/// The number a key ends with.
pub(super) fn last_number(key: &[u8]) -> Option<u64> {
    eight(key, key.len().checked_sub(8)?).map(u64::from_be_bytes)
}

/// The id a key ends with.
pub(super) fn last_id(key: &[u8]) -> &[u8] {
    &key[key.len().saturating_sub(ID)..]
}

pub(super) fn format() -> Key {
    state(b'F', &[])
}

// Users and sessions

pub(super) fn user(id: UserId) -> Key {
    state(b'u', &[id.as_bytes()])
}

pub(super) fn username(name: &str) -> Key {
    state(b'n', &[fold(name).as_bytes()])
}

pub(super) fn searchable(name: &str) -> Key {
    state(b's', &[fold(name).as_bytes()])
}

/// Searchable names that start with `prefix`, after `after`.
pub(super) fn searchable_span(prefix: &str, after: Option<&str>) -> Span {
    let span = searchable(prefix).prefix();
    match after {
        // One before the prefix must not widen the span.
        Some(after) if fold(after) >= fold(prefix) => span.above(searchable(after)),
        _ => span,
    }
}

pub(super) fn email(address: &str) -> Key {
    state(b'e', &[fold(address).as_bytes()])
}

pub(super) fn external(id: &ExternalId) -> Key {
    state(b'3', &[id])
}

pub(super) fn user_count() -> Key {
    state(b'#', &[])
}

// Rooms

pub(super) fn room(id: RoomId) -> Key {
    state(b'r', &[id.as_bytes()])
}

pub(super) fn head(id: RoomId) -> Key {
    state(b'h', &[id.as_bytes()])
}

pub(super) fn handle(handle: &str) -> Key {
    state(b'H', &[fold(handle).as_bytes()])
}

pub(super) fn public_room(name: &str, id: RoomId) -> Key {
    state(b'p', &[&escape(name), &[0, 0], id.as_bytes()])
}

/// Public rooms whose folded name starts with `prefix`, after the one of this name and id.
pub(super) fn public_rooms(prefix: &str, after: Option<(&str, RoomId)>) -> Span {
    let span = state(b'p', &[&escape(prefix)]).prefix();
    match after.map(|(name, id)| public_room(name, id)) {
        Some(after) if after.bytes >= span.lo => span.above(after),
        _ => span,
    }
}

/// Folded, and with zero bytes written `00 ff`, so that the end `00 00` sorts before everything that goes on.
fn escape(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for byte in fold(name).into_bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(u8::MAX);
        }
    }
    bytes
}

pub(super) fn member(room: RoomId, user: UserId) -> Key {
    state(b'm', &[room.as_bytes(), user.as_bytes()])
}

pub(super) fn joined(room: RoomId, rev: u64) -> Key {
    state(b'j', &[room.as_bytes(), &rev.to_be_bytes()])
}

/// Members who joined after the change `rev`.
pub(super) fn joined_after(room: RoomId, rev: u64) -> Span {
    state(b'j', &[room.as_bytes()]).prefix().above(joined(room, rev))
}

pub(super) fn admin(room: RoomId, joined_rev: u64) -> Key {
    state(b'f', &[room.as_bytes(), &joined_rev.to_be_bytes()])
}

pub(super) fn admins(room: RoomId) -> Span {
    state(b'f', &[room.as_bytes()]).prefix()
}

pub(super) fn ban(room: RoomId, user: UserId) -> Key {
    state(b'B', &[room.as_bytes(), user.as_bytes()])
}

/// Bans of users after this one.
pub(super) fn bans(room: RoomId, after: Option<UserId>) -> Span {
    let all = state(b'B', &[room.as_bytes()]).prefix();
    match after {
        Some(user) => all.above(ban(room, user)),
        None => all,
    }
}

pub(super) fn invite(room: RoomId, hash: &InviteHash) -> Key {
    state(b'v', &[room.as_bytes(), hash])
}

pub(super) fn invites(room: RoomId) -> Span {
    state(b'v', &[room.as_bytes()]).prefix()
}

pub(super) fn invite_salt(room: RoomId) -> Key {
    state(b'E', &[room.as_bytes()])
}

pub(super) fn tombstone(room: RoomId) -> Key {
    state(b'W', &[room.as_bytes()])
}

pub(super) fn ending(at: Timestamp, room: RoomId) -> Key {
    state(b'G', &[&time(at), room.as_bytes()])
}

/// Deleted rooms to be looked at by now.
pub(super) fn ending_until(now: Timestamp) -> Span {
    until(b'G', now)
}

/// What a room has in `state` under its id but for its members, who have to be told.
pub(super) fn all_of(room: RoomId) -> Vec<Span> {
    let families = [b'w', b'o', b'd', b'a', b'A', b'y', b'b', b'f', b'B', b'v', b'E'];
    let own = families.into_iter().map(|family| state(family, &[room.as_bytes()]).prefix());
    own.chain(sums_of(room)).collect()
}

/// Messages and changes.
pub(super) fn log_of(room: RoomId) -> [Span; 2] {
    [b'M', b'C'].map(|family| key(Space::Log, family, &[room.as_bytes()]).prefix())
}

pub(super) fn room_of(user: UserId, room: RoomId) -> Key {
    state(b'i', &[user.as_bytes(), room.as_bytes()])
}

pub(super) fn rooms_of(user: UserId) -> Span {
    state(b'i', &[user.as_bytes()]).prefix()
}

pub(super) fn marks(room: RoomId, user: UserId) -> Key {
    state(b'w', &[room.as_bytes(), user.as_bytes()])
}

// Reactions, replies

pub(super) fn reaction(room: RoomId, seq: u64, user: UserId, emoji: &str) -> Key {
    state(b'y', &[room.as_bytes(), &seq.to_be_bytes(), user.as_bytes(), emoji.as_bytes()])
}

/// Reactions of one user to a message, in order of the emoji's bytes.
pub(super) fn reactions_by(room: RoomId, seq: u64, user: UserId) -> Span {
    reaction(room, seq, user, "").prefix()
}

pub(super) fn reactions_to(room: RoomId, seq: u64) -> Span {
    state(b'y', &[room.as_bytes(), &seq.to_be_bytes()]).prefix()
}

/// The emoji of a reaction's key.
pub(super) fn emoji(key: &[u8]) -> Option<&str> {
    str::from_utf8(key.get(TAG + ID + 8 + ID..)?).ok()
}

pub(super) fn reply(room: RoomId, to: u64, seq: u64) -> Key {
    state(b'b', &[room.as_bytes(), &to.to_be_bytes(), &seq.to_be_bytes()])
}

pub(super) fn replies_to(room: RoomId, to: u64) -> Span {
    state(b'b', &[room.as_bytes(), &to.to_be_bytes()]).prefix()
}

/// Replies to the message `to`, those after `seq`.
pub(super) fn replies_after(room: RoomId, to: u64, seq: u64) -> Span {
    replies_to(room, to).above(reply(room, to, seq))
}

// Retention

pub(super) fn room_with_retention(room: RoomId) -> Key {
    state(b't', &[room.as_bytes()])
}

pub(super) fn rooms_with_retention() -> Span {
    state(b't', &[]).prefix()
}

/// Names all keys of a prefix in `state` for removal; [`left_behind`] is the way back.
pub(super) fn leaving(span: &Span) -> Key {
    state(b'g', &[&span.lo])
}

pub(super) fn leavings() -> Span {
    state(b'g', &[]).prefix()
}

/// What a key of [`leavings`] names.
pub(super) fn left_behind(leaving: &[u8]) -> Span {
    Key { space: Space::State, bytes: leaving[TAG.min(leaving.len())..].to_vec() }.prefix()
}

// A user's own log

pub(super) fn user_log(user: UserId) -> Key {
    state(b'U', &[user.as_bytes()])
}

pub(super) fn user_change(user: UserId, rev: u64) -> Key {
    key(Space::Log, b'V', &[user.as_bytes(), &rev.to_be_bytes()])
}

pub(super) fn user_changes_after(user: UserId, rev: u64) -> Span {
    key(Space::Log, b'V', &[user.as_bytes()]).prefix().above(user_change(user, rev))
}

// The log

pub(super) fn message(room: RoomId, seq: u64) -> Key {
    key(Space::Log, b'M', &[room.as_bytes(), &seq.to_be_bytes()])
}

/// Messages strictly between two numbers.
pub(super) fn messages_between(room: RoomId, after: u64, before: u64) -> Span {
    let all = key(Space::Log, b'M', &[room.as_bytes()]).prefix();
    all.above(message(room, after)).below(message(room, before))
}

pub(super) fn change(room: RoomId, rev: u64) -> Key {
    key(Space::Log, b'C', &[room.as_bytes(), &rev.to_be_bytes()])
}

pub(super) fn changes_after(room: RoomId, rev: u64) -> Span {
    key(Space::Log, b'C', &[room.as_bytes()]).prefix().above(change(room, rev))
}

/// `day`: days since the epoch when the message was written.
pub(super) fn dedupe(day: u32, room: RoomId, author: UserId, text: &str) -> Key {
    state(b'x', &[&day.to_be_bytes(), room.as_bytes(), author.as_bytes(), &hash(text.as_bytes())])
}

/// Dedupe keys of the days before `day`.
pub(super) fn dedupe_before(day: u32) -> Span {
    state(b'x', &[]).prefix().below(state(b'x', &[&day.to_be_bytes()]))
}

pub(super) fn presence(user: UserId) -> Key {
    state(b'P', &[user.as_bytes()])
}

pub(super) fn api_key(id: &str) -> Key {
    state(b'Z', &[id.as_bytes()])
}

pub(super) fn api_keys() -> Span {
    state(b'Z', &[]).prefix()
}

/// All there is. No family's byte is 255.
pub(super) fn everything(space: Space) -> Span {
    Span { space, lo: Vec::new(), hi: vec![u8::MAX] }
}

/// A family whose keys begin with a time: those at `at` or before.
fn until(tag: u8, at: Timestamp) -> Span {
    let hi = after_prefix(&state(tag, &[&time(at)]).bytes);
    Span { hi, ..state(tag, &[]).prefix() }
}

#[cfg(test)]
mod tests;
