//! Nobody stays a ghost.

use std::time::Duration;

use client::protocol::Status;
use e2e::{Signal, System};

use crate::support::status_of;

/// The promise, whatever the lease.
const AT_MOST: Duration = Duration::from_secs(45);

#[tokio::test]
async fn users_of_a_killed_chat_server_go_offline() {
    users_go_offline_with_their_server(Signal::Kill).await;
}

#[tokio::test]
async fn users_of_a_stopped_chat_server_go_offline() {
    users_go_offline_with_their_server(Signal::Term).await;
}

async fn users_go_offline_with_their_server(end: Signal) {
    // Longer than the beat that renews it, shorter than the default, so that the test is too.
    let mut system = System::over_redis_with(1, &[("PRESENCE__LEASE_SECONDS", "8")]).await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    // Who is in the watched one's contacts may watch.
    bob.api.add_contact(alice.id).await.unwrap();
    let (watching, mut updates) = alice.presence(&system.presence_url().unwrap()).await.unwrap();
    assert_eq!(watching.subscribe(&[bob.id]).await.unwrap()[0].status, Status::Offline);
    let (_chat, _events) = bob.chat(&system.chat_url().unwrap()).await.unwrap();
    assert_eq!(status_of(bob.id, AT_MOST, &mut updates).await, "online");
    system.stop("chat-0", end).await.unwrap();
    assert_eq!(status_of(bob.id, AT_MOST, &mut updates).await, "offline");
    assert_eq!(alice.api.user_status(bob.id).await.unwrap().status, Status::Offline);
}
