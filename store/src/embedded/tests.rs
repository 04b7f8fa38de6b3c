//! What is particular to this engine: surviving a restart, its own events, trimming and sweeping. The contract as a
//! whole is the conformance suite's.

mod deletions;
mod ending;
mod growth;
mod messages;
mod retention;
mod user_log;

use std::time::Duration;

use shared::{
    MessageId, NotificationId, RoomId, SessionId, Timestamp, UserId,
    protocol::{HistoryVisibility, MessageType, Position, Role, RoomType},
};

use super::*;
use crate::{
    Actor, BusEvent, ChangeBody, Changes, ChosenStatus, Exchange, InboxItem, Job, JobState, Mentions, NewMessage,
    PageFrom, PageRequest, RoomRecord, Rotation, SessionRecord, Signal, Topic, UserChangeBody, UserEvent, UserRecord,
    log::CHANGES_KEPT, notify::INBOX_KEPT,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

fn actor(name: &str) -> Actor {
    Actor { id: UserId::new(), username: name.into() }
}

fn user(actor: &Actor, guest: bool) -> UserRecord {
    UserRecord {
        id: actor.id,
        username: actor.username.clone(),
        display_name: actor.username.clone(),
        email: None,
        email_verified: false,
        password_hash: None,
        avatar_url: None,
        bio: None,
        created_at: Timestamp::now(),
        guest,
        administrator: false,
        banned_at: None,
    }
}

fn record(by: &Actor) -> RoomRecord {
    RoomRecord {
        id: RoomId::new(),
        handle: None,
        name: Some("Tea".into()),
        description: None,
        kind: RoomType::Public,
        created_by: by.id,
        created_at: Timestamp::now(),
        history_visibility: HistoryVisibility::All,
        retention: None,
        asked: None,
    }
}

fn message(room: RoomId, author: &Actor, content: &str) -> NewMessage {
    NewMessage {
        room,
        author: author.clone(),
        kind: MessageType::Text,
        content: content.into(),
        client_message_id: None,
        reply_to: None,
        mentions: Mentions::default(),
        attachments: Vec::new(),
        notify_after: Duration::ZERO,
    }
}

fn all(limit: usize) -> PageRequest {
    PageRequest { from: PageFrom::Newest, limit, visible_after: 0, max_bytes: 1 << 20 }
}

async fn room(store: &Store, by: &Actor) -> RoomId {
    let record = record(by);
    store.rooms.create_room(&record, std::slice::from_ref(by)).await.unwrap();
    record.id
}

#[tokio::test]
async fn everything_durable_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (alice, bob) = (actor("Alice"), actor("bob"));
    store.users.create_user(&user(&alice, false)).await.unwrap();
    store.users.create_user(&user(&bob, true)).await.unwrap();
    let id = room(&store, &alice).await;
    store.rooms.join(id, &bob, Role::Member, 9).await.unwrap();
    let sent = store.log.append(&message(id, &alice, "hello")).await.unwrap();
    store.presence.set_chosen(alice.id, ChosenStatus::Busy, Some("deep in work")).await.unwrap();
    let before = store.rooms.views(bob.id, &[id]).await.unwrap();
    store.maintenance.close().await.unwrap();
    assert!(matches!(store.users.user(alice.id).await, Err(StoreError::Unavailable(_))));

    let store = open(dir.path()).await.unwrap();
    assert_eq!(store.users.user_id_by_name("ALICE").await.unwrap(), Some(alice.id));
    assert_eq!(store.users.search_users("", None, 9).await.unwrap(), [alice.id], "a guest is found");
    assert_eq!(store.users.count_users().await.unwrap(), 2);
    assert_eq!(store.rooms.views(bob.id, &[id]).await.unwrap(), before);
    assert_eq!(before[0].as_ref().unwrap().unread, 1);
    assert_eq!(store.log.append(&message(id, &bob, "hi")).await.unwrap().rev, sent.rev + 1);
    let presence = store.presence.presence(&[alice.id, bob.id]).await.unwrap();
    assert_eq!((presence[0].chosen, presence[0].text.as_deref()), (ChosenStatus::Busy, Some("deep in work")));
    assert_eq!(presence[1], crate::PresenceState::default());
}

