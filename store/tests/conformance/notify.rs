//! The notify queue (rooms with something new) and the outbox (jobs that survive their consumers).

use std::{collections::HashSet, time::Duration};

use shared::{InstanceId, NotificationId, RoomId, Timestamp, UserId};
use store::{
    Actor, Attempt, Backlog, ClaimedJob, DueRoom, Job, JobState, NewMessage, Outcome, PageFrom, PageRequest, Store,
};

use crate::{
    engine::Fixture,
    support::{actor, at_once, id, room_of, text},
};

const LEASE: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

async fn take(s: &Store, now: Timestamp) -> Vec<DueRoom> {
    s.notify_queue.take_due(now, LEASE, 100).await.unwrap()
}

fn due(room: RoomId, notified_seq: u64, head_seq: u64) -> DueRoom {
    DueRoom { room, notified_seq, head_seq }
}

pub async fn a_room_is_due_some_time_after_its_first_new_message(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let after = |seconds| NewMessage { notify_after: Duration::from_secs(seconds), ..text(room, &alice, "hello") };
    let first = s.log.append(&after(60)).await.unwrap();
    s.log.append(&after(3600)).await.unwrap();
    s.log.append(&after(0)).await.unwrap();
    let at = first.at.after(Duration::from_secs(60));
    assert_eq!(take(&s.store, at.before(MS)).await, []);
    assert_eq!(take(&s.store, at).await, [due(room, 0, 3)]);
    assert_eq!(take(&s.store, at.after(LEASE).before(MS)).await, [], "another taker has it");
    assert_eq!(take(&s.store, at.after(LEASE)).await, [due(room, 0, 3)], "who did not finish");
}

pub async fn a_finished_room_leaves_the_queue_until_there_is_more(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let new = NewMessage { notify_after: Duration::ZERO, ..text(room, &alice, "hello") };
    let late = Timestamp::now().after(Duration::from_secs(3600));
    for _ in 0..3 {
        s.log.append(&new).await.unwrap();
    }
    assert_eq!(take(&s.store, late).await, [due(room, 0, 3)]);
    s.notify_queue.conclude(room, 3, &[]).await.unwrap();
    assert_eq!(take(&s.store, late.after(LEASE * 9)).await, []);
    s.log.append(&new).await.unwrap();
    assert_eq!(take(&s.store, late).await, [due(room, 3, 4)]);
    s.notify_queue.conclude(room, 2, &[]).await.unwrap();
    assert_eq!(take(&s.store, late).await, [due(room, 3, 4)], "the mark only moves forward; due at once");
    s.log.append(&new).await.unwrap();
    s.notify_queue.conclude(room, 4, &[]).await.unwrap();
    assert_eq!(take(&s.store, late).await, [due(room, 4, 5)], "something came meanwhile");
    s.notify_queue.conclude(room, 5, &[]).await.unwrap();
    assert_eq!(take(&s.store, late.after(LEASE * 9)).await, []);
}

pub async fn each_due_room_is_given_to_one_taker(s: &Fixture) {
    let alice = actor("alice");
    let mut rooms = HashSet::new();
    for _ in 0..30 {
        let room = room_of(&s.store, &[&alice]).await;
        s.log.append(&text(room, &alice, "hello")).await.unwrap();
        rooms.insert(room);
    }
    let late = Timestamp::now().after(Duration::from_secs(3600));
    let taken = at_once((0..6).map(|_| {
        let queue = s.notify_queue.clone();
        async move { queue.take_due(late, LEASE, 3).await.unwrap() }
    }))
    .await;
    assert!(taken.iter().all(|t| t.len() <= 3), "{taken:?}");
    let mut all: Vec<RoomId> = taken.into_iter().flatten().map(|d| d.room).collect();
    for _ in 0..60 {
        all.extend(s.notify_queue.take_due(late, LEASE, 3).await.unwrap().into_iter().map(|d| d.room));
    }
    assert_eq!(all.len(), 30, "none twice");
    assert_eq!(all.into_iter().collect::<HashSet<_>>(), rooms);
}

