//! The `main` of a service binary: arguments → settings → logs → store → serve → close. Bad configuration ends with
//! one line and exit status 64 (EX_USAGE).

mod healthcheck;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use domain::{Domain, upkeep};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::{
    Settings,
    settings::{EXIT_USAGE, StoreUrl},
    shutdown, telemetry,
};
use tokio_util::sync::CancellationToken;

use crate::jwks::KeyReader;

/// What every service binary takes. All else is configuration: a file, or `CHATAPP__SECTION__KEY`.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// TOML file of settings (default: chatapp.toml, if there is one)
    #[arg(long, value_name = "FILE", env = "CHATAPP_CONFIG")]
    config: Option<PathBuf>,
    /// Ask the running service with these settings for its health; exit 0 if it is healthy
    #[arg(long)]
    healthcheck: bool,
}

/// Runs one service over a store that several processes share. `serve` binds and serves until the token is cancelled;
/// `listen` says where, for `--healthcheck`.
pub fn service<F, Fut>(listen: fn(&Settings) -> SocketAddr, serve: F) -> ExitCode
where
    F: FnOnce(Domain, CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let args = Args::parse();
    let settings = match Settings::load(args.config.as_deref()) {
        Ok(settings) => settings,
        Err(e) => return refuse(&e.to_string()),
    };
    if args.healthcheck {
        return report_health(listen(&settings));
    }
    if let StoreUrl::Embedded(_) = settings.store.url {
        return refuse(
            "configuration: store.url: an embedded store serves one process; several services need Redis \
             (CHATAPP__STORE__URL=redis://host), or run them all in one process: chatapp",
        );
    }
    run(settings, serve)
}

/// Runs `serve` over the store the settings name, with signals, upkeep and an orderly end.
pub fn run<F, Fut>(settings: Settings, serve: F) -> ExitCode
where
    F: FnOnce(Domain, CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    if let Err(e) = telemetry::init(&settings.log) {
        return refuse(&format!("configuration: {e:#}"));
    }
    crate::observe::install_metrics();
    raise_file_limit();
    match actix_web::rt::System::new().block_on(supervise(settings, serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!("{e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Each socket is an open file, and the soft limit is often 1024: raises it to the hard one.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if limit.current != limit.maximum
        && let Err(e) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(limit = limit.current, "cannot raise the limit of open files, and so of sockets: {e}");
    }
}

async fn supervise<F, Fut>(settings: Settings, serve: F) -> anyhow::Result<()>
where
    F: FnOnce(Domain, CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let shutdown = shutdown::on_signal()?;
    let store = store::open(&settings.store).await?;
    let domain = Domain::with_keys(store.clone(), Arc::new(settings), Arc::new(KeyReader::new()?));
    // Upkeep outlives the sockets: their users' presence is settled while it still runs.
    let upkeep_end = CancellationToken::new();
    let upkeep = tokio::spawn(upkeep::run(domain.clone(), upkeep_end.clone()));
    let outcome = serve(domain.clone(), shutdown).await;
    upkeep_end.cancel();
    // Whatever becomes of these two, the store is closed.
    if let Err(e) = upkeep.await {
        tracing::error!("upkeep ended badly: {e}");
    }
    match tokio::spawn(async move { upkeep::leave(&domain).await }).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::warn!("cannot give the lease back: {e}"),
        Err(e) => tracing::error!("giving the lease back ended badly: {e}"),
    }
    store.maintenance.close().await?;
    outcome
}

fn report_health(address: SocketAddr) -> ExitCode {
    match healthcheck::ask(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say(&format!("unhealthy: {address}: {e}"));
            ExitCode::FAILURE
        }
    }
}

/// One line for whoever started it, and the status for bad configuration.
pub fn refuse(line: &str) -> ExitCode {
    say(line);
    ExitCode::from(EXIT_USAGE)
}

#[expect(clippy::print_stderr, reason = "the logs are not set up yet, and this line is for a person")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_may_be() {
        let before = getrlimit(Resource::Nofile);
        let low = before.current.map(|current| current.min(256));
        setrlimit(Resource::Nofile, Rlimit { current: low, ..before }).unwrap();
        raise_file_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
