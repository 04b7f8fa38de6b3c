//! Who is in a room: joining, leaving, the limit, the lists from both sides, also when all happens at once.

use std::time::Duration;

use shared::{
    RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};
use store::{BusEvent, ChangeBody, Removal, Signal, StoreError, Topic, UserChangeBody};

use crate::{
    engine::Fixture,
    support::{
        MANY, actor, actors, all_changes, at_once, both, changes, fails, follow, head, join, marks, private_room,
        public_room, room_event, room_of, send, signal, user_change, user_log, view,
    },
};

pub async fn a_join_is_one_change_and_told_to_the_joiner(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    send(&s.store, room, &alice, "before").await;
    let before = head(&s.store, room).await;
    let mut told = follow(&s.store, &[Topic::User(bob.id), Topic::User(alice.id)]).await;
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    let joined = s.rooms.join(room, &bob, Role::Admin, MANY).await.unwrap();
    assert_eq!(joined.position.rev, before.rev + 1);
    let membership = &joined.membership;
    assert_eq!((membership.user, membership.role), (bob.id, Role::Admin));
    assert_eq!((membership.joined_seq, membership.joined_rev), (1, joined.position.rev));
    assert!(Timestamp::now().since(membership.joined_at) < Duration::from_secs(60));
    assert_eq!(s.rooms.membership(room, bob.id).await.unwrap().as_ref(), Some(membership));
    assert_eq!(head(&s.store, room).await, joined.position);
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.members, 2);
    let (log, _) = changes(&s.store, room, before, 9).await;
    assert_eq!((log.len(), log[0].user, &log[0].body), (1, bob.id, &ChangeBody::Joined));
    let event = room_event(&mut events).await;
    assert_eq!((&event.change, event.username.as_str()), (&log[0], "bob"));
    assert_eq!(user_change(&mut told).await, (bob.id, UserChangeBody::RoomAdded(room)));
    assert!(told.try_recv().is_none());
}

pub async fn a_leave_is_one_change_and_told_to_the_leaver(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &bob, "read").await;
    let before = head(&s.store, room).await;
    let mut told = follow(&s.store, &[Topic::User(bob.id), Topic::User(alice.id)]).await;
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    let position = s.rooms.leave(room, &bob).await.unwrap();
    assert_eq!(position.rev, before.rev + 1);
    assert_eq!(head(&s.store, room).await, position);
    let (log, _) = changes(&s.store, room, before, 9).await;
    assert_eq!((log.len(), log[0].user, &log[0].body), (1, bob.id, &ChangeBody::Left));
    let event = room_event(&mut events).await;
    assert_eq!((&event.change, event.username.as_str()), (&log[0], "bob"));
    assert_eq!(user_change(&mut told).await, (bob.id, UserChangeBody::RoomRemoved(room)));
    assert!(told.try_recv().is_none());
    assert_eq!(s.rooms.membership(room, bob.id).await.unwrap(), None);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), []);
    assert_eq!(s.rooms.members(room, 0, 9).await.unwrap().len(), 1);
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.members, 1);
    assert_eq!(marks(&s.store, room, &bob).await, both(0), "the marks go too");
}

pub async fn joining_and_leaving_twice_or_nowhere_is_an_error(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let before = head(&s.store, room).await;
    fails!(s.rooms.join(room, &alice, Role::Member, MANY).await, AlreadyAMember);
    fails!(s.rooms.join(room, &alice, Role::Member, 1).await, AlreadyAMember);
    fails!(s.rooms.leave(room, &bob).await, NotAMember);
    fails!(s.rooms.join(room, &bob, Role::Member, 1).await, RoomFull);
    assert_eq!(head(&s.store, room).await, before);
    assert_eq!(s.rooms.membership(room, alice.id).await.unwrap().unwrap().role, Role::Owner);
    let nowhere = RoomId::new();
    fails!(s.rooms.join(nowhere, &bob, Role::Member, MANY).await, RoomNotFound);
    fails!(s.rooms.leave(nowhere, &bob).await, RoomNotFound);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), []);
    assert_eq!(s.rooms.membership(nowhere, bob.id).await.unwrap(), None);
    assert_eq!(s.rooms.membership(room, bob.id).await.unwrap(), None);
    assert_eq!(s.rooms.room(nowhere).await.unwrap(), None);
}

