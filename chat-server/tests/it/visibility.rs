//! A room that shows its history only since one joined: an edit of what was written before shows nothing.

use rstest::rstest;
use serde_json::{Value, json};
use store::Topic;

use crate::{
    attachments::uploaded,
    resume::{position, say, viewer},
    slow::{LARGE, MISSED, begin_to_resume},
    support::{Client, Engine, World},
};

/// The events that came before the reply.
async fn edit(client: &mut Client, message: &Value, content: &str) -> Vec<Value> {
    let (reply, events) =
        client.ask_among_events("EDIT_MESSAGE", json!({"messageId": message, "content": content})).await;
    assert_eq!(reply["type"], "EDIT_MESSAGE_ACK", "{reply}");
    events
}

#[rstest]
#[tokio::test]
async fn an_edit_of_what_was_written_before_one_joined_shows_nothing_live_or_resumed(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
    #[values("joined", "all")] visibility: &str,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut author = world.connect(&alice).await;
    let input = json!({"name": "tea", "type": "public", "historyVisibility": visibility});
    let room = author.ask("CREATE_ROOM", input).await["payload"]["room"]["id"].clone();
    let file = uploaded(&world, alice.id).await;
    let input = json!({"roomId": room, "content": "before", "attachments": [file.id]});
    let (ack, _) = author.ask_among_events("SEND_MESSAGE", input).await;
    let before = ack["payload"]["id"].clone();
    let mut reader = world.connect(&bob).await;
    assert_eq!(reader.ask("JOIN_ROOM", json!({"roomId": room})).await["type"], "ROOM_JOINED");
    let (ack, _) = author.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "after"})).await;
    let after = ack["payload"]["id"].clone();
    assert_eq!(reader.next().await["payload"]["content"], "after");
    // Another connection of the reader, attached to all rooms at once.
    let mut second = world.connect(&bob).await;
    let shown = |content: &str| if visibility == "all" { content.to_owned() } else { String::new() };
    let mut own = edit(&mut author, &before, "before, edited").await;
    own.extend(edit(&mut author, &after, "after, edited").await);
    let mut at = Value::Null;
    for client in [&mut reader, &mut second] {
        let (first, last) = (client.next().await, client.next().await);
        assert_eq!((&first["type"], &first["payload"]["rev"]), (&json!("MESSAGE_EDITED"), &json!(5)));
        assert_eq!(first["payload"]["content"], shown("before, edited"));
        assert_eq!(first["payload"]["attachments"].is_array(), visibility == "all", "{first}");
        assert_eq!(last["payload"]["content"], "after, edited");
        at = position(&last["payload"]);
    }
    while own.last().is_none_or(|event| event["payload"]["content"] != "after, edited") {
        own.push(author.next().await);
    }
    let sees = own.iter().any(|event| event["payload"]["content"] == "before, edited");
    assert!(sees, "who was there sees it: {own:?}");

    drop((reader, second));
    edit(&mut author, &before, "edited while away").await;
    let mut back = world.held(0, &bob).await;
    let asked = json!({"rooms": {room.as_str().unwrap(): at}});
    let (resumed, events) = back.ask_among_events("RESUME", asked).await;
    assert_eq!(resumed["payload"]["rooms"][room.as_str().unwrap()]["status"], "caught_up");
    assert_eq!(events[0]["payload"]["content"], shown("edited while away"));
    edit(&mut author, &before, "edited again").await;
    assert_eq!(back.next().await["payload"]["content"], shown("edited again"));
}

#[rstest]
#[tokio::test]
async fn an_edit_after_a_rename_that_the_bus_lost_is_shown_to_who_may_see_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut author = world.connect(&alice).await;
    let room = world.room(&mut author, "tea").await;
    let (ack, _) = author.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "before"})).await;
    let mut reader = world.connect(&bob).await;
    reader.ask("JOIN_ROOM", json!({"roomId": room})).await;
    drop(author);
    let viewer = viewer(&world, &alice).await;
    let topic = Topic::Room(room.parse().unwrap());
    world.bus.mute(topic).await;
    for name in ["coffee", "cocoa"] {
        let patch = serde_json::from_value(json!({"name": name})).unwrap();
        world.domain.rooms.patch(&viewer, room.parse().unwrap(), patch).await.unwrap();
        let edit = json!({"messageId": ack["payload"]["id"], "content": name});
        world.domain.messages.edit(&viewer, serde_json::from_value(edit).unwrap()).await.unwrap();
    }
    world.bus.unmute(topic).await;
    reader.quiet().await;
    say(&world, &viewer, &room, "after").await;
    // The log tells what the room and the message are by now.
    for _ in 0..2 {
        assert_eq!(reader.next().await["payload"]["name"], "cocoa");
        assert_eq!(reader.next().await["payload"]["content"], "cocoa");
    }
    assert_eq!(reader.next().await["payload"]["content"], "after");
}

#[rstest]
#[tokio::test]
async fn who_resumes_while_a_room_hides_its_history_is_shown_no_edit_of_it_from_then_on(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let owner = viewer(&world, &alice).await;
    let mut author = world.connect(&alice).await;
    let room = world.room(&mut author, "tea").await;
    let (early, _) = author.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "early"})).await;
    drop(author);
    let id = room.parse().unwrap();
    world.domain.rooms.join(&viewer(&world, &bob).await, id).await.unwrap();
    let joined = world.domain.rooms.positions(&[id]).await.unwrap().remove(0).unwrap();
    // More than a queue takes.
    let text = "🦀".repeat(LARGE / 4);
    for _ in 0..MISSED {
        say(&world, &owner, &room, &text).await;
    }
    let mut client = begin_to_resume(&world, &bob, &room, &json!(joined)).await;
    // The replay has begun and waits for who reads.
    assert_eq!(client.next().await["type"], "NEW_MESSAGE");
    let patch = serde_json::from_value(json!({"historyVisibility": "joined"})).unwrap();
    world.domain.rooms.patch(&owner, id, patch).await.unwrap();
    let edit = async |content: &str| {
        let edit = json!({"messageId": early["payload"]["id"], "content": content});
        world.domain.messages.edit(&owner, serde_json::from_value(edit).unwrap()).await.unwrap();
    };
    edit("while it resumes").await;
    let told = client.until("MESSAGE_EDITED").await;
    assert_eq!(told[told.len() - 2]["type"], "ROOM_UPDATED");
    assert_eq!(told.last().unwrap()["payload"]["content"], "");
    client.quiet().await;
    edit("when it has").await;
    assert_eq!(client.next().await["payload"]["content"], "");
}
