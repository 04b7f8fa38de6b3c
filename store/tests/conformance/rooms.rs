//! Rooms: made once, found by handle and by name.

use shared::{
    RoomId, UserId,
    protocol::{Role, RoomType},
};
use store::{RoomRecord, StoreError, Topic, UserChangeBody};

use crate::{
    engine::Fixture,
    support::{actor, actors, at_once, fails, follow, private_room, public_room, send, user_change},
};

pub async fn a_room_is_kept_as_it_was_given(s: &Fixture) {
    let people = actors(3);
    let full = RoomRecord {
        handle: Some("Chess.Club".into()),
        description: Some("{s001} \"é\" \0".into()),
        created_by: people[2].id,
        ..public_room("Chess: the \"club\"")
    };
    let order = [people[2].clone(), people[0].clone(), people[1].clone()];
    s.rooms.create_room(&full, &order).await.unwrap();
    let (record, head) = s.rooms.room(full.id).await.unwrap().unwrap();
    assert_eq!(record, full);
    assert_eq!((head.seq, head.rev, head.floor, head.members), (0, 3, 0, 3));
    let members = s.rooms.members(full.id, 0, 10).await.unwrap();
    let seen: Vec<_> = members.iter().map(|m| (m.user, m.role, m.joined_seq, m.joined_rev)).collect();
    let expected =
        [(people[2].id, Role::Owner, 0, 1), (people[0].id, Role::Member, 0, 2), (people[1].id, Role::Member, 0, 3)];
    assert_eq!(seen, expected);
    for person in &people {
        assert_eq!(s.rooms.rooms_of(person.id).await.unwrap(), [full.id]);
    }
    assert_eq!(s.rooms.room(RoomId::new()).await.unwrap(), None);
    let bare = RoomRecord { name: None, kind: RoomType::Direct, ..private_room("") };
    s.rooms.create_room(&bare, &order[..2]).await.unwrap();
    assert_eq!(s.rooms.room(bare.id).await.unwrap().unwrap().0, bare);
}

pub async fn a_handle_is_taken_in_any_case(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let first = RoomRecord { handle: Some("Lobby".into()), ..public_room("first") };
    s.rooms.create_room(&first, std::slice::from_ref(&alice)).await.unwrap();
    let mut inbox = follow(&s.store, &[Topic::User(bob.id)]).await;
    let second = RoomRecord { handle: Some("lOBBY".into()), ..public_room("second") };
    fails!(s.rooms.create_room(&second, std::slice::from_ref(&bob)).await, HandleTaken);
    assert_eq!(s.rooms.room(second.id).await.unwrap(), None);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), []);
    assert_eq!(s.rooms.membership(second.id, bob.id).await.unwrap(), None);
    assert_eq!(s.rooms.public_rooms("", None, 9).await.unwrap(), [first.id]);
    for handle in ["lobby", "LOBBY", "Lobby"] {
        assert_eq!(s.rooms.room_id_by_handle(handle).await.unwrap(), Some(first.id));
    }
    assert_eq!(s.rooms.room_id_by_handle("lobb").await.unwrap(), None);
    let third = RoomRecord { handle: Some("lobby2".into()), ..second };
    s.rooms.create_room(&third, std::slice::from_ref(&bob)).await.unwrap();
    assert_eq!(user_change(&mut inbox).await, (bob.id, UserChangeBody::RoomAdded(third.id)), "told of that one alone");
    assert!(inbox.try_recv().is_none());
}

pub async fn of_many_rooms_of_one_handle_at_once_exactly_one_wins(s: &Fixture) {
    let people = actors(16);
    let handles = ["lobby", "LOBBY"];
    let rooms: Vec<_> =
        (0..16).map(|i| RoomRecord { handle: Some(handles[i % 2].into()), ..public_room("room") }).collect();
    let results = at_once(rooms.clone().into_iter().zip(people.clone()).map(|(room, person)| {
        let rooms = s.rooms.clone();
        async move { rooms.create_room(&room, &[person]).await }
    }))
    .await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
    for ((room, person), result) in rooms.iter().zip(&people).zip(results) {
        let won = result.is_ok();
        assert!(won || matches!(result, Err(StoreError::HandleTaken)), "{result:?}");
        assert_eq!(s.rooms.room(room.id).await.unwrap().is_some(), won);
        assert_eq!(s.rooms.rooms_of(person.id).await.unwrap().len(), usize::from(won));
        if won {
            assert_eq!(s.rooms.room_id_by_handle("lobby").await.unwrap(), Some(room.id));
        }
    }
}

pub async fn a_direct_room_opened_by_both_at_once_is_one(s: &Fixture) {
    for _ in 0..5 {
        let (a, b) = (actor("a"), actor("b"));
        let id = RoomId::direct(a.id, b.id);
        at_once((0..8).map(|i| {
            let rooms = s.rooms.clone();
            let members = if i % 2 == 0 { [a.clone(), b.clone()] } else { [b.clone(), a.clone()] };
            let created_by = members[0].id;
            let record = RoomRecord { id, kind: RoomType::Direct, name: None, created_by, ..private_room("") };
            async move { rooms.create_room(&record, &members).await.unwrap() }
        }))
        .await;
        let (record, head) = s.rooms.room(id).await.unwrap().unwrap();
        assert_eq!((head.seq, head.rev, head.members), (0, 2, 2));
        let members = s.rooms.members(id, 0, 9).await.unwrap();
        assert_eq!(members[0].user, record.created_by, "the record and the members are of one opening");
        assert_eq!(members.iter().map(|m| m.joined_rev).collect::<Vec<_>>(), [1, 2]);
        for user in [a.id, b.id] {
            assert_eq!(s.rooms.rooms_of(user).await.unwrap(), [id]);
        }
    }
}

