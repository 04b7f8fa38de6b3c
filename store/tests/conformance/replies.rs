//! Replies: counted at what they answer, and listed from it.

use shared::RoomId;
use store::Store;

use crate::{
    engine::Fixture,
    support::{actor, actors, at_once, edit, fails, giving, id, message, reply, room_of, send, send_numbers},
};

async fn count(s: &Store, room: RoomId, seq: u64) -> u64 {
    message(s, room, seq).await.replies
}

async fn list(s: &Store, room: RoomId, seq: u64) -> Vec<u64> {
    let (items, has_more) = s.log.replies(id(room, seq), 0, 200, 256 * 1024).await.unwrap();
    assert!(!has_more);
    items.into_iter().map(|m| m.seq).collect()
}

pub async fn a_reply_raises_the_count_and_its_deletion_lowers_it(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 2).await;
    let parent = id(room, 1);
    for content in ["3", "4", "5"] {
        s.log.append(&reply(parent, &bob, content)).await.unwrap();
    }
    assert_eq!((count(&s.store, room, 1).await, count(&s.store, room, 2).await), (3, 0));
    for _ in 0..2 {
        s.log.delete_message(id(room, 4), &bob, None).await.unwrap();
        assert_eq!(count(&s.store, room, 1).await, 2, "deleted twice is deleted once");
    }
    assert_eq!(list(&s.store, room, 1).await, [3, 4, 5], "a deleted one keeps its place");
    s.log.edit_message(&edit(id(room, 3), &bob, "edited")).await.unwrap();
    s.log.delete_message(parent, &alice, None).await.unwrap();
    let deleted = message(&s.store, room, 1).await;
    assert_eq!((deleted.content.as_str(), deleted.replies), ("", 2), "a deleted message keeps its replies");
    s.log.append(&reply(parent, &bob, "6")).await.unwrap();
    assert_eq!(count(&s.store, room, 1).await, 3);
    assert_eq!(list(&s.store, room, 1).await, [3, 4, 5, 6]);
    for seq in [3, 5, 6] {
        s.log.delete_message(id(room, seq), &alice, None).await.unwrap();
    }
    assert_eq!(count(&s.store, room, 1).await, 0);
}

pub async fn replies_come_oldest_first_in_pages(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    send(&s.store, room, &alice, "parent").await;
    let parent = id(room, 1);
    for size in [40, 40, 100, 30, 30, 30] {
        s.log.append(&reply(parent, &alice, &"é".repeat(size / 2))).await.unwrap();
        send(&s.store, room, &alice, "between").await;
    }
    let all = [2, 4, 6, 8, 10, 12];
    assert_eq!(list(&s.store, room, 1).await, all);
    let page = async |after, limit, max_bytes| {
        let (items, has_more) = s.log.replies(parent, after, limit, max_bytes).await.unwrap();
        (items.into_iter().map(|m| m.seq).collect::<Vec<_>>(), has_more)
    };
    assert_eq!(page(0, 6, 1000).await, (all.to_vec(), false));
    assert_eq!(page(0, 5, 1000).await, (all[..5].to_vec(), true));
    assert_eq!(page(4, 2, 1000).await, (vec![6, 8], true));
    assert_eq!(page(5, 2, 1000).await, (vec![6, 8], true), "after a number that is no reply");
    assert_eq!(page(8, 2, 1000).await, (vec![10, 12], false));
    for end in [12, 13, 1000, u64::MAX] {
        assert_eq!(page(end, 2, 1000).await, (vec![], false), "after {end}");
    }
    assert_eq!(page(0, 9, 80).await, (vec![2, 4], true), "exactly full");
    assert_eq!(page(0, 9, 79).await, (vec![2], true), "bytes, not characters");
    assert_eq!(page(4, 9, 10).await, (vec![6], true), "one there is always");
    s.log.delete_message(id(room, 6), &alice, None).await.unwrap();
    s.log.react(&giving(id(room, 4), &alice, "a")).await.unwrap();
    let (items, _) = s.log.replies(parent, 2, 2, 1000).await.unwrap();
    assert_eq!(items, [message(&s.store, room, 4).await, message(&s.store, room, 6).await], "as they are now");
    assert_eq!((items[1].content.as_str(), items[1].deleted_at.is_some()), ("", true));
}

pub async fn a_reply_to_what_is_not_there_is_only_kept(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let other = room_of(&s.store, &[&alice]).await;
    send(&s.store, other, &alice, "elsewhere").await;
    for (n, named) in [id(room, 1), id(room, 4), id(other, 1), id(room, u64::MAX)].into_iter().enumerate() {
        let seq = n as u64 + 1;
        let new = store::NewMessage { reply_to: Some(named), ..crate::support::text(room, &alice, "x") };
        assert_eq!(s.log.append(&new).await.unwrap().seq, seq);
        assert_eq!(message(&s.store, room, seq).await.reply_to, Some(named), "as it was sent");
    }
    for seq in 1..=4 {
        assert_eq!((count(&s.store, room, seq).await, list(&s.store, room, seq).await), (0, vec![]), "{seq}");
    }
    assert_eq!((count(&s.store, other, 1).await, list(&s.store, other, 1).await), (0, vec![]));
    s.log.append(&reply(id(room, 4), &alice, "5")).await.unwrap();
    s.log.delete_message(id(room, 2), &alice, None).await.unwrap();
    assert_eq!(count(&s.store, room, 4).await, 1, "what was never counted is not taken away");
    for missing in [0, 6, u64::MAX] {
        assert_eq!(s.log.replies(id(room, missing), 0, 9, 1000).await.unwrap(), (vec![], false));
    }
    fails!(s.log.replies(id(RoomId::new(), 1), 0, 9, 1000).await, RoomNotFound);
}

pub async fn replies_at_once_are_all_counted(s: &Fixture) {
    let people = actors(6);
    let far = s.elsewhere().await;
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    send(&s.store, room, &people[0], "parent").await;
    at_once(people.iter().cloned().enumerate().map(|(i, person)| {
        let log = if i % 2 == 0 { s.log.clone() } else { far.log.clone() };
        async move {
            for n in 0..6 {
                let sent = log.append(&reply(id(room, 1), &person, "x")).await.unwrap();
                if n % 3 == 0 {
                    log.delete_message(id(room, sent.seq), &person, None).await.unwrap();
                }
            }
        }
    }))
    .await;
    assert_eq!(count(&s.store, room, 1).await, 24);
    assert_eq!(list(&s.store, room, 1).await, (2..=37).collect::<Vec<_>>());
}
