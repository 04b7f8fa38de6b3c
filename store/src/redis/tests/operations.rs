//! Every operation once, on a node and on a cluster: a script that touches a slot not its own fails here.

use std::time::Duration;

use redis::cmd;
use rstest::rstest;
use shared::{
    EventId, InstanceId, MessageId, NotificationId, SessionId, Timestamp, UserId,
    protocol::{Position, Role, Status},
};

use super::{
    bus::message,
    halves::{actor, room, user},
    server::{Kind, Server},
};
use crate::{
    Backups, ChangeBody, Changes, Device, Exchange, InboxItem, Inboxes, Job, JobState, Limits, Login, NewMessage,
    NotifyQueue, Outbox, PageFrom, PageRequest, Presence, ProfilePatch, Published, Publishing, Replaced, RoomLog,
    Rooms, Rotation, SessionRecord, Sessions, SocketKind, StoreError, Ticket, Tickets, Users,
    presence::{PresenceEvent, silent},
};

const MINUTE: Duration = Duration::from_secs(60);

fn page(from: PageFrom, limit: usize) -> PageRequest {
    PageRequest { from, limit, visible_after: 0, max_bytes: usize::MAX }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_rooms_log_keeps_what_it_acknowledged(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob, record) = (actor("ann"), actor("bob"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let first = NewMessage { client_message_id: Some("k {1}".into()), ..message(&record, &ann, "one") };
    let sent = engine.append(&first).await.unwrap();
    assert_eq!((sent.seq, sent.rev, sent.duplicate), (1, 2, false));
    let again = engine.append(&first).await.unwrap();
    assert_eq!((again.seq, again.event_id, again.at, again.duplicate), (1, sent.event_id, sent.at, true));
    let other = NewMessage { content: "two".into(), ..first.clone() };
    assert!(matches!(engine.append(&other).await, Err(StoreError::IdempotencyConflict)));
    assert!(matches!(engine.append(&message(&record, &bob, "x")).await, Err(StoreError::NotAMember)));
    assert!(matches!(engine.append(&message(&room(None), &ann, "x")).await, Err(StoreError::RoomNotFound)));

    let joined = engine.join(record.id, &bob, Role::Member, 2).await.unwrap();
    assert_eq!((joined.membership.joined_seq, joined.membership.joined_rev, joined.position.rev), (1, 3, 3));
    assert!(matches!(engine.join(record.id, &bob, Role::Member, 9).await, Err(StoreError::AlreadyAMember)));
    assert!(matches!(engine.join(record.id, &actor("c"), Role::Member, 2).await, Err(StoreError::RoomFull)));
    for n in 2..=5 {
        engine.append(&message(&record, &ann, &format!("m{n}"))).await.unwrap();
    }
    let id = MessageId { room: record.id, seq: 3 };
    let gone = engine.delete_message(id, &bob, None).await.unwrap().unwrap();
    assert_eq!(gone.rev, 8);
    assert_eq!(engine.delete_message(id, &bob, None).await.unwrap(), None);
    let kept = engine.message(id).await.unwrap().unwrap();
    assert_eq!((kept.content.as_str(), kept.author, kept.deleted_at.is_some()), ("", ann.id, true));

    let view = engine.views(bob.id, &[record.id]).await.unwrap().remove(0).unwrap();
    assert_eq!((view.head.seq, view.head.rev, view.head.members, view.unread), (5, 8, 2, 3));
    assert_eq!(engine.mark_read(record.id, bob.id, 4).await.unwrap().now.read, 4);
    assert_eq!(engine.mark_read(record.id, bob.id, 2).await.unwrap().now.read, 4);
    assert_eq!(engine.mark_read(record.id, bob.id, u64::MAX).await.unwrap().now.read, 5);
    let marks = engine.marks(record.id, &[bob.id, UserId::new(), ann.id]).await.unwrap();
    assert_eq!(marks.iter().map(|m| m.read).collect::<Vec<_>>(), [5, 0, 5]);

    let seqs = async |from, limit| {
        let page = engine.history(record.id, page(from, limit)).await.unwrap();
        (page.items.iter().map(|m| m.seq).collect::<Vec<_>>(), page.has_more)
    };
    assert_eq!(seqs(PageFrom::Newest, 2).await, (vec![5, 4], true));
    assert_eq!(seqs(PageFrom::Before(3), 5).await, (vec![2, 1], false));
    assert_eq!(seqs(PageFrom::After(3), 1).await, (vec![4], true));
    assert_eq!(seqs(PageFrom::After(u64::MAX), 1).await, (vec![], false));
    assert_eq!(seqs(PageFrom::Around(3), 3).await, (vec![4, 3, 2], true));

    let after = Position { rev: sent.rev, event_id: sent.event_id };
    let Changes::Page { changes, has_more } = engine.changes(record.id, after, 3, usize::MAX).await.unwrap() else {
        panic!()
    };
    assert_eq!((changes[0].rev, &changes[0].body, has_more), (3, &ChangeBody::Joined, true));
    assert!(matches!(&changes[2].body, ChangeBody::Message(m) if m.content.is_empty() && m.seq == 3), "no old content");
    let foreign = Position { rev: 2, event_id: EventId::random() };
    assert_eq!(engine.changes(record.id, foreign, 9, usize::MAX).await.unwrap(), Changes::Reset { head: gone });
    let Changes::Page { changes, has_more } = engine.changes(record.id, gone, 9, usize::MAX).await.unwrap() else {
        panic!()
    };
    assert_eq!((changes.len(), has_more), (0, false));
    engine.leave(record.id, &bob).await.unwrap();
    assert_eq!(engine.membership(record.id, bob.id).await.unwrap(), None);
    assert_eq!(engine.members(record.id, 0, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_change_log_is_trimmed_to_the_last_ten_thousand() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let head = engine.room(record.id).await.unwrap().unwrap().1.position();
    let batch = |n: usize| {
        futures_util::future::join_all(
            (0..n).map(|_| async { engine.append(&message(&record, &ann, "x")).await.unwrap() }),
        )
    };
    for _ in 0..9 {
        batch(1000).await;
    }
    batch(999).await;
    assert!(matches!(
        engine.changes(record.id, head, 1, usize::MAX).await.unwrap(),
        Changes::Page { has_more: true, .. }
    ));
    batch(1).await;
    assert!(matches!(engine.changes(record.id, head, 1, usize::MAX).await.unwrap(), Changes::Reset { .. }));
    let mut connection = server.connection().await;
    let stats: String = cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    println!("{}", stats.lines().find(|line| line.starts_with("cmdstat_evalsha")).unwrap_or_default());
    let kept: usize = cmd("HLEN").arg(engine.keys.changes(record.id)).query_async(&mut connection).await.unwrap();
    assert_eq!(kept, 10_000);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn accounts_sessions_and_limits_work(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, anna, bob) = (user("ann"), user("Anna"), user("bob"));
    for one in [&anna, &bob, &ann] {
        engine.create_user(one).await.unwrap();
    }
    assert_eq!(engine.search_users("AN", None, 9).await.unwrap(), [ann.id, anna.id]);
    assert_eq!(engine.search_users("an", Some("ann"), 9).await.unwrap(), [anna.id]);
    let patch = ProfilePatch { bio: Some(Some("hi".into())), ..ProfilePatch::default() };
    assert_eq!(engine.update_profile(ann.id, &patch).await.unwrap().bio.as_deref(), Some("hi"));
    let read = engine.users(&[bob.id, UserId::new(), ann.id]).await.unwrap();
    assert_eq!((read[0].as_ref(), read[1].as_ref(), read[2].is_some()), (Some(&bob), None, true));

    let far = Timestamp::now().after(MINUTE);
    let session = SessionRecord {
        id: SessionId::new(),
        user: ann.id,
        refresh_hash: [1; 32],
        family_hash: [9; 32],
        replaced: None,
        created_at: far,
        used_at: far,
        expires_at: far,
        agent: None,
        address: None,
    };
    engine.create_session(&session, 9, None).await.unwrap();
    let used_at = Timestamp::now();
    let replaced = Some(Replaced { hash: [1; 32], at: used_at });
    let next = SessionRecord { refresh_hash: [2; 32], replaced, used_at, ..session.clone() };
    let rotate = async |presented, hash| {
        let (presented, next_hash, at) = ([presented; 32], [hash; 32], next.used_at);
        let exchange = Exchange {
            presented,
            family: [9; 32],
            next: next_hash,
            at,
            grace: Duration::from_secs(1),
            expires_at: far,
        };
        engine.rotate_refresh(ann.id, session.id, &exchange).await.unwrap()
    };
    assert_eq!(rotate(1, 2).await, Rotation::Rotated(Box::new(next.clone())));
    assert_eq!(rotate(1, 2).await, Rotation::Rotated(Box::new(next.clone())), "the same call again");
    assert_eq!(engine.session(ann.id, session.id).await.unwrap(), Some(next.clone()));
    assert_eq!(rotate(7, 3).await, Rotation::Reused);
    assert_eq!(rotate(2, 3).await, Rotation::Unknown);
    assert!(!engine.end_session(ann.id, session.id).await.unwrap());

    let ticket = Ticket { user: ann.id, login: Login::Session(session.id), scope: None };
    engine.put_ticket([1; 32], &ticket, MINUTE).await.unwrap();
    let (attempt, another) = (EventId::random(), EventId::random());
    assert_eq!(engine.take_ticket([1; 32], attempt).await.unwrap(), Some(ticket.clone()));
    assert_eq!(engine.take_ticket([1; 32], attempt).await.unwrap(), Some(ticket), "the same call again");
    assert_eq!(engine.take_ticket([1; 32], another).await.unwrap(), None);

    assert_eq!(engine.take("k", 5, MINUTE, 3).await.unwrap().granted, 3);
    assert_eq!(engine.take("k", 5, MINUTE, 3).await.unwrap().granted, 2);
    let empty = engine.take("k", 5, MINUTE, 3).await.unwrap();
    assert_eq!(empty.granted, 0);
    assert!(empty.retry_after > Duration::from_secs(10) && empty.retry_after <= Duration::from_secs(12), "{empty:?}");
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn presence_is_published_once_and_survives_a_dead_process(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (user, dead, t) = (UserId::new(), InstanceId::new(), Timestamp::from_millis(1_000_000));
    let device = |instance| Device { instance, connection: 1, kind: SocketKind::Chat, focused: None, since: t };
    engine.beat(dead, t, MINUTE).await.unwrap();
    engine.put_device(user, &device(dead), &silent(user)).await.unwrap();
    let state = engine.presence(&[user]).await.unwrap().remove(0);
    assert_eq!((state.devices.len(), state.version), (1, 1));
    let online = Published { status: Status::Online, text: None };
    let event = PresenceEvent { published: online, ..silent(user) };
    assert_eq!(engine.publish(&event, 0).await.unwrap(), Publishing::Stale);
    assert_eq!(engine.publish(&event, 1).await.unwrap(), Publishing::Sent);
    assert_eq!(engine.publish(&event, 1).await.unwrap(), Publishing::Unchanged);

    assert_eq!(engine.reap(t.after(MINUTE / 2), 9).await.unwrap(), 0);
    let end = t.after(MINUTE);
    assert_eq!(engine.reap(end, 9).await.unwrap(), 1);
    assert_eq!(engine.reap(end.after(MINUTE), 9).await.unwrap(), 0);
    let state = engine.presence(&[user]).await.unwrap().remove(0);
    assert_eq!((state.devices.len(), state.last_seen, state.left), (0, Some(end), Some(end)));
    assert_eq!(engine.due_users(end, MINUTE, 9).await.unwrap(), [user]);
    assert_eq!(engine.due_users(end, MINUTE, 9).await.unwrap(), []);
    assert_eq!(engine.due_users(end.after(MINUTE), MINUTE, 9).await.unwrap(), [user]);
    engine.finish_due_user(user).await.unwrap();
    assert_eq!(engine.due_users(end.after(10 * MINUTE), MINUTE, 9).await.unwrap(), []);

    let live = InstanceId::new();
    engine.put_device(user, &device(live), &silent(user)).await.unwrap();
    engine.remove_device(user, live, 1, t, MINUTE).await.unwrap();
    assert_eq!(engine.due_users(t, MINUTE, 9).await.unwrap(), []);
    assert_eq!(engine.due_users(end, MINUTE, 9).await.unwrap(), [user]);
    let mut connection = server.connection().await;
    let left: i64 = cmd("EXISTS").arg(engine.keys.instance_users(live)).query_async(&mut connection).await.unwrap();
    assert_eq!(left, 0);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn what_is_to_be_notified_is_given_to_one_and_again_after_its_lease(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let at = engine.append(&message(&record, &ann, "x")).await.unwrap().at;
    assert_eq!(engine.take_due(at.before(MINUTE), MINUTE, 9).await.unwrap(), []);
    let due = engine.take_due(at, MINUTE, 9).await.unwrap();
    assert_eq!((due[0].room, due[0].notified_seq, due[0].head_seq), (record.id, 0, 1));
    assert_eq!(engine.take_due(at, MINUTE, 9).await.unwrap(), []);
    assert_eq!(engine.take_due(at.after(MINUTE), MINUTE, 9).await.unwrap().len(), 1);
    engine.append(&message(&record, &ann, "y")).await.unwrap();
    engine.conclude(record.id, 1, &[]).await.unwrap();
    assert_eq!(engine.take_due(at, MINUTE, 9).await.unwrap()[0].notified_seq, 1);
    engine.conclude(record.id, 2, &[]).await.unwrap();
    assert_eq!(engine.take_due(at.after(10 * MINUTE), MINUTE, 9).await.unwrap(), []);

    let job = Job {
        id: NotificationId::new(),
        user: ann.id,
        title: "t".into(),
        body: "b\n b".into(),
        data: None,
        category: None,
        channels: None,
        collapse_key: None,
        expires_at: None,
        created_at: at,
        message: None,
        after: 0,
        badge: None,
        letter: None,
        request_hash: None,
    };
    let me = InstanceId::new();
    engine.enqueue(&[job.clone(), job.clone()]).await.unwrap();
    let claimed = engine.claim(me, at, MINUTE, 9).await.unwrap();
    assert_eq!((claimed.len(), &claimed[0].job, claimed[0].attempt), (1, &job, 1));
    assert_eq!(engine.claim(me, at, MINUTE, 9).await.unwrap(), []);
    let state = JobState { user: ann.id, done: false, attempts: vec![], claim: 0, request_hash: None };
    engine.settle(&claimed[0], &state, Some(at.after(2 * MINUTE))).await.unwrap();
    assert_eq!(engine.claim(me, at.after(MINUTE), MINUTE, 9).await.unwrap(), []);
    let second = engine.claim(me, at.after(2 * MINUTE), MINUTE, 9).await.unwrap();
    assert_eq!(second[0].attempt, 2);
    let done = JobState { done: true, ..state };
    engine.settle(&claimed[0], &done, None).await.unwrap();
    assert!(!engine.states(job.id).await.unwrap()[0].done, "the first claim has ended");
    engine.settle(&second[0], &done, None).await.unwrap();
    assert_eq!(engine.states(job.id).await.unwrap(), [done]);
    engine.enqueue(std::slice::from_ref(&job)).await.unwrap();
    assert_eq!(engine.claim(me, at.after(9 * MINUTE), MINUTE, 9).await.unwrap(), []);
}

#[tokio::test]
async fn an_inbox_collapses_what_is_unread_and_keeps_the_newest() {
    let server = Server::start(Kind::Cluster);
    let engine = server.engine().await;
    let user = UserId::new();
    let item = |at| InboxItem {
        id: NotificationId::new(),
        title: "t".into(),
        body: "b".into(),
        data: None,
        category: None,
        room: None,
        created_at: Timestamp::from_millis(at),
        read_at: None,
    };
    let items: Vec<InboxItem> = (1..=4).map(item).collect();
    for one in &items {
        engine.add_to_inbox(user, one, Some("room")).await.unwrap();
        engine.add_to_inbox(user, one, Some("room")).await.unwrap();
    }
    assert_eq!(engine.inbox(user, None, 9).await.unwrap(), [items[3].clone()]);
    let at = Timestamp::from_millis(9);
    assert!(engine.mark_inbox_read(user, items[3].id, at).await.unwrap());
    assert!(engine.mark_inbox_read(user, items[3].id, at.after(MINUTE)).await.unwrap());
    assert!(!engine.mark_inbox_read(user, items[0].id, at).await.unwrap());
    let newer = item(5);
    engine.add_to_inbox(user, &newer, Some("room")).await.unwrap();
    let read = InboxItem { read_at: Some(at), ..items[3].clone() };
    assert_eq!(engine.inbox(user, None, 9).await.unwrap(), [newer.clone(), read.clone()]);
    assert_eq!(engine.inbox(user, Some(newer.id), 9).await.unwrap(), [read]);
    assert_eq!(engine.mark_inbox_all_read(user, at).await.unwrap(), 1);
    for n in 0..600 {
        engine.add_to_inbox(user, &item(10 + n), None).await.unwrap();
    }
    assert_eq!(engine.inbox(user, None, 9999).await.unwrap().len(), crate::notify::INBOX_KEPT);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_backup_waits_for_a_save_that_is_under_way(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    engine.create_user(&user("ann")).await.unwrap();
    let mut connection = server.connection().await;
    let mut slow = redis::cmd("CONFIG");
    // Microseconds for each key: longer than the backup looks away at first.
    slow.arg("SET").arg("rdb-key-save-delay").arg(1_000_000).exec_async(&mut connection).await.unwrap();
    redis::cmd("BGSAVE").exec_async(&mut connection).await.unwrap();
    let crate::BackedUp::Servers(servers) = engine.back_up(None).await.unwrap() else { panic!("servers") };
    assert_eq!(servers.len(), 1);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn an_end_that_is_told_again_because_its_answer_was_lost_is_due(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (user, instance, now) = (UserId::new(), InstanceId::new(), Timestamp::now());
    let device = Device { instance, connection: 1, kind: SocketKind::Chat, focused: None, since: now };
    engine.put_device(user, &device, &silent(user)).await.unwrap();
    engine.remove_device(user, instance, 1, now, MINUTE).await.unwrap();
    // The process died before it noted that they are due.
    let _: i64 = cmd("DEL").arg(engine.keys.presence_due()).query_async(&mut server.connection().await).await.unwrap();
    engine.remove_device(user, instance, 1, now, MINUTE).await.unwrap();
    assert_eq!(engine.due_users(now.after(2 * MINUTE), MINUTE, 9).await.unwrap(), [user]);
}
