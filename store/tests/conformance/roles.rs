//! Roles, kicks and bans, and who gets a room when its owner leaves.

use shared::{
    RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};
use store::{
    Actor, Ban, ChangeBody, Removal, RoleChange, RoomRecord, Store, Topic, UserChangeBody, room_admin::BANS_A_ROOM,
};

use crate::{
    engine::Fixture,
    support::{
        MANY, actor, actors, all_changes, at_once, both, changes, fails, follow, head, join, marks, private_room,
        room_event, room_of, send, user_change,
    },
};

fn giving(room: RoomId, by: &Actor, user: &Actor, (from, to): (Role, Role)) -> RoleChange {
    RoleChange { room, by: by.clone(), by_role: Role::Owner, user: user.clone(), from, to }
}

fn kick(room: RoomId, by: &Actor, user: &Actor) -> Removal {
    let (by_role, role) = (Role::Owner, Some(Role::Member));
    Removal { room, by: by.clone(), by_role, user: user.clone(), role, ban: false }
}

fn ban(room: RoomId, by: &Actor, user: &Actor) -> Removal {
    Removal { ban: true, ..kick(room, by, user) }
}

/// Members and their roles, in order of joining.
async fn roles(store: &Store, room: RoomId) -> Vec<(UserId, Role)> {
    store.rooms.members(room, 0, 99).await.unwrap().into_iter().map(|m| (m.user, m.role)).collect()
}

async fn make_admin(store: &Store, room: RoomId, owner: &Actor, user: &Actor) -> Position {
    store.room_admin.set_role(&giving(room, owner, user, (Role::Member, Role::Admin))).await.unwrap()
}

pub async fn a_role_is_one_change_and_leaves_the_membership_as_it_is(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &alice, "one").await;
    let (before, was) = (head(&s.store, room).await, s.rooms.membership(room, bob.id).await.unwrap().unwrap());
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    let position = make_admin(&s.store, room, &alice, &bob).await;
    assert_eq!((position.rev, head(&s.store, room).await), (before.rev + 1, position));
    let (log, _) = changes(&s.store, room, before, 9).await;
    assert_eq!((log.len(), log[0].user, &log[0].body), (1, bob.id, &ChangeBody::Role { role: Role::Admin }));
    let event = room_event(&mut events).await;
    assert_eq!((&event.change, event.username.as_str()), (&log[0], "bob"));
    let now = s.rooms.membership(room, bob.id).await.unwrap().unwrap();
    assert_eq!(now, store::Membership { role: Role::Admin, ..was });
    assert_eq!(s.rooms.views(bob.id, &[room]).await.unwrap()[0].as_ref().unwrap().membership, now);
    assert_eq!(roles(&s.store, room).await, [(alice.id, Role::Owner), (bob.id, Role::Admin)]);
    let back = giving(room, &alice, &bob, (Role::Admin, Role::Member));
    s.room_admin.set_role(&back).await.unwrap();
    assert_eq!(roles(&s.store, room).await, [(alice.id, Role::Owner), (bob.id, Role::Member)]);
}

pub async fn a_room_that_is_passed_on_has_one_owner(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let before = head(&s.store, room).await;
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    let pass = giving(room, &alice, &bob, (Role::Member, Role::Owner));
    let position = s.room_admin.set_role(&pass).await.unwrap();
    let (log, _) = changes(&s.store, room, before, 9).await;
    let told: Vec<_> = log.iter().map(|c| (c.user, c.body.clone())).collect();
    let role = |role| ChangeBody::Role { role };
    assert_eq!(told, [(bob.id, role(Role::Owner)), (alice.id, role(Role::Admin))]);
    assert_eq!((position.rev, position.event_id), (before.rev + 2, log[1].event_id));
    for change in &log {
        assert_eq!(room_event(&mut events).await.change, *change);
    }
    assert_eq!(roles(&s.store, room).await, [(alice.id, Role::Admin), (bob.id, Role::Owner)]);
    fails!(s.room_admin.set_role(&pass).await, RolesChanged);
}