pub async fn coming_back_is_a_new_membership(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &alice, "one").await;
    s.rooms.leave(room, &bob).await.unwrap();
    send(&s.store, room, &alice, "two").await;
    let joined = s.rooms.join(room, &bob, Role::Member, MANY).await.unwrap();
    assert_eq!((joined.membership.joined_seq, joined.membership.joined_rev), (2, 6));
    let members = s.rooms.members(room, 0, 9).await.unwrap();
    assert_eq!(members.iter().map(|m| (m.user, m.joined_rev)).collect::<Vec<_>>(), [(alice.id, 1), (bob.id, 6)]);
    let seen = view(&s.store, room, &bob).await;
    assert_eq!((seen.unread, seen.membership), (0, joined.membership));
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.members, 2);
}

pub async fn the_last_one_to_leave_leaves_an_empty_room(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    send(&s.store, room, &alice, "one").await;
    s.rooms.leave(room, &alice).await.unwrap();
    let (_, head) = s.rooms.room(room).await.unwrap().unwrap();
    assert_eq!((head.seq, head.rev, head.members), (1, 3, 0));
    assert_eq!(s.rooms.members(room, 0, 9).await.unwrap(), []);
    assert_eq!(join(&s.store, room, &alice).await.rev, 4);
    assert_eq!(s.rooms.membership(room, alice.id).await.unwrap().unwrap().role, Role::Owner);
}

pub async fn a_room_never_has_more_members_than_it_may(s: &Fixture) {
    let people = actors(25);
    let room = room_of(&s.store, &[&people[0]]).await;
    let results = at_once(people[1..].iter().cloned().map(|person| {
        let rooms = s.rooms.clone();
        async move { rooms.join(room, &person, Role::Member, 10).await }
    }))
    .await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 9, "{results:?}");
    for (person, result) in people[1..].iter().zip(&results) {
        assert!(matches!(result, Ok(_) | Err(StoreError::RoomFull)), "{result:?}");
        let expected: &[RoomId] = if result.is_ok() { &[room] } else { &[] };
        assert_eq!(s.rooms.rooms_of(person.id).await.unwrap(), expected);
    }
    let members = s.rooms.members(room, 0, 99).await.unwrap();
    assert_eq!(members.iter().map(|m| m.joined_rev).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let (_, head) = s.rooms.room(room).await.unwrap().unwrap();
    assert_eq!((head.rev, head.members), (10, 10));
    s.rooms.leave(room, &people[0]).await.unwrap();
    s.rooms.join(room, &people[0], Role::Member, 10).await.unwrap();
    fails!(s.rooms.join(room, &actor("late"), Role::Member, 10).await, RoomFull);
}

pub async fn of_many_joins_of_one_user_at_once_one_counts(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let results = at_once((0..16).map(|_| {
        let (rooms, bob) = (s.rooms.clone(), bob.clone());
        async move { rooms.join(room, &bob, Role::Member, MANY).await }
    }))
    .await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
    assert!(results.iter().all(|r| matches!(r, Ok(_) | Err(StoreError::AlreadyAMember))), "{results:?}");
    let (_, head) = s.rooms.room(room).await.unwrap().unwrap();
    assert_eq!((head.rev, head.members), (2, 2));
}

pub async fn joins_and_leaves_at_once_leave_both_sides_agreeing(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let start = head(&s.store, room).await;
    at_once((0..6).map(|task| {
        let (rooms, bob) = (s.rooms.clone(), bob.clone());
        async move {
            for _ in 0..10 {
                let result = if task % 2 == 0 {
                    rooms.join(room, &bob, Role::Member, MANY).await.map(|_| ())
                } else {
                    rooms.leave(room, &bob).await.map(|_| ())
                };
                let expected = [StoreError::AlreadyAMember, StoreError::NotAMember].map(|e| e.to_string());
                assert!(result.as_ref().err().is_none_or(|e| expected.contains(&e.to_string())), "{result:?}");
                // Who reads settles what others have begun.
                rooms.rooms_of(bob.id).await.unwrap();
            }
        }
    }))
    .await;
    let log = all_changes(&s.store, room, start).await;
    for (i, change) in log.iter().enumerate() {
        let body = if i % 2 == 0 { ChangeBody::Joined } else { ChangeBody::Left };
        assert_eq!((change.rev, &change.body), (start.rev + 1 + i as u64, &body));
    }
    let inside = log.len() % 2 == 1;
    assert_eq!(s.rooms.membership(room, bob.id).await.unwrap().is_some(), inside);
    let own = user_log(&s.store, bob.id, Position::BEGINNING).await;
    for (i, entry) in own.iter().enumerate() {
        let body = if i % 2 == 0 { UserChangeBody::RoomAdded(room) } else { UserChangeBody::RoomRemoved(room) };
        assert_eq!(entry.body, body, "entry {i} of {own:?}");
    }
    // Comings and goings at the same moment may be told as what came of them, never as more than there were.
    assert!(own.len() <= log.len() && (own.len() % 2 == 1) == inside, "the last word is true: {own:?}");
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), if inside { vec![room] } else { vec![] });
    assert_eq!(s.rooms.views(bob.id, &[room]).await.unwrap()[0].is_some(), inside);
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.members, 1 + u64::from(inside));
}

