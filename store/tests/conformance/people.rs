//! The lists of people a user keeps, and who is told when they change.

use shared::{
    RoomId, UserId,
    protocol::{HistoryVisibility, RoomType},
};
use store::{Actor, BusEvent, Inbox, Relation, RoomRecord, Signal, Store, Topic, TypingEvent, UserChangeBody};

use crate::{
    engine::Fixture,
    support::{
        actor, at_once, edit, fails, follow, giving, id, join, keyed, private_room, room_event, room_of, send, signal,
        text, user_change,
    },
};

/// Who is asked about by the next event on somebody's presence topic.
async fn access(inbox: &mut Inbox) -> (UserId, UserId) {
    match signal(inbox).await {
        Signal::Event(BusEvent::AccessChanged { user, watcher: Some(watcher) }) => (user, watcher),
        other => panic!("expected a change of access, got {other:?}"),
    }
}

fn ids(count: usize) -> Vec<UserId> {
    let mut ids: Vec<UserId> = (0..count).map(|_| UserId::new()).collect();
    ids.sort();
    ids
}

pub async fn contacts_are_one_way_and_in_order_of_id(s: &Fixture) {
    let mut ids = ids(6);
    let owner = ids.remove(2);
    assert_eq!(s.people.contacts(owner).await.unwrap(), []);
    for i in [3, 0, 4, 1, 0, 2] {
        s.people.add_contact(owner, ids[i], 9).await.unwrap();
    }
    assert_eq!(s.people.contacts(owner).await.unwrap(), ids);
    assert_eq!(s.people.contacts(ids[0]).await.unwrap(), []);
    s.people.remove_contact(owner, ids[1]).await.unwrap();
    s.people.remove_contact(owner, ids[1]).await.unwrap();
    ids.remove(1);
    assert_eq!(s.people.contacts(owner).await.unwrap(), ids);
}

pub async fn a_list_of_people_is_bounded(s: &Fixture) {
    let (owner, others) = (UserId::new(), ids(20));
    let added = at_once(others.iter().copied().map(|other| {
        let people = s.people.clone();
        async move { people.add_contact(owner, other, 5).await }
    }))
    .await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 5, "{added:?}");
    let contacts = s.people.contacts(owner).await.unwrap();
    assert_eq!(contacts.len(), 5);
    let other = *others.iter().find(|other| !contacts.contains(other)).unwrap();
    fails!(s.people.add_contact(owner, other, 5).await, TooManyPeople);
    s.people.block(owner, other, 1).await.unwrap();
    s.people.block(owner, other, 1).await.unwrap();
    fails!(s.people.block(owner, contacts[0], 1).await, TooManyPeople);
    assert_eq!(s.people.blocks(owner).await.unwrap(), [other], "each list has its own bound");
    s.people.add_contact(owner, contacts[0], 5).await.unwrap();
    s.people.remove_contact(owner, contacts[0]).await.unwrap();
    s.people.add_contact(owner, other, 5).await.unwrap();
    assert_eq!(s.people.contacts(owner).await.unwrap().len(), 5);
}

pub async fn who_watches_is_told_that_access_changed_and_only_where_it_did(s: &Fixture) {
    let (owner, other, last) = (UserId::new(), UserId::new(), UserId::new());
    let far = s.elsewhere().await;
    let mut watching = follow(&far, &[Topic::Presence(owner)]).await;
    s.people.remove_contact(owner, other).await.unwrap();
    s.people.add_contact(owner, other, 9).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, other));
    s.people.add_contact(owner, other, 9).await.unwrap();
    s.people.add_contact(other, owner, 9).await.unwrap();
    s.people.remove_contact(owner, other).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, other));
    s.people.unblock(owner, other).await.unwrap();
    s.people.block(owner, other, 9).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, other));
    s.people.block(owner, other, 9).await.unwrap();
    s.people.block(other, owner, 9).await.unwrap();
    s.people.unblock(owner, other).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, other));
    s.people.add_contact(owner, last, 9).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, last), "what changes nothing is not told");
}

pub async fn how_others_stand_to_a_viewer_is_told_in_order(s: &Fixture) {
    let (viewer, others) = (UserId::new(), ids(3));
    s.people.add_contact(others[1], viewer, 9).await.unwrap();
    s.people.add_contact(viewer, others[2], 9).await.unwrap();
    let asked = [others[2], others[1], others[0], others[1]];
    s.people.block(others[0], viewer, 9).await.unwrap();
    s.people.block(viewer, others[2], 9).await.unwrap();
    let has_me = Relation { has_me: true, ..Relation::default() };
    let blocks_me = Relation { blocks_me: true, ..Relation::default() };
    let expected = [Relation::default(), has_me, blocks_me, has_me];
    assert_eq!(s.people.relations(viewer, &asked).await.unwrap(), expected);
    assert_eq!(s.people.relations(viewer, &asked[1..2]).await.unwrap(), [has_me]);
    assert_eq!(s.people.relations(viewer, &[]).await.unwrap(), []);
}

