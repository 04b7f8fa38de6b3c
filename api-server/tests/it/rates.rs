//! One budget for each user: over instances, and over all that writes into rooms.

use std::time::Instant;

use rstest::rstest;
use serde_json::json;

use crate::support::{Answer, Engine, TestServer};

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
async fn behind_a_trusted_proxy_each_caller_has_their_own_budget_and_otherwise_the_header_is_not_read(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    for trusted in [false, true] {
        let server = TestServer::with(engine, |settings| {
            settings.limits.enabled = true;
            settings.limits.logins_per_minute = 2;
            if trusted {
                settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
            }
        })
        .await;
        let status = async |forwarded: &str| {
            let input = json!({ "username": "alice", "password": "wrong horse" });
            let request = server.anyone().request("POST", "/api/login").header("x-forwarded-for", forwarded);
            Answer::of(request.json(&input)).await.status
        };
        assert_eq!((status("2001:db8::1").await, status("2001:db8::2").await), (401, 401));
        assert_eq!(status("9.9.9.9, 2001:db8::3").await, 429, "of one network, whatever they write before");
        assert_eq!(status("192.0.2.1").await, if trusted { 401 } else { 429 });
    }
    let server = TestServer::with(engine, |s| s.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let request =
        server.anyone().request("POST", "/api/guest").header("x-forwarded-for", "2001:db8::7").json(&json!({}));
    let token = Answer::of(request).await.expect(201).raw["token"].clone();
    let listed = server.bearer(token.as_str()).get("/api/sessions").await.expect(200);
    assert_eq!(listed.items("address"), json!(["2001:db8::7"]));
}

#[tokio::test]
async fn an_address_and_an_account_have_one_budget_over_two_instances() {
    let first = TestServer::with(Engine::Redis, |settings| {
        settings.limits.enabled = true;
        settings.limits.wrong_passwords = 4;
        settings.limits.logins_per_minute = 6;
    })
    .await;
    let second = first.second().await;
    let mut statuses = Vec::new();
    for name in ["alice", "alice", "alice", "bob", "bob"] {
        for server in [&first, &second] {
            let input = json!({ "username": name, "password": "wrong horse" });
            statuses.push(server.anyone().post("/api/login", input).await.status);
        }
    }
    // Four tries at alice, then the fifth and sixth login of this address, then none.
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429, 429, 429, 429, 429]);
}

/// How many of these are answered with this status before the first 429, which says when to come again.
async fn until_refused(status: u16, mut ask: impl AsyncFnMut(usize) -> Answer) -> usize {
    for n in 0..20 {
        let answer = ask(n).await;
        if answer.status == 429 {
            assert!((1..=60).contains(&answer.header("retry-after").unwrap().parse::<u64>().unwrap()));
            return n;
        }
        answer.expect(status);
    }
    panic!("no end");
}

#[rstest]
#[tokio::test]
async fn making_invites_and_trying_codes_have_one_budget_over_instances(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        (settings.limits.invites_per_minute, settings.limits.redeems_per_minute) = (4, 6);
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let second = match engine {
        Engine::Redis => Some(server.second().await),
        Engine::Embedded => None,
    };
    let at = |n: usize, token: &str| match &second {
        Some(second) if n % 2 == 1 => second.bearer(Some(token)),
        _ => server.bearer(Some(token)),
    };
    let (alice, _, room) = server.room().await;
    let path = format!("/api/rooms/{room}/invites");
    let keyed = async |n: usize, key: &str| {
        let request = at(n, &alice.token).request("POST", &path).header("idempotency-key", key).json(&json!({}));
        Answer::of(request).await
    };
    let first = keyed(0, "k").await.expect(201).raw["code"].clone();
    assert_eq!(until_refused(201, async |n| at(n, &alice.token).post(&path, json!({})).await).await, 3);
    assert_eq!(keyed(1, "k").await.expect(201).raw["code"], first, "a repeat is answered all the same");
    keyed(1, "l").await.refused(429, "RATE_LIMIT_EXCEEDED");

    let tried = async |n: usize, who: &str, from: &str| {
        let code = format!("/api/invites/{}", "A".repeat(43));
        Answer::of(at(n, who).request("POST", &code).header("x-forwarded-for", from)).await
    };
    let [one, two, three] =
        [server.guest("one").await, server.guest("two").await, server.guest("three").await].map(|guest| guest.token);
    let everywhere = async |n: usize| tried(n, &one, &format!("192.0.2.{n}")).await;
    assert_eq!(until_refused(404, everywhere).await, 6, "a user, wherever they are");
    assert_eq!(until_refused(404, async |n| tried(n, &two, "198.51.100.1").await).await, 6);
    tried(0, &three, "198.51.100.1").await.refused(429, "RATE_LIMIT_EXCEEDED");
    tried(0, &three, "198.51.100.2").await.refused(404, "NOT_FOUND");
    let nonsense = server.bearer(Some(&one)).call("POST", "/api/invites/nonsense", None).await;
    nonsense.refused(404, "NOT_FOUND");
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
