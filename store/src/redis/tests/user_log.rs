//! A user's own log: one entry for each change of what it tells of, in order, thin and trimmed.

use redis::cmd;
use rstest::rstest;
use shared::{
    EventId, NotificationId, RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};

use super::{
    halves::{actor, room},
    server::{Kind, Server},
};
use crate::{
    Bus, BusEvent, InboxItem, Inboxes, People, Rooms, Signal, Topic, UserChange, UserChangeBody, UserChanges,
    UserEvent, UserLog, user_log::USER_CHANGES_KEPT,
};

fn item(title: &str) -> InboxItem {
    InboxItem {
        id: NotificationId::new(),
        title: title.into(),
        body: "b\nb".into(),
        data: None,
        category: None,
        room: None,
        created_at: Timestamp::from_millis(5),
        read_at: None,
    }
}

fn page(changes: UserChanges) -> (Vec<UserChange>, bool) {
    match changes {
        UserChanges::Page { changes, has_more } => (changes, has_more),
        UserChanges::Reset { head } => panic!("reset to {head:?}"),
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn what_concerns_a_user_alone_is_numbered_once_and_published_as_it_is_read(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob, record) = (actor("ann"), actor("bob"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let mut worker = engine.subscriber();
    worker.subscriptions.subscribe(&[Topic::User(bob.id)]).await.unwrap();

    engine.join(record.id, &bob, Role::Member, 9).await.unwrap();
    assert!(engine.join(record.id, &bob, Role::Member, 9).await.is_err());
    for _ in 0..2 {
        engine.add_contact(bob.id, ann.id, 9).await.unwrap();
    }
    let (first, second) = (item("first"), item("second"));
    for one in [&first, &first, &second] {
        engine.add_to_inbox(bob.id, one, Some("key")).await.unwrap();
    }
    let noted = engine.note_read_mark(bob.id, record.id, 7).await.unwrap();
    for _ in 0..2 {
        engine.remove_contact(bob.id, ann.id).await.unwrap();
    }
    engine.leave(record.id, &bob).await.unwrap();

    let told = [
        UserChangeBody::RoomAdded(record.id),
        UserChangeBody::Contact { user: ann.id, added: true },
        UserChangeBody::Notification(first),
        UserChangeBody::Notification(second.clone()),
        UserChangeBody::ReadMark { room: record.id, seq: 7 },
        UserChangeBody::Contact { user: ann.id, added: false },
        UserChangeBody::RoomRemoved(record.id),
    ];
    let (mut kept, has_more) = page(engine.user_changes(bob.id, Position::BEGINNING, 99).await.unwrap());
    assert_eq!((kept[2].body.clone(), has_more), (UserChangeBody::Nothing, false), "the second took its place");
    assert_eq!(kept[4].position(), noted);
    kept[2].body = told[2].clone();
    for (i, change) in kept.iter().enumerate() {
        assert_eq!((change.rev, &change.body), (i as u64 + 1, &told[i]));
        let Some(Signal::Event(BusEvent::User(user, event))) = worker.inbox.recv().await else { panic!() };
        assert_eq!((user, &*event), (bob.id, &UserEvent::Change(change.clone())));
    }
    assert_eq!(kept.len(), told.len());
    assert!(worker.inbox.try_recv().is_none());

    let heads = engine.user_positions(&[bob.id, UserId::new(), ann.id]).await.unwrap();
    assert_eq!((heads[0], heads[1], heads[2].rev), (kept[6].position(), Position::BEGINNING, 1));
    engine.mark_inbox_read(bob.id, second.id, Timestamp::from_millis(9)).await.unwrap();
    let (rest, has_more) = page(engine.user_changes(bob.id, kept[2].position(), 1).await.unwrap());
    let read = InboxItem { read_at: Some(Timestamp::from_millis(9)), ..second };
    assert_eq!((&rest[0].body, has_more), (&UserChangeBody::Notification(read), true), "as it is now");
    let heads = engine.user_positions(&[bob.id]).await.unwrap();
    assert_eq!(heads[0].rev, 8, "and one that says so");
    let foreign = Position { rev: 3, event_id: EventId::random() };
    assert_eq!(engine.user_changes(bob.id, foreign, 9).await.unwrap(), UserChanges::Reset { head: heads[0] });
    let nobody = engine.user_changes(UserId::new(), foreign, 9).await.unwrap();
    assert_eq!(nobody, UserChanges::Reset { head: Position::BEGINNING });
    assert_eq!(page(engine.user_changes(UserId::new(), Position::BEGINNING, 9).await.unwrap()), (vec![], false));
}

#[tokio::test]
async fn a_users_log_is_trimmed_and_who_is_behind_is_told() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (user, room) = (UserId::new(), RoomId::new());
    let first = engine.note_read_mark(user, room, 1).await.unwrap();
    for seq in 2..=USER_CHANGES_KEPT {
        engine.note_read_mark(user, room, seq).await.unwrap();
    }
    let (all, _) = page(engine.user_changes(user, Position::BEGINNING, 9999).await.unwrap());
    assert_eq!(all.len() as u64, USER_CHANGES_KEPT);
    let last = engine.note_read_mark(user, room, 9999).await.unwrap();
    assert!(matches!(engine.user_changes(user, Position::BEGINNING, 1).await.unwrap(), UserChanges::Reset { .. }));
    assert_eq!(engine.user_changes(user, first, 1).await.unwrap(), UserChanges::Reset { head: last });
    let mut connection = server.connection().await;
    let kept: u64 = cmd("HLEN").arg(engine.keys.user_log(user)).query_async(&mut connection).await.unwrap();
    assert_eq!(kept, USER_CHANGES_KEPT + 2, "and the head's two fields");
}
