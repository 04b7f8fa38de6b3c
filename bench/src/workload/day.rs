//! `day`: a mixed day. Most talk is in small rooms and between two, some in a few large rooms; people type, read,
//! look back, go away and come back.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::task::JoinSet;

use super::{Common, Prepared, prepare};
use crate::{
    cast::Layout,
    fleet::{Fleet, spread},
    hall::Hall,
    latency,
    meter::Reading,
    pace::{Beat, Schedule, Timer},
    pages::{Asked, MAX_UNDER_WAY},
    progress::Progress,
    report::{Messages, Report, Resumes, Server},
    resident::{Residents, micros_since},
};

/// Members of a small room; everybody is in one.
const SMALL: usize = 8;
/// Everybody is in one large room for so many users.
const LARGE: usize = 250;
/// Where a message goes, in hundredths: small rooms, direct rooms, and the rest to large ones.
const SMALL_SHARE: u32 = 65;
const DIRECT_SHARE: u32 = 30;
/// What comes with a message, in hundredths: typing before it, a mark by somebody in the room, a page of history.
const TYPING: u32 = 50;
const MARKS: u32 = 100;
const PAGES: u32 = 5;
/// How long people are away, in milliseconds.
const AWAY: std::ops::Range<u64> = 200..3000;

/// What a run is.
#[derive(Debug, Clone)]
pub struct Day {
    pub users: usize,
    pub schedule: Schedule,
    /// Of all users together, a second.
    pub leaves: f64,
    pub payload: usize,
    /// What is done follows from it; when it happens does not.
    pub seed: u64,
    pub drain: Duration,
}

/// Rooms of a day, small ones first, then large ones, then the direct ones.
pub fn layout(users: usize) -> Layout {
    let small = users.div_ceil(SMALL);
    let large = users.div_ceil(LARGE);
    let mut layout = Layout::even(users, small);
    layout.rooms.extend(Layout::even(users, large).rooms);
    layout.direct = (0..users / 2).map(|pair| (2 * pair, 2 * pair + 1)).collect();
    layout
}

/// Runs it.
pub async fn run(common: &Common, plan: &Day, progress: &Progress) -> anyhow::Result<Report> {
    let layout = layout(plan.users);
    let mut prepared = prepare("day", common, &layout, progress).await?;
    let (hall, residents, fleet, connected) = prepared.open_residents(common.at_once, progress).await?;
    let servers = spread(&prepared.cast, prepared.target.chat.len());
    let town = Rc::new(Town { prepared, fleet, servers, hall, residents, back: RefCell::default() });
    let small = plan.users.div_ceil(SMALL);
    let mut life = Life {
        plan,
        town: town.clone(),
        random: StdRng::seed_from_u64(plan.seed),
        kinds: [0..small, small..layout.rooms.len(), layout.rooms.len()..town.prepared.cast.rooms.len()],
        away: JoinSet::new(),
    };
    let outcome = life.drive(progress).await?;
    progress.stage("waiting for those who are away", life.away.len() as u64);
    while life.away.join_next().await.is_some() {
        progress.step();
    }
    town.hall.drain(plan.drain).await;
    Ok(town.report(plan, &connected, outcome).await)
}

/// The users, their connections and rooms.
struct Town {
    prepared: Prepared,
    fleet: Fleet,
    servers: Vec<usize>,
    hall: Rc<Hall>,
    residents: Rc<Residents>,
    back: RefCell<Back>,
}

/// Those who came back.
struct Back {
    resumes: Resumes,
    took: Histogram<u64>,
}

impl Default for Back {
    fn default() -> Self {
        Self { resumes: Resumes::default(), took: latency::histogram() }
    }
}

struct Outcome {
    begin: Reading,
    end: Reading,
    lag: Histogram<u64>,
}

/// What happens next.
struct Life<'a> {
    plan: &'a Day,
    town: Rc<Town>,
    random: StdRng,
    /// Rooms that are small, large and direct.
    kinds: [std::ops::Range<usize>; 3],
    /// Those who are away: at most everybody.
    away: JoinSet<()>,
}

