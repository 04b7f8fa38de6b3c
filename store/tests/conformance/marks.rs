//! What followers of a room are told and no log keeps: marks that moved, and typing.

use shared::{RoomId, UserId};
use store::{Actor, BusEvent, MarkEvent, Marked, Marks, Signal, Topic, TypingEvent};

use crate::{
    engine::Fixture,
    support::{
        Following, actor, both, fails, follow, head, id, join, marks, room_event, room_of, send, send_numbers, signal,
        unread,
    },
};

async fn mark_event(inbox: &mut Following) -> MarkEvent {
    match signal(inbox).await {
        Signal::Event(BusEvent::Marked(event)) => (*event).clone(),
        other => panic!("expected marks, got {other:?}"),
    }
}

async fn typing_event(inbox: &mut Following) -> TypingEvent {
    match signal(inbox).await {
        Signal::Event(BusEvent::Typing(event)) => (*event).clone(),
        other => panic!("expected typing, got {other:?}"),
    }
}

pub async fn what_is_read_is_delivered_but_not_the_other_way_round(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 6).await;
    assert_eq!(marks(&s.store, room, &alice).await, both(6), "sending moves both");
    let at = |delivered, read| Marks { delivered, read };
    let mut before = both(0);
    let moves = [
        (false, 3, at(3, 0)),
        (false, 2, at(3, 0)),
        (true, 2, at(3, 2)),
        (true, 1, at(3, 2)),
        (true, 4, at(4, 4)),
        (false, 4, at(4, 4)),
        (false, u64::MAX, at(6, 4)),
        (true, 1 << 53, at(6, 6)),
    ];
    for (read, seq, now) in moves {
        let moved = if read {
            s.log.mark_read(room, bob.id, seq).await.unwrap()
        } else {
            s.log.mark_delivered(room, bob.id, seq).await.unwrap()
        };
        assert_eq!(moved, Marked { before, now }, "read: {read}, {seq}");
        assert_eq!(marks(&s.store, room, &bob).await, now);
        assert_eq!(unread(&s.store, room, &bob).await, 6 - now.read);
        before = now;
    }
    let carol = actor("carol");
    fails!(s.log.mark_delivered(room, carol.id, 1).await, NotAMember);
    fails!(s.log.mark_delivered(RoomId::new(), bob.id, 1).await, RoomNotFound);
    join(&s.store, room, &carol).await;
    assert_eq!(marks(&s.store, room, &carol).await, both(6), "joining sets both to the head");
    s.rooms.leave(room, &carol).await.unwrap();
    let all = s.log.marks(room, &[carol.id, bob.id, UserId::new()]).await.unwrap();
    assert_eq!(all, [both(0), both(6), both(0)]);
}

pub async fn marks_that_move_reach_the_followers_and_no_log(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let far = s.elsewhere().await;
    send_numbers(&s.store, room, &alice, 5).await;
    let before = head(&s.store, room).await;
    let mut here = follow(&s.store, &[Topic::Room(room)]).await;
    let mut there = follow(&far, &[Topic::Room(room)]).await;
    let mut own = follow(&s.store, &[Topic::User(bob.id)]).await;
    s.log.mark_delivered(room, bob.id, 4).await.unwrap();
    s.log.mark_delivered(room, bob.id, 3).await.unwrap();
    far.log.mark_read(room, bob.id, 2).await.unwrap();
    s.log.mark_read(room, bob.id, 2).await.unwrap();
    s.log.mark_read(room, alice.id, 5).await.unwrap();
    s.log.mark_read(room, bob.id, 9).await.unwrap();
    let at = |delivered, read| Marks { delivered, read };
    for (before, now) in [(at(0, 0), at(4, 0)), (at(4, 0), at(4, 2)), (at(4, 2), at(5, 5))] {
        let expected = MarkEvent { room, user: bob.id, before, now, members: 2 };
        assert_eq!(mark_event(&mut here).await, expected, "only those that moved");
        assert_eq!(mark_event(&mut there).await, expected);
    }
    assert_eq!(head(&s.store, room).await, before);
    let sent = send(&s.store, room, &alice, "6").await;
    join(&s.store, room, &actor("carol")).await;
    s.rooms.leave(room, &bob).await.unwrap();
    for n in 0..3 {
        assert_eq!(room_event(&mut here).await.change.rev, sent.rev + n, "no marks for sending, joining, leaving");
    }
    assert!(here.try_recv().is_none());
    assert!(!matches!(own.try_recv(), Some(Signal::Event(BusEvent::Marked(_)))), "nor on the user's own topic");
}

pub async fn marks_at_once_of_two_kinds_end_right(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 20).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    let moves = crate::support::at_once((1..=20_u64).map(|n| {
        let log = s.log.clone();
        async move {
            let seq = (n * 7) % 21;
            let moved =
                if n % 2 == 0 { log.mark_read(room, bob.id, seq) } else { log.mark_delivered(room, bob.id, seq) };
            moved.await.unwrap()
        }
    }))
    .await;
    let mut stands = both(0);
    for _ in moves.iter().filter(|m| m.now != m.before) {
        let event = mark_event(&mut inbox).await;
        assert_eq!(event.before, stands, "each goes on from the one before");
        assert!(event.now.read >= stands.read && event.now.delivered >= stands.delivered, "{event:?}");
        assert!(event.now.read <= event.now.delivered, "{event:?}");
        stands = event.now;
    }
    assert!(inbox.try_recv().is_none());
    assert_eq!(marks(&s.store, room, &bob).await, stands);
    let highest = |even| (1..=20_u64).filter(|n| n % 2 == even).map(|n| (n * 7) % 21).max().unwrap();
    assert_eq!(stands, Marks { read: highest(0), delivered: highest(0).max(highest(1)) });
}

pub async fn typing_reaches_the_followers_and_no_log(s: &Fixture) {
    let (alice, bob) = (actor("alice é"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let other = room_of(&s.store, &[&alice, &bob]).await;
    let far = s.elsewhere().await;
    let before = s.rooms.room(room).await.unwrap();
    let mut here = follow(&s.store, &[Topic::Room(room)]).await;
    let mut there = follow(&far, &[Topic::Room(room)]).await;
    let typing =
        |room, user: &Actor, typing| TypingEvent { room, user: user.id, username: user.username.clone(), typing };
    s.bus.publish_typing(&typing(other, &bob, true)).await.unwrap();
    for (user, on) in [(&alice, true), (&alice, true), (&bob, true), (&alice, false)] {
        let event = typing(room, user, on);
        far.bus.publish_typing(&event).await.unwrap();
        assert_eq!(typing_event(&mut here).await, event);
        assert_eq!(typing_event(&mut there).await, event);
    }
    assert_eq!(s.rooms.room(room).await.unwrap(), before);
    send(&s.store, room, &bob, "done").await;
    assert_eq!(room_event(&mut here).await.change.rev, 3);
    s.log.delete_message(id(room, 1), &bob, None).await.unwrap();
    assert_eq!(room_event(&mut here).await.change.rev, 4);
    assert!(here.try_recv().is_none());
}
