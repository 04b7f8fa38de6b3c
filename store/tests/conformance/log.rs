//! Appending and deleting: what one append does, what its key protects, what a deletion takes away.

use std::{collections::HashSet, time::Duration};

use shared::{
    RoomId, Timestamp,
    protocol::{MessageType, Role},
};
use store::{ChangeBody, NewMessage, PageFrom};

use crate::{
    engine::Fixture,
    support::{
        actor, actors, all_changes, all_messages, at_once, changes, fails, follow, head, history, id, join, keyed,
        message, page, room_event, room_of, send, text, unread,
    },
};

pub async fn a_message_is_kept_as_it_was_sent(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let long = "é漢🦀".repeat(2_000);
    let contents = ["plain", "", " ", "a\0b\r\n\t\"\\{}%s", "{\"json\":true}", "$-1\r\n", long.as_str()];
    let kinds = [MessageType::Text, MessageType::Image, MessageType::File, MessageType::Encrypted];
    let start = Timestamp::now().before(Duration::from_secs(5));
    let before = head(&s.store, room).await;
    for (i, content) in contents.into_iter().enumerate() {
        let seq = i as u64 + 1;
        let new = NewMessage {
            kind: kinds[i % 4],
            client_message_id: (i % 2 == 0).then(|| format!("key {i}: {{é}} \0")),
            reply_to: (i > 2).then(|| id(room, seq - 1)),
            ..text(room, &alice, content)
        };
        let appended = s.log.append(&new).await.unwrap();
        assert_eq!((appended.seq, appended.rev, appended.duplicate), (seq, before.rev + seq, false));
        assert!(appended.at >= start && appended.at <= Timestamp::now().after(Duration::from_secs(5)));
        let kept = message(&s.store, room, seq).await;
        assert_eq!((kept.id(), kept.author, kept.kind, kept.at), (id(room, seq), alice.id, new.kind, appended.at));
        assert_eq!((&kept.content, &kept.client_message_id), (&new.content, &new.client_message_id));
        assert_eq!((kept.reply_to, kept.deleted_at), (new.reply_to, None));
        let head = head(&s.store, room).await;
        assert_eq!((head.rev, head.event_id), (appended.rev, appended.event_id));
    }
    let log = all_changes(&s.store, room, before).await;
    let bodies: Vec<_> = all_messages(&s.store, room).await.into_iter().map(ChangeBody::Message).collect();
    assert_eq!(log.into_iter().map(|c| c.body).collect::<Vec<_>>(), bodies);
}

pub async fn a_message_that_is_not_there_is_none(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    send(&s.store, room, &alice, "1").await;
    for missing in [id(room, 2), id(room, u64::MAX), id(RoomId::new(), 1)] {
        assert_eq!(s.log.message(missing).await.unwrap(), None);
    }
}

pub async fn only_a_member_can_send_to_a_room_that_is_there(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let before = s.rooms.room(room).await.unwrap();
    fails!(s.log.append(&text(room, &bob, "hello")).await, NotAMember);
    fails!(s.log.append(&keyed(room, &bob, "hello", "k")).await, NotAMember);
    fails!(s.log.append(&keyed(RoomId::new(), &alice, "hello", "k")).await, RoomNotFound);
    assert_eq!(s.rooms.room(room).await.unwrap(), before);
    join(&s.store, room, &bob).await;
    let appended = s.log.append(&keyed(room, &bob, "another", "k")).await.unwrap();
    assert!(!appended.duplicate, "a refused append leaves its key free");
}

pub async fn a_repeated_key_gives_the_first_result(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let mut inbox = follow(&s.store, &[store::Topic::Room(room)]).await;
    let first = s.log.append(&keyed(room, &alice, "hello", "k")).await.unwrap();
    send(&s.store, room, &bob, "between").await;
    let renamed = NewMessage {
        author: store::Actor { username: "alice2".into(), ..alice.clone() },
        notify_after: Duration::from_secs(60),
        ..keyed(room, &alice, "hello", "k")
    };
    for repeat in [keyed(room, &alice, "hello", "k"), renamed] {
        let again = s.log.append(&repeat).await.unwrap();
        assert_eq!(again, store::Appended { duplicate: true, ..first.clone() });
    }
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.seq, 2);
    assert_eq!(unread(&s.store, room, &alice).await, 1, "a repeat does not read the room again");
    send(&s.store, room, &bob, "end").await;
    let revs = [room_event(&mut inbox).await, room_event(&mut inbox).await, room_event(&mut inbox).await];
    assert_eq!(revs.map(|e| e.change.rev), [3, 4, 5], "a repeat is not published");
}

