//! Logins: refresh tokens rotate, a replayed one ends the session, and so does time.

use std::time::Duration;

use shared::{EventId, SessionId, Timestamp, UserId, protocol::Position};
use store::{
    Arrival, BusEvent, Exchange, Inbox, Login, Replaced, Rotation, SessionRecord, Signal, Ticket, Topic, UserEvent,
    UserRecord,
};

use crate::{
    engine::Fixture,
    support::{account, actor, at_once, eventually, follow, room_of, signal},
};

/// More than any test begins.
const MANY: usize = 100;
/// Of all these logins' secrets.
const FAMILY: u8 = 77;
const GRACE: Duration = Duration::from_secs(10);

fn login(hash: u8) -> SessionRecord {
    let now = Timestamp::now();
    SessionRecord {
        id: SessionId::new(),
        user: UserId::new(),
        refresh_hash: [hash; 32],
        family_hash: [FAMILY; 32],
        replaced: None,
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
        s.sessions.create_session(session, MANY, None).await.unwrap();
    }
}

async fn read(s: &Fixture, session: &SessionRecord) -> Option<SessionRecord> {
    s.sessions.session(session.user, session.id).await.unwrap()
}

fn exchange(hashes: [u8; 2], at: Timestamp, expires_at: Timestamp) -> Exchange {
    let [presented, next] = hashes.map(|hash| [hash; 32]);
    Exchange { presented, family: [FAMILY; 32], next, at, grace: GRACE, expires_at }
}

async fn rotate(s: &Fixture, session: &SessionRecord, hashes: [u8; 2], expires_at: Timestamp) -> Rotation {
    let exchange = exchange(hashes, Timestamp::now(), expires_at);
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
    let exchange = exchange([1, 2], later, sessions[0].expires_at);
    s.sessions.rotate_refresh(user, sessions[0].id, &exchange).await.unwrap();
    let ids = async || s.sessions.sessions(user).await.unwrap().iter().map(|one| one.id).collect::<Vec<_>>();
    s.sessions.create_session(&sessions[3], 3, None).await.unwrap();
    assert_eq!(ended(&mut inbox).await, (user, sessions[1].id));
    assert_eq!(ids().await, [0, 2, 3].map(|n| sessions[n].id));
    // It stays, though none was used longer ago.
    let old = SessionRecord { id: SessionId::new(), ..sessions[0].clone() };
    s.sessions.create_session(&old, 1, None).await.unwrap();
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
        let exchange = exchange([n, n + 1], at, expires_at);
        let (refresh_hash, replaced) = ([n + 1; 32], Some(Replaced { hash: [n; 32], at }));
        let expected = SessionRecord { refresh_hash, replaced, used_at: at, expires_at, ..session.clone() };
        let rotation = s.sessions.rotate_refresh(session.user, session.id, &exchange).await.unwrap();
        assert_eq!(rotation, Rotation::Rotated(Box::new(expected.clone())));
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
    let (first, grace) = (Timestamp::now(), GRACE + Duration::from_millis(1));
    let rotate = async |hashes, at| {
        let exchange = exchange(hashes, at, session.expires_at);
        s.sessions.rotate_refresh(session.user, session.id, &exchange).await.unwrap()
    };
    assert!(matches!(rotate([1, 2], first).await, Rotation::Rotated(_)));
    assert_eq!(rotate([1, 3], first.after(grace)).await, Rotation::Reused);
    assert_eq!(read(s, &session).await, None);
    assert_eq!(rotate([2, 4], first.after(grace)).await, Rotation::Unknown, "the valid one is of no use any more");

    begin(s, &[&session]).await;
    assert!(matches!(rotate([1, 2], first).await, Rotation::Rotated(_)));
    assert!(matches!(rotate([2, 3], first).await, Rotation::Rotated(_)));
    assert_eq!(rotate([1, 4], first).await, Rotation::Reused, "two before, though within the grace");
    assert_eq!(read(s, &session).await, None);
}

