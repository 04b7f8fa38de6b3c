//! The promise under faults: `chatapp verify` runs while something breaks, and the verdict must find nothing.
//!
//! A short run of each by default; `./test --long` makes more rounds of the same.

mod clients;
mod services;
mod store;

use std::time::Duration;

use chatapp::verify::{Counts, Plan, Report, Run};
use e2e::System;

/// For anything that must come, on a busy machine.
const AT_MOST: Duration = Duration::from_secs(60);
/// Acknowledged before a fault, and after it.
const BETWEEN: u64 = 40;

/// More of the same when there is time.
fn is_long() -> bool {
    std::env::var_os("CHATAPP_TEST_LONG").is_some()
}

/// How often a fault is repeated in a run.
fn rounds() -> usize {
    if is_long() { 12 } else { 1 }
}

/// A load on all chat-servers of the system, whose clients also lose their connections at random.
fn plan(system: &System) -> Plan {
    let api = format!("http://{}", system.first_address("api").unwrap());
    let plan = Plan {
        chat: system.chat_urls(),
        users: 8,
        rooms: 2,
        rate: 60.0,
        cut_every: Some(Duration::from_secs(4)),
        ..Plan::new(api)
    };
    println!("seed {}", plan.seed);
    plan
}

fn silent(_: &str) {}

async fn begin(plan: Plan) -> Run {
    Run::begin(plan, &silent).await.unwrap()
}

/// Waits until so many more messages are acknowledged: it works, now.
async fn goes_on(run: &Run) {
    let enough = run.counts().tally.acknowledged + BETWEEN;
    run.until("messages are acknowledged", AT_MOST, |counts| counts.tally.acknowledged >= enough).await.unwrap();
}

/// Waits until this grows: the fault is felt.
async fn grows(run: &Run, what: &str, number: impl Fn(&Counts) -> u64) {
    let before = number(&run.counts());
    run.until(what, AT_MOST, |counts| number(counts) > before).await.unwrap();
}

/// Errors of a kind so far.
fn errors(counts: &Counts, code: &str) -> u64 {
    counts.errors.get(code).copied().unwrap_or_default()
}

/// Ends the run; the promise must have been kept, and the run must have been able to break it.
async fn is_kept(run: Run) {
    goes_on(&run).await;
    grows(&run, "a connection resumes", |counts| counts.resumes).await;
    let report = verdict(run).await;
    assert!(report.acknowledged >= 2 * BETWEEN && report.delivered > report.acknowledged, "{report}");
}

/// Ends the run, which must have found nothing wrong.
async fn verdict(run: Run) -> Report {
    let report = run.finish(&silent).await.unwrap();
    println!("{report}");
    assert!(report.passed, "{report}");
    report
}
