//! `chatapp`: all four services in one process on the embedded store, a terminal client, and a
//! check of a deployment.

mod chat;
mod serve;

use std::{path::PathBuf, process::ExitCode};

use chatapp::verify::command::{self as verify, VerifyArgs};
use clap::{Parser, Subcommand};

/// Measured: idle connections cost no more than with the system's allocator, and memory is given back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A chat backend in one process. Without a command: serves.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all four services (the default)
    Serve(ServeArgs),
    /// Chat from the terminal
    Chat(chat::ChatArgs),
    /// Check that a deployment loses, doubles and reorders nothing
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Directory of the embedded store (default: data; overrides store.url)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// TOML file of settings (default: chatapp.toml, if there is one)
    #[arg(long, value_name = "FILE", env = "CHATAPP_CONFIG")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        None => serve::main(args.serve),
        Some(Command::Serve(args)) => serve::main(args),
        Some(Command::Chat(args)) => chat::main(args),
        Some(Command::Verify(args)) => verify::main(&args),
    }
}
