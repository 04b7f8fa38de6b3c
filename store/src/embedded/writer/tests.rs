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

    /// Starts a command and waits until it is the `n`th in the queue of the held writer.
    async fn queue<T, F>(&self, n: usize, work: F) -> tokio::task::JoinHandle<Result<T>>
    where
        F: FnOnce(&mut Tx) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let writer = self.writer.clone();
        let task = tokio::spawn(async move { writer.run(work).await });
        self.wait_for_queue(n).await;
        task
    }

    /// The queue's room has shrunk by as many; the writer is held, so none leaves it.
    async fn wait_for_queue(&self, n: usize) {
        while self.writer.queue.capacity() > QUEUE - n {
            tokio::task::yield_now().await;
        }
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
        move |tx: &mut Tx| {
            tx.put(key(1), vec![1])?;
            tx.publish(event);
            how()
        }
    };
    let failing = rig.queue(1, spoil(|| Err(StoreError::RoomFull), ended(user).0)).await;
    let panicking = rig.queue(2, spoil(|| panic!("a defect"), ended(user).0)).await;
    let good = rig.queue(3, |tx| {
        tx.put(key(2), vec![2])?;
        tx.get(&key(1))
    });
    let good = good.await;
    drop(release);
    assert!(matches!(failing.await.unwrap(), Err(StoreError::RoomFull)));
    assert!(matches!(panicking.await.unwrap(), Err(StoreError::Unexpected(_))));
    assert_eq!(good.await.unwrap().unwrap(), None, "an earlier command's failed write shows");
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
    rig.wait_for_queue(usize::try_from(CROWD).unwrap()).await;
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
    let (release, held) = rig.hold().await;
    let (mut expected, mut tasks) = (Vec::new(), Vec::new());
    for n in 1..=20 {
        let (event, session) = ended(user);
        expected.push(session);
        let publish = move |tx: &mut Tx| {
            tx.publish(event);
            tx.put(key(n as u64), vec![])
        };
        tasks.push(rig.queue(n, publish).await);
    }
    assert_eq!(sessions_of(&mut inbox), [], "told before the commit");
    drop(release);
    tasks.remove(0).await.unwrap().unwrap();
    assert_eq!(sessions_of(&mut inbox), expected);
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_event_is_published_only_after_what_it_tells_of_is_committed() {
    let rig = rig();
    let user = UserId::new();
    let (_following, mut inbox) = rig.inbox(user);
    let (event, _) = ended(user);
    let (release, held) = rig.hold().await;
    let write = move |tx: &mut Tx| {
        tx.publish(event);
        tx.put(key(1), vec![1])
    };
    let write = rig.queue(1, write).await;
    drop(release);
    inbox.recv().await.unwrap();
    assert_eq!(rig.get(&key(1)), Some(vec![1]), "told before it was there");
    write.await.unwrap().unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_failed_commit_is_told_to_all_of_its_group_and_nothing_follows_it() {
    let rig = rig();
    let user = UserId::new();
    let (_following, mut inbox) = rig.inbox(user);
    let (release, held) = rig.hold().await;
    let (event, _) = ended(user);
    let writes = move |tx: &mut Tx| {
        tx.publish(event);
        tx.put(key(1), vec![1])
    };
    let writes = rig.queue(1, writes).await;
    let reads = rig.queue(2, |tx| tx.get(&key(1))).await;
    rig.kv.fail_commits.store(true, Ordering::Release);
    drop(release);
    let (writes, reads) = (writes.await.unwrap(), reads.await.unwrap());
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
    let queued = rig.queue(1, |tx| tx.put(key(1), vec![1])).await;
    let writer = rig.writer.clone();
    let close = tokio::spawn(async move { writer.close().await });
    rig.wait_for_queue(2).await;
    drop(release);
    queued.await.unwrap().unwrap();
    close.await.unwrap().unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(rig.get(&key(1)), Some(vec![1]));
    let late = rig.writer.run(|tx| tx.put(key(2), vec![2])).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
}
