//! A room that shows its history only since one joined: an edit of what was written before shows nothing.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    attachments::uploaded,
    resume::position,
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