pub async fn a_room_that_is_there_is_left_as_it_is(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = RoomRecord { handle: Some("one".into()), ..public_room("first") };
    s.rooms.create_room(&room, std::slice::from_ref(&alice)).await.unwrap();
    send(&s.store, room.id, &alice, "hello").await;
    let before = s.rooms.room(room.id).await.unwrap();
    s.rooms.create_room(&room, std::slice::from_ref(&alice)).await.unwrap();
    let other = RoomRecord { name: Some("second".into()), handle: None, ..room.clone() };
    s.rooms.create_room(&other, std::slice::from_ref(&bob)).await.unwrap();
    assert_eq!(s.rooms.room(room.id).await.unwrap(), before);
    assert_eq!(s.rooms.membership(room.id, bob.id).await.unwrap(), None);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), []);
    assert_eq!(s.rooms.room_id_by_handle("one").await.unwrap(), Some(room.id));
    assert_eq!(s.rooms.public_rooms("", None, 9).await.unwrap(), [room.id]);
}

pub async fn only_its_members_are_told_of_a_new_room(s: &Fixture) {
    let people = actors(3);
    let topics: Vec<Topic> = people.iter().map(|p| Topic::User(p.id)).collect();
    let mut inbox = follow(&s.store, &topics).await;
    let room = public_room("first");
    s.rooms.create_room(&room, &people[..2]).await.unwrap();
    let mut told = [user_change(&mut inbox).await, user_change(&mut inbox).await];
    told.sort_by_key(|(user, _)| *user);
    assert_eq!(told, [0, 1].map(|i| (people[i].id, UserChangeBody::RoomAdded(room.id))));
    let after = public_room("second");
    s.rooms.create_room(&after, &people[2..]).await.unwrap();
    assert_eq!(user_change(&mut inbox).await, (people[2].id, UserChangeBody::RoomAdded(after.id)));
    assert!(inbox.try_recv().is_none());
}

pub async fn public_rooms_are_listed_by_folded_name_then_id(s: &Fixture) {
    let owner = [actor("owner")];
    let mut named: Vec<(String, RoomId)> = Vec::new();
    for name in ["team", "Team", "TEAM", "team!", "team a", "Team:b", "teal", "tean", "z", "Émile", "team\u{10ffff}"] {
        let room = public_room(name);
        s.rooms.create_room(&room, &owner).await.unwrap();
        s.rooms.create_room(&private_room(name), &owner).await.unwrap();
        named.push((name.to_ascii_lowercase(), room.id));
    }
    named.sort();
    let all = |prefix: &str| -> Vec<RoomId> {
        named.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, id)| *id).collect()
    };
    assert_eq!(s.rooms.public_rooms("", None, 50).await.unwrap(), all(""));
    assert_eq!(s.rooms.public_rooms("TEAM", None, 50).await.unwrap(), all("team"));
    assert_eq!(s.rooms.public_rooms("team ", None, 50).await.unwrap(), all("team "));
    assert_eq!(s.rooms.public_rooms("É", None, 50).await.unwrap(), all("É"));
    assert_eq!(s.rooms.public_rooms("é", None, 50).await.unwrap(), []);
    for odd in ["*", "team*", "[t]", "\u{10ffff}", "team\0"] {
        assert_eq!(s.rooms.public_rooms(odd, None, 50).await.unwrap(), [], "{odd:?}");
    }
    for size in [1, 2, 3] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = s.rooms.public_rooms("team", after, size).await.unwrap();
            assert!(page.len() <= size);
            let Some(last) = page.last() else { break };
            after = named.iter().find(|(_, id)| id == last).map(|(name, id)| (name.as_str(), *id));
            paged.extend(page);
        }
        assert_eq!(paged, all("team"), "in pages of {size}");
    }
}

pub async fn a_name_that_is_another_rooms_name_and_more_does_not_mix_with_it(s: &Fixture) {
    let owner = [actor("owner")];
    let ids: Vec<RoomId> = {
        let mut ids = Vec::new();
        for name in ["b", "b ", "ba"] {
            let room = RoomRecord { created_by: UserId::new(), ..public_room(name) };
            s.rooms.create_room(&room, &owner).await.unwrap();
            ids.push(room.id);
        }
        ids
    };
    assert_eq!(s.rooms.public_rooms("b", None, 9).await.unwrap(), ids);
    assert_eq!(s.rooms.public_rooms("b", Some(("b", ids[0])), 9).await.unwrap(), ids[1..]);
    assert_eq!(s.rooms.public_rooms("ba", Some(("B", ids[0])), 9).await.unwrap(), ids[2..]);
    assert_eq!(s.rooms.public_rooms("b", Some(("ba", ids[2])), 9).await.unwrap(), []);
}
