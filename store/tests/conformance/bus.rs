//! Events: to whoever follows the topic, in order, from whichever process; not to others.

use store::{Signal, Topic, UserChangeBody};

use crate::{
    engine::Fixture,
    support::{
        actor, all_changes, changes, follow, head, id, join, public_room, room_event, room_of, send, signal,
        user_change,
    },
};

pub async fn a_room_s_events_are_its_change_log(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let start = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    join(&s.store, room, &bob).await;
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(send(&s.store, room, &bob, &format!("message {n}")).await);
    }
    s.rooms.leave(room, &bob).await.unwrap();
    let log = all_changes(&s.store, room, start).await;
    assert_eq!(log.len(), 7);
    for (i, change) in log.iter().enumerate() {
        let event = room_event(&mut inbox).await;
        assert_eq!((event.room, &event.change, event.username.as_str()), (room, change, "bob"));
        if let 1..=5 = i {
            let appended = &sent[i - 1];
            assert_eq!((change.rev, change.event_id, change.at), (appended.rev, appended.event_id, appended.at));
        }
    }
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    let event = room_event(&mut inbox).await;
    assert_eq!(event.username, "alice");
    assert_eq!(changes(&s.store, room, start, 50).await.0[7], event.change);
    assert!(inbox.try_recv().is_none());
}

pub async fn only_what_is_followed_arrives(s: &Fixture) {
    let alice = actor("alice");
    let (followed, other) = (room_of(&s.store, &[&alice]).await, room_of(&s.store, &[&alice]).await);
    let mut subscriber = follow(&s.store, &[Topic::Room(followed), Topic::Presence(alice.id)]).await;
    let mut idle = s.bus.subscriber();
    for n in 0..10 {
        send(&s.store, other, &alice, "other").await;
        send(&s.store, followed, &alice, "followed").await;
        let event = room_event(&mut subscriber.inbox).await;
        assert_eq!((event.room, event.change.rev), (followed, n + 2));
    }
    assert!(idle.inbox.try_recv().is_none(), "who follows nothing gets nothing");
}

pub async fn unfollowing_stops_the_events(s: &Fixture) {
    let alice = actor("alice");
    let (one, two) = (room_of(&s.store, &[&alice]).await, room_of(&s.store, &[&alice]).await);
    let mut subscriber = follow(&s.store, &[Topic::Room(one), Topic::Room(two)]).await;
    subscriber.subscriptions.subscribe(&[Topic::Room(one)]).await.unwrap();
    send(&s.store, one, &alice, "once").await;
    assert_eq!(room_event(&mut subscriber.inbox).await.room, one);
    send(&s.store, two, &alice, "two").await;
    assert_eq!(room_event(&mut subscriber.inbox).await.room, two, "following twice is following once");
    subscriber.subscriptions.unsubscribe(&[Topic::Room(one), Topic::User(alice.id)]).await;
    send(&s.store, one, &alice, "unheard").await;
    send(&s.store, two, &alice, "heard").await;
    assert_eq!(room_event(&mut subscriber.inbox).await.room, two);
    subscriber.subscriptions.subscribe(&[Topic::Room(one)]).await.unwrap();
    let again = send(&s.store, one, &alice, "heard again").await;
    assert_eq!(room_event(&mut subscriber.inbox).await.change.rev, again.rev);
    assert!(subscriber.inbox.try_recv().is_none());
}

pub async fn every_follower_gets_every_event(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let mut followers = Vec::new();
    for _ in 0..3 {
        followers.push(follow(&s.store, &[Topic::Room(room)]).await);
    }
    let first = send(&s.store, room, &alice, "to three").await;
    for follower in &mut followers {
        assert_eq!(room_event(&mut follower.inbox).await.change.rev, first.rev);
    }
    followers.pop();
    followers[0].subscriptions.unsubscribe(&[Topic::Room(room)]).await;
    let second = send(&s.store, room, &alice, "to one").await;
    assert_eq!(room_event(&mut followers[1].inbox).await.change.rev, second.rev, "others' leaving does not matter");
    assert!(followers[0].inbox.try_recv().is_none());
}

pub async fn what_is_published_after_following_arrives(s: &Fixture) {
    let alice = actor("alice");
    let subscriber = s.bus.subscriber();
    let mut inbox = subscriber.inbox;
    for _ in 0..40 {
        let room = room_of(&s.store, &[&alice]).await;
        subscriber.subscriptions.subscribe(&[Topic::Room(room)]).await.unwrap();
        let sent = send(&s.store, room, &alice, "at once").await;
        let event = room_event(&mut inbox).await;
        assert_eq!((event.room, event.change.rev), (room, sent.rev));
        subscriber.subscriptions.unsubscribe(&[Topic::Room(room)]).await;
    }
}

