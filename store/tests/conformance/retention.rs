//! Retention: what a room no longer keeps goes, a bounded part at a time, and all that is asked goes on across the floor.

use std::time::Duration;

use shared::{
    RoomId, Timestamp,
    protocol::{Position, Retention},
};
use store::{Actor, ChangeBody, NewMessage, PageFrom, RoomRecord, Store, Topic};

use crate::{
    engine::Fixture,
    support::{
        actor, all_changes, all_messages, at_once, counts, edit, fails, follow, giving, head, id, mentions_of, message,
        naming, page, public_room, reply, room_event, room_of, send, send_numbers, seqs, taking, view,
    },
};

/// A room of these members that keeps so many messages, for so many seconds.
async fn keeping(s: &Store, members: &[&Actor], max_messages: Option<u64>, max_age_seconds: Option<u64>) -> RoomId {
    let retention = Some(Retention { max_age_seconds, max_messages });
    let record = RoomRecord { retention, ..public_room("room") };
    let members: Vec<Actor> = members.iter().map(|a| (*a).clone()).collect();
    s.rooms.create_room(&record, &members).await.unwrap();
    assert_eq!(s.rooms.room(record.id).await.unwrap().unwrap().0, record);
    record.id
}

/// Trims until nothing is over; gives how many went.
async fn trim_all(s: &Store, now: Timestamp) -> usize {
    let mut removed = 0;
    loop {
        match s.maintenance.trim(now, 1000).await.unwrap() {
            0 => return removed,
            more => removed += more,
        }
    }
}

async fn floor(s: &Store, room: RoomId) -> u64 {
    s.rooms.room(room).await.unwrap().unwrap().1.floor
}

pub async fn all_but_the_newest_go(s: &Fixture) {
    let alice = actor("alice");
    let (few, one) =
        (keeping(&s.store, &[&alice], Some(4), None).await, keeping(&s.store, &[&alice], Some(1), None).await);
    let all = room_of(&s.store, &[&alice]).await;
    for room in [few, one, all] {
        send_numbers(&s.store, room, &alice, 10).await;
    }
    s.log.delete_message(id(few, 8), &alice, None).await.unwrap();
    let now = Timestamp::now();
    assert_eq!(trim_all(&s.store, now).await, 6 + 9);
    let kept = async |room| seqs(&s.store, room, page(PageFrom::After(0), 50)).await.0;
    assert_eq!((kept(few).await, floor(&s.store, few).await), (vec![7, 8, 9, 10], 6), "a deleted one counts too");
    assert_eq!((kept(one).await, floor(&s.store, one).await), (vec![10], 9));
    assert_eq!((kept(all).await.len(), floor(&s.store, all).await), (10, 0), "without retention all stay");
    assert_eq!(trim_all(&s.store, now.after(Duration::from_secs(1 << 32))).await, 0, "age is not their limit");
    assert_eq!(send(&s.store, few, &alice, "11").await.seq, 11, "numbers go on");
    assert_eq!(kept(few).await, [7, 8, 9, 10, 11], "until the next time");
    assert_eq!(trim_all(&s.store, now).await, 1);
    assert_eq!(kept(few).await, [8, 9, 10, 11]);
}

pub async fn what_is_too_old_goes(s: &Fixture) {
    let alice = actor("alice");
    let aged = keeping(&s.store, &[&alice], None, Some(60)).await;
    let either = keeping(&s.store, &[&alice], Some(3), Some(3600)).await;
    send_numbers(&s.store, aged, &alice, 5).await;
    send_numbers(&s.store, either, &alice, 5).await;
    let first = message(&s.store, aged, 1).await.at;
    let last = message(&s.store, aged, 5).await.at;
    let second = Duration::from_secs(1);
    assert_eq!(trim_all(&s.store, first.after(60 * second)).await, 2, "what is just old enough stays");
    assert_eq!((floor(&s.store, aged).await, floor(&s.store, either).await), (0, 2), "by number only");
    assert_eq!(trim_all(&s.store, last.after(61 * second)).await, 5);
    assert_eq!((floor(&s.store, aged).await, floor(&s.store, either).await), (5, 2));
    assert_eq!(all_messages(&s.store, aged).await, []);
    assert_eq!(view(&s.store, aged, &alice).await.last_message, None);
    assert_eq!(trim_all(&s.store, last.after(7200 * second)).await, 3, "either limit is enough");
    assert_eq!(trim_all(&s.store, first).await, 0, "the floor does not go back");
    assert_eq!(floor(&s.store, either).await, 5);
    assert_eq!(send(&s.store, aged, &alice, "new").await.seq, 6);
    assert_eq!(all_messages(&s.store, aged).await.len(), 1);
}

