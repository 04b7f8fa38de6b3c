//! Two strangers meet: the way of two users through all services, as they come and go.

use client::{
    ErrorCode, PageQuery,
    protocol::{RoomType, ServerFrame, Status},
};
use e2e::{Person, System, eventually};

use crate::support::{SOON, frame, message, status_of};

#[tokio::test]
async fn two_strangers_meet_in_one_process_without_redis() {
    let system = System::embedded().await.unwrap();
    let url = system.chat_url().unwrap();
    two_strangers_meet(&system, &url, &url).await;
}

#[tokio::test]
async fn two_strangers_meet_over_four_services_on_different_chat_servers() {
    let system = System::over_redis(2).await.unwrap();
    let urls = [system.chat_url_of("chat-0").unwrap(), system.chat_url_of("chat-1").unwrap()];
    two_strangers_meet(&system, &urls[0], &urls[1]).await;
}

async fn two_strangers_meet(system: &System, alices: &str, bobs: &str) {
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    names_are_unique_without_case(system, &alice).await;
    sockets_are_found_by_the_registry(&alice, &[alices, bobs], &system.presence_url().unwrap()).await;
    they_talk_directly(&alice, alices, &bob, bobs).await;
    they_talk_in_a_room(&alice, alices, &bob, bobs).await;
    they_see_each_other_come_and_go(system, &alice, &bob, bobs).await;
    the_absent_one_finds_a_notification(&alice, alices, &bob).await;
}

async fn names_are_unique_without_case(system: &System, alice: &Person) {
    let name = alice.name.to_uppercase();
    let signup = client::api::Signup {
        username: &name,
        email: "other@example.org",
        password: "correct horse",
        display_name: None,
    };
    let refused = system.api().unwrap().signup(&signup).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::UsernameTaken));
    let login = system.api().unwrap().login(&alice.name, "correct horse").await.unwrap();
    assert_eq!(login.user.id, alice.id);
    let refused = system.api().unwrap().login(&alice.name, "wrong horse").await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorized));
}

async fn sockets_are_found_by_the_registry(alice: &Person, chat: &[&str], presence: &str) {
    let found = eventually("a chat-server is registered", SOON, async || alice.api.instance("chat").await.ok());
    assert!(chat.contains(&found.await.unwrap().url.as_str()));
    let found = eventually("a presence-server is registered", SOON, async || alice.api.instance("presence").await.ok());
    assert_eq!(found.await.unwrap().url, presence);
}

async fn they_talk_directly(alice: &Person, alices: &str, bob: &Person, bobs: &str) {
    let (alice_chat, mut alice_sees) = alice.chat(alices).await.unwrap();
    let (bob_chat, mut bob_sees) = bob.chat(bobs).await.unwrap();

    let ack = alice_chat.send_message(bob.id, "hello, stranger").await.unwrap();
    assert_eq!((ack.seq, ack.duplicate), (1, false));
    let added = frame("the room is added, before its first event", &mut bob_sees, |frame| match frame {
        ServerFrame::RoomAdded { room, .. } => Some(room.clone()),
        ServerFrame::NewMessage { .. } => panic!("a message of a room nobody spoke of"),
        _ => None,
    });
    let added = added.await;
    assert_eq!((added.id, added.kind), (ack.room_id, RoomType::Direct));
    let seen = message("hello, stranger", &mut bob_sees).await;
    assert_eq!((seen.id, seen.user_id, &seen.username), (ack.id, alice.id, &alice.name));
    assert_eq!(message("hello, stranger", &mut alice_sees).await.id, ack.id, "the sender's own devices see it too");

    let reply = bob_chat.send_message(ack.room_id, "hello yourself").await.unwrap();
    assert_eq!((reply.room_id, reply.seq), (ack.room_id, 2));
    assert_eq!(message("hello yourself", &mut alice_sees).await.id, reply.id);

    let over_socket = bob_chat.history(ack.room_id, PageQuery::default()).await.unwrap();
    let contents: Vec<&str> = over_socket.items.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(contents, ["hello yourself", "hello, stranger"], "newest first");
    let over_rest = alice.api.history(ack.room_id, PageQuery::default()).await.unwrap();
    assert!(over_rest.items.iter().map(|message| message.id).eq(over_socket.items.iter().map(|message| message.id)));
    assert_eq!(over_rest.position, over_socket.position);
    assert_eq!(alice.api.direct_room(bob.id).await.unwrap().id, ack.room_id, "there is one direct room, not two");
}

