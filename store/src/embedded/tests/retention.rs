//! Retention: bounded steps, nothing left on disk, and a log that says of what is gone that it is gone.

use shared::protocol::Retention;

use super::{
    keys::Counted,
    messages::{keys_in, reacting},
    *,
};
use crate::Edit;

async fn room_that_keeps(store: &Store, by: &Actor, retention: Retention) -> RoomId {
    let record = RoomRecord { retention: Some(retention), ..record(by) };
    store.rooms.create_room(&record, std::slice::from_ref(by)).await.unwrap();
    record.id
}

const fn newest(max_messages: u64) -> Retention {
    Retention { max_age_seconds: None, max_messages: Some(max_messages) }
}

async fn floor(store: &Store, room: RoomId) -> u64 {
    store.rooms.room(room).await.unwrap().unwrap().1.floor
}

#[tokio::test]
async fn trimming_goes_in_steps_and_leaves_nothing_on_disk() {
    const SENT: u64 = 450;
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).await.unwrap();
    let store = engine.store();
    let alice = actor("alice");
    let id = room_that_keeps(&store, &alice, newest(3)).await;
    let other = room(&store, &alice).await;
    store.log.append(&message(other, &alice, "kept")).await.unwrap();
    for seq in 1..=SENT {
        let reply_to = (seq > 1).then_some(MessageId { room: id, seq: seq - 1 });
        let mentions = Mentions { users: vec![alice.id], all: seq % 2 == 0 };
        let message = NewMessage { mentions, reply_to, ..message(id, &alice, "x") };
        store.log.append(&message).await.unwrap();
    }
    for seq in [1, 2, SENT] {
        store.log.react(&reacting(MessageId { room: id, seq }, &alice, "👍")).await.unwrap();
    }
    store.log.delete_message(MessageId { room: id, seq: 4 }, &alice, None).await.unwrap();

    let now = Timestamp::now();
    assert_eq!(store.maintenance.trim(now, 10).await.unwrap(), 10);
    assert_eq!(floor(&store, id).await, 10);
    assert_eq!(store.maintenance.trim(now, 1000).await.unwrap() as u64, SENT - 10 - 3);
    assert_eq!(floor(&store, id).await, SENT - 3);
    assert_eq!(store.maintenance.trim(now, 1000).await.unwrap(), 0);
    assert_eq!(floor(&store, other).await, 0);

    store.maintenance.sweep(now).await.unwrap();
    let left = |span| keys_in(&engine, &[span]);
    assert_eq!(left(keys::messages_between(id, 0, u64::MAX)), 3);
    assert_eq!(left(Counted::Naming(alice.id).entries(id, 0, u64::MAX)), 1);
    assert_eq!(left(Counted::NamingAll.entries(id, 0, u64::MAX)), 2);
    assert_eq!(left(Counted::Deleted.entries(id, 0, u64::MAX)), 0);
    let sums = keys::Span { space: keys::Space::State, lo: vec![b'z'], hi: vec![b'z' + 1] };
    assert_eq!(left(sums), 4, "two of the mentions by name and two of those of all");
    assert_eq!(left(keys::leavings()), 0);
    let of_all = |span: fn(RoomId, u64) -> keys::Span| (1..=SENT).map(|seq| left(span(id, seq))).sum::<u64>();
    assert_eq!((of_all(keys::reactions_to), of_all(keys::replies_to)), (1, 2));
}

#[tokio::test]
async fn a_message_as_old_as_its_room_keeps_stays_and_an_older_one_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let alice = actor("alice");
    let retention = Retention { max_age_seconds: Some(10), max_messages: Some(100) };
    let id = room_that_keeps(&store, &alice, retention).await;
    let sent = store.log.append(&message(id, &alice, "x")).await.unwrap();
    let end = sent.at.after(Duration::from_secs(10));
    assert_eq!(store.maintenance.trim(end, 9).await.unwrap(), 0);
    assert_eq!(store.maintenance.trim(end.after(Duration::from_millis(1)), 9).await.unwrap(), 1);
    assert_eq!(floor(&store, id).await, 1);
}

#[tokio::test]
async fn what_is_below_the_floor_is_not_there_for_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_that_keeps(&store, &alice, newest(1)).await;
    store.rooms.join(room, &bob, Role::Member, 9).await.unwrap();
    let gone = MessageId { room, seq: 1 };
    let mentions = Mentions { users: vec![bob.id], all: false };
    store.log.append(&NewMessage { mentions, ..message(room, &alice, "first") }).await.unwrap();
    store.log.append(&NewMessage { reply_to: Some(gone), ..message(room, &alice, "second") }).await.unwrap();
    let edit = Edit { id: gone, by: alice.clone(), content: "1st".into(), mentions: Mentions::default() };
    store.log.edit_message(&edit).await.unwrap();
    store.log.react(&reacting(gone, &bob, "👍")).await.unwrap();
    let before = store.rooms.room(room).await.unwrap().unwrap().1.position();
    assert_eq!(store.maintenance.trim(Timestamp::now(), 9).await.unwrap(), 1);

    assert_eq!(store.log.message(gone).await.unwrap(), None);
    let edit = Edit { content: "again".into(), ..edit };
    assert!(matches!(store.log.edit_message(&edit).await, Err(StoreError::MessageNotFound)));
    let react = store.log.react(&reacting(gone, &bob, "🎉")).await;
    assert!(matches!(react, Err(StoreError::MessageNotFound)));
    assert!(matches!(store.log.delete_message(gone, &alice, None).await, Err(StoreError::MessageNotFound)));
    assert_eq!(store.log.replies(gone, 0, 9, 99).await.unwrap(), (Vec::new(), false));
    assert_eq!(store.log.reacted(room, bob.id, &[1]).await.unwrap(), []);
    let view = store.rooms.views(bob.id, &[room]).await.unwrap().remove(0).unwrap();
    assert_eq!((view.unread, view.mentions, view.head.position()), (1, 0, before));
    let Changes::Page { changes, .. } = store.log.changes(room, Position::BEGINNING, 99, usize::MAX).await.unwrap()
    else {
        panic!("reset")
    };
    let bodies: Vec<_> = changes.into_iter().map(|c| c.body).collect();
    let deleted = ChangeBody::Deleted { seq: 1 };
    let reacted = ChangeBody::Reacted { seq: 1, emoji: "👍".into(), added: true, count: 0 };
    assert_eq!((&bodies[2], &bodies[4], &bodies[5]), (&deleted, &deleted, &reacted));
}

#[tokio::test]
async fn a_sweep_removes_more_than_one_step_of_what_was_left_behind() {
    const LEFT: u64 = 1234;
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).await.unwrap();
    let room = RoomId::new();
    let put = engine.write(move |tx| {
        for seq in [1, 2] {
            for _ in 0..LEFT {
                tx.put(keys::reaction(room, seq, UserId::new(), "👍"), Vec::new())?;
            }
        }
        tx.put(keys::leaving(&keys::reactions_to(room, 1)), Vec::new())
    });
    put.await.unwrap();
    engine.store().maintenance.sweep(Timestamp::now()).await.unwrap();
    let left = |seq| keys_in(&engine, &[keys::reactions_to(room, seq)]);
    assert_eq!((left(1), left(2), keys_in(&engine, &[keys::leavings()])), (0, LEFT, 0));
}
