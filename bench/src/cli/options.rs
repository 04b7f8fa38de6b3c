//! The options, and workloads made of them. What does not fit together is told in one line.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use url::Url;

use crate::{
    frame::MIN_PAYLOAD,
    pace::{Schedule, Until},
    plot, process,
    report::Report,
    target,
    workload::{
        Common,
        connections::Connections,
        day::Day,
        history::{By, Depth, History},
        resume::Resume,
        talk::Talk,
    },
};

/// The deployment, and where the results go.
#[derive(Debug, Args)]
pub struct Target {
    /// Address of the api-server
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    api: String,
    /// Address of a chat-server, repeatable: connections go to them in turn (default: the one the registry names)
    #[arg(long, global = true, value_name = "URL", value_parser = target::chat_url)]
    chat: Vec<Url>,
    /// A process of the server, repeatable, its children too: adds CPU for each delivery and memory
    #[arg(long, global = true, value_name = "PID", value_delimiter = ',')]
    pid: Vec<u32>,
    /// Connections opened at the same time
    #[arg(long, global = true, value_name = "N", default_value_t = 64, value_parser = whole(1))]
    connecting: u64,
    /// Add the result to this file, one line of JSON for each run
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Name of the run in JSON and plots
    #[arg(long, global = true, value_name = "NAME", default_value = "")]
    label: String,
    /// Draw the percentiles of this run as SVG in this directory
    #[arg(long, global = true, value_name = "DIR")]
    svg: Option<PathBuf>,
}

/// Options of `fanout` and `rooms`.
#[derive(Debug, Args)]
pub struct TalkArgs {
    /// Users, each with a connection
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = whole(1))]
    users: u64,
    /// Rooms, the users spread evenly over them
    #[arg(long, value_name = "N", value_parser = whole(1))]
    rooms: Option<u64>,
    #[command(flatten)]
    pace: Pace,
    /// Closed loop: keep so many messages in flight instead of a rate
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = whole(1))]
    window: Option<u64>,
    /// So many of the users do not read their connections
    #[arg(long, value_name = "N", default_value_t = 0)]
    slow: u64,
    /// Rooms keep so many messages each, at least 10 (default: all)
    #[arg(long, value_name = "N", value_parser = whole(10))]
    keep: Option<u64>,
}

/// How much, how long.
#[derive(Debug, Args)]
pub struct Pace {
    /// Messages a second, of all users together
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Seconds measured
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Messages measured, instead of a time
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = whole(1))]
    messages: Option<u64>,
    /// Seconds before it is measured
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    warmup: f64,
    /// Bytes of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 120, value_parser = whole(MIN_PAYLOAD as u64))]
    payload: u64,
    /// In the end, seconds to wait for what is missing while nothing comes
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds)]
    drain: f64,
}

/// Options of `connections` and `storm`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Users, each with a connection
    #[arg(long, value_name = "N", value_parser = whole(1))]
    users: Option<u64>,
    /// Rooms, the users spread evenly over them; 0: they are in none (default: one for ten users)
    #[arg(long, value_name = "N")]
    rooms: Option<u64>,
    /// Seconds they stay
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
}

/// Options of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Members of the room, who read in turn
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole(1))]
    users: u64,
    /// Messages the room is filled with
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = whole(1))]
    fill: u64,
    /// How pages are asked for
    #[arg(long, value_enum, default_value_t = By::Ws)]
    by: By,
    /// Which pages are asked for
    #[arg(long, value_enum, default_value_t = Depth::Anywhere)]
    depth: Depth,
    /// Messages of a page
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
    limit: u64,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    seed: Seed,
}

/// Options of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Users, each with a connection
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = whole(2))]
    users: u64,
    /// Rooms, the users spread evenly over them
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(1))]
    rooms: u64,
    /// Messages in each room that those who are away miss
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    missed: u64,
    /// Bytes of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 120, value_parser = whole(MIN_PAYLOAD as u64))]
    payload: u64,
}

/// Options of `day`.
#[derive(Debug, Args)]
pub struct DayArgs {
    /// Users, each with a connection: in a small room, a direct one and a large one
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = whole(2))]
    users: u64,
    #[command(flatten)]
    pace: Pace,
    /// Users who leave, each second, to come back and resume a little later
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = seconds)]
    leaves: f64,
    #[command(flatten)]
    seed: Seed,
}

