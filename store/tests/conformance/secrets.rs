//! Secrets sent by e-mail: each is good once, for one thing, for whom it was sent to, and in time.

use std::time::Duration;

use shared::{SessionId, Timestamp, UserId};
use store::{
    BusEvent, Secret, SecretKind,
    SecretKind::{Reset, Verify},
    SessionRecord, Signal, Topic, UserEvent, UserRecord,
};

use crate::{
    engine::Fixture,
    support::{account, at_once, follow, signal},
};

/// Redis takes away by its own clock what ended: later than any clock says.
const NOW: Timestamp = Timestamp::from_millis(4_000_000_000_000);
const ADDRESS: &str = "Alice@Example.org";
/// More than any test makes.
const MANY: usize = 100;

fn after(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

/// One that ends so many seconds from now.
fn secret(hash: u8, kind: SecretKind, seconds: u64) -> Secret {
    Secret { hash: [hash; 32], kind, address: ADDRESS.into(), expires_at: after(seconds) }
}

async fn alice(s: &Fixture) -> UserRecord {
    let alice = UserRecord { email: Some(ADDRESS.into()), password_hash: Some("old".into()), ..account("alice") };
    s.users.create_user(&alice).await.unwrap();
    alice
}

async fn put(s: &Fixture, user: UserId, secrets: &[Secret]) {
    for secret in secrets {
        s.secrets.put_secret(user, secret, NOW, MANY).await.unwrap();
    }
}

async fn is_good(s: &Fixture, user: UserId, hash: u8) -> bool {
    s.secrets.secret(user, &[hash; 32], NOW).await.unwrap().is_some()
}

async fn verify(s: &Fixture, user: UserId, hash: u8) -> bool {
    s.secrets.verify_address(user, &[hash; 32], NOW).await.unwrap()
}

async fn reset(s: &Fixture, user: UserId, hash: u8, next: &str) -> Option<Vec<SessionId>> {
    s.secrets.reset_password(user, &[hash; 32], next, NOW).await.unwrap()
}

async fn log_in(s: &Fixture, user: UserId) -> SessionId {
    let (id, now) = (SessionId::new(), Timestamp::now());
    let session = SessionRecord {
        id,
        user,
        refresh_hash: [1; 32],
        family_hash: [9; 32],
        replaced: None,
        created_at: now,
        used_at: now,
        expires_at: now.after(Duration::from_secs(60)),
        agent: None,
        address: None,
    };
    s.sessions.create_session(&session, MANY, None).await.unwrap();
    id
}

pub async fn a_secret_is_good_until_it_ends_or_is_taken(s: &Fixture) {
    let alice = alice(s).await;
    let (first, second) = (secret(1, Reset, 60), secret(255, Verify, 120));
    put(s, alice.id, &[first.clone(), second.clone()]).await;
    let read = async |hash: u8, now| s.secrets.secret(alice.id, &[hash; 32], now).await.unwrap();
    assert_eq!(read(1, NOW).await, Some(first.clone()));
    assert_eq!(read(255, NOW).await, Some(second.clone()));
    assert_eq!(read(2, NOW).await, None);
    assert_eq!(read(1, after(59)).await, Some(first.clone()));
    assert_eq!(read(1, after(60)).await, None);
    assert_eq!(read(255, after(60)).await, Some(second));
    let late = async |now| s.secrets.reset_password(alice.id, &[1; 32], "late", now).await.unwrap();
    assert_eq!(late(after(60)).await, None);
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(alice.clone()));
    assert!(!s.secrets.verify_address(alice.id, &[255; 32], after(120)).await.unwrap());
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(alice.clone()));
    assert_eq!(late(after(59)).await, Some(vec![]));
    assert_eq!(read(1, NOW).await, None);
    // Sweeping later than all of them takes none that is still good.
    s.maintenance.sweep(after(60)).await.unwrap();
    assert!(is_good(s, alice.id, 255).await);
}

