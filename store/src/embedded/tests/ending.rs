//! A deleted room leaves the disk step by step, and its id is free when nothing can be known of it any more.

use super::{
    keys::{Space, Span},
    kv::{Order, Read},
    messages::reacting,
    *,
};
use crate::{NewInvite, Removal};

/// First bytes of all keys that hold this id, in order.
async fn families_of(engine: &Embedded, room: RoomId) -> String {
    let found = engine.read(move |read| {
        let mut families = String::new();
        for space in [Space::State, Space::Log] {
            let all = Span { space, lo: vec![0], hi: vec![u8::MAX] };
            let keys = read.collect(&all, Order::Ascending, usize::MAX, |key, _| Ok(key.to_vec()))?;
            let of_room = keys.iter().filter(|key| key.windows(16).any(|part| part == room.as_bytes()));
            families.extend(of_room.map(|key| char::from(key[0])));
        }
        Ok(families)
    });
    found.await.unwrap()
}

#[tokio::test]
async fn what_is_left_of_a_deleted_room_goes_with_the_sweep_and_its_id_two_days_later() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Embedded::open(dir.path()).await.unwrap();
    let store = engine.store();
    let people: Vec<Actor> = (0..150).map(|n| actor(&format!("user{n}"))).collect();
    let (alice, bob) = (&people[0], &people[1]);
    let room = record(alice);
    store.rooms.create_room(&room, &people).await.unwrap();
    let id = room.id;
    for seq in 1..=700 {
        let reply_to = (seq > 1).then_some(MessageId { room: id, seq: seq - 1 });
        let mentions = Mentions { users: vec![bob.id], all: seq % 2 == 0 };
        let client_message_id = (seq == 1).then(|| "k".into());
        let message = NewMessage { mentions, reply_to, client_message_id, ..message(id, alice, "x") };
        store.log.append(&message).await.unwrap();
    }
    store.log.react(&reacting(MessageId { room: id, seq: 1 }, bob, "👍")).await.unwrap();
    store.log.delete_message(MessageId { room: id, seq: 4 }, alice, None).await.unwrap();
    let (by, by_role, user) = (alice.clone(), Role::Owner, actor("stranger"));
    store.room_admin.remove_member(&Removal { room: id, by, by_role, user, role: None, ban: true }).await.unwrap();
    let lifetime = Duration::from_secs(60);
    let invite = NewInvite { room: id, by: alice.id, by_role, hash: [1; 32], lifetime, max_uses: None };
    store.invites.put_invite(&invite).await.unwrap();
    store.invites.invite_salt(id).await.unwrap();

    store.room_admin.delete_room(id, alice, Some(Role::Owner)).await.unwrap();
    let now = Timestamp::now();
    store.maintenance.sweep(now).await.unwrap();
    assert_eq!(families_of(&engine, id).await, "GWx", "that it was, and what its authors may ask again");
    store.maintenance.sweep(now.after(Duration::from_secs(47 * 3600))).await.unwrap();
    store.rooms.create_room(&room, &people).await.unwrap();
    assert_eq!(store.rooms.room(id).await.unwrap(), None, "the id is not free");
    store.maintenance.sweep(now.after(Duration::from_secs(73 * 3600))).await.unwrap();
    assert_eq!(families_of(&engine, id).await, "");
    store.rooms.create_room(&room, &people).await.unwrap();
    assert_eq!(store.rooms.room(id).await.unwrap().unwrap().0, room);
}
