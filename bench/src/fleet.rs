//! Many connections, one for each user.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    cast::{Cast, User},
    latency,
    line::{self, Line, Listener, Manner, Refusal},
    progress::Progress,
    target::Target,
};

/// Files this process needs besides its connections.
const OTHER_FILES: u64 = 200;

/// The open connections by user. Dropped, they are closed.
pub struct Fleet {
    lines: RefCell<Vec<Option<Rc<Line>>>>,
}

/// How opening them went.
pub struct Opening {
    /// From the first to the last.
    pub took: Duration,
    /// To `AUTH_SUCCESS`, in microseconds.
    pub latency: Histogram<u64>,
    pub opened: u64,
    /// Those that failed, by reason.
    pub failed: BTreeMap<String, u64>,
}

/// How to open them.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Being opened at the same time.
    pub at_once: usize,
    /// All are due at the same moment: what they wait for their turn counts too.
    pub storm: bool,
    pub hold: bool,
    /// The last so many are not read.
    pub slow: usize,
}

impl Fleet {
    /// Opens a connection for each user of `cast`; those that fail are counted.
    pub async fn open(
        target: &Target,
        cast: &Cast,
        plan: Plan,
        listener: &Rc<dyn Listener>,
        progress: &Progress,
    ) -> anyhow::Result<(Self, Opening)> {
        raise_file_limit(cast.users.len())?;
        progress.stage("connecting", cast.users.len() as u64);
        let servers = spread(cast, target.chat.len());
        let fleet = Self { lines: RefCell::new(vec![None; cast.users.len()]) };
        let mut opening =
            Opening { took: Duration::ZERO, latency: latency::histogram(), opened: 0, failed: BTreeMap::new() };
        let began = Instant::now();
        let dial = |(member, user)| {
            let server = &target.chat[servers[member]];
            let manner = Manner { hold: plan.hold, slow: member + plan.slow >= cast.users.len() };
            async move {
                let due = if plan.storm { began } else { Instant::now() };
                let outcome = dial_as(server, user, manner).await;
                let line = outcome.map(|socket| Line::start(socket, member, manner, listener.clone()));
                (member, line, due.elapsed())
            }
        };
        let mut dials = stream::iter(cast.users.iter().enumerate()).map(dial).buffer_unordered(plan.at_once.max(1));
        while let Some((member, outcome, took)) = dials.next().await {
            progress.step();
            match outcome {
                Ok(line) => {
                    fleet.put(member, line);
                    opening.opened += 1;
                    latency::record(&mut opening.latency, took.as_micros() as u64);
                }
                Err(refusal) => *opening.failed.entry(refusal.to_string()).or_default() += 1,
            }
        }
        opening.took = began.elapsed();
        Ok((fleet, opening))
    }

    /// The connection of a user, if it is open.
    pub fn line(&self, member: usize) -> Option<Rc<Line>> {
        self.lines.borrow()[member].clone().filter(|line| line.is_open())
    }

    /// How many are open.
    pub fn open_lines(&self) -> usize {
        self.lines.borrow().iter().flatten().filter(|line| line.is_open()).count()
    }

    /// Takes a user's connection away, to close it.
    pub fn take(&self, member: usize) -> Option<Rc<Line>> {
        self.lines.borrow_mut()[member].take()
    }

    /// Puts a new connection in a user's place.
    pub fn put(&self, member: usize, line: Line) {
        self.lines.borrow_mut()[member] = Some(Rc::new(line));
    }

    /// Closes all; gives how many of the last `slow` the server had closed before.
    pub async fn close(&self, slow: usize) -> u64 {
        let lines = std::mem::take(&mut *self.lines.borrow_mut());
        let first_slow = lines.len() - slow;
        let mut cut = 0;
        let closing = lines.into_iter().enumerate().filter_map(|(at, line)| Some((at, line?)));
        let closing = closing.map(|(at, line)| async move { line.close().await && at >= first_slow });
        let mut closing = stream::iter(closing).buffer_unordered(256);
        while let Some(ended) = closing.next().await {
            cut += u64::from(ended);
        }
        cut
    }
}

/// Opens one; with a token that has run out, once more with a new one.
pub async fn dial_as(server: &crate::target::ChatServer, user: &User, manner: Manner) -> Result<line::Socket, Refusal> {
    let no_token = |e: client::Error| Refusal::Lost(format!("no token: {e}"));
    let token = user.token(None).await.map_err(no_token)?;
    match line::dial(server, &token, manner).await {
        Err(Refusal::Closed(why)) if why.contains("4401") => {
            let token = user.token(Some(&token)).await.map_err(no_token)?;
            line::dial(server, &token, manner).await
        }
        outcome => outcome,
    }
}

/// The chat-server of each user: the members of every room are on all of them.
pub fn spread(cast: &Cast, servers: usize) -> Vec<usize> {
    let mut spread: Vec<usize> = (0..cast.users.len()).map(|user| user % servers).collect();
    for room in cast.rooms.iter().rev() {
        room.members.iter().enumerate().for_each(|(at, member)| spread[*member] = at % servers);
    }
    spread
}

/// Each connection is an open file. Errors: even the hard limit is too low for so many.
fn raise_file_limit(connections: usize) -> anyhow::Result<()> {
    let wanted = connections as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).context("raise the limit of open files")?;
    let enough = limit.maximum.is_none_or(|maximum| maximum >= wanted);
    anyhow::ensure!(enough, "{connections} connections need {wanted} open files; the hard limit (ulimit -Hn) is lower");
    Ok(())
}
