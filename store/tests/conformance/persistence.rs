//! The embedded store after it was closed, dropped, or its process killed: the same answers.

use std::{path::Path, time::Duration};

use shared::{
    NotificationId, RoomId, SessionId, Timestamp, UserId,
    protocol::{Position, Retention},
    settings::{self, StoreUrl},
};
use store::{
    Actor, Appended, ChosenStatus, Device, Edit, InboxItem, Job, NewMessage, Outcome, RoomRecord, SessionRecord,
    SocketKind, Store, Topic, UserChangeBody, UserRecord,
};

use crate::{
    engine::Fixture,
    support::{
        account, actors, all_changes, all_messages, edit, giving, head, id, join, keyed, mentions_of, naming,
        public_room, reply, send, send_numbers, taking, user_log,
    },
};

/// What was written, to ask for it again.
struct Written {
    users: Vec<UserRecord>,
    people: Vec<store::Actor>,
    room: RoomRecord,
    start: Position,
    thread: Thread,
    session: SessionRecord,
    request: NotificationId,
}

async fn write(store: &Store) -> Written {
    let people = actors(3);
    let users: Vec<UserRecord> = people
        .iter()
        .map(|a| UserRecord { id: a.id, email: Some(format!("{}@x.org", a.username)), ..account(&a.username) })
        .collect();
    for user in &users {
        store.users.create_user(user).await.unwrap();
    }
    store.people.add_contact(users[0].id, users[1].id, 9).await.unwrap();
    let room = RoomRecord { handle: Some("lobby".into()), ..public_room("Lobby") };
    store.rooms.create_room(&room, &people[..2]).await.unwrap();
    let start = head(store, room.id).await;
    send_numbers(store, room.id, &people[0], 5).await;
    store.log.append(&keyed(room.id, &people[1], "keyed", "k")).await.unwrap();
    store.log.delete_message(id(room.id, 2), &people[0], None).await.unwrap();
    store.log.mark_read(room.id, people[1].id, 6).await.unwrap();
    join(store, room.id, &people[2]).await;
    store.rooms.leave(room.id, &people[2]).await.unwrap();
    send(store, room.id, &people[1], "last").await;
    let (id, user) = (SessionId::new(), users[0].id);
    let created_at = users[0].created_at;
    let session = SessionRecord {
        id,
        user,
        refresh_hash: [7; 32],
        family_hash: [9; 32],
        replaced: None,
        created_at,
        used_at: created_at,
        expires_at: created_at.after(Duration::from_secs(3600)),
        agent: Some("Test".into()),
        address: Some("::1".into()),
    };
    store.sessions.create_session(&session, 9, None).await.unwrap();
    let request = NotificationId::new();
    store.outbox.enqueue(&[job(request, user)]).await.unwrap();
    store.inboxes.add_to_inbox(user, &item(request), Some("k")).await.unwrap();
    let thread = write_thread(store, &people).await;
    Written { users, people, room, start, thread, session, request }
}

/// A room where things were done to messages.
struct Thread {
    room: RoomId,
    start: Position,
    /// Of a message that is gone by now, and whose author has left.
    first: (NewMessage, Appended),
}

async fn write_thread(store: &Store, people: &[Actor]) -> Thread {
    let retention = Some(Retention { max_age_seconds: None, max_messages: Some(3) });
    let record = RoomRecord { retention, ..public_room("thread") };
    let (alice, bob) = (&people[0], &people[1]);
    store.rooms.create_room(&record, people).await.unwrap();
    let (room, start) = (record.id, head(store, record.id).await);
    let new = keyed(room, &people[2], "first", "k");
    let first = (new.clone(), store.log.append(&new).await.unwrap());
    store.log.append(&naming(room, alice, "@bob", &[bob])).await.unwrap();
    for content in ["three", "four"] {
        store.log.append(&reply(id(room, 2), alice, content)).await.unwrap();
    }
    let edit = Edit { mentions: mentions_of(&[bob]), ..edit(id(room, 3), alice, "@bob three") };
    store.log.edit_message(&edit).await.unwrap();
    for (seq, by, emoji) in [(2, alice, "a"), (2, bob, "a"), (3, alice, "é")] {
        store.log.react(&giving(id(room, seq), by, emoji)).await.unwrap();
    }
    store.log.react(&taking(id(room, 2), alice, "a")).await.unwrap();
    store.log.mark_delivered(room, bob.id, 3).await.unwrap();
    store.log.mark_read(room, bob.id, 2).await.unwrap();
    store.user_log.note_read_mark(bob.id, room, 2).await.unwrap();
    store.rooms.leave(room, &people[2]).await.unwrap();
    while store.maintenance.trim(Timestamp::now(), 100).await.unwrap() > 0 {}
    let outcome = Outcome { after: 0, seq: 4, at: record.created_at, notification: None, reason: Some("read".into()) };
    store.notify_queue.put_outcomes(room, &[(bob.id, outcome)]).await.unwrap();
    store.notify_queue.conclude(room, 4, &[]).await.unwrap();
    Thread { room, start, first }
}