pub async fn a_lease_of_zero_hides_a_room_from_nobody(s: &Fixture) {
    let alice = actor("alice");
    let late = Timestamp::now().after(Duration::from_secs(3600));
    let mut rooms = HashSet::new();
    for _ in 0..3 {
        let room = room_of(&s.store, &[&alice]).await;
        s.log.append(&text(room, &alice, "hello")).await.unwrap();
        rooms.insert(room);
    }
    for limit in [3, 9, 3] {
        let taken = s.notify_queue.take_due(late, Duration::ZERO, limit).await.unwrap();
        assert_eq!(
            (taken.len(), taken.iter().map(|d| d.room).collect::<HashSet<_>>()),
            (3, rooms.clone()),
            "once each"
        );
    }
    for room in rooms {
        s.notify_queue.conclude(room, 1, &[]).await.unwrap();
    }
    assert_eq!(take(&s.store, late.after(LEASE)).await, [], "until they are concluded");
}

pub async fn a_repeated_message_makes_no_room_due(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let late = Timestamp::now().after(Duration::from_secs(3600));
    let new = crate::support::keyed(room, &alice, "hello", "k");
    s.log.append(&new).await.unwrap();
    s.notify_queue.conclude(room, 1, &[]).await.unwrap();
    assert!(s.log.append(&new).await.unwrap().duplicate);
    assert_eq!(take(&s.store, late).await, []);
}

pub async fn the_last_outcome_is_kept_for_each_member(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = room_of(&s.store, &[&alice, &bob, &carol]).await;
    let other = room_of(&s.store, &[&alice, &bob]).await;
    let at = Timestamp::from_millis(1_790_000_000_001);
    let queued = |seq| Outcome { after: seq - 1, seq, at, notification: Some(NotificationId::new()), reason: None };
    let suppressed = |seq, why: &str| Outcome { after: seq - 1, seq, at, notification: None, reason: Some(why.into()) };
    let outcomes = async |room, users: &[&Actor]| {
        let ids: Vec<UserId> = users.iter().map(|u| u.id).collect();
        s.notify_queue.outcomes(room, &ids).await.unwrap()
    };
    assert_eq!(outcomes(room, &[&alice, &bob]).await, [None, None]);
    let (first, own, second) = (queued(1), suppressed(2, "own {é} \0"), suppressed(2, "online"));
    s.notify_queue.put_outcomes(room, &[(alice.id, own.clone()), (bob.id, first.clone())]).await.unwrap();
    s.notify_queue.put_outcomes(room, &[(carol.id, first.clone())]).await.unwrap();
    s.notify_queue.put_outcomes(room, &[]).await.unwrap();
    assert_eq!(outcomes(room, &[&bob, &alice]).await, [Some(first.clone()), Some(own.clone())]);
    s.notify_queue.put_outcomes(room, &[(bob.id, second.clone())]).await.unwrap();
    let nobody = actor("nobody");
    assert_eq!(
        outcomes(room, &[&alice, &nobody, &bob, &carol, &alice]).await,
        [Some(own.clone()), None, Some(second), Some(first), Some(own)]
    );
    assert_eq!(outcomes(other, &[&alice, &bob]).await, [None, None], "each room has its own");
    assert_eq!(outcomes(room, &[]).await, []);
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.rev, 3, "no change");
}

pub async fn an_outcome_goes_with_its_member(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let outcome = Outcome { after: 0, seq: 1, at: Timestamp::now(), notification: None, reason: Some("read".into()) };
    let both = [(alice.id, outcome.clone()), (bob.id, outcome.clone())];
    s.notify_queue.put_outcomes(room, &both).await.unwrap();
    s.rooms.leave(room, &bob).await.unwrap();
    let told = async || s.notify_queue.outcomes(room, &[alice.id, bob.id]).await.unwrap();
    assert_eq!(told().await, [Some(outcome.clone()), None]);
    crate::support::join(&s.store, room, &bob).await;
    assert_eq!(told().await, [Some(outcome), None], "coming back brings nothing back");
}

