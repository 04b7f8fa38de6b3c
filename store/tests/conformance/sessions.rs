//! Logins: refresh tokens rotate, a replayed one ends the session, and so does time.

use std::time::Duration;

use shared::{EventId, SessionId, Timestamp, UserId, protocol::Position};
use store::{
    Arrival, BusEvent, Exchange, Inbox, Login, Rotation, SessionRecord, Signal, Ticket, Topic, UserEvent, UserRecord,
};

use crate::{
    engine::Fixture,
    support::{account, actor, at_once, eventually, follow, room_of, signal},
};

/// More than any test begins.
const MANY: usize = 100;

fn login(hash: u8) -> SessionRecord {
    let now = Timestamp::now();
    SessionRecord {
        id: SessionId::new(),
        user: UserId::new(),
        refresh_hash: [hash; 32],
        created_at: now,
        used_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
        agent: Some("Test \"1\" (é)".into()),
        address: None,
    }
}

/// A login of this user, so many seconds after their first.
fn login_of(user: UserId, seconds: u64) -> SessionRecord {
    let one = login(1);
    let (created_at, used_at) = [one.created_at.after(Duration::from_secs(seconds)); 2].into();
    SessionRecord { user, created_at, used_at, ..one }
}

async fn begin(s: &Fixture, sessions: &[&SessionRecord]) {
    for session in sessions {
        s.sessions.create_session(session, MANY).await.unwrap();
    }
}

async fn read(s: &Fixture, session: &SessionRecord) -> Option<SessionRecord> {
    s.sessions.session(session.user, session.id).await.unwrap()
}

async fn rotate(s: &Fixture, session: &SessionRecord, hashes: [u8; 2], expires_at: Timestamp) -> Rotation {
    let [presented, next] = hashes.map(|hash| [hash; 32]);
    let exchange = Exchange { presented, next, at: Timestamp::now(), expires_at };
    s.sessions.rotate_refresh(session.user, session.id, &exchange).await.unwrap()
}

/// The next session that is told to have ended.
async fn ended(inbox: &mut Inbox) -> (UserId, SessionId) {
    match signal(inbox).await {
        Signal::Event(BusEvent::User(user, event)) => match *event {
            UserEvent::SessionEnded(session) => (user, session),
            UserEvent::Change(_) | UserEvent::AccountClosed => panic!("{event:?}"),
        },
        other => panic!("expected the end of a session, got {other:?}"),
    }
}

pub async fn a_session_is_kept_until_it_ends(s: &Fixture) {
    let (one, other) = (login(1), login(255));
    begin(s, &[&one, &other]).await;
    assert_eq!(read(s, &one).await, Some(one.clone()));
    assert!(s.sessions.end_session(one.user, one.id).await.unwrap());
    assert!(!s.sessions.end_session(one.user, one.id).await.unwrap());
    assert_eq!(read(s, &one).await, None);
    let next = Timestamp::now().after(Duration::from_secs(60));
    assert_eq!(rotate(s, &one, [1, 2], next).await, Rotation::Unknown);
    assert_eq!(read(s, &one).await, None, "rotating does not bring it back");
    assert_eq!(read(s, &other).await, Some(other.clone()));
    assert_eq!(s.sessions.session(other.user, SessionId::new()).await.unwrap(), None);
    assert_eq!(s.sessions.session(one.user, other.id).await.unwrap(), None, "another's");
    assert!(!s.sessions.end_session(one.user, other.id).await.unwrap(), "another's");
    assert_eq!(read(s, &other).await, Some(other));
}

