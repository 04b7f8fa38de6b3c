//! Accounts that go: gone with the first step, their names free, and nobody comes in through a door that is closing.

use std::time::Duration;

use shared::{
    InstanceId, NotificationId, RoomId, SessionId, Timestamp, UserId,
    protocol::{HistoryVisibility, LastSeenFor, Position, Role, RoomType, Status},
};
use store::{
    Actor, BusEvent, ChosenStatus, DELETED_USER, Device, Exchange, InboxItem, Login, ProfilePatch, Published,
    RoomRecord, Rotation, SessionRecord, Signal, SocketKind, Store, StoreError, Topic, UserEvent, UserRecord,
    presence::PresenceEvent,
};

use crate::{
    engine::Fixture,
    support::{MANY, account, actor, at_once, fails, follow, join, public_room, room_of, send, signal},
};

const HOUR: Duration = Duration::from_secs(3600);
/// More than any test begins.
const SESSIONS: usize = 100;

/// Some time ago, so that what happens now is later.
fn then() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn with_email(name: &str) -> UserRecord {
    UserRecord { email: Some(format!("{name}@x.org")), ..account(name) }
}

/// A guest who was made [`then`].
fn guest(name: &str) -> UserRecord {
    UserRecord { guest: true, password_hash: None, created_at: then(), ..account(name) }
}

fn actor_of(user: &UserRecord) -> Actor {
    Actor { id: user.id, username: user.username.clone() }
}

fn login(user: UserId, used_at: Timestamp) -> SessionRecord {
    let expires_at = Timestamp::now().after(HOUR);
    let (id, refresh_hash) = (SessionId::new(), [1; 32]);
    SessionRecord {
        id,
        user,
        refresh_hash,
        family_hash: [1; 32],
        replaced: None,
        created_at: used_at,
        used_at,
        expires_at,
        agent: None,
        address: None,
    }
}

fn device(instance: InstanceId) -> Device {
    Device { instance, connection: 1, kind: SocketKind::Chat, focused: None, since: then() }
}

fn online(user: UserId, status: Status) -> PresenceEvent {
    let published = Published { status, text: None };
    PresenceEvent { user, username: "alice".into(), published, last_seen: None, last_seen_for: LastSeenFor::default() }
}

/// All that comes after the first step.
async fn clear(s: &Store, user: UserId) {
    let gone = Actor { id: user, username: DELETED_USER.into() };
    for room in s.rooms.rooms_of(user).await.unwrap() {
        match s.rooms.leave(room, &gone).await {
            Ok(_) | Err(StoreError::NotAMember) => {}
            Err(e) => panic!("{e}"),
        }
    }
    s.deletions.clear_deleted(user).await.unwrap();
}

async fn deletions(s: &Store) -> Vec<UserId> {
    s.deletions.deletions(Timestamp::now().after(HOUR), 9).await.unwrap()
}

pub async fn a_deleted_account_is_gone_with_the_first_step(s: &Fixture) {
    let (alice, bob) = (with_email("alice"), account("bob"));
    for user in [&alice, &bob] {
        s.users.create_user(user).await.unwrap();
    }
    let room = room_of(&s.store, &[&actor_of(&bob)]).await;
    let mut logins = [login(alice.id, Timestamp::now()), login(alice.id, Timestamp::now())];
    for login in &logins {
        s.sessions.create_session(login, SESSIONS, None).await.unwrap();
    }
    logins.sort_by_key(|login| login.id);
    let mut told = follow(&s.store, &[Topic::User(alice.id)]).await;

    let mut ended = s.deletions.begin_deletion(alice.id, None).await.unwrap().unwrap();
    ended.sort();
    assert_eq!(ended, logins.clone().map(|login| login.id));
    match signal(&mut told).await {
        Signal::Event(BusEvent::User(user, event)) => {
            assert_eq!((user, &*event), (alice.id, &UserEvent::AccountClosed));
        }
        other => panic!("{other:?}"),
    }
    for s in [&s.store, &s.elsewhere().await] {
        assert_eq!(s.users.users(&[alice.id, bob.id]).await.unwrap(), [None, Some(bob.clone())]);
        assert_eq!(s.sessions.sessions(alice.id).await.unwrap(), []);
        assert_eq!(
            s.sessions.live(&logins.clone().map(|l| (alice.id, Login::Session(l.id)))).await.unwrap(),
            [false, false]
        );
        assert_eq!(s.sessions.arrival(alice.id, Login::Session(logins[0].id)).await.unwrap(), None);
        let host = Login::Host { until: Timestamp::now().after(HOUR) };
        assert_eq!(s.sessions.live(&[(alice.id, host), (bob.id, host)]).await.unwrap(), [false, true]);
    }
    let expires_at = Timestamp::now().after(HOUR);
    let (presented, family, next) = ([1; 32], [1; 32], [2; 32]);
    let exchange = Exchange { presented, family, next, at: then(), grace: Duration::ZERO, expires_at };
    assert_eq!(s.sessions.rotate_refresh(alice.id, logins[0].id, &exchange).await.unwrap(), Rotation::Unknown);
    fails!(s.sessions.create_session(&logins[0], SESSIONS, None).await, UserNotFound);
    fails!(s.users.update_profile(alice.id, &ProfilePatch::default()).await, UserNotFound);
    fails!(s.users.change_password(alice.id, "$argon2id$v=19$…", "x", logins[0].id).await, UserNotFound);
    fails!(s.rooms.join(room, &actor_of(&alice), Role::Member, MANY).await, UserNotFound);
    fails!(s.rooms.create_room(&public_room("x"), &[actor_of(&alice)]).await, UserNotFound);
    let direct = RoomRecord {
        id: RoomId::direct(alice.id, bob.id),
        name: None,
        kind: RoomType::Direct,
        history_visibility: HistoryVisibility::Joined,
        ..public_room("")
    };
    fails!(s.rooms.create_room(&direct, &[actor_of(&bob), actor_of(&alice)]).await, UserNotFound);
    assert_eq!(s.rooms.room(direct.id).await.unwrap(), None);
    assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), [room]);

    assert_eq!(s.deletions.begin_deletion(alice.id, None).await.unwrap(), None, "it is gone already");
    assert_eq!(s.deletions.begin_deletion(UserId::new(), None).await.unwrap(), None, "nobody");
    assert!(told.try_recv().is_none());
}

