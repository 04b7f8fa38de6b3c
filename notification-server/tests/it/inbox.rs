//! A user's inbox: pages, reading, collapsing.

use rstest::rstest;
use serde_json::{Value, json};
use shared::{NotificationId, Timestamp};
use store::InboxItem;

use crate::support::{Engine, Person, TestServer, World, assert_answer};

/// Queues one and waits until it is in the inbox.
async fn notify(server: &TestServer, person: &Person, title: &str, more: Value) -> String {
    let mut body = json!({ "userId": person.id, "title": title, "body": "" });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let answer = server.notify(body).await;
    let id = answer.raw["id"].as_str().unwrap().to_owned();
    server.done(&id).await;
    id
}

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

#[rstest]
#[actix_web::test]
async fn the_inbox_comes_in_pages_newest_first(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let server = world.serve().await;
    for title in ["one", "two", "three"] {
        notify(&server, &alice, title, json!({})).await;
    }
    let first = server.get("/api/notifications?limit=2", &alice).await.raw;
    assert_eq!(titles(&first), ["three", "two"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = server.get(&format!("/api/notifications?limit=2&cursor={cursor}"), &alice).await.raw;
    assert_eq!(titles(&second), ["one"]);
    assert!(second.get("nextCursor").is_none());
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn one_or_all_are_marked_as_read_by_their_owner_alone(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let (alice, mallory) = (world.person("alice").await, world.person("mallory").await);
    let server = world.serve().await;
    let id = notify(&server, &alice, "one", json!({})).await;
    notify(&server, &alice, "two", json!({})).await;
    notify(&server, &alice, "three", json!({})).await;
    let path = format!("/api/notifications/{id}/read");
    assert_eq!(server.put(&path, &mallory).await.status, 404);
    assert_eq!(server.put(&path, &alice).await.status, 204);
    assert_eq!(server.put(&path, &alice).await.status, 204, "twice is once");
    assert_answer!(server.get("/api/notifications", &alice).await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "body": "",
            "createdAt": "[time]",
            "id": "[id 1]",
            "title": "three"
          },
          {
            "body": "",
            "createdAt": "[time]",
            "id": "[id 2]",
            "title": "two"
          },
          {
            "body": "",
            "createdAt": "[time]",
            "id": "[id 3]",
            "readAt": "[time]",
            "title": "one"
          }
        ],
        "unread": 2
      }
    }
    "#);
    assert_answer!(server.put("/api/notifications/read-all", &alice).await, @r#"
    {
      "status": 200,
      "body": {
        "read": 2
      }
    }
    "#);
    assert_answer!(server.put("/api/notifications/read-all", &alice).await, @r#"
    {
      "status": 200,
      "body": {
        "read": 0
      }
    }
    "#);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_later_notification_takes_the_place_of_an_unread_one_of_its_key(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let server = world.serve().await;
    let key = || json!({ "collapseKey": "order:7" });
    notify(&server, &alice, "packed", key()).await;
    let sent = notify(&server, &alice, "sent", key()).await;
    notify(&server, &alice, "other", json!({})).await;
    assert_eq!(titles(&server.get("/api/notifications", &alice).await.raw), ["other", "sent"]);
    server.put(&format!("/api/notifications/{sent}/read"), &alice).await;
    notify(&server, &alice, "delivered", key()).await;
    assert_eq!(titles(&server.get("/api/notifications", &alice).await.raw), ["delivered", "other", "sent"]);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_page_of_long_items_ends_earlier_and_the_next_goes_on_from_there(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let bob = world.person("bob").await;
    let mut added = Vec::new();
    for n in 0..60 {
        let item = InboxItem {
            id: NotificationId::new(),
            title: "Tea".into(),
            body: "🙂".repeat(2000),
            data: None,
            category: None,
            room: None,
            created_at: Timestamp::from_millis(n),
            read_at: None,
        };
        world.domain.store.inboxes.add_to_inbox(bob.id, &item, None).await.unwrap();
        added.insert(0, item.id);
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = world.domain.notifications.inbox(&bob.viewer, cursor.as_deref(), Some(60)).await.unwrap();
        assert!(serde_json::to_string(&page).unwrap().len() <= 256 * 1024);
        seen.extend(page.items.iter().map(|item| item.id));
        (cursor, pages) = (page.next_cursor, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (added, 2));
}
