//! What an append costs, what a deletion leaves behind, and that all of it is there after a restart.

use super::{keys::Counted, *};
use crate::{Edit, Marks, Outcome, Reacting};

/// How many keys an append writes now. It is not committed.
fn keys_written(engine: &Embedded, message: &NewMessage) -> usize {
    let snapshot = engine.kv.lock().clone().unwrap().snapshot();
    let group = tx::Overlay::new();
    let mut tx = Tx::new(&snapshot, &group);
    log::append(&mut tx, message.clone()).unwrap();
    tx.finish().0.len()
}

/// How many keys there are in these spans.
pub(super) fn keys_in(engine: &Embedded, spans: &[keys::Span]) -> u64 {
    let snapshot = engine.kv.lock().clone().unwrap().snapshot();
    spans.iter().map(|span| kv::Read::count(&snapshot, span).unwrap()).sum()
}

pub(super) fn reacting(id: MessageId, by: &Actor, emoji: &str) -> Reacting {
    Reacting { id, by: by.clone(), emoji: emoji.into(), add: true }
}

#[tokio::test]
async fn an_append_writes_four_keys_and_only_what_more_it_says_costs_more() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).await.unwrap();
    let store = engine.store();
    let (alice, bob) = (actor("alice"), actor("bob"));
    let id = room(&store, &alice).await;
    store.rooms.join(id, &bob, Role::Member, 9).await.unwrap();
    let plain = message(id, &alice, "hello");
    assert_eq!(keys_written(&engine, &plain), 5, "the first makes the room due");
    let first = store.log.append(&plain).await.unwrap();
    assert_eq!(keys_written(&engine, &plain), 4);
    assert_eq!(keys_written(&engine, &NewMessage { client_message_id: Some("k".into()), ..plain.clone() }), 5);
    for all in [false, true] {
        let named = Mentions { users: vec![bob.id, UserId::new(), bob.id], all };
        assert_eq!(keys_written(&engine, &NewMessage { mentions: named, ..plain.clone() }), 7, "bob, or everybody");
    }
    let reply_to = |seq| Some(MessageId { room: id, seq });
    assert_eq!(keys_written(&engine, &NewMessage { reply_to: reply_to(first.seq), ..plain.clone() }), 6);
    assert_eq!(keys_written(&engine, &NewMessage { reply_to: reply_to(first.seq + 1), ..plain }), 4, "to itself");
}

#[tokio::test]
async fn a_deleted_message_is_in_no_index() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).await.unwrap();
    let store = engine.store();
    let (alice, bob) = (actor("alice"), actor("bob"));
    let id = room(&store, &alice).await;
    store.rooms.join(id, &bob, Role::Member, 9).await.unwrap();
    for all in [false, true] {
        let mentions = Mentions { users: vec![bob.id], all };
        store.log.append(&NewMessage { mentions, ..message(id, &alice, "@bob") }).await.unwrap();
    }
    let [sent, to_all] = [1, 2].map(|seq| MessageId { room: id, seq });
    for emoji in ["👍", "🎉"] {
        store.log.react(&reacting(sent, &bob, emoji)).await.unwrap();
    }
    let mentioned = [Counted::Naming(bob.id), Counted::NamingAll].map(|index| index.entries(id, 0, u64::MAX));
    let reactions = [keys::reactions_to(id, sent.seq), keys::leavings()];
    assert_eq!((keys_in(&engine, &mentioned), keys_in(&engine, &reactions)), (2, 2));
    store.log.delete_message(sent, &alice, None).await.unwrap();
    assert_eq!(keys_in(&engine, &mentioned), 1);
    store.log.delete_message(to_all, &alice, None).await.unwrap();
    assert_eq!(keys_in(&engine, &mentioned), 0);
    assert_eq!(store.log.reacted(id, bob.id, &[sent.seq]).await.unwrap(), [], "out of sight before the sweep");
    store.maintenance.sweep(Timestamp::now()).await.unwrap();
    assert_eq!(keys_in(&engine, &reactions), 0);
}

