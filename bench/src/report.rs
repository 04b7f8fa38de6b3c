//! What a run found: for people a table, for programs a line of JSON.

mod table;

use std::{collections::BTreeMap, io::Write, path::Path};

use anyhow::Context;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::Opening,
    judge::{Tally, Verdict},
    latency::Latency,
    meter::{Meter, Reading, Span},
    process::Machine,
};

/// One core, less what a measurement may be off.
const SATURATED: f64 = 0.9;
/// A tool that sends later than this for one message in a hundred distorts what it measures.
const LAG_MS: f64 = 5.0;

/// The outcome of a run. What was not part of it is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    pub workload: String,
    pub label: String,
    /// Nothing lost, doubled, reordered or unanswered, and everybody connected.
    pub passed: bool,
    pub setup: Setup,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Connect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes: Option<Resumes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<Slow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    pub tool: Tool,
    pub machine: Machine,
    /// What to know before believing the figures.
    pub warnings: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Setup {
    pub users: usize,
    pub rooms: usize,
    pub chat_servers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    pub payload_bytes: usize,
    /// Measured, without the warm-up.
    pub seconds: f64,
    /// What making the users and rooms took.
    pub setup_seconds: f64,
}

/// Opening the connections, each with a verified token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connect {
    pub opened: u64,
    pub failed: u64,
    /// By reason.
    pub failures: BTreeMap<String, u64>,
    pub seconds: f64,
    pub per_second: f64,
    /// To `AUTH_SUCCESS`; in a storm, from its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us_each: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_bytes_each: Option<f64>,
}

/// The messages of the whole run, the warm-up too; rates and latencies without it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Messages {
    pub published: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub expected: u64,
    pub delivered: u64,
    /// Of those, to members who had been away; in no latency.
    pub caught_up: u64,
    pub lost: u64,
    pub doubled: u64,
    pub reordered: u64,
    pub foreign: u64,
    pub unreadable: u64,
    /// Connections that ended without being asked to.
    pub dropped: u64,
    pub delivered_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_ms: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement_ms: Option<Latency>,
    pub errors: BTreeMap<String, u64>,
    pub other_frames: BTreeMap<String, u64>,
    pub examples: Vec<String>,
}

/// Pages of history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pages {
    pub asked: u64,
    pub read: u64,
    pub failed: BTreeMap<String, u64>,
    /// Pages with a message missing, doubled or in the wrong place.
    pub wrong: u64,
    pub messages_in_room: u64,
    pub per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us_each: Option<f64>,
}

/// People who came back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resumes {
    pub disconnects: u64,
    pub resumed: u64,
    /// Rooms or users that the server could not go on with.
    pub resets: u64,
    pub failed: u64,
    /// From dialling to `RESUMED`, with all that was missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Latency>,
}

/// Connections that did not read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Slow {
    pub connections: u64,
    /// Of those, closed by the server.
    pub cut: u64,
}

/// Connections that did nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Idle {
    /// Open in the end.
    pub stayed: u64,
    pub held_seconds: f64,
}

/// The server's processes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    pub cpu_cores: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us_per_delivery: Option<f64>,
    pub memory_before: u64,
    pub memory_connected: u64,
    pub memory_after: u64,
}

/// This tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tool {
    pub version: String,
    pub cpu_cores: f64,
    /// Behind schedule when sending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<Latency>,
    /// It was too slow itself.
    pub limited: bool,
}

impl Connect {
    pub fn of(opening: &Opening, meter: &Meter, before: &Reading, after: &Reading) -> Self {
        let seconds = opening.took.as_secs_f64();
        let each = |total: f64| (meter.watches_server() && opening.opened > 0).then(|| total / opening.opened as f64);
        Self {
            opened: opening.opened,
            failed: opening.failed.values().sum(),
            failures: opening.failed.clone(),
            seconds,
            per_second: opening.opened as f64 / seconds.max(1e-9),
            latency_ms: Latency::of(&opening.latency),
            server_cpu_us_each: each(after.since(before).server_cpu.as_secs_f64() * 1e6),
            server_bytes_each: each(after.server.memory as f64 - before.server.memory as f64),
        }
    }
}