pub async fn a_reset_ends_all_sessions_and_every_other_reset(s: &Fixture) {
    let alice = alice(s).await;
    put(s, alice.id, &[secret(1, Reset, 60), secret(2, Reset, 90), secret(3, Verify, 60)]).await;
    let mut sessions = [log_in(s, alice.id).await, log_in(s, alice.id).await];
    let mut inbox = follow(s, &[Topic::User(alice.id)]).await;
    let mut ended = reset(s, alice.id, 1, "new").await.unwrap();
    let sort = |ids: &mut [SessionId]| ids.sort_unstable_by_key(|id| *id.as_bytes());
    sort(&mut sessions);
    sort(&mut ended);
    assert_eq!(ended, sessions);
    let mut told = Vec::new();
    while told.len() < 2 {
        match signal(&mut inbox).await {
            Signal::Event(BusEvent::User(_, event)) => match *event {
                UserEvent::SessionEnded(session) => told.push(session),
                UserEvent::Change(_) | UserEvent::AccountClosed => panic!("{event:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    sort(&mut told);
    assert_eq!(told, sessions);
    assert_eq!(s.sessions.sessions(alice.id).await.unwrap(), []);
    let changed = UserRecord { password_hash: Some("new".into()), email_verified: true, ..alice.clone() };
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(changed.clone()));

    for hash in [1, 2] {
        assert!(!is_good(s, alice.id, hash).await);
        assert_eq!(reset(s, alice.id, hash, "newer").await, None);
    }
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(changed));
    assert!(verify(s, alice.id, 3).await, "of another kind, and as good as before");
}

pub async fn who_verifies_changes_nothing_but_that(s: &Fixture) {
    let alice = alice(s).await;
    put(s, alice.id, &[secret(1, Verify, 60), secret(2, Verify, 60), secret(3, Reset, 60)]).await;
    log_in(s, alice.id).await;
    assert!(verify(s, alice.id, 1).await);
    let verified = UserRecord { email_verified: true, ..alice.clone() };
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(verified));
    assert_eq!(s.sessions.sessions(alice.id).await.unwrap().len(), 1);
    assert!(!verify(s, alice.id, 1).await, "once");
    assert!(verify(s, alice.id, 2).await, "another is as good");
    assert!(is_good(s, alice.id, 3).await);
}

pub async fn of_many_uses_of_one_secret_at_once_one_counts(s: &Fixture) {
    let alice = alice(s).await;
    put(s, alice.id, &[secret(1, Reset, 60), secret(2, Verify, 60)]).await;
    let resets = at_once((0..8).map(|n| {
        let secrets = s.secrets.clone();
        async move { secrets.reset_password(alice.id, &[1; 32], &n.to_string(), NOW).await.unwrap() }
    }))
    .await;
    assert_eq!(resets.iter().flatten().count(), 1, "{resets:?}");
    let winner = resets.iter().position(Option::is_some).unwrap();
    let kept = s.users.user(alice.id).await.unwrap().unwrap().password_hash;
    assert_eq!(kept, Some(winner.to_string()), "the password is that of the one that counted");
    let verified = at_once((0..8).map(|_| {
        let secrets = s.secrets.clone();
        async move { secrets.verify_address(alice.id, &[2; 32], NOW).await.unwrap() }
    }))
    .await;
    assert_eq!(verified.iter().filter(|done| **done).count(), 1, "{verified:?}");
}

pub async fn a_secret_is_its_owner_s_its_kind_s_and_its_address_s(s: &Fixture) {
    let alice = alice(s).await;
    let bob = UserRecord { email: Some("bob@example.org".into()), ..account("bob") };
    s.users.create_user(&bob).await.unwrap();
    put(s, alice.id, &[secret(1, Reset, 60), secret(2, Verify, 60)]).await;
    for hash in [1, 2] {
        assert!(!is_good(s, bob.id, hash).await);
        assert!(!verify(s, bob.id, hash).await);
        assert_eq!(reset(s, bob.id, hash, "stolen").await, None);
    }
    assert!(!verify(s, alice.id, 1).await, "it is for a reset");
    assert_eq!(reset(s, alice.id, 2, "new").await, None, "it is for the address");
    // Sent somewhere else than where the account's mail goes now; compared with its case.
    put(s, bob.id, &[secret(1, Reset, 60), secret(2, Verify, 60)]).await;
    assert!(!verify(s, bob.id, 2).await);
    assert_eq!(reset(s, bob.id, 1, "new").await, None);
    assert_eq!(s.users.user(bob.id).await.unwrap(), Some(bob));
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(alice.clone()));
    assert!(is_good(s, alice.id, 1).await && is_good(s, alice.id, 2).await, "refusals take nothing");
    // Of nobody, and of somebody without an address.
    let guest = UserRecord { password_hash: None, guest: true, ..account("guest") };
    s.users.create_user(&guest).await.unwrap();
    for user in [UserId::new(), guest.id] {
        put(s, user, &[secret(1, Reset, 60), secret(2, Verify, 60)]).await;
        assert!(!verify(s, user, 2).await);
        assert_eq!(reset(s, user, 1, "new").await, None);
    }
    assert_eq!(s.users.user(guest.id).await.unwrap(), Some(guest));
}

pub async fn a_taken_secret_does_not_come_back(s: &Fixture) {
    let alice = alice(s).await;
    let (first, second, third) = (secret(1, Reset, 60), secret(2, Reset, 60), secret(3, Verify, 60));
    let all = [first, second, third];
    put(s, alice.id, &all).await;
    assert!(verify(s, alice.id, 3).await);
    assert!(reset(s, alice.id, 1, "new").await.is_some());
    put(s, alice.id, &all).await;
    assert!(!verify(s, alice.id, 3).await);
    for hash in [1, 2] {
        assert_eq!(reset(s, alice.id, hash, "again").await, None);
    }
}

pub async fn of_more_secrets_than_are_kept_those_that_end_first_go(s: &Fixture) {
    let alice = alice(s).await;
    // The last to come is not the last to end.
    for (hash, seconds) in [(1, 30), (2, 90), (3, 60)] {
        s.secrets.put_secret(alice.id, &secret(hash, Reset, seconds), NOW, 2).await.unwrap();
    }
    s.secrets.put_secret(alice.id, &secret(4, Verify, 10), NOW, 2).await.unwrap();
    let mut good = Vec::new();
    for hash in 1..=4 {
        good.push(is_good(s, alice.id, hash).await);
    }
    assert_eq!(good, [false, true, true, true]);
    // Those that ended make place, and are gone with the next.
    s.secrets.put_secret(alice.id, &secret(5, Reset, 300), after(60), 2).await.unwrap();
    let good = [is_good(s, alice.id, 2).await, is_good(s, alice.id, 3).await, is_good(s, alice.id, 5).await];
    assert_eq!(good, [true, false, true]);
}
