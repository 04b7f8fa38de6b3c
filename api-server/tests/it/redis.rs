//! Redis servers for tests. A watchdog shell holds our pipe and kills the server when the pipe closes, so that none
//! outlives this process, however it ends.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::sync::OnceCell;

const WATCHDOG: &str = r#"trap "" INT HUP TERM; "$@" & server=$!; cat >/dev/null; kill -9 $server; wait"#;
/// It starts in milliseconds, or never.
const START: Duration = Duration::from_secs(15);

pub struct Redis {
    pub port: u16,
    dir: TempDir,
    watchdog: Option<Child>,
}

static SHARED: OnceCell<Redis> = OnceCell::const_new();

impl Redis {
    /// The one all tests share that do not harm it; each has a key prefix of its own.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// One of the test's own, which keeps what it was told over a restart.
    pub async fn start() -> Self {
        // Between finding a free port and taking it somebody else may take it; then the next is tried.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let dir = tempfile::tempdir().unwrap();
            let watchdog = launch(port, dir.path());
            let redis = Self { port, dir, watchdog: Some(watchdog) };
            if redis.answers().await {
                return redis;
            }
        }
        panic!("redis-server does not start; is it installed? apt-get install redis-server");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it as a crash does.
    pub fn kill(&mut self) {
        let mut watchdog = self.watchdog.take().unwrap();
        drop(watchdog.stdin.take());
        watchdog.wait().unwrap();
    }

    /// Lets it hang, with its connections open, until it is [killed](Self::kill).
    pub fn freeze(&self) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.write_all(b"INFO server\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let id = said.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
        assert!(Command::new("kill").args(["-STOP", id.trim()]).status().unwrap().success());
    }

    /// After [`kill`](Self::kill): with what it had stored.
    pub async fn restart(&mut self) {
        self.watchdog = Some(launch(self.port, self.dir.path()));
        assert!(self.answers().await, "redis-server does not come back");
    }

    async fn answers(&self) -> bool {
        let asked = Instant::now();
        while asked.elapsed() < START {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.watchdog.is_some() {
            self.kill();
        }
    }
}

fn launch(port: u16, dir: &Path) -> Child {
    Command::new("sh")
        .args(["-c", WATCHDOG, "sh", "redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", "redis.log", "--dir"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
