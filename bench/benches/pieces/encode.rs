//! Encoding an event into a ready frame: once for each dialect, whoever gets it.

use std::hint::black_box;

use chat_server::{
    dialect::{Dialect, Encoded},
    session::on_event::on_event,
};
use criterion::Criterion;

use crate::fan_out::new_message;
use shared::{RoomId, UserId};

pub fn bench(criterion: &mut Criterion) {
    let event = new_message(RoomId::new(), UserId::new(), 1);
    criterion.bench_function("encode/a message", |b| {
        b.iter(|| Encoded::new(&on_event(black_box(&event))).frame(Dialect::Native));
    });
}
