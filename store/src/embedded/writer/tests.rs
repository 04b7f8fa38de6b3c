//! Group commit: what a command leaves, in which order callers and subscribers hear of it, and what a failed commit does.

use std::sync::{Arc, mpsc};

use shared::{RoomId, SessionId, UserId};

use super::{
    super::{
        keys::{self, Key},
        kv::{Kv, Read},
    },
    *,
};
use crate::{Inbox, Topic, UserEvent};

struct Rig {
    kv: Arc<Kv>,
    writer: Arc<Writer>,
    dispatcher: Arc<Dispatcher>,
    _dir: tempfile::TempDir,
}

fn rig() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let kv = Arc::new(Kv::open(dir.path()).unwrap());
    let dispatcher = Arc::new(Dispatcher::default());
    let writer = Arc::new(Writer::start(kv.clone(), dispatcher.clone()).unwrap());
    Rig { kv, writer, dispatcher, _dir: dir }
}

impl Rig {
    /// A snapshot's value of a key.
    fn get(&self, key: &Key) -> Option<Vec<u8>> {
        self.kv.snapshot().get(key).unwrap()
    }

    fn inbox(&self, user: UserId) -> (crate::bus::Registration, Inbox) {
        let (registration, inbox) = self.dispatcher.register();
        registration.follow(&[Topic::User(user)]);
        (registration, inbox)
    }

    /// Holds the writer inside a command until the sender is used or dropped; waits until it is there.
    async fn hold(&self) -> (mpsc::SyncSender<()>, tokio::task::JoinHandle<Result<()>>) {
        let (release, held) = mpsc::sync_channel::<()>(1);
        let (entered, inside) = oneshot::channel();
        let writer = self.writer.clone();
        let task = tokio::spawn(async move {
            writer
                .run(move |_| {
                    let _ = entered.send(());
                    let _ = held.recv();
                    Ok(())
                })
                .await
        });
        inside.await.unwrap();
        (release, task)
    }
}

fn key(n: u64) -> Key {
    keys::message(RoomId::from_slice(&[7; 16]).unwrap(), n)
}

fn ended(user: UserId) -> (BusEvent, SessionId) {
    let session = SessionId::new();
    (BusEvent::User(user, Arc::new(UserEvent::SessionEnded(session))), session)
}

fn sessions_of(inbox: &mut Inbox) -> Vec<SessionId> {
    let mut sessions = Vec::new();
    while let Some(signal) = inbox.try_recv() {
        if let crate::Signal::Event(BusEvent::User(_, event)) = signal
            && let UserEvent::SessionEnded(id) = *event
        {
            sessions.push(id);
        }
    }
    sessions
}

#[tokio::test]
async fn a_command_that_fails_or_panics_leaves_no_writes_and_no_events() {
    let rig = rig();
    let user = UserId::new();
    let (_following, mut inbox) = rig.inbox(user);
    let (release, held) = rig.hold().await;
    let spoil = |how: fn() -> Result<()>, event: BusEvent| {
        let writer = rig.writer.clone();
        async move {
            writer
                .run(move |tx| {
                    tx.put(key(1), vec![1])?;
                    tx.publish(event);
                    how()
                })
                .await
        }
    };
    let failing = spoil(|| Err(StoreError::RoomFull), ended(user).0);
    let panicking = spoil(|| panic!("a defect"), ended(user).0);
    let good = rig.writer.run(|tx| {
        assert_eq!(tx.get(&key(1))?, None, "an earlier command's failed write shows");
        tx.put(key(2), vec![2])
    });
    drop(release);
    let (failing, panicking, good) = tokio::join!(failing, panicking, good);
    assert!(matches!(failing, Err(StoreError::RoomFull)));
    assert!(matches!(panicking, Err(StoreError::Unexpected(_))));
    good.unwrap();
    held.await.unwrap().unwrap();
    assert_eq!((rig.get(&key(1)), rig.get(&key(2))), (None, Some(vec![2])));
    assert_eq!(sessions_of(&mut inbox), []);
}

