//! Tests of the queue, and of what a socket is sent: `next` stands for a kernel that takes one frame.

use std::pin::Pin;

use futures_util::FutureExt;

use super::*;

const LIMITS: QueueLimits = QueueLimits { frames: 4, bytes: 1000, time: Duration::from_secs(30) };

fn socket() -> Outbound {
    Outbound::new(LIMITS)
}

/// The next frame, taken as the kernel does.
fn next(outbound: &Outbound) -> Option<Bytes> {
    let frame = outbound.inner.queue.borrow().frames.front()?.clone();
    outbound.inner.sent(&mut outbound.inner.queue.borrow_mut(), frame.len());
    outbound.wake();
    Some(frame)
}

#[test]
fn frames_are_what_the_parser_of_the_other_side_expects() {
    use actix_http::ws::{OpCode, Parser};
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let mut bytes = BytesMut::from(&text_frame(vec![b'x'; length])[..]);
        let (fin, opcode, payload) = Parser::parse(&mut bytes, false, 1 << 20).unwrap().unwrap();
        assert!(fin && opcode == OpCode::Text && bytes.is_empty());
        assert_eq!(payload.map_or(0, |p| p.len()), length);
    }
    assert_eq!(&close_frame(CloseCode::Normal)[..], [0x88, 2, 0x03, 0xe8]);
}

#[test]
fn frames_come_out_in_order_uncopied_and_one_wake_serves_many() {
    let outbound = socket();
    let frame = text_frame("a");
    assert_eq!(outbound.push(frame.clone()), Pushed::First);
    assert_eq!(outbound.push(text_frame("b")), Pushed::More);
    outbound.wake();
    assert_eq!(next(&outbound).unwrap().as_ptr(), frame.as_ptr());
    assert_eq!(next(&outbound), Some(text_frame("b")));
    assert_eq!(next(&outbound), None);
    assert_eq!(outbound.push(frame), Pushed::First);
}

