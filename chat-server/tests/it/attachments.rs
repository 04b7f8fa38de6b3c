//! Attachments over sockets: named in `SEND_MESSAGE`, told in events.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use shared::{AttachmentId, Timestamp, UserId};
use store::{AttachmentRecord, UploadQuota};

use crate::support::{Engine, World};

/// An upload of this user, as api-server records it.
pub async fn uploaded(world: &World, user: UserId) -> AttachmentRecord {
    let file = AttachmentRecord {
        id: AttachmentId::new(),
        name: "a.png".into(),
        mime: "image/png".into(),
        size: 7,
        pixels: Some((30, 20)),
    };
    let until = Timestamp::now().after(Duration::from_secs(60));
    let quota = UploadQuota { uploads: 9, bytes: 99 };
    world.domain.store.attachments.put_upload(user, &file, until, quota).await.unwrap();
    file
}

#[rstest]
#[tokio::test]
async fn a_message_and_its_event_carry_its_attachments(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut author, mut reader) = (world.connect(&alice).await, world.connect(&bob).await);
    let room = world.room(&mut author, "tea").await;
    reader.ask("JOIN_ROOM", json!({ "roomId": room })).await;
    author.until("USER_JOINED").await;
    let file = uploaded(&world, alice.id).await;
    let input = json!({ "roomId": room, "clientMessageId": "k", "attachments": [file.id] });
    let (ack, _) = author.ask_among_events("SEND_MESSAGE", input.clone()).await;
    assert_eq!(ack["type"], "MESSAGE_ACK", "{ack}");
    let event = reader.until("NEW_MESSAGE").await.pop().unwrap();
    let url = format!("/api/messages/{}/attachments/{}", ack["payload"]["id"].as_str().unwrap(), file.id);
    let told = &event["payload"];
    assert_eq!((&told["type"], &told["content"]), (&json!("image"), &json!("")));
    assert_eq!(
        told["attachments"],
        json!([{
            "id": file.id, "url": url, "name": "a.png", "mime": "image/png", "size": 7,
            "width": 30, "height": 20, "thumbnailUrl": format!("{url}/thumbnail"),
        }])
    );
    let (again, _) = author.ask_among_events("SEND_MESSAGE", input).await;
    assert_eq!((&again["payload"]["id"], &again["payload"]["duplicate"]), (&ack["payload"]["id"], &json!(true)));
    let history = reader.ask("GET_HISTORY", json!({ "roomId": room })).await;
    assert_eq!(history["payload"]["items"][0]["attachments"], told["attachments"]);
}

#[rstest]
#[tokio::test]
async fn what_is_no_upload_of_one_s_own_is_refused_and_the_socket_goes_on(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut author = world.connect(&alice).await;
    let room = world.room(&mut author, "tea").await;
    let (own, other) = (uploaded(&world, alice.id).await.id, uploaded(&world, bob.id).await.id);
    for bad in [json!([other]), json!([own, AttachmentId::new()]), json!([own, own]), json!(["x"]), json!("x")] {
        let (refused, _) = author.ask_among_events("SEND_MESSAGE", json!({ "roomId": room, "attachments": bad })).await;
        assert_eq!(refused["payload"]["code"], "INVALID_MESSAGE", "{refused}");
    }
    let (blank, _) = author.ask_among_events("SEND_MESSAGE", json!({ "roomId": room })).await;
    assert_eq!(blank["payload"]["code"], "INVALID_MESSAGE", "{blank}");
    let (sent, _) = author.ask_among_events("SEND_MESSAGE", json!({ "roomId": room, "attachments": [own] })).await;
    assert_eq!(sent["type"], "MESSAGE_ACK", "{sent}");
}