pub async fn what_was_decided_by_other_roles_is_not_done(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let before = head(&s.store, room).await;
    let right = giving(room, &alice, &bob, (Role::Member, Role::Admin));
    for wrong in [
        RoleChange { by_role: Role::Admin, ..right.clone() },
        RoleChange { from: Role::Admin, to: Role::Member, ..right.clone() },
        RoleChange { by: carol.clone(), ..right.clone() },
        RoleChange { user: carol.clone(), ..right.clone() },
    ] {
        fails!(s.room_admin.set_role(&wrong).await, RolesChanged);
    }
    for wrong in [
        Removal { by_role: Role::Admin, ..ban(room, &alice, &bob) },
        Removal { role: Some(Role::Admin), ..ban(room, &alice, &bob) },
        Removal { role: None, ..ban(room, &alice, &bob) },
        ban(room, &carol, &bob),
        ban(room, &alice, &carol),
    ] {
        fails!(s.room_admin.remove_member(&wrong).await, RolesChanged);
    }
    assert_eq!(head(&s.store, room).await, before);
    assert_eq!(s.room_admin.bans(room, None, 9).await.unwrap(), []);
    assert_eq!(roles(&s.store, room).await, [(alice.id, Role::Owner), (bob.id, Role::Member)]);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), [room]);
    let nowhere = RoomId::new();
    fails!(s.room_admin.set_role(&RoleChange { room: nowhere, ..right }).await, RoomNotFound);
    fails!(s.room_admin.remove_member(&kick(nowhere, &alice, &bob)).await, RoomNotFound);
    fails!(s.room_admin.unban(nowhere, alice.id, Role::Owner, bob.id).await, RoomNotFound);
    fails!(s.room_admin.bans(nowhere, None, 9).await, RoomNotFound);
}

pub async fn a_kick_is_one_change_told_to_the_member_who_may_come_back(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &bob, "read").await;
    let before = head(&s.store, room).await;
    let mut told = follow(&s.store, &[Topic::User(bob.id), Topic::User(alice.id)]).await;
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    let position = s.room_admin.remove_member(&kick(room, &alice, &bob)).await.unwrap();
    assert_eq!((position.rev, head(&s.store, room).await), (before.rev + 1, position));
    let (log, _) = changes(&s.store, room, before, 9).await;
    assert_eq!((log.len(), log[0].user, &log[0].body), (1, bob.id, &ChangeBody::Removed { by: alice.id }));
    let event = room_event(&mut events).await;
    assert_eq!((&event.change, event.username.as_str()), (&log[0], "bob"));
    assert_eq!(user_change(&mut told).await, (bob.id, UserChangeBody::RoomRemoved(room)));
    assert!(told.try_recv().is_none());
    assert_eq!(s.rooms.membership(room, bob.id).await.unwrap(), None);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), []);
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.members, 1);
    assert_eq!(marks(&s.store, room, &bob).await, both(0), "the marks go too");
    join(&s.store, room, &bob).await;
}

pub async fn who_is_banned_stays_out_until_the_ban_is_lifted(s: &Fixture) {
    let people = actors(4);
    let (alice, rest) = people.split_first().unwrap();
    let room = room_of(&s.store, &[alice, &rest[0], &rest[1]]).await;
    s.room_admin.remove_member(&ban(room, alice, &rest[0])).await.unwrap();
    fails!(s.rooms.join(room, &rest[0], Role::Member, MANY).await, Banned);
    assert_eq!(s.rooms.rooms_of(rest[0].id).await.unwrap(), []);
    // Who is no member can be kept out, too, and that is no change.
    let before = head(&s.store, room).await;
    let stranger = Removal { role: None, ..ban(room, alice, &rest[2]) };
    assert_eq!(s.room_admin.remove_member(&stranger).await.unwrap(), before);
    assert_eq!(head(&s.store, room).await, before);
    fails!(s.rooms.join(room, &rest[2], Role::Member, MANY).await, Banned);
    make_admin(&s.store, room, alice, &rest[1]).await;
    let again = Removal { by: rest[1].clone(), by_role: Role::Admin, ..stranger };
    s.room_admin.remove_member(&again).await.unwrap();
    let bans = s.room_admin.bans(room, None, 9).await.unwrap();
    let told: Vec<_> = bans.iter().map(|ban| (ban.user, ban.by)).collect();
    assert_eq!(told, [(rest[0].id, alice.id), (rest[2].id, alice.id)], "the first ban stays");
    assert!(bans.iter().all(|ban: &Ban| Timestamp::now().since(ban.at).as_secs() < 60));
    assert_eq!(s.room_admin.bans(room, None, 1).await.unwrap(), bans[..1]);
    assert_eq!(s.room_admin.bans(room, Some(rest[0].id), 9).await.unwrap(), bans[1..]);
    // Not by who is no admin any more, or another.
    for (by, role) in [(alice, Role::Admin), (&rest[1], Role::Owner), (&rest[2], Role::Admin)] {
        fails!(s.room_admin.unban(room, by.id, role, rest[0].id).await, RolesChanged);
    }
    assert_eq!(s.room_admin.bans(room, None, 9).await.unwrap(), bans);
    for _ in 0..2 {
        s.room_admin.unban(room, rest[1].id, Role::Admin, rest[0].id).await.unwrap();
    }
    join(&s.store, room, &rest[0]).await;
    assert_eq!(s.room_admin.bans(room, None, 9).await.unwrap(), bans[1..]);
}