pub async fn many_topics_are_followed_at_once(s: &Fixture) {
    let alice = actor("alice");
    let mut rooms = Vec::new();
    for _ in 0..100 {
        rooms.push(room_of(&s.store, &[&alice]).await);
    }
    let topics: Vec<Topic> = rooms.iter().map(|r| Topic::Room(*r)).collect();
    let mut inbox = follow(&s.store, &topics).await;
    for room in &rooms {
        send(&s.store, *room, &alice, "hello").await;
        assert_eq!(room_event(&mut inbox).await.room, *room);
    }
}

pub async fn events_cross_from_one_process_to_another(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let far = s.elsewhere().await;
    let room = room_of(&s.store, &[&alice]).await;
    let mut here = follow(&s.store, &[Topic::Room(room), Topic::User(bob.id)]).await;
    let mut there = follow(&far, &[Topic::Room(room)]).await;
    for n in 0..20 {
        let from = if n % 2 == 0 { &s.store } else { &far };
        let sent = send(from, room, &alice, &n.to_string()).await;
        for inbox in [&mut here, &mut there] {
            let event = room_event(inbox).await;
            assert_eq!((event.change.rev, event.change.event_id), (sent.rev, sent.event_id));
        }
    }
    let added = public_room("far");
    far.rooms.create_room(&added, std::slice::from_ref(&bob)).await.unwrap();
    assert_eq!(user_change(&mut here).await, (bob.id, UserChangeBody::RoomAdded(added.id)));
    assert_eq!(s.rooms.room(added.id).await.unwrap(), far.rooms.room(added.id).await.unwrap());
}

pub async fn events_of_appends_at_once_come_in_order(s: &Fixture) {
    let people = crate::support::actors(6);
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    let far = s.elsewhere().await;
    let mut here = follow(&s.store, &[Topic::Room(room)]).await;
    let mut there = follow(&far, &[Topic::Room(room)]).await;
    crate::support::at_once(people.iter().cloned().enumerate().map(|(i, person)| {
        let store = if i % 2 == 0 { s.store.clone() } else { far.clone() };
        async move {
            for n in 0..20 {
                send(&store, room, &person, &n.to_string()).await;
            }
        }
    }))
    .await;
    for rev in 7..127 {
        assert_eq!(room_event(&mut here).await.change.rev, rev);
        assert_eq!(room_event(&mut there).await.change.rev, rev);
    }
}

pub async fn what_an_event_tells_can_be_read(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let far = s.elsewhere().await;
    for _ in 0..15 {
        let room = room_of(&s.store, &[&alice]).await;
        let start = head(&s.store, room).await;
        let mut told = follow(&s.store, &[Topic::User(bob.id)]).await;
        let mut events = follow(&s.store, &[Topic::Room(room)]).await;
        let (writer, bob_there) = (far.clone(), bob.clone());
        let writing = tokio::spawn(async move {
            join(&writer, room, &bob_there).await;
            send(&writer, room, &bob_there, "hello").await;
        });
        assert_eq!(user_change(&mut told).await, (bob.id, UserChangeBody::RoomAdded(room)));
        assert!(s.rooms.rooms_of(bob.id).await.unwrap().contains(&room), "told of a room before it was there");
        assert!(s.rooms.views(bob.id, &[room]).await.unwrap()[0].is_some());
        for n in 0..2 {
            let event = room_event(&mut events).await;
            let (log, _) = changes(&s.store, room, start, 9).await;
            assert_eq!(log.get(n), Some(&event.change), "the log is behind its event");
        }
        writing.await.unwrap();
    }
}

pub async fn an_inbox_ends_when_the_store_closes(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let mut subscriber = follow(&s.store, &[Topic::Room(room)]).await;
    send(&s.store, room, &alice, "last").await;
    assert!(matches!(signal(&mut subscriber.inbox).await, Signal::Event(_)));
    s.close().await;
    let end = async {
        // Losing the connection on the way out may be told first.
        while let Some(signal) = subscriber.inbox.recv().await {
            assert!(matches!(signal, Signal::Lost), "{signal:?}");
        }
    };
    tokio::time::timeout(crate::support::SOON, end).await.expect("the inbox goes on");
}
