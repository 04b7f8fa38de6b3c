//! E-mails about rooms: jobs that wait for what else comes.

use std::time::Duration;

use shared::{InstanceId, NotificationId, RoomId, Timestamp, UserId};
use store::{ClaimedJob, Gathered, Job, JobState, Letter, Store};

use crate::{engine::Fixture, support::at_once};

const LEASE: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

pub fn mail(user: UserId, room: RoomId) -> Job {
    Job {
        id: NotificationId::new(),
        user,
        title: String::new(),
        body: String::new(),
        data: None,
        category: None,
        channels: Some(vec!["email".into()]),
        collapse_key: None,
        expires_at: None,
        created_at: Timestamp::from_millis(1_760_000_000_001),
        message: None,
        after: 0,
        badge: None,
        letter: Some(Letter::Unread { room }),
        request_hash: None,
    }
}

fn came(after: u64, upto: u64) -> Gathered {
    Gathered { after, upto }
}

async fn claim(s: &Store, now: Timestamp) -> Vec<ClaimedJob> {
    s.outbox.claim(InstanceId::new(), now, LEASE, 100).await.unwrap()
}

async fn settle(s: &Store, claimed: &ClaimedJob, retry_at: Option<Timestamp>) {
    let done = retry_at.is_none();
    let state =
        JobState { user: claimed.job.user, done, attempts: Vec::new(), claim: claimed.attempt, request_hash: None };
    s.outbox.settle(claimed, &state, retry_at).await.unwrap();
}

pub async fn what_comes_while_a_mail_waits_goes_with_it_and_what_comes_later_with_the_next(s: &Fixture) {
    let (user, room, now) = (UserId::new(), RoomId::new(), Timestamp::now());
    let (first, second, third) = (mail(user, room), mail(user, room), mail(user, room));
    let due = now.after(LEASE);
    assert_eq!(s.mails.gather(&first, room, came(4, 6), due).await.unwrap(), first.id);
    let far = s.elsewhere().await;
    assert_eq!(far.mails.gather(&second, room, came(6, 9), due.after(LEASE)).await.unwrap(), first.id);
    assert_eq!(s.mails.gather(&third, room, came(2, 4), now).await.unwrap(), first.id, "in whatever order");
    assert_eq!(claim(&s.store, due.before(MS)).await, [], "it waits for as long as the first said");
    let claimed = claim(&s.store, due).await;
    assert_eq!(claimed.iter().map(|c| &c.job).collect::<Vec<_>>(), [&first]);
    // Until it is sealed it takes more: it may be held, for hours.
    settle(&s.store, &claimed[0], Some(due.after(LEASE))).await;
    assert_eq!(s.mails.gather(&second, room, came(9, 12), now).await.unwrap(), first.id);
    let again = claim(&s.store, due.after(LEASE)).await.remove(0);
    assert_eq!(s.mails.seal(second.id, user, room).await.unwrap(), None, "there is no such mail");
    assert_eq!(far.mails.seal(first.id, user, room).await.unwrap(), Some(came(2, 12)));
    assert_eq!(s.mails.gather(&second, room, came(12, 13), due).await.unwrap(), second.id, "the next one");
    assert_eq!(s.mails.seal(first.id, user, room).await.unwrap(), Some(came(2, 12)), "the same each time");
    settle(&s.store, &again, None).await;
    assert_eq!(s.mails.seal(first.id, user, room).await.unwrap(), None, "it is over");
    assert_eq!(s.mails.gather(&first, room, came(13, 14), due).await.unwrap(), second.id);
    let next = claim(&s.store, due.after(LEASE * 9)).await.remove(0);
    assert_eq!((next.job.id, next.attempt), (second.id, 1));
    assert_eq!(s.mails.seal(second.id, user, room).await.unwrap(), Some(came(12, 14)));
}

pub async fn each_user_and_room_has_a_mail_of_its_own(s: &Fixture) {
    let (alice, bob, tea, work, now) = (UserId::new(), UserId::new(), RoomId::new(), RoomId::new(), Timestamp::now());
    for (user, room) in [(alice, tea), (alice, work), (bob, tea)] {
        let mail = mail(user, room);
        assert_eq!(s.mails.gather(&mail, room, came(0, 1), now).await.unwrap(), mail.id);
    }
    let mut users: Vec<UserId> = claim(&s.store, now).await.into_iter().map(|claimed| claimed.job.user).collect();
    let mut expected = [alice, alice, bob];
    users.sort();
    expected.sort();
    assert_eq!(users, expected);
}

pub async fn a_mail_that_ended_unsealed_holds_nothing_up(s: &Fixture) {
    let (user, room, now) = (UserId::new(), RoomId::new(), Timestamp::now());
    let (first, second) = (mail(user, room), mail(user, room));
    s.mails.gather(&first, room, came(0, 1), now).await.unwrap();
    settle(&s.store, &claim(&s.store, now).await[0], None).await;
    assert_eq!(s.mails.seal(first.id, user, room).await.unwrap(), None);
    assert_eq!(s.mails.gather(&first, room, came(0, 1), now).await.unwrap(), first.id);
    assert_eq!(claim(&s.store, now.after(LEASE * 9)).await, [], "not again: it was queued before");
    assert_eq!(s.mails.gather(&second, room, came(1, 2), now).await.unwrap(), second.id);
    assert_eq!(claim(&s.store, now).await.len(), 1);
}

pub async fn who_gathers_at_once_begins_one_mail(s: &Fixture) {
    let (user, room, now) = (UserId::new(), RoomId::new(), Timestamp::now());
    let ids = at_once((1..=16).map(|seq| {
        let mails = s.mails.clone();
        async move { mails.gather(&mail(user, room), room, came(seq - 1, seq), now).await.unwrap() }
    }))
    .await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(claim(&s.store, now).await.len(), 1);
    assert_eq!(s.mails.seal(ids[0], user, room).await.unwrap(), Some(came(0, 16)));
}
