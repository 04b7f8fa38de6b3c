//! `connections` and `storm`: connections that are opened, fast, and then do nothing but stay.

use std::time::{Duration, Instant};

use super::{Common, prepare};
use crate::{
    cast::Layout,
    fleet, latency,
    progress::Progress,
    report::{Idle, Report, Server},
};

/// What a run is.
#[derive(Debug, Clone)]
pub struct Connections {
    /// `connections` or `storm`.
    pub name: &'static str,
    pub users: usize,
    /// The users are spread over so many; 0: they are in none.
    pub rooms: usize,
    /// All are due at the same moment.
    pub storm: bool,
    /// They stay so long.
    pub hold: Duration,
}

/// Runs it.
pub async fn run(common: &Common, plan: &Connections, progress: &Progress) -> anyhow::Result<Report> {
    let layout = Layout::even(plan.users, plan.rooms);
    let mut prepared = prepare(plan.name, common, &layout, progress).await?;
    let at_once = if plan.storm { plan.users } else { common.at_once };
    let opening = fleet::Plan { at_once, storm: plan.storm, hold: false, slow: 0 };
    let begin = prepared.meter.read(0);
    let (_hall, fleet, connected) = prepared.open(opening, progress).await?;
    progress.stage("holding", plan.hold.as_secs());
    let began = Instant::now();
    while began.elapsed() < plan.hold {
        tokio::time::sleep(plan.hold.saturating_sub(began.elapsed()).min(Duration::from_secs(1))).await;
        progress.time(began.elapsed());
    }
    let held_seconds = began.elapsed().as_secs_f64();
    let after = prepared.meter.read(0);
    let idle = Idle { stayed: fleet.open_lines() as u64, held_seconds };
    fleet.close(0).await;
    // What counts here is the opening.
    let span = connected.since(&begin);
    let mut report = prepared.report;
    report.setup.seconds = span.time.as_secs_f64();
    report.idle = Some(idle);
    report.server = Server::of(&prepared.meter, &prepared.before, &connected, &after, &span);
    Ok(report.judged(&span, &latency::histogram()))
}
