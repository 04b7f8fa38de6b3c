//! The Redis server of a test run, started once by the first test that needs it. A watchdog shell holds our pipe and
//! kills the server when this process ends, however it ends.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

const WATCHDOG: &str = r#"trap "" INT HUP TERM; dir=$1; shift
"$@" & server=$!
cat >/dev/null; kill -9 $server; wait; rm -rf "$dir""#;

/// The server and the pipe that keeps it.
static SERVER: OnceLock<(u16, Child)> = OnceLock::new();

/// Where it listens.
pub fn port() -> u16 {
    SERVER.get_or_init(start).0
}

fn start() -> (u16, Child) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::Builder::new().prefix("chat-redis-").tempdir().unwrap().keep();
    let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    assert!(version.is_ok(), "redis-server is missing: apt-get install redis-server");
    let watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(&dir)
        .args(["redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(&dir)
        .args(["--save", "", "--appendonly", "no", "--logfile", "redis.log"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !answers(port) {
        assert!(begun.elapsed() < Duration::from_secs(15), "redis-server does not start");
        std::thread::yield_now();
    }
    (port, watchdog)
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut line = String::new();
    stream.write_all(b"PING\r\n").is_ok()
        && BufReader::new(stream).read_line(&mut line).is_ok()
        && line.starts_with("+PONG")
}

/// Cuts every connection that waits for published messages; gives how many there were.
pub fn cut_subscribers() -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port())).unwrap();
    stream.write_all(b"CLIENT KILL TYPE pubsub\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().trim_start_matches(':').parse().unwrap()
}
