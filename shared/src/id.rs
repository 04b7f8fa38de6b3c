//! Identifiers as newtypes. To clients they are opaque strings; inside they are made by `parse` or `new` only.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;

/// The text is not an id of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0} id")]
pub struct InvalidId(&'static str);

/// Serialises an id as its `Display` text and reads it with `FromStr`; documents it as a string.
macro_rules! text_id {
    ($name:ident, $what:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        f.write_str(concat!("a ", $what, " id"))
                    }
                    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<$name, E> {
                        v.parse().map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                String::schema()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id; UUIDv7 (RFC 9562), so ids sort by the time they were made.
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, never by default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
            /// The 16 bytes, as they are stored in keys.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
            /// From 16 stored bytes; `None` for another length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            /// Takes the hyphenated form alone, so that one id has one spelling.
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                if s.len() != 36 {
                    return Err(InvalidId($what));
                }
                Uuid::try_parse(s).map(Self).map_err(|_| InvalidId($what))
            }
        }
        text_id!($name, $what);
    };
}

uuid_id!(
    /// A person or guest.
    UserId, "user"
);
uuid_id!(
    /// A room of any type; a direct room's id is derived from its two users.
    RoomId, "room"
);
uuid_id!(
    /// A login; every token carries it, so that revoking it ends them all.
    SessionId, "session"
);
uuid_id!(
    /// A notification, from `/notify` or from a message.
    NotificationId, "notification"
);
uuid_id!(
    /// A file that was uploaded, to be sent in a message.
    AttachmentId, "attachment"
);
uuid_id!(
    /// One run of one process; a restart is another instance.
    InstanceId, "instance"
);

impl InstanceId {
    /// When it was made: when its process began.
    pub fn made_at(self) -> Option<Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let ms = seconds.checked_mul(1000)?.checked_add(u64::from(nanos) / 1_000_000)?;
        i64::try_from(ms).ok().map(Timestamp::from_millis)
    }
}

impl UserId {
    /// Nobody: there is no account of this id, and none is ever made, as it is no UUIDv7.
    pub const NOBODY: Self = Self(Uuid::from_u128(0x0000_0000_0000_8000_8000_0000_0000_0000));
}

/// Namespace of direct rooms' UUIDv5; changing it would orphan every direct room.
const DIRECT_ROOMS: Uuid = Uuid::from_u128(0x6a0b_51f0_3b0e_5c55_9a5e_0d6c_8e51_77f2);

impl RoomId {
    /// The direct room of two users: the same whoever opens it, so opening it twice at once gives one room.
    pub fn direct(a: UserId, b: UserId) -> Self {
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        let mut name = [0; 32];
        name[..16].copy_from_slice(low.as_bytes());
        name[16..].copy_from_slice(high.as_bytes());
        Self(Uuid::new_v5(&DIRECT_ROOMS, &name))
    }

    /// `false`: it is no direct room, as their ids are not made by time. Those made under an idempotency key are not
    /// either.
    pub fn may_be_direct(self) -> bool {
        self.0.get_version_num() == 5
    }

    /// The room a user makes under an idempotency key: the same however often it is asked for.
    pub fn of_request(user: UserId, key: &str) -> Self {
        Self(Uuid::new_v5(&KEYED_ROOMS, &[user.as_bytes(), key.as_bytes()].concat()))
    }
}

/// Namespace of rooms made under an idempotency key.
const KEYED_ROOMS: Uuid = Uuid::from_u128(0x3f5d_92a7_8e0c_5d41_b6f2_40c9_17aa_e385);

/// Namespace of notifications asked for under an idempotency key.
const KEYED_NOTIFICATIONS: Uuid = Uuid::from_u128(0xc8e2_1d04_6b93_5f7e_a05c_93d1_2e7f_4b68);

/// Namespace of e-mails about rooms.
const MAILS: Uuid = Uuid::from_u128(0x2f6e_83d4_90ab_5e17_b6c2_41d8_7a05_cc3e);
/// Namespace of the notifications that messages become.
const MESSAGE_NOTIFICATIONS: Uuid = Uuid::from_u128(0x91c4_0f6e_2d57_5b0a_8c1b_7c7e_4a3f_0d19);

impl NotificationId {
    /// The notification of a message: the same however often it is decided on, so that it is queued once.
    pub fn for_message(message: MessageId) -> Self {
        let mut name = [0; 24];
        name[..16].copy_from_slice(message.room.as_bytes());
        name[16..].copy_from_slice(&message.seq.to_be_bytes());
        Self(Uuid::new_v5(&MESSAGE_NOTIFICATIONS, &name))
    }

    /// The e-mail about a room that begins with this message.
    pub fn for_mail(message: MessageId) -> Self {
        Self(Uuid::new_v5(&MAILS, Self::for_message(message).as_bytes()))
    }

    /// What `caller` asked for under an idempotency key: the same however often it is asked for.
    pub fn of_request(caller: [u8; 16], key: &str) -> Self {
        Self(Uuid::new_v5(&KEYED_NOTIFICATIONS, &[&caller, key.as_bytes()].concat()))
    }
}

/// A message: base64url(room ‖ seq), so that it finds its room without an index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    pub room: RoomId,
    /// From 1.
    pub seq: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(self.room.as_bytes());
        bytes[16..].copy_from_slice(&self.seq.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        const BAD: InvalidId = InvalidId("message");
        let mut bytes = [0; 24];
        // 24 bytes are exactly 32 characters without padding: no second spelling of one id.
        if s.len() != 32 || URL_SAFE_NO_PAD.decode_slice(s, &mut bytes) != Ok(24) {
            return Err(BAD);
        }
        let (room, seq) = bytes.split_at(16);
        let seq = u64::from_be_bytes(seq.try_into().map_err(|_| BAD)?);
        if seq == 0 {
            return Err(BAD);
        }
        Ok(Self { room: RoomId::from_slice(room).ok_or(BAD)?, seq })
    }
}
text_id!(MessageId, "message");

/// Names one change of a log; with its `rev` it is a position. Random, so that a log that lost writes and went on
/// differently is noticed. Sixteen hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(u64);

impl EventId {
    /// A new random one.
    pub fn random() -> Self {
        Self(rand::random())
    }
    /// As it is stored.
    pub fn to_bits(self) -> u64 {
        self.0
    }
    /// From what was stored.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for EventId {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let plain = s.len() == 16 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(s, 16) {
            Ok(bits) if plain => Ok(Self(bits)),
            _ => Err(InvalidId("event")),
        }
    }
}
text_id!(EventId, "event");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_id_survives_its_text(seq in 1u64..) {
            let id = MessageId { room: RoomId::new(), seq };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_text_parses_to_itself_or_not_at_all(text in "[ -~]{0,40}") {
            if let Ok(id) = text.parse::<MessageId>() { prop_assert_eq!(id.to_string(), text.clone()) }
            if let Ok(id) = text.parse::<EventId>() { prop_assert_eq!(id.to_string(), text) }
        }
    }

    #[test]
    fn a_direct_room_is_the_same_from_both_sides() {
        let (a, b) = (UserId::new(), UserId::new());
        assert_eq!(RoomId::direct(a, b), RoomId::direct(b, a));
        assert_ne!(RoomId::direct(a, b), RoomId::direct(a, UserId::new()));
        assert!(RoomId::direct(a, b).may_be_direct() && !RoomId::new().may_be_direct());
    }

    #[test]
    fn one_id_has_one_spelling() {
        let id = UserId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.0.as_simple().to_string().parse::<UserId>().is_err());
        assert!("{00000000-0000-0000-0000-000000000000}".parse::<UserId>().is_err());
    }
}
