//! Redis servers for tests: a node or a Cluster of one node, on a free port, with a directory of its own. A watchdog
//! shell holds a pipe from this process and kills the server when it closes, so that none outlives the test, however it
//! ends. Everything blocks, for milliseconds, and panics where it fails: it is for tests alone.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod log;

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use log::Log;
use tempfile::TempDir;

/// Its standard output is the server's alone, so that its end is the server's. The directory stays when a line comes
/// before the end of the pipe.
const WATCHDOG: &str = r#"trap "" INT HUP TERM; dir=$1; shift
"$@" & server=$!; exec >&-
read -r keep; kill -9 $server; wait; [ "$keep" ] || rm -rf "$dir""#;
/// It starts, ends and answers in milliseconds (a Cluster starts in two seconds), or never.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between finding a free port and taking it somebody else may take it.
const TRIES: usize = 20;

/// A node, or a Cluster of one node, which owns every slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Node,
    Cluster,
}

/// When a write is in the append-only file, from which [`Redis::restart`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// Never: the server begins empty each time.
    Never,
    /// Within about a second, or when it is [stopped](Redis::stop).
    EverySecond,
    /// Before it is acknowledged, so that [`Redis::kill`] loses nothing.
    Always,
}

/// A server. Dropping it kills it and removes its directory.
#[derive(Debug)]
pub struct Redis {
    kind: Kind,
    append: Append,
    port: u16,
    /// The port of the server it copies.
    primary: Option<u16>,
    directory: TempDir,
    /// `None` while it is down.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    watchdog: Child,
    log: Log,
    process_id: String,
}

static NODE: OnceLock<Redis> = OnceLock::new();
static CLUSTER: OnceLock<Redis> = OnceLock::new();

