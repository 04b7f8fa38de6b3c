//! What is left of a deleted user, and deletions, signups and joins whose process died or slept meanwhile.

use std::time::Duration;

use redis::cmd;
use rstest::rstest;
use shared::{InstanceId, NotificationId, RoomId, SessionId, Timestamp, UserId, protocol::Role};

use super::{
    super::{
        Engine,
        intents::{Intent, new_attempt},
    },
    halves::{actor, room, user},
    server::{Kind, Server},
};
use crate::{
    Actor, ChosenStatus, Deletions, Device, InboxItem, Inboxes, Maintenance, People, Presence, Rooms, SessionRecord,
    Sessions, SocketKind, StoreError, UserLog, UserRecord, Users, presence::silent,
};

fn soon() -> Timestamp {
    Timestamp::now().after(Duration::from_secs(11))
}

fn actor_of(user: &UserRecord) -> Actor {
    Actor { id: user.id, username: user.username.clone() }
}

async fn open_room(engine: &Engine) -> RoomId {
    let record = room(None);
    engine.create_room(&record, &[actor("owner")]).await.unwrap();
    record.id
}

async fn clear(engine: &Engine, user: UserId) {
    for room in engine.rooms_of(user).await.unwrap() {
        engine.leave(room, &Actor { id: user, username: "x".into() }).await.unwrap();
    }
    engine.clear_deleted(user).await.unwrap();
}

