//! That cost does not grow with what it must not: keys read and written, counted, in small rooms and in large ones.

use super::{
    counted,
    history::Room as Left,
    keys::Counted,
    kv::{KEYS_READ, Snapshot},
    *,
};
use crate::Edit;

/// An engine without callers: commands are run and committed here, so that what they read is read by this thread.
struct Bare {
    engine: Arc<Embedded>,
    _dir: tempfile::TempDir,
}

impl Bare {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { engine: Embedded::open(dir.path()).await.unwrap(), _dir: dir }
    }

    fn snapshot(&self) -> Snapshot {
        self.engine.kv.lock().clone().unwrap().snapshot()
    }

    /// Runs a command; gives what it read and wrote.
    fn cost(&self, work: impl FnOnce(&mut Tx)) -> (u64, usize) {
        let (snapshot, group) = (self.snapshot(), tx::Overlay::new());
        let mut tx = Tx::new(&snapshot, &group);
        let read = reads(|| work(&mut tx));
        let writes = tx.finish().0;
        let written = writes.len();
        self.engine.kv.lock().clone().unwrap().commit(writes.into_iter()).unwrap();
        (read, written)
    }

    /// Appends so many messages, in one commit.
    fn fill(&self, room: RoomId, author: &Actor, count: u64, mentions: &Mentions) {
        self.cost(|tx| {
            for _ in 0..count {
                let message = NewMessage { mentions: mentions.clone(), ..message(room, author, "hello") };
                log::append(tx, message).unwrap();
            }
        });
    }

    async fn room_of(&self, by: &Actor, members: u64) -> RoomId {
        let id = room(&self.engine.store(), by).await;
        self.cost(|tx| {
            let mut row = membership::head(tx, id).unwrap();
            for n in 1..members {
                let member = actor(&format!("user{n}"));
                membership::add_member(tx, &mut row.head, id, &member, Role::Member).unwrap();
            }
            membership::put_head(tx, id, &row).unwrap();
        });
        id
    }
}

/// Keys that are read meanwhile.
fn reads(work: impl FnOnce()) -> u64 {
    let before = KEYS_READ.get();
    work();
    KEYS_READ.get() - before
}

#[tokio::test]
async fn a_page_of_history_reads_no_more_in_a_long_room_than_in_a_short_one() {
    let bare = Bare::open().await;
    let alice = actor("alice");
    for messages in [200, 10_000] {
        let id = bare.room_of(&alice, 1).await;
        bare.fill(id, &alice, messages, &Mentions::default());
        let snapshot = bare.snapshot();
        let middle = messages / 2;
        let froms = [PageFrom::Newest, PageFrom::Before(middle), PageFrom::After(middle), PageFrom::Around(middle)];
        let cost = froms.map(|from| {
            reads(|| {
                let page = history::page(&snapshot, id, PageRequest { from, ..all(50) }).unwrap();
                assert_eq!((page.items.len(), page.has_more), (50, true));
            })
        });
        // The head and the messages.
        assert_eq!(cost, [51; 4], "of {messages}");
    }
}

#[tokio::test]
async fn a_page_of_changes_reads_no_more_in_a_long_log_than_in_a_short_one() {
    let bare = Bare::open().await;
    let alice = actor("alice");
    for messages in [200, 2 * CHANGES_KEPT] {
        let id = bare.room_of(&alice, 1).await;
        bare.fill(id, &alice, messages - 100, &Mentions::default());
        let seen = bare.engine.store().rooms.positions(&[id]).await.unwrap().remove(0).unwrap();
        bare.fill(id, &alice, 100, &Mentions::default());
        let snapshot = bare.snapshot();
        let cost = reads(|| {
            let changes = history::changes(&snapshot, id, seen, Left::new(50, usize::MAX)).unwrap();
            assert!(matches!(changes, Changes::Page { changes, has_more: true } if changes.len() == 50));
        });
        // The head and the position; each change and its message.
        assert_eq!(cost, 2 + 2 * 50, "of {messages}");
    }
}

