//! Work that a dead process left half done: readers settle it from the truth, the sweep leaves nothing of it.

use std::time::Duration;

use redis::cmd;
use rstest::rstest;
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Role, RoomType},
};

use super::{
    super::{
        Engine,
        codec::json,
        intents::{Intent, new_attempt},
    },
    server::{Kind, Server},
};
use crate::{Actor, Maintenance, RoomAdmin, RoomPatch, RoomRecord, RoomUpdate, Rooms, StoreError, UserRecord, Users};

pub(super) fn user(name: &str) -> UserRecord {
    UserRecord {
        id: UserId::new(),
        username: name.into(),
        display_name: name.into(),
        email: Some(format!("{name}@example.org")),
        email_verified: false,
        password_hash: None,
        avatar_url: None,
        bio: None,
        created_at: Timestamp::from_millis(1_700_000_000_000),
        guest: false,
    }
}

pub(super) fn actor(name: &str) -> Actor {
    Actor { id: UserId::new(), username: name.into() }
}

pub(super) fn room(handle: Option<&str>) -> RoomRecord {
    RoomRecord {
        id: RoomId::new(),
        handle: handle.map(Into::into),
        name: Some("Room".into()),
        description: None,
        kind: RoomType::Public,
        created_by: UserId::new(),
        created_at: Timestamp::from_millis(1_700_000_000_000),
        history_visibility: HistoryVisibility::All,
        retention: None,
        asked: None,
    }
}

async fn later(engine: &Engine) -> usize {
    engine.sweep(Timestamp::now().after(Duration::from_secs(11))).await.unwrap()
}

/// No intent is left, at users or in the sorted sets, nor a claim that is pending.
async fn assert_nothing_pending(server: &Server) {
    let mut connection = server.connection().await;
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    for key in &keys {
        assert!(!key.contains("intents"), "{key}");
        if key.starts_with("test:name:") || key.starts_with("test:email:") || key.starts_with("test:handle:") {
            let claim: String = cmd("GET").arg(key).query_async(&mut connection).await.unwrap();
            assert!(claim.starts_with("confirmed "), "{key}: {claim}");
        }
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_signup_that_died_before_its_record_is_unknown_and_its_names_are_free_after_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let ann = user("Ann");
    let _dead = engine.claim_names(&ann, Timestamp::now()).await.unwrap();

    assert_eq!(engine.user_id_by_name("ann").await.unwrap(), None);
    assert_eq!(engine.user_id_by_email("ANN@example.org").await.unwrap(), None);
    assert!(matches!(engine.create_user(&user("ann")).await, Err(StoreError::UsernameTaken)));
    assert_eq!(engine.sweep(Timestamp::now()).await.unwrap(), 0, "too young");
    assert_eq!(later(&engine).await, 1);
    assert_nothing_pending(&server).await;

    // Who slept so long cannot finish any more, so the name has one owner.
    assert!(matches!(engine.write_user(&ann).await, Err(StoreError::Unavailable(_))));
    let second = user("ann");
    engine.create_user(&second).await.unwrap();
    assert_eq!(engine.user_id_by_name("Ann").await.unwrap(), Some(second.id));
    assert_eq!(engine.user(ann.id).await.unwrap(), None);
    assert_eq!(engine.count_users().await.unwrap(), 1);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_signup_that_died_after_its_record_is_settled_by_a_look_up_and_by_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob) = (user("ann"), user("bob"));
    for one in [&ann, &bob] {
        let _dead = engine.claim_names(one, Timestamp::now()).await.unwrap();
        engine.write_user(one).await.unwrap();
    }
    assert_eq!(engine.user_id_by_name("ANN").await.unwrap(), Some(ann.id));
    assert_eq!(engine.search_users("an", None, 10).await.unwrap(), [ann.id], "the look-up indexed her");
    assert_eq!(later(&engine).await, 2);
    assert_eq!(engine.search_users("", None, 10).await.unwrap(), [ann.id, bob.id]);
    assert_eq!(engine.count_users().await.unwrap(), 2);
    assert_nothing_pending(&server).await;
    assert!(matches!(engine.create_user(&user("BOB")).await, Err(StoreError::UsernameTaken)));
}

