//! Pages of messages: the four ways to ask, their edges, what visibility and size cut off.

use shared::RoomId;
use store::{PageFrom, PageRequest};

use crate::{
    engine::Fixture,
    support::{actor, fails, head, history, id, message, page, room_of, send, send_numbers, seqs},
};

async fn numbered(s: &Fixture, count: u64) -> RoomId {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    send_numbers(&s.store, room, &alice, count).await;
    room
}

fn down(from: u64, to: u64) -> Vec<u64> {
    (to..=from).rev().collect()
}

pub async fn the_newest_come_first(s: &Fixture) {
    let room = numbered(s, 12).await;
    let newest = async |limit| seqs(&s.store, room, page(PageFrom::Newest, limit)).await;
    assert_eq!(newest(1).await, (vec![12], true));
    assert_eq!(newest(5).await, (down(12, 8), true));
    assert_eq!(newest(11).await, (down(12, 2), true));
    assert_eq!(newest(12).await, (down(12, 1), false), "all of it and nothing left");
    assert_eq!(newest(200).await, (down(12, 1), false));
    let full = history(&s.store, room, page(PageFrom::Newest, 3)).await;
    assert_eq!(full.position, head(&s.store, room).await);
    for (i, item) in full.items.iter().enumerate() {
        assert_eq!(*item, message(&s.store, room, 12 - i as u64).await);
    }
}

pub async fn before_is_exclusive_and_goes_back(s: &Fixture) {
    let room = numbered(s, 12).await;
    let before = async |seq, limit| seqs(&s.store, room, page(PageFrom::Before(seq), limit)).await;
    assert_eq!(before(8, 3).await, (vec![7, 6, 5], true));
    assert_eq!(before(4, 3).await, (vec![3, 2, 1], false));
    assert_eq!(before(5, 3).await, (vec![4, 3, 2], true));
    assert_eq!(before(2, 3).await, (vec![1], false));
    assert_eq!(before(1, 3).await, (vec![], false));
    assert_eq!(before(0, 3).await, (vec![], false));
    assert_eq!(before(13, 2).await, (vec![12, 11], true));
    for beyond in [14, 1 << 53, u64::MAX] {
        assert_eq!(before(beyond, 2).await, (vec![12, 11], true), "before {beyond}");
    }
}

pub async fn after_is_exclusive_and_goes_forward(s: &Fixture) {
    let room = numbered(s, 12).await;
    let after = async |seq, limit| seqs(&s.store, room, page(PageFrom::After(seq), limit)).await;
    assert_eq!(after(0, 3).await, (vec![1, 2, 3], true));
    assert_eq!(after(8, 3).await, (vec![9, 10, 11], true));
    assert_eq!(after(9, 3).await, (vec![10, 11, 12], false));
    assert_eq!(after(11, 3).await, (vec![12], false));
    assert_eq!(after(0, 12).await, ((1..=12).collect(), false));
    for at_the_end in [12, 13, 1 << 53, u64::MAX] {
        assert_eq!(after(at_the_end, 3).await, (vec![], false), "after {at_the_end}");
    }
}

pub async fn around_has_half_on_either_side(s: &Fixture) {
    let room = numbered(s, 12).await;
    let around = async |seq, limit| seqs(&s.store, room, page(PageFrom::Around(seq), limit)).await;
    assert_eq!(around(6, 5).await, (down(8, 4), true));
    assert_eq!(around(6, 1).await, (vec![6], true));
    let (all, has_more) = around(6, 25).await;
    assert_eq!((all, has_more), (down(12, 1), false));
    for seq in [1, 2, 6, 11, 12] {
        for limit in [2, 3, 4, 7] {
            let (found, has_more) = around(seq, limit).await;
            assert!(found.contains(&seq) && found.len() <= limit, "around {seq} of {limit}: {found:?}");
            assert!(found.windows(2).all(|w| w[0] == w[1] + 1), "newest first, no hole: {found:?}");
            assert_eq!(has_more, *found.last().unwrap() > 1, "older ones: {found:?}");
            let half = (limit as u64).div_ceil(2);
            assert!(found.iter().all(|n| n.abs_diff(seq) <= half), "around {seq} of {limit}: {found:?}");
        }
    }
    for nowhere in [0, 13, 1000, u64::MAX] {
        let (found, _) = around(nowhere, 4).await;
        assert!(found.len() <= 4 && found.windows(2).all(|w| w[0] == w[1] + 1), "around {nowhere}: {found:?}");
    }
}

