//! Clients that come all at once.

use e2e::System;

use super::{AT_MOST, begin, goes_on, is_long, plan};

/// In the storm of a short run, which a debug build on two cores weathers in seconds; the promise is about 2,000.
const CROWD: usize = 200;
const LARGE_CROWD: usize = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_reconnections_breaks_no_promise() {
    let mut system = System::over_redis(2).await.unwrap();
    let crowd = if is_long() { LARGE_CROWD } else { CROWD };
    let mut plan = plan(&system);
    // Everybody is in one room and on one server; what is said is little, since each hears it.
    plan.chat.truncate(1);
    (plan.users, plan.rooms, plan.rate, plan.cut_every) = (crowd, 1, 10.0, None);
    let run = begin(plan).await;
    goes_on(&run).await;
    system.kill9("chat-0").await.unwrap();
    let lost = |counts: &chatapp::verify::Counts| counts.disconnects >= crowd as u64;
    run.until("all are lost", AT_MOST, lost).await.unwrap();
    system.restart("chat-0").await.unwrap();
    let back = |counts: &chatapp::verify::Counts| counts.resumes >= crowd as u64;
    run.until("all have resumed", AT_MOST, back).await.unwrap();
    goes_on(&run).await;
    let report = run.finish(&super::silent).await.unwrap();
    println!("{report}");
    assert!(report.passed, "{report}");
}