#[tokio::test]
async fn a_dedupe_key_is_known_for_a_day_and_swept_after() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).await.unwrap();
    let store = engine.store();
    let alice = actor("alice");
    let id = room(&store, &alice).await;
    let mut keyed = message(id, &alice, "once");
    keyed.client_message_id = Some("k".into());
    let first = store.log.append(&keyed).await.unwrap();
    store.rooms.leave(id, &alice).await.unwrap();
    let again = store.log.append(&keyed).await.unwrap();
    assert!(again.duplicate && again.seq == first.seq && again.event_id == first.event_id);
    keyed.content = "twice".into();
    assert!(matches!(store.log.append(&keyed).await, Err(StoreError::IdempotencyConflict)));

    let kept = |engine: &Arc<Embedded>| {
        let kv = engine.kv.lock().clone().unwrap();
        kv::Read::count(&kv.snapshot(), &keys::dedupe_before(u32::MAX)).unwrap()
    };
    store.maintenance.sweep(Timestamp::now().after(DAY - Duration::from_secs(60))).await.unwrap();
    assert_eq!(kept(&engine), 1);
    store.maintenance.sweep(Timestamp::now().after(3 * DAY)).await.unwrap();
    assert_eq!(kept(&engine), 0);
}

#[tokio::test]
async fn joins_messages_and_leaves_are_published_to_the_room_and_to_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (alice, bob) = (actor("alice"), actor("bob"));
    let id = room(&store, &alice).await;
    let mut subscriber = store.bus.subscriber();
    subscriber.subscriptions.subscribe(&[Topic::Room(id), Topic::User(bob.id)]).await.unwrap();
    store.rooms.join(id, &bob, Role::Member, 9).await.unwrap();
    let sent = store.log.append(&message(id, &bob, "hello")).await.unwrap();
    store.log.delete_message(MessageId { room: id, seq: sent.seq }, &alice, None).await.unwrap();
    store.rooms.leave(id, &bob).await.unwrap();
    let mut seen = Vec::new();
    while let Some(Signal::Event(event)) = subscriber.inbox.try_recv() {
        seen.push(match event {
            BusEvent::Room(e) => match &e.change.body {
                ChangeBody::Message(m) => format!("{} {} says {}", e.change.rev, e.username, m.content),
                body => format!("{} {} {body:?}", e.change.rev, e.username),
            },
            BusEvent::User(_, e) => match &*e {
                UserEvent::Change(change) if change.body == UserChangeBody::RoomAdded(id) => "added".into(),
                UserEvent::Change(change) if change.body == UserChangeBody::RoomRemoved(id) => "removed".into(),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        });
    }
    let expected = ["2 bob Joined", "added", "3 bob says hello", "4 alice Deleted { seq: 1 }", "5 bob Left", "removed"];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_change_log_keeps_its_last_and_resets_whoever_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let alice = actor("alice");
    let id = room(&store, &alice).await;
    let start = store.rooms.room(id).await.unwrap().unwrap().1.position();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..CHANGES_KEPT {
        let (store, message) = (store.clone(), message(id, &alice, &n.to_string()));
        tasks.spawn(async move { store.log.append(&message).await.unwrap() });
    }
    let mut sent = tasks.join_all().await;
    sent.sort_by_key(|a| a.rev);
    let head = store.rooms.room(id).await.unwrap().unwrap().1.position();
    assert_eq!(head.rev, CHANGES_KEPT + 1);
    assert_eq!(store.log.changes(id, start, 1, usize::MAX).await.unwrap(), Changes::Reset { head });
    let oldest = Position { rev: sent[0].rev, event_id: sent[0].event_id };
    let Changes::Page { changes, has_more } = store.log.changes(id, oldest, 2, usize::MAX).await.unwrap() else {
        panic!("reset")
    };
    assert_eq!((changes.iter().map(|c| c.rev).collect::<Vec<_>>(), has_more), (vec![3, 4], true));
    let forged = Position { rev: oldest.rev, event_id: start.event_id };
    assert_eq!(store.log.changes(id, forged, 1, usize::MAX).await.unwrap(), Changes::Reset { head });
    let nothing = Changes::Page { changes: Vec::new(), has_more: false };
    assert_eq!(store.log.changes(id, head, 1, usize::MAX).await.unwrap(), nothing);
}