#[test]
fn a_queue_over_its_frames_or_bytes_is_replaced_by_4408() {
    for (frame, fit) in [(text_frame("x"), 4), (text_frame(vec![b'x'; 400]), 2)] {
        let outbound = socket();
        (0..fit).for_each(|_| assert!(matches!(outbound.push(frame.clone()), Pushed::First | Pushed::More)));
        assert_eq!(outbound.push(frame.clone()), Pushed::Overflowed);
        assert_eq!(outbound.push(frame), Pushed::Closed);
        assert_eq!(outbound.interrupt().now_or_never(), Some(Interrupt::Stage(Stage::Overflowed)));
        assert_eq!(next(&outbound), Some(close_frame(CloseCode::SlowConsumer)));
        assert_eq!(next(&outbound), None, "the peer may still answer the close");
        outbound.end();
        assert_eq!(next(&outbound), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stays_non_empty_too_long_overflows() {
    let outbound = socket();
    outbound.send(text_frame("1"));
    outbound.send(text_frame("2"));
    tokio::time::advance(LIMITS.time).await;
    assert!(next(&outbound).is_some());
    assert_eq!(outbound.push(text_frame("3")), Pushed::First, "at the limit, not over it");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(outbound.push(text_frame("4")), Pushed::Overflowed);

    let outbound = socket();
    outbound.send(text_frame("1"));
    tokio::time::advance(LIMITS.time).await;
    assert!(next(&outbound).is_some());
    outbound.send(text_frame("2"));
    tokio::time::advance(LIMITS.time).await;
    assert_eq!(outbound.push(text_frame("3")), Pushed::First, "it was empty in between");
}

#[test]
fn a_close_goes_out_after_what_is_queued_and_nothing_after_it() {
    let outbound = socket();
    outbound.push(text_frame("last"));
    outbound.close(CloseCode::Restart);
    assert_eq!(outbound.push(text_frame("late")), Pushed::Closed);
    assert_eq!(next(&outbound), Some(text_frame("last")));
    assert_eq!(next(&outbound), Some(close_frame(CloseCode::Restart)));
    assert_eq!(next(&outbound), None);
}

#[test]
fn room_is_waited_for_while_more_than_half_is_taken() {
    let outbound = socket();
    (0..3).for_each(|_| assert_ne!(outbound.push(text_frame("x")), Pushed::Closed));
    let mut room = Box::pin(outbound.room());
    assert_eq!(room.as_mut().now_or_never(), None);
    assert!(next(&outbound).is_some());
    assert_eq!(room.now_or_never(), Some(()));
}

/// Polls a push of a replay: `None` while it waits.
fn poll(push: &mut Pin<Box<impl Future<Output = bool>>>) -> Option<bool> {
    push.as_mut().now_or_never()
}

#[tokio::test(start_paused = true)]
async fn a_replay_sends_more_than_the_queue_holds_however_long_a_peer_that_reads_takes() {
    let outbound = socket();
    outbound.inner.heard.set(false);
    let replay = outbound.replay();
    let mut taken = 0;
    for _ in 0..10 {
        let mut push = Box::pin(replay.push(text_frame(vec![b'x'; 400])));
        while poll(&mut push).is_none() {
            tokio::time::advance(LIMITS.time - Duration::from_millis(1)).await;
            assert!(next(&outbound).is_some());
            taken += 1;
        }
    }
    assert!(taken >= 8, "it had to wait for the peer: {taken}");
    assert!(outbound.inner.heard.get(), "who takes frames is alive");
    assert_eq!(outbound.stage(), Stage::Open);
    drop(replay);
    tokio::time::advance(LIMITS.time * 2).await;
    assert_eq!(outbound.push(text_frame("live")), Pushed::Overflowed, "afterwards the old rule holds");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_of_a_replay_is_closed_4408() {
    let outbound = socket();
    let replay = outbound.replay();
    while outbound.waiting() < 3 {
        assert!(replay.push(text_frame("x")).await);
    }
    assert!(!replay.push(text_frame("x")).await, "time goes by while it waits");
    assert_eq!(outbound.stage(), Stage::Overflowed);
    assert_eq!(next(&outbound), Some(close_frame(CloseCode::SlowConsumer)));
}

#[tokio::test(start_paused = true)]
async fn a_replay_ends_when_the_server_stops_or_the_peer_goes() {
    for end in [Outbound::drain, Outbound::end] {
        let outbound = socket();
        let replay = outbound.replay();
        while outbound.waiting() < 3 {
            assert!(replay.push(text_frame("x")).await);
        }
        let mut push = Box::pin(replay.push(text_frame("x")));
        assert_eq!(poll(&mut push), None);
        end(&outbound);
        assert_eq!(poll(&mut push), Some(false));
        assert!(outbound.is_ending());
    }
}

#[test]
fn what_is_disconnected_has_ended_and_holds_nothing() {
    let outbound = socket();
    outbound.push(text_frame("x"));
    outbound.disconnect();
    assert_eq!(outbound.interrupt().now_or_never(), Some(Interrupt::Stage(Stage::Ended)));
    assert_eq!((outbound.waiting(), outbound.push(text_frame("x"))), (0, Pushed::Closed));
}

#[test]
fn a_frame_that_has_begun_to_go_out_is_never_cut() {
    let outbound = socket();
    (0..4).for_each(|_| assert_ne!(outbound.push(text_frame("abc")), Pushed::Overflowed));
    outbound.inner.sent(&mut outbound.inner.queue.borrow_mut(), 5 + 2);
    assert_eq!(outbound.push(text_frame(vec![b'x'; 1000])), Pushed::Overflowed);
    assert_eq!(next(&outbound), Some(text_frame("abc").slice(2..)));
    assert_eq!(next(&outbound), Some(close_frame(CloseCode::SlowConsumer)));
    assert_eq!(next(&outbound), None);
}

#[tokio::test]
async fn what_is_sent_behind_a_cork_goes_out_with_the_reply_unless_it_is_much() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _peer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (_read, write) = listener.accept().await.unwrap().0.into_split();
    write.writable().await.unwrap();
    let outbound = socket();
    outbound.connect(write);
    let cork = outbound.cork();
    outbound.send(text_frame("event"));
    assert_eq!(outbound.waiting(), 1);
    drop(cork);
    outbound.send(text_frame("reply"));
    assert_eq!(outbound.waiting(), 0);
    let _cork = outbound.cork();
    (0..3).for_each(|_| assert_eq!(outbound.send(text_frame("event")), Pushed::First));
    assert_eq!(outbound.waiting(), 0, "more than half the queue");
}
