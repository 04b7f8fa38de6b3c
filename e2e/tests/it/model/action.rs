//! What may happen.

use proptest::prelude::*;

/// Who and what are numbers, taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    Send {
        by: usize,
        room: usize,
        mention: bool,
    },
    Reply {
        by: usize,
        to: usize,
    },
    Edit {
        by: usize,
        of: usize,
    },
    Delete {
        by: usize,
        of: usize,
    },
    React {
        by: usize,
        to: usize,
        emoji: usize,
        add: bool,
    },
    Read {
        by: usize,
        of: usize,
    },
    Deliver {
        by: usize,
        of: usize,
    },
    Join {
        by: usize,
        room: usize,
    },
    Leave {
        by: usize,
        room: usize,
    },
    /// The connection is lost and comes back to the same server.
    Cut {
        device: usize,
    },
    /// It comes back to the other one.
    Move {
        device: usize,
    },
    /// A server dies and is started again.
    Crash {
        server: usize,
    },
    /// Everything is told and compared before it goes on.
    Quiet,
}

pub fn action() -> impl Strategy<Value = Action> {
    let n = || 0..1000usize;
    prop_oneof![
        10 => (n(), n(), prop::bool::weighted(0.2)).prop_map(|(by, room, mention)| Action::Send { by, room, mention }),
        2 => (n(), n()).prop_map(|(by, to)| Action::Reply { by, to }),
        3 => (n(), n()).prop_map(|(by, of)| Action::Edit { by, of }),
        2 => (n(), n()).prop_map(|(by, of)| Action::Delete { by, of }),
        3 => (n(), n(), n(), prop::bool::weighted(0.7))
            .prop_map(|(by, to, emoji, add)| Action::React { by, to, emoji, add }),
        3 => (n(), n()).prop_map(|(by, of)| Action::Read { by, of }),
        1 => (n(), n()).prop_map(|(by, of)| Action::Deliver { by, of }),
        2 => (n(), n()).prop_map(|(by, room)| Action::Join { by, room }),
        2 => (n(), n()).prop_map(|(by, room)| Action::Leave { by, room }),
        4 => n().prop_map(|device| Action::Cut { device }),
        4 => n().prop_map(|device| Action::Move { device }),
        1 => n().prop_map(|server| Action::Crash { server }),
        1 => Just(Action::Quiet),
    ]
}
