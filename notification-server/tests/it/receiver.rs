//! The receiving side, of libraries that nobody here wrote: `tests/receivers/`.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Whatever is awaited comes much sooner, or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running receiver, which ends with the test.
pub struct Receiver {
    pub url: String,
    /// What it said first.
    pub first: Value,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: ChildStdin,
    _child: Child,
}

impl Receiver {
    /// A push service with a device behind it, and a webhook's receiver.
    pub async fn start() -> Self {
        Self::python("receiver.py").await
    }

    /// FCM and APNs.
    pub async fn services() -> Self {
        Self::python("services.py").await
    }

    /// A push service that simulates browsers as well: web-push-testing.
    pub async fn push_service() -> Self {
        let mut node = Command::new("node");
        node.env("NODE_PATH", installed("node/node_modules"));
        Self::run(node, "push_service.js").await
    }

    async fn python(script: &str) -> Self {
        Self::run(Command::new(installed("bin/python")), script).await
    }

    async fn run(mut program: Command, script: &str) -> Self {
        let mut child = program
            .arg(here().join("tests/receivers").join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        let first = next(&mut lines).await;
        Self { url: first["url"].as_str().unwrap().to_owned(), first, lines, stdin, _child: child }
    }

    /// The device's keys, as a browser tells them.
    pub fn keys(&self) -> Value {
        serde_json::json!({ "p256dh": self.first["p256dh"], "auth": self.first["auth"] })
    }

    /// What it was sent next, verified.
    pub async fn next(&mut self) -> Value {
        let said = next(&mut self.lines).await;
        assert_eq!(said.get("wrong"), None, "{said}");
        said
    }

    /// Says something to it; gives what it says to that.
    pub async fn tell(&mut self, line: &str) -> Value {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.next().await
    }
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What `.ci/prerequisites` has installed for the receivers.
fn installed(path: &str) -> PathBuf {
    let path = here().join("../target/receivers").join(path);
    assert!(path.exists(), "the receivers are not installed; run .ci/prerequisites");
    path
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = timeout(PATIENCE, lines.next_line()).await.expect("nothing came").unwrap().expect("the receiver ended");
    serde_json::from_str(&line).unwrap()
}