#[tokio::test]
async fn pages_end_at_their_limit_their_bytes_and_what_is_visible() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let alice = actor("alice");
    let id = room(&store, &alice).await;
    for _ in 0..9 {
        store.log.append(&message(id, &alice, "ten bytes.")).await.unwrap();
    }
    let page = async |request| {
        let page = store.log.history(id, request).await.unwrap();
        (page.items.iter().map(|m| m.seq).collect::<Vec<_>>(), page.has_more)
    };
    let from = |from, limit| PageRequest { from, ..all(limit) };
    assert_eq!(page(all(3)).await, (vec![9, 8, 7], true));
    assert_eq!(page(all(9)).await, (vec![9, 8, 7, 6, 5, 4, 3, 2, 1], false));
    assert_eq!(page(PageRequest { visible_after: 7, ..all(9) }).await, (vec![9, 8], false));
    assert_eq!(page(PageRequest { max_bytes: 20, ..all(9) }).await, (vec![9, 8], true));
    assert_eq!(page(PageRequest { max_bytes: 5, ..all(9) }).await, (vec![9], true));
    assert_eq!(page(from(PageFrom::Before(3), 9)).await, (vec![2, 1], false));
    assert_eq!(page(from(PageFrom::Before(0), 9)).await, (vec![], false));
    assert_eq!(page(from(PageFrom::After(6), 2)).await, (vec![7, 8], true));
    assert_eq!(page(from(PageFrom::After(7), 2)).await, (vec![8, 9], false));
    assert_eq!(page(from(PageFrom::After(99), 2)).await, (vec![], false));
    assert_eq!(page(from(PageFrom::Around(5), 5)).await, (vec![7, 6, 5, 4, 3], true));
    assert_eq!(page(from(PageFrom::Around(5), 4)).await, (vec![6, 5, 4, 3], true));
    assert_eq!(page(from(PageFrom::Around(1), 5)).await, (vec![3, 2, 1], false));
    assert_eq!(page(from(PageFrom::Around(5), 1)).await, (vec![5], true));
    let tight = PageRequest { max_bytes: 30, ..from(PageFrom::Around(5), 9) };
    assert_eq!(page(tight).await, (vec![6, 5, 4], true));
    store.log.delete_message(MessageId { room: id, seq: 8 }, &alice, None).await.unwrap();
    assert_eq!(page(PageRequest { max_bytes: 5, ..all(9) }).await, (vec![9], true), "an empty one after a full page");
    let overfull = PageRequest { max_bytes: 5, ..from(PageFrom::Around(7), 9) };
    assert_eq!(page(overfull).await, (vec![7], true));
}

#[tokio::test]
async fn unread_leaves_out_what_was_deleted_and_what_was_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (alice, bob) = (actor("alice"), actor("bob"));
    let id = room(&store, &alice).await;
    store.log.append(&message(id, &alice, "before bob")).await.unwrap();
    store.rooms.join(id, &bob, Role::Member, 9).await.unwrap();
    for _ in 0..4 {
        store.log.append(&message(id, &alice, "x")).await.unwrap();
    }
    let unread = async || store.rooms.views(bob.id, &[id]).await.unwrap()[0].as_ref().unwrap().unread;
    assert_eq!(unread().await, 4);
    for seq in [1, 3, 4] {
        store.log.delete_message(MessageId { room: id, seq }, &alice, None).await.unwrap();
    }
    assert_eq!(unread().await, 2);
    assert_eq!(store.log.mark_read(id, bob.id, 3).await.unwrap().now.read, 3);
    assert_eq!(unread().await, 1);
    assert_eq!(store.log.mark_read(id, bob.id, 99).await.unwrap().now.read, 5);
    assert_eq!(store.log.mark_read(id, bob.id, 1).await.unwrap().now.read, 5);
    assert_eq!(unread().await, 0);
}

