//! A presence-server as a process of its own, which can die. A watchdog shell kills it when our pipe to it closes, so
//! that it does not outlive the tests either.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use shared::settings::StoreUrl;

use crate::support::{Person, Socket, TestServer};

const WATCHDOG: &str = r#"trap "" INT HUP TERM; "$@" & server=$!; exec 2>&-; cat >/dev/null; kill -9 $server; wait"#;

/// Dropping it kills it.
pub struct Process {
    watchdog: Child,
    url: String,
}

impl Process {
    /// Over the same store as `server`, with a lease of `lease_seconds`; it listens when this returns.
    pub fn beside(server: &TestServer, lease_seconds: u64) -> Self {
        let settings = &server.domain.settings;
        let StoreUrl::Redis(url) = &settings.store.url else { panic!("an embedded store has one process") };
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh", env!("CARGO_BIN_EXE_presence-server")])
            .env("CHATAPP__STORE__URL", secrecy::ExposeSecret::expose_secret(url))
            .env("CHATAPP__STORE__KEY_PREFIX", &settings.store.key_prefix)
            .env("CHATAPP__PRESENCE__LISTEN", "127.0.0.1:0")
            .env("CHATAPP__PRESENCE__GRACE_MS", settings.presence.grace_ms.to_string())
            .env("CHATAPP__PRESENCE__LEASE_SECONDS", lease_seconds.to_string())
            .env("CHATAPP__LOG__FORMAT", "json")
            .env("CHATAPP__HTTP__WORKERS", "1")
            .stdin(Stdio::piped())
            // Its log.
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(watchdog.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| listening(&line)).expect("the process listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { watchdog, url: format!("ws://{address}/presence") }
    }

    pub async fn connect(&self, person: &Person) -> Socket {
        let mut socket = Socket::open(&self.url).await;
        let reply = socket.ask("AUTHENTICATE", json!({"token": person.token})).await;
        assert_eq!(reply["type"], "AUTH_SUCCESS");
        socket
    }

    /// As a crash does; it is dead when this returns.
    pub fn kill(&mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The address in a log's line `listening`.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening").then(|| line["address"].as_str().map(str::to_owned))?
}
