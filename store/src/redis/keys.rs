//! Every key and channel of the engine, spelt here and nowhere else; `docs/redis.md` is the table of them.
//!
//! The prefix stands before everything and holds no brace, so that the first `{…}` is always our own hash tag.

use shared::{InstanceId, NotificationId, RoomId, UserId, protocol::RoomType};

use crate::{Service, Topic};

/// Shards that rooms are placed in: so many hash tags `{s000}` … `{s255}`.
pub(super) const SHARDS: u16 = 256;
/// Sorted sets that pending intents are spread over.
pub(super) const INTENT_SHARDS: u8 = 16;
/// Sorted sets that uploads are spread over, by when they are to be looked after.
pub(super) const UPLOAD_SHARDS: u8 = 16;

#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

/// The shard of a room: the last byte of its id, which is random in UUIDv7 and a hash in UUIDv5.
pub(super) fn shard_of(room: RoomId) -> u16 {
    u16::from(room.as_bytes()[15])
}

/// `name(arguments) = pattern`: the pattern is a format string, and what `docs/redis.md` must list.
macro_rules! keys {
    ($($name:ident($($arg:ident: $type:ty),*) = $pattern:literal;)*) => {
        impl Keys {
            $(pub(super) fn $name(&self, $($arg: $type),*) -> String {
                format!(concat!("{prefix}", $pattern), prefix = self.prefix, $($arg = $arg),*)
            })*
        }
        #[cfg(test)]
        pub(super) const PATTERNS: &[&str] = &[$($pattern),*];
    };
}

/// The same for keys of one room, all in the tag of its shard.
macro_rules! room_keys {
    ($($name:ident($($arg:ident: $type:ty),*) = $pattern:literal;)*) => {
        impl Keys {
            $(pub(super) fn $name(&self, room: RoomId, $($arg: $type),*) -> String {
                let (prefix, shard) = (&self.prefix, shard_of(room));
                format!(concat!("{prefix}{{s{shard:03}}}:room:{room}", $pattern),
                    prefix = prefix, shard = shard, room = room, $($arg = $arg),*)
            })*
        }
        #[cfg(test)]
        pub(super) const ROOM_PATTERNS: &[&str] = &[$(concat!("{{s{shard:03}}}:room:{room}", $pattern)),*];
    };
}

room_keys! {
    room() = "";
    members() = ":members";
    joined() = ":joined";
    admins() = ":admins";
    bans() = ":bans";
    invites() = ":invites";
    salt() = ":salt";
    former() = ":former";
    marks() = ":marks";
    messages() = ":messages";
    changes() = ":changes";
    deleted() = ":deleted";
    mentions() = ":mentions";
    reactions() = ":reactions";
    leaving() = ":leaving";
    replies() = ":replies";
    outcomes() = ":outcomes";
    files() = ":files";
    dedupe(user: UserId, key: &str) = ":dedupe:{user}:{key}";
    void(attempt: &str) = ":void:{attempt}";
    room_channel() = ":events";
}

