//! Invites: how long and for how many they are good, and that a use and a join are one step.

use std::time::Duration;

use shared::{RoomId, Timestamp, protocol::Role};
use store::{Actor, InviteHash, NewInvite, Removal, RoleChange, StoreError, invites::INVITES_A_ROOM};

use crate::{
    engine::Fixture,
    support::{MANY, actor, actors, at_once, eventually, fails, head, private_room, room_of},
};

const HOUR: Duration = Duration::from_secs(3600);

fn invite(room: RoomId, by: &Actor, n: u8) -> NewInvite {
    NewInvite { room, by: by.id, by_role: Role::Owner, hash: [n; 32], lifetime: HOUR, max_uses: None }
}

async fn uses(s: &Fixture, room: RoomId) -> Vec<(InviteHash, u64)> {
    s.invites.invites(room).await.unwrap().into_iter().map(|invite| (invite.hash, invite.uses)).collect()
}

pub async fn an_invite_lets_in_until_it_is_withdrawn(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = private_room("one");
    s.rooms.create_room(&room, std::slice::from_ref(&alice)).await.unwrap();
    let made = s.invites.put_invite(&invite(room.id, &alice, 1)).await.unwrap();
    assert_eq!((made.hash, made.by, made.max_uses, made.uses), ([1; 32], alice.id, None, 0));
    assert_eq!(made.expires_at.since(made.made_at), HOUR);
    assert!(Timestamp::now().since(made.made_at) < Duration::from_secs(60));
    let before = head(&s.store, room.id).await;
    let joined = s.invites.redeem(room.id, &bob, &[1; 32], MANY).await.unwrap();
    assert_eq!((joined.position.rev, joined.membership.role), (before.rev + 1, Role::Member));
    assert_eq!(head(&s.store, room.id).await, joined.position);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), [room.id]);
    // Who is in uses nothing up, and no invite is no way in.
    fails!(s.invites.redeem(room.id, &bob, &[1; 32], MANY).await, AlreadyAMember);
    fails!(s.invites.redeem(room.id, &bob, &[2; 32], MANY).await, AlreadyAMember);
    fails!(s.invites.redeem(room.id, &carol, &[2; 32], MANY).await, InviteNotFound);
    fails!(s.invites.redeem(room.id, &carol, &[1; 32], 2).await, RoomFull);
    assert_eq!(uses(s, room.id).await, [([1; 32], 1)]);
    let withdraw = async |by: &Actor, role| s.invites.remove_invite(room.id, by.id, role, &[1; 32]).await;
    for (by, role) in [(&alice, Role::Admin), (&bob, Role::Admin), (&carol, Role::Admin)] {
        fails!(withdraw(by, role).await, RolesChanged);
    }
    assert_eq!(uses(s, room.id).await, [([1; 32], 1)]);
    withdraw(&alice, Role::Owner).await.unwrap();
    fails!(withdraw(&alice, Role::Owner).await, InviteNotFound);
    fails!(s.invites.redeem(room.id, &carol, &[1; 32], MANY).await, InviteNotFound);
    assert_eq!(s.rooms.rooms_of(carol.id).await.unwrap(), []);
    assert_eq!(s.rooms.room(room.id).await.unwrap().unwrap().1.members, 2, "who came by it stays");
    let nowhere = RoomId::new();
    fails!(s.invites.put_invite(&invite(nowhere, &alice, 1)).await, RoomNotFound);
    fails!(s.invites.redeem(nowhere, &bob, &[1; 32], MANY).await, RoomNotFound);
    fails!(s.invites.invites(nowhere).await, RoomNotFound);
    fails!(s.invites.remove_invite(nowhere, alice.id, Role::Owner, &[1; 32]).await, RoomNotFound);
    fails!(s.invites.invite_salt(nowhere).await, RoomNotFound);
}

pub async fn an_invite_is_made_by_who_has_the_role_and_once(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    for wrong in [
        NewInvite { by_role: Role::Admin, ..invite(room, &alice, 1) },
        invite(room, &bob, 1),
        invite(room, &actor("carol"), 1),
    ] {
        fails!(s.invites.put_invite(&wrong).await, RolesChanged);
    }
    assert_eq!(uses(s, room).await, []);
    let first = s.invites.put_invite(&invite(room, &alice, 1)).await.unwrap();
    let other = NewInvite { max_uses: Some(1), lifetime: HOUR * 2, ..invite(room, &alice, 1) };
    assert_eq!(s.invites.put_invite(&other).await.unwrap(), first, "what is there stays as it is");
    s.invites.put_invite(&invite(room, &alice, 0)).await.unwrap();
    let made: Vec<_> = s.invites.invites(room).await.unwrap();
    assert!(made.is_sorted_by_key(|invite| invite.made_at) && made.len() == 2, "{made:?}");
}