#[tokio::test]
async fn a_room_is_due_once_and_again_for_what_came_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let alice = actor("alice");
    let id = room(&store, &alice).await;
    let lease = Duration::from_secs(30);
    let take = async |at: Timestamp| {
        let due = store.notify_queue.take_due(at, lease, 9).await.unwrap();
        due.iter().map(|d| (d.notified_seq, d.head_seq)).collect::<Vec<_>>()
    };
    store.log.append(&message(id, &alice, "1")).await.unwrap();
    store.log.append(&message(id, &alice, "2")).await.unwrap();
    let now = Timestamp::now();
    assert_eq!(take(now).await, [(0, 2)]);
    assert_eq!(take(now).await, [], "leased");
    assert_eq!(take(now.after(lease)).await, [(0, 2)], "the lease ended");
    store.log.append(&message(id, &alice, "3")).await.unwrap();
    store.notify_queue.conclude(id, 2, &[]).await.unwrap();
    assert_eq!(take(Timestamp::now()).await, [(2, 3)]);
    store.notify_queue.conclude(id, 3, &[]).await.unwrap();
    assert_eq!(take(now.after(DAY)).await, []);
    store.log.append(&message(id, &alice, "4")).await.unwrap();
    assert_eq!(take(Timestamp::now()).await, [(3, 4)]);
}

#[tokio::test]
async fn a_job_is_claimed_once_retried_when_due_and_its_state_outlives_it_for_a_week() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (me, now, lease) = (shared::InstanceId::new(), Timestamp::now(), Duration::from_secs(30));
    let job = Job {
        id: NotificationId::new(),
        user: UserId::new(),
        title: "t".into(),
        body: "b".into(),
        data: None,
        category: None,
        channels: None,
        collapse_key: None,
        expires_at: None,
        created_at: now,
        message: None,
        after: 0,
        badge: None,
        letter: None,
        request_hash: None,
    };
    let claim = async |at| store.outbox.claim(me, at, lease, 9).await.unwrap();
    store.outbox.enqueue(&[job.clone(), job.clone()]).await.unwrap();
    let first = claim(now).await;
    assert_eq!((first.len(), first[0].attempt), (1, 1));
    assert_eq!(claim(now).await, []);
    let second = claim(now.after(lease)).await;
    assert_eq!(second[0].attempt, 2);
    let state = |done| JobState { user: job.user, done, attempts: Vec::new(), claim: 0, request_hash: None };
    store.outbox.settle(&first[0], &state(true), None).await.unwrap();
    assert_eq!(store.outbox.states(job.id).await.unwrap(), [state(false)], "settled by an old receipt");
    let retry = now.after(DAY);
    store.outbox.settle(&second[0], &state(false), Some(retry)).await.unwrap();
    assert_eq!(claim(retry.before(Duration::from_millis(1))).await, []);
    let third = claim(retry).await;
    assert_eq!(third[0].attempt, 3);
    store.outbox.settle(&third[0], &state(true), None).await.unwrap();
    assert_eq!(claim(now.after(30 * DAY)).await, []);
    store.outbox.enqueue(std::slice::from_ref(&job)).await.unwrap();
    assert_eq!(claim(now.after(30 * DAY)).await, [], "added again while its state is kept");
    store.maintenance.sweep(Timestamp::now().after(6 * DAY)).await.unwrap();
    assert_eq!(store.outbox.states(job.id).await.unwrap(), [state(true)]);
    store.maintenance.sweep(Timestamp::now().after(8 * DAY)).await.unwrap();
    assert_eq!(store.outbox.states(job.id).await.unwrap(), []);
}

