//! Accounts that may look after the deployment, and accounts that are banned.

use std::time::Duration;

use shared::{SessionId, Timestamp, UserId};
use store::{BusEvent, Exchange, Login, ProfilePatch, Rotation, SessionRecord, Signal, Topic, UserEvent, UserRecord};

use crate::{
    engine::Fixture,
    support::{account, fails, follow, signal},
};

const SESSIONS: usize = 10;

fn login(user: UserId) -> SessionRecord {
    let now = Timestamp::now();
    SessionRecord {
        id: SessionId::new(),
        user,
        refresh_hash: [1; 32],
        family_hash: [2; 32],
        replaced: None,
        created_at: now,
        used_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
        agent: None,
        address: None,
    }
}

async fn alice(s: &Fixture) -> UserRecord {
    let alice = UserRecord { password_hash: Some("hash".into()), ..account("alice") };
    s.users.create_user(&alice).await.unwrap();
    alice
}

pub async fn an_administrator_is_one_until_that_is_taken_back(s: &Fixture) {
    let alice = alice(s).await;
    for (administrator, twice) in [(true, 0), (true, 1), (false, 0), (false, 1)] {
        s.users.set_administrator(alice.id, administrator).await.unwrap();
        let expected = UserRecord { administrator, ..alice.clone() };
        assert_eq!(s.elsewhere().await.users.user(alice.id).await.unwrap(), Some(expected), "{twice}");
    }
    s.users.set_administrator(alice.id, true).await.unwrap();
    let patch = ProfilePatch { display_name: Some("A".into()), bio: None };
    assert!(s.users.update_profile(alice.id, &patch).await.unwrap().administrator, "a profile says nothing of it");
    fails!(s.users.set_administrator(UserId::new(), true).await, UserNotFound);
    s.deletions.begin_deletion(alice.id, None).await.unwrap();
    fails!(s.users.set_administrator(alice.id, true).await, UserNotFound);
}

pub async fn a_ban_ends_all_sessions_with_one_step_and_no_other_begins(s: &Fixture) {
    let (alice, at) = (alice(s).await, Timestamp::from_millis(1_700_000_000_000));
    let mut logins = [login(alice.id), login(alice.id)];
    for login in &logins {
        s.sessions.create_session(login, SESSIONS, None).await.unwrap();
    }
    logins.sort_by_key(|login| login.id);
    let ids = logins.clone().map(|login| login.id);
    let host = Login::Host { until: Timestamp::now().after(Duration::from_secs(60)) };
    assert_eq!(s.sessions.live(&[(alice.id, host)]).await.unwrap(), [true]);
    let mut told = follow(&s.store, &[Topic::User(alice.id)]).await;
    let mut ended = s.users.ban_user(alice.id, at).await.unwrap();
    ended.sort();
    assert_eq!(ended, ids);
    match signal(&mut told).await {
        Signal::Event(BusEvent::User(user, event)) => {
            assert_eq!((user, &*event), (alice.id, &UserEvent::AccountClosed));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(s.users.ban_user(alice.id, Timestamp::now()).await.unwrap(), []);
    let banned = UserRecord { banned_at: Some(at), ..alice.clone() };
    for s in [&s.store, &s.elsewhere().await] {
        assert_eq!(s.users.user(alice.id).await.unwrap(), Some(banned.clone()), "since the first time");
        let logins = [(alice.id, Login::Session(ids[0])), (alice.id, Login::Session(ids[1])), (alice.id, host)];
        assert_eq!(s.sessions.live(&logins).await.unwrap(), [false; 3]);
        for (user, login) in logins {
            assert_eq!(s.sessions.arrival(user, login).await.unwrap(), None);
        }
        for password in [None, Some("hash"), Some("another")] {
            fails!(s.sessions.create_session(&login(alice.id), SESSIONS, password).await, AccountBanned);
        }
    }
    let (at, grace) = (Timestamp::now(), Duration::from_secs(10));
    let exchange =
        Exchange { presented: [1; 32], family: [2; 32], next: [3; 32], at, grace, expires_at: at.after(grace) };
    assert_eq!(s.sessions.rotate_refresh(alice.id, ids[0], &exchange).await.unwrap(), Rotation::Unknown);
    assert_eq!(s.sessions.sessions(alice.id).await.unwrap(), []);
    fails!(s.users.ban_user(UserId::new(), at).await, UserNotFound);
}

pub async fn who_is_banned_no_more_logs_in_again(s: &Fixture) {
    let alice = alice(s).await;
    let before = login(alice.id);
    s.sessions.create_session(&before, SESSIONS, None).await.unwrap();
    assert!(!s.users.unban_user(alice.id).await.unwrap());
    s.users.ban_user(alice.id, Timestamp::now()).await.unwrap();
    assert!(s.users.unban_user(alice.id).await.unwrap());
    assert!(!s.users.unban_user(alice.id).await.unwrap());
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(alice.clone()));
    let host = Login::Host { until: Timestamp::now().after(Duration::from_secs(60)) };
    let logins = [(alice.id, Login::Session(before.id)), (alice.id, host)];
    assert_eq!(s.sessions.live(&logins).await.unwrap(), [false, true], "what ended stays so");
    assert!(s.sessions.create_session(&login(alice.id), SESSIONS, Some("hash")).await.unwrap());
    fails!(s.users.unban_user(UserId::new()).await, UserNotFound);
}

pub async fn a_login_and_a_ban_at_once_leave_no_session(s: &Fixture) {
    for n in 0..20 {
        let user = account(&format!("user{n}"));
        s.users.create_user(&user).await.unwrap();
        let logins = [login(user.id), login(user.id)];
        let begin = |login| s.sessions.create_session(login, SESSIONS, None);
        let (_, banned, _) =
            tokio::join!(begin(&logins[0]), s.users.ban_user(user.id, Timestamp::now()), begin(&logins[1]));
        banned.unwrap();
        assert_eq!(s.sessions.sessions(user.id).await.unwrap(), []);
    }
}