fn job(id: NotificationId, user: UserId) -> Job {
    let (title, body) = (String::from("title"), String::from("body"));
    let created_at = Timestamp::from_millis(1_790_000_000_000);
    Job {
        id,
        user,
        title,
        body,
        data: None,
        category: None,
        channels: None,
        collapse_key: None,
        expires_at: None,
        created_at,
        message: None,
        after: 0,
        badge: None,
        letter: None,
        request_hash: None,
    }
}

fn item(id: NotificationId) -> InboxItem {
    let created_at = Timestamp::from_millis(1_790_000_000_000);
    let (title, body) = (String::from("title"), String::from("body"));
    InboxItem { id, title, body, data: None, category: None, room: None, created_at, read_at: None }
}

/// Everything that can be asked without changing anything, as text.
async fn answers(store: &Store, w: &Written) -> Vec<String> {
    let (ids, room): (Vec<UserId>, RoomId) = (w.users.iter().map(|u| u.id).collect(), w.room.id);
    let mut all = vec![
        format!("{:?}", store.users.users(&ids).await.unwrap()),
        format!("{:?}", store.users.search_users("", None, 9).await.unwrap()),
        format!("{:?}", store.users.user_id_by_email("USER1@x.org").await.unwrap()),
        format!("{:?}", store.people.contacts(ids[0]).await.unwrap()),
        format!("{:?}", store.users.count_users().await.unwrap()),
        format!("{:?}", store.sessions.sessions(w.session.user).await.unwrap()),
        format!("{:?}", store.rooms.room(room).await.unwrap()),
        format!("{:?}", store.rooms.room_id_by_handle("LOBBY").await.unwrap()),
        format!("{:?}", store.rooms.public_rooms("lob", None, 9).await.unwrap()),
        format!("{:?}", store.rooms.members(room, 0, 9).await.unwrap()),
        format!("{:?}", all_messages(store, room).await),
        format!("{:?}", all_changes(store, room, w.start).await),
        format!("{:?}", store.log.marks(room, &ids).await.unwrap()),
        format!("{:?}", store.outbox.states(w.request).await.unwrap()),
        format!("{:?}", store.inboxes.inbox(ids[0], None, 9).await.unwrap()),
    ];
    let thread = &w.thread;
    all.extend([
        format!("{:?}", store.rooms.room(thread.room).await.unwrap()),
        format!("{:?}", all_messages(store, thread.room).await),
        format!("{:?}", all_changes(store, thread.room, thread.start).await),
        format!("{:?}", store.log.replies(self::id(thread.room, 2), 0, 9, 1000).await.unwrap()),
        format!("{:?}", store.log.marks(thread.room, &ids).await.unwrap()),
        format!("{:?}", store.notify_queue.outcomes(thread.room, &ids).await.unwrap()),
        format!("{:?}", store.user_log.user_positions(&ids).await.unwrap()),
        format!("{:?}", store.log.find_append(&thread.first.0).await.unwrap()),
    ]);
    for id in ids {
        all.push(format!("{:?}", store.rooms.rooms_of(id).await.unwrap()));
        all.push(format!("{:?}", store.rooms.views(id, &[room, thread.room]).await.unwrap()));
        all.push(format!("{:?}", store.log.reacted(thread.room, id, &[1, 2, 3, 4]).await.unwrap()));
        all.push(format!("{:?}", user_log(store, id, Position::BEGINNING).await));
    }
    all
}

