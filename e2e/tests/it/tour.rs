//! The README's tour, as a reader would type it.

use std::{path::Path, time::Duration};

use e2e::{System, binary, within};
use tokio::process::Command;

/// The whole tour.
const AT_MOST: Duration = Duration::from_secs(60);
/// Printed between the outputs of the blocks.
const MARK: &str = "=== the next block ===";

/// The section of this heading, up to the next one of its level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let rest = text.split_once(&format!("\n## {heading}\n")).expect("the README has a tour").1;
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

/// What stands between "```sh" and "```".
fn shell_blocks(section: &str) -> Vec<&str> {
    section.split("\n```sh\n").skip(1).map(|rest| rest.split_once("\n```").expect("the block ends").0).collect()
}

/// The settings before the command that starts the server.
fn settings(section: &str) -> Vec<(&str, &str)> {
    let start = section.lines().find(|line| line.trim_end().ends_with("cargo run --release"));
    let words = start.expect("the tour starts the server").split_whitespace();
    words.filter_map(|word| word.strip_prefix("CHATAPP__")?.split_once('=')).collect()
}

#[tokio::test]
async fn the_tour_of_the_readme_works_as_it_is_written() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let tour = section(&readme, "Five-minute tour");
    let system = System::embedded_with(&settings(tour)).await.unwrap();

    // The tour says ports, and where a release build is; here both are others.
    let api = system.address("chatapp", "api").unwrap();
    let binaries = binary("chatapp").await.unwrap();
    let here = |block: &str| {
        block
            .replace("127.0.0.1:3000", &api.to_string())
            .replace("$PWD/target/release", binaries.parent().unwrap().to_str().unwrap())
    };
    let blocks: Vec<String> = shell_blocks(tour).into_iter().map(here).collect();
    let shim = format!("chatapp() {{ command chatapp \"$@\" --api http://{api}; }}\n");
    let script = shim + blocks.join(&format!("\necho; echo '{MARK}'\n")).as_str();

    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(system.directory()).env("HOME", system.directory());
    let output = within("the tour", AT_MOST, bash.kill_on_drop(true).output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

    let said: Vec<&str> = said.split(MARK).collect();
    assert_eq!(said.len(), 5, "the tour has other blocks than this test knows: {said:?}");
    let expected: [&[&str]; 5] = [
        &[],
        &["\"username\":\"alice\"", "alice@example.org"],
        &["\"content\":\"Hello, who is there?\"", "alice: Hello, who is there?"],
        &["\"content\":\"Bob is!\"", "\"content\":\"Hello, who is there?\"", "\"total\":1", "\"title\":"],
        &["\"status\":\"queued\""],
    ];
    for (block, texts) in said.iter().zip(expected) {
        for text in texts {
            assert!(block.contains(text), "{text} is not in: {block}");
        }
    }
}