#[tokio::test]
async fn a_message_costs_the_same_whatever_the_members_and_messages_of_its_room() {
    let bare = Bare::open().await;
    let alice = actor("alice");
    let mut costs = Vec::new();
    for (members, messages) in [(2, 1), (5000, 1), (2, CHANGES_KEPT - 1)] {
        let id = bare.room_of(&alice, members).await;
        bare.fill(id, &alice, messages, &Mentions::default());
        let append = |new: NewMessage| bare.cost(|tx| assert!(log::append(tx, new).is_ok()));
        let plain = message(id, &alice, "hello");
        let to_all = NewMessage { mentions: Mentions { users: vec![], all: true }, ..plain.clone() };
        let reply = NewMessage { reply_to: Some(MessageId { room: id, seq: 1 }), ..plain.clone() };
        let edit = Edit {
            id: MessageId { room: id, seq: 1 },
            by: alice.clone(),
            content: "new".into(),
            mentions: Mentions { users: vec![], all: true },
        };
        costs.push([
            append(plain),
            append(to_all),
            append(reply),
            bare.cost(|tx| assert!(edits::edit(tx, edit).is_ok())),
            bare.cost(|tx| assert!(edits::delete(tx, MessageId { room: id, seq: 1 }, &alice, None).unwrap().is_some())),
        ]);
    }
    let [small, crowded, long] = &costs[..] else { panic!() };
    assert_eq!(small[0], (2, 4), "head and member; head, message, change and marks");
    assert_eq!(crowded, small);
    // A full log lets go of a change for each that comes.
    assert_eq!(*long, small.map(|(read, written)| (read, written + 1)));
}

#[tokio::test]
async fn where_a_member_stands_costs_the_same_however_much_is_unread_deleted_or_names_them() {
    let bare = Bare::open().await;
    let (alice, bob) = (actor("alice"), actor("bob"));
    let mut costs = Vec::new();
    for messages in [10, 20_000] {
        let id = bare.room_of(&alice, 1).await;
        bare.engine.store().rooms.join(id, &bob, Role::Member, 9).await.unwrap();
        for mentions in [Mentions { users: vec![bob.id], all: false }, Mentions { users: vec![], all: true }] {
            bare.fill(id, &alice, messages / 2, &mentions);
        }
        let standing = || rooms::view(&bare.snapshot(), bob.id, id, false).unwrap().unwrap();
        assert_eq!((standing().unread, standing().mentions), (messages, messages));
        costs.push(reads(|| drop(standing())));

        bare.cost(|tx| {
            for seq in 1..=messages {
                edits::delete(tx, MessageId { room: id, seq }, &alice, None).unwrap();
            }
        });
        assert_eq!((standing().unread, standing().mentions), (0, 0));
        costs.push(reads(|| drop(standing())));
    }
    // Four rows, and of what is counted as much as is left of a bucket.
    assert_eq!(costs[..2], [4 + 10, 4 + 10]);
    assert!(costs[2..].iter().all(|cost| *cost <= 4 + 3 * counted::MOST_VISITED), "{costs:?}");
}

#[tokio::test]
async fn what_is_counted_is_what_was_entered_and_not_removed_from_every_mark_on() {
    let bare = Bare::open().await;
    let id = RoomId::new();
    // Across the bounds of buckets of both sizes.
    let seqs: Vec<u64> = (1..600).chain(65_000..66_200).chain((1 << 17) - 3..(1 << 17) + 3).collect();
    let (kept, removed): (Vec<u64>, Vec<u64>) = seqs.iter().partition(|seq| *seq % 3 > 0);
    bare.cost(|tx| {
        for seq in &seqs {
            counted::enter(tx, Counted::Deleted, id, *seq).unwrap();
            counted::enter(tx, Counted::Deleted, id, *seq).unwrap();
        }
        for seq in removed.iter().chain(&removed) {
            counted::remove(tx, Counted::Deleted, id, *seq).unwrap();
        }
    });
    let snapshot = bare.snapshot();
    for mark in seqs.iter().flat_map(|seq| [seq - 1, *seq]).chain([1000, 1 << 16, 1 << 20, u64::MAX]) {
        let expected = kept.iter().filter(|seq| **seq > mark).count() as u64;
        for last in [1 << 17 | 5, u64::MAX] {
            let count = counted::count(&snapshot, Counted::Deleted, id, (mark, last)).unwrap();
            assert_eq!(count, expected, "after {mark}, up to {last}");
        }
    }
    bare.cost(|tx| kept.iter().for_each(|seq| counted::remove(tx, Counted::Deleted, id, *seq).unwrap()));
    let snapshot = bare.snapshot();
    let left = [1, 2].map(|level| kv::Read::count(&snapshot, &Counted::Deleted.sums(id, level, 0, u64::MAX)).unwrap());
    assert_eq!(left, [0, 0]);
}
