//! What a walk may do, and how it is drawn.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use shared::{
    RoomId,
    protocol::{HistoryVisibility, MessageType, Role},
};
use store::{Actor, Mentions, NewMessage, PageFrom, PageRequest, RoomPatch};

use super::{ROOMS, USERS};
use crate::support::{id, text};

/// What is said: of which kind and content, naming whom, under which key.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    content: u8,
    key: Option<u8>,
    /// Answers the message of this `seq`.
    reply: Option<u64>,
    /// A bit for each user, and one more for everybody.
    names: u8,
}

/// Who, and in which room.
pub type At = (usize, usize);

#[derive(Debug, Clone)]
pub enum Op {
    Send {
        at: At,
        said: Said,
    },
    Find {
        at: At,
        said: Said,
    },
    Edit {
        at: At,
        seq: u64,
        said: Said,
    },
    React {
        at: At,
        seq: u64,
        emoji: u8,
        add: bool,
    },
    Delete {
        at: At,
        seq: u64,
    },
    Mark {
        at: At,
        seq: u64,
        read: bool,
    },
    NoteRead {
        at: At,
        seq: u64,
    },
    Typing {
        at: At,
        typing: bool,
    },
    Contact {
        user: usize,
        other: usize,
        add: bool,
    },
    Join {
        at: At,
    },
    Leave {
        at: At,
    },
    /// `wrong`: it is decided by a role that nobody has there.
    SetRole {
        at: At,
        user: usize,
        to: Role,
        wrong: bool,
    },
    Remove {
        at: At,
        user: usize,
        ban: bool,
        wrong: bool,
    },
    Unban {
        room: usize,
        user: usize,
    },
    Update {
        at: At,
        patch: RoomPatch,
        wrong: bool,
    },
    End {
        at: At,
        wrong: bool,
    },
    Trim {
        limit: usize,
        late: bool,
    },
    Sweep,
    History {
        room: usize,
        page: PageRequest,
    },
    Replies {
        room: usize,
        seq: u64,
        after: u64,
        limit: usize,
        max_bytes: usize,
    },
    Reacted {
        at: At,
        seqs: Vec<u64>,
    },
    Changes {
        room: usize,
        from: usize,
        limit: usize,
        max_bytes: usize,
        foreign: bool,
    },
    UserChanges {
        user: usize,
        from: usize,
        limit: usize,
        foreign: bool,
    },
    Message {
        room: usize,
        seq: u64,
    },
    Members {
        room: usize,
        after: u64,
        limit: usize,
    },
    Views {
        user: usize,
    },
}

/// The highest `seq` that is asked for, near enough to what a walk sends to a room.
const SEQS: u64 = 12;
const EMOJIS: [&str; 3] = ["👍", "é", "a"];

pub fn emoji(n: u8) -> String {
    EMOJIS[usize::from(n) % EMOJIS.len()].into()
}

impl Said {
    pub fn new_message(self, room: RoomId, author: &Actor, users: &[Actor]) -> NewMessage {
        NewMessage {
            kind: if self.content == 2 { MessageType::Image } else { MessageType::Text },
            client_message_id: self.key.map(|k| format!("key{k}")),
            reply_to: self.reply.map(|seq| id(room, seq)),
            mentions: self.mentions(users),
            notify_after: Duration::from_secs(1),
            ..text(room, author, &self.content())
        }
    }

    pub fn content(self) -> String {
        "é".repeat(usize::from(self.content) * 3)
    }

    pub fn mentions(self, users: &[Actor]) -> Mentions {
        let named = users.iter().enumerate().filter(|(i, _)| self.names & (1 << i) != 0);
        Mentions { users: named.map(|(_, u)| u.id).collect(), all: self.names & (1 << USERS) != 0 }
    }
}

fn said() -> impl Strategy<Value = Said> {
    let key = proptest::option::of(0..6_u8);
    let reply = proptest::option::weighted(0.4, 1..SEQS);
    // Everybody is named more rarely than somebody.
    let names = prop_oneof![4 => Just(0), 3 => 0..1_u8 << USERS, 1 => 0..2_u8 << USERS];
    (0..3_u8, key, reply, names).prop_map(|(content, key, reply, names)| Said { content, key, reply, names })
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![4 => change_of_messages(), 3 => other_change(), 3 => question()]
}

fn room() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![10 => 0..ROOMS - 1, 1 => Just(ROOMS - 1)]
}

fn at() -> impl Strategy<Value = At> + Clone {
    (0..USERS, room())
}

fn seq() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![10 => 0..SEQS, 1 => Just(u64::MAX)]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Owner), Just(Role::Admin), Just(Role::Member)]
}

