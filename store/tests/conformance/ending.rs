//! Deleting a room: gone for everybody with one step, and with nothing left behind.

use std::time::Duration;

use shared::{
    RoomId, Timestamp, UserId,
    protocol::{Position, Retention, Role},
};
use store::{
    Actor, ChangeBody, NewInvite, Outcome, PageFrom, RoomPatch, RoomRecord, RoomUpdate, Store, Topic, UserChangeBody,
};

use crate::{
    engine::Fixture,
    support::{
        MANY, actor, actors, at_once, edit, eventually, fails, follow, giving, head, id, join, keyed, naming, page,
        public_room, room_event, send, text, user_change, user_log,
    },
};

async fn made(s: &Store, members: &[Actor]) -> RoomRecord {
    let kept = Retention { max_age_seconds: Some(3600), max_messages: None };
    let room = RoomRecord { handle: Some("lobby".into()), retention: Some(kept), ..public_room("Tea") };
    s.rooms.create_room(&room, members).await.unwrap();
    room
}

/// What a room that is not there answers to everything.
async fn is_not_there(s: &Store, room: RoomId, user: &Actor) {
    assert_eq!(s.rooms.room(room).await.unwrap(), None);
    assert_eq!(s.rooms.positions(&[room]).await.unwrap(), [None]);
    assert_eq!(s.rooms.membership(room, user.id).await.unwrap(), None);
    assert_eq!(s.rooms.members(room, 0, 9).await.unwrap(), []);
    assert_eq!(s.rooms.views(user.id, &[room]).await.unwrap(), [None]);
    assert_eq!(s.rooms.standings(user.id, &[room]).await.unwrap(), [None]);
    fails!(s.rooms.join(room, user, Role::Member, MANY).await, RoomNotFound);
    fails!(s.rooms.leave(room, user).await, RoomNotFound);
    fails!(s.log.append(&text(room, user, "x")).await, RoomNotFound);
    fails!(s.log.edit_message(&edit(id(room, 1), user, "x")).await, RoomNotFound);
    fails!(s.log.react(&giving(id(room, 1), user, "x")).await, RoomNotFound);
    fails!(s.log.delete_message(id(room, 1), user, None).await, RoomNotFound);
    fails!(s.log.history(room, page(PageFrom::Newest, 9)).await, RoomNotFound);
    fails!(s.log.replies(id(room, 1), 0, 9, 999).await, RoomNotFound);
    fails!(s.log.changes(room, Position::BEGINNING, 9, 999).await, RoomNotFound);
    fails!(s.log.mark_read(room, user.id, 1).await, RoomNotFound);
    assert_eq!(s.log.message(id(room, 1)).await.unwrap(), None);
    assert_eq!(s.log.reacted(room, user.id, &[1]).await.unwrap(), []);
    fails!(s.room_admin.delete_room(room, user, Some(Role::Owner)).await, RoomNotFound);
    fails!(s.room_admin.unban(room, user.id, Role::Owner, user.id).await, RoomNotFound);
    fails!(s.room_admin.bans(room, None, 9).await, RoomNotFound);
    let patch = RoomUpdate { room, by: user.clone(), by_role: Role::Owner, patch: RoomPatch::default() };
    fails!(s.room_admin.update_room(&patch).await, RoomNotFound);
    fails!(s.invites.invites(room).await, RoomNotFound);
    fails!(s.invites.redeem(room, user, &[1; 32], MANY).await, RoomNotFound);
    let outcome = Outcome { after: 0, seq: 1, at: Timestamp::now(), notification: None, reason: None };
    s.notify_queue.put_outcomes(room, &[(user.id, outcome)]).await.unwrap();
    assert_eq!(s.notify_queue.outcomes(room, &[user.id]).await.unwrap(), [None]);
    assert_eq!(s.rooms.room_id_by_handle("lobby").await.unwrap(), None);
    assert_eq!(s.rooms.public_rooms("", None, 9).await.unwrap(), []);
    assert!(
        s.notify_queue
            .take_due(Timestamp::now().after(Duration::from_secs(60)), Duration::ZERO, 9)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_deleted_room_is_not_there_from_the_first_moment(s: &Fixture) {
    let people = actors(3);
    let [alice, bob, carol] = &people[..] else { unreachable!() };
    let room = made(&s.store, &people[..2]).await.id;
    send(&s.store, room, alice, "one").await;
    s.log.append(&naming(room, bob, "two", &[alice])).await.unwrap();
    s.log.react(&giving(id(room, 1), bob, "👍")).await.unwrap();
    let (by_role, lifetime) = (Role::Owner, Duration::from_secs(60));
    let invite = NewInvite { room, by: alice.id, by_role, hash: [1; 32], lifetime, max_uses: None };
    s.invites.put_invite(&invite).await.unwrap();
    let acked = s.log.append(&keyed(room, bob, "three", "k")).await.unwrap();
    let before = head(&s.store, room).await;
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    let mut told = follow(&s.store, &people.iter().map(|p| Topic::User(p.id)).collect::<Vec<_>>()).await;

    fails!(s.room_admin.delete_room(room, alice, Some(Role::Admin)).await, RolesChanged);
    fails!(s.room_admin.delete_room(room, bob, Some(Role::Owner)).await, RolesChanged);
    fails!(s.room_admin.delete_room(room, carol, Some(Role::Owner)).await, RolesChanged);
    assert_eq!(head(&s.store, room).await, before);
    s.room_admin.delete_room(room, alice, Some(Role::Owner)).await.unwrap();

    let event = room_event(&mut events).await;
    assert_eq!(
        (event.change.rev, event.change.user, &event.change.body),
        (before.rev + 1, alice.id, &ChangeBody::Ended)
    );
    assert_eq!(event.username, "user0");
    assert!(events.try_recv().is_none());
    is_not_there(&s.store, room, alice).await;
    is_not_there(&s.elsewhere().await, room, bob).await;
    let mut removed = [user_change(&mut told).await, user_change(&mut told).await];
    removed.sort_by_key(|(user, _)| *user);
    assert_eq!(removed, [alice.id, bob.id].map(|user| (user, UserChangeBody::RoomRemoved(room))));
    for person in &people[..2] {
        assert_eq!(s.rooms.rooms_of(person.id).await.unwrap(), []);
    }
    // What was acknowledged stays acknowledged.
    assert_eq!(s.log.append(&keyed(room, bob, "three", "k")).await.unwrap().seq, acked.seq);
    // The handle is free, the id is not.
    let next = made(&s.store, &people[1..]).await;
    assert_eq!(s.rooms.room_id_by_handle("LOBBY").await.unwrap(), Some(next.id));
    s.rooms.create_room(&RoomRecord { id: room, ..public_room("again") }, &people[..1]).await.unwrap();
    assert_eq!(s.rooms.room(room).await.unwrap(), None);
    assert_eq!(s.rooms.rooms_of(alice.id).await.unwrap(), []);
}

pub async fn who_is_no_member_deletes_a_room_where_no_role_is_asked_for(s: &Fixture) {
    let people = actors(2);
    let room = made(&s.store, &people[..1]).await.id;
    fails!(s.room_admin.delete_room(RoomId::new(), &people[1], None).await, RoomNotFound);
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    s.room_admin.delete_room(room, &people[1], None).await.unwrap();
    let event = room_event(&mut events).await;
    assert_eq!((event.change.user, &event.change.body), (people[1].id, &ChangeBody::Ended));
    is_not_there(&s.elsewhere().await, room, &people[0]).await;
    assert_eq!(s.rooms.rooms_of(people[0].id).await.unwrap(), []);
}

pub async fn the_lists_of_many_members_follow_step_by_step(s: &Fixture) {
    let people = actors(450);
    let room = made(&s.store, &people).await.id;
    s.room_admin.delete_room(room, &people[0], Some(Role::Owner)).await.unwrap();
    assert_eq!(s.rooms.views(people[449].id, &[room]).await.unwrap(), [None]);
    eventually("every list has followed", async || {
        s.maintenance.sweep(Timestamp::now()).await.unwrap();
        s.rooms.rooms_of(people[449].id).await.unwrap().is_empty()
    })
    .await;
    for person in &people {
        let log: Vec<_> =
            user_log(&s.store, person.id, Position::BEGINNING).await.into_iter().map(|c| c.body).collect();
        assert_eq!(log, [UserChangeBody::RoomAdded(room), UserChangeBody::RoomRemoved(room)], "once");
    }
}

pub async fn whatever_happens_at_the_same_moment_a_deleted_room_is_gone(s: &Fixture) {
    let people = actors(9);
    let room = made(&s.store, &people[..4]).await.id;
    let far = s.elsewhere().await;
    at_once(people.iter().cloned().enumerate().map(|(n, person)| {
        let store = if n % 2 == 0 { s.store.clone() } else { far.clone() };
        async move {
            for round in 0..10 {
                // Each may be refused, by then.
                match (n, round) {
                    (0, 5) => store.room_admin.delete_room(room, &person, Some(Role::Owner)).await.unwrap(),
                    (0..4, _) => drop(store.log.append(&text(room, &person, "x")).await),
                    (_, round) if round % 2 == 0 => drop(store.rooms.join(room, &person, Role::Member, MANY).await),
                    _ => drop(store.rooms.leave(room, &person).await),
                }
            }
        }
    }))
    .await;
    s.maintenance.sweep(Timestamp::now()).await.unwrap();
    for person in &people {
        assert_eq!(s.rooms.rooms_of(person.id).await.unwrap(), []);
        is_not_there(&s.store, room, person).await;
        let log = user_log(&s.store, person.id, Position::BEGINNING).await;
        assert_eq!(log.len() % 2, 0, "added and removed in turn: {log:?}");
    }
}

pub async fn a_page_of_public_rooms_goes_on_after_a_room_that_is_gone(s: &Fixture) {
    let alice = actor("alice");
    let rooms: Vec<_> = ["a", "b", "c"].map(public_room).into();
    for room in &rooms {
        s.rooms.create_room(room, std::slice::from_ref(&alice)).await.unwrap();
    }
    s.room_admin.delete_room(rooms[1].id, &alice, Some(Role::Owner)).await.unwrap();
    assert_eq!(s.rooms.public_rooms("", Some(("B", rooms[1].id)), 9).await.unwrap(), [rooms[2].id]);
    assert_eq!(s.rooms.public_rooms("c", Some(("b", rooms[1].id)), 9).await.unwrap(), [rooms[2].id]);
    assert_eq!(s.rooms.public_rooms("", None, 9).await.unwrap(), [rooms[0].id, rooms[2].id]);
    join(&s.store, rooms[2].id, &Actor { id: UserId::new(), username: "bob".into() }).await;
}