impl Redis {
    /// The one that the tests of this process share, each with a key prefix of its own; started by the first. It keeps
    /// nothing on disk.
    pub fn shared(kind: Kind) -> &'static Self {
        let server = match kind {
            Kind::Node => &NODE,
            Kind::Cluster => &CLUSTER,
        };
        server.get_or_init(|| Self::start(kind, Append::Never))
    }

    /// One of the test's own; it answers when this returns.
    pub fn start(kind: Kind, append: Append) -> Self {
        Self::start_as(kind, append, None)
    }

    /// A replica of this one, in a Cluster too; it has all of its data when this returns.
    pub fn start_replica(&self) -> Self {
        // The copying would begin 5 seconds later, for others to join in.
        self.command(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).unwrap();
        let replica = Self::start_as(self.kind, self.append, Some(self.port));
        if self.kind == Kind::Cluster {
            replica.command(&["CLUSTER", "MEET", "127.0.0.1", &self.port.to_string()]).unwrap();
            let answer = self.command(&["CLUSTER", "MYID"]).unwrap();
            let id = answer.lines().nth(1).unwrap();
            // Refused until the two have met, of which nothing is logged.
            let deadline = Instant::now() + DEADLINE;
            while !replica.command(&["CLUSTER", "REPLICATE", id]).unwrap().starts_with("+OK") {
                assert!(Instant::now() < deadline, "the two nodes do not meet");
            }
        }
        let log = &replica.running.as_ref().unwrap().log;
        assert!(log.wait_for("sync: Finished with success", DEADLINE), "the replica does not copy:\n{}", log.text());
        // Its primary counts on it only once it has said so.
        assert!(self.command(&["WAIT", "1", "15000"]).unwrap().starts_with(":1"), "the replica does not answer");
        replica
    }

    fn start_as(kind: Kind, append: Append, primary: Option<u16>) -> Self {
        let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        assert!(version.is_ok(), "redis-server is missing: apt-get install redis-server");
        let mut said = String::new();
        for _ in 0..TRIES {
            let directory = tempfile::Builder::new().prefix("redis-fixture-").tempdir().unwrap();
            let mut redis = Self { kind, append, port: free_port(), primary, directory, running: None };
            match redis.launch() {
                Ok(()) => return redis,
                Err(log) => said = log,
            }
        }
        panic!("redis-server does not start; it said:\n{said}");
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it as a crash does. It is dead when this returns.
    pub fn kill(&mut self) {
        self.running.take().expect("Redis is up").end();
    }

    /// Has it end in order (`TERM`): it writes everything down first.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let running = self.running.take().expect("Redis is up");
        assert!(running.log.wait_for_end(DEADLINE), "redis-server does not end; it said:\n{}", running.log.text());
        running.end();
    }

    /// Starts it again on its port and its data, after [`kill`](Self::kill) or [`stop`](Self::stop).
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "Redis is up");
        if let Err(log) = self.launch() {
            panic!("redis-server does not come back; it said:\n{log}");
        }
    }

    /// Sends it a signal by its POSIX name. After `STOP` it holds its connections and answers nothing, until `CONT`.
    pub fn signal(&self, name: &str) {
        let running = self.running.as_ref().expect("Redis is up");
        let kill = Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "sh", name, &running.process_id]).status();
        assert!(kill.unwrap().success(), "cannot send {name}");
    }

    /// Cuts every connection that waits for published messages; gives how many there were.
    pub fn cut_subscribers(&self) -> usize {
        self.cut("pubsub")
    }

    /// Cuts every connection, of whatever kind; gives how many there were.
    pub fn cut_all(&self) -> usize {
        let kinds = ["normal", "pubsub"];
        kinds.iter().map(|kind| self.cut(kind)).sum()
    }

    fn cut(&self, kind: &str) -> usize {
        let answer = self.command(&["CLIENT", "KILL", "TYPE", kind]).unwrap();
        answer.lines().next().unwrap().trim_start_matches(':').parse().unwrap()
    }

    /// Sends one command and then `QUIT`, over a connection of its own; gives both answers as they came (RESP).
    pub fn command(&self, words: &[&str]) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(text.as_bytes())?;
        stream.write_all(b"*1\r\n$4\r\nQUIT\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Starts the process and waits until it answers. The error is what it wrote.
    fn launch(&mut self) -> Result<(), String> {
        let mut watchdog = self.spawn(self.directory.path());
        let log = Log::follow(watchdog.stdout.take().unwrap());
        let mut running = Running { watchdog, log, process_id: String::new() };
        match self.process_id(&running.log) {
            Some(process_id) => {
                running.process_id = process_id;
                self.running = Some(running);
                Ok(())
            }
            None => {
                let said = running.log.text();
                running.end();
                Err(said)
            }
        }
    }

    /// Of the server with this log, as soon as it answers; `None` if it does not.
    fn process_id(&self, log: &Log) -> Option<String> {
        if !log.wait_for("Ready to accept connections", DEADLINE) {
            return None;
        }
        if self.kind == Kind::Cluster && self.primary.is_none() {
            // Refused after a restart: it has them already.
            self.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).ok()?;
            if !log.wait_for("Cluster state changed: ok", DEADLINE) {
                return None;
            }
        }
        let info = self.command(&["INFO", "server"]).ok()?;
        info.lines().find_map(|line| line.strip_prefix("process_id:")).map(str::to_owned)
    }

    fn spawn(&self, directory: &Path) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "sh"]).arg(directory).args(["redis-server", "--bind", "127.0.0.1", "--port"]);
        command.arg(self.port.to_string()).arg("--dir").arg(directory).args(["--save", ""]);
        command.args(match self.append {
            Append::Never => ["--appendonly", "no"].as_slice(),
            Append::EverySecond => &["--appendonly", "yes", "--appendfsync", "everysec"],
            Append::Always => &["--appendonly", "yes", "--appendfsync", "always"],
        });
        if self.kind == Kind::Cluster {
            command.args(["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"]);
        }
        if let (Kind::Node, Some(primary)) = (self.kind, self.primary) {
            command.args(["--replicaof", "127.0.0.1", &primary.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end();
        }
    }
}

impl Running {
    /// Kills it and keeps its directory, which the [`Redis`] owns.
    fn end(mut self) {
        if let Some(mut pipe) = self.watchdog.stdin.take() {
            // Refused by a watchdog that has ended, and its server with it.
            let _ = pipe.write_all(b"keep\n");
        }
        self.watchdog.wait().unwrap();
    }
}

/// Below the ports that the system hands out (Linux: from 32768), as is the port of a Cluster's bus, 10,000 above: a
/// restart finds its own free.
fn free_port() -> u16 {
    loop {
        let random = RandomState::new().hash_one(()) % 10_000;
        let port = 12_000 + u16::try_from(random).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

#[cfg(test)]
mod tests;
