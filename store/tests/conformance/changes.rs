//! The change log: dense pages after a position, and a reset where that cannot be.

use shared::{EventId, RoomId, protocol::Position};
use store::{
    BusEvent, Change, ChangeBody, Changes, PageFrom, PageRequest, Reacting, Signal, Topic, bus::INBOX_EVENTS,
    log::CHANGES_KEPT,
};

use crate::{
    engine::Fixture,
    support::{
        actor, actors, all_changes, at_once, changes, fails, follow, head, id, join, message, page, room_of, send,
        send_numbers, seqs, signal, text,
    },
};

fn position(change: &Change) -> Position {
    Position { rev: change.rev, event_id: change.event_id }
}

async fn is_reset(s: &Fixture, room: RoomId, after: Position) -> bool {
    match s.log.changes(room, after, 10, usize::MAX).await.unwrap() {
        Changes::Page { .. } => false,
        Changes::Reset { head: told } => {
            assert_eq!(told, head(&s.store, room).await);
            true
        }
    }
}

pub async fn every_kind_of_change_is_told_in_order(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let start = head(&s.store, room).await;
    let joined = join(&s.store, room, &bob).await;
    let sent = send(&s.store, room, &bob, "one").await;
    let deleted = s.log.delete_message(id(room, 1), &alice, None).await.unwrap().unwrap();
    let left = s.rooms.leave(room, &bob).await.unwrap();
    let second = send(&s.store, room, &alice, "two").await;
    let log = all_changes(&s.store, room, start).await;
    let sent = Position { rev: sent.rev, event_id: sent.event_id };
    let expected = [
        (joined, bob.id, ChangeBody::Joined),
        (sent, bob.id, ChangeBody::Message(message(&s.store, room, 1).await)),
        (deleted, alice.id, ChangeBody::Deleted { seq: 1 }),
        (left, bob.id, ChangeBody::Left),
        (
            Position { rev: second.rev, event_id: second.event_id },
            alice.id,
            ChangeBody::Message(message(&s.store, room, 2).await),
        ),
    ];
    let told: Vec<_> = log.iter().map(|c| (position(c), c.user, c.body.clone())).collect();
    assert_eq!(told, expected);
    assert!(log.is_sorted_by_key(|c| c.at));
    let beginning = Position { rev: 0, event_id: EventId::random() };
    let whole = all_changes(&s.store, room, beginning).await;
    assert_eq!(position(&whole[0]), start, "rev 0 is the beginning");
    assert_eq!(whole[1..], log);
}

pub async fn pages_are_dense_and_say_whether_there_is_more(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let start = head(&s.store, room).await;
    send_numbers(&s.store, room, &alice, 10).await;
    let log = all_changes(&s.store, room, start).await;
    assert_eq!(log.iter().map(|c| c.rev).collect::<Vec<_>>(), (2..=11).collect::<Vec<_>>());
    for limit in 1..=11 {
        assert_eq!(changes(&s.store, room, start, limit).await, (log[..limit.min(10)].to_vec(), limit < 10));
    }
    for from in 0..10 {
        let (rest, has_more) = changes(&s.store, room, position(&log[from]), 50).await;
        assert_eq!((rest.as_slice(), has_more), (&log[from + 1..], false));
    }
    let at_head = s.log.changes(room, head(&s.store, room).await, 50, usize::MAX).await.unwrap();
    assert_eq!(at_head, Changes::Page { changes: vec![], has_more: false });
}

pub async fn a_position_that_is_not_in_the_log_is_a_reset(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let start = head(&s.store, room).await;
    send_numbers(&s.store, room, &alice, 3).await;
    let now = head(&s.store, room).await;
    let other = EventId::from_bits(start.event_id.to_bits() ^ 1);
    assert!(!is_reset(s, room, start).await);
    assert!(is_reset(s, room, Position { event_id: other, ..start }).await, "another event has that rev");
    assert!(is_reset(s, room, Position { event_id: other, ..now }).await, "also at the head");
    assert!(is_reset(s, room, Position { rev: 2, ..start }).await, "an event of another rev");
    for beyond in [now.rev + 1, now.rev + 100, 1 << 53, u64::MAX] {
        assert!(is_reset(s, room, Position { rev: beyond, ..now }).await, "beyond the head: {beyond}");
    }
    let elsewhere = room_of(&s.store, &[&alice]).await;
    assert!(is_reset(s, room, head(&s.store, elsewhere).await).await, "another room's position");
    fails!(s.log.changes(RoomId::new(), start, 10, usize::MAX).await, RoomNotFound);
}