pub async fn nothing_older_than_is_visible_is_shown(s: &Fixture) {
    let room = numbered(s, 12).await;
    let seen = async |from, visible_after, limit| {
        seqs(&s.store, room, PageRequest { visible_after, ..page(from, limit) }).await
    };
    assert_eq!(seen(PageFrom::Newest, 9, 50).await, (vec![12, 11, 10], false));
    assert_eq!(seen(PageFrom::Newest, 9, 3).await, (vec![12, 11, 10], false), "what is hidden is not more");
    assert_eq!(seen(PageFrom::Newest, 9, 2).await, (vec![12, 11], true));
    assert_eq!(seen(PageFrom::Before(11), 9, 50).await, (vec![10], false));
    assert_eq!(seen(PageFrom::Before(10), 9, 50).await, (vec![], false));
    assert_eq!(seen(PageFrom::Before(5), 9, 50).await, (vec![], false));
    assert_eq!(seen(PageFrom::After(0), 9, 50).await, (vec![10, 11, 12], false));
    assert_eq!(seen(PageFrom::After(3), 9, 2).await, (vec![10, 11], true));
    assert_eq!(seen(PageFrom::After(10), 9, 50).await, (vec![11, 12], false));
    assert_eq!(seen(PageFrom::Around(11), 9, 25).await, (vec![12, 11, 10], false));
    let (found, _) = seen(PageFrom::Around(5), 9, 5).await;
    assert!(found.iter().all(|n| *n > 9), "{found:?}");
    for from in [PageFrom::Newest, PageFrom::Before(12), PageFrom::After(0), PageFrom::Around(12)] {
        for all_hidden in [12, 99, u64::MAX] {
            assert_eq!(seen(from, all_hidden, 50).await, (vec![], false), "{from:?}");
        }
    }
}

pub async fn an_empty_room_has_an_empty_page(s: &Fixture) {
    let room = numbered(s, 0).await;
    for from in [PageFrom::Newest, PageFrom::Before(1), PageFrom::After(0), PageFrom::Around(1)] {
        let page = history(&s.store, room, page(from, 50)).await;
        assert_eq!((page.items.len(), page.has_more, page.position), (0, false, head(&s.store, room).await));
        fails!(s.log.history(RoomId::new(), self::page(from, 50)).await, RoomNotFound);
    }
}

pub async fn a_page_ends_before_it_is_too_large(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    for size in [40, 40, 100, 30, 30, 30] {
        send(&s.store, room, &alice, &"é".repeat(size / 2)).await;
    }
    let sized = async |from, max_bytes| seqs(&s.store, room, PageRequest { max_bytes, ..page(from, 50) }).await;
    assert_eq!(sized(PageFrom::Newest, 90).await, (vec![6, 5, 4], true), "exactly full");
    assert_eq!(sized(PageFrom::Newest, 89).await, (vec![6, 5], true), "bytes, not characters");
    assert_eq!(sized(PageFrom::Newest, 1).await, (vec![6], true), "one message there is always");
    assert_eq!(sized(PageFrom::Newest, 0).await, (vec![6], true));
    assert_eq!(sized(PageFrom::Newest, 270).await, (down(6, 1), false));
    assert_eq!(sized(PageFrom::Newest, 269).await, (down(6, 2), true));
    assert_eq!(sized(PageFrom::Before(4), 60).await, (vec![3], true), "larger than the limit, but alone");
    assert_eq!(sized(PageFrom::Before(3), 60).await, (vec![2], true));
    assert_eq!(sized(PageFrom::Before(3), 80).await, (vec![2, 1], false));
    assert_eq!(sized(PageFrom::After(0), 100).await, (vec![1, 2], true));
    assert_eq!(sized(PageFrom::After(2), 129).await, (vec![3], true));
    assert_eq!(sized(PageFrom::After(3), 90).await, (vec![4, 5, 6], false));
    s.log.delete_message(id(room, 3), &alice, None).await.unwrap();
    assert_eq!(sized(PageFrom::After(0), 110).await, (vec![1, 2, 3, 4], true), "a deleted one weighs nothing");
    assert_eq!(sized(PageFrom::Before(5), 10).await, (vec![4], true), "but nothing follows what is over the limit");
}

pub async fn deleted_messages_keep_their_place(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    send_numbers(&s.store, room, &alice, 5).await;
    for seq in [1, 3, 5] {
        s.log.delete_message(id(room, seq), &alice, None).await.unwrap();
    }
    let all = history(&s.store, room, page(PageFrom::After(0), 50)).await;
    let seen: Vec<_> = all.items.iter().map(|m| (m.seq, m.content.as_str(), m.deleted_at.is_some())).collect();
    assert_eq!(seen, [(1, "", true), (2, "2", false), (3, "", true), (4, "4", false), (5, "", true)]);
    assert_eq!(all.position, head(&s.store, room).await);
}

pub async fn the_message_asked_for_is_in_the_page_around_it_however_large_its_neighbours_are(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    for _ in 0..12 {
        send(&s.store, room, &alice, &"x".repeat(100)).await;
    }
    let around =
        async |seq, max_bytes| seqs(&s.store, room, PageRequest { max_bytes, ..page(PageFrom::Around(seq), 11) }).await;
    assert_eq!(around(6, 1100).await, (down(11, 1), false));
    assert_eq!(around(6, 500).await, (down(8, 4), true), "bytes go to both sides");
    assert_eq!(around(6, 400).await, (down(7, 4), true), "newer ones have half of them");
    assert_eq!(around(6, 299).await, (vec![6, 5], true));
    assert_eq!(around(6, 199).await, (vec![6], true));
    assert_eq!(around(6, 10).await, (vec![6], true), "too large by itself, but asked for");
    assert_eq!(around(1, 10).await, (vec![1], false));
    assert_eq!(around(12, 300).await, (down(12, 10), true), "what one side leaves the other takes");
    for beyond in [13, 1000, 1 << 53, u64::MAX] {
        assert_eq!(around(beyond, 300).await, (down(12, 10), true), "around {beyond}");
        assert_eq!(around(beyond, 10).await, (vec![12], true), "around {beyond}");
    }
}
