//! The command line of `chatapp verify`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::{Plan, Report, Run};

/// Checks that a deployment keeps its promise: no acknowledged message is lost, doubled or reordered, and whoever
/// reconnects misses nothing. Makes users and rooms of its own, and needs nothing but the address of the api-server.
///
/// Exit status: 0 the promise was kept, 1 it was broken, 2 the check was not possible.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Address of the api-server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    api: String,
    /// How long the load lasts
    #[arg(long, value_name = "N", default_value_t = 30)]
    seconds: u64,
    /// Users, each with a connection of their own; they are guests where guests are allowed
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    users: u32,
    /// Rooms; every user is in all of them
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rooms: u32,
    /// Messages a second, of all users together
    #[arg(long, value_name = "N", default_value_t = 40)]
    rate: u32,
    /// Cut each user's connection about every so many seconds; 0: never
    #[arg(long, value_name = "N", default_value_t = 10)]
    cut_every: u64,
    /// Repeats what an earlier run did; when it happens is never the same
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Also write the result as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The check was not possible.
const NOT_POSSIBLE: u8 = 2;
/// Between two looks at the counts.
const TICK: Duration = Duration::from_millis(250);
/// Between two lines where there is no terminal.
const LINE_EVERY: u32 = 20;

/// Runs the check and says what it found.
pub fn main(args: &VerifyArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(verify(args))) {
        Ok(report) if report.passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the check was not possible: {error:#}"));
            ExitCode::from(NOT_POSSIBLE)
        }
    }
}

async fn verify(args: &VerifyArgs) -> anyhow::Result<Report> {
    let mut plan = Plan::new(&args.api);
    (plan.users, plan.rooms) = (args.users as usize, args.rooms as usize);
    plan.rate = f64::from(args.rate);
    plan.cut_every = (args.cut_every > 0).then(|| Duration::from_secs(args.cut_every));
    plan.seed = args.seed.unwrap_or(plan.seed);
    let bar = Progress::new(args.seconds);
    let note = |text: &str| bar.note(text);
    note(&format!("seed {}", plan.seed));
    let run = Run::begin(plan, &note).await.with_context(|| format!("prepare at {}", args.api))?;
    load(&run, Duration::from_secs(args.seconds), &bar).await;
    let report = run.finish(&note).await?;
    bar.end();
    tell(&report, args.json.as_ref())?;
    Ok(report)
}

/// Lets the load run, and shows how it goes.
async fn load(run: &Run, time: Duration, bar: &Progress) {
    let (began, mut tick) = (Instant::now(), tokio::time::interval(TICK));
    while began.elapsed() < time {
        tick.tick().await;
        let counts = run.counts();
        let text = format!(
            "acknowledged {} of {}, delivered {}, resumed {}, breaches {}",
            counts.tally.acknowledged,
            counts.tally.sent,
            counts.tally.delivered,
            counts.resumes,
            run.breaches_so_far(),
        );
        bar.at(began.elapsed(), &text);
    }
}

/// The table, and the JSON where it was wished for. Where JSON is standard output, it is that alone.
fn tell(report: &Report, json: Option<&PathBuf>) -> anyhow::Result<()> {
    match json {
        Some(file) if file.as_os_str() == "-" => {
            say(&report.to_string());
            print(&report.to_json());
        }
        Some(file) => {
            print(&report.to_string());
            std::fs::write(file, report.to_json() + "\n").with_context(|| format!("write {}", file.display()))?;
        }
        None => print(&report.to_string()),
    }
    Ok(())
}

/// A bar on a terminal; elsewhere a line now and then. On standard error.
struct Progress {
    bar: ProgressBar,
    ticks: std::sync::atomic::AtomicU32,
}

impl Progress {
    fn new(seconds: u64) -> Self {
        let bar = ProgressBar::new(seconds * 1000);
        if let Ok(style) = ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {msg}") {
            bar.set_style(style);
        }
        Self { bar, ticks: 0.into() }
    }

    fn note(&self, text: &str) {
        if self.bar.is_hidden() {
            say(text);
        } else {
            self.bar.set_message(text.to_owned());
            self.bar.tick();
        }
    }

    fn at(&self, elapsed: Duration, text: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            self.bar.set_message(text.to_owned());
        } else if self.ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(LINE_EVERY) {
            say(text);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[expect(clippy::print_stderr, reason = "for the person who waits")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "this is the program's output")]
fn print(text: &str) {
    println!("{text}");
}