keys! {
    due(shard: u16) = "{{s{shard:03}}}:due";
    waited(shard: u16) = "{{s{shard:03}}}:waited";
    retention(shard: u16) = "{{s{shard:03}}}:retention";
    ending(shard: u16) = "{{s{shard:03}}}:ending";
    orphans(shard: u16) = "{{s{shard:03}}}:orphans";

    user(user: UserId) = "{{u:{user}}}:user";
    user_rooms(user: UserId) = "{{u:{user}}}:rooms";
    user_intents(user: UserId) = "{{u:{user}}}:intents";
    contacts(user: UserId) = "{{u:{user}}}:contacts";
    uploads(user: UserId) = "{{u:{user}}}:uploads";
    claimed_uploads(user: UserId) = "{{u:{user}}}:claimed-uploads";
    blocks(user: UserId) = "{{u:{user}}}:blocks";
    outgoing(user: UserId) = "{{u:{user}}}:requests:outgoing";
    incoming(user: UserId) = "{{u:{user}}}:requests:incoming";
    wrote(user: UserId) = "{{u:{user}}}:wrote";
    sessions(user: UserId) = "{{u:{user}}}:sessions";
    secrets(user: UserId) = "{{u:{user}}}:secrets";
    user_log(user: UserId) = "{{u:{user}}}:log";
    presence(user: UserId) = "{{u:{user}}}:presence";
    inbox_items(user: UserId) = "{{u:{user}}}:inbox:items";
    inbox_order(user: UserId) = "{{u:{user}}}:inbox:order";
    inbox_read(user: UserId) = "{{u:{user}}}:inbox:read";
    inbox_collapse(user: UserId) = "{{u:{user}}}:inbox:collapse";
    inbox_keys(user: UserId) = "{{u:{user}}}:inbox:keys";
    notify(user: UserId) = "{{u:{user}}}:notify";
    push(user: UserId) = "{{u:{user}}}:push";
    user_channel(user: UserId) = "{{u:{user}}}:events";
    presence_channel(user: UserId) = "{{u:{user}}}:presence:events";

    username(folded: &str) = "name:{folded}";
    email(folded: &str) = "email:{folded}";
    handle(folded: &str) = "handle:{folded}";
    external(hash: &str) = "external:{hash}";
    accounts() = "accounts";
    guests() = "guests";
    guest_expiry() = "guest-expiry";
    deletions() = "deletions";
    public_rooms() = "public-rooms";
    intents(shard: u8) = "intents:{shard:02}";
    uploads_due(shard: u8) = "uploads:{shard:02}";

    ticket(hash: &str) = "ticket:{hash}";
    signing_key(kid: &str) = "jwk:{kid}";
    signing_keys() = "jwks";

    leases() = "{{presence}}:leases";
    presence_due() = "{{presence}}:due";
    presence_taken() = "{{presence}}:taken";
    instance_users(instance: InstanceId) = "{{i:{instance}}}:users";

    outbox_due() = "{{outbox}}:due";
    outbox_jobs() = "{{outbox}}:jobs";
    outbox_mails() = "{{outbox}}:mails";
    outbox_states(notification: NotificationId) = "{{outbox}}:states:{notification}";

    registry(service: &str) = "{{registry}}:{service}";
    registry_expiry(service: &str) = "{{registry}}:{service}:expiry";
    registry_draining() = "{{registry}}:draining";
    bucket(key: &str) = "limit:{key}";
    api_keys() = "api-keys";
    push_owner(id: &str) = "push-owner:{id}";
    push_key() = "push-key";
    health() = "health";
}

impl Keys {
    /// `None` when the prefix holds a brace: it would take the place of our hash tags.
    pub(super) fn new(prefix: &str) -> Option<Self> {
        (!prefix.contains(['{', '}'])).then(|| Self { prefix: prefix.to_owned() })
    }

    pub(super) fn service(&self, service: Service) -> (String, String) {
        (self.registry(service.as_str()), self.registry_expiry(service.as_str()))
    }

    pub(super) fn channel(&self, topic: Topic) -> String {
        match topic {
            Topic::Room(room) => self.room_channel(room),
            Topic::User(user) => self.user_channel(user),
            Topic::Presence(user) => self.presence_channel(user),
        }
    }

    /// What is kept of a user under their id and goes with their account. Not here: that there was one, and what
    /// leaving their rooms ends.
    pub(super) fn of_user(&self, user: UserId) -> Vec<String> {
        vec![
            self.contacts(user),
            self.outgoing(user),
            self.incoming(user),
            self.blocks(user),
            self.wrote(user),
            self.sessions(user),
            self.user_log(user),
            self.presence(user),
            self.inbox_items(user),
            self.inbox_order(user),
            self.inbox_read(user),
            self.inbox_collapse(user),
            self.inbox_keys(user),
            self.push(user),
            self.secrets(user),
            self.notify(user),
        ]
    }