/// Where chance begins.
#[derive(Debug, Args)]
pub struct Seed {
    /// Repeats what an earlier run did; when it happens is never the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Options of `plot`.
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// Files that --json wrote
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the plots go
    #[arg(long = "into", value_name = "DIR", default_value = ".")]
    into: PathBuf,
}

impl HistoryArgs {
    pub fn history(&self) -> History {
        History {
            readers: self.users as usize,
            fill: self.fill,
            payload: self.pace.payload as usize,
            by: self.by,
            depth: self.depth,
            limit: self.limit,
            schedule: self.pace.schedule(200.0),
            seed: self.seed.seed,
            drain: Duration::from_secs_f64(self.pace.drain),
        }
    }
}

impl ResumeArgs {
    pub fn resume(&self) -> Result<Resume, String> {
        if self.rooms >= self.users {
            return Err(format!("--rooms {}: nobody of the {} --users would go away", self.rooms, self.users));
        }
        Ok(Resume {
            users: self.users as usize,
            rooms: self.rooms as usize,
            missed: self.missed,
            payload: self.payload as usize,
            drain: Duration::from_secs(10),
        })
    }
}

impl DayArgs {
    pub fn day(&self) -> Day {
        Day {
            users: self.users as usize,
            schedule: self.pace.schedule(100.0),
            leaves: self.leaves,
            payload: self.pace.payload as usize,
            seed: self.seed.seed,
            drain: Duration::from_secs_f64(self.pace.drain),
        }
    }
}

impl PlotArgs {
    pub fn draw(&self) -> anyhow::Result<()> {
        let mut reports = Vec::new();
        for file in &self.files {
            reports.extend(Report::read_all(file)?);
        }
        plot::draw(&reports, &self.into)
    }
}

impl Target {
    pub fn common(&self) -> Result<Common, String> {
        if let Some(pid) = self.pid.iter().find(|pid| !process::exists(**pid)) {
            return Err(format!("--pid {pid}: there is no such process"));
        }
        client::Api::new(&self.api).map_err(|e| format!("--api: {e}"))?;
        Ok(Common {
            chat: self.chat.clone(),
            pids: self.pid.clone(),
            at_once: self.connecting as usize,
            label: self.label.clone(),
            json: self.json.clone(),
            svg: self.svg.clone(),
            ..Common::new(&self.api)
        })
    }
}

impl Pace {
    pub fn schedule(&self, default_rate: f64) -> Schedule {
        let time = Until::Time(Duration::from_secs_f64(self.seconds));
        Schedule {
            rate: self.rate.unwrap_or(default_rate),
            warmup: Duration::from_secs_f64(self.warmup),
            until: self.messages.map_or(time, Until::Messages),
        }
    }
}

impl TalkArgs {
    pub fn talk(&self, name: &'static str, rooms: u64, rate: f64) -> Result<Talk, String> {
        let rooms = self.rooms.unwrap_or(rooms);
        if rooms > self.users {
            return Err(format!("--rooms {rooms}: more than the {} --users", self.users));
        }
        if self.slow > 0 && self.slow >= self.users {
            return Err(format!("--slow {}: somebody must read of the {} --users", self.slow, self.users));
        }
        Ok(Talk {
            name,
            users: self.users as usize,
            rooms: rooms as usize,
            schedule: self.pace.schedule(rate),
            window: self.window.map(|window| window as usize),
            payload: self.pace.payload as usize,
            slow: self.slow as usize,
            keep: self.keep,
            drain: Duration::from_secs_f64(self.pace.drain),
        })
    }
}

impl ConnectArgs {
    pub fn connections(&self, name: &'static str, users: u64, storm: bool, hold: f64) -> Result<Connections, String> {
        let users = self.users.unwrap_or(users);
        let rooms = self.rooms.unwrap_or(users.div_ceil(10));
        if rooms > users {
            return Err(format!("--rooms {rooms}: more than the {users} --users"));
        }
        Ok(Connections {
            name,
            users: users as usize,
            rooms: rooms as usize,
            storm,
            hold: Duration::from_secs_f64(self.seconds.unwrap_or(hold)),
        })
    }
}

/// A whole number, from `least` to a billion.
fn whole(least: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=1_000_000_000)
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 1_000_000.0).filter(|rate| *rate >= 0.001).ok_or("from 0.001 to 1000000 a second".into())
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, 1_000_000.0).ok_or("a number of seconds, from 0 to 1000000".into())
}

fn number(text: &str, most: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (0.0..=most).contains(number))
}
