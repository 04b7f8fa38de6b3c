//! `fanout` and `rooms`: everybody is connected, and messages are sent at an even rate (open loop) or so many are kept
//! in flight (closed loop). In turn to each room, by its members in turn.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::{Common, Prepared, prepare};
use crate::{
    cast::Layout,
    fleet::{self, Fleet},
    hall::Hall,
    latency,
    meter::Reading,
    pace::{Beat, Schedule, Timer},
    progress::Progress,
    report::{Messages, Report, Server, Slow},
};

/// What a run of talk is.
#[derive(Debug, Clone)]
pub struct Talk {
    /// `fanout` or `rooms`.
    pub name: &'static str,
    pub users: usize,
    pub rooms: usize,
    pub schedule: Schedule,
    /// Closed loop: so many messages in flight, and no rate.
    pub window: Option<usize>,
    /// Bytes of a message's text.
    pub payload: usize,
    /// So many of the users do not read.
    pub slow: usize,
    /// So many messages does each room keep; none: all.
    pub keep: Option<u64>,
    /// In the end, how long to wait without any progress.
    pub drain: Duration,
}

/// Runs it.
pub async fn run(common: &Common, talk: &Talk, progress: &Progress) -> anyhow::Result<Report> {
    let layout = Layout { keep: talk.keep, ..Layout::even(talk.users, talk.rooms) };
    let mut prepared = prepare(talk.name, common, &layout, progress).await?;
    let plan = fleet::Plan { at_once: common.at_once, storm: false, hold: false, slow: talk.slow };
    let (hall, fleet, connected) = prepared.open(plan, progress).await?;
    let stage = Stage { talk, prepared: &prepared, hall: &hall, fleet: &fleet, timer: Timer::new()? };
    let outcome = stage.drive(progress).await?;
    hall.drain(talk.drain).await;
    let slow = Slow { connections: talk.slow as u64, cut: fleet.close(talk.slow).await };
    Ok(report(talk, prepared, &hall, &connected, outcome, slow))
}

struct Stage<'a> {
    talk: &'a Talk,
    prepared: &'a Prepared,
    hall: &'a Rc<Hall>,
    fleet: &'a Fleet,
    timer: Timer,
}

struct Outcome {
    /// When the first measured message was due.
    begin: Reading,
    /// When the last was sent.
    end: Reading,
    lag: Histogram<u64>,
}

impl Stage<'_> {
    async fn drive(&self, progress: &Progress) -> anyhow::Result<Outcome> {
        let length = self.talk.schedule.length();
        progress.stage("talking", length.as_secs());
        let (start, mut lag, mut begin) = (Instant::now(), latency::histogram(), None);
        let mut measured = 0;
        for turn in 0.. {
            let beat = match self.talk.window {
                None => self.talk.schedule.beat(turn),
                Some(window) => self.wait_for_window(window, start, measured).await,
            };
            let Some(beat) = beat else { break };
            let due = start + beat.due;
            self.timer.until(due).await?;
            while !self.hall.judge.borrow().has_room() {
                self.hall.progress.notified().await;
            }
            if beat.measured {
                measured += 1;
                begin.get_or_insert_with(|| self.read());
                latency::record(&mut lag, due.elapsed().as_micros() as u64);
            }
            if !self.say(turn, due, beat.measured).await {
                break;
            }
            progress.time(start.elapsed());
        }
        let end = self.read();
        Ok(Outcome { begin: begin.unwrap_or(end), end, lag })
    }

    /// Closed loop: the next message is due when fewer than `window` are in flight. `None`: it is over.
    async fn wait_for_window(&self, window: usize, start: Instant, measured: u64) -> Option<Beat> {
        let schedule = &self.talk.schedule;
        let in_flight = || self.hall.judge.borrow().unfinished();
        while in_flight() >= window as u64 {
            let stuck = tokio::time::timeout(self.talk.drain, self.hall.progress.notified()).await.is_err();
            if stuck {
                return None;
            }
        }
        schedule.closed(start.elapsed(), measured)
    }

    fn read(&self) -> Reading {
        self.prepared.meter.read(self.hall.judge.borrow().tally.delivered)
    }

    /// Sends message number `turn`. `false`: nobody is left who could.
    async fn say(&self, turn: u64, due: Instant, measured: bool) -> bool {
        let rooms = &self.prepared.cast.rooms;
        let reading = self.talk.users - self.talk.slow;
        for skip in 0..rooms.len() as u64 {
            let at = ((turn + skip) % rooms.len() as u64) as usize;
            let room = &rooms[at];
            let first = (turn / rooms.len() as u64) as usize % room.members.len();
            let members = room.members[first..].iter().chain(&room.members[..first]);
            let line = members.filter(|member| **member < reading).find_map(|member| self.fleet.line(*member));
            if let Some(line) = line {
                let text = self.hall.publish(at as u32, room.id, due, measured, self.talk.payload);
                line.send(text).await;
                return true;
            }
        }
        false
    }
}

fn report(talk: &Talk, prepared: Prepared, hall: &Hall, connected: &Reading, outcome: Outcome, slow: Slow) -> Report {
    let judge = hall.judge.borrow();
    let span = outcome.end.since(&outcome.begin);
    let after = prepared.meter.read(0);
    let mut report = prepared.report;
    report.setup.rate = talk.window.is_none().then_some(talk.schedule.rate);
    report.setup.window = talk.window;
    report.setup.payload_bytes = talk.payload;
    report.setup.seconds = span.time.as_secs_f64();
    report.messages =
        Some(Messages::of(&judge.tally, &judge.verdict(), &span, &judge.delivery, &judge.acknowledgement));
    report.slow = (slow.connections > 0).then_some(slow);
    report.server = Server::of(&prepared.meter, &prepared.before, connected, &after, &span);
    report.judged(&span, &outcome.lag)
}