    /// The topic of a channel; `None` when it is not one of ours.
    pub(super) fn topic(&self, channel: &str) -> Option<Topic> {
        let own = channel.strip_prefix(&self.prefix)?;
        if let Some(user) = own.strip_prefix("{u:") {
            let (id, rest) = (user.get(..36)?.parse().ok()?, user.get(36..)?);
            return match rest {
                "}:events" => Some(Topic::User(id)),
                "}:presence:events" => Some(Topic::Presence(id)),
                _ => None,
            };
        }
        let room = own.strip_suffix(":events")?.split_once("}:room:")?.1;
        room.parse().ok().map(Topic::Room)
    }
}

/// Members of the sorted sets for search: the folded text, a zero byte, the id.
pub(super) fn indexed(folded: &str, id: impl std::fmt::Display) -> String {
    format!("{folded}\0{id}")
}

/// Is a room in the index of public rooms, and under which name?
pub(super) fn public_name(kind: RoomType, name: Option<&str>) -> Option<String> {
    (kind == RoomType::Public).then(|| name.unwrap_or_default().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{{u:{user}}}:rooms` as the document spells it: `{u:USER}:rooms`.
    fn documented(pattern: &str) -> String {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{") {
                out.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                out.push('}');
                rest = after;
            } else if c == '{' {
                let (name, after) = rest[1..].split_once('}').unwrap();
                let name = name.split(':').next().unwrap();
                let of_room = name == "shard" && out.ends_with('s');
                out.push_str(&if of_room { "NNN".to_owned() } else { name.to_ascii_uppercase() });
                rest = after;
            } else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        out
    }

    #[test]
    fn every_key_and_channel_is_in_the_document_and_the_document_has_no_other() {
        let document = include_str!("../../../docs/redis.md");
        let listed: Vec<&str> =
            document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(key, _)| key)).collect();
        let spelt: Vec<String> = PATTERNS.iter().chain(ROOM_PATTERNS).map(|p| documented(p)).collect();
        for key in &spelt {
            assert!(listed.contains(&key.as_str()), "docs/redis.md does not list `{key}`");
        }
        for key in listed {
            assert!(spelt.iter().any(|s| s == key), "docs/redis.md lists `{key}`, which keys.rs does not spell");
        }
    }

    #[test]
    fn every_key_of_a_user_goes_with_their_account() {
        let keys = Keys::new("").unwrap();
        let user = UserId::new();
        let gone = keys.of_user(user);
        // Uploads go with their files.
        let uploads = [keys.uploads(user), keys.claimed_uploads(user)];
        let stay = [keys.user(user), keys.user_rooms(user), keys.user_intents(user)];
        let channels = [keys.user_channel(user), keys.presence_channel(user)];
        for pattern in PATTERNS.iter().filter(|pattern| pattern.starts_with("{{u:{user}}}")) {
            let key = pattern.replace("{{u:{user}}}", &format!("{{u:{user}}}"));
            let known = [&gone[..], &stay[..], &uploads[..], &channels[..]].iter().any(|keys| keys.contains(&key));
            assert!(known, "{key}");
        }
    }

    #[test]
    fn a_channel_is_read_back_as_its_topic() {
        for prefix in ["", "app:"] {
            let keys = Keys::new(prefix).unwrap();
            for topic in [Topic::Room(RoomId::new()), Topic::User(UserId::new()), Topic::Presence(UserId::new())] {
                assert_eq!(keys.topic(&keys.channel(topic)), Some(topic));
            }
            assert_eq!(keys.topic("{u:é}:events"), None);
        }
    }

    #[test]
    fn a_prefix_with_a_brace_is_refused() {
        assert!(Keys::new("a{b}").is_none());
    }

    #[test]
    fn a_rooms_keys_share_the_tag_of_its_shard() {
        let keys = Keys::new("p:").unwrap();
        let room = RoomId::new();
        let tag = format!("p:{{s{:03}}}:", shard_of(room));
        for key in [keys.room(room), keys.due(shard_of(room)), keys.void(room, "x"), keys.room_channel(room)] {
            assert!(key.starts_with(&tag), "{key}");
        }
    }
}
