//! Every way to change or read a message that the client has, over the socket and over REST alike.

use client::protocol::{RoomType, ServerFrame};
use e2e::System;

use crate::support::{frame, message};

#[tokio::test]
async fn what_one_client_changes_the_other_sees_and_rest_tells() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let url = system.chat_url().unwrap();
    let ((chat, mut alice_sees), (bob_chat, mut bob_sees)) =
        (alice.chat(&url).await.unwrap(), bob.chat(&url).await.unwrap());
    let room = chat.create_room("r", RoomType::Public, None).await.unwrap().id;
    bob_chat.join_room(room).await.unwrap();
    let sent = chat.send_message(room, "frist").await.unwrap().id;
    assert_eq!(message("frist", &mut bob_sees).await.id, sent);

    chat.edit_message(sent, "first").await.unwrap();
    let edited = frame("the edit", &mut bob_sees, |frame| match frame {
        ServerFrame::MessageEdited { message, .. } => Some(message.content.clone()),
        _ => None,
    });
    assert_eq!(edited.await, "first");
    assert_eq!(alice.api.edit_message(sent, "First").await.unwrap().content, "First");

    assert_eq!(bob_chat.react(sent, "👍", true).await.unwrap(), 1);
    assert_eq!(alice.api.react(sent, "👍", true).await.unwrap(), 2);
    assert_eq!(alice.api.react(sent, "👍", false).await.unwrap(), 1);
    let reaction = frame("the reaction", &mut alice_sees, |frame| match frame {
        ServerFrame::ReactionUpdated { emoji, added: true, count: 1, .. } => Some(emoji.clone()),
        _ => None,
    });
    assert_eq!(reaction.await, "👍");

    let mut reply = client::OutgoingMessage::new(room, "second");
    reply.reply_to = Some(sent);
    let reply = bob.api.send(&reply).await.unwrap();
    let replies = alice.api.replies(sent, None).await.unwrap();
    assert_eq!(replies.items.iter().map(|message| message.id).collect::<Vec<_>>(), [reply.id]);
    let found = alice.api.search(room, "fIRST", None, None).await.unwrap();
    assert_eq!((found.items.len(), found.next_before), (1, None));

    bob.api.mark_delivered(room, sent.seq).await.unwrap();
    let receipts = alice.api.receipts(room, None).await.unwrap().items;
    let of_bob = receipts.iter().find(|receipt| receipt.user_id == bob.id).unwrap();
    assert!(of_bob.delivered_seq >= sent.seq, "{receipts:?}");
    let delivery = alice.api.delivery(sent, None).await.unwrap().items;
    assert!(delivery.iter().any(|one| one.user_id == bob.id && one.delivered), "{delivery:?}");

    let synced = chat.sync(None).await.unwrap();
    assert_eq!(synced.rooms.iter().map(|room| room.id).collect::<Vec<_>>(), [room]);
}
