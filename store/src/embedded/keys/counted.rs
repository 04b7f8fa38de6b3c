//! Keys of what is counted after some `seq`: entries by `seq`, and their sums by bucket.

use shared::{RoomId, UserId};

use super::{Key, Span, state};

/// Levels of buckets, each of larger ones than the one before.
pub(in crate::embedded) const LEVELS: [u8; 2] = [1, 2];

/// Messages of a room that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embedded) enum Counted {
    Deleted,
    /// Those that name everybody.
    NamingAll,
    Naming(UserId),
}

impl Counted {
    fn family(self) -> u8 {
        match self {
            Self::Deleted => b'd',
            Self::NamingAll => b'A',
            Self::Naming(_) => b'a',
        }
    }

    /// `before`, the room, the user if it is one's own, `number`.
    fn key(self, tag: u8, before: &[u8], room: RoomId, number: u64) -> Key {
        let number = number.to_be_bytes();
        match self {
            Self::Deleted | Self::NamingAll => state(tag, &[before, room.as_bytes(), &number]),
            Self::Naming(user) => state(tag, &[before, room.as_bytes(), user.as_bytes(), &number]),
        }
    }

    pub(in crate::embedded) fn entry(self, room: RoomId, seq: u64) -> Key {
        self.key(self.family(), &[], room, seq)
    }

    /// Entries from after `after` to `last`.
    pub(in crate::embedded) fn entries(self, room: RoomId, after: u64, last: u64) -> Span {
        from_after_to(self.entry(room, after), self.entry(room, last))
    }

    /// How many entries a bucket of this level has.
    pub(in crate::embedded) fn sum(self, room: RoomId, level: u8, bucket: u64) -> Key {
        self.key(b'z', &[self.family(), level], room, bucket)
    }

    /// Sums of the buckets from after `after` to `last`.
    pub(in crate::embedded) fn sums(self, room: RoomId, level: u8, after: u64, last: u64) -> Span {
        from_after_to(self.sum(room, level, after), self.sum(room, level, last))
    }
}

/// All sums of a room, of every family and level.
pub(in crate::embedded) fn sums_of(room: RoomId) -> impl Iterator<Item = Span> {
    let families = [b'd', b'A', b'a'];
    let levels = families.into_iter().flat_map(|family| LEVELS.map(|level| [family, level]));
    levels.map(move |before| state(b'z', &[&before, room.as_bytes()]).prefix())
}

/// The keys after `after`, with `last`, of one length.
fn from_after_to(after: Key, last: Key) -> Span {
    let mut span = Span { space: after.space, lo: after.bytes, hi: last.bytes };
    span.lo.push(0);
    span.hi.push(0);
    span
}
