//! Presence: devices, what was published, grace, and what a dead process leaves.

use std::time::Duration;

use shared::{
    InstanceId, Timestamp, UserId,
    protocol::{LastSeenFor, Status},
};
use store::{
    BusEvent, ChosenStatus, Device, PresenceState, Published, Publishing, Signal, SocketKind, Topic,
    presence::PresenceEvent,
};

use crate::{
    engine::Fixture,
    support::{at_once, follow, signal},
};

const TTL: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(5);
const MS: Duration = Duration::from_millis(1);

fn device(instance: InstanceId, connection: u64, since: Timestamp) -> Device {
    Device { instance, connection, kind: SocketKind::Chat, focused: None, since }
}

async fn state(s: &Fixture, user: UserId) -> PresenceState {
    s.presence.presence(&[user]).await.unwrap().remove(0)
}

fn event(user: UserId, status: Status, text: Option<&str>) -> PresenceEvent {
    let published = Published { status, text: text.map(Into::into) };
    PresenceEvent { user, username: "alice".into(), published, last_seen: None, last_seen_for: LastSeenFor::default() }
}

/// Of which there is nothing to tell.
pub fn silent(user: UserId) -> PresenceEvent {
    event(user, Status::Offline, None)
}

async fn due(s: &Fixture, now: Timestamp) -> Vec<UserId> {
    s.presence.due_users(now, LEASE, 100).await.unwrap()
}

pub async fn a_user_never_seen_has_the_default(s: &Fixture) {
    let now = Timestamp::now();
    let (seen, never) = (UserId::new(), UserId::new());
    s.presence.put_device(seen, &device(InstanceId::new(), 1, now), &silent(seen)).await.unwrap();
    let states = s.presence.presence(&[never, seen, never]).await.unwrap();
    assert_eq!(states.len(), 3);
    assert_eq!((&states[0], &states[2]), (&PresenceState::default(), &PresenceState::default()));
    assert_eq!(states[1].devices.len(), 1);
    assert_eq!(s.presence.presence(&[]).await.unwrap(), []);
}

pub async fn devices_come_change_and_go(s: &Fixture) {
    let (user, now) = (UserId::new(), Timestamp::now());
    let (one, other) = (InstanceId::new(), InstanceId::new());
    let mut devices = vec![device(one, 1, now), device(one, 2, now.after(MS)), device(other, 1, now)];
    devices[2].kind = SocketKind::Presence;
    let mut version = state(s, user).await.version;
    let mut grew = |state: &PresenceState| {
        assert!(state.version > version, "the version grows with every change");
        version = state.version;
    };
    for device in &devices {
        let put = s.presence.put_device(user, device, &silent(user)).await.unwrap();
        grew(&put);
        assert_eq!(put, state(s, user).await);
    }
    devices[1] = Device { focused: Some(true), since: now.after(LEASE), ..devices[1].clone() };
    s.presence.put_device(user, &devices[1], &silent(user)).await.unwrap();
    let sorted = |mut all: Vec<Device>| {
        all.sort_by_key(|d| (d.instance, d.connection));
        all
    };
    devices = sorted(devices);
    let now_there = state(s, user).await;
    grew(&now_there);
    assert_eq!(sorted(now_there.devices), devices);
    assert_eq!((now_there.last_seen, now_there.published), (None, Published::default()));

    s.presence.remove_device(user, one, 1, now, GRACE).await.unwrap();
    let now_there = state(s, user).await;
    grew(&now_there);
    devices.retain(|d| (d.instance, d.connection) != (one, 1));
    assert_eq!(sorted(now_there.devices), devices);
    assert_eq!(now_there.left, None, "others are still there");
    s.presence.remove_device(user, one, 77, now, GRACE).await.unwrap();
    assert_eq!(sorted(state(s, user).await.devices), devices);
    assert_eq!(due(s, now.after(TTL)).await, []);
}