#[tokio::test]
async fn an_inbox_collapses_the_unread_and_keeps_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let user = UserId::new();
    let item = |n: i64| InboxItem {
        id: NotificationId::new(),
        title: n.to_string(),
        body: String::new(),
        data: None,
        category: None,
        room: None,
        created_at: Timestamp::from_millis(n),
        read_at: None,
    };
    let titles = async |limit| {
        let items = store.inboxes.inbox(user, None, limit).await.unwrap();
        items.into_iter().map(|i| i.title).collect::<Vec<_>>()
    };
    let (first, second, third) = (item(1), item(2), item(3));
    store.inboxes.add_to_inbox(user, &first, Some("room")).await.unwrap();
    store.inboxes.add_to_inbox(user, &second, Some("room")).await.unwrap();
    assert_eq!(titles(9).await, ["2"]);
    assert!(store.inboxes.mark_inbox_read(user, second.id, Timestamp::from_millis(5)).await.unwrap());
    assert!(store.inboxes.mark_inbox_read(user, second.id, Timestamp::from_millis(6)).await.unwrap());
    assert!(!store.inboxes.mark_inbox_read(user, first.id, Timestamp::from_millis(6)).await.unwrap());
    store.inboxes.add_to_inbox(user, &third, Some("room")).await.unwrap();
    store.inboxes.add_to_inbox(user, &third, Some("room")).await.unwrap();
    let items = store.inboxes.inbox(user, None, 9).await.unwrap();
    assert_eq!(items.iter().map(|i| i.read_at).collect::<Vec<_>>(), [None, Some(Timestamp::from_millis(5))]);
    for n in 10..10 + i64::try_from(INBOX_KEPT).unwrap() {
        store.inboxes.add_to_inbox(user, &item(n), None).await.unwrap();
    }
    let kept = titles(usize::MAX).await;
    assert_eq!((kept.len(), kept.last().map(String::as_str)), (INBOX_KEPT, Some("10")));
    assert_eq!(store.inboxes.mark_inbox_all_read(user, Timestamp::now()).await.unwrap(), INBOX_KEPT as u64);
    assert_eq!(store.inboxes.mark_inbox_all_read(user, Timestamp::now()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_replayed_refresh_token_ends_the_session_and_tells_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await.unwrap();
    let (user, now) = (UserId::new(), Timestamp::now());
    let session = SessionRecord {
        id: SessionId::new(),
        user,
        refresh_hash: [1; 32],
        family_hash: [9; 32],
        replaced: None,
        created_at: now,
        used_at: now,
        expires_at: now.after(DAY),
        agent: None,
        address: None,
    };
    let mut subscriber = store.bus.subscriber();
    subscriber.subscriptions.subscribe(&[Topic::User(user)]).await.unwrap();
    store.sessions.create_session(&session, 9, None).await.unwrap();
    let later = now.after(2 * DAY);
    let rotate = async |old, new| {
        let (presented, next, grace) = ([old; 32], [new; 32], DAY);
        let exchange = Exchange { presented, family: [9; 32], next, at: now, grace, expires_at: later };
        store.sessions.rotate_refresh(user, session.id, &exchange).await.unwrap()
    };
    let replaced = Some(crate::Replaced { hash: [1; 32], at: now });
    let rotated = SessionRecord { refresh_hash: [2; 32], replaced, expires_at: later, ..session.clone() };
    assert_eq!(rotate(1, 2).await, Rotation::Rotated(Box::new(rotated.clone())));
    store.maintenance.sweep(now.after(DAY)).await.unwrap();
    assert_eq!(store.sessions.session(user, session.id).await.unwrap(), Some(rotated), "swept by its old expiry");
    assert_eq!(rotate(7, 3).await, Rotation::Reused);
    assert_eq!(rotate(2, 3).await, Rotation::Unknown);
    assert_eq!(store.sessions.session(user, session.id).await.unwrap(), None);
    store.sessions.end_session(user, session.id).await.unwrap();
    let Some(Signal::Event(BusEvent::User(_, event))) = subscriber.inbox.try_recv() else { panic!("not told") };
    assert_eq!(*event, UserEvent::SessionEnded(session.id));
    assert!(subscriber.inbox.try_recv().is_none(), "told twice");
}
