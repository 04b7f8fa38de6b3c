//! Redis that is killed, hung, or loses its connections: sends fail honestly, and what was missed is made good.

use std::time::Duration;

use e2e::System;

use super::{begin, errors, goes_on, grows, is_kept, plan, rounds, verdict};

/// Redis is there and does nothing.
const HUNG: Duration = Duration::from_secs(3);
/// In a row, so that some events are published while nobody listens.
const CUTS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_redis_breaks_no_promise_where_it_writes_before_it_answers() {
    let mut system = System::over_durable_redis(2, &[]).await.unwrap();
    let run = begin(plan(&system)).await;
    for _ in 0..rounds() {
        goes_on(&run).await;
        system.redis().unwrap().kill();
        grows(&run, "sends are refused", |counts| errors(counts, "UNAVAILABLE")).await;
        system.redis().unwrap().restart();
        system.ready().await.unwrap();
    }
    is_kept(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cutting_all_connections_of_redis_breaks_no_promise() {
    let mut system = System::over_redis(2).await.unwrap();
    let run = begin(plan(&system)).await;
    for _ in 0..rounds() {
        goes_on(&run).await;
        for _ in 0..3 {
            assert!(system.redis().unwrap().cut_all() > 0);
            goes_on(&run).await;
        }
    }
    is_kept(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_lost_on_the_bus_are_made_good_from_the_log() {
    let mut system = System::over_redis(2).await.unwrap();
    let mut plan = plan(&system);
    // Nobody resumes because of a cut: what is made good is made good while clients stay connected.
    plan.cut_every = None;
    let run = begin(plan).await;
    for _ in 0..rounds() {
        goes_on(&run).await;
        let mut cut = 0;
        while cut < CUTS {
            cut += system.redis().unwrap().cut_subscribers();
            tokio::task::yield_now().await;
        }
        goes_on(&run).await;
    }
    let report = verdict(run).await;
    assert_eq!((report.disconnects, report.resets), (0, 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_for_a_while_breaks_no_promise() {
    let mut system = System::over_redis(2).await.unwrap();
    let run = begin(plan(&system)).await;
    for _ in 0..rounds() {
        goes_on(&run).await;
        system.redis().unwrap().signal("STOP");
        // Not for synchronisation: this is the fault.
        tokio::time::sleep(HUNG).await;
        system.redis().unwrap().signal("CONT");
    }
    is_kept(run).await;
}
