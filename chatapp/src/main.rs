//! `chatapp`: all four services in one process on the embedded store, a terminal client, a check of a deployment, and
//! what looks after one.

mod chat;
mod serve;

use std::process::ExitCode;

use chatapp::{
    admin::{self, AdminArgs},
    deployment::Deployment,
    doctor::{self, DoctorArgs},
    verify::command::{self as verify, VerifyArgs},
};
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
    serve: Deployment,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all four services (the default)
    Serve(Deployment),
    /// Chat from the terminal
    Chat(chat::ChatArgs),
    /// Check that a deployment loses, doubles and reorders nothing
    Verify(VerifyArgs),
    /// Check configuration, store and machine, and say what to change
    Doctor(DoctorArgs),
    /// Look after users, rooms, API keys and backups
    Admin(AdminArgs),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        None => serve::main(&args.serve),
        Some(Command::Serve(args)) => serve::main(&args),
        Some(Command::Chat(args)) => chat::main(args),
        Some(Command::Verify(args)) => verify::main(&args),
        Some(Command::Doctor(args)) => doctor::main(&args),
        Some(Command::Admin(args)) => admin::main(args),
    }
}
