//! `resume`: all but the first member of each room go; messages are sent; all come back at the same moment and must be
//! told of exactly what they missed.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::{Common, prepare};
use crate::{
    cast::Layout,
    fleet::{Fleet, spread},
    latency,
    progress::Progress,
    report::{Messages, Report, Resumes, Server},
    resident::micros_since,
};

/// What a run is.
#[derive(Debug, Clone)]
pub struct Resume {
    pub users: usize,
    pub rooms: usize,
    /// Missed in each room.
    pub missed: u64,
    pub payload: usize,
    /// Without any progress.
    pub drain: Duration,
}

/// Runs it.
pub async fn run(common: &Common, plan: &Resume, progress: &Progress) -> anyhow::Result<Report> {
    let layout = Layout::even(plan.users, plan.rooms);
    let mut prepared = prepare("resume", common, &layout, progress).await?;
    let (hall, residents, fleet, connected) = prepared.open_residents(common.at_once, progress).await?;

    let away: Vec<usize> = (plan.rooms..plan.users).collect();
    for member in &away {
        hall.judge.borrow_mut().set_away(*member, true);
        if let Some(line) = fleet.take(*member) {
            line.close().await;
        }
    }
    progress.stage("writing to those who are away", plan.missed * plan.rooms as u64);
    let write = async |room: usize| {
        for _ in 0..plan.missed {
            let Some(line) = fleet.line(room) else { return };
            let id = prepared.cast.rooms[room].id;
            line.send(hall.publish(room as u32, id, Instant::now(), false, plan.payload)).await;
            progress.step();
        }
    };
    stream::iter(0..plan.rooms).for_each_concurrent(None, write).await;
    acknowledged(&hall, plan.missed * plan.rooms as u64, plan.drain).await;

    progress.stage("coming back", away.len() as u64);
    let mut resumes = Resumes { disconnects: away.len() as u64, ..Resumes::default() };
    let servers = spread(&prepared.cast, prepared.target.chat.len());
    let mut took = latency::histogram();
    let begin = prepared.meter.read(hall.judge.borrow().tally.delivered);
    let back = |member: usize| {
        let (residents, server, user) =
            (residents.clone(), &prepared.target.chat[servers[member]], &prepared.cast.users[member]);
        let fleet: &Fleet = &fleet;
        async move { residents.come_back(fleet, server, user, member).await }
    };
    let mut coming = stream::iter(away).map(back).buffer_unordered(plan.users);
    while let Some(outcome) = coming.next().await {
        progress.step();
        match outcome {
            Ok(resets) => {
                (resumes.resumed, resumes.resets) = (resumes.resumed + 1, resumes.resets + resets);
                latency::record(&mut took, micros_since(begin.at));
            }
            Err(_) => resumes.failed += 1,
        }
    }
    drop(coming);
    hall.drain(plan.drain).await;
    let end = prepared.meter.read(hall.judge.borrow().tally.delivered);
    fleet.close(0).await;

    let span = end.since(&begin);
    let judge = hall.judge.borrow();
    let mut report = prepared.report;
    resumes.latency_ms = latency::Latency::of(&took);
    report.setup.payload_bytes = plan.payload;
    report.setup.seconds = span.time.as_secs_f64();
    report.resumes = Some(resumes);
    report.messages =
        Some(Messages::of(&judge.tally, &judge.verdict(), &span, &judge.delivery, &judge.acknowledgement));
    report.server = Server::of(&prepared.meter, &prepared.before, &connected, &end, &span);
    Ok(report.judged(&span, &latency::histogram()))
}

/// Waits until so many are acknowledged, or nothing comes any more.
async fn acknowledged(hall: &crate::hall::Hall, messages: u64, patience: Duration) {
    let so_far = || hall.judge.borrow().tally.acknowledged + hall.judge.borrow().tally.refused;
    while so_far() < messages {
        if tokio::time::timeout(patience, hall.progress.notified()).await.is_err() {
            return;
        }
    }
}
