//! Where everybody talks: what connections hear goes to the judge, what is said is numbered.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use serde::Deserialize;
use shared::RoomId;
use tokio::sync::Notify;

use crate::{
    frame::{Frame, Scanner},
    judge::{Judge, RoomIndex},
    line::Listener,
    pages::{Asked, Page, Reading},
};

/// What the connections of a run share.
pub struct Hall {
    pub scanner: Scanner,
    pub judge: RefCell<Judge>,
    /// History that was asked for.
    pub pages: RefCell<Reading>,
    /// Told when a message is answered or finished.
    pub progress: Notify,
    /// The beginning of the run.
    origin: Instant,
}

impl Hall {
    pub fn new(judge: Judge) -> Self {
        Self {
            scanner: Scanner::new(rand::random()),
            judge: RefCell::new(judge),
            pages: RefCell::default(),
            progress: Notify::new(),
            origin: Instant::now(),
        }
    }

    /// Microseconds since the run began.
    pub fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_micros() as u64
    }

    /// Numbers a message and gives the command that sends it.
    pub fn publish(&self, room: RoomIndex, id: RoomId, due: Instant, measured: bool, bytes: usize) -> String {
        let number = self.judge.borrow_mut().publish(room, self.micros(due), measured);
        let content = self.scanner.content(number, bytes);
        format!(
            r#"{{"type":"SEND_MESSAGE","payload":{{"roomId":"{id}","content":"{content}"}},"requestId":"{number:x}"}}"#
        )
    }

    /// The command that asks for a page of history.
    pub fn ask(&self, room: RoomId, asked: Asked) -> String {
        let request = self.pages.borrow_mut().ask(asked);
        let Asked { before, limit, .. } = asked;
        format!(
            r#"{{"type":"GET_HISTORY","payload":{{"roomId":"{room}","before":{before},"limit":{limit}}},"requestId":"{request}"}}"#
        )
    }

    /// A page has come, or an error's code.
    pub fn on_page(&self, request: &str, answer: Result<&Page, &str>) {
        if self.pages.borrow_mut().answer(request, answer, self.micros(Instant::now())) {
            self.progress.notify_waiters();
        }
    }

    /// Number of the last message of `room` that `member` was told of.
    pub fn last_heard(&self, member: usize, room: RoomIndex) -> u64 {
        self.judge.borrow().last_heard(member, room)
    }

    /// Waits until every message is finished, or none has been for so long.
    pub async fn drain(&self, patience: Duration) {
        loop {
            let finished = self.judge.borrow().finished();
            if self.judge.borrow().unfinished() == 0 {
                return;
            }
            let moved = async {
                while self.judge.borrow().unfinished() > 0 && self.judge.borrow().finished() == finished {
                    self.progress.notified().await;
                }
            };
            if tokio::time::timeout(patience, moved).await.is_err() {
                return;
            }
        }
    }
}

#[derive(Deserialize)]
struct Acknowledged {
    seq: u64,
}

#[derive(Deserialize)]
struct Refused {
    code: String,
}

impl Listener for Hall {
    fn frame(&self, member: usize, text: &str) {
        let now = self.micros(Instant::now());
        let judge = &mut *self.judge.borrow_mut();
        let before = (judge.finished(), judge.tally.acknowledged, judge.tally.refused);
        match self.scanner.read(text) {
            Frame::Delivery(delivery) => judge.deliver(member, delivery, now),
            Frame::Unreadable => judge.tally.unreadable += 1,
            Frame::Other(reply) => match (&*reply.kind, reply.number()) {
                ("MESSAGE_ACK", Some(number)) => match serde_json::from_str::<Acknowledged>(reply.payload()) {
                    Ok(answer) => judge.acknowledge(number, answer.seq, now),
                    Err(_) => judge.tally.unreadable += 1,
                },
                ("ERROR", number) => match serde_json::from_str::<Refused>(reply.payload()) {
                    Ok(error) => {
                        judge.refuse(number, &error.code);
                        self.on_page(reply.request_id.as_deref().unwrap_or_default(), Err(&error.code));
                    }
                    Err(_) => judge.tally.unreadable += 1,
                },
                ("HISTORY", _) => match serde_json::from_str::<Page>(reply.payload()) {
                    Ok(page) => self.on_page(reply.request_id.as_deref().unwrap_or_default(), Ok(&page)),
                    Err(_) => judge.tally.unreadable += 1,
                },
                (kind, _) => judge.other(kind),
            },
        }
        if (judge.finished(), judge.tally.acknowledged, judge.tally.refused) != before {
            self.progress.notify_waiters();
        }
    }

    fn ended(&self, member: usize, _why: &str) {
        self.judge.borrow_mut().drop_out(member);
    }
}
