//! Operations that end half way (their future is dropped, as when a process dies): after a sweep they are done or not
//! done, never half.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use shared::{
    Timestamp, UserId,
    protocol::{Position, Role},
};
use store::{Actor, RoomRecord, Topic, UserChangeBody, UserRecord};

use crate::{
    engine::Fixture,
    support::{
        MANY, account, actor, actors, all_messages, eventually, fails, follow, head, keyed, public_room, room_of,
        user_change, user_log,
    },
};

/// Points at which an operation is cut off: it waits for fewer answers than that, so some are not cut off at all.
const POINTS: u32 = 10;

/// Lets the work go on until it waits for the `nth` time (from 0), drops it there. What it had sent arrives.
async fn cut_off<T>(nth: u32, work: impl Future<Output = T>) {
    let mut work = pin!(work);
    let mut waited = 0;
    poll_fn(|context| {
        if work.as_mut().poll(context).is_pending() && waited < nth {
            waited += 1;
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Lets what was sent before the cut arrive (a write after it comes after it), then sweeps.
async fn sweep(s: &Fixture) {
    s.people.add_contact(UserId::new(), UserId::new(), 9).await.unwrap();
    s.maintenance.sweep(Timestamp::now().after(Duration::from_secs(60))).await.unwrap();
}

pub async fn a_signup_cut_off_leaves_an_account_or_nothing(s: &Fixture) {
    let mut records = Vec::new();
    for n in 0..40 {
        let record = UserRecord { email: Some(format!("user{n}@x.org")), ..account(&format!("user{n}")) };
        let (users, cut) = (s.users.clone(), record.clone());
        cut_off(n % POINTS, async move { users.create_user(&cut).await }).await;
        records.push(record);
    }
    for record in &records {
        let (name, email) = (record.username.as_str(), record.email.as_deref().unwrap());
        eventually("all or nothing", async || {
            sweep(s).await;
            let there = s.users.user(record.id).await.unwrap().is_some();
            let expected = there.then_some(record.id);
            s.users.user_id_by_name(name).await.unwrap() == expected
                && s.users.user_id_by_email(email).await.unwrap() == expected
        })
        .await;
        if s.users.user(record.id).await.unwrap().is_none() {
            // An id of its own, as every signup has: one that was given up may stay given up.
            s.users.create_user(&UserRecord { id: UserId::new(), ..record.clone() }).await.unwrap();
        } else {
            fails!(s.users.create_user(&account(name)).await, UsernameTaken);
        }
    }
    assert_eq!(s.users.count_users().await.unwrap(), 40);
    assert_eq!(s.users.search_users("user", None, 99).await.unwrap().len(), 40);
}

pub async fn a_join_or_leave_cut_off_is_done_or_not_from_both_sides(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let people = actors(40);
    let mut told = Vec::new();
    for (n, person) in (0..40).zip(&people) {
        told.push(follow(&s.store, &[Topic::User(person.id)]).await);
        let (rooms, me) = (s.rooms.clone(), person.clone());
        let leaves = n % 2 == 0;
        if leaves {
            rooms.join(room, &me, Role::Member, MANY).await.unwrap();
        }
        cut_off(n / 2 % POINTS, async move {
            if leaves {
                rooms.leave(room, &me).await.is_ok()
            } else {
                rooms.join(room, &me, Role::Member, MANY).await.is_ok()
            }
        })
        .await;
        eventually("both sides agree", async || {
            sweep(s).await;
            let inside = s.rooms.membership(room, person.id).await.unwrap().is_some();
            s.rooms.rooms_of(person.id).await.unwrap() == if inside { vec![room] } else { vec![] }
        })
        .await;
    }
    let members = s.rooms.members(room, 0, 99).await.unwrap().len() as u64;
    assert_eq!(s.rooms.room(room).await.unwrap().unwrap().1.members, members);
    sweep(s).await;
    for ((n, person), inbox) in (0..40).zip(&people).zip(&mut told) {
        let inside = s.rooms.membership(room, person.id).await.unwrap().is_some();
        let came = (n % 2 == 0 || inside).then_some(UserChangeBody::RoomAdded(room));
        let went = (n % 2 == 0 && !inside).then_some(UserChangeBody::RoomRemoved(room));
        let expected: Vec<_> = came.into_iter().chain(went).collect();
        assert_eq!(noted(s, person).await, expected, "{n}: once, and only what came about");
        for body in expected {
            assert_eq!(user_change(inbox).await, (person.id, body), "{n}: also when another has settled it");
        }
        assert!(inbox.try_recv().is_none(), "{n}");
    }
}

/// What the user's own log says.
async fn noted(s: &Fixture, user: &Actor) -> Vec<UserChangeBody> {
    user_log(&s.store, user.id, Position::BEGINNING).await.into_iter().map(|c| c.body).collect()
}

pub async fn a_room_s_making_cut_off_leaves_a_room_or_nothing(s: &Fixture) {
    for n in 0..40 {
        let people = actors(3);
        let room = RoomRecord { handle: Some(format!("handle{n}")), ..public_room("room") };
        let (rooms, cut, members) = (s.rooms.clone(), room.clone(), people.clone());
        cut_off(n % (POINTS * 2), async move { rooms.create_room(&cut, &members).await }).await;
        eventually("all or nothing", async || {
            sweep(s).await;
            let there = s.rooms.room(room.id).await.unwrap().is_some();
            let by_handle = s.rooms.room_id_by_handle(&format!("HANDLE{n}")).await.unwrap();
            let mut agrees = by_handle == there.then_some(room.id);
            for person in &people {
                let rooms = s.rooms.rooms_of(person.id).await.unwrap();
                agrees &= rooms == if there { vec![room.id] } else { vec![] };
            }
            agrees
        })
        .await;
        if s.rooms.room(room.id).await.unwrap().is_none() {
            s.rooms.create_room(&room, &people).await.unwrap();
        }
        sweep(s).await;
        for person in &people {
            assert_eq!(noted(s, person).await, [UserChangeBody::RoomAdded(room.id)], "{n}: once");
        }
    }
    assert_eq!(s.rooms.public_rooms("room", None, 99).await.unwrap().len(), 40);
}

pub async fn an_append_cut_off_and_repeated_is_one_message(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    for n in 0..60 {
        let new = keyed(room, &alice, &n.to_string(), &n.to_string());
        let (log, cut) = (s.log.clone(), new.clone());
        cut_off(n % 3, async move { log.append(&cut).await }).await;
        let repeated = s.log.append(&new).await.unwrap();
        assert_eq!(repeated.seq, u64::from(n) + 1);
    }
    let contents: Vec<String> = all_messages(&s.store, room).await.into_iter().map(|m| m.content).collect();
    assert_eq!(contents, (0..60).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(head(&s.store, room).await.rev, 61);
}
