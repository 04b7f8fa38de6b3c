//! A user's own log: dense, published as it is kept, trimmed, for one user alone.

use shared::{EventId, NotificationId, RoomId, Timestamp, UserId, protocol::Position};
use store::{
    InboxItem, Topic, UserChange, UserChangeBody, UserChanges, notify::INBOX_KEPT, user_log::USER_CHANGES_KEPT,
};

use crate::{
    engine::Fixture,
    support::{
        Following, actor, actors, at_once, fails, follow, join, private_room, public_room, room_of, send, user_entry,
        user_log,
    },
};

const BEGINNING: Position = Position::BEGINNING;

fn item(ms: i64) -> InboxItem {
    let created_at = Timestamp::from_millis(1_790_000_000_000 + ms);
    let (title, body) = (format!("title {ms}"), String::from("é \0"));
    InboxItem {
        id: NotificationId::new(),
        title,
        body,
        data: None,
        category: None,
        room: None,
        created_at,
        read_at: None,
    }
}

/// The log so far, which is what was published and nothing else.
async fn as_published(s: &Fixture, inbox: &mut Following, user: UserId) -> Vec<UserChange> {
    let log = user_log(&s.store, user, BEGINNING).await;
    for (i, entry) in log.iter().enumerate() {
        assert_eq!(user_entry(inbox).await, (user, entry.clone()));
        assert_eq!(entry.rev, i as u64 + 1);
    }
    assert!(inbox.try_recv().is_none());
    log
}

pub async fn every_kind_of_entry_is_told_in_order(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let mut inbox = follow(&s.store, &[Topic::User(bob.id)]).await;
    let far = s.elsewhere().await;
    let made = private_room("made");
    s.rooms.create_room(&made, &[alice.clone(), bob.clone()]).await.unwrap();
    let joined = room_of(&far, &[&alice]).await;
    join(&far, joined, &bob).await;
    s.people.add_contact(bob.id, alice.id, 9).await.unwrap();
    let noted = far.user_log.note_read_mark(bob.id, joined, 7).await.unwrap();
    let told = item(1);
    s.inboxes.add_to_inbox(bob.id, &told, None).await.unwrap();
    far.people.remove_contact(bob.id, alice.id).await.unwrap();
    s.rooms.leave(joined, &bob).await.unwrap();
    let last = far.user_log.note_read_mark(bob.id, RoomId::new(), u64::MAX >> 12).await.unwrap();
    let log = as_published(s, &mut inbox, bob.id).await;
    let bodies: Vec<_> = log.iter().map(|c| c.body.clone()).collect();
    let contact = |added| UserChangeBody::Contact { user: alice.id, added };
    let expected = [
        UserChangeBody::RoomAdded(made.id),
        UserChangeBody::RoomAdded(joined),
        contact(true),
        UserChangeBody::ReadMark { room: joined, seq: 7 },
        UserChangeBody::Notification(told),
        contact(false),
        UserChangeBody::RoomRemoved(joined),
    ];
    assert_eq!(bodies[..7], expected);
    assert_eq!((log.len(), noted, last), (8, log[3].position(), log[7].position()));
    let positions = s.user_log.user_positions(&[bob.id, UserId::new(), alice.id, bob.id]).await.unwrap();
    let of_alice = user_log(&s.store, alice.id, BEGINNING).await;
    assert_eq!(of_alice.len(), 2, "each user has their own");
    assert_eq!(positions, [last, BEGINNING, of_alice[1].position(), last]);
    assert_eq!(s.user_log.user_positions(&[]).await.unwrap(), []);
}

