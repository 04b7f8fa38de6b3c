//! Messages that become notifications: for whom, how often, and when not any more.

use std::time::Duration;

use domain::{accounts::DeleteAccount, notifications::inbox_item};
use rstest::rstest;
use serde_json::json;
use shared::{
    InstanceId, NotificationId, Timestamp,
    protocol::command::{EditMessage, Mark},
};
use store::SocketKind;

use crate::support::{Engine, World, assert_answer};

#[rstest]
#[actix_web::test]
async fn a_message_notifies_the_absent_and_not_those_who_are_there(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob, carol) = (world.person("alice").await, world.person("bob").await, world.person("carol").await);
    let room = world.room(&[&alice, &bob, &carol]).await;
    world.domain.presence.connected(&carol.viewer, 1, SocketKind::Chat).await.unwrap();
    let mut arrivals = world.watch(&bob).await;
    let server = world.serve().await;
    let message = server.world.send(&alice, room, "Tea?").await;
    assert_eq!(arrivals.next().await.body, "Tea?");
    // The jobs of one message are queued together: who is not among the recipients will not be.
    let answer = server.done(NotificationId::for_message(message)).await;
    assert_eq!(answer.raw["recipients"][0]["userId"], bob.id.to_string());
    assert_answer!(answer, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "inbox",
                "state": "delivered"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    assert_answer!(server.get("/api/notifications", &bob).await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "body": "Tea?",
            "category": "message",
            "createdAt": "[time]",
            "data": {
              "count": 1,
              "messageId": "[id 1]",
              "roomId": "[id 2]",
              "seq": 1
            },
            "id": "[id 3]",
            "roomId": "[id 2]",
            "title": "alice in Tea"
          }
        ],
        "unread": 1
      }
    }
    "#);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_device_that_is_not_looked_at_does_not_eat_the_notification(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    world.domain.presence.connected(&bob.viewer, 1, SocketKind::Presence).await.unwrap();
    world.domain.presence.connected(&bob.viewer, 2, SocketKind::Chat).await.unwrap();
    world.domain.presence.focus(&bob.viewer, 1, false).await.unwrap();
    let mut arrivals = world.watch(&bob).await;
    let server = world.serve().await;
    server.world.send(&alice, room, "Tea?").await;
    assert_eq!(arrivals.next().await.title, "alice in Tea");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn ten_messages_found_at_once_are_one_unread_item(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    for n in 1..=10 {
        world.send(&alice, room, &format!("message {n}")).await;
    }
    let mut arrivals = world.watch(&bob).await;
    let server = world.serve().await;
    assert_eq!(arrivals.next().await.body, "message 10 (+9 more)");
    assert_eq!(server.world.inbox(&bob).await.len(), 1);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn ten_messages_one_after_the_other_end_as_one_unread_item(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    let mut arrivals = world.watch(&bob).await;
    let server = world.serve().await;
    for n in 1..=10 {
        server.world.send(&alice, room, &format!("message {n}")).await;
        if n % 5 == 0 {
            while !arrivals.next().await.body.starts_with(&format!("message {n}")) {}
        }
    }
    let inbox = server.world.inbox(&bob).await;
    assert_eq!(inbox.iter().map(|item| item.body.as_str()).collect::<Vec<_>>(), ["message 10 (+9 more)"]);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_notification_that_was_held_up_does_not_take_the_place_of_a_later_one(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    let lease = Duration::from_secs(30);
    let mut messages = Vec::new();
    for text in ["first", "second"] {
        messages.push(world.send(&alice, room, text).await);
        let due = world.domain.store.notify_queue.take_due(Timestamp::now(), lease, 10).await.unwrap();
        world.domain.notifications.consider(&due[0]).await.unwrap();
    }
    // Another process delivered the second, and has not said so yet.
    let long_ago = Timestamp::now().before(2 * lease);
    let claimed = world.domain.store.outbox.claim(InstanceId::new(), long_ago, lease, 10).await.unwrap();
    let second = claimed.iter().find(|claimed| claimed.job.message == Some(messages[1])).unwrap();
    let (item, key) = (inbox_item(&second.job), second.job.collapse_key.as_deref());
    world.domain.store.inboxes.add_to_inbox(bob.id, &item, key).await.unwrap();
    let server = world.serve().await;
    assert_answer!(server.done(NotificationId::for_message(messages[0])).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "inbox",
                "detail": "a later message took its place",
                "state": "suppressed"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    let second = server.done(NotificationId::for_message(messages[1])).await;
    assert_eq!(second.raw["recipients"][0]["channels"][0]["state"], "delivered");
    let inbox = server.world.inbox(&bob).await;
    assert_eq!(inbox.iter().map(|item| item.body.as_str()).collect::<Vec<_>>(), ["second (+1 more)"]);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_notification_is_not_delivered_once_its_message_is_read_or_deleted_or_its_room_left(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let mut messages = Vec::new();
    for (name, why) in [("bob", "read"), ("carol", "deleted"), ("dave", "left")] {
        let member = world.person(name).await;
        let room = world.room(&[&alice, &member]).await;
        let message = world.send(&alice, room, "Tea?").await;
        messages.push((member, message, why));
    }
    let due = world.domain.store.notify_queue.take_due(Timestamp::now(), Duration::from_secs(30), 10).await.unwrap();
    for due in &due {
        assert_eq!(world.domain.notifications.consider(due).await.unwrap(), 1);
    }
    assert_eq!(due.len(), 3);
    for (member, message, why) in &messages {
        match *why {
            "read" => {
                let mark = Mark { room_id: message.room, seq: message.seq };
                world.domain.messages.mark_read(&member.viewer, &mark).await.unwrap();
            }
            "deleted" => world.domain.messages.delete(&alice.viewer, *message).await.unwrap(),
            _ => world.domain.rooms.leave(&member.viewer, message.room).await.unwrap(),
        }
    }
    let server = world.serve().await;
    let mut told = Vec::new();
    for (member, message, why) in &messages {
        let answer = server.done(NotificationId::for_message(*message)).await;
        let channel = &answer.raw["recipients"][0]["channels"][0];
        told.push(format!("{why}: {} {}", channel["state"], channel["detail"]));
        assert!(server.world.inbox(member).await.is_empty(), "{why}");
    }
    assert_answer!(told, @r#"
    [
      "read: \"suppressed\" \"read meanwhile\"",
      "deleted: \"suppressed\" \"the message was deleted\"",
      "left: \"suppressed\" \"no longer a member of the room\""
    ]
    "#);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_delivered_notification_says_what_its_message_says_now_and_nothing_once_it_is_deleted(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    let mut arrivals = world.watch(&bob).await;
    let server = world.serve().await;
    let message = server.world.send(&alice, room, "a secret").await;
    assert_eq!(arrivals.next().await.body, "a secret");
    let kept = &server.world.domain.store.inboxes.inbox(bob.id, None, 1).await.unwrap()[0];
    assert!(!format!("{kept:?}").contains("secret"), "no second copy is kept: {kept:?}");

    let said = async || server.get("/api/notifications", &bob).await.raw["items"][0]["body"].clone();
    let edit = EditMessage { message_id: message, content: "as meant".into() };
    server.world.domain.messages.edit(&alice.viewer, edit).await.unwrap();
    assert_eq!(said().await, "as meant");
    server.world.domain.messages.delete(&alice.viewer, message).await.unwrap();
    assert_eq!(said().await, "This message is no longer available");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_notification_names_its_author_as_they_are_called_when_it_is_read(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&bob, &alice]).await;
    let mut arrivals = world.watch(&bob).await;
    let server = world.serve().await;
    server.world.send(&alice, room, "Tea?").await;
    assert_eq!(arrivals.next().await.title, "alice in Tea");
    let kept = server.world.domain.store.inboxes.inbox(bob.id, None, 9).await.unwrap();
    assert_eq!((kept[0].title.as_str(), kept[0].body.as_str()), ("", ""), "neither name nor text is kept with it");
    server.world.domain.accounts.delete(&alice.viewer, DeleteAccount::default()).await.unwrap();
    let shown = server.world.inbox(&bob).await;
    assert_eq!((shown[0].title.as_str(), shown[0].body.as_str()), ("deleted user in Tea", "Tea?"));
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn what_waits_for_a_user_who_is_gone_is_dropped(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    let message = world.send(&alice, room, "Tea?").await;
    let notifications = &world.domain.notifications;
    let due = world.domain.store.notify_queue.take_due(far(), Duration::from_secs(30), 9).await.unwrap();
    notifications.consider(&due[0]).await.unwrap();
    let request = serde_json::from_value(json!({ "userId": bob.id, "title": "t", "body": "b" })).unwrap();
    let asked = notifications.notify([0; 16], None, request).await.unwrap();
    world.domain.accounts.delete(&bob.viewer, DeleteAccount::default()).await.unwrap();
    let server = world.serve().await;
    for id in [NotificationId::for_message(message), asked] {
        let state = server.done(id).await;
        let channel = &state.raw["recipients"][0]["channels"][0];
        assert_eq!((&channel["state"], &channel["detail"]), (&json!("suppressed"), &json!("the account is gone")));
    }
    assert_eq!(server.world.inbox(&bob).await, []);
    server.stop().await;
}

/// Later than anything is due.
fn far() -> Timestamp {
    Timestamp::now().after(Duration::from_secs(3600))
}
