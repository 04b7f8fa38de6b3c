//! What can be done to a deployment, one file each; what they share.

pub mod connections;
pub mod day;
pub mod history;
pub mod resume;
pub mod talk;

use std::{path::PathBuf, rc::Rc, time::Instant};

use anyhow::Context;
use client::Api;
use url::Url;

use crate::{
    cast::{Cast, Layout},
    fleet::{self, Fleet},
    hall::Hall,
    judge::Judge,
    line::Listener,
    meter::{Meter, Reading},
    progress::Progress,
    report::{Connect, Report, Setup},
    resident::Residents,
    target::Target,
};

/// What every workload needs to know.
#[derive(Debug, Clone)]
pub struct Common {
    pub api: String,
    /// None: the registry is asked.
    pub chat: Vec<Url>,
    /// The server's processes.
    pub pids: Vec<u32>,
    /// Connections opened at the same time.
    pub at_once: usize,
    pub label: String,
    pub json: Option<PathBuf>,
    pub svg: Option<PathBuf>,
}

impl Common {
    /// For the deployment at `api`, with defaults.
    pub fn new(api: impl Into<String>) -> Self {
        Self {
            api: api.into(),
            chat: Vec::new(),
            pids: Vec::new(),
            at_once: 64,
            label: String::new(),
            json: None,
            svg: None,
        }
    }
}

/// Users with rooms, and the deployment they are on.
pub struct Prepared {
    pub target: Target,
    pub cast: Cast,
    pub meter: Meter,
    pub report: Report,
    /// Before anybody connects.
    pub before: Reading,
}

/// Makes users and rooms.
pub async fn prepare(name: &str, common: &Common, layout: &Layout, progress: &Progress) -> anyhow::Result<Prepared> {
    let api = Api::new(&common.api)?;
    let began = Instant::now();
    let cast = Cast::make(&api, layout, progress).await?;
    let first = cast.users.first().context("there must be a user")?.token(None).await?;
    let target = Target::find(&api.with_token(first), &common.chat).await?;
    let setup = Setup {
        users: cast.users.len(),
        rooms: cast.rooms.len(),
        chat_servers: target.chat.len(),
        setup_seconds: began.elapsed().as_secs_f64(),
        ..Setup::default()
    };
    let report = Report { workload: name.to_owned(), label: common.label.clone(), setup, ..Report::default() };
    let meter = Meter::new(&common.pids);
    let before = meter.read(0);
    Ok(Prepared { target, cast, meter, report, before })
}

impl Prepared {
    /// Connects everybody; the judge expects deliveries at all but the last `slow`, and failures at nobody.
    pub async fn open(&mut self, plan: fleet::Plan, progress: &Progress) -> anyhow::Result<(Rc<Hall>, Fleet, Reading)> {
        let hall = self.hall();
        let listener: Rc<dyn Listener> = hall.clone();
        let (fleet, connected) = self.open_for(plan, &hall, &listener, progress).await?;
        Ok((hall, fleet, connected))
    }

    /// Connects everybody, `at_once` at the same time, as residents: they keep positions, and may go and come back.
    pub async fn open_residents(
        &mut self,
        at_once: usize,
        progress: &Progress,
    ) -> anyhow::Result<(Rc<Hall>, Rc<Residents>, Fleet, Reading)> {
        let (hall, users) = (self.hall(), self.cast.users.len());
        let residents = Residents::new(hall.clone(), users);
        let listener: Rc<dyn Listener> = residents.clone();
        let plan = fleet::Plan { at_once, storm: false, hold: true, slow: 0 };
        let (fleet, connected) = self.open_for(plan, &hall, &listener, progress).await?;
        residents.settle_in(&fleet, users).await?;
        Ok((hall, residents, fleet, connected))
    }

    /// A hall where nobody is yet.
    fn hall(&self) -> Rc<Hall> {
        Rc::new(Hall::new(Judge::new(self.cast.rooms.len(), self.cast.users.len())))
    }

    /// [`open`](Self::open), where something else than the hall itself listens.
    async fn open_for(
        &mut self,
        plan: fleet::Plan,
        hall: &Hall,
        listener: &Rc<dyn Listener>,
        progress: &Progress,
    ) -> anyhow::Result<(Fleet, Reading)> {
        let before = self.meter.read(0);
        let (fleet, opening) = Fleet::open(&self.target, &self.cast, plan, listener, progress).await?;
        let connected = self.meter.read(0);
        self.report.connect = Some(Connect::of(&opening, &self.meter, &before, &connected));
        let reading = self.cast.users.len() - plan.slow;
        let judge = &mut *hall.judge.borrow_mut();
        for (member, rooms) in self.cast.rooms_of_users().into_iter().enumerate().take(reading) {
            if fleet.line(member).is_some() {
                rooms.into_iter().for_each(|room| judge.enter(member, room, 0));
            }
        }
        Ok((fleet, connected))
    }
}