pub async fn the_last_connection_s_end_is_seen_and_due_after_the_grace(s: &Fixture) {
    let (user, instance, now) = (UserId::new(), InstanceId::new(), Timestamp::now());
    s.presence.put_device(user, &device(instance, 1, now), &silent(user)).await.unwrap();
    let ended = now.after(MS);
    s.presence.remove_device(user, instance, 1, ended, GRACE).await.unwrap();
    let gone = state(s, user).await;
    assert_eq!((gone.devices.len(), gone.left), (0, Some(ended)));
    let at = ended.after(GRACE);
    assert_eq!(due(s, at.before(MS)).await, []);
    assert_eq!(due(s, at).await, [user]);
    assert_eq!(due(s, at.after(LEASE).before(MS)).await, [], "one caller has it");
    assert_eq!(due(s, at.after(LEASE)).await, [user], "who did not finish");
    s.presence.finish_due_user(user).await.unwrap();
    assert_eq!(due(s, at.after(TTL * 10)).await, []);
    s.presence.put_device(user, &device(instance, 2, now), &silent(user)).await.unwrap();
    s.presence.remove_device(user, instance, 2, at, Duration::ZERO).await.unwrap();
    assert_eq!(due(s, at).await, [user]);
    assert_eq!(state(s, user).await.left, Some(at));
}

pub async fn the_end_of_a_connection_in_focus_is_due_as_the_last_one_s(s: &Fixture) {
    let (user, instance, now) = (UserId::new(), InstanceId::new(), Timestamp::now());
    let with = |connection, focused| Device { focused, ..device(instance, connection, now) };
    for device in [with(1, Some(true)), with(2, Some(false)), with(3, None), with(4, Some(false))] {
        s.presence.put_device(user, &device, &silent(user)).await.unwrap();
    }
    let ended = now.after(MS);
    for connection in [2, 3] {
        s.presence.remove_device(user, instance, connection, ended, GRACE).await.unwrap();
    }
    assert_eq!((state(s, user).await.left, due(s, ended.after(TTL)).await), (None, vec![]));
    s.presence.remove_device(user, instance, 1, ended, GRACE).await.unwrap();
    assert_eq!(state(s, user).await.left, Some(ended));
    assert_eq!(due(s, ended.after(GRACE).before(MS)).await, []);
    assert_eq!(due(s, ended.after(GRACE)).await, [user]);
}

pub async fn a_user_is_due_at_the_earliest_of_what_was_noted(s: &Fixture) {
    let (user, now) = (UserId::new(), Timestamp::now());
    let at = |seconds| now.after(Duration::from_secs(seconds));
    for seconds in [60, 20, 40] {
        s.presence.due_at(user, at(seconds)).await.unwrap();
    }
    assert_eq!(due(s, at(20).before(MS)).await, []);
    assert_eq!(due(s, at(20)).await, [user]);
    // Noted while somebody has the user in hand: not lost when they finish.
    s.presence.due_at(user, at(50)).await.unwrap();
    s.presence.finish_due_user(user).await.unwrap();
    assert_eq!(due(s, at(50).before(MS)).await, []);
    assert_eq!(due(s, at(50)).await, [user]);
    s.presence.finish_due_user(user).await.unwrap();
    assert_eq!(due(s, at(1000)).await, []);
}

pub async fn who_looks_offline_is_not_seen_to_come_and_go(s: &Fixture) {
    let (user, instance, now) = (UserId::new(), InstanceId::new(), Timestamp::now());
    let at = |seconds| now.after(Duration::from_secs(seconds));
    let online = event(user, Status::Online, None);
    s.presence.put_device(user, &device(instance, 1, now), &online).await.unwrap();
    assert_eq!(state(s, user).await.last_seen, None);
    s.presence.remove_device(user, instance, 1, at(1), GRACE).await.unwrap();
    assert_eq!(state(s, user).await.last_seen, Some(at(1)), "who looked online was seen until then");
    // They hide: that is when they were seen last, as the event says.
    s.presence.put_device(user, &device(instance, 2, at(2)), &online).await.unwrap();
    let version = state(s, user).await.version;
    let hidden = PresenceEvent { last_seen: Some(at(3)), ..silent(user) };
    assert_eq!(s.presence.publish(&hidden, version).await.unwrap(), Publishing::Sent);
    assert_eq!(state(s, user).await.last_seen, Some(at(3)));
    let later = PresenceEvent { last_seen: Some(at(9)), ..hidden };
    assert_eq!(s.presence.publish(&later, version).await.unwrap(), Publishing::Unchanged, "they look offline already");
    s.presence.set_chosen(user, ChosenStatus::Invisible, None).await.unwrap();
    s.presence.remove_device(user, instance, 2, at(4), GRACE).await.unwrap();
    s.presence.put_device(user, &device(instance, 3, at(5)), &online).await.unwrap();
    s.presence.remove_device(user, instance, 3, at(6), GRACE).await.unwrap();
    let gone = state(s, user).await;
    assert_eq!((gone.last_seen, gone.left), (Some(at(3)), Some(at(6))));
}

