//! Work that a dead process left half done: readers settle it from the truth, the sweep leaves nothing of it.

use std::time::Duration;

use redis::cmd;
use rstest::rstest;
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, MessageType, Role, RoomType},
};

use super::{
    super::{
        Engine,
        codec::json,
        intents::{Intent, new_attempt},
        people::Change,
        requests::{Op, Step},
    },
    server::{Kind, Server},
};
use crate::{
    Actor, Asked, Maintenance, Mentions, Most, NewMessage, People, RoomAdmin, RoomLog, RoomPatch, RoomRecord,
    RoomUpdate, Rooms, StoreError, UserRecord, Users,
};

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
        administrator: false,
        banned_at: None,
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
        if key.starts_with("test:name:")
            || key.starts_with("test:email:")
            || key.starts_with("test:handle:")
            || key.starts_with("test:external:")
        {
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

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_user_of_another_product_whose_making_died_is_made_by_the_next_or_was_made(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob) = (user("ann"), user("bob"));
    for (one, external) in [(&ann, [1; 32]), (&bob, [2; 32])] {
        engine.claim_external(one, &external, Timestamp::now()).await.unwrap().unwrap();
    }
    engine.write_user(&bob).await.unwrap();
    assert_eq!(engine.user_id_by_external(&[2; 32]).await.unwrap(), Some(bob.id), "the look-up settles it");
    let second = user("ann");
    assert!(matches!(engine.provision_user(&second, &[1; 32]).await, Err(StoreError::Unavailable(_))), "not yet");
    assert_eq!(later(&engine).await, 2);
    assert_nothing_pending(&server).await;
    assert_eq!(engine.provision_user(&second, &[1; 32]).await.unwrap(), second.id);
    assert!(matches!(engine.write_user(&ann).await, Err(StoreError::Unavailable(_))), "who slept so long");
    assert_eq!(engine.provision_user(&user("x"), &[2; 32]).await.unwrap(), bob.id);
    let cat = user("cat");
    engine.claim_external(&cat, &[3; 32], Timestamp::now()).await.unwrap().unwrap();
    engine.write_user(&cat).await.unwrap();
    assert_eq!(later(&engine).await, 1, "the sweep settles it");
    assert_nothing_pending(&server).await;
    assert_eq!(engine.user_id_by_external(&[3; 32]).await.unwrap(), Some(cat.id));
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
    let late = engine.delete_here((record.id, &text), &ann, Some(Role::Owner), &before).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");

    let attempt = new_attempt();
    let _dead = engine.record_intent(&intent(&attempt), Timestamp::now()).await.unwrap();
    assert!(!engine.delete_here((record.id, "{}"), &ann, Some(Role::Owner), &attempt).await.unwrap(), "another record");
    assert!(engine.delete_here((record.id, &text), &ann, Some(Role::Owner), &attempt).await.unwrap());
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
    engine.delete_room(record.id, &ann, Some(Role::Owner)).await.unwrap();
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

/// Is what he says in the room refused because one of its two blocks the other?
async fn is_blocked(engine: &Engine, room: RoomId, author: &Actor) -> bool {
    let message = NewMessage {
        room,
        author: author.clone(),
        kind: MessageType::Text,
        content: "hello?".into(),
        client_message_id: None,
        reply_to: None,
        mentions: Mentions::default(),
        attachments: Vec::new(),
        notify_after: Duration::ZERO,
    };
    match engine.append(&message).await {
        Ok(_) => false,
        Err(StoreError::Blocked) => true,
        Err(other) => panic!("{other:?}"),
    }
}

fn direct(a: &Actor, b: &Actor) -> RoomRecord {
    RoomRecord { id: RoomId::direct(a.id, b.id), name: None, kind: RoomType::Direct, ..room(None) }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_block_that_died_between_list_and_room_is_finished_by_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob) = (actor("ann"), actor("bob"));
    let record = direct(&ann, &bob);
    engine.create_room(&record, &[ann.clone(), bob.clone()]).await.unwrap();
    for (change, blocked) in [(Change::Add(9), true), (Change::Remove, false)] {
        let attempt = new_attempt();
        let intent = Intent::Block { user: ann.id, other: bob.id, attempt: attempt.clone() };
        let _dead = engine.record_intent(&intent, Timestamp::now()).await.unwrap();
        engine.write_block(ann.id, bob.id, change).await.unwrap();
        assert_eq!(is_blocked(&engine, record.id, &bob).await, !blocked, "the room has not followed");
        assert_eq!(later(&engine).await, 1);
        assert_nothing_pending(&server).await;
        assert_eq!(is_blocked(&engine, record.id, &bob).await, blocked);
        // Who slept so long cannot write what they saw then.
        let late = engine.settle_blocked([ann.id, bob.id], &attempt).await;
        assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    }
    assert!(matches!(engine.block(ann.id, bob.id, 0).await, Err(StoreError::TooManyPeople)));
    assert_nothing_pending(&server).await;
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_direct_room_that_died_after_it_was_made_is_blocked_by_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let members = [actor("ann"), actor("bob")];
    let (record, attempt) = (direct(&members[0], &members[1]), new_attempt());
    engine.block(members[1].id, members[0].id, 9).await.unwrap();
    let _dead = engine.begin_create(&record, &members, &attempt, Timestamp::now()).await.unwrap();
    assert!(engine.write_room(&record, &members, &attempt).await.unwrap());
    assert!(!is_blocked(&engine, record.id, &members[0]).await, "it has not come to it");
    assert_eq!(later(&engine).await, 3);
    assert_nothing_pending(&server).await;
    assert!(is_blocked(&engine, record.id, &members[0]).await);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn who_looked_at_blocks_before_they_changed_does_not_undo_what_followed(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob) = (actor("ann"), actor("bob"));
    let record = direct(&ann, &bob);
    engine.create_room(&record, &[ann.clone(), bob.clone()]).await.unwrap();
    for blocked in [true, false] {
        match blocked {
            true => engine.block(ann.id, bob.id, 9).await.unwrap(),
            false => engine.unblock(ann.id, bob.id).await.unwrap(),
        }
        engine.settle_blocked_as([bob.id, ann.id], !blocked, &new_attempt()).await.unwrap();
        assert_eq!(is_blocked(&engine, record.id, &bob).await, blocked);
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_request_that_died_between_the_two_is_taken_back_or_finished_by_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob, most) = (UserId::new(), UserId::new(), Most { contacts: 9, requests: 9 });
    let dead = async || {
        let intent = Intent::Request { user: ann, other: bob };
        engine.record_intent(&intent, Timestamp::now()).await.unwrap();
    };
    let ask = async || engine.request_step(ann, bob, Op::Ask(most, false)).await.unwrap();
    let swept = async || {
        assert_eq!(later(&engine).await, 1);
        assert_nothing_pending(&server).await;
        let [of_ann, of_bob] = [engine.requests(ann).await.unwrap(), engine.requests(bob).await.unwrap()];
        (of_ann.outgoing.len(), of_bob.incoming.len())
    };
    // Asked, and not delivered.
    dead().await;
    ask().await;
    assert_eq!(swept().await, (0, 0));
    // Delivered.
    dead().await;
    assert_eq!(engine.ask_contact(ann, bob, most).await.unwrap(), Asked::Pending);
    dead().await;
    assert_eq!(swept().await, (1, 1));
    // Taken back on her side alone; declined on hers alone, which is done first.
    dead().await;
    engine.request_step(ann, bob, Op::Drop(u64::MAX >> 1)).await.unwrap();
    assert_eq!(swept().await, (0, 0));
    // Accepted on his side alone.
    engine.ask_contact(ann, bob, most).await.unwrap();
    dead().await;
    assert_eq!(engine.request_step(bob, ann, Op::Ask(most, false)).await.unwrap(), Step::Contact);
    assert_eq!(engine.contacts(ann).await.unwrap(), []);
    assert_eq!(swept().await, (0, 0));
    assert_eq!([engine.contacts(ann).await.unwrap(), engine.contacts(bob).await.unwrap()], [vec![bob], vec![ann]]);
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_block_that_died_before_it_came_to_what_waits_is_finished_by_the_sweep(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob, most) = (UserId::new(), UserId::new(), Most { contacts: 9, requests: 9 });
    engine.ask_contact(bob, ann, most).await.unwrap();
    let intent = Intent::Block { user: ann, other: bob, attempt: new_attempt() };
    let _dead = engine.record_intent(&intent, Timestamp::now()).await.unwrap();
    engine.write_block(ann, bob, Change::Add(9)).await.unwrap();
    assert_eq!(later(&engine).await, 1);
    assert_nothing_pending(&server).await;
    assert_eq!(engine.requests(ann).await.unwrap().incoming, []);
    assert_eq!(engine.requests(bob).await.unwrap().outgoing, [ann], "he does not learn of it");
}

#[tokio::test]
async fn an_earlier_request_that_is_delivered_or_lost_late_does_not_undo_a_later_one() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (ann, bob, most) = (UserId::new(), UserId::new(), Most { contacts: 9, requests: 9 });
    let ask = async || match engine.request_step(ann, bob, Op::Ask(most, false)).await.unwrap() {
        Step::Pending { token, .. } => token,
        other => panic!("{other:?}"),
    };
    let first = ask().await;
    engine.drop_requests(ann, bob).await.unwrap();
    engine.ask_contact(ann, bob, most).await.unwrap();
    engine.request_step(bob, ann, Op::Deliver(first, most)).await.unwrap();
    engine.request_step(bob, ann, Op::Lose(first)).await.unwrap();
    assert_eq!(engine.requests(bob).await.unwrap().incoming, [ann]);
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