pub async fn sessions_are_listed_by_their_login_while_they_live(s: &Fixture) {
    let user = UserId::new();
    let sessions: Vec<SessionRecord> = (0..4).map(|n| login_of(user, n)).collect();
    let expired = SessionRecord { expires_at: Timestamp::now().before(Duration::from_secs(1)), ..login_of(user, 9) };
    let another = login(3);
    begin(s, &[&sessions[2], &another, &sessions[0], &expired, &sessions[3], &sessions[1]]).await;
    assert_eq!(s.sessions.sessions(user).await.unwrap(), sessions);
    s.sessions.end_session(user, sessions[1].id).await.unwrap();
    let left = [&sessions[0], &sessions[2], &sessions[3]].map(Clone::clone);
    assert_eq!(s.sessions.sessions(user).await.unwrap(), left);
    assert_eq!(s.sessions.sessions(UserId::new()).await.unwrap(), []);

    let logins =
        [&sessions[0], &sessions[1], &another, &expired, &sessions[3]].map(|one| (one.user, Login::Session(one.id)));
    assert_eq!(s.sessions.live(&logins).await.unwrap(), [true, false, true, false, true]);
    assert_eq!(s.sessions.live(&logins[1..2]).await.unwrap(), [false]);
    assert_eq!(s.sessions.live(&[(another.user, Login::Session(sessions[0].id))]).await.unwrap(), [false], "another's");
    assert!(s.sessions.live(&[]).await.unwrap().is_empty());
    let (host, there) = (Login::Host { until: Timestamp::from_millis(0) }, account("there"));
    s.users.create_user(&there).await.unwrap();
    let mixed = [(user, host), (there.id, host), logins[0], (there.id, Login::Session(SessionId::new()))];
    assert_eq!(s.sessions.live(&mixed).await.unwrap(), [false, true, true, false], "as long as there is such a user");
    assert_eq!(s.sessions.live(&mixed[1..2]).await.unwrap(), [true]);
}

pub async fn of_more_sessions_than_are_kept_those_not_used_for_the_longest_end(s: &Fixture) {
    let user = UserId::new();
    let sessions: Vec<SessionRecord> = (0..5).map(|n| login_of(user, n)).collect();
    let mut inbox = follow(s, &[Topic::User(user)]).await;
    begin(s, &[&sessions[0], &sessions[1], &sessions[2]]).await;
    // The oldest login was used last.
    let later = sessions[4].used_at;
    let exchange = Exchange { presented: [1; 32], next: [2; 32], at: later, expires_at: sessions[0].expires_at };
    s.sessions.rotate_refresh(user, sessions[0].id, &exchange).await.unwrap();
    let ids = async || s.sessions.sessions(user).await.unwrap().iter().map(|one| one.id).collect::<Vec<_>>();
    s.sessions.create_session(&sessions[3], 3).await.unwrap();
    assert_eq!(ended(&mut inbox).await, (user, sessions[1].id));
    assert_eq!(ids().await, [0, 2, 3].map(|n| sessions[n].id));
    // It stays, though none was used longer ago.
    let old = SessionRecord { id: SessionId::new(), ..sessions[0].clone() };
    s.sessions.create_session(&old, 1).await.unwrap();
    assert_eq!(ids().await, [old.id]);
    let mut told = [ended(&mut inbox).await, ended(&mut inbox).await, ended(&mut inbox).await].map(|(_, id)| id);
    told.sort_unstable_by_key(|id| *id.as_bytes());
    let mut expected = [0, 2, 3].map(|n| sessions[n].id);
    expected.sort_unstable_by_key(|id| *id.as_bytes());
    assert_eq!(told, expected);
}

pub async fn whatever_ends_a_session_publishes_it(s: &Fixture) {
    let user = UserId::new();
    let sessions: Vec<SessionRecord> = (0..5).map(|n| login_of(user, n)).collect();
    begin(s, &sessions.iter().collect::<Vec<_>>()).await;
    let mut inbox = follow(s, &[Topic::User(user)]).await;
    s.sessions.end_session(user, sessions[0].id).await.unwrap();
    assert_eq!(ended(&mut inbox).await, (user, sessions[0].id));
    assert_eq!(rotate(s, &sessions[1], [9, 2], sessions[1].expires_at).await, Rotation::Reused);
    assert_eq!(ended(&mut inbox).await, (user, sessions[1].id));
    let mut all = s.sessions.end_sessions(user, Some(sessions[3].id)).await.unwrap();
    all.sort_unstable_by_key(|id| *id.as_bytes());
    let mut expected = [sessions[2].id, sessions[4].id];
    expected.sort_unstable_by_key(|id| *id.as_bytes());
    assert_eq!(all, expected);
    let mut told = [ended(&mut inbox).await.1, ended(&mut inbox).await.1];
    told.sort_unstable_by_key(|id| *id.as_bytes());
    assert_eq!(told, expected);
    assert_eq!(s.sessions.sessions(user).await.unwrap(), [sessions[3].clone()]);
    assert_eq!(s.sessions.end_sessions(user, None).await.unwrap(), [sessions[3].id]);
    assert_eq!(ended(&mut inbox).await, (user, sessions[3].id));
    assert_eq!(s.sessions.end_sessions(user, None).await.unwrap(), []);
    assert!(inbox.try_recv().is_none());
}

