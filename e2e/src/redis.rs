//! A Redis server of its own for each test, with its append-only file in a temporary directory.

use std::{net::TcpListener, time::Duration};

use anyhow::Context;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Process, wait::within};

/// How long Redis may take until it accepts connections.
const START: Duration = Duration::from_secs(15);
/// A port found free may be taken by another before Redis has it.
const TRIES: usize = 5;

pub struct Redis {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl Redis {
    /// Starts a server on a free port, persistent, as it is to be run with ChatApp.
    pub async fn start() -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            match Self::try_start().await {
                Ok(redis) => return Ok(redis),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("not tried")))
    }

    async fn try_start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"]).arg(directory.path());
        let process = Process::of("redis", command)
            .context("redis-server is needed; install it with: apt-get install redis-server")?;
        let ready = process.logs().wait_for(|line| line.contains("Ready to accept connections").then_some(()));
        let ready = within("Redis accepts connections", START, ready).await?;
        ready.with_context(|| format!("Redis said:\n{}", process.logs().text()))?;
        Ok(Self { process, port, _directory: directory })
    }

    /// For `CHATAPP__STORE__URL`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