/// Keys that hold one of these, or have a value that does.
async fn mentioning(server: &Server, wanted: &[String]) -> Vec<String> {
    let mut connection = server.connection().await;
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let mut found = Vec::new();
    for key in keys {
        let dump: Vec<u8> = cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap();
        let text = String::from_utf8_lossy(&dump);
        if wanted.iter().any(|wanted| key.contains(wanted) || text.contains(wanted)) {
            found.push(key);
        }
    }
    found.sort();
    found
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn of_a_deleted_user_is_left_that_their_id_was_somebodys(#[case] kind: Kind, #[values(false, true)] guest: bool) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let ann = UserRecord { guest, ..user("annabella") };
    engine.create_user(&ann).await.unwrap();
    let (room, now) = (open_room(&engine).await, Timestamp::now());
    engine.join(room, &actor_of(&ann), Role::Member, 9).await.unwrap();
    let session = SessionRecord {
        id: SessionId::new(),
        user: ann.id,
        refresh_hash: [1; 32],
        family_hash: [0; 32],
        replaced: None,
        created_at: now,
        used_at: now,
        expires_at: soon(),
        agent: None,
        address: None,
    };
    engine.create_session(&session, 9, None).await.unwrap();
    engine.add_contact(ann.id, UserId::new(), 9).await.unwrap();
    engine.note_read_mark(ann.id, room, 1).await.unwrap();
    let item = InboxItem {
        id: NotificationId::new(),
        title: "t".into(),
        body: "b".into(),
        data: None,
        category: None,
        room: None,
        created_at: now,
        read_at: Some(now),
    };
    engine.add_to_inbox(ann.id, &item, Some("k")).await.unwrap();
    engine.set_chosen(ann.id, ChosenStatus::Busy, Some("at sea")).await.unwrap();
    let instance = InstanceId::new();
    let device = Device { instance, connection: 1, kind: SocketKind::Chat, focused: None, since: now };
    engine.put_device(ann.id, &device, &silent(ann.id)).await.unwrap();

    engine.begin_deletion(ann.id, None).await.unwrap().unwrap();
    clear(&engine, ann.id).await;
    // The socket ends after all this.
    engine.remove_device(ann.id, instance, 1, now, Duration::from_secs(5)).await.unwrap();
    engine.end_deletion(ann.id).await.unwrap();

    let record = engine.keys.user(ann.id);
    // The change that tells of their leaving.
    let changes = engine.keys.changes(room);
    assert_eq!(mentioning(&server, &[ann.id.to_string(), "annabella".into()]).await, [changes, record.clone()]);
    let kept: String = cmd("GET").arg(record).query_async(&mut server.connection().await).await.unwrap();
    assert_eq!(kept, "gone");
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_deletion_that_died_on_either_side_of_the_account_is_begun_by_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob) = (user("ann"), user("bob"));
    for one in [&ann, &bob] {
        engine.create_user(one).await.unwrap();
        let intent = Intent::Close { user: one.id, unseen_since: None };
        engine.record_intent(&intent, Timestamp::now()).await.unwrap();
    }
    engine.close_account(bob.id, None).await.unwrap().unwrap();
    assert_eq!(engine.user(ann.id).await.unwrap(), Some(ann.clone()));
    assert_eq!(engine.deletions(soon(), 9).await.unwrap(), []);
    assert_eq!(engine.sweep(soon()).await.unwrap(), 2);
    let mut begun = engine.deletions(soon(), 9).await.unwrap();
    begun.sort();
    let mut both = [ann.id, bob.id];
    both.sort();
    assert_eq!(begun, both);
    for one in [&ann, &bob] {
        assert_eq!(engine.close_account(one.id, None).await.unwrap(), None, "who slept is late");
        clear(&engine, one.id).await;
        engine.end_deletion(one.id).await.unwrap();
        engine.create_user(&user(&one.username)).await.unwrap();
    }
    assert_eq!(engine.sweep(soon()).await.unwrap(), 0);
    assert_eq!(engine.deletions(soon(), 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_guest_who_is_back_before_the_sweep_stays() {
    let server = Server::start(Kind::Cluster);
    let engine = server.engine().await;
    let ann = UserRecord { guest: true, ..user("ann") };
    engine.create_user(&ann).await.unwrap();
    let since = Some(ann.created_at.after(Duration::from_secs(60)));
    engine.record_intent(&Intent::Close { user: ann.id, unseen_since: since }, Timestamp::now()).await.unwrap();
    let device = Device {
        instance: InstanceId::new(),
        connection: 1,
        kind: SocketKind::Chat,
        focused: None,
        since: Timestamp::now(),
    };
    engine.put_device(ann.id, &device, &silent(ann.id)).await.unwrap();
    assert_eq!(engine.sweep(soon()).await.unwrap(), 1);
    assert_eq!(engine.user(ann.id).await.unwrap(), Some(ann.clone()));
    assert_eq!(engine.close_account(ann.id, since).await.unwrap(), None, "who slept is late");
    assert_eq!(engine.deletions(soon(), 9).await.unwrap(), []);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_signup_that_confirms_after_its_account_was_deleted_takes_no_name(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    for guest in [false, true] {
        let ann = UserRecord { guest, ..user("ann") };
        let _dead = engine.claim_names(&ann, Timestamp::now()).await.unwrap();
        engine.write_user(&ann).await.unwrap();
        engine.begin_deletion(ann.id, None).await.unwrap().unwrap();
        clear(&engine, ann.id).await;
        engine.end_deletion(ann.id).await.unwrap();
        engine.confirm_signup(&ann).await.unwrap();
        assert_eq!(engine.user_id_by_name("ann").await.unwrap(), None);
        assert_eq!(engine.search_users("ann", None, 9).await.unwrap(), []);
        assert_eq!(engine.count_users().await.unwrap(), 0);
        assert_eq!(engine.sweep(soon()).await.unwrap(), 1);
        assert_eq!(mentioning(&server, &[ann.id.to_string()]).await, [engine.keys.user(ann.id)]);
    }
    engine.create_user(&user("ann")).await.unwrap();
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn who_comes_into_a_room_after_their_account_was_deleted_is_taken_out_again(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let ann = user("ann");
    engine.create_user(&ann).await.unwrap();
    let (late, dead) = (open_room(&engine).await, open_room(&engine).await);
    let (finishing, dying) = (new_attempt(), new_attempt());
    let pending = engine.begin_join(ann.id, late, &finishing).await.unwrap();
    let _dead = engine.begin_join(ann.id, dead, &dying).await.unwrap();
    engine.begin_deletion(ann.id, None).await.unwrap().unwrap();
    clear(&engine, ann.id).await;
    let refused = engine.begin_join(ann.id, late, &new_attempt()).await;
    assert!(matches!(refused, Err(StoreError::UserNotFound)));
    for (room, attempt) in [(late, &finishing), (dead, &dying)] {
        engine.join_room(room, &actor_of(&ann), Role::Member, 9, (attempt, None)).await.unwrap();
    }
    engine.finish_membership(ann.id, late, &finishing, true, &pending).await.unwrap();
    assert_eq!(engine.membership(late, ann.id).await.unwrap(), None);
    assert_eq!(engine.sweep(soon()).await.unwrap(), 1);
    assert_eq!(engine.membership(dead, ann.id).await.unwrap(), None);
    assert_eq!(engine.rooms_of(ann.id).await.unwrap(), []);
    clear(&engine, ann.id).await;
    engine.end_deletion(ann.id).await.unwrap();
    let own: Vec<String> = mentioning(&server, &[format!("u:{}", ann.id)]).await;
    assert_eq!(own, [engine.keys.user(ann.id)]);
}