pub async fn what_changes_nothing_is_no_entry(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let mut inbox = follow(&s.store, &[Topic::User(bob.id)]).await;
    let room = room_of(&s.store, &[&alice]).await;
    let record = public_room("again");
    s.rooms.create_room(&record, std::slice::from_ref(&bob)).await.unwrap();
    s.rooms.create_room(&record, std::slice::from_ref(&bob)).await.unwrap();
    fails!(s.rooms.join(room, &bob, shared::protocol::Role::Member, 1).await, RoomFull);
    fails!(s.rooms.leave(room, &bob).await, NotAMember);
    s.people.remove_contact(bob.id, alice.id).await.unwrap();
    for _ in 0..2 {
        s.people.add_contact(bob.id, alice.id, 9).await.unwrap();
    }
    let told = item(1);
    for _ in 0..2 {
        s.inboxes.add_to_inbox(bob.id, &told, Some("k")).await.unwrap();
    }
    join(&s.store, room, &bob).await;
    fails!(s.rooms.join(room, &bob, shared::protocol::Role::Member, 9).await, AlreadyAMember);
    send(&s.store, room, &bob, "hello").await;
    s.log.mark_read(room, bob.id, 1).await.unwrap();
    for _ in 0..2 {
        s.inboxes.mark_inbox_all_read(bob.id, Timestamp::now()).await.unwrap();
    }
    let log = user_log(&s.store, bob.id, BEGINNING).await;
    let kinds: Vec<_> = log.iter().map(|c| std::mem::discriminant(&c.body)).collect();
    let expected = [
        UserChangeBody::RoomAdded(record.id),
        UserChangeBody::Contact { user: alice.id, added: true },
        UserChangeBody::Notification(told),
        UserChangeBody::RoomAdded(room),
        UserChangeBody::NotificationRead(None),
    ];
    assert_eq!(kinds, expected.map(|body| std::mem::discriminant(&body)), "{log:?}");
    for entry in log {
        assert_eq!(user_entry(&mut inbox).await.1.position(), entry.position());
    }
    assert!(inbox.try_recv().is_none());
}

pub async fn pages_are_dense_and_a_position_not_in_the_log_is_a_reset(s: &Fixture) {
    let user = UserId::new();
    let empty = UserChanges::Page { changes: vec![], has_more: false };
    let changes = async |after, limit| s.user_log.user_changes(user, after, limit).await.unwrap();
    assert_eq!(changes(BEGINNING, 5).await, empty, "of one who has no log");
    let foreign = Position { rev: 1, event_id: EventId::random() };
    assert_eq!(changes(foreign, 5).await, UserChanges::Reset { head: BEGINNING });
    for seq in 1..=10 {
        s.user_log.note_read_mark(user, RoomId::new(), seq).await.unwrap();
    }
    let log = user_log(&s.store, user, BEGINNING).await;
    for limit in 1..=11 {
        let page = UserChanges::Page { changes: log[..limit.min(10)].to_vec(), has_more: limit < 10 };
        assert_eq!(changes(Position { rev: 0, event_id: EventId::random() }, limit).await, page);
    }
    for from in 0..10 {
        let page = UserChanges::Page { changes: log[from + 1..].to_vec(), has_more: false };
        assert_eq!(changes(log[from].position(), 50).await, page);
    }
    let reset = UserChanges::Reset { head: log[9].position() };
    let first = log[0].position();
    let other = EventId::from_bits(first.event_id.to_bits() ^ 1);
    assert_eq!(changes(Position { event_id: other, ..first }, 5).await, reset);
    assert_eq!(changes(Position { rev: 2, ..first }, 5).await, reset, "an event of another rev");
    for beyond in [11, 1 << 53, u64::MAX] {
        assert_eq!(changes(Position { rev: beyond, ..log[9].position() }, 5).await, reset, "{beyond}");
    }
}

pub async fn entries_at_once_are_numbered_without_gap_or_double(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let far = s.elsewhere().await;
    let mut here = follow(&s.store, &[Topic::User(bob.id)]).await;
    let mut there = follow(&far, &[Topic::User(bob.id)]).await;
    at_once((0..8_u64).map(|i| {
        let (store, alice, bob) = (if i % 2 == 0 { s.store.clone() } else { far.clone() }, alice.clone(), bob.clone());
        async move {
            for n in 0..5 {
                match i {
                    0 | 1 => drop(room_of(&store, &[&alice, &bob]).await),
                    2 => store.people.add_contact(bob.id, UserId::new(), 1000).await.unwrap(),
                    3 => store.inboxes.add_to_inbox(bob.id, &item(n), None).await.unwrap(),
                    _ => drop(store.user_log.note_read_mark(bob.id, RoomId::new(), i).await.unwrap()),
                }
            }
        }
    }))
    .await;
    let log = as_published(s, &mut here, bob.id).await;
    assert_eq!(log.len(), 40);
    for entry in log {
        assert_eq!(user_entry(&mut there).await.1, entry, "in order in every process");
    }
}

