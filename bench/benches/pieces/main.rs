//! What the pieces cost, each by itself: `cargo bench -p bench --bench pieces [-- NAME]`. With `-- --test` each runs once,
//! on little data.
//!
//! All that takes part runs on this machine, Redis too: a figure is a time, and says nothing without its machine.
#![expect(clippy::unwrap_used, reason = "a benchmark whose preparation fails has no figure to give")]

mod append;
mod encode;
mod fan_out;
mod history;
mod resume;
mod unread;
mod world;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = pieces;
    config = Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = append::bench, encode::bench, fan_out::bench, resume::bench, history::bench, unread::bench
}
criterion_main!(pieces);