pub async fn bans_of_a_room_are_bounded(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let strangers = actors(BANS_A_ROOM + 5);
    let of = |user: &Actor| Removal { role: None, ..ban(room, &alice, user) };
    let bans = strangers.iter().map(of).map(|removal| {
        let admin = s.room_admin.clone();
        async move { admin.remove_member(&removal).await }
    });
    let refused = at_once(bans).await.into_iter().filter(Result::is_err).count();
    assert_eq!(refused, 5);
    let banned = s.room_admin.bans(room, None, MANY as usize).await.unwrap();
    assert_eq!(banned.len(), BANS_A_ROOM);
    let known = strangers.iter().find(|user| user.id == banned[0].user).unwrap();
    s.room_admin.remove_member(&of(known)).await.unwrap();
    fails!(s.room_admin.remove_member(&of(&actor("late"))).await, TooManyBans);
}

pub async fn an_owner_who_leaves_passes_the_room_on_in_the_same_step(s: &Fixture) {
    let people = actors(4);
    let [alice, bob, carol, dave] = &people[..] else { unreachable!() };
    let room = room_of(&s.store, &[alice, bob, carol, dave]).await;
    make_admin(&s.store, room, alice, dave).await;
    make_admin(&s.store, room, alice, carol).await;
    let before = head(&s.store, room).await;
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    let position = s.rooms.leave(room, alice).await.unwrap();
    let (log, _) = changes(&s.store, room, before, 9).await;
    let told: Vec<_> = log.iter().map(|c| (c.rev, c.user, c.body.clone())).collect();
    let expected = [
        (before.rev + 1, alice.id, ChangeBody::Left),
        (before.rev + 2, carol.id, ChangeBody::Role { role: Role::Owner }),
    ];
    assert_eq!(told, expected, "of the admins the one who joined first");
    assert_eq!((position.rev, position.event_id), (before.rev + 2, log[1].event_id));
    assert_eq!(head(&s.store, room).await, position);
    for change in &log {
        assert_eq!(room_event(&mut events).await.change, *change);
    }
    // The admin who is left, then the member, though she was there before him.
    s.rooms.leave(room, carol).await.unwrap();
    assert_eq!(roles(&s.store, room).await, [(bob.id, Role::Member), (dave.id, Role::Owner)]);
    s.rooms.leave(room, dave).await.unwrap();
    assert_eq!(roles(&s.store, room).await, [(bob.id, Role::Owner)]);
    s.rooms.leave(room, bob).await.unwrap();
    assert_eq!(roles(&s.store, room).await, [], "the last one leaves an empty room");
}

pub async fn an_admin_who_went_or_is_none_any_more_inherits_nothing(s: &Fixture) {
    let people = actors(4);
    let [alice, bob, carol, dave] = &people[..] else { unreachable!() };
    let room = room_of(&s.store, &[alice, bob, carol, dave]).await;
    for admin in [bob, carol, dave] {
        make_admin(&s.store, room, alice, admin).await;
    }
    s.rooms.leave(room, bob).await.unwrap();
    s.room_admin.remove_member(&Removal { role: Some(Role::Admin), ..kick(room, alice, carol) }).await.unwrap();
    s.room_admin.set_role(&giving(room, alice, dave, (Role::Admin, Role::Member))).await.unwrap();
    join(&s.store, room, bob).await;
    join(&s.store, room, carol).await;
    s.rooms.leave(room, alice).await.unwrap();
    let expected = [(dave.id, Role::Owner), (bob.id, Role::Member), (carol.id, Role::Member)];
    assert_eq!(roles(&s.store, room).await, expected);
}

pub async fn whoever_leaves_at_once_a_room_has_one_owner(s: &Fixture) {
    let people = actors(8);
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    let start = head(&s.store, room).await;
    let leaves = people[..6].iter().cloned().map(|person| {
        let rooms = s.rooms.clone();
        async move { rooms.leave(room, &person).await.unwrap() }
    });
    at_once(leaves).await;
    let left = roles(&s.store, room).await;
    assert_eq!(left.len(), 2);
    assert_eq!(left.iter().filter(|(_, role)| *role == Role::Owner).count(), 1, "{left:?}");
    let log = all_changes(&s.store, room, start).await;
    assert!(log.iter().map(|c| c.rev).eq(start.rev + 1..=head(&s.store, room).await.rev));
    // After the leaving of its owner the room passes on at once, and only then.
    let (mut owner, mut owner_left) = (people[0].id, false);
    for change in log {
        if owner_left {
            assert_eq!(change.body, ChangeBody::Role { role: Role::Owner });
            owner = change.user;
        } else {
            assert_eq!(change.body, ChangeBody::Left);
        }
        owner_left = !owner_left && change.user == owner;
    }
    assert!(!owner_left);
}

pub async fn a_direct_room_has_no_owner(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let kind = shared::protocol::RoomType::Direct;
    let room = RoomRecord { kind, id: RoomId::direct(alice.id, bob.id), ..private_room("direct") };
    s.rooms.create_room(&room, &[alice.clone(), bob.clone()]).await.unwrap();
    assert_eq!(roles(&s.store, room.id).await, [(alice.id, Role::Member), (bob.id, Role::Member)]);
}
