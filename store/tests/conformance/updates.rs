//! Changing what a room is: its name, description, who sees what, and how long messages are kept.

use shared::{
    RoomId, Timestamp,
    protocol::{HistoryVisibility, Retention, Role},
};
use store::{Actor, ChangeBody, RoomPatch, RoomRecord, RoomUpdate, StoreError, Topic};

use crate::{
    engine::Fixture,
    support::{
        actor, all_changes, all_messages, at_once, changes, fails, follow, head, private_room, public_room, room_event,
        send_numbers,
    },
};

fn patch(room: RoomId, by: &Actor, patch: RoomPatch) -> RoomUpdate {
    RoomUpdate { room, by: by.clone(), by_role: Role::Owner, patch }
}

fn name(name: &str) -> RoomPatch {
    RoomPatch { name: Some(name.into()), ..RoomPatch::default() }
}

pub async fn a_patch_changes_what_it_names_and_is_one_change(s: &Fixture) {
    let alice = actor("alice");
    let room = RoomRecord { description: Some("old".into()), handle: Some("lobby".into()), ..public_room("one") };
    s.rooms.create_room(&room, std::slice::from_ref(&alice)).await.unwrap();
    let before = head(&s.store, room.id).await;
    let mut events = follow(&s.store, &[Topic::Room(room.id)]).await;
    let kept = Retention { max_age_seconds: Some(60), max_messages: None };
    let all = RoomPatch {
        name: Some("two \"\n é".into()),
        description: Some(None),
        history_visibility: Some(HistoryVisibility::Joined),
        retention: Some(Some(kept)),
    };
    let expected = RoomRecord {
        name: all.name.clone(),
        description: None,
        history_visibility: HistoryVisibility::Joined,
        retention: Some(kept),
        ..room.clone()
    };
    assert_eq!(s.room_admin.update_room(&patch(room.id, &alice, all.clone())).await.unwrap(), expected);
    assert_eq!(s.rooms.room(room.id).await.unwrap().unwrap().0, expected);
    let (log, _) = changes(&s.store, room.id, before, 9).await;
    let body = ChangeBody::Updated(Box::new(expected.clone()));
    assert_eq!((log.len(), log[0].rev, log[0].user, &log[0].body), (1, before.rev + 1, alice.id, &body));
    let event = room_event(&mut events).await;
    assert_eq!((&event.change, event.username.as_str()), (&log[0], "alice"));
    // The same again, and nothing at all, are no changes.
    for nothing in [all, RoomPatch::default()] {
        assert_eq!(s.room_admin.update_room(&patch(room.id, &alice, nothing)).await.unwrap(), expected);
    }
    assert_eq!(head(&s.store, room.id).await.rev, before.rev + 1);
    // A change is told as the room is now, whatever came after it.
    let now = s.room_admin.update_room(&patch(room.id, &alice, name("three"))).await.unwrap();
    let (log, _) = changes(&s.store, room.id, before, 9).await;
    assert_eq!(log[0].body, ChangeBody::Updated(Box::new(now)));
}

pub async fn a_change_decided_by_another_role_is_not_made(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = private_room("one");
    s.rooms.create_room(&room, &[alice.clone(), bob.clone()]).await.unwrap();
    let before = head(&s.store, room.id).await;
    let right = patch(room.id, &alice, name("two"));
    for wrong in [
        RoomUpdate { by_role: Role::Admin, ..right.clone() },
        RoomUpdate { by: bob, ..right.clone() },
        RoomUpdate { by: actor("carol"), ..right.clone() },
    ] {
        fails!(s.room_admin.update_room(&wrong).await, RolesChanged);
    }
    assert_eq!((s.rooms.room(room.id).await.unwrap().unwrap().0, head(&s.store, room.id).await), (room, before));
    fails!(s.room_admin.update_room(&RoomUpdate { room: RoomId::new(), ..right }).await, RoomNotFound);
}

pub async fn a_public_room_is_found_by_its_new_name_alone(s: &Fixture) {
    let alice = actor("alice");
    let (room, other) = (public_room("Tea"), public_room("Teapot"));
    let hidden = private_room("Tea");
    for room in [&room, &other, &hidden] {
        s.rooms.create_room(room, std::slice::from_ref(&alice)).await.unwrap();
    }
    s.room_admin.update_room(&patch(room.id, &alice, name("Cake"))).await.unwrap();
    s.room_admin.update_room(&patch(hidden.id, &alice, name("Cake"))).await.unwrap();
    assert_eq!(s.rooms.public_rooms("tea", None, 9).await.unwrap(), [other.id]);
    assert_eq!(s.rooms.public_rooms("cAKE", None, 9).await.unwrap(), [room.id]);
    // Only its spelling.
    s.room_admin.update_room(&patch(room.id, &alice, name("CAKE"))).await.unwrap();
    assert_eq!(s.rooms.public_rooms("", None, 9).await.unwrap(), [room.id, other.id]);
}

pub async fn of_many_changes_at_once_each_counts_and_the_last_is_found(s: &Fixture) {
    let alice = actor("alice");
    let room = public_room("start");
    s.rooms.create_room(&room, std::slice::from_ref(&alice)).await.unwrap();
    let start = head(&s.store, room.id).await;
    let changed = at_once((0..6).map(|n| {
        let (admin, update) = (s.room_admin.clone(), patch(room.id, &alice, name(&format!("name{n}"))));
        async move { admin.update_room(&update).await }
    }))
    .await;
    // Who meets many others may be told to come again.
    assert!(changed.iter().all(|r| matches!(r, Ok(_) | Err(StoreError::Unavailable(_)))), "{changed:?}");
    let done = changed.iter().filter(|r| r.is_ok()).count();
    assert_eq!(all_changes(&s.store, room.id, start).await.len(), done);
    let (now, _) = s.rooms.room(room.id).await.unwrap().unwrap();
    assert_eq!(s.rooms.public_rooms("", None, 9).await.unwrap(), [room.id], "under one name");
    assert_eq!(s.rooms.public_rooms(now.name.as_deref().unwrap(), None, 9).await.unwrap(), [room.id]);
}

pub async fn messages_are_kept_as_the_room_says_now(s: &Fixture) {
    let alice = actor("alice");
    let room = private_room("one");
    s.rooms.create_room(&room, std::slice::from_ref(&alice)).await.unwrap();
    send_numbers(&s.store, room.id, &alice, 8).await;
    let keep = |max_messages: Option<u64>| RoomPatch {
        retention: Some(max_messages.map(|n| Retention { max_age_seconds: None, max_messages: Some(n) })),
        ..RoomPatch::default()
    };
    let now = Timestamp::now();
    assert_eq!(s.maintenance.trim(now, 99).await.unwrap(), 0);
    for (limit, removed) in [(Some(5), 3), (Some(7), 0), (None, 0), (Some(2), 3)] {
        s.room_admin.update_room(&patch(room.id, &alice, keep(limit))).await.unwrap();
        assert_eq!(s.maintenance.trim(now, 99).await.unwrap(), removed, "{limit:?}");
        assert_eq!(s.maintenance.trim(now, 99).await.unwrap(), 0, "{limit:?}");
    }
    assert_eq!(all_messages(&s.store, room.id).await.len(), 2);
}