pub async fn who_is_told_of_last_seen_is_kept_and_watchers_look_again(s: &Fixture) {
    let user = UserId::new();
    let mut inbox = follow(&s.store, &[Topic::Presence(user)]).await;
    assert_eq!(state(s, user).await.last_seen_for, LastSeenFor::Everyone);
    for whom in [LastSeenFor::Nobody, LastSeenFor::Contacts, LastSeenFor::Everyone] {
        let version = state(s, user).await.version;
        s.presence.set_last_seen_for(user, whom).await.unwrap();
        let now = state(s, user).await;
        assert_eq!((now.last_seen_for, now.version > version), (whom, true));
        match signal(&mut inbox).await {
            Signal::Event(BusEvent::AccessChanged { user: of, watcher: None }) => assert_eq!(of, user),
            other => panic!("expected a change of access, got {other:?}"),
        }
    }
}

pub async fn a_beat_tells_whether_the_lease_was_lost(s: &Fixture) {
    let (instance, now) = (InstanceId::new(), Timestamp::now());
    let users: Vec<UserId> = (0..3).map(|_| UserId::new()).collect();
    let beat = async |at| s.presence.beat(instance, at, TTL).await.unwrap();
    assert!(!beat(now).await, "the first");
    assert!(beat(now.after(MS)).await);
    for user in &users {
        s.presence.put_device(*user, &device(instance, 1, now), &silent(*user)).await.unwrap();
    }
    let late = now.after(TTL * 2);
    assert!(beat(late).await, "it had ended, but nobody has reaped it");
    let end = late.after(TTL + MS);
    assert_eq!(s.presence.reap(end, 2).await.unwrap(), 2);
    assert!(!beat(end).await, "others have begun to remove its connections");
    assert_eq!(s.presence.reap(end, 2).await.unwrap(), 1, "and go on");
    assert!(beat(end.after(MS)).await, "it has the lease that the last beat began");
    assert_eq!(s.presence.reap(end.after(TTL), 9).await.unwrap(), 0);
}

pub async fn each_due_user_is_given_to_one_caller(s: &Fixture) {
    let (instance, now) = (InstanceId::new(), Timestamp::now());
    let mut users: Vec<UserId> = (0..20).map(|_| UserId::new()).collect();
    for user in &users {
        s.presence.put_device(*user, &device(instance, 1, now), &silent(*user)).await.unwrap();
        s.presence.remove_device(*user, instance, 1, now, GRACE).await.unwrap();
    }
    let at = now.after(GRACE);
    let taken = at_once((0..8).map(|_| {
        let presence = s.presence.clone();
        async move { presence.due_users(at, LEASE, 2).await.unwrap() }
    }))
    .await;
    assert!(taken.iter().all(|t| t.len() <= 2), "{taken:?}");
    let mut all: Vec<UserId> = taken.into_iter().flatten().collect();
    for _ in 0..20 {
        all.extend(s.presence.due_users(at, LEASE, 2).await.unwrap());
    }
    all.sort();
    users.sort();
    assert_eq!(all, users, "every one, and none twice");
}

pub async fn what_a_user_chose_stays(s: &Fixture) {
    let user = UserId::new();
    let version = state(s, user).await.version;
    s.presence.set_chosen(user, ChosenStatus::Busy, Some("at lunch {é}")).await.unwrap();
    let busy = state(s, user).await;
    assert_eq!((busy.chosen, busy.text.as_deref()), (ChosenStatus::Busy, Some("at lunch {é}")));
    assert!(busy.version > version);
    for chosen in [ChosenStatus::Away, ChosenStatus::Invisible, ChosenStatus::Online] {
        s.presence.set_chosen(user, chosen, None).await.unwrap();
        let now = state(s, user).await;
        assert_eq!((now.chosen, now.text, now.last_seen, now.devices), (chosen, None, None, vec![]));
    }
}

