//! `chatapp admin`: asks a deployment, running or stopped, and shows the answer.
//!
//! Reading order: this file → `ask` (how a command reaches the deployment) → [`socket`] (who answers in a running
//! process) → `show`.

mod ask;
mod show;
pub mod socket;

use std::{
    path::{Path, PathBuf, absolute},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use domain::admin::{Answer, Command};
use shared::{SessionId, Settings, settings::StoreUrl};

use crate::deployment::Deployment;

/// Looks after a deployment. An embedded store is asked through the process that has it open (a socket in its data
/// directory, for its owner alone), or opened where nobody has; Redis is asked directly.
///
/// Exit status: 0 done, 1 not done.
#[derive(Debug, clap::Args)]
pub struct AdminArgs {
    #[command(flatten)]
    deployment: Deployment,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AdminCommand {
    /// Accounts by the beginning of their name, 100 at a time
    #[command(args_conflicts_with_subcommands = true)]
    Users {
        #[command(subcommand)]
        command: Option<Users>,
        #[arg(long, value_name = "TEXT", default_value = "")]
        query: String,
        /// Go on after this name
        #[arg(long, value_name = "NAME")]
        after: Option<String>,
    },
    /// One account or guest
    User {
        #[arg(value_name = "ID|NAME")]
        user: String,
    },
    /// Public rooms by the beginning of their name, 100 at a time
    Rooms {
        #[arg(long, value_name = "TEXT", default_value = "")]
        query: String,
        /// Go on after this room
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// One room, of any kind
    Room {
        #[arg(value_name = "ID|HANDLE")]
        room: String,
    },
    /// The logins of an account or guest
    Sessions {
        #[arg(value_name = "ID|NAME")]
        user: String,
    },
    /// End logins: their tokens are refused and their sockets closed
    #[command(subcommand)]
    Session(Session),
    /// Users, running instances, and what the store warns of
    Stats,
    /// Keys with which services send notifications
    #[command(subcommand)]
    Keys(Keys),
    /// Copy the store while it is used. Embedded: into a new directory. Redis: every master saves its snapshot
    Backup {
        #[arg(value_name = "DIR")]
        into: Option<PathBuf>,
    },
    /// Put a backup of an embedded store into a data directory that is empty or not there
    Restore {
        #[arg(value_name = "DIR")]
        from: PathBuf,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Users {
    /// Let nobody log in to an account or guest any more: their tokens are refused and their sockets closed
    Ban {
        #[arg(value_name = "ID|NAME")]
        user: String,
    },
    /// Let them log in again
    Unban {
        #[arg(value_name = "ID|NAME")]
        user: String,
    },
    /// Make an account with a password an administrator, who may use /operator of api-server
    Grant {
        #[arg(value_name = "ID|NAME")]
        user: String,
    },
    /// Take that back
    Ungrant {
        #[arg(value_name = "ID|NAME")]
        user: String,
    },
    /// Delete an account or guest as they could themselves: the name is free, messages stay, shown as a deleted user's
    Delete {
        #[arg(value_name = "ID|NAME")]
        user: String,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Session {
    /// One, or all of a user
    Revoke {
        #[arg(value_name = "ID|NAME")]
        user: String,
        #[arg(value_name = "SESSION", required_unless_present = "all", conflicts_with = "all")]
        session: Option<SessionId>,
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Keys {
    List,
    /// Make one; it is shown this once
    Create {
        /// What it is for
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// It is refused everywhere within 5 s
    Revoke {
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Asks, shows the answer, and gives the exit status.
pub fn main(args: AdminArgs) -> ExitCode {
    let settings = match args.deployment.settings() {
        Ok(settings) => settings,
        Err(e) => return web::launch::refuse(&e.to_string()),
    };
    match answer(&settings, args.command) {
        Ok(answer) => {
            show::print(&answer, args.json);
            ExitCode::SUCCESS
        }
        Err(e) => {
            show::complain(&format!("{e:#}"));
            ExitCode::FAILURE
        }
    }
}

fn answer(settings: &Settings, command: AdminCommand) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    match command {
        AdminCommand::Restore { from } => runtime.block_on(restore(settings, &from)),
        command => {
            let command = translate(command, &settings.store.url)?;
            runtime.block_on(ask::ask(settings, command))
        }
    }
}

async fn restore(settings: &Settings, from: &Path) -> anyhow::Result<Answer> {
    let StoreUrl::Embedded(dir) = &settings.store.url else {
        bail!("Redis is restored by its own means: stop it, put the files back where it looks for them, start it");
    };
    ensure!(!store::embedded::is_in_use(dir).unwrap_or(false), "{} is in use: stop the server first", dir.display());
    Ok(Answer::Backup(store::embedded::restore(from, dir).await.map_err(anyhow::Error::new)?))
}

/// What is asked of whoever has the store open.
fn translate(command: AdminCommand, store: &StoreUrl) -> anyhow::Result<Command> {
    Ok(match command {
        AdminCommand::Users { command: Some(command), .. } => match command {
            Users::Delete { user } => Command::DeleteUser { user },
            Users::Ban { user } => Command::BanUser { user },
            Users::Unban { user } => Command::UnbanUser { user },
            Users::Grant { user } => Command::SetAdministrator { user, administrator: true },
            Users::Ungrant { user } => Command::SetAdministrator { user, administrator: false },
        },
        AdminCommand::Users { command: None, query, after } => Command::Users { query, after },
        AdminCommand::User { user } => Command::User { user },
        AdminCommand::Rooms { query, after } => {
            Command::Rooms { query, after: after.map(|id| id.parse()).transpose().context("--after")? }
        }
        AdminCommand::Room { room } => Command::Room { room },
        AdminCommand::Sessions { user } => Command::Sessions { user },
        AdminCommand::Session(Session::Revoke { user, session, .. }) => Command::RevokeSession { user, session },
        AdminCommand::Stats => Command::Stats,
        AdminCommand::Keys(Keys::List) => Command::Keys,
        AdminCommand::Keys(Keys::Create { name }) => Command::CreateKey { name },
        AdminCommand::Keys(Keys::Revoke { id }) => Command::RevokeKey { id },
        AdminCommand::Backup { into } => {
            let embedded = matches!(store, StoreUrl::Embedded(_));
            ensure!(embedded || into.is_none(), "Redis saves where it is configured to (dir): give no directory");
            ensure!(!embedded || into.is_some(), "give the directory to make");
            // Whoever has the store open works in another directory.
            Command::Backup { into: into.map(absolute).transpose().context("the directory")? }
        }
        AdminCommand::Restore { .. } => bail!("nobody has the store open while it is restored"),
    })
}
