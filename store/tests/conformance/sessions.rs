//! Logins: refresh tokens rotate, a replayed one ends the session, and so does time.

use std::time::Duration;

use shared::{SessionId, Timestamp, UserId, protocol::Position};
use store::{Arrival, Rotation, SessionRecord};

use crate::{
    engine::Fixture,
    support::{actor, at_once, eventually, room_of},
};

fn login(hash: u8) -> SessionRecord {
    let now = Timestamp::now();
    SessionRecord {
        id: SessionId::new(),
        user: UserId::new(),
        refresh_hash: [hash; 32],
        created_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
    }
}

pub async fn a_session_is_kept_until_it_ends(s: &Fixture) {
    let (one, other) = (login(1), login(255));
    s.sessions.create_session(&one).await.unwrap();
    s.sessions.create_session(&other).await.unwrap();
    assert_eq!(s.sessions.session(one.id).await.unwrap(), Some(one.clone()));
    s.sessions.end_session(one.id).await.unwrap();
    s.sessions.end_session(one.id).await.unwrap();
    assert_eq!(s.sessions.session(one.id).await.unwrap(), None);
    let next = Timestamp::now().after(Duration::from_secs(60));
    assert_eq!(s.sessions.rotate_refresh(one.id, [1; 32], [2; 32], next).await.unwrap(), Rotation::Unknown);
    assert_eq!(s.sessions.session(one.id).await.unwrap(), None, "rotating does not bring it back");
    assert_eq!(s.sessions.session(other.id).await.unwrap(), Some(other));
    assert_eq!(s.sessions.session(SessionId::new()).await.unwrap(), None);
    s.sessions.end_session(SessionId::new()).await.unwrap();
}

pub async fn who_arrives_is_shown_their_rooms_and_where_their_own_log_stands_while_the_session_lasts(s: &Fixture) {
    let (user, owner) = (actor("alice"), actor("owner"));
    let session = SessionRecord { user: user.id, ..login(1) };
    let expired = SessionRecord { expires_at: Timestamp::now().before(Duration::from_secs(1)), ..session.clone() };
    let expired = SessionRecord { id: SessionId::new(), ..expired };
    s.sessions.create_session(&session).await.unwrap();
    s.sessions.create_session(&expired).await.unwrap();
    let arrival = async |id: SessionId| s.sessions.arrival(user.id, id).await.unwrap();
    let nothing = Arrival { own: Position::BEGINNING, rooms: Vec::new() };
    assert_eq!(arrival(session.id).await, Some(nothing));
    // Few are read otherwise than many.
    for rooms in [3, 70] {
        while s.rooms.rooms_of(user.id).await.unwrap().len() < rooms {
            room_of(s, &[&owner, &user]).await;
        }
        let own = s.user_log.user_positions(&[user.id]).await.unwrap()[0];
        assert_eq!(own.rev, rooms as u64);
        let expected = Arrival { own, rooms: s.rooms.rooms_of(user.id).await.unwrap() };
        assert_eq!(arrival(session.id).await, Some(expected));
    }
    assert_eq!((arrival(expired.id).await, arrival(SessionId::new()).await), (None, None));
    s.sessions.end_session(session.id).await.unwrap();
    assert_eq!(arrival(session.id).await, None);
}

pub async fn the_valid_refresh_token_rotates(s: &Fixture) {
    let session = login(1);
    s.sessions.create_session(&session).await.unwrap();
    let mut expires_at = session.expires_at;
    for n in 1..5_u8 {
        expires_at = expires_at.after(Duration::from_millis(1_001));
        let expected = SessionRecord { refresh_hash: [n + 1; 32], expires_at, ..session.clone() };
        let rotation = s.sessions.rotate_refresh(session.id, [n; 32], [n + 1; 32], expires_at).await.unwrap();
        assert_eq!(rotation, Rotation::Rotated(expected.clone()));
        assert_eq!(s.sessions.session(session.id).await.unwrap(), Some(expected));
    }
    let unknown = s.sessions.rotate_refresh(SessionId::new(), [1; 32], [2; 32], expires_at).await.unwrap();
    assert_eq!(unknown, Rotation::Unknown);
}

pub async fn a_replayed_refresh_token_ends_the_session(s: &Fixture) {
    let session = login(1);
    s.sessions.create_session(&session).await.unwrap();
    let rotate = async |presented: u8, next: u8| {
        s.sessions.rotate_refresh(session.id, [presented; 32], [next; 32], session.expires_at).await.unwrap()
    };
    assert!(matches!(rotate(1, 2).await, Rotation::Rotated(_)));
    assert_eq!(rotate(1, 3).await, Rotation::Reused);
    assert_eq!(s.sessions.session(session.id).await.unwrap(), None);
    assert_eq!(rotate(2, 4).await, Rotation::Unknown, "the valid one is of no use any more");
}

pub async fn of_many_uses_of_one_refresh_token_at_once_one_rotates(s: &Fixture) {
    let session = login(1);
    s.sessions.create_session(&session).await.unwrap();
    let results = at_once((0..16_u8).map(|n| {
        let (sessions, session) = (s.sessions.clone(), session.clone());
        async move { sessions.rotate_refresh(session.id, [1; 32], [n + 2; 32], session.expires_at).await.unwrap() }
    }))
    .await;
    let count = |wanted: fn(&Rotation) -> bool| results.iter().filter(|r| wanted(r)).count();
    assert_eq!(count(|r| matches!(r, Rotation::Rotated(_))), 1, "{results:?}");
    assert_eq!(count(|r| matches!(r, Rotation::Reused)), 1, "{results:?}");
    assert_eq!(s.sessions.session(session.id).await.unwrap(), None);
}

pub async fn an_expired_session_is_gone(s: &Fixture) {
    let past = SessionRecord { expires_at: Timestamp::now().before(Duration::from_secs(1)), ..login(1) };
    let soon = SessionRecord { expires_at: Timestamp::now().after(Duration::from_millis(300)), ..login(2) };
    s.sessions.create_session(&past).await.unwrap();
    s.sessions.create_session(&soon).await.unwrap();
    assert_eq!(s.sessions.session(past.id).await.unwrap(), None);
    let next = Timestamp::now().after(Duration::from_secs(60));
    assert_eq!(s.sessions.rotate_refresh(past.id, [1; 32], [9; 32], next).await.unwrap(), Rotation::Unknown);
    eventually("expired", async || s.sessions.session(soon.id).await.unwrap().is_none()).await;
    assert!(Timestamp::now() >= soon.expires_at, "not before its time");
    assert_eq!(s.sessions.rotate_refresh(soon.id, [2; 32], [9; 32], next).await.unwrap(), Rotation::Unknown);
}

pub async fn rotating_moves_the_end_of_a_session(s: &Fixture) {
    let session = SessionRecord { expires_at: Timestamp::now().after(Duration::from_secs(3600)), ..login(1) };
    s.sessions.create_session(&session).await.unwrap();
    let sooner = Timestamp::now().after(Duration::from_millis(300));
    let rotation = s.sessions.rotate_refresh(session.id, [1; 32], [2; 32], sooner).await.unwrap();
    assert!(matches!(rotation, Rotation::Rotated(_)));
    eventually("expired", async || s.sessions.session(session.id).await.unwrap().is_none()).await;
}