fn job(request: NotificationId, user: UserId) -> Job {
    Job {
        id: request,
        user,
        title: "title é".into(),
        body: "body \0 \"".into(),
        data: Some(serde_json::json!({ "a": [1, 2.5, null], "é": "x" })),
        category: Some("news".into()),
        channels: Some(vec!["webpush".into(), "email".into()]),
        collapse_key: Some("k".into()),
        expires_at: Some(Timestamp::from_millis(1_900_000_000_001)),
        created_at: Timestamp::from_millis(1_760_000_000_001),
        message: Some(id(RoomId::new(), 7)),
        after: 0,
        badge: None,
        letter: None,
        request_hash: None,
    }
}

fn bare(request: NotificationId, user: UserId) -> Job {
    Job {
        data: None,
        category: None,
        channels: None,
        collapse_key: None,
        expires_at: None,
        message: None,
        after: 0,
        badge: None,
        letter: None,
        ..job(request, user)
    }
}

fn told(user: UserId, done: bool, states: &[&str]) -> JobState {
    let at = Timestamp::from_millis(1_770_000_000_000);
    let attempt = |state: &&str| Attempt {
        channel: "webpush".into(),
        state: (*state).into(),
        detail: (*state == "failed").then(|| "410 gone".into()),
        tries: 3,
        next_at: (*state == "queued").then(|| at.after(LEASE)),
        held: *state == "queued",
        at,
    };
    JobState { user, done, attempts: states.iter().map(attempt).collect(), claim: 4, request_hash: None }
}

async fn claim(s: &Store, now: Timestamp) -> Vec<ClaimedJob> {
    s.outbox.claim(InstanceId::new(), now, LEASE, 100).await.unwrap()
}

pub async fn a_job_is_claimed_as_it_was_enqueued(s: &Fixture) {
    let (request, now) = (NotificationId::new(), Timestamp::now());
    let mut jobs =
        vec![job(request, UserId::new()), bare(request, UserId::new()), bare(NotificationId::new(), UserId::new())];
    s.outbox.enqueue(&jobs).await.unwrap();
    s.outbox.enqueue(&[]).await.unwrap();
    let mut claimed = claim(&s.store, now).await;
    assert!(claimed.iter().all(|c| c.attempt == 1));
    claimed.sort_by_key(|c| (c.job.id, c.job.user));
    jobs.sort_by_key(|j| (j.id, j.user));
    assert_eq!(claimed.into_iter().map(|c| c.job).collect::<Vec<_>>(), jobs);
    assert_eq!(claim(&s.store, now).await, [], "they are in somebody's hands");
}

pub async fn jobs_are_enqueued_once(s: &Fixture) {
    let (request, now) = (NotificationId::new(), Timestamp::now());
    let (alice, bob) = (UserId::new(), UserId::new());
    s.outbox.enqueue(&[bare(request, alice), bare(request, alice)]).await.unwrap();
    at_once((0..8).map(|_| {
        let outbox = s.outbox.clone();
        async move { outbox.enqueue(&[bare(request, alice), bare(request, bob)]).await.unwrap() }
    }))
    .await;
    let claimed = claim(&s.store, now).await;
    assert_eq!(claimed.iter().map(|c| c.job.user).collect::<HashSet<_>>(), HashSet::from([alice, bob]));
    assert_eq!(claimed.len(), 2);
    for one in &claimed {
        s.outbox.settle(one, &told(one.job.user, true, &["delivered"]), None).await.unwrap();
    }
    s.outbox.enqueue(&[bare(request, alice), bare(request, bob)]).await.unwrap();
    assert_eq!(claim(&s.store, now.after(LEASE * 9)).await, [], "not even after it was done");
    assert_eq!(s.outbox.states(request).await.unwrap().len(), 2);
}