/// A store that was opened again goes on where it was.
async fn goes_on(store: &Store, w: &Written) {
    let before = head(store, w.room.id).await;
    let again = store.log.append(&keyed(w.room.id, &w.people[1], "keyed", "k")).await.unwrap();
    assert!(again.duplicate && again.seq == 6, "dedupe keys are kept: {again:?}");
    let (new, first) = &w.thread.first;
    let repeated = Appended { duplicate: true, ..first.clone() };
    assert_eq!(store.log.append(new).await.unwrap(), repeated, "its author has left, and it is gone");
    let other = NewMessage { content: "other".into(), ..new.clone() };
    crate::support::fails!(store.log.append(&other).await, IdempotencyConflict);
    let bob = w.people[1].id;
    let was = store.user_log.user_positions(&[bob]).await.unwrap()[0];
    let now = store.user_log.note_read_mark(bob, w.thread.room, 4).await.unwrap();
    assert_eq!(now.rev, was.rev + 1);
    let entry = user_log(store, bob, was).await.remove(0);
    assert_eq!(entry.body, UserChangeBody::ReadMark { room: w.thread.room, seq: 4 });
    let sent = send(store, w.room.id, &w.people[0], "more").await;
    assert_eq!((sent.seq, sent.rev), (8, before.rev + 1));
    let far = Timestamp::now().after(Duration::from_secs(3600));
    let due = store.notify_queue.take_due(far, Duration::from_secs(9), 9).await.unwrap();
    assert_eq!(due.iter().map(|d| (d.room, d.head_seq)).collect::<Vec<_>>(), [(w.room.id, 8)]);
    let claimed = store.outbox.claim(shared::InstanceId::new(), far, Duration::from_secs(9), 9).await.unwrap();
    assert_eq!(claimed.iter().map(|c| c.job.id).collect::<Vec<_>>(), [w.request]);
    let mut inbox = crate::support::follow(store, &[Topic::Room(w.room.id)]).await;
    let sent = send(store, w.room.id, &w.people[0], "heard").await;
    assert_eq!(crate::support::room_event(&mut inbox).await.change.rev, sent.rev);
}

async fn open(dir: &Path) -> store::Result<Store> {
    store::open(&settings::Store { url: StoreUrl::Embedded(dir.into()), ..settings::Store::default() }).await
}

pub async fn a_closed_store_is_the_same_when_opened_again(s: &Fixture) {
    let dir = s.scratch().join("own");
    let first = open(&dir).await.unwrap();
    let written = write(&first).await;
    let before = answers(&first, &written).await;
    first.maintenance.close().await.unwrap();
    drop(first);
    for _ in 0..2 {
        let again = open(&dir).await.unwrap();
        assert_eq!(answers(&again, &written).await, before);
        again.maintenance.close().await.unwrap();
    }
    let last = open(&dir).await.unwrap();
    goes_on(&last, &written).await;
    last.maintenance.close().await.unwrap();
}

pub async fn a_store_dropped_without_closing_is_the_same(s: &Fixture) {
    let dir = s.scratch().join("own");
    let first = open(&dir).await.unwrap();
    let written = write(&first).await;
    let before = answers(&first, &written).await;
    drop(first);
    let mut opened = None;
    crate::support::eventually("the directory is free again", async || {
        opened = open(&dir).await.ok();
        opened.is_some()
    })
    .await;
    let again = opened.unwrap();
    assert_eq!(answers(&again, &written).await, before);
    goes_on(&again, &written).await;
    again.maintenance.close().await.unwrap();
}

/// What a killed process leaves: its files as they are while it still runs.
pub async fn the_files_of_a_running_store_hold_what_was_acknowledged(s: &Fixture) {
    let (dir, copy) = (s.scratch().join("own"), s.scratch().join("copy"));
    let first = open(&dir).await.unwrap();
    let written = write(&first).await;
    let before = answers(&first, &written).await;
    copy_dir(&dir, &copy);
    let again = open(&copy).await.unwrap();
    assert_eq!(answers(&again, &written).await, before);
    goes_on(&again, &written).await;
    again.maintenance.close().await.unwrap();
    first.maintenance.close().await.unwrap();
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub async fn a_store_is_open_once(s: &Fixture) {
    assert!(store::open(s.settings()).await.is_err());
    let user = UserId::new();
    let device = Device {
        instance: shared::InstanceId::new(),
        connection: 1,
        kind: SocketKind::Chat,
        focused: None,
        since: Timestamp::now(),
    };
    s.presence.put_device(user, &device, &crate::presence::silent(user)).await.unwrap();
    s.presence.set_chosen(user, ChosenStatus::Away, None).await.unwrap();
    assert_eq!(s.presence.presence(&[user]).await.unwrap()[0].devices, [device], "the first is not disturbed");
}
