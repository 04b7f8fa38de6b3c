//! Applications that read their events slowly, or not at all.

use std::time::Duration;

use client::{Disconnect, Event, protocol::ServerFrame};

use crate::support::{next, next_rev, options, position, resuming, room, synced};

#[tokio::test]
async fn an_application_that_fell_behind_gets_the_rest_from_where_it_stopped() {
    let options = client::Options { event_queue: 4, event_patience: Duration::from_millis(50), ..options() };
    let (server, mut peer, chat, mut events) = synced(0, options).await;
    for rev in 1..=10 {
        peer.message(room(), rev).await;
    }
    // Nobody reads events; the reply comes all the same, and with it the client is known to be behind.
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
    // Now there is room for one, but it would come after a hole.
    let mut told = vec![next_rev(&mut events).await];
    peer.message(room(), 11).await;
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
    while told.len() < 4 {
        told.push(next_rev(&mut events).await);
    }
    let event = next(&mut events).await;
    assert!(matches!(event, Event::Disconnected { reason: Disconnect::Behind, .. }), "{event:?}");
    let (mut peer, resume) = resuming(&server).await;
    assert_eq!(resume["payload"]["rooms"][room().to_string()], position(4));
    for rev in 5..=11 {
        peer.message(room(), rev).await;
        told.push(next_rev(&mut events).await);
    }
    assert!(told.iter().copied().eq(1..=11), "{told:?}");
}

#[tokio::test]
async fn an_application_that_is_slow_for_a_moment_makes_the_connection_wait() {
    let options = client::Options { event_queue: 1, event_patience: Duration::from_secs(20), ..options() };
    let (_server, mut peer, _chat, mut events) = synced(0, options).await;
    for rev in 1..=50 {
        peer.message(room(), rev).await;
    }
    for rev in 1..=50 {
        let event = next(&mut events).await;
        assert!(matches!(event, Event::Frame(ServerFrame::NewMessage { rev: r, .. }) if r == rev), "{event:?}");
    }
}

#[tokio::test]
async fn where_nobody_receives_events_there_is_nothing_to_resume() {
    let (server, mut peer, chat, events) = synced(0, options()).await;
    drop(events);
    peer.message(room(), 1).await;
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
    peer.drop_tcp();
    let (_peer, resume) = resuming(&server).await;
    assert_eq!(resume["payload"]["rooms"][room().to_string()], position(1));
}