pub async fn a_key_belongs_to_its_author_and_room(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let other = room_of(&s.store, &[&alice, &bob]).await;
    for (i, new) in
        [keyed(room, &alice, "a", "k"), keyed(room, &bob, "b", "k"), keyed(other, &alice, "c", "k")].iter().enumerate()
    {
        assert!(!s.log.append(new).await.unwrap().duplicate, "{i}");
    }
    for key in ["K", "k ", "", "k:"] {
        assert!(!s.log.append(&keyed(room, &alice, "a", key)).await.unwrap().duplicate, "{key:?} is another key");
    }
}

pub async fn a_key_with_another_message_is_a_conflict(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    send(&s.store, room, &alice, "zero").await;
    let first = NewMessage { reply_to: Some(id(room, 1)), ..keyed(room, &alice, "hello", "k") };
    let appended = s.log.append(&first).await.unwrap();
    let before = s.rooms.room(room).await.unwrap();
    for other in [
        NewMessage { content: "hello!".into(), ..first.clone() },
        NewMessage { content: String::new(), ..first.clone() },
        NewMessage { kind: MessageType::Image, ..first.clone() },
        NewMessage { reply_to: None, ..first.clone() },
        NewMessage { reply_to: Some(id(room, 2)), ..first.clone() },
    ] {
        fails!(s.log.append(&other).await, IdempotencyConflict);
    }
    assert_eq!(s.rooms.room(room).await.unwrap(), before);
    assert_eq!(s.log.append(&first).await.unwrap().event_id, appended.event_id);
}

pub async fn a_repeat_is_answered_before_every_other_check(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let new = keyed(room, &bob, "hello", "k");
    let first = s.log.append(&new).await.unwrap();
    let repeated = store::Appended { duplicate: true, ..first };
    s.rooms.leave(room, &bob).await.unwrap();
    assert_eq!(s.log.append(&new).await.unwrap(), repeated, "after leaving");
    fails!(s.log.append(&keyed(room, &bob, "other", "k")).await, IdempotencyConflict);
    fails!(s.log.append(&keyed(room, &bob, "hello", "k2")).await, NotAMember);
    join(&s.store, room, &bob).await;
    assert_eq!(s.log.append(&new).await.unwrap(), repeated, "after coming back");
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    assert_eq!(s.log.append(&new).await.unwrap(), repeated, "after it was deleted");
    fails!(s.log.append(&keyed(room, &bob, "", "k")).await, IdempotencyConflict);
    assert_eq!(message(&s.store, room, 1).await.content, "", "a repeat does not bring a deleted text back");
}

pub async fn of_many_appends_with_one_key_at_once_one_is_a_message(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    for round in 0..5 {
        let new = keyed(room, &alice, "hello", &format!("k{round}"));
        let mut results = at_once((0..16).map(|_| {
            let (log, new) = (s.log.clone(), new.clone());
            async move { log.append(&new).await.unwrap() }
        }))
        .await;
        assert_eq!(results.iter().filter(|a| !a.duplicate).count(), 1);
        results.iter_mut().for_each(|a| a.duplicate = true);
        assert!(results.iter().all(|a| *a == results[0]), "{results:?}");
        assert_eq!(results[0].seq, round + 1);
    }
    assert_eq!(all_messages(&s.store, room).await.len(), 5);
}

pub async fn appends_at_once_are_numbered_without_gap_or_double(s: &Fixture) {
    let people = actors(8);
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    let before = head(&s.store, room).await;
    let results = at_once(people.iter().cloned().map(|person| {
        let store = s.store.clone();
        async move {
            let mut mine = Vec::new();
            for n in 0..20 {
                mine.push((send(&store, room, &person, &format!("{n}")).await, person.id, n));
            }
            mine
        }
    }))
    .await;
    for mine in &results {
        assert!(mine.is_sorted_by(|(a, ..), (b, ..)| a.seq < b.seq && a.rev < b.rev && a.at <= b.at));
    }
    let mut all: Vec<_> = results.into_iter().flatten().collect();
    all.sort_by_key(|(a, ..)| a.seq);
    let kept = all_messages(&s.store, room).await;
    let log = all_changes(&s.store, room, before).await;
    assert_eq!((all.len(), kept.len(), log.len()), (160, 160, 160));
    for (i, (appended, author, n)) in all.iter().enumerate() {
        let seq = i as u64 + 1;
        assert_eq!((appended.seq, appended.rev), (seq, before.rev + seq));
        assert_eq!((kept[i].seq, kept[i].author, &kept[i].content), (seq, *author, &n.to_string()));
        assert_eq!((log[i].rev, log[i].event_id, log[i].at), (appended.rev, appended.event_id, appended.at));
    }
    let names: HashSet<_> = log.iter().map(|c| c.event_id).collect();
    assert_eq!(names.len(), 160, "each change has a name of its own");
}

