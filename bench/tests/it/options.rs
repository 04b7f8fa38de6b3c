//! The command line.

use std::process::{Command, Output};

use bench::report::Report;

use crate::support::embedded;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap()
}

#[test]
fn wrong_options_end_with_one_line_and_64() {
    for (arguments, about) in [
        (&["fanout", "--rate", "fast"][..], "--rate"),
        (&["fanout", "--rate", "0"], "--rate"),
        (&["rooms", "--users", "5", "--rooms", "6"], "--rooms 6"),
        (&["rooms", "--slow", "1000"], "--slow"),
        (&["fanout", "--payload", "3"], "--payload"),
        (&["fanout", "--rate", "5", "--window", "5"], "--window"),
        (&["storm", "--pid", "4294967295"], "--pid"),
        (&["storm", "--chat", "ftp://x"], "--chat"),
        (&["storm", "--api", "localhost"], "--api"),
        (&["resume", "--users", "5", "--rooms", "5"], "--rooms 5"),
        (&["dance"], "dance"),
        (&["plot"], "FILE"),
        (&[], "command"),
    ] {
        let output = bench(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(about) && said.lines().count() == 1, "{arguments:?}: {said}");
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for arguments in [&["--help"][..], &["--version"], &["rooms", "--help"]] {
        let output = bench(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn a_deployment_that_is_not_there_is_a_run_that_is_not_possible() {
    let output = bench(&["storm", "--api", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not possible"));
}

#[tokio::test]
async fn a_run_prints_a_table_appends_json_and_draws() {
    let system = embedded().await;
    let api = format!("http://{}", system.first_address("api").unwrap());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("runs.json");
    let (json, svg) = (file.to_str().unwrap(), directory.path().to_str().unwrap());
    let own = std::process::id().to_string();
    let options = ["fanout", "--users", "5", "--warmup", "0", "--messages", "20", "--rate", "200", "--pid", &own];
    let arguments = [&options[..], &["--api", &api, "--json", json, "--svg", svg, "--label", "small"]].concat();
    for runs in 1..=2 {
        let output = bench(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(table.contains("Every one accounted for.") && table.contains("p99.9"), "{table}");
        assert!(output.stderr.is_empty(), "no bar where there is no terminal");
        let reports = Report::read_all(&file).unwrap();
        assert_eq!(reports.len(), runs);
        let report = &reports[runs - 1];
        assert_eq!((report.label.as_str(), report.messages.as_ref().unwrap().delivered), ("small", 100));
        assert!(report.server.as_ref().unwrap().memory_after > 0);
    }
    assert!(directory.path().join("delivery.svg").is_file());
    let plots = directory.path().join("plots");
    let output = bench(&["plot", json, "--into", plots.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(plots.join("delivery.svg").is_file());
}