pub async fn whom_somebody_wrote_to_is_kept_one_way_and_told_once(s: &Fixture) {
    let (owner, to, other) = (UserId::new(), UserId::new(), UserId::new());
    let mut watching = follow(&s.store, &[Topic::Presence(owner), Topic::Presence(to)]).await;
    for to in [to, to, other] {
        s.people.note_written(owner, to).await.unwrap();
    }
    assert_eq!(access(&mut watching).await, (owner, to));
    assert_eq!(access(&mut watching).await, (owner, other));
    let wrote_me = Relation { wrote_me: true, ..Relation::default() };
    assert_eq!(s.people.relations(to, &[owner, other]).await.unwrap(), [wrote_me, Relation::default()]);
    assert_eq!(s.people.relations(owner, &[to]).await.unwrap(), [Relation::default()]);
}

pub async fn who_blocks_whom_is_told_of_many_at_once(s: &Fixture) {
    let people = ids(4);
    for (owner, other) in [(0, 2), (0, 3), (1, 0), (1, 2), (2, 1)] {
        s.people.block(people[owner], people[other], 9).await.unwrap();
    }
    assert_eq!(s.people.blocks(people[0]).await.unwrap(), people[2..]);
    assert_eq!(s.people.blocks(people[3]).await.unwrap(), []);
    let among = async |owners: &[usize], others: &[usize]| {
        let pick = |of: &[usize]| of.iter().map(|i| people[*i]).collect::<Vec<_>>();
        let found = s.people.blocks_among(&pick(owners), &pick(others)).await.unwrap();
        let index = |user| people.iter().position(|id| *id == user).unwrap();
        found.into_iter().map(|(owner, other)| (index(owner), index(other))).collect::<Vec<_>>()
    };
    assert_eq!(among(&[1, 0, 3], &[3, 2, 1]).await, [(1, 2), (0, 3), (0, 2)]);
    assert_eq!(among(&[2], &[0, 1]).await, [(2, 1)]);
    assert_eq!(among(&[], &[0, 1]).await, []);
    assert_eq!(among(&[0, 1], &[]).await, []);
    s.people.unblock(people[0], people[2]).await.unwrap();
    assert_eq!(among(&[0], &[2, 3]).await, [(0, 3)]);
}

pub async fn a_block_is_told_to_its_owner_alone(s: &Fixture) {
    let (owner, other) = (UserId::new(), UserId::new());
    let far = s.elsewhere().await;
    let mut told = follow(&far, &[Topic::User(owner), Topic::User(other)]).await;
    s.people.unblock(owner, other).await.unwrap();
    for _ in 0..2 {
        s.people.block(owner, other, 9).await.unwrap();
    }
    for _ in 0..2 {
        s.people.unblock(owner, other).await.unwrap();
    }
    s.people.add_contact(other, owner, 9).await.unwrap();
    let block = |added| (owner, UserChangeBody::Block { user: other, added });
    assert_eq!(user_change(&mut told).await, block(true));
    assert_eq!(user_change(&mut told).await, block(false));
    let contact = UserChangeBody::Contact { user: owner, added: true };
    assert_eq!(user_change(&mut told).await, (other, contact), "what changes nothing is no entry");
}

fn direct(a: &Actor, b: &Actor) -> RoomRecord {
    let (name, kind, history_visibility) = (None, RoomType::Direct, HistoryVisibility::All);
    RoomRecord { id: RoomId::direct(a.id, b.id), name, kind, history_visibility, ..private_room("") }
}

/// The direct room of the two.
async fn direct_of(store: &Store, a: &Actor, b: &Actor) -> RoomId {
    let room = direct(a, b);
    store.rooms.create_room(&room, &[a.clone(), b.clone()]).await.unwrap();
    room.id
}

/// Is what they say in the room refused because one blocks the other?
async fn is_blocked(store: &Store, room: RoomId, speaker: &Actor) -> bool {
    match store.log.append(&text(room, speaker, "hello?")).await {
        Ok(_) => false,
        Err(store::StoreError::Blocked) => true,
        Err(other) => panic!("{other:?}"),
    }
}

