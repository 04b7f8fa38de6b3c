//! Logs to standard error, for people or as JSON lines. Tokens and message texts are never logged.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::{Log, LogFormat};

/// Sets the process's subscriber; call once. Fails when `level` is no filter or one was set before.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|e| anyhow::anyhow!("log.level: {e}; use for example `info` or `warn,chat_server=debug`"))?;
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Pretty => {
            let layer = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
            registry.with(layer).try_init()?;
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()?;
        }
    }
    Ok(())
}
