//! `history`: a room is filled, then its pages are read at an even rate, by WebSocket or REST, at the end or anywhere.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use client::{OutgoingMessage, PageQuery, shared::RoomId};
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Common, Prepared, prepare};
use crate::{
    cast::Layout,
    fleet::{self, Fleet},
    hall::Hall,
    latency,
    pace::{Schedule, Timer},
    pages::{Asked, Item, MAX_UNDER_WAY, Page},
    progress::Progress,
    report::{Report, Server},
    target::advice,
};

/// Messages being written at once while the room is filled.
const WRITING: usize = 128;

/// How pages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    Ws,
    Rest,
}

/// Which pages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Depth {
    /// The last one
    Newest,
    /// Any one
    Anywhere,
}

/// What a run is.
#[derive(Debug, Clone)]
pub struct History {
    pub readers: usize,
    /// Messages in the room.
    pub fill: u64,
    pub payload: usize,
    pub by: By,
    pub depth: Depth,
    /// Messages of a page.
    pub limit: u64,
    /// Pages.
    pub schedule: Schedule,
    pub seed: u64,
    pub drain: Duration,
}

/// Runs it.
pub async fn run(common: &Common, plan: &History, progress: &Progress) -> anyhow::Result<Report> {
    let mut prepared = prepare("history", common, &Layout::even(plan.readers, 1), progress).await?;
    fill(&prepared, plan, progress).await?;
    let opening = fleet::Plan { at_once: common.at_once, storm: false, hold: false, slow: 0 };
    let (hall, fleet, connected) = prepared.open(opening, progress).await?;

    progress.stage("reading", plan.schedule.length().as_secs());
    let readers = readers(&prepared, plan, &hall, fleet).await?;
    let (timer, start, mut random) = (Timer::new()?, Instant::now(), StdRng::seed_from_u64(plan.seed));
    let (mut begin, mut lag) = (None, latency::histogram());
    for turn in 0.. {
        let Some(beat) = plan.schedule.beat(turn) else { break };
        let due = start + beat.due;
        timer.until(due).await?;
        while hall.pages.borrow().under_way() >= MAX_UNDER_WAY {
            hall.progress.notified().await;
        }
        if beat.measured {
            begin.get_or_insert_with(|| prepared.meter.read(0));
            latency::record(&mut lag, due.elapsed().as_micros() as u64);
        }
        let before = match plan.depth {
            Depth::Newest => plan.fill + 1,
            Depth::Anywhere => random.random_range(1..=plan.fill) + 1,
        };
        let asked = Asked { before, limit: plan.limit, due: hall.micros(due), measured: beat.measured };
        readers.ask(turn as usize % plan.readers, asked).await;
        progress.time(start.elapsed());
    }
    let end = prepared.meter.read(0);
    let _ = tokio::time::timeout(plan.drain, async {
        while hall.pages.borrow().under_way() > 0 {
            hall.progress.notified().await;
        }
    })
    .await;
    readers.fleet.close(0).await;

    let span = end.since(&begin.unwrap_or(end));
    let mut pages = hall.pages.borrow().pages();
    let counted = hall.pages.borrow().latency.len() as f64;
    pages.messages_in_room = plan.fill;
    pages.per_second = counted / span.time.as_secs_f64().max(1e-9);
    let watched = prepared.meter.watches_server() && counted > 0.0;
    pages.server_cpu_us_each = watched.then(|| span.server_cpu.as_secs_f64() * 1e6 / counted);
    let mut report = prepared.report;
    report.setup.rate = Some(plan.schedule.rate);
    report.setup.payload_bytes = plan.payload;
    report.setup.seconds = span.time.as_secs_f64();
    report.pages = Some(pages);
    report.server = Server::of(&prepared.meter, &prepared.before, &connected, &end, &span);
    Ok(report.judged(&span, &lag))
}

/// Writes the messages by REST, where many of one writer may be under way.
async fn fill(prepared: &Prepared, plan: &History, progress: &Progress) -> anyhow::Result<()> {
    progress.stage("filling the room", plan.fill);
    let room = prepared.cast.rooms[0].id;
    let token = RefCell::new(prepared.cast.users[0].token(None).await?);
    let content = "x".repeat(plan.payload);
    let write = |_| async {
        let message = OutgoingMessage::new(room, content.clone());
        let held = token.borrow().clone();
        let mut sent = prepared.target.api.with_token(&held).send(&message).await;
        if sent.as_ref().is_err_and(|error| error.code() == Some(client::ErrorCode::Unauthorized)) {
            let fresh = prepared.cast.users[0].token(Some(&held)).await?;
            token.replace(fresh.clone());
            sent = prepared.target.api.with_token(fresh).send(&message).await;
        }
        sent.map_err(|e| anyhow::anyhow!("fill the room: {e}{}", advice(e.code())))?;
        progress.step();
        anyhow::Ok(())
    };
    stream::iter(0..plan.fill).map(write).buffer_unordered(WRITING).try_collect().await
}

struct Readers {
    by: By,
    room: RoomId,
    hall: Rc<Hall>,
    fleet: Fleet,
    /// As each reader; for REST.
    apis: Vec<client::Api>,
}

async fn readers(prepared: &Prepared, plan: &History, hall: &Rc<Hall>, fleet: Fleet) -> anyhow::Result<Readers> {
    let mut apis = Vec::new();
    for user in &prepared.cast.users {
        apis.push(prepared.target.api.with_token(user.token(None).await?));
    }
    Ok(Readers { by: plan.by, room: prepared.cast.rooms[0].id, hall: hall.clone(), fleet, apis })
}

impl Readers {
    /// Reader `member` asks for a page.
    async fn ask(&self, member: usize, asked: Asked) {
        match self.by {
            By::Ws => {
                if let Some(line) = self.fleet.line(member) {
                    let text = self.hall.ask(self.room, asked);
                    line.send(text).await;
                }
            }
            By::Rest => {
                let request = self.hall.pages.borrow_mut().ask(asked);
                let (hall, api, room) = (self.hall.clone(), self.apis[member].clone(), self.room);
                // Bounded by MAX_UNDER_WAY.
                tokio::task::spawn_local(async move {
                    let query = PageQuery { before: Some(asked.before), limit: Some(asked.limit as u32), after: None };
                    let outcome = api.history(room, query).await;
                    let page =
                        outcome.map(|page| Page { items: page.items.iter().map(|m| Item { seq: m.seq }).collect() });
                    let answer = page.map_err(|e| e.code().map_or("HTTP".to_owned(), |code| code.to_string()));
                    hall.on_page(&request, answer.as_ref().map_err(String::as_str));
                });
            }
        }
    }
}