pub async fn within_the_grace_the_refresh_token_before_is_exchanged_again(s: &Fixture) {
    let session = login(1);
    begin(s, &[&session]).await;
    let first = Timestamp::now();
    let rotate = async |hashes, at| {
        let exchange = exchange(hashes, at, session.expires_at);
        s.sessions.rotate_refresh(session.user, session.id, &exchange).await.unwrap()
    };
    for (next, after) in [(2, Duration::ZERO), (3, GRACE / 2), (4, GRACE)] {
        let at = first.after(after);
        let (refresh_hash, replaced) = ([next; 32], Some(Replaced { hash: [1; 32], at: first }));
        let expected = SessionRecord { refresh_hash, replaced, used_at: at, ..session.clone() };
        assert_eq!(rotate([1, next], at).await, Rotation::Rotated(Box::new(expected)));
    }
    assert!(
        matches!(rotate([4, 5], first.after(GRACE)).await, Rotation::Rotated(_)),
        "what was answered last is valid"
    );
    assert_eq!(rotate([3, 6], first.after(GRACE)).await, Rotation::Reused, "what was answered before that is not");
}

pub async fn what_never_was_a_refresh_token_of_the_session_ends_nothing(s: &Fixture) {
    let session = login(1);
    // As it began before there were families.
    let old = SessionRecord { family_hash: [0; 32], ..login(1) };
    for session in [&session, &old] {
        begin(s, &[session]).await;
        let guess = exchange([9, 2], Timestamp::now(), session.expires_at);
        let guess = Exchange { family: [FAMILY + 1; 32], ..guess };
        let rotation = s.sessions.rotate_refresh(session.user, session.id, &guess).await.unwrap();
        assert_eq!((rotation, read(s, session).await), (Rotation::Unknown, Some(session.clone())));
        assert!(matches!(rotate(s, session, [1, 2], session.expires_at).await, Rotation::Rotated(_)));
    }
}

pub async fn of_many_uses_of_one_refresh_token_at_once_the_answer_of_one_is_valid(s: &Fixture) {
    let session = login(1);
    begin(s, &[&session]).await;
    let results = at_once((0..16_u8).map(|n| {
        let (sessions, session) = (s.sessions.clone(), session.clone());
        let exchange = exchange([1, n + 2], Timestamp::now(), session.expires_at);
        async move { sessions.rotate_refresh(session.user, session.id, &exchange).await.unwrap() }
    }))
    .await;
    assert!(results.iter().all(|r| matches!(r, Rotation::Rotated(_))), "{results:?}");
    let valid = read(s, &session).await.unwrap().refresh_hash[0];
    assert!(matches!(rotate(s, &session, [valid, 99], session.expires_at).await, Rotation::Rotated(_)));
    let other = if valid == 2 { 3 } else { 2 };
    assert_eq!(rotate(s, &session, [other, 98], session.expires_at).await, Rotation::Reused);
}

pub async fn a_login_with_what_is_not_the_password_any_more_begins_no_session(s: &Fixture) {
    let alice = UserRecord { password_hash: Some("$old \"x\"".into()), ..account("alice") };
    let guest = UserRecord { password_hash: None, ..account("guest") };
    s.users.create_user(&alice).await.unwrap();
    s.users.create_user(&guest).await.unwrap();
    let session = SessionRecord { user: alice.id, ..login(1) };
    let create = async |session: &SessionRecord, password: &str| {
        s.sessions.create_session(session, MANY, Some(password)).await.unwrap()
    };
    assert!(create(&session, "$old \"x\"").await);
    let changed = s.users.change_password(alice.id, "$old \"x\"", "$new", session.id).await.unwrap();
    assert_eq!(changed, Some(Vec::new()));
    let late = SessionRecord { id: SessionId::new(), ..session.clone() };
    assert!(!create(&late, "$old \"x\"").await);
    assert_eq!((read(s, &late).await, read(s, &session).await), (None, Some(session)));
    assert!(create(&late, "$new").await);
    for other in [guest.id, UserId::new()] {
        assert!(!create(&SessionRecord { user: other, ..login(1) }, "$new").await);
    }
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