pub async fn a_job_to_retry_is_due_again_then_and_not_before(s: &Fixture) {
    let (request, user, now) = (NotificationId::new(), UserId::new(), Timestamp::now());
    s.outbox.enqueue(&[bare(request, user)]).await.unwrap();
    let backlog = async |at| s.outbox.backlog(at).await.unwrap();
    let mut at = now;
    for attempt in 1..=3 {
        assert_eq!(backlog(at).await, Backlog { due: 1, later: 0 });
        let claimed = claim(&s.store, at).await;
        assert_eq!(backlog(at).await, Backlog { due: 0, later: 1 });
        assert_eq!(claimed.iter().map(|c| c.attempt).collect::<Vec<_>>(), [attempt]);
        let retry_at = at.after(LEASE * 4);
        s.outbox.settle(&claimed[0], &told(user, false, &["queued"]), Some(retry_at)).await.unwrap();
        assert_eq!(claim(&s.store, retry_at.before(MS)).await, [], "the lease does not matter once settled");
        at = retry_at;
    }
    let last = claim(&s.store, at).await.remove(0);
    assert_eq!(last.attempt, 4);
    s.outbox.settle(&last, &told(user, true, &["failed"]), None).await.unwrap();
    assert_eq!(claim(&s.store, at.after(LEASE * 99)).await, [], "it is over");
    assert_eq!(backlog(at).await, Backlog::default());
}

pub async fn a_dead_consumer_s_job_goes_to_another(s: &Fixture) {
    let (request, user, now) = (NotificationId::new(), UserId::new(), Timestamp::now());
    s.outbox.enqueue(&[bare(request, user)]).await.unwrap();
    let first = claim(&s.store, now).await;
    assert_eq!(first.len(), 1);
    assert_eq!(claim(&s.store, now.after(LEASE).before(MS)).await, []);
    let far = s.elsewhere().await;
    let second = claim(&far, now.after(LEASE + MS)).await;
    assert_eq!((second.len(), &second[0].job, second[0].attempt), (1, &first[0].job, 2));
    assert_eq!(claim(&s.store, now.after(LEASE + MS * 2)).await, []);
    far.outbox.settle(&second[0], &told(user, true, &["delivered"]), None).await.unwrap();
    assert_eq!(claim(&s.store, now.after(LEASE * 99)).await, []);
    assert_eq!(s.outbox.states(request).await.unwrap(), [told(user, true, &["delivered"])]);
}

pub async fn each_job_is_claimed_by_one_consumer(s: &Fixture) {
    let (request, now) = (NotificationId::new(), Timestamp::now());
    let jobs: Vec<Job> = (0..50).map(|_| bare(request, UserId::new())).collect();
    s.outbox.enqueue(&jobs).await.unwrap();
    let far = s.elsewhere().await;
    let claimed = at_once((0..8).map(|i| {
        let outbox = if i % 2 == 0 { s.outbox.clone() } else { far.outbox.clone() };
        async move {
            let (me, mut mine) = (InstanceId::new(), Vec::new());
            loop {
                let some = outbox.claim(me, now, LEASE, 3).await.unwrap();
                assert!(some.len() <= 3);
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some);
            }
        }
    }))
    .await;
    let users: Vec<UserId> = claimed.into_iter().flatten().map(|c| c.job.user).collect();
    assert_eq!(users.len(), 50, "none twice");
    assert_eq!(users.into_iter().collect::<HashSet<_>>(), jobs.iter().map(|j| j.user).collect());
}

