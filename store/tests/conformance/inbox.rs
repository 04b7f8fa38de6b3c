//! A user's notifications: order, collapsing, the cap, reading.

use std::time::Duration;

use shared::{NotificationId, RoomId, Timestamp, UserId, protocol::Position};
use store::{InboxItem, Topic, UserChangeBody, notify::INBOX_KEPT};

use crate::{
    engine::Fixture,
    support::{at_once, follow, user_change, user_log},
};

const T0: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn item(ms: u64) -> InboxItem {
    InboxItem {
        id: NotificationId::new(),
        title: format!("title {ms}"),
        body: "é \0 \"".into(),
        data: None,
        category: None,
        room: None,
        created_at: T0.after(Duration::from_millis(ms)),
        read_at: None,
    }
}

async fn add(s: &Fixture, user: UserId, item: &InboxItem, key: Option<&str>) {
    s.inboxes.add_to_inbox(user, item, key).await.unwrap();
}

async fn ids(s: &Fixture, user: UserId) -> Vec<NotificationId> {
    s.inboxes.inbox(user, None, 1000).await.unwrap().into_iter().map(|i| i.id).collect()
}

pub async fn an_item_is_kept_and_published_as_it_was_given(s: &Fixture) {
    let (user, other) = (UserId::new(), UserId::new());
    let mut inbox = follow(&s.store, &[Topic::User(user)]).await;
    let full = InboxItem {
        data: Some(serde_json::json!({ "n": 1, "list": [null, "é"] })),
        category: Some("chat".into()),
        room: Some(RoomId::new()),
        ..item(5)
    };
    let bare = item(6);
    add(s, other, &bare, None).await;
    add(s, user, &full, Some("k")).await;
    add(s, user, &full, Some("k")).await;
    add(s, user, &bare, None).await;
    assert_eq!(s.inboxes.inbox(user, None, 9).await.unwrap(), [bare.clone(), full.clone()], "once by id");
    assert_eq!(s.inboxes.inbox(other, None, 9).await.unwrap(), std::slice::from_ref(&bare));
    assert_eq!(s.inboxes.inbox(UserId::new(), None, 9).await.unwrap(), []);
    for expected in [full, bare] {
        assert_eq!(user_change(&mut inbox).await, (user, UserChangeBody::Notification(expected)));
    }
    assert!(inbox.try_recv().is_none(), "published once too");
}

pub async fn the_newest_come_first_in_pages(s: &Fixture) {
    let user = UserId::new();
    let mut items: Vec<InboxItem> = [3, 1, 2, 2, 2, 9, 0].map(item).to_vec();
    for item in &items {
        add(s, user, item, None).await;
    }
    items.sort_by_key(|i| std::cmp::Reverse((i.created_at, i.id)));
    assert_eq!(s.inboxes.inbox(user, None, 50).await.unwrap(), items);
    for size in 1..=7 {
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = s.inboxes.inbox(user, before, size).await.unwrap();
            assert!(page.len() <= size);
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            paged.extend(page);
        }
        assert_eq!(paged, items, "in pages of {size}");
    }
}

pub async fn a_later_item_takes_the_place_of_an_unread_one_of_its_key(s: &Fixture) {
    let user = UserId::new();
    let (one, two, three, other) = (item(1), item(2), item(3), item(4));
    add(s, user, &one, Some("k")).await;
    add(s, user, &other, Some("other")).await;
    add(s, UserId::new(), &item(9), Some("k")).await;
    add(s, user, &two, Some("k")).await;
    assert_eq!(ids(s, user).await, [other.id, two.id]);
    assert!(!s.inboxes.mark_inbox_read(user, one.id, T0).await.unwrap(), "it is gone");
    assert!(s.inboxes.mark_inbox_read(user, two.id, T0).await.unwrap());
    add(s, user, &three, Some("k")).await;
    assert_eq!(ids(s, user).await, [other.id, three.id, two.id], "one that was read stays");
    add(s, user, &item(0), None).await;
    add(s, user, &item(0), None).await;
    assert_eq!(ids(s, user).await.len(), 5, "no key, no collapsing");
}

