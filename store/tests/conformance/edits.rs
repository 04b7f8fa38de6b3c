//! Edits: one change, the new text everywhere, the old one nowhere.

use std::time::Duration;

use shared::{RoomId, Timestamp};
use store::{ChangeBody, NewMessage, PageFrom, Topic};

use crate::{
    engine::Fixture,
    support::{
        actor, actors, all_changes, at_once, changes, edit, fails, follow, giving, head, history, id, keyed, message,
        page, reply, room_event, room_of, send, view,
    },
};

pub async fn an_edit_is_one_change_and_leaves_nothing_of_the_old_text(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let start = head(&s.store, room).await;
    send(&s.store, room, &bob, "parent").await;
    let new = NewMessage { reply_to: Some(id(room, 1)), ..keyed(room, &alice, "old text", "k") };
    let sent = s.log.append(&new).await.unwrap();
    s.log.react(&giving(id(room, 2), &bob, "👍")).await.unwrap();
    s.log.append(&reply(id(room, 2), &bob, "answer")).await.unwrap();
    let (before, was) = (head(&s.store, room).await, message(&s.store, room, 2).await);
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;

    let now = s.log.edit_message(&edit(id(room, 2), &alice, "new {é} \0 text")).await.unwrap();
    let edited_at = now.edited_at.unwrap();
    assert!(edited_at >= sent.at && Timestamp::now().after(Duration::from_secs(5)) >= edited_at);
    let expected = store::StoredMessage { content: "new {é} \0 text".into(), edited_at: now.edited_at, ..was };
    assert_eq!(now, expected, "all else stays: author, time, key, reply, reactions, replies");
    assert_eq!(message(&s.store, room, 2).await, now);
    let newest = history(&s.store, room, page(PageFrom::Newest, 9)).await;
    assert_eq!(newest.items[1], now);

    let (log, _) = changes(&s.store, room, before, 9).await;
    assert_eq!((log.len(), log[0].rev, log[0].user), (1, before.rev + 1, alice.id));
    assert_eq!(log[0].body, ChangeBody::Edited(now.clone()));
    assert_eq!(head(&s.store, room).await.rev, before.rev + 1);
    let event = room_event(&mut inbox).await;
    assert_eq!((&event.change, event.username.as_str()), (&log[0], "alice"));
    let whole = all_changes(&s.store, room, start).await;
    assert_eq!(whole[1].body, ChangeBody::Message(now), "who missed the message gets it as it is now");
    assert!(!format!("{whole:?}{newest:?}{:?}", view(&s.store, room, &bob).await).contains("old text"));
    assert!(inbox.try_recv().is_none());
}

pub async fn the_same_content_again_is_no_change(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &alice, "same").await;
    let (before, was) = (head(&s.store, room).await, message(&s.store, room, 1).await);
    let again = store::Edit { mentions: crate::support::mentions_of(&[&bob]), ..edit(id(room, 1), &alice, "same") };
    assert_eq!(s.log.edit_message(&again).await.unwrap(), was, "whatever the mentions");
    assert_eq!((head(&s.store, room).await, message(&s.store, room, 1).await), (before, was));
    assert_eq!(view(&s.store, room, &bob).await.mentions, 0);
    s.log.edit_message(&edit(id(room, 1), &alice, "other")).await.unwrap();
    let back = s.log.edit_message(&edit(id(room, 1), &alice, "same")).await.unwrap();
    assert_eq!((back.content.as_str(), head(&s.store, room).await.rev), ("same", before.rev + 2));
}

pub async fn an_edit_is_refused_to_strangers_and_of_what_is_not_there(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    send(&s.store, room, &alice, "1").await;
    send(&s.store, room, &alice, "2").await;
    s.log.delete_message(id(room, 2), &alice, None).await.unwrap();
    let before = head(&s.store, room).await;
    fails!(s.log.edit_message(&edit(id(room, 1), &bob, "x")).await, NotAMember);
    fails!(s.log.edit_message(&edit(id(RoomId::new(), 1), &alice, "x")).await, RoomNotFound);
    for gone in [2, 3, u64::MAX] {
        fails!(s.log.edit_message(&edit(id(room, gone), &alice, "x")).await, MessageNotFound);
    }
    fails!(s.log.edit_message(&edit(id(room, 2), &alice, "")).await, MessageNotFound);
    assert_eq!(head(&s.store, room).await, before);
    assert_eq!(message(&s.store, room, 1).await.content, "1");
    assert_eq!(message(&s.store, room, 2).await.content, "", "an edit does not bring a deleted text back");
}

pub async fn of_many_edits_at_once_the_last_change_is_the_text(s: &Fixture) {
    let people = actors(6);
    let far = s.elsewhere().await;
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    send(&s.store, room, &people[0], "first").await;
    let before = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    at_once(people.iter().cloned().enumerate().map(|(i, person)| {
        let log = if i % 2 == 0 { s.log.clone() } else { far.log.clone() };
        async move {
            for n in 0..5 {
                let edit = edit(id(room, 1), &person, &format!("{i} {n}"));
                assert_eq!(log.edit_message(&edit).await.unwrap().content, edit.content);
            }
        }
    }))
    .await;
    let mut last = String::new();
    for rev in before.rev + 1..=before.rev + 30 {
        let event = room_event(&mut inbox).await;
        let ChangeBody::Edited(then) = &event.change.body else { panic!("{event:?}") };
        assert_eq!((event.change.rev, then.seq), (rev, 1));
        last.clone_from(&then.content);
    }
    assert_eq!(message(&s.store, room, 1).await.content, last);
    let log = all_changes(&s.store, room, before).await;
    assert!(log.iter().map(|c| c.rev).eq(before.rev + 1..=before.rev + 30));
}