pub async fn an_invite_lets_in_only_while_its_maker_may_invite(s: &Fixture) {
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(actor);
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let give = async |from: Role, to: Role| {
        let (by, user) = (alice.clone(), bob.clone());
        let change = RoleChange { room, by, by_role: Role::Owner, user, from, to };
        s.room_admin.set_role(&change).await.unwrap();
    };
    give(Role::Member, Role::Admin).await;
    s.invites.put_invite(&NewInvite { by_role: Role::Admin, ..invite(room, &bob, 1) }).await.unwrap();
    s.invites.put_invite(&invite(room, &alice, 2)).await.unwrap();
    give(Role::Admin, Role::Member).await;
    fails!(s.invites.redeem(room, &carol, &[1; 32], MANY).await, InviteNotFound);
    give(Role::Member, Role::Admin).await;
    s.invites.redeem(room, &carol, &[1; 32], MANY).await.unwrap();
    s.rooms.leave(room, &bob).await.unwrap();
    fails!(s.invites.redeem(room, &dave, &[1; 32], MANY).await, InviteNotFound);
    assert_eq!(uses(s, room).await.iter().find(|(hash, _)| *hash == [1; 32]), Some(&([1; 32], 1)));
    s.invites.redeem(room, &dave, &[2; 32], MANY).await.unwrap();
}

pub async fn of_many_who_redeem_at_once_as_many_come_in_as_it_is_for(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    s.invites.put_invite(&NewInvite { max_uses: Some(3), ..invite(room, &alice, 1) }).await.unwrap();
    let people = actors(12);
    let redeemed = at_once(people.iter().cloned().map(|person| {
        let invites = s.invites.clone();
        async move { invites.redeem(room, &person, &[1; 32], MANY).await }
    }))
    .await;
    assert_eq!(redeemed.iter().filter(|r| r.is_ok()).count(), 3, "{redeemed:?}");
    assert!(redeemed.iter().all(|r| matches!(r, Ok(_) | Err(StoreError::InviteNotFound))), "{redeemed:?}");
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.members, 4);
    assert_eq!(uses(s, room).await, [([1; 32], 3)]);
}

pub async fn one_user_who_redeems_many_times_at_once_uses_it_once(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    s.invites.put_invite(&NewInvite { max_uses: Some(9), ..invite(room, &alice, 1) }).await.unwrap();
    let redeemed = at_once((0..8).map(|_| {
        let (invites, bob) = (s.invites.clone(), bob.clone());
        async move { invites.redeem(room, &bob, &[1; 32], MANY).await }
    }))
    .await;
    assert_eq!(redeemed.iter().filter(|r| r.is_ok()).count(), 1, "{redeemed:?}");
    assert_eq!(uses(s, room).await, [([1; 32], 1)]);
}

pub async fn an_expired_invite_lets_nobody_in_and_goes(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let short = NewInvite { lifetime: Duration::from_millis(1), ..invite(room, &alice, 1) };
    let made = s.invites.put_invite(&short).await.unwrap();
    eventually("it has expired", async || Timestamp::now() > made.expires_at).await;
    fails!(s.invites.redeem(room, &bob, &[1; 32], MANY).await, InviteNotFound);
    s.invites.put_invite(&invite(room, &alice, 2)).await.unwrap();
    assert_eq!(uses(s, room).await, [([2; 32], 0)]);
    // Its name is free again.
    let anew = s.invites.put_invite(&invite(room, &alice, 1)).await.unwrap();
    assert!(anew.made_at >= made.expires_at);
    s.invites.redeem(room, &bob, &[1; 32], MANY).await.unwrap();
}

pub async fn who_is_banned_does_not_come_in_by_an_invite(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    s.invites.put_invite(&invite(room, &alice, 1)).await.unwrap();
    let (by, by_role, user) = (alice, Role::Owner, bob.clone());
    s.room_admin.remove_member(&Removal { room, by, by_role, user, role: None, ban: true }).await.unwrap();
    fails!(s.invites.redeem(room, &bob, &[1; 32], MANY).await, Banned);
    assert_eq!(uses(s, room).await, [([1; 32], 0)]);
}

pub async fn invites_of_a_room_are_bounded_and_used_up_ones_make_place(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    for n in 0..INVITES_A_ROOM {
        let max_uses = Some(1).filter(|_| n == 7);
        s.invites.put_invite(&NewInvite { max_uses, ..invite(room, &alice, n as u8) }).await.unwrap();
    }
    let late = invite(room, &alice, 200);
    fails!(s.invites.put_invite(&late).await, TooManyInvites);
    s.invites.put_invite(&invite(room, &alice, 7)).await.expect("one that is there");
    s.invites.redeem(room, &actor("bob"), &[7; 32], MANY).await.unwrap();
    assert_eq!(uses(s, room).await.len(), INVITES_A_ROOM);
    s.invites.put_invite(&late).await.unwrap();
    let left = uses(s, room).await;
    assert_eq!((left.len(), left.iter().any(|(hash, _)| *hash == [7; 32])), (INVITES_A_ROOM, false));
}

pub async fn a_room_s_salt_is_its_own_and_stays(s: &Fixture) {
    let alice = actor("alice");
    let (one, two) = (room_of(&s.store, &[&alice]).await, room_of(&s.store, &[&alice]).await);
    let salts = at_once((0..8).map(|_| {
        let invites = s.invites.clone();
        async move { invites.invite_salt(one).await.unwrap() }
    }))
    .await;
    assert!(salts.iter().all(|salt| *salt == salts[0]));
    assert_ne!(s.invites.invite_salt(two).await.unwrap(), salts[0]);
    assert_eq!(s.elsewhere().await.invites.invite_salt(one).await.unwrap(), salts[0]);
    assert_eq!(uses(s, one).await, []);
}
