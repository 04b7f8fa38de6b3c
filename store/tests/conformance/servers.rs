//! The Redis servers of a test run: one plain, one a Cluster of one node; each is started once, by the first test that
//! needs it. A watchdog shell holds our pipe and kills the server when this process ends, however it ends.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::OnceCell,
};

/// A running server. Nobody stops it: it ends with this process.
pub struct Server {
    pub port: u16,
    /// Its standard input is the pipe whose end tells the watchdog to kill the server.
    watchdog: Child,
}

static PLAIN: OnceCell<Server> = OnceCell::const_new();
static CLUSTER: OnceCell<Server> = OnceCell::const_new();

const WATCHDOG: &str = r#"trap "" INT HUP TERM; dir=$1; shift
"$@" & server=$!
cat >/dev/null; kill -9 $server; wait; rm -rf "$dir""#;

/// The plain server.
pub async fn plain() -> &'static Server {
    PLAIN.get_or_init(|| start(&[])).await
}

/// The Cluster of one node, which owns every slot.
pub async fn cluster() -> &'static Server {
    CLUSTER.get_or_init(start_cluster).await
}

/// A plain server of a test's own, to be killed.
pub async fn own_plain() -> Server {
    start(&[]).await
}

/// A Cluster of a test's own, to be killed.
pub async fn own_cluster() -> Server {
    start_cluster().await
}

async fn start_cluster() -> Server {
    let bus = free_port().await.to_string();
    let options = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-port", &bus];
    let server = start(&options).await;
    assert_eq!(server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await.unwrap(), "+OK\r\n+OK\r\n");
    let asked = Instant::now();
    while !server.command(&["CLUSTER", "INFO"]).await.unwrap().contains("cluster_state:ok") {
        assert!(asked.elapsed() < Duration::from_secs(15), "the Cluster does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server
}

async fn start(options: &[&str]) -> Server {
    if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
        panic!("redis-server is missing: apt-get install redis-server");
    }
    // Between finding a free port and the server's taking it another process may take it; then the next is tried.
    for _ in 0..5 {
        if let Some(server) = start_at(free_port().await, options).await {
            return server;
        }
    }
    panic!("redis-server does not start; run `redis-server --port 0` to see why");
}

async fn start_at(port: u16, options: &[&str]) -> Option<Server> {
    let dir = tempfile::Builder::new().prefix("conformance-redis-").tempdir().unwrap().keep();
    let watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(&dir)
        .args(["redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(&dir)
        .args(["--save", "", "--appendonly", "no", "--logfile", "redis.log"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { port, watchdog };
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(10) {
        // Its directory, because somebody else's server may answer at this port.
        if let Ok(answer) = server.command(&["CONFIG", "GET", "dir"]).await {
            return answer.contains(dir.to_str().unwrap()).then_some(server);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

async fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Kills it; it is dead when this returns.
    pub fn kill(mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().unwrap();
    }

    /// Sends one command and then `QUIT`; gives both answers as they came (RESP).
    pub async fn command(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(text.as_bytes()).await?;
        stream.write_all(b"*1\r\n$4\r\nQUIT\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