#[tokio::test]
async fn an_edit_moves_the_mentions_to_whom_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let id = room(&store, &alice).await;
    for user in [&bob, &carol] {
        store.rooms.join(id, user, Role::Member, 9).await.unwrap();
    }
    let named = |user: &Actor, all| Mentions { users: vec![user.id, UserId::new()], all };
    let sent = store.log.append(&NewMessage { mentions: named(&bob, true), ..message(id, &alice, "bob, all") }).await;
    let sent = MessageId { room: id, seq: sent.unwrap().seq };
    let counts = async || {
        let mut counts = Vec::new();
        for user in [&bob, &carol] {
            counts.push(store.rooms.views(user.id, &[id]).await.unwrap()[0].as_ref().unwrap().mentions);
        }
        counts
    };
    assert_eq!(counts().await, [1, 1], "named twice is mentioned once");
    let edit = Edit { id: sent, by: alice.clone(), content: "carol".into(), mentions: named(&carol, false) };
    let edited = store.log.edit_message(&edit).await.unwrap();
    assert_eq!((edited.mentions.users, edited.mentions.all), (vec![carol.id], false));
    assert_eq!(counts().await, [0, 1]);
    store.log.mark_read(id, carol.id, sent.seq).await.unwrap();
    assert_eq!(counts().await, [0, 0]);
}

#[tokio::test]
async fn edits_reactions_replies_marks_and_outcomes_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room(&store, &alice).await;
    store.rooms.join(room, &bob, Role::Member, 9).await.unwrap();
    let mentions = Mentions { users: vec![bob.id], all: false };
    let sent = store.log.append(&NewMessage { mentions: mentions.clone(), ..message(room, &alice, "one") }).await;
    let id = MessageId { room, seq: sent.unwrap().seq };
    let reply = NewMessage { reply_to: Some(id), ..message(room, &alice, "two") };
    store.log.append(&reply).await.unwrap();
    store.log.edit_message(&Edit { id, by: alice.clone(), content: "1".into(), mentions }).await.unwrap();
    store.log.react(&reacting(id, &bob, "👍")).await.unwrap();
    store.log.mark_delivered(room, bob.id, 1).await.unwrap();
    let outcome = Outcome { after: 0, seq: 1, at: Timestamp::now(), notification: None, reason: Some("read".into()) };
    store.notify_queue.put_outcomes(room, &[(bob.id, outcome.clone())]).await.unwrap();
    let look = async |store: &Store| {
        let view = store.rooms.views(bob.id, &[room]).await.unwrap().remove(0).unwrap();
        let replies = store.log.replies(id, 0, 9, 99).await.unwrap();
        let reacted = store.log.reacted(room, bob.id, &[1, 2]).await.unwrap();
        let log = store.log.changes(room, Position::BEGINNING, 99, usize::MAX).await.unwrap();
        (view, store.log.message(id).await.unwrap().unwrap(), replies, reacted, log)
    };
    let before = look(&store).await;
    store.maintenance.close().await.unwrap();
    let store = open(dir.path()).await.unwrap();
    assert_eq!(look(&store).await, before);

    let (view, message, (replies, more), reacted, _) = before;
    assert_eq!((view.unread, view.mentions), (2, 1));
    assert_eq!((message.content.as_str(), message.replies, message.edited_at.is_some()), ("1", 1, true));
    assert_eq!((replies.len(), replies[0].seq, more), (1, 2, false));
    assert_eq!(reacted, [(1, "👍".to_owned())]);
    let marks = store.log.marks(room, &[bob.id, UserId::new()]).await.unwrap();
    assert_eq!(marks, [Marks { delivered: 1, read: 0 }, Marks::default()]);
    let outcomes = async || store.notify_queue.outcomes(room, &[alice.id, bob.id]).await.unwrap();
    assert_eq!(outcomes().await, [None, Some(outcome)]);
    store.rooms.leave(room, &bob).await.unwrap();
    assert_eq!(outcomes().await, [None, None], "gone with the membership");
}
