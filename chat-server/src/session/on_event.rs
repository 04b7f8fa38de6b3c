//! What a change of a room looks like to its members.

use domain::messages::named_message;
use shared::{MessageId, UserId, protocol::ServerFrame};
use store::{ChangeBody, Mentions, RoomEvent};

/// Must its content not be shown to a member to whom messages up to `visible_after` are hidden? An edit of such a
/// message: everything else says nothing of what was written.
pub fn is_hidden(event: &RoomEvent, visible_after: u64) -> bool {
    matches!(&event.change.body, ChangeBody::Edited(message) if message.seq <= visible_after)
}

/// The event without what was written; it keeps its place in the log.
pub fn hidden(event: &RoomEvent) -> RoomEvent {
    let mut event = event.clone();
    if let ChangeBody::Edited(message) = &mut event.change.body {
        message.content.clear();
        message.mentions = Mentions::default();
        message.attachments.clear();
        message.reactions.clear();
    }
    event
}

/// The event's frame, in no dialect yet.
pub fn on_event(event: &RoomEvent) -> ServerFrame {
    let RoomEvent { room, change, username } = event;
    let (room_id, user_id, rev, event_id) = (*room, change.user, change.rev, change.event_id);
    match &change.body {
        ChangeBody::Message(message) => {
            ServerFrame::NewMessage { message: named_message(message.clone(), username.clone()), rev, event_id }
        }
        ChangeBody::Edited(message) => {
            ServerFrame::MessageEdited { message: named_message(message.clone(), username.clone()), rev, event_id }
        }
        ChangeBody::Reacted { seq, emoji, added, count } => ServerFrame::ReactionUpdated {
            room_id,
            message_id: MessageId { room: room_id, seq: *seq },
            seq: *seq,
            user_id,
            username: username.clone(),
            emoji: emoji.clone(),
            added: *added,
            count: *count,
            rev,
            event_id,
        },
        ChangeBody::Deleted { seq } => {
            let message_id = MessageId { room: room_id, seq: *seq };
            ServerFrame::MessageDeleted { room_id, message_id, seq: *seq, user_id, rev, event_id }
        }
        ChangeBody::Joined => ServerFrame::UserJoined { room_id, user_id, username: username.clone(), rev, event_id },
        ChangeBody::Left => left(event, None),
        ChangeBody::Removed { by } => left(event, Some(*by)),
        ChangeBody::Updated(room) => ServerFrame::RoomUpdated {
            room_id,
            user_id,
            name: room.name.clone(),
            description: room.description.clone(),
            history_visibility: room.history_visibility,
            retention: room.retention,
            rev,
            event_id,
        },
        ChangeBody::Ended => ServerFrame::RoomDeleted { room_id, user_id, rev, event_id },
        ChangeBody::Role { role } => ServerFrame::MemberUpdated { room_id, user_id, role: *role, rev, event_id },
    }
}

fn left(event: &RoomEvent, removed_by: Option<UserId>) -> ServerFrame {
    let RoomEvent { room, change, username } = event;
    let (room_id, user_id, username) = (*room, change.user, username.clone());
    ServerFrame::UserLeft { room_id, user_id, username, removed_by, rev: change.rev, event_id: change.event_id }
}
