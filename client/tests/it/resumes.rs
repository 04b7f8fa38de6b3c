//! What was missed between two connections is asked for, and told once and in order.

use client::{
    Disconnect, Event, Events,
    protocol::{ResumeStatus, ServerFrame},
    shared::RoomId,
};
use serde_json::{Value, json};

use crate::support::{
    Server, connect, connected, next, next_rev, options, position, resuming, room, synced, view, within,
};

fn other_room() -> RoomId {
    "00000000-0000-7000-8000-0000000000bb".parse().unwrap()
}

fn resumed(status: &str, rev: u64) -> Value {
    json!({ "status": status, "rev": rev, "eventId": format!("{rev:016x}"), "unread": 0, "mentions": 0, "lastReadSeq": 0 })
}

async fn next_resumed(events: &mut Events) -> Event {
    loop {
        match next(events).await {
            event @ Event::Resumed { .. } => return event,
            Event::Connected(_) | Event::Disconnected { .. } => {}
            other => panic!("expected the end of a resume, got {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_first_connection_is_held_and_asks_for_all_pages_of_the_rooms() {
    let server = Server::start().await;
    let url = server.url();
    let script = async {
        let mut peer = server.hold().await;
        assert!(peer.holds);
        let sync = peer.expect("SYNC").await;
        assert_eq!(sync["payload"], json!({}));
        let page = json!({ "user": position(4), "rooms": [view(room(), 1)], "nextCursor": "c" });
        peer.reply(&sync, "SYNCED", page).await;
        let sync = peer.expect("SYNC").await;
        assert_eq!(sync["payload"], json!({ "cursor": "c" }));
        peer.reply(&sync, "SYNCED", json!({ "user": position(6), "rooms": [view(other_room(), 2)] })).await;
        peer.answer_ping().await;
        peer.drop_tcp();
        resuming(&server).await.1
    };
    let story = async {
        let (chat, mut events) = connect(&url).await.unwrap();
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        for (id, more) in [(room(), true), (other_room(), false)] {
            let event = next(&mut events).await;
            assert!(matches!(&event, Event::Synced { rooms, more: m } if rooms[0].id == id && *m == more), "{event:?}");
        }
        chat.ping().await.unwrap();
        (chat, events)
    };
    let (resume, _client) = tokio::join!(within(script), within(story));
    let rooms = json!({ room().to_string(): position(1), other_room().to_string(): position(2) });
    // The later page knew of more than had been told.
    assert_eq!(resume["payload"], json!({ "user": position(4), "rooms": rooms }));
}

#[tokio::test]
async fn the_resume_names_the_last_event_and_comes_before_every_call() {
    let (server, mut peer, chat, mut events) = synced(1, options()).await;
    for rev in 2..=3 {
        peer.message(room(), rev).await;
        assert_eq!(next_rev(&mut events).await, rev);
    }
    let script = async {
        let sent = peer.expect("SEND_MESSAGE").await;
        // An acknowledgement is no position: its event is still to come.
        peer.ack(&sent, 4, false).await;
        peer.expect("SEND_MESSAGE").await;
        peer.drop_tcp();
        let (mut peer, resume) = resuming(&server).await;
        assert_eq!(resume["payload"]["rooms"], json!({ room().to_string(): position(3) }));
        // Replies find their calls in the middle of what was missed.
        peer.message(room(), 4).await;
        let again = peer.expect("SEND_MESSAGE").await;
        peer.ack(&again, 5, false).await;
        peer.message(room(), 5).await;
        let rooms = json!({ room().to_string(): resumed("caught_up", 5) });
        peer.reply(&resume, "RESUMED", json!({ "user": resumed("caught_up", 0), "rooms": rooms })).await;
        peer.message(room(), 6).await;
        peer
    };
    let sends = async {
        chat.send_message(room(), "four").await.unwrap();
        chat.send_message(room(), "five").await.unwrap();
    };
    let (_peer, ()) = tokio::join!(within(script), within(sends));
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert_eq!([next_rev(&mut events).await, next_rev(&mut events).await], [4, 5]);
    let event = next(&mut events).await;
    assert!(matches!(event, Event::Resumed { .. }) && event.stale_rooms().is_empty(), "{event:?}");
    assert_eq!(next_rev(&mut events).await, 6);
}

#[tokio::test]
async fn a_resume_that_is_interrupted_goes_on_where_it_came_to() {
    let (server, peer, _chat, mut events) = synced(1, options()).await;
    peer.drop_tcp();
    for rev in 2..=4 {
        let (mut peer, resume) = resuming(&server).await;
        assert_eq!(resume["payload"]["rooms"][room().to_string()], position(rev - 1));
        peer.message(room(), rev).await;
        assert_eq!(next_rev(&mut events).await, rev);
        peer.drop_tcp();
    }
}

#[tokio::test]
async fn the_application_learns_what_to_fetch_what_is_new_and_what_is_gone() {
    let (server, peer, _chat, mut events) = synced(7, options()).await;
    peer.drop_tcp();
    let (mut peer, resume) = resuming(&server).await;
    let new = RoomId::new();
    // The store went back: the room begins to flow at 3, and an event of it comes before the end of the resume.
    peer.message(room(), 4).await;
    let rooms = json!({
        room().to_string(): resumed("reset", 3), new.to_string(): resumed("new", 9),
        other_room().to_string(): { "status": "gone" },
    });
    peer.reply(&resume, "RESUMED", json!({ "user": resumed("caught_up", 2), "rooms": rooms })).await;
    assert_eq!(next_rev(&mut events).await, 4);
    let event = next_resumed(&mut events).await;
    let mut stale = event.stale_rooms();
    stale.sort();
    assert_eq!(stale, [room(), new]);
    let Event::Resumed { user, rooms } = event else { unreachable!() };
    assert_eq!((user.status, rooms[&other_room()].status), (ResumeStatus::CaughtUp, ResumeStatus::Gone));

    peer.drop_tcp();
    let (_peer, resume) = resuming(&server).await;
    let rooms = json!({ room().to_string(): position(4), new.to_string(): position(9) });
    assert_eq!(resume["payload"], json!({ "user": position(2), "rooms": rooms }));
}

#[tokio::test]
async fn an_answer_in_several_frames_is_told_as_one() {
    let (server, peer, _chat, mut events) = synced(7, options()).await;
    peer.drop_tcp();
    let (mut peer, resume) = resuming(&server).await;
    let part = |room: String, more: bool| json!({ "user": resumed("caught_up", 1), "rooms": { room: resumed("caught_up", 7) }, "more": more });
    peer.reply(&resume, "RESUMED", part(room().to_string(), true)).await;
    peer.reply(&resume, "RESUMED", part(other_room().to_string(), false)).await;
    let Event::Resumed { rooms, .. } = next_resumed(&mut events).await else { unreachable!() };
    assert_eq!(rooms.len(), 2);
}

#[tokio::test]
async fn positions_the_server_refuses_are_given_up_for_a_sync() {
    let (server, peer, _chat, _events) = synced(7, options()).await;
    peer.drop_tcp();
    let (mut peer, resume) = resuming(&server).await;
    peer.reply(&resume, "ERROR", json!({ "code": "INVALID_MESSAGE", "message": "rooms: too many" })).await;
    let mut peer = server.hold().await;
    peer.expect("SYNC").await;
}

#[tokio::test]
async fn a_reset_on_the_live_socket_is_told_and_is_the_position() {
    let (server, mut peer, _chat, mut events) = synced(7, options()).await;
    peer.say(json!({ "type": "RESET", "payload": { "roomId": room(), "position": position(3) } })).await;
    assert_eq!(next(&mut events).await.stale_rooms(), [room()]);
    peer.drop_tcp();
    let (_peer, resume) = resuming(&server).await;
    assert_eq!(resume["payload"]["rooms"], json!({ room().to_string(): position(3) }));
}

#[tokio::test]
async fn rooms_that_are_entered_and_left_are_named_and_no_longer_named() {
    let (server, mut peer, chat, mut events) = synced(7, options()).await;
    let script = async {
        let join = peer.expect("JOIN_ROOM").await;
        let page = json!({
            "room": view(other_room(), 5), "position": position(5), "messages": [], "users": [], "memberCount": 1,
        });
        peer.reply(&join, "ROOM_JOINED", page).await;
        let leave = peer.expect("LEAVE_ROOM").await;
        peer.reply(&leave, "ROOM_LEFT", json!({ "roomId": room() })).await;
        let create = peer.expect("CREATE_ROOM").await;
        peer.reply(&create, "ROOM_CREATED", json!({ "room": view(RoomId::new(), 1) })).await;
        peer
    };
    let calls = async {
        chat.join_room(other_room()).await.unwrap();
        chat.leave_room(room()).await.unwrap();
        chat.create_room("r", client::protocol::RoomType::Private, None).await.unwrap().id
    };
    let (mut peer, created) = tokio::join!(within(script), within(calls));
    let (added, removed) = (RoomId::new(), RoomId::new());
    for (room, user) in [(added, 1), (removed, 2)] {
        let payload = json!({ "room": view(room, 2), "position": position(2), "userPosition": position(user) });
        peer.say(json!({ "type": "ROOM_ADDED", "payload": payload })).await;
    }
    let payload = json!({ "roomId": removed, "userPosition": position(3) });
    peer.say(json!({ "type": "ROOM_REMOVED", "payload": payload })).await;
    for _ in 0..3 {
        assert!(matches!(next(&mut events).await, Event::Frame(_)));
    }
    peer.drop_tcp();
    let (_peer, resume) = resuming(&server).await;
    let rooms = json!({
        other_room().to_string(): position(5), created.to_string(): position(1), added.to_string(): position(2),
    });
    assert_eq!(resume["payload"], json!({ "user": position(3), "rooms": rooms }));
}

#[tokio::test]
async fn an_old_entry_of_the_own_log_does_not_move_a_room_that_is_known() {
    let (server, peer, _chat, mut events) = synced(7, options()).await;
    peer.drop_tcp();
    let (mut peer, _resume) = resuming(&server).await;
    // Left and joined again: the room's own position was told, these entries were not.
    let removed = json!({ "roomId": room(), "userPosition": position(1) });
    peer.say(json!({ "type": "ROOM_REMOVED", "payload": removed })).await;
    let added = json!({ "room": view(room(), 9), "position": position(9), "userPosition": position(2) });
    peer.say(json!({ "type": "ROOM_ADDED", "payload": added })).await;
    peer.message(room(), 8).await;
    while !matches!(next(&mut events).await, Event::Frame(ServerFrame::NewMessage { .. })) {}
    peer.drop_tcp();
    let (_peer, resume) = resuming(&server).await;
    assert_eq!(resume["payload"], json!({ "user": position(2), "rooms": { room().to_string(): position(8) } }));
}

#[tokio::test]
async fn many_rooms_are_named_in_several_frames() {
    let server = Server::start().await;
    let url = server.url();
    let ids: Vec<_> = (0..600).map(|_| RoomId::new()).collect();
    let script = async {
        let mut peer = server.hold().await;
        let sync = peer.expect("SYNC").await;
        let rooms: Vec<_> = ids.iter().map(|id| view(*id, u64::MAX)).collect();
        peer.reply(&sync, "SYNCED", json!({ "user": position(u64::MAX), "rooms": rooms })).await;
        peer.answer_ping().await;
        peer.drop_tcp();
        let mut peer = server.hold().await;
        let mut named = Vec::new();
        loop {
            let resume = peer.expect("RESUME").await;
            assert!(resume.to_string().len() <= 32 * 1024, "{}", resume.to_string().len());
            let rooms = resume["payload"]["rooms"].as_object().unwrap();
            named.extend(rooms.keys().map(|id| id.parse::<RoomId>().unwrap()));
            if resume["payload"]["more"] != true {
                break named;
            }
        }
    };
    let story = async {
        let (chat, events) = connect(&url).await.unwrap();
        chat.ping().await.unwrap();
        (chat, events)
    };
    let (mut named, _client) = tokio::join!(within(script), within(story));
    named.sort();
    let mut ids = ids;
    ids.sort();
    assert_eq!(named, ids);
}

#[tokio::test]
async fn frames_come_as_the_server_says_them_even_where_it_breaks_its_promise() {
    let (server, mut peer, _chat, mut events) = synced(0, options()).await;
    for rev in [1, 1, 4, 3] {
        peer.message(room(), rev).await;
        assert_eq!(next_rev(&mut events).await, rev);
    }
    peer.drop_tcp();
    let (_peer, resume) = resuming(&server).await;
    assert_eq!(resume["payload"]["rooms"][room().to_string()], position(4));
}

#[tokio::test]
async fn a_resume_that_fails_is_tried_again_on_another_connection() {
    let (server, peer, _chat, mut events) = synced(1, options()).await;
    peer.drop_tcp();
    let (mut peer, resume) = resuming(&server).await;
    peer.reply(&resume, "ERROR", json!({ "code": "UNAVAILABLE", "message": "the store is away" })).await;
    let (mut peer, resume) = resuming(&server).await;
    assert_eq!(resume["payload"]["rooms"][room().to_string()], position(1));
    peer.message(room(), 2).await;
    let rooms = json!({ room().to_string(): resumed("caught_up", 2) });
    peer.reply(&resume, "RESUMED", json!({ "user": resumed("caught_up", 0), "rooms": rooms })).await;
    assert_eq!(next_rev(&mut events).await, 2);
    assert!(matches!(next_resumed(&mut events).await, Event::Resumed { .. }));
}

#[tokio::test]
async fn a_server_that_does_not_hold_is_refused_rather_than_trusted() {
    let server = Server::start().await;
    let url = server.url();
    let script = async {
        let mut peer = server.accept().await;
        peer.holds = false;
        peer.auth_success(30_000).await;
        peer
    };
    let (outcome, _peer) = tokio::join!(connect(&url), script);
    assert!(matches!(outcome.err(), Some(client::Error::Connect(Disconnect::Lost(_)))));
}

#[tokio::test]
async fn a_cut_ends_tcp_without_a_close_frame_and_the_connection_resumes() {
    use futures_util::StreamExt;
    let (server, mut peer, chat, mut events) = connected().await;
    within(chat.cut()).await;
    let end = within(peer.socket.next()).await;
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    let (mut peer, ()) = tokio::join!(server.welcome(), async {
        assert!(matches!(next(&mut events).await, Event::Disconnected { reason: Disconnect::Lost(_), .. }));
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
    });
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
}
