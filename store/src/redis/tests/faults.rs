//! What the server's failures are to callers, and what is said of its configuration.

use futures_util::future::join_all;
use redis::cmd;
use rstest::rstest;
use shared::{RoomId, UserId};
use tokio::task::unconstrained;

use super::{
    super::scripts::APPEND,
    bus::message,
    halves::{actor, room, user},
    server::{Kind, Server},
};
use crate::{Health, Level, Presence, RoomLog, Rooms, StoreError, Users};

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_never_an_empty_answer(#[case] kind: Kind) {
    let mut server = Server::start(kind);
    let engine = server.engine().await;
    server.kill();
    let (someone, somewhere) = (UserId::new(), RoomId::new());
    assert!(matches!(engine.user(someone).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(engine.rooms_of(someone).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(engine.presence(&[someone]).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(engine.views(someone, &[somewhere]).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(engine.create_user(&user("ann")).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(engine.check().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_full_server_is_unavailable_and_so_is_one_with_too_few_replicas() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let mut connection = server.connection().await;
    for (name, bad, good) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")] {
        cmd("CONFIG").arg("SET").arg(name).arg(bad).exec_async(&mut connection).await.unwrap();
        let refused = engine.append(&message(&record, &ann, "x")).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{name}: {refused:?}");
        assert!(matches!(engine.check().await, Err(StoreError::Unavailable(_))), "{name}");
        cmd("CONFIG").arg("SET").arg(name).arg(good).exec_async(&mut connection).await.unwrap();
        engine.append(&message(&record, &ann, "x")).await.unwrap();
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_given_them_again(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let mut connection = server.connection().await;
    cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.unwrap();
    engine.append(&message(&record, &ann, "x")).await.unwrap();
    cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.unwrap();
    let views = engine.views(ann.id, &[record.id, RoomId::new()]).await.unwrap();
    assert_eq!((views[0].as_ref().unwrap().head.seq, views[1].is_none()), (1, true));
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn of_appends_that_go_together_each_has_its_own_answer(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, good, bad) = (actor("ann"), room(None), room(None));
    for record in [&good, &bad] {
        engine.create_room(record, std::slice::from_ref(&ann)).await.unwrap();
    }
    let mut connection = server.connection().await;
    cmd("SET").arg(engine.keys.messages(bad.id)).arg("no hash").exec_async(&mut connection).await.unwrap();
    cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.unwrap();
    let appends = (0..40).map(|n| {
        let (engine, ann, record) = (&engine, &ann, if n % 2 == 0 { &good } else { &bad });
        async move { (n, engine.append(&message(record, ann, &n.to_string())).await) }
    });
    let mut seqs = Vec::new();
    for (n, answer) in join_all(appends).await {
        match answer {
            Ok(appended) if n % 2 == 0 => seqs.push(appended.seq),
            Err(StoreError::Unexpected(_)) if n % 2 == 1 => {}
            other => panic!("{n}: {other:?}"),
        }
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=20).collect::<Vec<u64>>(), "each once, though the script had to be loaded");
}

#[tokio::test]
async fn appends_keep_their_order_while_others_remove_and_load_their_script() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    let (mut other, message) = (server.connection().await, message(&record, &ann, &"x".repeat(1000)));
    let meddle = async {
        loop {
            cmd("SCRIPT").arg("FLUSH").exec_async(&mut other).await.unwrap();
            APPEND.load_async(&mut other).await.unwrap();
        }
    };
    let append = async {
        let mut last = 0;
        for _ in 0..20 {
            let appends = (0..200).map(|_| engine.append(&message));
            // Without a budget: they are queued in the order of their first polls.
            for answer in unconstrained(join_all(appends)).await {
                match answer {
                    Ok(appended) => assert!(appended.seq > std::mem::replace(&mut last, appended.seq)),
                    Err(StoreError::Unavailable(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(last > 0);
    };
    tokio::select! {
        () = meddle => {}
        () = append => {}
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_bad_configuration_is_warned_of_and_a_server_that_does_not_tell_is_healthy(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    assert_eq!(engine.check().await.unwrap(), []);
    let mut connection = server.connection().await;
    let set = |name: &str, value: &str| cmd("CONFIG").arg("SET").arg(name).arg(value).to_owned();
    set("appendonly", "no").exec_async(&mut connection).await.unwrap();
    set("maxmemory-policy", "allkeys-lru").exec_async(&mut connection).await.unwrap();
    let warnings = engine.check().await.unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(warnings.iter().map(|found| found.level).collect::<Vec<_>>(), [Level::Warning, Level::Error]);
    assert!(warnings[0].change.contains("appendonly") && warnings[1].what.contains("allkeys-lru"), "{warnings:?}");

    let mut forbid = cmd("ACL");
    forbid.arg("SETUSER").arg("default").arg("-config").arg("-info").arg("-time");
    forbid.exec_async(&mut connection).await.unwrap();
    assert_eq!(engine.check().await.unwrap(), []);
}
