//! A room as a member sees it: unread, the read mark, the newest message.

use shared::{RoomId, UserId, protocol::Role};
use store::Marked;

use crate::{
    engine::Fixture,
    support::{
        MANY, actor, actors, at_once, both, fails, id, join, marks, message, private_room, public_room, room_of, send,
        send_numbers, unread, view,
    },
};

pub async fn unread_is_what_came_after_the_read_mark(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    assert_eq!(unread(&s.store, room, &bob).await, 0);
    send_numbers(&s.store, room, &alice, 5).await;
    let seen = view(&s.store, room, &bob).await;
    assert_eq!((seen.unread, seen.read_seq, seen.head.seq), (5, 0, 5));
    assert_eq!(s.log.mark_read(room, bob.id, 3).await.unwrap(), Marked { before: both(0), now: both(3) });
    let seen = view(&s.store, room, &bob).await;
    assert_eq!((seen.unread, seen.read_seq), (2, 3));
    assert_eq!(unread(&s.store, room, &alice).await, 0, "own messages are never unread");
}

pub async fn a_read_mark_only_moves_forward_and_no_further_than_the_head(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    assert_eq!(s.log.mark_read(room, bob.id, 7).await.unwrap().now, both(0), "an empty room");
    send_numbers(&s.store, room, &alice, 4).await;
    for (asked, stands) in [(2, 2), (1, 2), (0, 2), (3, 3), (2, 3), (9, 4), (u64::MAX, 4), (1 << 53, 4), (4, 4)] {
        assert_eq!(s.log.mark_read(room, bob.id, asked).await.unwrap().now, both(stands), "asked for {asked}");
        assert_eq!(marks(&s.store, room, &bob).await, both(stands));
    }
    send(&s.store, room, &alice, "5").await;
    assert_eq!(unread(&s.store, room, &bob).await, 1, "a mark beyond the head was none beyond it");
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.rev, 7, "reading is no change");
}

pub async fn only_a_member_can_mark_a_room_that_is_there(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    fails!(s.log.mark_read(room, UserId::new(), 1).await, NotAMember);
    fails!(s.log.mark_read(RoomId::new(), alice.id, 1).await, RoomNotFound);
}

pub async fn sending_reads_the_room(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 3).await;
    send(&s.store, room, &bob, "answer").await;
    let seen = view(&s.store, room, &bob).await;
    assert_eq!((seen.unread, seen.read_seq), (0, 4));
    assert_eq!(unread(&s.store, room, &alice).await, 1);
    let marks = s.log.marks(room, &[bob.id, UserId::new(), alice.id]).await.unwrap();
    assert_eq!(marks, [both(4), both(0), both(3)]);
}

pub async fn marks_at_once_end_at_the_highest(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 16).await;
    let marks = at_once((1..=16_u64).map(|n| {
        let log = s.log.clone();
        async move { log.mark_read(room, bob.id, (n * 7) % 17).await.unwrap().now.read }
    }))
    .await;
    for (n, mark) in (1..=16_u64).zip(marks) {
        assert!(mark >= (n * 7) % 17, "a mark stands no further back than was asked");
    }
    assert_eq!(self::marks(&s.store, room, &bob).await, both(16));
}

pub async fn a_deleted_message_is_not_unread(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 6).await;
    for seq in [2, 5] {
        s.log.delete_message(id(room, seq), &alice, None).await.unwrap();
    }
    assert_eq!(unread(&s.store, room, &bob).await, 4);
    assert_eq!(s.log.delete_message(id(room, 2), &alice, None).await.unwrap(), None);
    assert_eq!(unread(&s.store, room, &bob).await, 4, "deleted twice is deleted once");
    for (mark, left) in [(1, 3), (2, 3), (4, 1), (5, 1), (6, 0)] {
        s.log.mark_read(room, bob.id, mark).await.unwrap();
        assert_eq!(unread(&s.store, room, &bob).await, left, "read up to {mark}");
    }
    s.log.delete_message(id(room, 6), &alice, None).await.unwrap();
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    assert_eq!(unread(&s.store, room, &bob).await, 0, "deleting what was read takes nothing away");
    join(&s.store, room, &carol).await;
    s.log.delete_message(id(room, 3), &alice, None).await.unwrap();
    assert_eq!(unread(&s.store, room, &carol).await, 0, "nor what was there before they came");
    send_numbers(&s.store, room, &alice, 2).await;
    assert_eq!(unread(&s.store, room, &carol).await, 2);
}

