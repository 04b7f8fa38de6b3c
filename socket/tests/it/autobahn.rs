//! The Autobahn test suite, whose client breaks every rule of RFC 6455, against the echo server.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use tokio::process::Command;

use crate::support::Echo;

/// Compression is not offered (permessage-deflate), and the suite's largest messages are of 16 MiB.
const SPEC: &str = r#"{"outdir": "reports", "servers": [{"agent": "socket", "url": "URL"}],
    "cases": ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}}"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    behavior: String,
    behavior_close: String,
}

impl Outcome {
    /// `NON-STRICT`: bad UTF-8 in the middle of a message is told when the message is whole. `INFORMATIONAL`: there is
    /// no right or wrong.
    fn is_good(&self) -> bool {
        matches!(self.behavior.as_str(), "OK" | "NON-STRICT" | "INFORMATIONAL")
            && matches!(self.behavior_close.as_str(), "OK" | "INFORMATIONAL")
    }
}

/// The suite runs on Python 2.7 alone. Where there is none `.ci/prerequisites` says so, and this test does.
#[tokio::test]
async fn no_case_fails_and_every_close_is_right() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/receivers/autobahn");
    if !suite.join("installed.txt").exists() {
        return eprintln!("NOT RUN: the Autobahn test suite is not installed; it needs Python 2.7");
    }
    let server = Echo::start(|o| {
        o.message_bytes = 17 << 20;
        o.queue_bytes = 64 << 20;
    });
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("spec.json"), SPEC.replace("URL", &server.url())).unwrap();
    let run = Command::new(suite.join("bin/wstest"))
        .env("PYTHONPATH", &suite)
        .args(["-m", "fuzzingclient", "-s", "spec.json"])
        .current_dir(&place)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));

    let report = std::fs::read(place.path().join("reports/index.json")).unwrap();
    let mut agents: BTreeMap<String, BTreeMap<String, Outcome>> = serde_json::from_slice(&report).unwrap();
    let cases = agents.remove("socket").unwrap();
    assert!(cases.len() > 290, "{} cases", cases.len());
    let bad: Vec<String> = cases
        .iter()
        .filter(|(_, outcome)| !outcome.is_good())
        .map(|(case, outcome)| format!("{case}: {}, close {}", outcome.behavior, outcome.behavior_close))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}