pub async fn nothing_is_said_in_a_direct_room_while_one_blocks_the_other(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = direct_of(&s.store, &alice, &bob).await;
    let (of_carol, common) = (direct_of(&s.store, &carol, &bob).await, room_of(&s.store, &[&alice, &bob]).await);
    let first = s.log.append(&keyed(room, &bob, "hello", "k")).await.unwrap();
    send(&s.store, room, &alice, "hello").await;
    let mut events = follow(&s.store, &[Topic::Room(room)]).await;
    s.people.block(alice.id, bob.id, 9).await.unwrap();

    for speaker in [&alice, &bob] {
        assert!(is_blocked(&s.store, room, speaker).await);
        fails!(s.log.append(&keyed(room, speaker, "hello", "new")).await, Blocked);
        fails!(s.log.edit_message(&edit(id(room, 1), speaker, "other")).await, Blocked);
        fails!(s.log.react(&giving(id(room, 1), speaker, "x")).await, Blocked);
        let typing = TypingEvent { room, user: speaker.id, username: speaker.username.clone(), typing: true };
        s.bus.publish_typing(&typing).await.unwrap();
        assert!(!is_blocked(&s.store, common, speaker).await);
    }
    assert!(!is_blocked(&s.store, of_carol, &bob).await);
    fails!(s.log.append(&text(room, &carol, "hello")).await, NotAMember);
    let again = s.log.append(&keyed(room, &bob, "hello", "k")).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (first.seq, true), "what was acknowledged stays so");
    s.log.mark_read(room, bob.id, 2).await.unwrap();
    s.log.delete_message(id(room, 1), &bob, None).await.unwrap().unwrap();
    let next = signal(&mut events).await;
    assert!(matches!(next, Signal::Event(BusEvent::Marked(_))), "not even typing is told: {next:?}");
    let event = room_event(&mut events).await;
    assert_eq!(event.change.rev, 5, "two joins, two messages, and nothing but the deletion");

    s.people.block(bob.id, alice.id, 9).await.unwrap();
    s.people.unblock(alice.id, bob.id).await.unwrap();
    assert!(is_blocked(&s.store, room, &alice).await, "he blocks her still");
    s.people.unblock(bob.id, alice.id).await.unwrap();
    assert!(!is_blocked(&s.store, room, &alice).await);
    assert!(!is_blocked(&s.store, room, &bob).await);
}

pub async fn a_room_that_is_made_later_is_blocked_too(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    s.people.block(alice.id, bob.id, 9).await.unwrap();
    s.people.block(carol.id, alice.id, 9).await.unwrap();
    for (other, maker) in [(&bob, &alice), (&carol, &carol)] {
        let members = if maker.id == alice.id { [&alice, other] } else { [other, &alice] };
        let room = direct_of(&s.store, members[0], members[1]).await;
        assert!(is_blocked(&s.store, room, &alice).await);
        assert!(is_blocked(&s.store, room, other).await);
    }
    let unknown = direct_of(&s.store, &bob, &carol).await;
    assert!(!is_blocked(&s.store, unknown, &bob).await);
    let common = private_room("common");
    s.rooms.create_room(&common, std::slice::from_ref(&alice)).await.unwrap();
    join(&s.store, common.id, &bob).await;
    assert!(!is_blocked(&s.store, common.id, &bob).await);
}

pub async fn a_block_and_the_making_of_the_room_at_once_end_blocked(s: &Fixture) {
    let far = s.elsewhere().await;
    for _ in 0..20 {
        let (alice, bob) = (actor("alice"), actor("bob"));
        let (one, other) = (s.store.clone(), far.clone());
        let (a, b) = (alice.clone(), bob.clone());
        let making = tokio::spawn(async move { direct_of(&one, &b, &a).await });
        other.people.block(alice.id, bob.id, 9).await.unwrap();
        let room = making.await.unwrap();
        assert!(is_blocked(&s.store, room, &bob).await);
    }
}

pub async fn blocks_of_both_at_once_end_as_their_lists_say(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = direct_of(&s.store, &alice, &bob).await;
    let far = s.elsewhere().await;
    for round in 0..20 {
        at_once((0..6).map(|n| {
            let store = if n % 2 == 0 { s.store.clone() } else { far.clone() };
            let (owner, other) = if n < 3 { (alice.id, bob.id) } else { (bob.id, alice.id) };
            async move {
                match (n + round) % 3 {
                    0 => store.people.block(owner, other, 9).await.unwrap(),
                    _ => store.people.unblock(owner, other).await.unwrap(),
                }
            }
        }))
        .await;
        let lists = s.people.blocks_among(&[alice.id, bob.id], &[alice.id, bob.id]).await.unwrap();
        assert_eq!(is_blocked(&s.store, room, &bob).await, !lists.is_empty(), "{lists:?}");
    }
}