pub async fn who_joins_later_has_nothing_unread(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    send_numbers(&s.store, room, &alice, 5).await;
    join(&s.store, room, &bob).await;
    assert_eq!(unread(&s.store, room, &bob).await, 0);
    send(&s.store, room, &alice, "6").await;
    assert_eq!(unread(&s.store, room, &bob).await, 1);
    s.log.mark_read(room, bob.id, 2).await.unwrap();
    assert_eq!(unread(&s.store, room, &bob).await, 1, "a mark before the joining counts for nothing");
    s.log.mark_read(room, bob.id, 6).await.unwrap();
    assert_eq!(unread(&s.store, room, &bob).await, 0);
}

pub async fn a_room_left_is_not_seen_and_starts_anew_on_return(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 3).await;
    s.rooms.leave(room, &bob).await.unwrap();
    assert_eq!(s.rooms.views(bob.id, &[room]).await.unwrap(), [None]);
    fails!(s.log.mark_read(room, bob.id, 1).await, NotAMember);
    send(&s.store, room, &alice, "meanwhile").await;
    join(&s.store, room, &bob).await;
    assert_eq!(unread(&s.store, room, &bob).await, 0);
    send(&s.store, room, &alice, "back").await;
    assert_eq!(unread(&s.store, room, &bob).await, 1);
}

pub async fn the_last_message_is_the_newest_in_its_current_state(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    assert_eq!(view(&s.store, room, &bob).await.last_message, None);
    send_numbers(&s.store, room, &alice, 2).await;
    assert_eq!(view(&s.store, room, &bob).await.last_message, Some(message(&s.store, room, 2).await));
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    assert_eq!(view(&s.store, room, &bob).await.last_message.unwrap().content, "2");
    s.log.delete_message(id(room, 2), &alice, None).await.unwrap();
    let last = view(&s.store, room, &bob).await.last_message.unwrap();
    assert_eq!((last.seq, last.author, last.content.as_str()), (2, alice.id, ""));
    assert!(last.deleted_at.is_some());
}

pub async fn the_last_message_is_shown_to_those_who_may_see_it(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let (private, public) = (private_room("private"), public_room("public"));
    for room in [&private, &public] {
        s.rooms.create_room(room, std::slice::from_ref(&alice)).await.unwrap();
        send(&s.store, room.id, &alice, "before").await;
        join(&s.store, room.id, &bob).await;
    }
    assert_eq!(view(&s.store, private.id, &bob).await.last_message, None, "sent before he joined");
    assert_eq!(view(&s.store, public.id, &bob).await.last_message.unwrap().content, "before");
    assert_eq!(view(&s.store, private.id, &alice).await.last_message.unwrap().content, "before");
    send(&s.store, private.id, &alice, "after").await;
    assert_eq!(view(&s.store, private.id, &bob).await.last_message.unwrap().content, "after");
}

pub async fn many_rooms_are_seen_at_once_in_the_order_asked(s: &Fixture) {
    let people = actors(2);
    let (alice, bob) = (&people[0], &people[1]);
    let mut asked = Vec::new();
    for n in 0..60_u64 {
        let record = if n % 2 == 0 { public_room("even") } else { private_room("odd") };
        s.rooms.create_room(&record, std::slice::from_ref(alice)).await.unwrap();
        if n % 3 != 0 {
            s.rooms.join(record.id, bob, Role::Member, MANY).await.unwrap();
        }
        send_numbers(&s.store, record.id, alice, n % 5).await;
        asked.push((n, record));
    }
    asked.sort_by_key(|(n, _)| (n * 37) % 60);
    let mut ids: Vec<RoomId> = asked.iter().map(|(_, r)| r.id).collect();
    ids.push(RoomId::new());
    ids.push(ids[0]);
    let views = s.rooms.views(bob.id, &ids).await.unwrap();
    assert_eq!(views.len(), 62);
    let mut standings = s.rooms.standings(bob.id, &ids).await.unwrap();
    assert!(standings.iter().flatten().all(|seen| seen.last_message.is_none()));
    for (standing, seen) in standings.iter_mut().flatten().zip(views.iter().flatten()) {
        standing.last_message = seen.last_message.clone();
    }
    assert_eq!(standings, views, "all but the last message");
    assert_eq!((&views[60], &views[61]), (&None, &views[0]));
    for ((n, record), seen) in asked.iter().zip(&views) {
        assert_eq!(seen.is_some(), n % 3 != 0);
        let Some(seen) = seen else { continue };
        let (_, head) = s.rooms.room(record.id).await.unwrap().unwrap();
        assert_eq!((&seen.record, seen.head, seen.unread), (record, head, n % 5));
        assert_eq!(Some(&seen.membership), s.rooms.membership(record.id, bob.id).await.unwrap().as_ref());
        let last = if n % 5 == 0 { None } else { Some((n % 5).to_string()) };
        assert_eq!(seen.last_message.as_ref().map(|m| m.content.clone()), last);
    }
    assert_eq!(s.rooms.views(bob.id, &[]).await.unwrap(), []);
}
