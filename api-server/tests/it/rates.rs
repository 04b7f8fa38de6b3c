//! One budget for each user: over instances, and over all that writes into rooms.

use std::time::Instant;

use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, TestServer};

const BURST: u32 = 12;

#[tokio::test]
async fn a_user_has_one_budget_over_two_instances() {
    let server = TestServer::with(Engine::Redis, |settings| {
        settings.limits.enabled = true;
        settings.limits.messages_burst = BURST;
        settings.limits.messages_per_second = 1;
    })
    .await;
    let (alice, _, room) = server.room().await;
    let second = server.second().await;
    let there = second.bearer(Some(&alice.token));
    let path = format!("/api/rooms/{room}/messages");
    let started = Instant::now();
    let mut sent = 0;
    for _ in 0..20 {
        for caller in [&*alice, &there] {
            let answer = caller.post(&path, json!({ "content": "x" })).await;
            assert!([201, 429].contains(&answer.status), "{answer:?}");
            sent += u32::from(answer.status == 201);
        }
    }
    // What came back meanwhile, rounded up.
    let gained = started.elapsed().as_secs() as u32 + 1;
    assert!((1..=BURST + gained).contains(&sent), "{sent} sent of {BURST} + {gained}");
}

#[rstest]
#[tokio::test]
async fn sends_edits_and_reactions_take_from_one_budget(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.messages_burst = BURST;
        settings.limits.messages_per_second = 1;
    })
    .await;
    let (alice, bob, room) = server.room().await;
    let started = Instant::now();
    let path = format!("/api/messages/{}", alice.send(&room, "x").await["id"].as_str().unwrap());
    let mut done = 1;
    for n in 0..20 {
        let answers = [
            alice.patch(&path, json!({ "content": n.to_string() })).await,
            alice.call("PUT", &format!("{path}/reactions/x"), None).await,
            alice.call("DELETE", &format!("{path}/reactions/x"), None).await,
        ];
        for answer in answers {
            assert!([200, 429].contains(&answer.status), "{answer:?}");
            done += u32::from(answer.status == 200);
        }
    }
    let gained = started.elapsed().as_secs() as u32 + 1;
    assert!((1..=BURST + gained).contains(&done), "{done} done of {BURST} + {gained}");
    bob.call("PUT", &format!("{path}/reactions/x"), None).await.expect(200);
    let marked = alice.put(format!("/api/rooms/{room}/read"), json!({ "seq": 1 })).await;
    assert_eq!(marked.expect(200).raw["seq"], 1, "marks are outside of it");
}