pub async fn who_arrives_is_shown_their_rooms_and_where_their_own_log_stands_while_the_session_lasts(s: &Fixture) {
    let (user, owner) = (actor("alice"), actor("owner"));
    let session = SessionRecord { user: user.id, ..login(1) };
    let expired = SessionRecord { expires_at: Timestamp::now().before(Duration::from_secs(1)), ..session.clone() };
    let expired = SessionRecord { id: SessionId::new(), ..expired };
    begin(s, &[&session, &expired]).await;
    let arrival = async |id: SessionId| s.sessions.arrival(user.id, Login::Session(id)).await.unwrap();
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
    let by_token = Login::Host { until: Timestamp::now() };
    assert_eq!(s.sessions.arrival(user.id, by_token).await.unwrap(), None, "there is no such user");
    s.users.create_user(&UserRecord { id: user.id, ..account("alice") }).await.unwrap();
    assert_eq!(s.sessions.arrival(user.id, by_token).await.unwrap(), arrival(session.id).await);
    s.sessions.end_session(user.id, session.id).await.unwrap();
    assert_eq!(arrival(session.id).await, None);
}

pub async fn the_valid_refresh_token_rotates(s: &Fixture) {
    let session = login(1);
    begin(s, &[&session]).await;
    let mut expires_at = session.expires_at;
    for n in 1..5_u8 {
        expires_at = expires_at.after(Duration::from_millis(1_001));
        let at = session.used_at.after(Duration::from_secs(n.into()));
        let exchange = Exchange { presented: [n; 32], next: [n + 1; 32], at, expires_at };
        let expected = SessionRecord { refresh_hash: [n + 1; 32], used_at: at, expires_at, ..session.clone() };
        let rotation = s.sessions.rotate_refresh(session.user, session.id, &exchange).await.unwrap();
        assert_eq!(rotation, Rotation::Rotated(expected.clone()));
        assert_eq!(read(s, &session).await, Some(expected));
    }
    let unknown = SessionRecord { id: SessionId::new(), ..session.clone() };
    assert_eq!(rotate(s, &unknown, [5, 6], expires_at).await, Rotation::Unknown);
    let anothers = SessionRecord { user: UserId::new(), ..session };
    assert_eq!(rotate(s, &anothers, [5, 6], expires_at).await, Rotation::Unknown);
}

pub async fn a_replayed_refresh_token_ends_the_session(s: &Fixture) {
    let session = login(1);
    begin(s, &[&session]).await;
    let rotate = async |presented, next| rotate(s, &session, [presented, next], session.expires_at).await;
    assert!(matches!(rotate(1, 2).await, Rotation::Rotated(_)));
    assert_eq!(rotate(1, 3).await, Rotation::Reused);
    assert_eq!(read(s, &session).await, None);
    assert_eq!(rotate(2, 4).await, Rotation::Unknown, "the valid one is of no use any more");
}