pub async fn one_call_removes_about_so_many_and_no_more(s: &Fixture) {
    let alice = actor("alice");
    let mut rooms = Vec::new();
    for count in [92, 22, 22, 22, 2] {
        let room = keeping(&s.store, &[&alice], Some(2), None).await;
        send_numbers(&s.store, room, &alice, count).await;
        rooms.push(room);
    }
    let (now, mut removed, mut calls) = (Timestamp::now(), 0, 0);
    loop {
        let more = s.maintenance.trim(now, 20).await.unwrap();
        assert!(more <= 40, "{more} are not about 20");
        let mut gone = 0;
        for room in &rooms {
            gone += floor(&s.store, *room).await as usize;
        }
        removed += more;
        calls += 1;
        assert_eq!(removed, gone, "it says how many it were");
        if more == 0 {
            break;
        }
    }
    assert_eq!(removed, 150);
    assert!(calls > 4, "{calls} calls");
    let gone = at_once((0..6).map(|i| {
        let (store, room, alice) = (s.store.clone(), rooms[i % 5], alice.clone());
        async move {
            send_numbers(&store, room, &alice, 10).await;
            trim_all(&store, Timestamp::now()).await
        }
    }))
    .await;
    let after: usize = gone.into_iter().sum::<usize>() + trim_all(&s.store, Timestamp::now()).await;
    assert_eq!(after, 60, "many at once remove each once");
    for room in rooms {
        let (_, head) = s.rooms.room(room).await.unwrap().unwrap();
        assert_eq!(head.floor, head.seq - 2);
        assert_eq!(all_messages(&s.store, room).await.len(), 2);
    }
}

pub async fn counts_and_pages_go_on_across_the_floor(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = keeping(&s.store, &[&alice, &bob], Some(4), None).await;
    for n in 1..=10_u64 {
        let named = if n % 2 == 0 { mentions_of(&[&bob]) } else { store::Mentions { all: n == 7, users: vec![] } };
        s.log.append(&NewMessage { mentions: named, ..naming(room, &alice, &n.to_string(), &[]) }).await.unwrap();
    }
    for gone in [3, 4, 9] {
        s.log.delete_message(id(room, gone), &alice, None).await.unwrap();
    }
    s.log.mark_read(room, bob.id, 1).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (6, 5));
    let before = view(&s.store, room, &bob).await;
    assert_eq!(trim_all(&s.store, Timestamp::now()).await, 6);
    let after = view(&s.store, room, &bob).await;
    assert_eq!((after.unread, after.mentions), (3, 3), "7, 8 and 10");
    assert_eq!(counts(&s.store, room, &bob).await, (3, 3));
    assert_eq!((after.read_seq, after.last_message), (before.read_seq, before.last_message));
    assert_eq!(after.head.position(), before.head.position(), "trimming is no change");
    let down = async |from| seqs(&s.store, room, page(from, 3)).await;
    assert_eq!(down(PageFrom::Newest).await, (vec![10, 9, 8], true));
    assert_eq!(down(PageFrom::Before(8)).await, (vec![7], false), "what is gone is not more");
    assert_eq!(down(PageFrom::Before(7)).await, (vec![], false));
    assert_eq!(down(PageFrom::After(0)).await, (vec![7, 8, 9], true));
    assert_eq!(down(PageFrom::After(5)).await, (vec![7, 8, 9], true));
    s.log.mark_read(room, bob.id, 3).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (3, 3), "a mark below the floor");
    s.log.mark_read(room, bob.id, 7).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (2, 2));
    s.log.append(&naming(room, &alice, "11", &[&bob])).await.unwrap();
    s.log.delete_message(id(room, 8), &alice, None).await.unwrap();
    trim_all(&s.store, Timestamp::now()).await;
    assert_eq!(counts(&s.store, room, &bob).await, (2, 2), "10 and 11");
}

