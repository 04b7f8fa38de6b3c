//! A `redis-server` of a test's own, alone or as a cluster of one node; it ends with the test.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use secrecy::SecretString;
use tempfile::TempDir;

use super::super::{Address, Engine};

pub(super) struct Server {
    child: Child,
    pub(super) port: u16,
    cluster: bool,
    directory: TempDir,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Node,
    Cluster,
}

impl Server {
    pub(super) async fn start(kind: Kind) -> Self {
        for _ in 0..100 {
            // Below the ports that the system hands out (Linux: from 32768), so that a restart finds its own free.
            let port = rand::random_range(12_000..22_000);
            if TcpListener::bind(("127.0.0.1", port)).is_err() {
                continue;
            }
            let cluster = kind == Kind::Cluster;
            let directory = TempDir::new().unwrap();
            let mut server = Self { child: spawn(port, cluster, &directory), port, cluster, directory };
            // Another process may have taken the port in between; then ours has ended.
            if server.is_up().await {
                return server;
            }
        }
        panic!("no port for redis-server");
    }

    pub(super) fn url(&self) -> SecretString {
        format!("redis://127.0.0.1:{}", self.port).into()
    }

    pub(super) async fn engine(&self) -> Engine {
        let address = if self.cluster { Address::cluster(&[self.url()]) } else { Address::single(&self.url()) };
        Engine::open(address.unwrap(), "test:").await.unwrap()
    }

    pub(super) async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Stops it as a crash would.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with what its append-only file holds.
    pub(super) async fn restart(&mut self) {
        self.child = spawn(self.port, self.cluster, &self.directory);
        assert!(self.is_up().await);
    }

    async fn is_up(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(10) && self.child.try_wait().unwrap().is_none() {
            if self.is_ready().await.is_ok_and(|ready| ready) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    async fn is_ready(&self) -> redis::RedisResult<bool> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let info: redis::InfoDict = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        if info.get::<u32>("process_id") != Some(self.child.id()) {
            return Ok(false);
        }
        if !self.cluster {
            return Ok(true);
        }
        // Refused when they are there already.
        let _ = redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16383).exec_async(&mut connection).await;
        let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await?;
        Ok(info.contains("cluster_state:ok"))
    }
}

fn spawn(port: u16, cluster: bool, directory: &TempDir) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
    // With the default, everysec, a write may wait in the server while the disk is busy, and `kill` loses it.
    command.args(["--appendfsync", "always"]);
    command.arg("--dir").arg(directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
    if cluster {
        command.args(["--cluster-enabled", "yes"]);
    }
    command.spawn().expect("these tests need redis-server: apt-get install redis-server")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