impl Messages {
    pub fn of(tally: &Tally, verdict: &Verdict, span: &Span, delivery: &Histogram<u64>, ack: &Histogram<u64>) -> Self {
        Self {
            published: tally.published,
            acknowledged: tally.acknowledged,
            refused: tally.refused,
            unanswered: verdict.unanswered,
            expected: tally.expected,
            delivered: tally.delivered,
            caught_up: tally.caught_up,
            lost: verdict.lost,
            doubled: tally.doubled,
            reordered: tally.reordered,
            foreign: tally.foreign,
            unreadable: tally.unreadable,
            dropped: tally.dropped,
            delivered_per_second: span.delivered as f64 / span.time.as_secs_f64().max(1e-9),
            delivery_ms: Latency::of(delivery),
            acknowledgement_ms: Latency::of(ack),
            errors: tally.errors.clone(),
            other_frames: tally.others.clone(),
            examples: verdict.examples.clone(),
        }
    }

    /// No fault of any kind.
    fn is_clean(&self) -> bool {
        let faults = [self.lost, self.doubled, self.reordered, self.foreign, self.unreadable, self.unanswered];
        let all_refused = self.published > 0 && self.acknowledged == 0;
        faults.iter().sum::<u64>() == 0 && self.dropped == 0 && !all_refused
    }
}

impl Server {
    /// `None` where no process is watched.
    pub fn of(meter: &Meter, before: &Reading, connected: &Reading, after: &Reading, span: &Span) -> Option<Self> {
        meter.watches_server().then(|| Self {
            cpu_cores: span.server_cores(),
            cpu_us_per_delivery: (span.delivered > 0)
                .then(|| span.server_cpu.as_secs_f64() * 1e6 / span.delivered as f64),
            memory_before: before.server.memory,
            memory_connected: connected.server.memory,
            memory_after: after.server.memory,
        })
    }
}

impl Report {
    /// Decides whether the run was clean, and says what to know about it.
    pub fn judged(mut self, span: &Span, lag: &Histogram<u64>) -> Self {
        self.tool = Tool {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cpu_cores: span.own_cores(),
            lag_ms: Latency::of(lag),
            limited: false,
        };
        self.machine = Machine::here();
        let late = self.tool.lag_ms.as_ref().is_some_and(|lag| lag.p99 > LAG_MS);
        self.tool.limited = self.tool.cpu_cores > SATURATED || late;
        if self.tool.limited {
            self.warnings.push(format!(
                "this tool was the limit: {:.2} of one core, {:.1} ms behind schedule at p99; give it a core of its \
                 own or lower the load",
                self.tool.cpu_cores,
                self.tool.lag_ms.as_ref().map_or(0.0, |lag| lag.p99)
            ));
        }
        let limits =
            |errors: &BTreeMap<String, u64>| errors.keys().any(|e| e.contains("RATE_LIMIT") || e.contains("429"));
        if self.errors().any(limits) {
            self.warnings.push(
                "the deployment limits rates and refused part of the load: start it with CHATAPP__LIMITS__ENABLED=false".into(),
            );
        }
        let connected = self.connect.as_ref().is_none_or(|connect| connect.failed == 0);
        let messages = self.messages.as_ref().is_none_or(Messages::is_clean);
        let pages = self.pages.as_ref().is_none_or(|pages| pages.wrong == 0 && pages.failed.is_empty());
        let resumes = self.resumes.as_ref().is_none_or(|resumes| resumes.failed == 0 && resumes.resets == 0);
        let idle = self.idle.as_ref().is_none_or(|idle| idle.stayed == self.setup.users as u64);
        self.passed = connected && messages && pages && resumes && idle;
        self
    }

    fn errors(&self) -> impl Iterator<Item = &BTreeMap<String, u64>> {
        let messages = self.messages.iter().map(|messages| &messages.errors);
        let connect = self.connect.iter().map(|connect| &connect.failures);
        messages.chain(connect).chain(self.pages.iter().map(|pages| &pages.failed))
    }

    /// Adds the report to `file` as one line of JSON.
    pub fn append_to(&self, file: &Path) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(self).context("encode the report")?;
        line.push('\n');
        let file_name = || format!("write {}", file.display());
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).with_context(file_name)?;
        file.write_all(line.as_bytes()).context("write the report")
    }

    /// The reports in a file that [`append_to`](Self::append_to) wrote.
    pub fn read_all(file: &Path) -> anyhow::Result<Vec<Self>> {
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(at, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("{}, line {}", file.display(), at + 1))
        };
        lines.map(read).collect()
    }
}

#[cfg(test)]
mod tests;
