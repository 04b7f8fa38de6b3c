//! Contacts who are asked first.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Person, TestServer, assert_answer};

async fn asked(engine: Engine) -> TestServer {
    TestServer::with(engine, |settings| settings.people.contact_requests = true).await
}

async fn ask(who: &Person, whom: &Person) -> Answer {
    who.call("PUT", &format!("/api/contacts/{}", whom.id), None).await
}

async fn withdraw(who: &Person, whom: &Person) {
    who.delete(format!("/api/contacts/requests/{}", whom.id)).await.expect(204);
}

/// Names of who asks this person, and of whom they ask.
async fn waiting(who: &Person) -> (Value, Value) {
    let raw = who.get("/api/contacts/requests").await.expect(200).raw;
    let names = |list: &Value| list.as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
    (names(&raw["incoming"]), names(&raw["outgoing"]))
}

async fn contacts(who: &Person) -> Value {
    who.get("/api/contacts").await.expect(200).items("username")
}

#[rstest]
#[tokio::test]
async fn who_is_asked_accepts_and_each_is_a_contact_of_the_other(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = asked(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    for _ in 0..2 {
        assert_eq!(ask(&alice, &bob).await.expect(202).raw, json!({ "pending": true }));
    }
    assert_answer!(bob.get("/api/contacts/requests").await, @r#"
    {
      "status": 200,
      "body": {
        "incoming": [
          {
            "createdAt": "[time]",
            "displayName": "alice",
            "id": "[id 1]",
            "status": "offline",
            "username": "alice"
          }
        ],
        "outgoing": []
      }
    }
    "#);
    assert_eq!(waiting(&alice).await, (json!([]), json!(["bob"])));
    assert_eq!([contacts(&alice).await, contacts(&bob).await], [json!([]), json!([])]);
    for _ in 0..2 {
        ask(&bob, &alice).await.expect(204);
    }
    ask(&alice, &bob).await.expect(204);
    assert_eq!([contacts(&alice).await, contacts(&bob).await], [json!(["bob"]), json!(["alice"])]);
    for who in [&alice, &bob] {
        assert_eq!(waiting(who).await, (json!([]), json!([])));
    }
    ask(&alice, &alice).await.refused(400, "INVALID_MESSAGE");
}

#[rstest]
#[tokio::test]
async fn a_request_is_taken_back_by_who_asked_and_declined_by_who_was(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = asked(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    for (who, whom) in [(&alice, &bob), (&bob, &alice)] {
        ask(&alice, &bob).await.expect(202);
        for _ in 0..2 {
            withdraw(who, whom).await;
        }
        assert_eq!([waiting(&alice).await, waiting(&bob).await], [(json!([]), json!([])), (json!([]), json!([]))]);
    }
}

#[rstest]
#[tokio::test]
async fn who_is_blocked_cannot_tell_it_from_waiting(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = asked(engine).await;
    let (alice, bob, carol) =
        (server.account("alice").await, server.account("bob").await, server.account("carol").await);
    bob.call("PUT", &format!("/api/blocks/{}", alice.id), None).await.expect(204);
    let answers = [ask(&alice, &bob).await, ask(&alice, &carol).await, ask(&alice, &bob).await];
    assert!(answers.iter().all(|answer| (answer.status, &answer.body) == (202, &answers[0].body)), "{answers:?}");
    assert_eq!(waiting(&bob).await, (json!([]), json!([])));
    withdraw(&bob, &alice).await;
    assert_eq!(waiting(&alice).await.1, json!(["bob", "carol"]));
    ask(&bob, &alice).await.refused(403, "BLOCKED");
}

#[rstest]
#[tokio::test]
async fn guests_ask_nobody_and_accept_what_is_asked_of_them(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = asked(engine).await;
    let (alice, gina) = (server.account("alice").await, server.guest("gina").await);
    ask(&gina, &alice).await.refused(403, "FORBIDDEN");
    assert_eq!(waiting(&alice).await, (json!([]), json!([])));
    ask(&alice, &gina).await.expect(202);
    ask(&gina, &alice).await.expect(204);
    assert_eq!([contacts(&alice).await, contacts(&gina).await], [json!(["gina"]), json!(["alice"])]);
}

#[rstest]
#[tokio::test]
async fn asking_has_a_rate(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        settings.people.contact_requests = true;
        settings.limits.enabled = true;
        settings.limits.contact_requests_per_minute = 2;
    })
    .await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    for _ in 0..2 {
        ask(&alice, &bob).await.expect(202);
    }
    ask(&alice, &bob).await.refused(429, "RATE_LIMIT_EXCEEDED");
    withdraw(&alice, &bob).await;
}