pub async fn a_message_that_is_gone_is_not_there(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = keeping(&s.store, &[&alice, &bob], Some(3), None).await;
    send_numbers(&s.store, room, &alice, 2).await;
    s.log.react(&giving(id(room, 1), &bob, "a")).await.unwrap();
    for n in 3..=6 {
        s.log.append(&reply(id(room, 1), &alice, &n.to_string())).await.unwrap();
    }
    trim_all(&s.store, Timestamp::now()).await;
    let before = head(&s.store, room).await;
    for seq in 1..=3 {
        let gone = id(room, seq);
        assert_eq!(s.log.message(gone).await.unwrap(), None);
        fails!(s.log.edit_message(&edit(gone, &alice, "x")).await, MessageNotFound);
        fails!(s.log.delete_message(gone, &alice, None).await, MessageNotFound);
        fails!(s.log.react(&giving(gone, &bob, "b")).await, MessageNotFound);
        fails!(s.log.react(&taking(gone, &bob, "a")).await, MessageNotFound);
    }
    assert_eq!(s.log.reacted(room, bob.id, &[1, 2, 3]).await.unwrap(), []);
    assert_eq!(s.log.replies(id(room, 1), 0, 9, 1000).await.unwrap(), (vec![], false));
    assert_eq!(head(&s.store, room).await, before);
    assert_eq!(message(&s.store, room, 4).await.reply_to, Some(id(room, 1)), "what was said stays as it was");
    s.log.delete_message(id(room, 4), &alice, None).await.unwrap();
    let late = s.log.append(&reply(id(room, 1), &alice, "7")).await.unwrap();
    assert_eq!((late.seq, message(&s.store, room, 7).await.reply_to), (7, Some(id(room, 1))));
    assert_eq!(s.log.replies(id(room, 1), 0, 9, 1000).await.unwrap(), (vec![], false));
}

pub async fn who_resumes_across_the_floor_gets_every_change(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = keeping(&s.store, &[&alice, &bob], Some(2), None).await;
    let start = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    send_numbers(&s.store, room, &alice, 3).await;
    s.log.edit_message(&edit(id(room, 1), &alice, "edited")).await.unwrap();
    s.log.edit_message(&edit(id(room, 3), &alice, "edited")).await.unwrap();
    s.log.react(&giving(id(room, 1), &bob, "a")).await.unwrap();
    s.log.react(&giving(id(room, 3), &bob, "b")).await.unwrap();
    s.log.delete_message(id(room, 2), &alice, None).await.unwrap();
    send(&s.store, room, &alice, "4").await;
    let live = all_changes(&s.store, room, start).await;
    assert_eq!(trim_all(&s.store, Timestamp::now()).await, 2);
    let told = all_changes(&s.store, room, start).await;
    assert_eq!(told.len(), live.len());
    let gone = |seq| ChangeBody::Deleted { seq };
    for (i, (now, then)) in told.iter().zip(&live).enumerate() {
        assert_eq!((now.rev, now.event_id, now.at, now.user), (then.rev, then.event_id, then.at, then.user));
        let expected = match i {
            0 | 3 => gone(1),
            1 => gone(2),
            5 => ChangeBody::Reacted { seq: 1, emoji: "a".into(), added: true, count: 0 },
            _ => then.body.clone(),
        };
        assert_eq!(now.body, expected, "change {i}");
        assert_eq!(room_event(&mut inbox).await.change.rev, start.rev + 1 + i as u64);
    }
    assert!(inbox.try_recv().is_none(), "trimming is told to nobody");
    for from in &told {
        let after = Position { rev: from.rev, event_id: from.event_id };
        let rest = all_changes(&s.store, room, after).await;
        assert_eq!(rest, told[(from.rev - start.rev) as usize..], "from any position that was told");
    }
}
