//! What is left of a deleted user: that their id was somebody's.

use shared::InstanceId;

use super::{
    keys::{Space, Span},
    kv::{Order, Read},
    *,
};
use crate::{Device, NotifySettings, Reach, RoomLevel, SocketKind, presence::silent};

/// First bytes of all keys that hold one of these or have a value that does, in order.
async fn families_with(engine: &Embedded, wanted: Vec<Vec<u8>>) -> String {
    let found = engine.read(move |read| {
        let mut families = String::new();
        for space in [Space::State, Space::Log] {
            let all = Span { space, lo: vec![0], hi: vec![u8::MAX] };
            let pairs =
                read.collect(&all, Order::Ascending, usize::MAX, |key, row| Ok((key.to_vec(), row.to_vec())))?;
            let holds = |bytes: &[u8]| wanted.iter().any(|part| bytes.windows(part.len()).any(|at| at == part));
            let found = pairs.iter().filter(|(key, row)| holds(key) || holds(row));
            families.extend(found.map(|(key, _)| char::from(key[0])));
        }
        Ok(families)
    });
    found.await.unwrap()
}

#[tokio::test]
async fn of_a_deleted_user_is_left_that_their_id_was_somebodys() {
    for guest in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let engine = Embedded::open(dir.path()).await.unwrap();
        let store = engine.store();
        let (ann, owner, now) = (actor("annabella"), actor("owner"), Timestamp::now());
        let record = UserRecord { email: Some("annabella@x.org".into()), ..user(&ann, guest) };
        store.users.create_user(&record).await.unwrap();
        let id = room(&store, &owner).await;
        store.rooms.join(id, &ann, Role::Member, 9).await.unwrap();
        store.people.add_contact(ann.id, owner.id, 9).await.unwrap();
        store.people.block(ann.id, UserId::new(), 9).await.unwrap();
        let reach = Reach { off: ["webpush".to_owned()].into(), quiet: None };
        let settings = NotifySettings { reach, rooms: [(id, RoomLevel::Muted)].into() };
        store.notify_preferences.put_notify_settings(ann.id, &settings).await.unwrap();
        let session = SessionRecord {
            id: SessionId::new(),
            user: ann.id,
            refresh_hash: [1; 32],
            family_hash: [0; 32],
            replaced: None,
            created_at: now,
            used_at: now,
            expires_at: now.after(DAY),
            agent: None,
            address: None,
        };
        store.sessions.create_session(&session, 9, None).await.unwrap();
        let item = |n| InboxItem {
            id: NotificationId::new(),
            title: "t".into(),
            body: "b".into(),
            data: None,
            category: None,
            room: None,
            created_at: Timestamp::from_millis(n),
            read_at: None,
        };
        for n in 0..400 {
            store.inboxes.add_to_inbox(ann.id, &item(n), Some(&n.to_string())).await.unwrap();
        }
        store.presence.set_chosen(ann.id, ChosenStatus::Busy, Some("at sea")).await.unwrap();
        let instance = shared::InstanceId::new();
        let device = Device { instance, connection: 1, kind: SocketKind::Chat, focused: None, since: now };
        store.presence.put_device(ann.id, &device, &silent(ann.id)).await.unwrap();

        store.deletions.begin_deletion(ann.id, None).await.unwrap().unwrap();
        store.rooms.leave(id, &ann).await.unwrap();
        store.deletions.clear_deleted(ann.id).await.unwrap();
        // The socket ends after all this.
        store.presence.remove_device(ann.id, instance, 1, now, DAY).await.unwrap();
        assert_eq!(store.presence.due_users(now.after(2 * DAY), DAY, 9).await.unwrap(), []);
        store.deletions.end_deletion(ann.id).await.unwrap();

        let wanted = vec![ann.id.as_bytes().to_vec(), b"annabella".to_vec()];
        assert_eq!(families_with(&engine, wanted).await, "uCC", "and that somebody came and went");
        store.maintenance.close().await.unwrap();
        drop(store);
        drop(engine);
        let store = open(dir.path()).await.unwrap();
        assert_eq!(store.users.user(ann.id).await.unwrap(), None);
        assert!(matches!(store.sessions.create_session(&session, 9, None).await, Err(StoreError::UserNotFound)));
        store.users.create_user(&UserRecord { id: UserId::new(), ..record }).await.unwrap();
    }
}

#[tokio::test]
async fn a_guest_who_looked_offline_is_idle_from_when_they_left_also_after_a_restart() {
    let (dir, now) = (tempfile::tempdir().unwrap(), Timestamp::now());
    let (ann, instance) = (actor("ann"), InstanceId::new());
    let engine = Embedded::open(dir.path()).await.unwrap();
    let store = engine.store();
    let record = UserRecord { created_at: now.before(30 * HOUR), ..user(&ann, true) };
    store.users.create_user(&record).await.unwrap();
    let device = Device { instance, connection: 1, kind: SocketKind::Chat, focused: None, since: record.created_at };
    store.presence.put_device(ann.id, &device, &silent(ann.id)).await.unwrap();
    store.presence.remove_device(ann.id, instance, 1, now.before(2 * HOUR), HOUR).await.unwrap();
    store.maintenance.close().await.unwrap();
    drop((store, engine));

    let store = Embedded::open(dir.path()).await.unwrap().store();
    assert_eq!(store.deletions.idle_guests(now.before(DAY), now, 9).await.unwrap(), []);
    assert_eq!(store.deletions.idle_guests(now.before(HOUR), now, 9).await.unwrap(), [ann.id]);
}