pub async fn its_name_and_address_are_free_and_stay_the_next_ones(s: &Fixture) {
    let (first, next) = (with_email("Alice"), with_email("alice"));
    s.users.create_user(&first).await.unwrap();
    s.deletions.clear_deleted(first.id).await.unwrap();
    assert_eq!(s.users.user(first.id).await.unwrap(), Some(first.clone()), "it is no deletion by itself");
    s.deletions.begin_deletion(first.id, None).await.unwrap().unwrap();
    clear(&s.store, first.id).await;
    assert_eq!(s.users.user_id_by_name("alice").await.unwrap(), None);
    assert_eq!(s.users.user_id_by_email("alice@x.org").await.unwrap(), None);
    assert_eq!(s.users.search_users("", None, 9).await.unwrap(), []);
    assert_eq!(s.users.count_users().await.unwrap(), 0);

    s.users.create_user(&next).await.unwrap();
    assert_eq!(deletions(&s.store).await, [first.id]);
    assert_eq!(s.deletions.deletions(then(), 9).await.unwrap(), [], "begun later");
    for _ in 0..2 {
        clear(&s.store, first.id).await;
        s.deletions.end_deletion(first.id).await.unwrap();
        assert_eq!(deletions(&s.store).await, []);
    }
    assert_eq!(s.users.user_id_by_name("ALICE").await.unwrap(), Some(next.id));
    assert_eq!(s.users.user_id_by_email("ALICE@x.org").await.unwrap(), Some(next.id));
    assert_eq!(s.users.search_users("", None, 9).await.unwrap(), [next.id]);
    assert_eq!(s.users.count_users().await.unwrap(), 1);
    assert_eq!(s.users.users(&[first.id, next.id]).await.unwrap(), [None, Some(next)]);
    fails!(s.sessions.create_session(&login(first.id, then()), SESSIONS, None).await, UserNotFound);
    assert_eq!(s.deletions.begin_deletion(first.id, None).await.unwrap(), None);
}

