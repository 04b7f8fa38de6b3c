//! A key that was used gives the first result, whatever has become of the message, its author or the process.

use shared::{RoomId, Timestamp, protocol::Retention};
use store::{Appended, NewMessage, RoomRecord, Store};

use crate::{
    engine::Fixture,
    support::{
        actor, edit, fails, follow, head, id, join, keyed, mentions_of, message, public_room, room_event, room_of,
        send, text,
    },
};

/// Sending it again, and asking for it, give the first result; another message under its key is a conflict.
async fn is_answered(s: &Store, new: &NewMessage, first: &Appended, when: &str) {
    let before = head(s, new.room).await;
    let repeated = Appended { duplicate: true, ..first.clone() };
    assert_eq!(s.log.append(new).await.unwrap(), repeated, "{when}");
    assert_eq!(s.log.find_append(new).await.unwrap(), Some(repeated), "{when}");
    let other = NewMessage { content: "another".into(), ..new.clone() };
    fails!(s.log.append(&other).await, IdempotencyConflict);
    fails!(s.log.find_append(&other).await, IdempotencyConflict);
    assert_eq!(head(s, new.room).await, before, "{when}");
}

pub async fn asking_for_an_append_writes_nothing(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let mut inbox = follow(&s.store, &[store::Topic::Room(room)]).await;
    let before = s.rooms.room(room).await.unwrap();
    for new in [keyed(room, &alice, "hello", "k"), text(room, &alice, "hello"), keyed(room, &bob, "hello", "k")] {
        assert_eq!(s.log.find_append(&new).await.unwrap(), None);
    }
    assert_eq!(s.log.find_append(&keyed(RoomId::new(), &alice, "hello", "k")).await.unwrap(), None);
    assert_eq!(s.rooms.room(room).await.unwrap(), before);
    let new = keyed(room, &alice, "hello", "k");
    let first = s.log.append(&new).await.unwrap();
    assert!(!first.duplicate, "asking leaves a key free");
    is_answered(&s.store, &new, &first, "at once").await;
    let named = NewMessage { mentions: mentions_of(&[&alice]), ..new };
    is_answered(&s.store, &named, &first, "the mentions are of the content").await;
    assert_eq!(s.log.find_append(&keyed(room, &alice, "hello", "K")).await.unwrap(), None, "another key");
    assert_eq!(s.log.find_append(&keyed(room, &bob, "hello", "k")).await.unwrap(), None, "another author");
    send(&s.store, room, &alice, "end").await;
    assert_eq!([room_event(&mut inbox).await.change.rev, room_event(&mut inbox).await.change.rev], [2, 3]);
    assert!(inbox.try_recv().is_none());
}

pub async fn a_repeat_gives_the_first_result_whatever_came_after(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let retention = Some(Retention { max_age_seconds: None, max_messages: Some(1) });
    let record = RoomRecord { retention, ..public_room("short") };
    s.rooms.create_room(&record, &[alice.clone(), bob.clone()]).await.unwrap();
    let room = record.id;
    let new = NewMessage { reply_to: Some(id(room, 1)), ..keyed(room, &bob, "hello", "k") };
    send(&s.store, room, &alice, "parent").await;
    let first = s.log.append(&new).await.unwrap();
    s.log.edit_message(&edit(id(room, 2), &bob, "another")).await.unwrap();
    is_answered(&s.store, &new, &first, "after an edit").await;
    assert_eq!(message(&s.store, room, 2).await.content, "another");
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    is_answered(&s.store, &new, &first, "what it answers is deleted").await;
    s.rooms.leave(room, &bob).await.unwrap();
    is_answered(&s.store, &new, &first, "after leaving").await;
    s.log.delete_message(id(room, 2), &alice, None).await.unwrap();
    is_answered(&s.store, &new, &first, "after a deletion").await;
    send(&s.store, room, &alice, "3").await;
    while s.maintenance.trim(Timestamp::now(), 100).await.unwrap() > 0 {}
    assert_eq!(s.log.message(id(room, 2)).await.unwrap(), None);
    is_answered(&s.store, &new, &first, "after it was trimmed").await;
    join(&s.store, room, &bob).await;
    is_answered(&s.store, &new, &first, "after coming back").await;
    let far = s.elsewhere().await;
    is_answered(&far, &new, &first, "in another process").await;
    assert_eq!(s.log.message(id(room, 2)).await.unwrap(), None, "a repeat brings nothing back");
    assert_eq!(message(&s.store, room, 3).await.replies, 0);
}