pub async fn a_deletion_is_one_change_and_leaves_no_content(s: &Fixture) {
    let (alice, moderator) = (actor("alice"), actor("moderator"));
    let room = room_of(&s.store, &[&alice]).await;
    let start = head(&s.store, room).await;
    send(&s.store, room, &alice, "secret one").await;
    let new = NewMessage { reply_to: Some(id(room, 1)), ..keyed(room, &alice, "secret two", "k") };
    let sent = s.log.append(&new).await.unwrap();
    let before = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[store::Topic::Room(room)]).await;
    let position = s.log.delete_message(id(room, 2), &moderator, None).await.unwrap().unwrap();
    assert_eq!((position.rev, head(&s.store, room).await), (before.rev + 1, position));

    let kept = message(&s.store, room, 2).await;
    assert_eq!((kept.seq, kept.author, kept.at, kept.content.as_str()), (2, alice.id, sent.at, ""));
    assert!(kept.deleted_at.is_some_and(|at| at >= sent.at));
    let newest = history(&s.store, room, page(PageFrom::Newest, 9)).await;
    assert_eq!(newest.items.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["", "secret one"]);
    assert_eq!(newest.items[0], kept);
    let (log, _) = changes(&s.store, room, start, 9).await;
    assert_eq!(log.len(), 3);
    assert_eq!(log[1].body, ChangeBody::Message(kept), "the log tells the message as it is now");
    assert_eq!((log[2].user, &log[2].body), (moderator.id, &ChangeBody::Deleted { seq: 2 }));
    assert!(!format!("{log:?}{newest:?}").contains("secret two"));
    let event = room_event(&mut inbox).await;
    assert_eq!((&event.change, event.username.as_str()), (&log[2], "moderator"));
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.seq, 2, "numbers are not given twice");
    assert_eq!(send(&s.store, room, &alice, "three").await.seq, 3);
}

pub async fn what_another_wrote_is_deleted_by_who_has_the_role(s: &Fixture) {
    let (alice, bob, stranger) = (actor("alice"), actor("bob"), actor("stranger"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &bob, "1").await;
    let before = head(&s.store, room).await;
    for (by, role) in [(&alice, Role::Admin), (&bob, Role::Owner), (&stranger, Role::Admin)] {
        fails!(s.log.delete_message(id(room, 1), by, Some(role)).await, RolesChanged);
    }
    assert_eq!((head(&s.store, room).await, message(&s.store, room, 1).await.content.as_str()), (before, "1"));
    assert!(s.log.delete_message(id(room, 1), &alice, Some(Role::Owner)).await.unwrap().is_some());
    assert_eq!(s.log.delete_message(id(room, 1), &alice, Some(Role::Admin)).await.unwrap(), None, "it is deleted");
}

pub async fn deleting_twice_or_nothing_is_no_change(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    send(&s.store, room, &alice, "1").await;
    let results = at_once((0..8).map(|_| {
        let (log, alice) = (s.log.clone(), alice.clone());
        async move { log.delete_message(id(room, 1), &alice, None).await.unwrap() }
    }))
    .await;
    assert_eq!(results.iter().flatten().count(), 1, "{results:?}");
    let before = head(&s.store, room).await;
    assert_eq!(before.rev, 3);
    assert_eq!(s.log.delete_message(id(room, 1), &alice, None).await.unwrap(), None);
    fails!(s.log.delete_message(id(room, 2), &alice, None).await, MessageNotFound);
    fails!(s.log.delete_message(id(room, u64::MAX), &alice, None).await, MessageNotFound);
    fails!(s.log.delete_message(id(RoomId::new(), 1), &alice, None).await, RoomNotFound);
    assert_eq!(head(&s.store, room).await, before);
}
