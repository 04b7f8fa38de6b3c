//! `chatapp verify` as a user runs it.

use e2e::{Process, System};
use serde_json::Value;

#[tokio::test]
async fn verify_says_that_the_promise_is_kept_as_a_table_and_as_json() {
    let system = System::embedded().await.unwrap();
    let api = format!("http://{}", system.first_address("api").unwrap());
    let arguments = ["verify", "--api", &api, "--seconds", "3", "--users", "4", "--cut-every", "1", "--json", "found"];
    let mut process = Process::spawn("verify", "chatapp", &arguments, &[], system.directory()).await.unwrap();
    let exit = process.exit().await.unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.output);
    assert!(exit.output.contains("The promise was kept."), "{}", exit.output);

    let found = std::fs::read_to_string(system.directory().join("found")).unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    for breach in ["lost", "doubled", "reordered", "holes", "diverged", "unreadWrong"] {
        assert_eq!(found[breach], 0, "{breach} in {found}");
    }
    for number in ["sent", "acknowledged", "delivered", "resumes", "seed"] {
        assert!(found[number].as_u64().unwrap() > 0, "{number} in {found}");
    }
    for number in ["p50", "p99", "p99.9"] {
        assert!(found["latencyMs"][number].as_f64().unwrap() > 0.0, "{number} in {found}");
    }
    assert!(found["resets"].is_u64() && found["errors"].is_object(), "{found}");
}

#[tokio::test]
async fn a_check_that_is_not_possible_is_neither_kept_nor_broken() {
    let directory = tempfile::tempdir().unwrap();
    // A port that nothing listens on: it was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = format!("http://{address}");
    let mut process =
        Process::spawn("verify", "chatapp", &["verify", "--api", &api], &[], directory.path()).await.unwrap();
    let exit = process.exit().await.unwrap();
    assert_eq!(exit.code, Some(2), "{}", exit.output);
    assert!(exit.output.contains("not possible") && exit.output.contains(&api), "{}", exit.output);
}
