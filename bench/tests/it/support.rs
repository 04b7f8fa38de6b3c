//! A deployment and a run against it.

use std::time::Duration;

use bench::{
    pace::{Schedule, Until},
    progress::Progress,
    report::Report,
    workload::{
        Common,
        talk::{self, Talk},
    },
};
use e2e::System;

/// All in one process, without limits.
pub async fn embedded() -> System {
    System::embedded_with(&[("LIMITS__ENABLED", "false")]).await.unwrap()
}

/// What a run against `system` needs to know.
pub fn common(system: &System) -> Common {
    let chat = system.chat_urls().iter().map(|url| bench::target::chat_url(url).unwrap()).collect();
    Common { chat, ..Common::new(format!("http://{}", system.first_address("api").unwrap())) }
}

/// So many messages, without a warm-up.
pub fn schedule(messages: u64) -> Schedule {
    Schedule { rate: 400.0, warmup: Duration::ZERO, until: Until::Messages(messages) }
}

/// `users` in `rooms` say so much.
pub fn talk(users: usize, rooms: usize, messages: u64) -> Talk {
    let name = if rooms == 1 { "fanout" } else { "rooms" };
    let (schedule, drain) = (schedule(messages), Duration::from_secs(20));
    Talk { name, users, rooms, schedule, window: None, payload: 120, slow: 0, keep: None, drain }
}

/// Runs a workload as the binary does, on one thread.
pub async fn run(workload: impl Future<Output = anyhow::Result<Report>>) -> Report {
    tokio::task::LocalSet::new().run_until(workload).await.unwrap()
}

/// Runs talk.
pub async fn run_talk(common: &Common, talk: &Talk) -> Report {
    run(talk::run(common, talk, &Progress::new())).await
}