#[tokio::test]
async fn a_signup_whose_address_is_taken_leaves_its_name_free() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    engine.create_user(&user("ann")).await.unwrap();
    let other = UserRecord { email: Some("ANN@example.org".into()), ..user("bob") };
    assert!(matches!(engine.create_user(&other).await, Err(StoreError::EmailTaken)));
    assert_nothing_pending(&server).await;
    engine.create_user(&user("bob")).await.unwrap();
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_room_that_died_before_it_was_made_is_unknown_and_its_handle_free_after_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (owner, record, attempt) = (actor("ann"), room(Some("lobby")), new_attempt());
    let members = [owner.clone()];
    let _dead = engine.begin_create(&record, &members, &attempt, Timestamp::now()).await.unwrap();

    assert_eq!(engine.room_id_by_handle("lobby").await.unwrap(), None);
    assert_eq!(engine.rooms_of(owner.id).await.unwrap(), []);
    assert!(matches!(engine.create_room(&room(Some("Lobby")), &members).await, Err(StoreError::HandleTaken)));
    assert_eq!(later(&engine).await, 2, "the room and its one member");
    assert_nothing_pending(&server).await;

    assert!(matches!(engine.write_room(&record, &members, &attempt).await, Err(StoreError::Unavailable(_))));
    let second = room(Some("Lobby"));
    engine.create_room(&second, &members).await.unwrap();
    assert_eq!(engine.room_id_by_handle("LOBBY").await.unwrap(), Some(second.id));
    assert_eq!(engine.room(record.id).await.unwrap(), None);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_room_that_died_after_it_was_made_is_settled_by_readers_and_by_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (members, record, attempt) = ([actor("ann"), actor("bob")], room(Some("lobby")), new_attempt());
    let _dead = engine.begin_create(&record, &members, &attempt, Timestamp::now()).await.unwrap();
    assert!(engine.write_room(&record, &members, &attempt).await.unwrap());

    assert_eq!(engine.room_id_by_handle("lobby").await.unwrap(), Some(record.id));
    for member in &members {
        assert_eq!(engine.rooms_of(member.id).await.unwrap(), [record.id]);
    }
    assert_eq!(later(&engine).await, 3);
    assert_nothing_pending(&server).await;
    for member in &members {
        assert_eq!(engine.rooms_of(member.id).await.unwrap(), [record.id]);
    }
    assert_eq!(engine.public_rooms("roo", None, 10).await.unwrap(), [record.id]);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_join_or_leave_that_died_on_either_side_of_the_room_is_settled_from_the_room(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (owner, bob, record) = (actor("ann"), actor("bob"), room(None));
    engine.create_room(&record, std::slice::from_ref(&owner)).await.unwrap();

    let before = new_attempt();
    let _dead = engine.begin_membership(bob.id, record.id, &before).await.unwrap();
    assert_eq!(engine.rooms_of(bob.id).await.unwrap(), []);
    assert_eq!(later(&engine).await, 1);
    assert_nothing_pending(&server).await;
    let late = engine.join_room(record.id, &bob, Role::Member, 9, (&before, None)).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");

    let joining = new_attempt();
    let _dead = engine.begin_membership(bob.id, record.id, &joining).await.unwrap();
    engine.join_room(record.id, &bob, Role::Member, 9, (&joining, None)).await.unwrap();
    assert_eq!(engine.rooms_of(bob.id).await.unwrap(), [record.id]);
    assert_eq!(later(&engine).await, 1);
    assert_nothing_pending(&server).await;
    assert_eq!(engine.rooms_of(bob.id).await.unwrap(), [record.id]);

    let leaving = new_attempt();
    let _dead = engine.begin_membership(bob.id, record.id, &leaving).await.unwrap();
    assert_eq!(engine.rooms_of(bob.id).await.unwrap(), [record.id], "the room still has him");
    engine.leave_room(record.id, &bob, &leaving, None).await.unwrap();
    assert_eq!(engine.rooms_of(bob.id).await.unwrap(), []);
    assert_eq!(later(&engine).await, 1);
    assert_nothing_pending(&server).await;
    assert_eq!(engine.rooms_of(bob.id).await.unwrap(), []);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_deletion_that_died_on_either_side_of_the_room_leaves_its_names_with_it_or_free(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(Some("lobby")));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let intent = |attempt: &str| Intent::Delete {
        room: record.id,
        attempt: attempt.into(),
        handle: Some("lobby".into()),
        name: Some("room".into()),
    };
    let before = new_attempt();
    let _dead = engine.record_intent(&intent(&before), Timestamp::now()).await.unwrap();
    assert_eq!(later(&engine).await, 1);
    assert_eq!(engine.room_id_by_handle("lobby").await.unwrap(), Some(record.id));
    assert_eq!(engine.public_rooms("", None, 9).await.unwrap(), [record.id]);
    let text = engine.record_text(record.id).await.unwrap().unwrap();
    let late = engine.delete_here((record.id, &text), &ann, Role::Owner, &before).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");

    let attempt = new_attempt();
    let _dead = engine.record_intent(&intent(&attempt), Timestamp::now()).await.unwrap();
    assert!(!engine.delete_here((record.id, "{}"), &ann, Role::Owner, &attempt).await.unwrap(), "another record");
    assert!(engine.delete_here((record.id, &text), &ann, Role::Owner, &attempt).await.unwrap());
    assert_eq!(engine.room(record.id).await.unwrap(), None);
    assert_eq!(later(&engine).await, 1);
    assert_eq!(engine.room_id_by_handle("lobby").await.unwrap(), None);
    assert_eq!(engine.public_rooms("", None, 9).await.unwrap(), []);
    assert_eq!(engine.rooms_of(ann.id).await.unwrap(), []);
    assert_nothing_pending(&server).await;
    engine.create_room(&room(Some("lobby")), std::slice::from_ref(&ann)).await.unwrap();
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_room_deleted_before_its_making_is_done_leaves_its_handle_free(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(Some("lobby")));
    let (attempt, members) = (new_attempt(), [ann.clone()]);
    let pending = engine.begin_create(&record, &members, &attempt, Timestamp::now()).await.unwrap();
    assert!(engine.write_room(&record, &members, &attempt).await.unwrap());
    // Its owner finds it already.
    engine.delete_room(record.id, &ann, Role::Owner).await.unwrap();
    assert_eq!(engine.room_id_by_handle("lobby").await.unwrap(), None);
    engine.confirm_create(record.id, Some(&record), record.handle.as_deref()).await.unwrap();
    assert_eq!(engine.room_id_by_handle("lobby").await.unwrap(), None);
    assert_eq!(engine.public_rooms("", None, 9).await.unwrap(), []);
    for intent in &pending {
        engine.forget_intent(intent).await.unwrap();
    }
    engine.create_room(&room(Some("lobby")), &members).await.unwrap();
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_renaming_that_died_leaves_the_room_under_the_name_it_has(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let names = vec!["room".to_owned(), "cake".to_owned()];
    let (patch, by_role) = (RoomPatch { name: Some("Cake".into()), ..RoomPatch::default() }, Role::Owner);
    let update = RoomUpdate { room: record.id, by: ann, by_role, patch };
    let text = json(&record).unwrap();
    let now = update.patch.applied(&record);
    let before = new_attempt();
    let intent = Intent::Rename { room: record.id, attempt: before.clone(), names: names.clone() };
    let _dead = engine.record_intent(&intent, Timestamp::now()).await.unwrap();
    assert_eq!(later(&engine).await, 1);
    assert_eq!(engine.public_rooms("room", None, 9).await.unwrap(), [record.id]);
    assert_eq!(engine.public_rooms("cake", None, 9).await.unwrap(), []);
    let late = engine.write_update(&update, (&text, &now), &before).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");

    let attempt = new_attempt();
    let intent = Intent::Rename { room: record.id, attempt: attempt.clone(), names };
    let _dead = engine.record_intent(&intent, Timestamp::now()).await.unwrap();
    assert!(engine.write_update(&update, (&text, &now), &attempt).await.unwrap());
    assert_eq!(later(&engine).await, 1);
    assert_eq!(engine.public_rooms("room", None, 9).await.unwrap(), []);
    assert_eq!(engine.public_rooms("cake", None, 9).await.unwrap(), [record.id]);
    assert_nothing_pending(&server).await;
}

#[tokio::test]
async fn an_earlier_attempt_that_confirms_late_does_not_undo_a_later_one() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (owner, bob, record) = (actor("ann"), actor("bob"), room(None));
    engine.create_room(&record, std::slice::from_ref(&owner)).await.unwrap();
    let joining = new_attempt();
    let pending = engine.begin_membership(bob.id, record.id, &joining).await.unwrap();
    engine.join_room(record.id, &bob, Role::Member, 9, (&joining, None)).await.unwrap();
    engine.leave(record.id, &bob).await.unwrap();
    engine.finish_membership(bob.id, record.id, &joining, true, &pending).await.unwrap();
    assert_eq!(engine.rooms_of(bob.id).await.unwrap(), []);
    assert_nothing_pending(&server).await;
}
