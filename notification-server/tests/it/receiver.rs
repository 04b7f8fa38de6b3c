//! The receiving side, which nobody here wrote: `tests/receivers/receiver.py`.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Whatever is awaited comes much sooner, or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// A push service with a device behind it, and a webhook's receiver.
pub struct Receiver {
    pub url: String,
    /// The device's, as a browser tells them.
    pub keys: Value,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: ChildStdin,
    _child: Child,
}

impl Receiver {
    pub async fn start() -> Self {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../target/receivers/bin/python");
        assert!(python.exists(), "the receivers are not installed; run .ci/prerequisites");
        let mut child = Command::new(python)
            .arg(here.join("tests/receivers/receiver.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        let first = next(&mut lines).await;
        let keys = serde_json::json!({ "p256dh": first["p256dh"], "auth": first["auth"] });
        Self { url: first["url"].as_str().unwrap().to_owned(), keys, lines, stdin, _child: child }
    }

    /// What it was sent next, verified.
    pub async fn next(&mut self) -> Value {
        next(&mut self.lines).await
    }

    /// From now on the webhook of this name verifies with this secret.
    pub async fn learn(&mut self, name: &str, secret: &str) {
        self.stdin.write_all(format!("{name} {secret}\n").as_bytes()).await.unwrap();
        assert_eq!(self.next().await["knows"], name);
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = timeout(PATIENCE, lines.next_line()).await.expect("nothing came").unwrap().expect("the receiver ended");
    serde_json::from_str(&line).unwrap()
}