pub async fn the_first_connection_of_who_chose_nothing_is_published_with_it(s: &Fixture) {
    let (user, instance, now) = (UserId::new(), InstanceId::new(), Timestamp::now());
    let mut inbox = follow(&s.store, &[Topic::Presence(user)]).await;
    let online = event(user, Status::Online, None);
    let first = s.presence.put_device(user, &device(instance, 1, now), &online).await.unwrap();
    assert_eq!((&first.published, first.devices.len()), (&online.published, 1));
    assert_eq!(first, state(s, user).await);
    let put =
        async |connection| s.presence.put_device(user, &device(instance, connection, now), &online).await.unwrap();
    assert_eq!(put(1).await.published, online.published, "told already");
    let away = event(user, Status::Away, Some("out"));
    let version = put(2).await.version;
    assert_eq!(s.presence.publish(&away, version).await.unwrap(), Publishing::Sent);
    assert_eq!(put(3).await.published, away.published, "not the only one");
    let gone = async || {
        for connection in 1..=3 {
            s.presence.remove_device(user, instance, connection, now, GRACE).await.unwrap();
        }
    };
    gone().await;
    s.presence.set_chosen(user, ChosenStatus::Busy, None).await.unwrap();
    assert_eq!(put(1).await.published, away.published, "they chose a status");
    gone().await;
    s.presence.set_chosen(user, ChosenStatus::Online, Some("hi")).await.unwrap();
    assert_eq!(put(1).await.published, away.published, "they chose a text");
    gone().await;
    s.presence.set_chosen(user, ChosenStatus::Online, None).await.unwrap();
    let back = put(1).await;
    assert_eq!((&back.published, &back), (&online.published, &state(s, user).await));
    for expected in [&online, &away, &online] {
        match signal(&mut inbox).await {
            Signal::Event(BusEvent::Presence(event)) => assert_eq!(&*event, expected),
            other => panic!("expected presence, got {other:?}"),
        }
    }
    assert!(inbox.try_recv().is_none());
}

pub async fn a_change_is_published_once_and_only_a_change(s: &Fixture) {
    let (user, now) = (UserId::new(), Timestamp::now());
    let mut inbox = follow(&s.store, &[Topic::Presence(user)]).await;
    s.presence.put_device(user, &device(InstanceId::new(), 1, now), &silent(user)).await.unwrap();
    let version = state(s, user).await.version;
    let offline = event(user, Status::Offline, None);
    assert_eq!(s.presence.publish(&offline, version).await.unwrap(), Publishing::Unchanged, "as it was before");
    let online = PresenceEvent { last_seen: Some(now), ..event(user, Status::Online, Some("hi")) };
    assert_eq!(s.presence.publish(&online, version).await.unwrap(), Publishing::Sent);
    assert_eq!(s.presence.publish(&online, version).await.unwrap(), Publishing::Unchanged);
    let after = state(s, user).await;
    assert_eq!((after.published, after.version), (online.published.clone(), version), "publishing is no change");
    let retold = event(user, Status::Online, None);
    assert_eq!(s.presence.publish(&retold, version).await.unwrap(), Publishing::Sent, "the text is part of it");
    for expected in [online, retold] {
        match signal(&mut inbox).await {
            Signal::Event(BusEvent::Presence(event)) => assert_eq!(*event, expected),
            other => panic!("expected presence, got {other:?}"),
        }
    }
    assert!(inbox.try_recv().is_none());
}

pub async fn a_state_that_changed_meanwhile_is_not_published(s: &Fixture) {
    let (user, instance, now) = (UserId::new(), InstanceId::new(), Timestamp::now());
    let mut inbox = follow(&s.store, &[Topic::Presence(user)]).await;
    s.presence.put_device(user, &device(instance, 1, now), &silent(user)).await.unwrap();
    let old = state(s, user).await.version;
    s.presence.remove_device(user, instance, 1, now, GRACE).await.unwrap();
    let online = event(user, Status::Online, None);
    assert_eq!(s.presence.publish(&online, old).await.unwrap(), Publishing::Stale);
    assert_eq!(state(s, user).await.published, Published::default());
    let version = state(s, user).await.version;
    assert_eq!(s.presence.publish(&online, version + 1).await.unwrap(), Publishing::Stale);
    let away = event(user, Status::Away, None);
    assert_eq!(s.presence.publish(&away, version).await.unwrap(), Publishing::Sent);
    match signal(&mut inbox).await {
        Signal::Event(BusEvent::Presence(event)) => assert_eq!(*event, away, "the stale one was not sent"),
        other => panic!("expected presence, got {other:?}"),
    }
}