pub async fn states_are_told_in_order_of_user(s: &Fixture) {
    let (request, now) = (NotificationId::new(), Timestamp::now());
    let mut users: Vec<UserId> = (0..5).map(|_| UserId::new()).collect();
    let jobs: Vec<Job> = users.iter().rev().map(|u| bare(request, *u)).collect();
    s.outbox.enqueue(&jobs).await.unwrap();
    users.sort();
    let states = s.outbox.states(request).await.unwrap();
    let seen: Vec<_> = states.iter().map(|state| (state.user, state.done)).collect();
    assert_eq!(seen, users.iter().map(|u| (*u, false)).collect::<Vec<_>>(), "accepted is queued");
    assert_eq!(s.outbox.states(NotificationId::new()).await.unwrap(), []);
    for claimed in claim(&s.store, now).await {
        let user = claimed.job.user;
        let (state, retry) = if user == users[0] {
            (told(user, false, &["failed"]), Some(now.after(LEASE)))
        } else {
            (told(user, true, &["suppressed", "delivered"]), None)
        };
        s.outbox.settle(&claimed, &state, retry).await.unwrap();
    }
    let mut expected = vec![told(users[0], false, &["failed"])];
    expected.extend(users[1..].iter().map(|u| told(*u, true, &["suppressed", "delivered"])));
    assert_eq!(s.outbox.states(request).await.unwrap(), expected);
}

pub async fn a_briefing_is_what_the_single_reads_give(s: &Fixture) {
    let members = ["alice", "bob", "carol"].map(actor);
    let [alice, bob, carol] = &members;
    let room = room_of(&s.store, &[alice, bob, carol]).await;
    for content in ["one", "two", "three"] {
        s.log.append(&text(room, alice, content)).await.unwrap();
    }
    s.log.mark_read(room, bob.id, 2).await.unwrap();
    let page = PageRequest { from: PageFrom::After(1), limit: 10, visible_after: 0, max_bytes: 1 << 20 };
    let (_, head) = s.rooms.room(room).await.unwrap().unwrap();
    let messages = s.log.history(room, page).await.unwrap().items;
    let list = s.rooms.members(room, 0, 2).await.unwrap();
    let ids: Vec<UserId> = list.iter().map(|member| member.user).collect();
    let marks = s.log.marks(room, &ids).await.unwrap();
    let brief = s.notify_queue.brief(room, Some(page), 0, 2).await.unwrap().unwrap();
    assert_eq!(brief.member_count, head.members);
    assert_eq!(brief.messages, messages);
    assert_eq!(brief.messages.len(), 2);
    assert_eq!(brief.members, list.into_iter().zip(marks).collect::<Vec<_>>());
    let rest = s.notify_queue.brief(room, None, brief.members[1].0.joined_rev, 2).await.unwrap().unwrap();
    assert_eq!(rest.messages, []);
    assert_eq!(rest.members.iter().map(|(member, _)| member.user).collect::<Vec<_>>(), [carol.id]);
    assert_eq!(s.notify_queue.brief(RoomId::new(), Some(page), 0, 2).await.unwrap(), None);
}

pub async fn a_room_is_concluded_with_its_outcomes(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let new = NewMessage { notify_after: Duration::ZERO, ..text(room, &alice, "hello") };
    let late = Timestamp::now().after(Duration::from_secs(3600));
    let outcome =
        |seq| Outcome { after: 0, seq, at: Timestamp::now(), notification: None, reason: Some("read".into()) };
    let (first, second) = (outcome(1), outcome(2));
    s.log.append(&new).await.unwrap();
    s.log.append(&new).await.unwrap();
    s.notify_queue.conclude(room, 1, &[(alice.id, first.clone()), (bob.id, first.clone())]).await.unwrap();
    assert_eq!(take(&s.store, late).await, [due(room, 1, 2)], "there is more");
    s.notify_queue.conclude(room, 2, &[(bob.id, second.clone())]).await.unwrap();
    assert_eq!(take(&s.store, late.after(LEASE * 9)).await, []);
    let kept = s.notify_queue.outcomes(room, &[alice.id, bob.id]).await.unwrap();
    assert_eq!(kept, [Some(first), Some(second.clone())]);
    let gone = RoomId::new();
    s.notify_queue.conclude(gone, 1, &[(bob.id, second)]).await.unwrap();
    assert_eq!(
        s.notify_queue.outcomes(gone, &[bob.id]).await.unwrap(),
        [None],
        "of a room that is gone nothing is kept"
    );
}