#[tokio::test]
async fn what_is_queued_together_shares_one_commit_and_sees_what_came_before_it() {
    const CROWD: u64 = 100;
    let rig = rig();
    let (release, held) = rig.hold().await;
    let before = rig.writer.group_commits();
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        let writer = rig.writer.clone();
        crowd.spawn(async move {
            let next = writer.run(|tx| {
                let n = tx.get(&key(0))?.map_or(0, |v| v[0]) + 1;
                tx.put(key(0), vec![n])?;
                Ok(n)
            });
            next.await.unwrap()
        });
    }
    // They are in the queue once its room has shrunk by as many; the writer is held, so none leaves it.
    while rig.writer.queue.capacity() > QUEUE - usize::try_from(CROWD).unwrap() {
        tokio::task::yield_now().await;
    }
    drop(release);
    let mut numbers = crowd.join_all().await;
    held.await.unwrap().unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=u8::try_from(CROWD).unwrap()).collect::<Vec<_>>(), "two commands read the same value");
    let after = rig.writer.group_commits();
    assert_eq!(after.commands - before.commands, CROWD + 1);
    assert_eq!(after.commits - before.commits, 1);
}

#[tokio::test]
async fn events_come_in_the_order_of_commands_and_are_there_before_the_answer() {
    let rig = rig();
    let user = UserId::new();
    let (_following, mut inbox) = rig.inbox(user);
    let mut expected = Vec::new();
    for n in 0..20 {
        let (event, session) = ended(user);
        expected.push(session);
        let publish = rig.writer.run(move |tx| {
            tx.publish(event);
            tx.put(key(n), vec![])
        });
        publish.await.unwrap();
        assert_eq!(sessions_of(&mut inbox), [session]);
    }
    assert_eq!(expected.len(), 20);
}

#[tokio::test]
async fn an_event_is_published_only_after_what_it_tells_of_is_committed() {
    let rig = rig();
    let user = UserId::new();
    let (_following, mut inbox) = rig.inbox(user);
    let (event, _) = ended(user);
    let (kv, writer) = (rig.kv.clone(), rig.writer.clone());
    let (release, held) = rig.hold().await;
    let (entered, inside) = mpsc::sync_channel(1);
    let publishing = tokio::spawn(async move {
        let publish = writer.run(move |tx| {
            tx.publish(event);
            tx.put(key(1), vec![1])?;
            entered.send(()).unwrap();
            Ok(())
        });
        publish.await
    });
    drop(release);
    tokio::task::spawn_blocking(move || inside.recv().unwrap()).await.unwrap();
    inbox.recv().await.unwrap();
    assert_eq!(kv.snapshot().get(&key(1)).unwrap(), Some(vec![1]), "told before it was there");
    publishing.await.unwrap().unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_failed_commit_is_told_to_all_of_its_group_and_nothing_follows_it() {
    let rig = rig();
    let user = UserId::new();
    let (_following, mut inbox) = rig.inbox(user);
    let (release, held) = rig.hold().await;
    let (event, _) = ended(user);
    let writes = rig.writer.run(move |tx| {
        tx.publish(event);
        tx.put(key(1), vec![1])
    });
    let reads = rig.writer.run(|tx| tx.get(&key(1)));
    rig.kv.fail_commits.store(true, Ordering::Release);
    drop(release);
    let (writes, reads) = tokio::join!(writes, reads);
    assert!(matches!(writes, Err(StoreError::Unavailable(_))));
    assert!(matches!(reads, Err(StoreError::Unavailable(_))), "it read what is not durable");
    assert!(matches!(held.await.unwrap(), Err(StoreError::Unavailable(_))));
    assert_eq!(sessions_of(&mut inbox), []);
    rig.kv.fail_commits.store(false, Ordering::Release);
    let later = rig.writer.run(|tx| tx.put(key(2), vec![2])).await;
    assert!(matches!(later, Err(StoreError::Unavailable(_))), "a write on top of an unknown state");
    assert_eq!((rig.get(&key(1)), rig.get(&key(2))), (None, None));
    assert!(rig.writer.close().await.is_err());
}

#[tokio::test]
async fn a_closed_writer_has_done_what_was_queued_and_takes_no_more() {
    let rig = rig();
    let (release, held) = rig.hold().await;
    let queued = rig.writer.run(|tx| tx.put(key(1), vec![1]));
    let close = rig.writer.close();
    drop(release);
    let (queued, closed) = tokio::join!(queued, close);
    queued.unwrap();
    closed.unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(rig.get(&key(1)), Some(vec![1]));
    let late = rig.writer.run(|tx| tx.put(key(2), vec![2])).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
}