pub async fn members_come_in_pages_in_order_of_joining(s: &Fixture) {
    let people = actors(30);
    let room = room_of(&s.store, &[&people[29]]).await;
    for person in people[..29].iter().rev() {
        join(&s.store, room, person).await;
    }
    s.rooms.leave(room, &people[20]).await.unwrap();
    join(&s.store, room, &people[20]).await;
    let mut expected: Vec<UserId> = people.iter().rev().map(|p| p.id).filter(|id| *id != people[20].id).collect();
    expected.push(people[20].id);
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let page = s.rooms.members(room, after, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7 && page[0].joined_rev > after);
        after = last.joined_rev;
        seen.extend(page.iter().map(|m| m.user));
    }
    assert_eq!(seen, expected);
    assert_eq!(s.rooms.members(room, u64::MAX, 7).await.unwrap(), []);
}

pub async fn a_user_s_rooms_come_in_order_of_id(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let mut rooms: Vec<_> = (0..60).map(|i| public_room(&format!("room {i}"))).collect();
    // A direct room's id is no time-ordered one: it lies anywhere among the others.
    rooms.push(store::RoomRecord { id: RoomId::direct(alice.id, bob.id), ..public_room("direct") });
    rooms.reverse();
    for room in &rooms {
        s.rooms.create_room(room, &[alice.clone(), bob.clone()]).await.unwrap();
    }
    let mut ids: Vec<RoomId> = rooms.iter().map(|r| r.id).collect();
    ids.sort();
    assert_eq!(s.rooms.rooms_of(alice.id).await.unwrap(), ids);
    for room in ids.iter().step_by(2) {
        s.rooms.leave(*room, &alice).await.unwrap();
    }
    let left: Vec<RoomId> = ids.iter().copied().skip(1).step_by(2).collect();
    assert_eq!(s.rooms.rooms_of(alice.id).await.unwrap(), left);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), ids);
    assert_eq!(s.rooms.rooms_of(UserId::new()).await.unwrap(), []);
}

pub async fn whoever_watches_is_told_when_a_users_list_of_rooms_changes(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let mut inbox = follow(&s.store, &[Topic::Presence(alice.id)]).await;
    let listed = async || s.rooms.listed_rooms(&[carol.id, alice.id, UserId::new()]).await.unwrap();
    let mut told = async || match signal(&mut inbox).await {
        Signal::Event(BusEvent::AccessChanged { user, watcher: None }) => assert_eq!(user, alice.id),
        other => panic!("expected a change of access, got {other:?}"),
    };
    let room = private_room("room");
    s.rooms.create_room(&room, &[bob.clone(), alice.clone()]).await.unwrap();
    told().await;
    assert_eq!(listed().await, [vec![], vec![room.id], vec![]]);
    s.rooms.leave(room.id, &alice).await.unwrap();
    told().await;
    join(&s.store, room.id, &carol).await;
    assert_eq!(listed().await, [vec![room.id], vec![], vec![]]);
    join(&s.store, room.id, &alice).await;
    told().await;
    let kick = Removal {
        room: room.id,
        by: bob.clone(),
        by_role: Role::Owner,
        user: alice.clone(),
        role: Some(Role::Member),
        ban: false,
    };
    s.room_admin.remove_member(&kick).await.unwrap();
    told().await;
    join(&s.store, room.id, &alice).await;
    told().await;
    s.room_admin.delete_room(room.id, &bob, Some(Role::Owner)).await.unwrap();
    told().await;
    assert_eq!(listed().await, [vec![], vec![], vec![]]);
}
