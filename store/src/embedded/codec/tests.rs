//! That rows come back as they were written, and that bytes which are no row are an error.

use proptest::{collection::vec, option, prelude::*};
use shared::{AttachmentId, MessageId, protocol::MessageType};

use super::*;
use crate::{AttachmentRecord, Mentions, StoredMessage, Tally};

fn users(most: usize) -> impl Strategy<Value = Vec<UserId>> {
    vec(Just(()), 0..most).prop_map(|users| users.into_iter().map(|()| UserId::new()).collect())
}

fn tallies() -> impl Strategy<Value = Vec<Tally>> {
    vec((".+", any::<u64>(), users(3)).prop_map(|(emoji, count, users)| Tally { emoji, count, users }), 0..4)
}

fn files() -> impl Strategy<Value = Vec<AttachmentRecord>> {
    let file = (".*", ".*", any::<u64>(), option::of(any::<(u32, u32)>()))
        .prop_map(|(name, mime, size, pixels)| AttachmentRecord { id: AttachmentId::new(), name, mime, size, pixels });
    vec(file, 0..3)
}

fn times() -> impl Strategy<Value = Option<Timestamp>> {
    option::of(any::<i64>().prop_map(Timestamp::from_millis))
}

proptest! {
    #[test]
    fn a_message_survives_its_row(
        (content, id) in (".*", option::of(".*")),
        (reply, replies) in (option::of(1u64..), any::<u64>()),
        (deleted_at, edited_at, at) in (times(), times(), any::<i64>()),
        (kind, all) in (0usize..4, any::<bool>()),
        (users, reactions, attachments) in (users(4), tallies(), files()),
    ) {
        let kinds = [MessageType::Text, MessageType::Image, MessageType::File, MessageType::Encrypted];
        let room = RoomId::new();
        let message = StoredMessage {
            room, seq: 7, author: UserId::new(), kind: kinds[kind], content, at: Timestamp::from_millis(at),
            client_message_id: id, reply_to: reply.map(|seq| MessageId { room: RoomId::new(), seq }),
            replies, mentions: Mentions { users, all }, attachments, reactions, edited_at, deleted_at,
        };
        let row = encode_message(&message).unwrap();
        prop_assert_eq!(decode_message(room, 7, &row).unwrap(), message);
    }

    #[test]
    fn bytes_that_are_no_row_are_an_error_not_a_panic(bytes in any::<Vec<u8>>()) {
        let _ = decode_message(RoomId::new(), 1, &bytes);
        let _ = HeadRow::decode(&bytes);
        let _ = decode_membership(&bytes);
        let _ = decode_ban(&bytes);
        let _ = decode_invite(&bytes);
        let _ = decode_marks(&bytes);
        let _ = decode_position(&bytes);
        let _ = ChangeRow::decode(&bytes);
        let _ = UserChangeRow::decode(&bytes);
    }

    #[test]
    fn a_change_survives_its_row(seq in any::<u64>(), emoji in ".*", added in any::<bool>(), what in 0usize..10) {
        let whats = [
            What::Message(seq), What::Edited(seq), What::Reacted { seq, emoji, added }, What::Deleted(seq),
            What::Joined, What::Left, What::Role(Role::Admin), What::Removed { by: UserId::new() },
            What::Updated, What::Ended,
        ];
        let what = whats[what].clone();
        let row = ChangeRow { event_id: EventId::random(), at: Timestamp::from_millis(-3), user: UserId::new(), what };
        prop_assert_eq!(ChangeRow::decode(&row.encode()).unwrap(), row);
    }

    #[test]
    fn a_user_change_survives_its_row(seq in any::<u64>(), [added, pending] in any::<[bool; 2]>(), what in 0usize..7) {
        let whats = [
            UserWhat::RoomAdded(RoomId::new()), UserWhat::RoomRemoved(RoomId::new()),
            UserWhat::ReadMark { room: RoomId::new(), seq }, UserWhat::Contact { user: UserId::new(), added },
            UserWhat::Notification(NotificationId::new()), UserWhat::Block { user: UserId::new(), added },
            UserWhat::Request { user: UserId::new(), incoming: added, pending },
            UserWhat::NotificationRead(added.then(NotificationId::new)), UserWhat::NotifySettings,
        ];
        let row = UserChangeRow { event_id: EventId::random(), what: whats[what] };
        prop_assert_eq!(UserChangeRow::decode(&row.encode()).unwrap(), row);
    }
}

#[test]
fn a_head_row_survives_with_and_without_a_due_time_and_a_block() {
    let head = Head { seq: 3, rev: 9, event_id: EventId::random(), floor: 1, members: 2 };
    for (due, blocked) in
        [None, Some(Timestamp::from_millis(-5))].into_iter().flat_map(|due| [(due, false), (due, true)])
    {
        let row = HeadRow { head, due, notified: 2, blocked };
        assert_eq!(HeadRow::decode(&row.encode()).unwrap(), row);
    }
}

#[test]
fn marks_and_positions_survive_their_rows() {
    let marks = Marks { delivered: 9, read: 7 };
    assert_eq!(decode_marks(&encode_marks(marks)).unwrap(), marks);
    let position = Position { rev: 3, event_id: EventId::random() };
    assert_eq!(decode_position(&encode_position(position)).unwrap(), position);
}