pub async fn of_many_uses_of_one_refresh_token_at_once_one_rotates(s: &Fixture) {
    let session = login(1);
    begin(s, &[&session]).await;
    let results = at_once((0..16_u8).map(|n| {
        let (sessions, session) = (s.sessions.clone(), session.clone());
        let (presented, next, at) = ([1; 32], [n + 2; 32], Timestamp::now());
        let exchange = Exchange { presented, next, at, expires_at: session.expires_at };
        async move { sessions.rotate_refresh(session.user, session.id, &exchange).await.unwrap() }
    }))
    .await;
    let count = |wanted: fn(&Rotation) -> bool| results.iter().filter(|r| wanted(r)).count();
    assert_eq!(count(|r| matches!(r, Rotation::Rotated(_))), 1, "{results:?}");
    assert_eq!(count(|r| matches!(r, Rotation::Reused)), 1, "{results:?}");
    assert_eq!(read(s, &session).await, None);
}

pub async fn an_expired_session_is_gone(s: &Fixture) {
    let past = SessionRecord { expires_at: Timestamp::now().before(Duration::from_secs(1)), ..login(1) };
    let soon = SessionRecord { expires_at: Timestamp::now().after(Duration::from_millis(300)), ..login(2) };
    let lasting = login_of(soon.user, 0);
    begin(s, &[&past, &soon, &lasting]).await;
    assert_eq!(read(s, &past).await, None);
    let next = Timestamp::now().after(Duration::from_secs(60));
    assert_eq!(rotate(s, &past, [1, 9], next).await, Rotation::Unknown);
    eventually("expired", async || read(s, &soon).await.is_none()).await;
    assert!(Timestamp::now() >= soon.expires_at, "not before its time");
    assert_eq!(rotate(s, &soon, [2, 9], next).await, Rotation::Unknown);
    assert!(!s.sessions.end_session(soon.user, soon.id).await.unwrap());
    assert_eq!(s.sessions.sessions(soon.user).await.unwrap(), [lasting]);
}

pub async fn rotating_moves_the_end_of_a_session(s: &Fixture) {
    let session = SessionRecord { expires_at: Timestamp::now().after(Duration::from_secs(3600)), ..login(1) };
    begin(s, &[&session]).await;
    let sooner = Timestamp::now().after(Duration::from_millis(300));
    assert!(matches!(rotate(s, &session, [1, 2], sooner).await, Rotation::Rotated(_)));
    eventually("expired", async || read(s, &session).await.is_none()).await;
    let brief = SessionRecord { expires_at: Timestamp::now().after(Duration::from_millis(300)), ..login(1) };
    begin(s, &[&brief]).await;
    let later = Timestamp::now().after(Duration::from_secs(3600));
    assert!(matches!(rotate(s, &brief, [1, 2], later).await, Rotation::Rotated(_)));
    eventually("the first end is past", async || Timestamp::now() > brief.expires_at).await;
    assert!(read(s, &brief).await.is_some());
}

pub async fn a_ticket_is_given_once_and_in_time(s: &Fixture) {
    let ticket = Ticket { user: UserId::new(), login: Login::Session(SessionId::new()), scope: Some("a b".into()) };
    let (minute, brief) = (Duration::from_secs(60), Duration::from_millis(200));
    let take = async |hash: u8| s.tickets.take_ticket([hash; 32], EventId::random()).await.unwrap();
    s.tickets.put_ticket([1; 32], &ticket, minute).await.unwrap();
    assert_eq!((take(2).await, take(1).await), (None, Some(ticket.clone())));
    assert_eq!(take(1).await, None);
    let by_token = Ticket { login: Login::Host { until: Timestamp::from_millis(5) }, ..ticket.clone() };
    s.tickets.put_ticket([2; 32], &by_token, minute).await.unwrap();
    assert_eq!(take(2).await, Some(by_token));
    s.tickets.put_ticket([3; 32], &Ticket { scope: None, ..ticket.clone() }, brief).await.unwrap();
    let ended = Timestamp::now().after(2 * brief);
    eventually("ended", async || Timestamp::now() > ended).await;
    assert_eq!(take(3).await, None);

    s.tickets.put_ticket([4; 32], &ticket, minute).await.unwrap();
    let raced = at_once((0..16).map(|_| {
        let tickets = s.tickets.clone();
        async move { tickets.take_ticket([4; 32], EventId::random()).await.unwrap() }
    }))
    .await;
    assert_eq!(raced.iter().flatten().count(), 1);
}