pub async fn a_long_user_log_is_trimmed(s: &Fixture) {
    const WRITERS: u64 = 16;
    let user = UserId::new();
    let first = s.user_log.note_read_mark(user, RoomId::new(), 1).await.unwrap();
    let mut inbox = follow(&s.store, &[Topic::User(user)]).await;
    at_once((0..WRITERS).map(|_| {
        let log = s.user_log.clone();
        async move {
            for seq in 0..USER_CHANGES_KEPT / WRITERS + 1 {
                log.note_read_mark(user, RoomId::new(), seq).await.unwrap();
            }
        }
    }))
    .await;
    let head = s.user_log.user_positions(&[user]).await.unwrap()[0];
    assert_eq!(head.rev, 1 + WRITERS * (USER_CHANGES_KEPT / WRITERS + 1));
    let mut told = Vec::new();
    for _ in 2..=head.rev {
        told.push(user_entry(&mut inbox).await.1);
    }
    let reset = UserChanges::Reset { head };
    for gone in [BEGINNING, first, told[(head.rev - USER_CHANGES_KEPT - 3) as usize].position()] {
        assert_eq!(s.user_log.user_changes(user, gone, 5).await.unwrap(), reset, "{gone:?}");
    }
    let oldest = (head.rev - USER_CHANGES_KEPT - 1) as usize;
    let kept = user_log(&s.store, user, told[oldest].position()).await;
    assert_eq!(kept, told[oldest + 1..]);
}

pub async fn a_notification_is_told_as_it_is_now_or_as_nothing(s: &Fixture) {
    let user = UserId::new();
    let mut inbox = follow(&s.store, &[Topic::User(user)]).await;
    let [plain, first, second] = [item(1), item(2), item(3)];
    s.inboxes.add_to_inbox(user, &plain, None).await.unwrap();
    s.inboxes.add_to_inbox(user, &first, Some("k")).await.unwrap();
    s.inboxes.add_to_inbox(user, &second, Some("k")).await.unwrap();
    let at = Timestamp::from_millis(1_791_000_000_000);
    s.inboxes.mark_inbox_read(user, plain.id, at).await.unwrap();
    let bodies: Vec<_> = user_log(&s.store, user, BEGINNING).await.into_iter().map(|c| c.body).collect();
    let was_read = UserChangeBody::NotificationRead(Some(plain.id));
    let read = InboxItem { read_at: Some(at), ..plain.clone() };
    let now = |item: &InboxItem| UserChangeBody::Notification(item.clone());
    assert_eq!(bodies, [now(&read), UserChangeBody::Nothing, now(&second), was_read.clone()]);
    for (rev, item) in [(1, plain), (2, first), (3, second)] {
        let (_, entry) = user_entry(&mut inbox).await;
        assert_eq!((entry.rev, entry.body), (rev, now(&item)), "on the bus as it was");
    }
    assert_eq!(user_entry(&mut inbox).await.1.body, was_read);
    assert!(inbox.try_recv().is_none());
    let people = actors(INBOX_KEPT / 50);
    at_once(people.iter().enumerate().map(|(i, _)| {
        let inboxes = s.inboxes.clone();
        async move {
            for n in 0..50 {
                inboxes.add_to_inbox(user, &item((100 + i * 50 + n) as i64), None).await.unwrap();
            }
        }
    }))
    .await;
    let log = user_log(&s.store, user, BEGINNING).await;
    assert_eq!(log.len(), INBOX_KEPT + 4);
    assert!(log[..3].iter().all(|c| c.body == UserChangeBody::Nothing), "pushed out of the inbox");
    assert!(log[4..].iter().all(|c| c.body != UserChangeBody::Nothing));
}