impl Life<'_> {
    async fn drive(&mut self, progress: &Progress) -> anyhow::Result<Outcome> {
        progress.stage("a day", self.plan.schedule.length().as_secs());
        let (timer, start) = (Timer::new()?, Instant::now());
        let (mut begin, mut lag) = (None, latency::histogram());
        for turn in 0.. {
            let Some(beat) = self.plan.schedule.beat(turn) else { break };
            let due = start + beat.due;
            timer.until(due).await?;
            while !self.town.hall.judge.borrow().has_room() {
                self.town.hall.progress.notified().await;
            }
            if beat.measured {
                begin.get_or_insert_with(|| self.town.read());
                latency::record(&mut lag, due.elapsed().as_micros() as u64);
            }
            self.act(due, beat).await;
            progress.time(start.elapsed());
        }
        let end = self.town.read();
        Ok(Outcome { begin: begin.unwrap_or(end), end, lag })
    }

    /// A message, and what people do besides.
    async fn act(&mut self, due: Instant, beat: Beat) {
        let at = self.room();
        let members = &self.town.prepared.cast.rooms[at].members;
        let id = self.town.prepared.cast.rooms[at].id;
        let Some(&author) = members.choose(&mut self.random) else { return };
        // Who is away writes later: somebody else does instead.
        let author =
            [author].into_iter().chain(members.iter().copied()).find(|one| self.town.fleet.line(*one).is_some());
        let other = members.choose(&mut self.random).copied();
        let typing = author.filter(|_| happens(&mut self.random, TYPING));
        let marks = other.filter(|_| happens(&mut self.random, MARKS));
        let pages = other.filter(|_| happens(&mut self.random, PAGES));
        if let Some(member) = typing {
            self.town
                .send(member, format!(r#"{{"type":"TYPING_STATUS","payload":{{"roomId":"{id}","isTyping":true}}}}"#))
                .await;
        }
        if let Some((author, line)) = author.and_then(|author| Some((author, self.town.fleet.line(author)?))) {
            self.town.residents.asked(author);
            line.send(self.town.hall.publish(at as u32, id, due, beat.measured, self.plan.payload)).await;
        }
        let heard = other.map_or(0, |member| self.town.hall.last_heard(member, at as u32));
        if let Some(member) = marks.filter(|_| heard > 0) {
            self.town
                .send(member, format!(r#"{{"type":"MARK_READ","payload":{{"roomId":"{id}","seq":{heard}}}}}"#))
                .await;
        }
        if let Some(member) = pages
            && self.town.fleet.line(member).is_some()
            && self.town.hall.pages.borrow().under_way() < MAX_UNDER_WAY
        {
            let due = self.town.hall.micros(Instant::now());
            let asked = Asked { before: heard + 1, limit: 50, due, measured: beat.measured };
            let text = self.town.hall.ask(id, asked);
            self.town.residents.asked(member);
            self.town.send(member, text).await;
        }
        if self.random.random_bool((self.plan.leaves / self.plan.schedule.rate).min(1.0)) {
            self.leave();
        }
    }

    fn room(&mut self) -> usize {
        let [small, large, direct] = self.kinds.clone();
        let kind = match self.random.random_range(0..100) {
            hundredth if hundredth < SMALL_SHARE => small,
            hundredth if hundredth < SMALL_SHARE + DIRECT_SHARE && !direct.is_empty() => direct,
            _ => large,
        };
        self.random.random_range(kind)
    }

    /// Somebody whose connection has nothing open goes, and comes back a little later.
    fn leave(&mut self) {
        let member = self.random.random_range(0..self.plan.users);
        let away = Duration::from_millis(self.random.random_range(AWAY));
        if !self.town.residents.may_go(member) {
            return;
        }
        let Some(line) = self.town.fleet.take(member) else { return };
        let town = self.town.clone();
        town.hall.judge.borrow_mut().set_away(member, true);
        town.back.borrow_mut().resumes.disconnects += 1;
        self.away.spawn_local(async move {
            line.close().await;
            tokio::time::sleep(away).await;
            let begin = Instant::now();
            let server = &town.prepared.target.chat[town.servers[member]];
            let user = &town.prepared.cast.users[member];
            let outcome = town.residents.clone().come_back(&town.fleet, server, user, member).await;
            let back = &mut *town.back.borrow_mut();
            match outcome {
                Ok(resets) => {
                    back.resumes.resumed += 1;
                    back.resumes.resets += resets;
                    latency::record(&mut back.took, micros_since(begin));
                }
                Err(_) => back.resumes.failed += 1,
            }
        });
    }
}

fn happens(random: &mut StdRng, hundredths: u32) -> bool {
    random.random_ratio(hundredths, 100)
}

impl Town {
    fn read(&self) -> Reading {
        self.prepared.meter.read(self.hall.judge.borrow().tally.delivered)
    }

    /// Sends, if the member is there.
    async fn send(&self, member: usize, text: String) {
        if let Some(line) = self.fleet.line(member) {
            line.send(text).await;
        }
    }

    async fn report(&self, plan: &Day, connected: &Reading, outcome: Outcome) -> Report {
        let span = outcome.end.since(&outcome.begin);
        let after = self.read();
        self.fleet.close(0).await;
        let judge = self.hall.judge.borrow();
        let mut report = self.prepared.report.clone();
        let mut resumes = self.back.borrow().resumes.clone();
        resumes.latency_ms = latency::Latency::of(&self.back.borrow().took);
        let mut pages = self.hall.pages.borrow().pages();
        pages.per_second = self.hall.pages.borrow().latency.len() as f64 / span.time.as_secs_f64().max(1e-9);
        report.setup.rate = Some(plan.schedule.rate);
        report.setup.payload_bytes = plan.payload;
        report.setup.seconds = span.time.as_secs_f64();
        report.messages =
            Some(Messages::of(&judge.tally, &judge.verdict(), &span, &judge.delivery, &judge.acknowledgement));
        report.resumes = Some(resumes);
        report.pages = Some(pages);
        report.server = Server::of(&self.prepared.meter, &self.prepared.before, connected, &after, &span);
        report.judged(&span, &outcome.lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_a_small_a_large_and_a_direct_room() {
        let layout = layout(600);
        assert_eq!((layout.rooms.len(), layout.direct.len()), (75 + 3, 300));
        let rooms_of = |user: usize| layout.rooms.iter().filter(|room| room.contains(&user)).count();
        assert!((0..600).all(|user| rooms_of(user) == 2));
        assert!(layout.rooms.iter().all(|room| !room.is_empty()));
    }
}