/// More changes than a log keeps, and more events than an inbox holds, of one room whose subscriber does not read.
pub async fn a_long_log_is_trimmed_and_a_full_inbox_says_so(s: &Fixture) {
    const WRITERS: u64 = 64;
    let each = INBOX_EVENTS as u64 / WRITERS + 2;
    let people = actors(WRITERS as usize);
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    let start = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    at_once(people.iter().cloned().map(|person| {
        let log = s.log.clone();
        async move {
            let new = text(room, &person, "x");
            for _ in 0..each {
                log.append(&new).await.unwrap();
            }
        }
    }))
    .await;
    let now = head(&s.store, room).await;
    assert_eq!(now.rev, start.rev + WRITERS * each);

    let mut revs = Vec::new();
    let lost = loop {
        match signal(&mut inbox).await {
            Signal::Event(BusEvent::Room(event)) => revs.push((event.change.rev, event.change.event_id)),
            other => break matches!(other, Signal::Lost),
        }
    };
    assert!(lost, "an inbox that was full says so after what it had");
    assert!(revs.len() >= INBOX_EVENTS && revs.is_sorted_by(|a, b| a.0 < b.0));
    let first: Vec<u64> = revs.iter().take(INBOX_EVENTS).map(|(rev, _)| *rev).collect();
    assert_eq!(first, (start.rev + 1..).take(INBOX_EVENTS).collect::<Vec<_>>());

    let at = |rev: u64| {
        let event_id = revs.iter().find(|(r, _)| *r == rev).unwrap().1;
        Position { rev, event_id }
    };
    assert!(is_reset(s, room, start).await, "trimmed long ago");
    assert!(is_reset(s, room, at(now.rev - CHANGES_KEPT - 1)).await, "trimmed just now");
    let kept = all_changes(&s.store, room, at(now.rev - CHANGES_KEPT + 1)).await;
    let dense: Vec<u64> = kept.iter().map(|c| c.rev).collect();
    assert_eq!(dense, (now.rev - CHANGES_KEPT + 2..=now.rev).collect::<Vec<_>>());
    let (oldest, newest) = (message(&s.store, room, 1).await, message(&s.store, room, WRITERS * each).await);
    assert_eq!((oldest.content.as_str(), newest.content.as_str()), ("x", "x"), "messages are not trimmed");
    send(&s.store, room, &people[0], "after").await;
    match signal(&mut inbox).await {
        Signal::Event(BusEvent::Room(event)) => assert_eq!(event.change.rev, now.rev + 1),
        other => panic!("events go on after a loss: {other:?}"),
    }
}

pub async fn a_page_of_changes_ends_before_it_is_too_large(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let start = head(&s.store, room).await;
    for size in [40, 40, 100, 30] {
        send(&s.store, room, &alice, &"é".repeat(size / 2)).await;
    }
    let sized = async |after: u64, max_bytes| {
        let all = all_changes(&s.store, room, start).await;
        let after = after
            .checked_sub(1)
            .map_or(start, |i| Position { rev: all[i as usize].rev, event_id: all[i as usize].event_id });
        match s.log.changes(room, after, 50, max_bytes).await.unwrap() {
            Changes::Page { changes, has_more } => {
                assert_eq!(changes, all[(after.rev - start.rev) as usize..][..changes.len()], "dense from there on");
                (changes.len(), has_more)
            }
            Changes::Reset { head } => panic!("reset to {head:?}"),
        }
    };
    assert_eq!(sized(0, 210).await, (4, false), "exactly full");
    assert_eq!(sized(0, 209).await, (3, true), "bytes, not characters");
    assert_eq!(sized(0, 80).await, (2, true));
    assert_eq!(sized(0, 79).await, (1, true));
    assert_eq!(sized(2, 0).await, (1, true), "one change there is always");
    assert_eq!(sized(3, 0).await, (1, false));
    let given = Reacting { id: id(room, 1), by: bob.clone(), emoji: "👍".into(), add: true };
    s.log.react(&given).await.unwrap();
    assert_eq!(sized(3, 30).await, (2, false), "a reaction itself weighs nothing");
    let weight = message(&s.store, room, 1).await.weight();
    assert!(weight > 40 + 36, "who reacted weighs in the message: {weight}");
    assert_eq!(sized(0, weight + 40).await, (2, true));
    assert_eq!(sized(0, weight + 39).await, (1, true));
    let page = |from, max_bytes| PageRequest { max_bytes, ..page(from, 50) };
    assert_eq!(seqs(&s.store, room, page(PageFrom::After(0), weight + 40)).await, (vec![1, 2], true));
    assert_eq!(seqs(&s.store, room, page(PageFrom::After(0), weight + 39)).await, (vec![1], true));
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    assert_eq!(sized(0, 40).await, (2, true), "a deleted one weighs nothing");
}