async fn they_talk_in_a_room(alice: &Person, alices: &str, bob: &Person, bobs: &str) {
    let (alice_chat, mut alice_sees) = alice.chat(alices).await.unwrap();
    let (bob_chat, mut bob_sees) = bob.chat(bobs).await.unwrap();
    let handle = format!("tea-{}", alice.name);

    let room = alice_chat.create_room("Tea", RoomType::Public, Some(&handle)).await.unwrap();
    alice_chat.send_message(room.id, "anyone?").await.unwrap();
    let joined = bob_chat.join_room_by_handle(&handle).await.unwrap();
    assert_eq!((joined.room.id, joined.member_count), (room.id, 2));
    assert_eq!(joined.messages.len(), 1, "a public room shows what was said before");
    frame("bob joins", &mut alice_sees, |frame| match frame {
        ServerFrame::UserJoined { user_id, room_id, .. } => (*user_id == bob.id && *room_id == room.id).then_some(()),
        _ => None,
    })
    .await;

    bob_chat.send_message(room.id, "me").await.unwrap();
    let seen = frame("bob's message", &mut alice_sees, |frame| match frame {
        ServerFrame::NewMessage { message, .. } if message.user_id == bob.id => Some(message.clone()),
        _ => None,
    });
    assert_eq!(seen.await.content, "me");
    assert_eq!(message("me", &mut bob_sees).await.seq, 2);

    let private = alice_chat.create_room("Secret", RoomType::Private, None).await.unwrap();
    let refused = bob_chat.join_room(private.id).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::RoomNotFound), "no hint that it exists");
    assert_eq!(bob.api.history(private.id, PageQuery::default()).await.unwrap_err().code(), refused.code());

    bob_chat.leave_room(room.id).await.unwrap();
    frame("bob leaves", &mut alice_sees, |frame| match frame {
        ServerFrame::UserLeft { user_id, .. } => (*user_id == bob.id).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(bob_chat.send_message(room.id, "still here?").await.unwrap_err().code(), Some(ErrorCode::NotAMember));
}

async fn they_see_each_other_come_and_go(system: &System, alice: &Person, bob: &Person, bobs: &str) {
    let (bob_chat, _bob_sees) = bob.chat(bobs).await.unwrap();
    let (watching, mut updates) = alice.presence(&system.presence_url().unwrap()).await.unwrap();
    assert_eq!(watching.subscribe(&[bob.id]).await.unwrap()[0].status, Status::Online);

    bob_chat.close().await;
    assert_eq!(status_of(bob.id, SOON, &mut updates).await, "offline");
    let seen = alice.api.user_status(bob.id).await.unwrap();
    assert_eq!((seen.status, seen.last_seen.is_some()), (Status::Offline, true));

    let (bob_chat, _bob_sees) = bob.chat(bobs).await.unwrap();
    assert_eq!(status_of(bob.id, SOON, &mut updates).await, "online");
    assert_eq!(alice.api.user_status(bob.id).await.unwrap().status, Status::Online);
    bob_chat.close().await;
    assert_eq!(status_of(bob.id, SOON, &mut updates).await, "offline");
}

async fn the_absent_one_finds_a_notification(alice: &Person, alices: &str, bob: &Person) {
    let (alice_chat, _) = alice.chat(alices).await.unwrap();
    let ack = alice_chat.send_message(bob.id, "are you there?").await.unwrap();
    let waiting = eventually("bob has a notification", SOON, async || {
        let inbox = bob.api.notifications(None).await.unwrap();
        inbox.items.into_iter().find(|item| item.room_id == Some(ack.room_id))
    });
    let waiting = waiting.await.unwrap();
    assert!(waiting.title.contains(&alice.name) || waiting.body.contains(&alice.name), "{waiting:?}");
    assert!(waiting.read_at.is_none());
    let unread = bob.api.unread().await.unwrap();
    assert_eq!((unread.total, unread.rooms[0].room_id), (1, ack.room_id));

    bob.api.mark_read(ack.room_id, ack.seq).await.unwrap();
    bob.api.mark_notification_read(waiting.id).await.unwrap();
    assert_eq!(bob.api.unread().await.unwrap().total, 0);
    let inbox = bob.api.notifications(None).await.unwrap();
    assert!(inbox.items.iter().any(|item| item.id == waiting.id && item.read_at.is_some()));
}