pub async fn of_many_publishers_of_one_state_exactly_one_sends(s: &Fixture) {
    let (user, far) = (UserId::new(), s.elsewhere().await);
    let mut inbox = follow(&s.store, &[Topic::Presence(user)]).await;
    s.presence.set_chosen(user, ChosenStatus::Busy, None).await.unwrap();
    let version = state(s, user).await.version;
    let results = at_once((0..16).map(|i| {
        let presence = if i % 2 == 0 { s.presence.clone() } else { far.presence.clone() };
        async move { presence.publish(&event(user, Status::Busy, None), version).await.unwrap() }
    }))
    .await;
    assert_eq!(results.iter().filter(|r| **r == Publishing::Sent).count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|r| **r == Publishing::Unchanged).count(), 15, "{results:?}");
    let away = event(user, Status::Away, None);
    assert_eq!(s.presence.publish(&away, version).await.unwrap(), Publishing::Sent);
    for expected in [event(user, Status::Busy, None), away] {
        match signal(&mut inbox).await {
            Signal::Event(BusEvent::Presence(event)) => assert_eq!(*event, expected),
            other => panic!("expected presence, got {other:?}"),
        }
    }
}

pub async fn a_dead_process_s_connections_are_removed(s: &Fixture) {
    let now = Timestamp::now();
    let (dead, alive) = (InstanceId::new(), InstanceId::new());
    s.presence.beat(dead, now, TTL).await.unwrap();
    s.presence.beat(alive, now, TTL).await.unwrap();
    let mut users: Vec<UserId> = (0..6).map(|_| UserId::new()).collect();
    users.sort();
    for user in &users {
        s.presence.put_device(*user, &device(dead, 1, now), &silent(*user)).await.unwrap();
        s.presence.put_device(*user, &device(dead, 2, now), &silent(*user)).await.unwrap();
    }
    let both = users.pop().unwrap();
    s.presence.put_device(both, &device(alive, 1, now), &silent(both)).await.unwrap();
    let later = now.after(TTL / 2);
    s.presence.beat(alive, later, TTL).await.unwrap();
    assert_eq!(s.presence.reap(now.after(TTL).before(MS), 100).await.unwrap(), 0, "no lease has ended");

    let end = now.after(TTL + MS);
    let mut touched = 0;
    for _ in 0..20 {
        let some = s.presence.reap(end, 2).await.unwrap();
        assert!(some <= 2, "bounded work");
        touched += some;
    }
    assert_eq!(touched, 6);
    for user in &users {
        let gone = state(s, *user).await;
        assert_eq!((gone.devices.len(), gone.left), (0, Some(end)));
    }
    let mut found = due(s, end).await;
    found.retain(|user| *user != both);
    found.sort();
    assert_eq!(found, users, "due at once");
    assert_eq!(state(s, both).await.devices, [device(alive, 1, now)], "who lives keeps theirs");
    assert_eq!(s.presence.reap(later.after(TTL + MS), 100).await.unwrap(), 1, "until it dies too");
    assert_eq!(state(s, both).await.devices, []);
}

pub async fn many_reapers_at_once_do_it_once(s: &Fixture) {
    let (now, dead) = (Timestamp::now(), InstanceId::new());
    s.presence.beat(dead, now, TTL).await.unwrap();
    let users: Vec<UserId> = (0..12).map(|_| UserId::new()).collect();
    for user in &users {
        s.presence.put_device(*user, &device(dead, 1, now), &silent(*user)).await.unwrap();
    }
    let end = now.after(TTL + MS);
    at_once((0..6).map(|_| {
        let presence = s.presence.clone();
        async move {
            for _ in 0..6 {
                presence.reap(end, 3).await.unwrap();
            }
        }
    }))
    .await;
    for state in s.presence.presence(&users).await.unwrap() {
        assert_eq!((state.devices.len(), state.left), (0, Some(end)));
    }
    assert_eq!(due(s, end).await.len(), 12);
}