/// How messages are kept stays as it is: a walk's limits are its trimming's.
fn patch() -> impl Strategy<Value = RoomPatch> {
    let name = proptest::option::of(prop_oneof![Just("Ä".to_owned()), Just("b".to_owned())]);
    let description = proptest::option::of(proptest::option::of(Just("two\nlines".to_owned())));
    let visibility = prop_oneof![Just(HistoryVisibility::All), Just(HistoryVisibility::Joined)];
    (name, description, proptest::option::of(visibility)).prop_map(|(name, description, history_visibility)| {
        RoomPatch { name, description, history_visibility, retention: None }
    })
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.1)
}

fn change_of_messages() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (at(), said()).prop_map(|(at, said)| Op::Send { at, said }),
        3 => (at(), seq(), said()).prop_map(|(at, seq, said)| Op::Edit { at, seq, said }),
        // Few messages, so that a reaction meets others.
        4 => (at(), prop_oneof![4 => 1..4_u64, 1 => seq()], 0..3_u8, prop::bool::weighted(0.6))
            .prop_map(|(at, seq, emoji, add)| Op::React { at, seq, emoji, add }),
        3 => (at(), seq()).prop_map(|(at, seq)| Op::Delete { at, seq }),
    ]
}

fn other_change() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (at(), seq(), any::<bool>()).prop_map(|(at, seq, read)| Op::Mark { at, seq, read }),
        2 => (at(), seq()).prop_map(|(at, seq)| Op::NoteRead { at, seq }),
        1 => (at(), any::<bool>()).prop_map(|(at, typing)| Op::Typing { at, typing }),
        2 => (0..USERS, 0..USERS, any::<bool>()).prop_map(|(user, other, add)| Op::Contact { user, other, add }),
        5 => at().prop_map(|at| Op::Join { at }),
        2 => at().prop_map(|at| Op::Leave { at }),
        3 => (at(), 0..USERS, role(), rarely()).prop_map(|(at, user, to, wrong)| Op::SetRole { at, user, to, wrong }),
        2 => (at(), 0..USERS, prop::bool::weighted(0.3), rarely())
            .prop_map(|(at, user, ban, wrong)| Op::Remove { at, user, ban, wrong }),
        2 => (room(), 0..USERS).prop_map(|(room, user)| Op::Unban { room, user }),
        2 => (at(), patch(), rarely()).prop_map(|(at, patch, wrong)| Op::Update { at, patch, wrong }),
        1 => (at(), rarely()).prop_map(|(at, wrong)| Op::End { at, wrong }),
        3 => (prop_oneof![1..6_usize, Just(100)], prop::bool::weighted(0.1))
            .prop_map(|(limit, late)| Op::Trim { limit, late }),
        1 => Just(Op::Sweep),
    ]
}

fn question() -> impl Strategy<Value = Op> {
    let bytes = || prop_oneof![2 => Just(1_000_000), 1 => 0..30_usize];
    prop_oneof![
        3 => (room(), page()).prop_map(|(room, page)| Op::History { room, page }),
        2 => (room(), seq(), 0..SEQS, 1..5_usize, bytes()).prop_map(|(room, seq, after, limit, max_bytes)| {
            Op::Replies { room, seq, after: if after % 2 == 0 { 0 } else { after }, limit, max_bytes }
        }),
        2 => (at(), vec(seq(), 0..9)).prop_map(|(at, seqs)| Op::Reacted { at, seqs }),
        3 => (room(), 0..60_usize, 1..12_usize, bytes(), prop::bool::weighted(0.1))
            .prop_map(|(room, from, limit, max_bytes, foreign)| Op::Changes { room, from, limit, max_bytes, foreign }),
        2 => (0..USERS, 0..40_usize, 1..8_usize, prop::bool::weighted(0.1))
            .prop_map(|(user, from, limit, foreign)| Op::UserChanges { user, from, limit, foreign }),
        2 => (at(), said()).prop_map(|(at, said)| Op::Find { at, said }),
        1 => (room(), seq()).prop_map(|(room, seq)| Op::Message { room, seq }),
        1 => (room(), 0..8_u64, 1..4_usize).prop_map(|(room, after, limit)| Op::Members { room, after, limit }),
        4 => (0..USERS).prop_map(|user| Op::Views { user }),
    ]
}

fn page() -> impl Strategy<Value = PageRequest> {
    let from = prop_oneof![
        Just(PageFrom::Newest),
        (0..SEQS).prop_map(PageFrom::Before),
        (0..SEQS).prop_map(PageFrom::After),
        (0..SEQS).prop_map(PageFrom::Around),
    ];
    let visible_after = prop_oneof![3 => Just(0), 1 => 0..10_u64];
    let max_bytes = prop_oneof![2 => Just(1_000_000), 1 => 0..60_usize];
    (from, 0..6_usize, visible_after, max_bytes).prop_map(|(from, half, visible_after, max_bytes)| {
        // What a full page around a message leaves out, and which half is the larger, is the engine's to choose.
        let around = matches!(from, PageFrom::Around(_));
        let limit = if around { half * 2 + 1 } else { half + 1 };
        PageRequest { from, limit, visible_after, max_bytes: if around { 1_000_000 } else { max_bytes } }
    })
}
