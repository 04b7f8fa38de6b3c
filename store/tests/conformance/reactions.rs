//! Reactions: each user gives an emoji once; counts, order, limits.

use shared::{RoomId, UserId};
use store::{
    Actor, ChangeBody, Store, Tally, Topic,
    log::{EMOJIS_A_MESSAGE, REACTORS_LISTED},
};

use crate::{
    engine::Fixture,
    support::{
        actor, actors, all_changes, at_once, changes, edit, fails, follow, giving, head, id, message, room_event,
        room_of, send, send_numbers, taking,
    },
};

async fn give(s: &Store, room: RoomId, by: &Actor, emoji: &str) -> u64 {
    s.log.react(&giving(id(room, 1), by, emoji)).await.unwrap()
}

async fn take(s: &Store, room: RoomId, by: &Actor, emoji: &str) -> u64 {
    s.log.react(&taking(id(room, 1), by, emoji)).await.unwrap()
}

fn tally(emoji: &str, users: &[&Actor]) -> Tally {
    Tally { emoji: emoji.into(), count: users.len() as u64, users: users.iter().map(|u| u.id).collect() }
}

async fn tallies(s: &Store, room: RoomId) -> Vec<Tally> {
    message(s, room, 1).await.reactions
}

pub async fn a_reaction_is_one_change_told_with_its_count(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &alice, "hello").await;
    let before = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    assert_eq!(give(&s.store, room, &bob, "👍").await, 1);
    assert_eq!(give(&s.store, room, &alice, "👍").await, 2);
    assert_eq!(give(&s.store, room, &alice, "{é} \0").await, 1, "an emoji is any text");
    assert_eq!(take(&s.store, room, &bob, "👍").await, 1);
    assert_eq!(tallies(&s.store, room).await, [tally("👍", &[&alice]), tally("{é} \0", &[&alice])]);
    let told = [(&bob, "👍", true, 1), (&alice, "👍", true, 2), (&alice, "{é} \0", true, 1), (&bob, "👍", false, 1)];
    let (log, _) = changes(&s.store, room, before, 9).await;
    assert_eq!(log.len(), 4);
    for (i, (user, emoji, added, count)) in told.into_iter().enumerate() {
        let event = room_event(&mut inbox).await;
        let body = |count| ChangeBody::Reacted { seq: 1, emoji: emoji.into(), added, count };
        assert_eq!((event.change.rev, event.change.event_id), (log[i].rev, log[i].event_id));
        assert_eq!((event.username.as_str(), event.change.user, log[i].user), (&*user.username, user.id, user.id));
        assert_eq!(event.change.body, body(count), "on the bus the count is that of the time");
        assert_eq!(log[i].body, body(1), "in the log it is that of now");
    }
    assert_eq!(head(&s.store, room).await.rev, before.rev + 4);
    assert!(inbox.try_recv().is_none());
}

pub async fn giving_twice_is_once_and_no_change(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &alice, "hello").await;
    assert_eq!(take(&s.store, room, &bob, "👍").await, 0, "nothing to take back");
    give(&s.store, room, &alice, "👍").await;
    let before = head(&s.store, room).await;
    assert_eq!(give(&s.store, room, &alice, "👍").await, 1);
    assert_eq!(take(&s.store, room, &bob, "👍").await, 1, "that of another stays");
    assert_eq!((head(&s.store, room).await, before.rev), (before, 4));
    assert_eq!(tallies(&s.store, room).await, [tally("👍", &[&alice])]);
    let counts = at_once((0..8).map(|_| {
        let (log, bob) = (s.log.clone(), bob.clone());
        async move { log.react(&giving(id(room, 1), &bob, "👍")).await.unwrap() }
    }))
    .await;
    assert_eq!((counts, head(&s.store, room).await.rev), (vec![2; 8], 5), "also of one user at once");
}

pub async fn taking_back_the_last_one_removes_the_emoji(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send(&s.store, room, &alice, "hello").await;
    for (by, emoji) in [(&alice, "z"), (&alice, "a"), (&bob, "a"), (&bob, "z"), (&alice, "m")] {
        give(&s.store, room, by, emoji).await;
    }
    let all = [tally("z", &[&alice, &bob]), tally("a", &[&alice, &bob]), tally("m", &[&alice])];
    assert_eq!(tallies(&s.store, room).await, all, "in order of first use");
    assert_eq!(take(&s.store, room, &alice, "z").await, 1);
    assert_eq!(take(&s.store, room, &bob, "z").await, 0);
    assert_eq!(tallies(&s.store, room).await, all[1..]);
    give(&s.store, room, &bob, "z").await;
    assert_eq!(tallies(&s.store, room).await.last(), Some(&tally("z", &[&bob])), "used anew, it comes last");
    assert_eq!(s.log.reacted(room, alice.id, &[1]).await.unwrap(), [(1, "a".into()), (1, "m".into())]);
}

pub async fn more_than_twenty_emojis_are_refused(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 2).await;
    for n in 0..EMOJIS_A_MESSAGE {
        let by = if n % 2 == 0 { &alice } else { &bob };
        give(&s.store, room, by, &format!("e{n}")).await;
    }
    let before = head(&s.store, room).await;
    for by in [&alice, &bob] {
        fails!(s.log.react(&giving(id(room, 1), by, "one more")).await, TooManyReactions);
    }
    assert_eq!((head(&s.store, room).await, tallies(&s.store, room).await.len()), (before, EMOJIS_A_MESSAGE));
    assert_eq!(give(&s.store, room, &alice, "e0").await, 1, "what is there is no more");
    assert_eq!(give(&s.store, room, &bob, "e0").await, 2);
    assert_eq!(take(&s.store, room, &bob, "one more").await, 0);
    assert_eq!(s.log.react(&giving(id(room, 2), &bob, "one more")).await.unwrap(), 1, "another message has its own");
    take(&s.store, room, &bob, "e1").await;
    assert_eq!(give(&s.store, room, &alice, "one more").await, 1, "there is room again");
    fails!(s.log.react(&giving(id(room, 1), &bob, "e1")).await, TooManyReactions);
}