pub async fn nothing_is_kept_about_a_deleted_user(s: &Fixture) {
    let (alice, bob) = (with_email("alice"), account("bob"));
    for user in [&alice, &bob] {
        s.users.create_user(user).await.unwrap();
    }
    let room = room_of(&s.store, &[&actor_of(&alice), &actor_of(&bob)]).await;
    let sent = send(&s.store, room, &actor_of(&alice), "what was said stays").await;
    s.people.add_contact(alice.id, bob.id, SESSIONS).await.unwrap();
    let item = InboxItem {
        id: NotificationId::new(),
        title: "t".into(),
        body: "b".into(),
        data: None,
        category: None,
        room: None,
        created_at: then(),
        read_at: None,
    };
    for n in 0..700 {
        s.user_log.note_read_mark(alice.id, room, n).await.unwrap();
    }
    s.inboxes.add_to_inbox(alice.id, &item, Some("k")).await.unwrap();
    s.presence.set_chosen(alice.id, ChosenStatus::Busy, Some("at sea")).await.unwrap();
    s.presence.put_device(alice.id, &device(InstanceId::new()), &online(alice.id, Status::Online)).await.unwrap();
    let version = s.presence.presence(&[alice.id]).await.unwrap().remove(0).version;
    s.presence.publish(&online(alice.id, Status::Busy), version).await.unwrap();
    let mut watched = follow(&s.store, &[Topic::Presence(alice.id)]).await;

    s.deletions.begin_deletion(alice.id, None).await.unwrap().unwrap();
    clear(&s.store, alice.id).await;

    loop {
        match signal(&mut watched).await {
            // Of the rooms, and of who was blocked.
            Signal::Event(BusEvent::AccessChanged { .. }) => {}
            Signal::Event(BusEvent::Presence(event)) => {
                let offline = PresenceEvent { username: DELETED_USER.into(), ..online(alice.id, Status::Offline) };
                assert_eq!(*event, offline);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    for s in [&s.store, &s.elsewhere().await] {
        assert_eq!(s.people.contacts(alice.id).await.unwrap(), []);
        assert_eq!(s.inboxes.inbox(alice.id, None, 9).await.unwrap(), []);
        assert_eq!(s.user_log.user_positions(&[alice.id]).await.unwrap(), [Position::BEGINNING]);
        assert_eq!(s.presence.presence(&[alice.id]).await.unwrap(), [store::PresenceState::default()]);
        assert_eq!(s.rooms.rooms_of(alice.id).await.unwrap(), []);
        let membership = s.rooms.membership(room, bob.id).await.unwrap().unwrap();
        assert_eq!(membership.role, Role::Owner, "the room has passed on");
        let kept = s.log.message(crate::support::id(room, sent.seq)).await.unwrap().unwrap();
        assert_eq!((kept.author, kept.content.as_str()), (alice.id, "what was said stays"));
    }
    clear(&s.store, alice.id).await;
    assert!(watched.try_recv().is_none(), "told once");
}

pub async fn of_many_deletions_of_one_account_at_once_one_begins(s: &Fixture) {
    let alice = with_email("alice");
    s.users.create_user(&alice).await.unwrap();
    let far = s.elsewhere().await;
    let begun = at_once((0..16).map(|n| {
        let store = if n % 2 == 0 { s.store.clone() } else { far.clone() };
        async move { store.deletions.begin_deletion(alice.id, None).await.unwrap() }
    }))
    .await;
    assert_eq!(begun.iter().filter(|begun| begun.is_some()).count(), 1, "{begun:?}");
}

pub async fn who_comes_while_their_account_is_deleted_has_no_session_and_is_no_member(s: &Fixture) {
    let owner = actor("owner");
    let rooms: Vec<RoomId> = {
        let mut rooms = Vec::new();
        for _ in 0..6 {
            rooms.push(room_of(&s.store, &[&owner]).await);
        }
        rooms
    };
    let far = s.elsewhere().await;
    for round in 0..5 {
        let alice = with_email(&format!("alice{round}"));
        s.users.create_user(&alice).await.unwrap();
        join(&s.store, rooms[0], &actor_of(&alice)).await;
        let jobs = (0..13).map(|n: usize| {
            let store = if n.is_multiple_of(2) { s.store.clone() } else { far.clone() };
            let (alice, rooms) = (alice.clone(), rooms.clone());
            async move {
                match n {
                    0 => {
                        store.deletions.begin_deletion(alice.id, None).await.unwrap().unwrap();
                        clear(&store, alice.id).await;
                    }
                    1..6 => drop(store.rooms.join(rooms[n], &actor_of(&alice), Role::Member, MANY).await),
                    6 => drop(store.rooms.create_room(&public_room("x"), &[actor_of(&alice)]).await),
                    7..10 => drop(store.sessions.create_session(&login(alice.id, then()), SESSIONS, None).await),
                    _ => drop(store.users.update_profile(alice.id, &ProfilePatch::default()).await),
                }
            }
        });
        at_once(jobs).await;
        // What the sagas do once more, when nothing is under way.
        clear(&s.store, alice.id).await;
        assert_eq!(s.sessions.sessions(alice.id).await.unwrap(), []);
        assert_eq!(s.rooms.rooms_of(alice.id).await.unwrap(), []);
        for room in &rooms {
            assert_eq!(s.rooms.membership(*room, alice.id).await.unwrap(), None);
            let (_, head) = s.rooms.room(*room).await.unwrap().unwrap();
            assert_eq!(head.members, 1);
        }
        assert_eq!(s.users.user(alice.id).await.unwrap(), None);
        assert_eq!(s.users.user_id_by_name(&alice.username).await.unwrap(), None);
    }
}

pub async fn a_guest_is_idle_who_is_not_connected_and_was_not_seen(s: &Fixture) {
    let names = ["idle", "refreshed", "connected", "left", "young"];
    let guests = names.map(guest);
    let [idle, refreshed, connected, left, young] = &guests;
    let young = UserRecord { created_at: then().after(3 * HOUR), ..young.clone() };
    for user in [idle, refreshed, connected, left, &young, &UserRecord { created_at: then(), ..account("account") }] {
        s.users.create_user(user).await.unwrap();
    }
    s.sessions.create_session(&login(idle.id, then()), SESSIONS, None).await.unwrap();
    s.sessions.create_session(&login(refreshed.id, then().after(2 * HOUR)), SESSIONS, None).await.unwrap();
    let instance = InstanceId::new();
    for user in [connected, left] {
        s.presence.put_device(user.id, &device(instance), &online(user.id, Status::Online)).await.unwrap();
    }
    s.presence.remove_device(left.id, instance, 1, then().after(2 * HOUR), HOUR).await.unwrap();

    let at = |hours: u32| then().after(HOUR * hours);
    let look = async |since: u32| {
        let mut found = s.deletions.idle_guests(at(since), at(since + 24), 9).await.unwrap();
        found.sort();
        found
    };
    let sorted = |users: &[&UserRecord]| {
        let mut ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(s.deletions.idle_guests(then().before(HOUR), then(), 9).await.unwrap(), []);
    assert_eq!(look(1).await, sorted(&[idle]));
    assert_eq!(look(2).await, sorted(&[idle, refreshed, left]));
    assert_eq!(look(3).await, sorted(&[idle, refreshed, left, &young]));
    assert_eq!(s.deletions.idle_guests(at(3), at(27), 2).await.unwrap().len(), 2, "no more than asked for");
    // Days later, still connected.
    assert_eq!(look(80).await, sorted(&[idle, refreshed, left, &young]));
    s.presence.remove_device(connected.id, instance, 1, at(200), HOUR).await.unwrap();
    assert_eq!(look(199).await, sorted(&[idle, refreshed, left, &young]));
    assert_eq!(look(200).await, sorted(&[idle, refreshed, left, &young, connected]));

    assert_eq!(s.deletions.begin_deletion(idle.id, Some(at(1))).await.unwrap().unwrap().len(), 1);
    clear(&s.store, idle.id).await;
    assert_eq!(look(2).await, sorted(&[refreshed, left]));
    s.users.create_user(&guest("idle")).await.unwrap();
}

pub async fn a_guest_who_is_back_stays_and_so_does_an_account(s: &Fixture) {
    let since = then().after(HOUR);
    let begin = async |user: &UserRecord| s.deletions.begin_deletion(user.id, Some(since)).await.unwrap();
    let (member, connected, refreshed, left) =
        (account("member"), guest("connected"), guest("refreshed"), guest("left"));
    let member = UserRecord { created_at: then(), ..member };
    let young = UserRecord { created_at: since.after(Duration::from_millis(1)), ..guest("young") };
    for user in [&member, &connected, &refreshed, &left, &young] {
        s.users.create_user(user).await.unwrap();
    }
    let instance = InstanceId::new();
    let session = login(refreshed.id, then());
    s.sessions.create_session(&session, SESSIONS, None).await.unwrap();
    let expires_at = Timestamp::now().after(HOUR);
    let (presented, family, next) = ([1; 32], [1; 32], [2; 32]);
    let exchange = Exchange { presented, family, next, at: then().after(2 * HOUR), grace: Duration::ZERO, expires_at };
    s.sessions.rotate_refresh(refreshed.id, session.id, &exchange).await.unwrap();
    for user in [&connected, &left] {
        s.presence.put_device(user.id, &device(instance), &online(user.id, Status::Online)).await.unwrap();
    }
    s.presence.remove_device(left.id, instance, 1, then().after(2 * HOUR), HOUR).await.unwrap();
    for user in [&member, &connected, &refreshed, &left, &young] {
        assert_eq!(begin(user).await, None, "{}", user.username);
        assert_eq!(s.users.user(user.id).await.unwrap().as_ref(), Some(user));
    }
    assert!(s.sessions.session(refreshed.id, session.id).await.unwrap().is_some());
    assert_eq!(deletions(&s.store).await, []);
    let since = then().after(2 * HOUR);
    assert_eq!(s.deletions.begin_deletion(left.id, Some(since)).await.unwrap(), Some(Vec::new()));
    assert_eq!(s.deletions.begin_deletion(refreshed.id, Some(since)).await.unwrap(), Some(vec![session.id]));
}