pub async fn reading_is_told_once(s: &Fixture) {
    let user = UserId::new();
    let items = [item(1), item(2), item(3), item(4)];
    for item in &items {
        add(s, user, item, None).await;
    }
    let (first, second) = (T0.after(Duration::from_secs(1)), T0.after(Duration::from_secs(2)));
    assert!(s.inboxes.mark_inbox_read(user, items[1].id, first).await.unwrap());
    assert!(s.inboxes.mark_inbox_read(user, items[1].id, second).await.unwrap());
    assert!(!s.inboxes.mark_inbox_read(user, NotificationId::new(), first).await.unwrap());
    assert!(!s.inboxes.mark_inbox_read(UserId::new(), items[0].id, first).await.unwrap());
    let read = async || {
        let all = s.inboxes.inbox(user, None, 9).await.unwrap();
        all.into_iter().rev().map(|i| i.read_at).collect::<Vec<_>>()
    };
    assert_eq!(read().await, [None, Some(first), None, None]);
    assert_eq!(s.inboxes.mark_inbox_all_read(user, second).await.unwrap(), 3);
    assert_eq!(read().await, [Some(second), Some(first), Some(second), Some(second)]);
    assert_eq!(s.inboxes.mark_inbox_all_read(user, second).await.unwrap(), 0);
    assert_eq!(s.inboxes.mark_inbox_all_read(UserId::new(), second).await.unwrap(), 0);
}

pub async fn reading_is_told_to_all_devices_once(s: &Fixture) {
    let (user, other) = (UserId::new(), UserId::new());
    let items = [item(1), item(2), item(3)];
    for item in &items {
        add(s, user, item, None).await;
    }
    add(s, other, &item(1), None).await;
    let unread = async || s.inboxes.inbox_unread(user).await.unwrap();
    assert_eq!(unread().await, 3);
    let far = s.elsewhere().await;
    let mut told = follow(&far, &[Topic::User(user), Topic::User(other)]).await;
    for _ in 0..3 {
        s.inboxes.mark_inbox_read(user, items[1].id, T0).await.unwrap();
    }
    s.inboxes.mark_inbox_read(user, NotificationId::new(), T0).await.unwrap();
    assert_eq!(unread().await, 2);
    at_once((0..6).map(|_| {
        let inboxes = s.inboxes.clone();
        async move { inboxes.mark_inbox_all_read(user, T0).await.unwrap() }
    }))
    .await;
    assert_eq!((unread().await, s.inboxes.inbox_unread(other).await.unwrap()), (0, 1));
    s.inboxes.mark_inbox_all_read(other, T0).await.unwrap();
    let expected = [(user, Some(items[1].id)), (user, None), (other, None)];
    for (of, id) in expected {
        assert_eq!(user_change(&mut told).await, (of, UserChangeBody::NotificationRead(id)));
    }
    assert!(told.try_recv().is_none(), "once each");
    let log = user_log(&s.store, user, Position::BEGINNING).await;
    let bodies: Vec<_> = log[3..].iter().map(|change| change.body.clone()).collect();
    assert_eq!(bodies, expected[..2].iter().map(|(_, id)| UserChangeBody::NotificationRead(*id)).collect::<Vec<_>>());
    let late = InboxItem { read_at: Some(T0), ..item(9) };
    add(s, user, &late, None).await;
    assert_eq!(unread().await, 0, "of one that came as read");
}

pub async fn the_oldest_go_when_there_are_too_many(s: &Fixture) {
    let user = UserId::new();
    let items: Vec<InboxItem> = (0..INBOX_KEPT as u64 + 20).map(item).collect();
    let mut chunks = items.chunks(20);
    for item in chunks.next().unwrap() {
        add(s, user, item, None).await;
    }
    for chunk in chunks {
        at_once(chunk.iter().cloned().map(|item| {
            let inboxes = s.inboxes.clone();
            async move { inboxes.add_to_inbox(user, &item, None).await.unwrap() }
        }))
        .await;
    }
    let kept: Vec<NotificationId> = items[20..].iter().rev().map(|i| i.id).collect();
    assert_eq!(ids(s, user).await, kept);
    assert!(!s.inboxes.mark_inbox_read(user, items[19].id, T0).await.unwrap());
    assert_eq!(s.inboxes.mark_inbox_all_read(user, T0).await.unwrap(), INBOX_KEPT as u64);
}
