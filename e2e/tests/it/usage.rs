//! What a process says to whoever starts it wrongly.

use e2e::{Exit, Process};

/// Runs a binary to its end, in an empty directory.
async fn run(program: &str, environment: &[(&str, &str)]) -> Exit {
    run_in(tempfile::tempdir().unwrap(), program, environment).await
}

async fn run_in(directory: tempfile::TempDir, program: &str, environment: &[(&str, &str)]) -> Exit {
    let environment: Vec<_> = environment.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let mut process = Process::spawn(program, program, &[], &environment, directory.path()).await.unwrap();
    process.exit().await.unwrap()
}

/// Exit status 64 (EX_USAGE) and one line that says `about`.
fn assert_refused(program: &str, exit: &Exit, about: &str) {
    assert_eq!(exit.code, Some(64), "{program}: {}", exit.output);
    assert_eq!(exit.output.lines().count(), 1, "{program}: {}", exit.output);
    assert!(exit.output.contains(about), "{program}: {}", exit.output);
}

const SERVICES: [&str; 4] = ["api-server", "chat-server", "presence-server", "notification-server"];

#[tokio::test]
async fn a_service_over_an_embedded_store_is_refused_with_one_line_that_names_the_way_out() {
    for program in SERVICES {
        let exit = run(program, &[("CHATAPP__STORE__URL", "embedded:data")]).await;
        assert_refused(program, &exit, "store.url");
        assert!(exit.output.contains("redis://") && exit.output.contains("chatapp"), "{}", exit.output);
        // Without any setting the store is embedded.
        assert_refused(program, &run(program, &[]).await, "store.url");
    }
}

#[tokio::test]
async fn bad_configuration_is_refused_with_one_line_that_names_the_key() {
    for program in SERVICES.into_iter().chain(["chatapp"]) {
        for (key, value, about) in [
            ("CHATAPP__LIMITS__MESSAGES_BURST", "many", "limits.messages_burst"),
            ("CHATAPP__STORE__URL", "mysql://x", "store.url"),
            ("CHATAPP__SHOP__OPEN", "1", "shop"),
        ] {
            assert_refused(program, &run(program, &[(key, value)]).await, about);
        }
    }
}

#[tokio::test]
async fn only_a_file_named_chatapp_toml_is_read_as_configuration() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("chatapp"), b"\x7fELF\x02 no configuration").unwrap();
    let exit = run_in(directory, "chat-server", &[]).await;
    assert_refused("chat-server", &exit, "store.url");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("chatapp.toml"), "[log]\nformat = 'xml'\n").unwrap();
    let exit = run_in(directory, "chat-server", &[]).await;
    assert_refused("chat-server", &exit, "log.format");
}
