//! A Redis server of its own for each test, with its append-only file in a temporary directory.

use std::{net::TcpListener, time::Duration};

use anyhow::Context;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Process, Signal, wait::within};

/// How long Redis may take until it accepts connections.
const START: Duration = Duration::from_secs(15);
/// A port found free may be taken by another before Redis has it.
const TRIES: usize = 5;

pub struct Redis {
    /// `None` while it is down.
    process: Option<Process>,
    port: u16,
    directory: TempDir,
}

impl Redis {
    /// Starts a server on a free port, persistent, as it is to be run with ChatApp.
    pub async fn start() -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut redis = Self { process: None, port, directory: tempfile::tempdir()? };
            match redis.restart().await {
                Ok(()) => return Ok(redis),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("not tried")))
    }

    /// Starts it again on its port and its data, after it was stopped.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.process.is_none(), "Redis is up");
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"]).arg(self.directory.path());
        let process = Process::of("redis", command)
            .context("redis-server is needed; install it with: apt-get install redis-server")?;
        let ready = process.logs().wait_for(|line| line.contains("Ready to accept connections").then_some(()));
        let ready = within("Redis accepts connections", START, ready).await?;
        ready.with_context(|| format!("Redis said:\n{}", process.logs().text()))?;
        self.process = Some(process);
        Ok(())
    }

    /// Signals it and waits until it has ended. With [`Signal::Term`] it writes everything down first.
    pub async fn stop(&mut self, signal: Signal) -> anyhow::Result<()> {
        let mut process = self.process.take().context("Redis is down")?;
        process.signal(signal).await?;
        process.exit().await.map(|_| ())
    }

    /// For `CHATAPP__STORE__URL`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
