//! A user's own log: what enters it, that it is trimmed, and that what left the inbox is nothing.

use super::*;
use crate::{UserChange, UserChanges, user_log::USER_CHANGES_KEPT};

async fn page(store: &Store, user: UserId, after: Position) -> Vec<UserChange> {
    match store.user_log.user_changes(user, after, usize::MAX).await.unwrap() {
        UserChanges::Page { changes, has_more: false } => changes,
        other => panic!("{other:?}"),
    }
}

fn item(n: i64) -> InboxItem {
    InboxItem {
        id: NotificationId::new(),
        title: n.to_string(),
        body: String::new(),
        data: None,
        category: None,
        room: None,
        created_at: Timestamp::from_millis(n),
        read_at: None,
    }
}

#[tokio::test]
async fn what_concerns_a_user_is_in_their_log_as_it_was_published() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (alice, bob) = (actor("alice"), actor("bob"));
    let mut subscriber = store.bus.subscriber();
    subscriber.subscriptions.subscribe(&[Topic::User(bob.id)]).await.unwrap();
    let id = room(&store, &alice).await;
    store.rooms.join(id, &bob, Role::Member, 9).await.unwrap();
    store.user_log.note_read_mark(bob.id, id, 7).await.unwrap();
    for _ in 0..2 {
        store.people.add_contact(bob.id, alice.id, 9).await.unwrap();
    }
    let kept = item(1);
    for _ in 0..2 {
        store.inboxes.add_to_inbox(bob.id, &kept, None).await.unwrap();
    }
    for _ in 0..2 {
        store.people.remove_contact(bob.id, alice.id).await.unwrap();
    }
    store.rooms.leave(id, &bob).await.unwrap();
    let contact = |added| UserChangeBody::Contact { user: alice.id, added };
    let bodies = [
        UserChangeBody::RoomAdded(id),
        UserChangeBody::ReadMark { room: id, seq: 7 },
        contact(true),
        UserChangeBody::Notification(kept),
        contact(false),
        UserChangeBody::RoomRemoved(id),
    ];
    let changes = page(&store, bob.id, Position::BEGINNING).await;
    assert_eq!(changes.iter().map(|c| c.body.clone()).collect::<Vec<_>>(), bodies);
    assert_eq!(changes.iter().map(|c| c.rev).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for change in &changes {
        let Some(Signal::Event(BusEvent::User(_, event))) = subscriber.inbox.try_recv() else { panic!("not told") };
        assert_eq!(*event, UserEvent::Change(change.clone()));
    }
    assert!(subscriber.inbox.try_recv().is_none());
    let heads = store.user_log.user_positions(&[bob.id, UserId::new()]).await.unwrap();
    assert_eq!(heads, [changes[5].position(), Position::BEGINNING]);
    store.maintenance.close().await.unwrap();
    assert_eq!(page(&open(dir.path()).await.unwrap(), bob.id, changes[0].position()).await, changes[1..]);
}

#[tokio::test]
async fn a_users_log_keeps_its_last_and_resets_whoever_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (user, room) = (UserId::new(), RoomId::new());
    assert_eq!(page(&store, user, Position::BEGINNING).await, []);
    let unknown = Position { rev: 1, event_id: shared::EventId::random() };
    let reset = |head| UserChanges::Reset { head };
    let changes = async |after| store.user_log.user_changes(user, after, 2).await.unwrap();
    assert_eq!(changes(unknown).await, reset(Position::BEGINNING));
    let first = store.user_log.note_read_mark(user, room, 1).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for seq in 2..=USER_CHANGES_KEPT {
        let store = store.clone();
        tasks.spawn(async move { store.user_log.note_read_mark(user, room, seq).await.unwrap() });
    }
    let mut head = tasks.join_all().await.into_iter().max_by_key(|position| position.rev).unwrap();
    assert_eq!(page(&store, user, Position::BEGINNING).await.len() as u64, USER_CHANGES_KEPT);
    assert_eq!(changes(Position { rev: 1, ..unknown }).await, reset(head));
    let UserChanges::Page { changes: two, has_more: true } = changes(first).await else { panic!() };
    assert_eq!(two.iter().map(|c| c.rev).collect::<Vec<_>>(), [2, 3]);
    head = store.user_log.note_read_mark(user, room, 0).await.unwrap();
    assert_eq!(changes(Position::BEGINNING).await, reset(head));
    assert_eq!(changes(first).await, reset(head));
    assert_eq!(page(&store, user, two[0].position()).await.len() as u64, USER_CHANGES_KEPT - 1);
    assert_eq!(page(&store, user, head).await, []);
}

#[tokio::test]
async fn a_notification_is_told_as_it_is_now_and_one_that_left_the_inbox_is_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let user = UserId::new();
    let (first, mut second) = (item(1), item(2));
    store.inboxes.add_to_inbox(user, &first, Some("room")).await.unwrap();
    store.inboxes.add_to_inbox(user, &second, Some("room")).await.unwrap();
    second.read_at = Some(Timestamp::from_millis(5));
    store.inboxes.mark_inbox_read(user, second.id, Timestamp::from_millis(5)).await.unwrap();
    let changes = page(&store, user, Position::BEGINNING).await;
    let was_read = UserChangeBody::NotificationRead(Some(second.id));
    let bodies = [UserChangeBody::Nothing, UserChangeBody::Notification(second), was_read];
    assert_eq!(changes.into_iter().map(|c| c.body).collect::<Vec<_>>(), bodies);
}
