//! The bus over a connection that is cut.

use std::time::Duration;

use redis::cmd;
use rstest::rstest;
use shared::{Timestamp, UserId, protocol::MessageType};

use super::{
    halves::{actor, room},
    server::{Kind, Server},
};
use crate::{
    Actor, Bus, BusEvent, ChangeBody, Inbox, InboxItem, Inboxes, NewMessage, RoomLog, RoomRecord, Rooms, Signal,
    StoreError, Topic, UserChangeBody, UserEvent,
};

pub(super) fn message(room: &RoomRecord, author: &Actor, content: &str) -> NewMessage {
    NewMessage {
        room: room.id,
        author: author.clone(),
        kind: MessageType::Text,
        content: content.into(),
        client_message_id: None,
        reply_to: None,
        mentions: crate::Mentions::default(),
        attachments: Vec::new(),
        notify_after: Duration::ZERO,
    }
}

async fn next(inbox: &mut Inbox) -> Signal {
    tokio::time::timeout(Duration::from_secs(20), inbox.recv()).await.expect("a signal in time").unwrap()
}

/// The content of the next event, which must be a message.
async fn next_content(inbox: &mut Inbox) -> String {
    match next(inbox).await {
        Signal::Event(BusEvent::Room(event)) => match &event.change.body {
            ChangeBody::Message(message) => message.content.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn what_is_published_after_subscribing_arrives_once_for_each_subscriber(#[case] kind: Kind) {
    let server = Server::start(kind);
    let (engine, other) = (server.engine().await, server.engine().await);
    let (ann, record) = (actor("Ann \"\n"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let (mut first, mut second) = (engine.subscriber(), engine.subscriber());
    // Many rooms of many slots at once, and the one we use among them.
    let mut topics: Vec<Topic> = (0..300).map(|_| Topic::Room(room(None).id)).collect();
    topics.extend([Topic::Room(record.id), Topic::User(ann.id)]);
    let both = tokio::join!(first.subscriptions.subscribe(&topics), second.subscriptions.subscribe(&topics));
    assert!(both.0.is_ok() && both.1.is_ok());
    first.subscriptions.subscribe(&topics).await.unwrap();

    let sent = other.append(&message(&record, &ann, "line\nline")).await.unwrap();
    for inbox in [&mut first.inbox, &mut second.inbox] {
        let Signal::Event(BusEvent::Room(event)) = next(inbox).await else { panic!() };
        assert_eq!((event.room, event.username.as_str()), (record.id, "Ann \"\n"));
        assert_eq!((event.change.rev, event.change.event_id, event.change.at), (sent.rev, sent.event_id, sent.at));
        let ChangeBody::Message(stored) = &event.change.body else { panic!() };
        assert_eq!((stored.content.as_str(), stored.seq, stored.author), ("line\nline", sent.seq, ann.id));
    }
    first.subscriptions.unsubscribe(&[Topic::Room(record.id)]).await;
    other.append(&message(&record, &ann, "two")).await.unwrap();
    other.join(record.id, &actor("bob"), shared::protocol::Role::Member, 9).await.unwrap();
    other.leave(record.id, &ann).await.unwrap();
    assert_eq!(next_content(&mut second.inbox).await, "two");
    let Signal::Event(BusEvent::User(user, event)) = next(&mut first.inbox).await else { panic!() };
    let UserEvent::Change(change) = &*event else { panic!("{event:?}") };
    assert_eq!((user, &change.body), (ann.id, &UserChangeBody::RoomRemoved(record.id)));
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn after_the_connection_was_cut_subscribers_hear_lost_and_then_events_again(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let mut worker = engine.subscriber();
    let mut topics: Vec<Topic> = (0..20).map(|_| Topic::Room(room(None).id)).collect();
    topics.push(Topic::Room(record.id));
    worker.subscriptions.subscribe(&topics).await.unwrap();
    for round in 0..3 {
        let mut connection = server.connection().await;
        let killed: i64 =
            cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut connection).await.unwrap();
        assert!(killed >= 1, "the bus is there to be cut");
        assert!(matches!(next(&mut worker.inbox).await, Signal::Lost), "round {round}");
        let content = format!("after {round}");
        engine.append(&message(&record, &ann, &content)).await.unwrap();
        assert_eq!(next_content(&mut worker.inbox).await, content);
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_server_that_went_away_and_came_back_is_followed_again(#[case] kind: Kind) {
    let mut server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    engine.append(&message(&record, &ann, "before")).await.unwrap();
    let mut worker = engine.subscriber();
    worker.subscriptions.subscribe(&[Topic::Room(record.id)]).await.unwrap();
    server.kill();
    server.restart();
    assert!(matches!(next(&mut worker.inbox).await, Signal::Lost));
    let came_back = async {
        loop {
            // The first calls may find the dead connection.
            match engine.append(&message(&record, &ann, "after")).await {
                Ok(appended) => break appended.seq,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
            }
        }
    };
    let seq = tokio::time::timeout(Duration::from_secs(20), came_back).await.expect("writable again");
    assert_eq!(seq, 2, "what was acknowledged is there");
    assert_eq!(next_content(&mut worker.inbox).await, "after");
}

#[tokio::test]
async fn a_subscriber_that_was_dropped_leaves_no_subscription_behind() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let user = UserId::new();
    let (worker, mut other) = (engine.subscriber(), engine.subscriber());
    worker.subscriptions.subscribe(&[Topic::User(user)]).await.unwrap();
    other.subscriptions.subscribe(&[Topic::Presence(user)]).await.unwrap();
    drop(worker);
    let mut connection = server.connection().await;
    let channel = engine.keys.channel(Topic::User(user));
    let all_ended = async {
        loop {
            let (_, followers): (String, i64) =
                cmd("PUBSUB").arg("SHARDNUMSUB").arg(&channel).query_async(&mut connection).await.unwrap();
            if followers == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_ended).await.expect("the subscription ends");
    // Ending it ourselves is no lost connection.
    assert!(other.inbox.try_recv().is_none());
}

#[tokio::test]
async fn a_closed_store_ends_its_inboxes() {
    use crate::Maintenance;
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let mut worker = engine.subscriber();
    engine.close().await.unwrap();
    assert!(worker.inbox.recv().await.is_none());
}

#[tokio::test]
async fn a_notification_reaches_its_user() {
    let server = Server::start(Kind::Cluster);
    let engine = server.engine().await;
    let user = UserId::new();
    let mut worker = engine.subscriber();
    worker.subscriptions.subscribe(&[Topic::User(user)]).await.unwrap();
    let item = InboxItem {
        id: shared::NotificationId::new(),
        title: "t".into(),
        body: "b".into(),
        data: None,
        category: None,
        room: None,
        created_at: Timestamp::from_millis(5),
        read_at: None,
    };
    engine.add_to_inbox(user, &item, None).await.unwrap();
    let Signal::Event(BusEvent::User(_, event)) = next(&mut worker.inbox).await else { panic!() };
    let UserEvent::Change(change) = &*event else { panic!("{event:?}") };
    assert_eq!(change.body, UserChangeBody::Notification(item.into()));
}
