//! Clients that nobody here wrote, in dialects that nobody here made up: `tests/foreign/`.

use std::{path::Path, time::Duration};

use e2e::{System, within};
use tokio::process::Command;

/// The whole of it.
const AT_MOST: Duration = Duration::from_secs(60);

async fn clients_of_others(system: &System, chats: [&str; 2]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../target/receivers/bin/python");
    assert!(python.exists(), "the libraries of others are not installed; run .ci/prerequisites");
    let api = format!("http://{}", system.first_address("api").unwrap());
    let mut client = Command::new(python);
    client.arg(here.join("tests/foreign/dialects.py")).arg(api).args(chats).kill_on_drop(true);
    let output = within("what they do", AT_MOST, client.output()).await.unwrap().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("as documented"), "{said}");
}

#[tokio::test]
async fn clients_of_others_find_what_is_documented_in_one_process() {
    let system = System::embedded().await.unwrap();
    let url = system.chat_url().unwrap();
    clients_of_others(&system, [&url, &url]).await;
}

#[tokio::test]
async fn clients_of_others_find_what_is_documented_over_four_services() {
    let system = System::over_redis(2).await.unwrap();
    let urls = [system.chat_url_of("chat-0").unwrap(), system.chat_url_of("chat-1").unwrap()];
    clients_of_others(&system, [&urls[0], &urls[1]]).await;
}