pub async fn only_a_member_can_react_to_a_message_that_is_there(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    send_numbers(&s.store, room, &alice, 2).await;
    s.log.delete_message(id(room, 2), &alice, None).await.unwrap();
    let before = head(&s.store, room).await;
    fails!(s.log.react(&giving(id(room, 1), &bob, "a")).await, NotAMember);
    fails!(s.log.react(&taking(id(room, 1), &bob, "a")).await, NotAMember);
    fails!(s.log.react(&giving(id(RoomId::new(), 1), &alice, "a")).await, RoomNotFound);
    for gone in [2, 3, u64::MAX] {
        fails!(s.log.react(&giving(id(room, gone), &alice, "a")).await, MessageNotFound);
        fails!(s.log.react(&taking(id(room, gone), &alice, "a")).await, MessageNotFound);
    }
    assert_eq!(head(&s.store, room).await, before);
}

pub async fn a_deletion_takes_the_reactions_with_it(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 2).await;
    let before = head(&s.store, room).await;
    give(&s.store, room, &bob, "a").await;
    s.log.react(&giving(id(room, 2), &bob, "b")).await.unwrap();
    let kept = s.log.edit_message(&edit(id(room, 2), &alice, "edited")).await.unwrap();
    assert_eq!(kept.reactions, [tally("b", &[&bob])], "an edit leaves them");
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    assert_eq!(tallies(&s.store, room).await, []);
    assert_eq!(s.log.reacted(room, bob.id, &[1, 2]).await.unwrap(), [(2, "b".into())]);
    let log = all_changes(&s.store, room, before).await;
    let reacted = |seq, emoji: &str, count| ChangeBody::Reacted { seq, emoji: emoji.into(), added: true, count };
    assert_eq!(log[..2].iter().map(|c| c.body.clone()).collect::<Vec<_>>(), [reacted(1, "a", 0), reacted(2, "b", 1)]);
}

pub async fn the_first_are_listed_and_all_are_counted(s: &Fixture) {
    let people = actors(REACTORS_LISTED + 10);
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    send(&s.store, room, &people[0], "hello").await;
    for (i, person) in people.iter().enumerate() {
        assert_eq!(give(&s.store, room, person, "👍").await, i as u64 + 1);
    }
    let ids = |of: &[Actor]| of.iter().map(|p| p.id).collect::<Vec<UserId>>();
    let listed = |tallies: Vec<Tally>| (tallies.len(), tallies[0].count, tallies[0].users.clone());
    let (first, rest) = people.split_at(REACTORS_LISTED);
    assert_eq!(listed(tallies(&s.store, room).await), (1, 60, ids(first)));
    for person in &people {
        assert_eq!(s.log.reacted(room, person.id, &[1]).await.unwrap(), [(1, "👍".into())], "listed or not");
    }
    let before = head(&s.store, room).await;
    assert_eq!(give(&s.store, room, &rest[0], "👍").await, 60, "one who is not listed gives it once too");
    assert_eq!(head(&s.store, room).await, before);
    assert_eq!(take(&s.store, room, &first[0], "👍").await, 59);
    assert_eq!(take(&s.store, room, &rest[0], "👍").await, 58);
    assert_eq!(listed(tallies(&s.store, room).await), (1, 58, ids(&first[1..])), "nobody moves up");
    assert_eq!(give(&s.store, room, &rest[0], "👍").await, 59);
    let with_the_next: Vec<UserId> = ids(&first[1..]).into_iter().chain([rest[0].id]).collect();
    assert_eq!(listed(tallies(&s.store, room).await), (1, 59, with_the_next), "there was room in the list");
    for (i, person) in people[1..].iter().enumerate() {
        assert_eq!(take(&s.store, room, person, "👍").await, 58 - i as u64);
    }
    assert_eq!(tallies(&s.store, room).await, []);
}

pub async fn what_a_user_gave_is_told_in_order(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let other = room_of(&s.store, &[&alice, &bob]).await;
    send_numbers(&s.store, room, &alice, 12).await;
    send(&s.store, other, &alice, "1").await;
    for (seq, emoji) in [(10, "b"), (2, "z"), (10, "a"), (2, "é"), (11, "a")] {
        s.log.react(&giving(id(room, seq), &bob, emoji)).await.unwrap();
    }
    s.log.react(&giving(id(room, 2), &alice, "q")).await.unwrap();
    s.log.react(&giving(id(other, 1), &bob, "o")).await.unwrap();
    let reacted = async |seqs: &[u64]| s.log.reacted(room, bob.id, seqs).await.unwrap();
    let told = [(2, "z"), (2, "é"), (10, "a"), (10, "b")].map(|(seq, emoji)| (seq, String::from(emoji)));
    assert_eq!(reacted(&[10, 1, 2, 10, 99, u64::MAX]).await, told, "by number, then by bytes, each once");
    assert_eq!(reacted(&[]).await, []);
    assert_eq!(s.log.reacted(room, UserId::new(), &[2, 10]).await.unwrap(), []);
    assert_eq!(s.log.reacted(RoomId::new(), bob.id, &[2, 10]).await.unwrap(), []);
    s.rooms.leave(room, &bob).await.unwrap();
    assert_eq!(message(&s.store, room, 2).await.reactions.len(), 3, "who leaves leaves their reactions");
}
