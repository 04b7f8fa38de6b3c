//! The command line of `bench`.

mod options;

use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};
use shared::settings::EXIT_USAGE;

use crate::{
    plot,
    progress::Progress,
    report::Report,
    workload::{Common, connections, day, history, resume, talk},
};
use options::{ConnectArgs, DayArgs, HistoryArgs, PlotArgs, ResumeArgs, TalkArgs, Target};

/// Puts a ChatApp deployment under load and says what it carries and what that costs.
///
/// It makes guests and rooms of its own (they stay) and needs nothing but the address of the api-server:
///
///   bench rooms --api http://127.0.0.1:3000
///
/// Every message is expected once at each member connected, in the order of the room. Open loop: latency counts from
/// the moment a message was due, so that what a stall holds up is paid for. The deployment's limits for users stand in
/// the way of a load generator: start it with CHATAPP__LIMITS__ENABLED=false. One thread; start several for more than
/// one core's worth of load. https and wss go by the certificates this machine trusts; SSL_CERT_FILE names others.
///
/// Exit status: 0 every message is accounted for, 1 something was lost, doubled, reordered or not connected, 2 the run
/// was not possible, 64 wrong options.
#[derive(Debug, Parser)]
#[command(name = "bench", version, verbatim_doc_comment)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One room, all users in it (1,000, 50 messages a second)
    Fanout(TalkArgs),
    /// Small rooms (1,000 users in 100 rooms, 2,000 messages a second)
    Rooms(TalkArgs),
    /// Many connections that do nothing (10,000): how fast they come, what they cost, how many stay
    Connections(ConnectArgs),
    /// All users connect at the same moment (1,000): time to AUTH_SUCCESS
    Storm(ConnectArgs),
    /// Pages of a room that is filled first (10,000 messages, 200 pages a second)
    History(HistoryArgs),
    /// All but one of each room go, messages are sent, all come back at once and resume
    Resume(ResumeArgs),
    /// A mixed day: small rooms, direct messages, a few large rooms, typing, marks, history, people who come and go
    Day(DayArgs),
    /// Draw what --json collected: percentiles of each run, cost against connections
    Plot(PlotArgs),
}

/// Something was wrong with what the deployment did.
const FAULT: u8 = 1;
/// The run was not possible.
const NOT_POSSIBLE: u8 = 2;

/// The program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return wrong_options(&error),
    };
    if let Command::Plot(plot) = &args.command {
        return end(plot.draw().map(|()| true));
    }
    let common = match args.target.common() {
        Ok(common) => common,
        Err(line) => return refuse(&line),
    };
    let work = match Work::of(args.command) {
        Ok(work) => work,
        Err(line) => return refuse(&line),
    };
    let progress = Progress::new();
    let outcome = block_on(work.run(&common, &progress));
    progress.end();
    end(outcome.and_then(|report| tell(&report, &common).map(|()| report.passed)))
}

fn end(outcome: anyhow::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAULT),
        Err(error) => {
            say(&format!("the run was not possible: {error:#}"));
            ExitCode::from(NOT_POSSIBLE)
        }
    }
}

/// Runs on this thread alone.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// A workload with its options checked.
enum Work {
    Talk(talk::Talk),
    Connections(connections::Connections),
    History(history::History),
    Resume(resume::Resume),
    Day(day::Day),
}

impl Work {
    fn of(command: Command) -> Result<Self, String> {
        match command {
            Command::Fanout(args) => args.talk("fanout", 1, 50.0).map(Self::Talk),
            Command::Rooms(args) => args.talk("rooms", 100, 2000.0).map(Self::Talk),
            Command::Connections(args) => args.connections("connections", 10_000, false, 10.0).map(Self::Connections),
            Command::Storm(args) => args.connections("storm", 1000, true, 1.0).map(Self::Connections),
            Command::History(args) => Ok(Self::History(args.history())),
            Command::Resume(args) => args.resume().map(Self::Resume),
            Command::Day(args) => Ok(Self::Day(args.day())),
            Command::Plot(_) => Err("plot needs no deployment".to_owned()),
        }
    }

    async fn run(&self, common: &Common, progress: &Progress) -> anyhow::Result<Report> {
        match self {
            Self::Talk(plan) => talk::run(common, plan, progress).await,
            Self::Connections(plan) => connections::run(common, plan, progress).await,
            Self::History(plan) => history::run(common, plan, progress).await,
            Self::Resume(plan) => resume::run(common, plan, progress).await,
            Self::Day(plan) => day::run(common, plan, progress).await,
        }
    }
}

fn tell(report: &Report, common: &Common) -> anyhow::Result<()> {
    print(&report.to_string());
    if let Some(file) = &common.json {
        report.append_to(file)?;
    }
    if let Some(directory) = &common.svg {
        plot::draw(std::slice::from_ref(report), directory)?;
    }
    Ok(())
}

/// Help and version are no mistakes; a mistake is told in one line.
fn wrong_options(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print(error.to_string().trim_end());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => refuse("a command is needed, as fanout or rooms"),
        _ => {
            let text = error.to_string();
            let line: Vec<&str> = text.lines().take_while(|line| !line.starts_with("Usage")).map(str::trim).collect();
            refuse(line.join(" ").trim_start_matches("error: ").trim())
        }
    }
}

fn refuse(line: &str) -> ExitCode {
    say(&format!("{line} (bench --help)"));
    ExitCode::from(EXIT_USAGE)
}

#[expect(clippy::print_stderr, reason = "for the person who started it")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "this is the program's output")]
fn print(text: &str) {
    println!("{text}");
}
