//! Signing up, logging in, guests, the own profile, and how often an address may try.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, TestServer, assert_answer};

#[rstest]
#[tokio::test]
async fn signing_up_makes_an_account_and_logs_it_in(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let input = json!({
        "username": "Alice", "email": "alice@example.org", "password": "correct horse", "displayName": "Alice L.",
        "unknown": [1, 2]
    });
    let signed_up = server.anyone().post("/api/signup", input).await;
    assert_answer!(signed_up, @r#"
    {
      "status": 201,
      "body": {
        "expiresIn": 900,
        "refreshToken": "[refreshToken]",
        "token": "[token]",
        "user": {
          "createdAt": "[time]",
          "displayName": "Alice L.",
          "email": "alice@example.org",
          "emailVerified": false,
          "id": "[id 1]",
          "lastSeenFor": "everyone",
          "status": "offline",
          "username": "Alice"
        }
      }
    }
    "#);
    let profile = server.bearer(signed_up.raw["token"].as_str()).get("/api/profile").await;
    assert_eq!(profile.expect(200).raw, signed_up.raw["user"], "the token is the new user's");
}

#[rstest]
#[tokio::test]
async fn logging_in_works_by_name_in_any_case_and_by_e_mail(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.account("alice").await;
    let anyone = server.anyone();
    let by_name = anyone.post("/api/login", json!({ "username": "ALICE", "password": "correct horse" })).await;
    assert_answer!(by_name, @r#"
    {
      "status": 200,
      "body": {
        "expiresIn": 900,
        "refreshToken": "[refreshToken]",
        "token": "[token]",
        "user": {
          "createdAt": "[time]",
          "displayName": "alice",
          "email": "alice@example.org",
          "emailVerified": false,
          "id": "[id 1]",
          "lastSeenFor": "everyone",
          "status": "offline",
          "username": "alice"
        }
      }
    }
    "#);
    let by_mail = anyone.post("/api/login", json!({ "email": "alice@example.org", "password": "correct horse" })).await;
    assert_eq!(by_mail.expect(200).raw["user"]["id"], alice.id);
    for unclear in [
        json!({ "password": "correct horse" }),
        json!({ "username": "alice", "email": "alice@example.org", "password": "correct horse" }),
    ] {
        anyone.post("/api/login", unclear).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    server.account("alice").await;
    server.guest("gina").await;
    let mut answers = Vec::new();
    for who in [
        json!({ "username": "alice", "password": "wrong horse" }),
        json!({ "username": "nobody", "password": "wrong horse" }),
        json!({ "username": "gina", "password": "" }),
        json!({ "email": "alice@example.org", "password": "" }),
        json!({ "email": "nobody@example.org", "password": "correct horse" }),
        json!({ "username": "no\u{0}body", "password": "\u{0}" }),
        json!({ "username": "x".repeat(100_000), "password": "y".repeat(100_000) }),
        json!({ "email": "x".repeat(100_000), "password": "correct horse" }),
    ] {
        answers.push(server.anyone().post("/api/login", who).await.body);
    }
    assert_answer!(answers[0], @r#"
    {
      "code": "UNAUTHORIZED",
      "detail": "wrong name or password",
      "error": "wrong name or password",
      "requestId": "[requestId]",
      "status": 401,
      "title": "Authentication is needed",
      "type": "about:blank"
    }
    "#);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[rstest]
#[tokio::test]
async fn names_in_another_case_and_e_mail_addresses_are_taken_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    server.account("alice").await;
    let sign_up = async |name: &str, email: &str| {
        let input = json!({ "username": name, "email": email, "password": "correct horse" });
        server.anyone().post("/api/signup", input).await
    };
    assert_answer!(sign_up("aLICE", "other@example.org").await, @r#"
    {
      "status": 409,
      "body": {
        "code": "USERNAME_TAKEN",
        "detail": "the username is taken",
        "error": "the username is taken",
        "requestId": "[requestId]",
        "status": 409,
        "title": "The username is taken",
        "type": "about:blank"
      }
    }
    "#);
    assert_answer!(sign_up("alice2", "Alice@Example.org").await, @r#"
    {
      "status": 409,
      "body": {
        "code": "EMAIL_TAKEN",
        "detail": "the e-mail address is taken",
        "error": "the e-mail address is taken",
        "requestId": "[requestId]",
        "status": 409,
        "title": "The e-mail address is taken",
        "type": "about:blank"
      }
    }
    "#);
    server.anyone().post("/api/guest", json!({ "username": "ALICE" })).await.refused(409, "USERNAME_TAKEN");
    server.guest("gina").await;
    sign_up("Gina", "gina@example.org").await.refused(409, "USERNAME_TAKEN");
    // What was refused has taken nothing.
    sign_up("alice2", "other@example.org").await.expect(201);
}

#[rstest]
#[tokio::test]
async fn a_guest_may_choose_a_name_or_is_given_one(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    assert_answer!(server.anyone().post("/api/guest", json!({ "username": "Gina" })).await, @r#"
    {
      "status": 201,
      "body": {
        "expiresIn": 900,
        "refreshToken": "[refreshToken]",
        "token": "[token]",
        "user": {
          "createdAt": "[time]",
          "displayName": "Gina",
          "guest": true,
          "id": "[id 1]",
          "lastSeenFor": "everyone",
          "status": "offline",
          "username": "Gina"
        }
      }
    }
    "#);
    let named = server.anyone().post("/api/guest", json!({})).await.expect(201);
    assert!(named.raw["user"]["username"].as_str().unwrap().starts_with("guest-"), "{named:?}");
    for bad in ["", "a b", "é", "a/b", &"x".repeat(33)] {
        server.anyone().post("/api/guest", json!({ "username": bad })).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn guests_can_be_switched_off(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| settings.auth.guests = false).await;
    assert_answer!(server.anyone().post("/api/guest", json!({})).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "guests are not allowed here",
        "error": "guests are not allowed here",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
}

#[rstest]
#[tokio::test]
async fn every_problem_of_a_signup_is_told_at_once(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let input = json!({ "username": "a b", "email": "nowhere", "password": "short", "displayName": " \u{0}" });
    assert_answer!(server.anyone().post("/api/signup", input).await.raw["details"], @r#"
    [
      {
        "field": "username",
        "problem": "use 1 to 32 letters, digits and _ . -"
      },
      {
        "field": "email",
        "problem": "not an e-mail address"
      },
      {
        "field": "password",
        "problem": "use 8 to 128 characters"
      },
      {
        "field": "displayName",
        "problem": "must not hold control characters"
      }
    ]
    "#);
}

#[rstest]
#[tokio::test]
async fn an_address_that_signs_up_or_logs_in_too_often_is_told_when_to_try_again(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.signups_per_minute = 2;
        settings.limits.logins_per_minute = 2;
    })
    .await;
    let anyone = server.anyone();
    let guest = || anyone.post("/api/guest", json!({}));
    guest().await.expect(201);
    guest().await.expect(201);
    let refused = guest().await.refused(429, "RATE_LIMIT_EXCEEDED");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "two a minute: the next after 30 s at most, not {seconds}");
    let input = json!({ "username": "a", "email": "a@example.org", "password": "correct horse" });
    anyone.post("/api/signup", input).await.refused(429, "RATE_LIMIT_EXCEEDED");

    let refresh = || anyone.post("/api/token/refresh", json!({ "refreshToken": "a guess" }));
    refresh().await.refused(401, "UNAUTHORIZED");
    refresh().await.refused(401, "UNAUTHORIZED");
    refresh().await.refused(429, "RATE_LIMIT_EXCEEDED");
    let input = json!({ "username": "a", "password": "correct horse" });
    anyone.post("/api/login", input).await.refused(429, "RATE_LIMIT_EXCEEDED");
}

#[rstest]
#[tokio::test]
async fn a_password_too_many_use_is_refused_and_the_documented_one_is_not(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let sign_up = async |password: &str| {
        let input = json!({ "username": "alice", "email": "alice@example.org", "password": password });
        server.anyone().post("/api/signup", input).await
    };
    assert_answer!(sign_up("Password1").await, @r#"
    {
      "status": 400,
      "body": {
        "code": "INVALID_MESSAGE",
        "detail": "password: too many people use this one",
        "details": [
          {
            "field": "password",
            "problem": "too many people use this one"
          }
        ],
        "error": "password: too many people use this one",
        "requestId": "[requestId]",
        "status": 400,
        "title": "Invalid input",
        "type": "about:blank"
      }
    }
    "#);
    sign_up("secure123").await.expect(201);
}

#[rstest]
#[tokio::test]
async fn changing_the_password_ends_all_other_sessions(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.account("alice").await;
    let log_in = async |password: &str| {
        server.anyone().post("/api/login", json!({ "username": "alice", "password": password })).await
    };
    let phone = log_in("correct horse").await.expect(200).raw;
    let phone = server.bearer(phone["token"].as_str());
    phone.get("/api/profile").await.expect(200);
    let change = async |old: &str, new: &str| alice.post("/api/password", json!({ "old": old, "new": new })).await;
    assert_answer!(change("wrong horse", "battery staple").await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "the old password is wrong",
        "error": "the old password is wrong",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    for bad in ["short", "12345678", &"x".repeat(129)] {
        change("correct horse", bad).await.refused(400, "INVALID_MESSAGE");
    }
    phone.get("/api/profile").await.expect(200);
    assert_answer!(change("correct horse", "battery staple").await, @r#"{"status": 204}"#);
    phone.get("/api/profile").await.refused(401, "UNAUTHORIZED");
    alice.get("/api/profile").await.expect(200);
    assert_eq!(alice.get("/api/sessions").await.expect(200).items("current"), json!([true]));
    log_in("correct horse").await.refused(401, "UNAUTHORIZED");
    log_in("battery staple").await.expect(200);
    let guest = server.guest("guest").await;
    let input = json!({ "old": "", "new": "battery staple" });
    guest.post("/api/password", input.clone()).await.refused(403, "FORBIDDEN");
    server.anyone().post("/api/password", input).await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn wrong_passwords_are_counted_for_each_account_and_right_ones_are_not(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.logins_per_minute = 1000;
        settings.limits.wrong_passwords = 3;
    })
    .await;
    let alice = server.account("alice").await;
    server.account("bob").await;
    let log_in = async |name: &str, password: &str| {
        server.anyone().post("/api/login", json!({ "username": name, "password": password })).await
    };
    for _ in 0..5 {
        log_in("alice", "correct horse").await.expect(200);
    }
    for name in ["ALICE", "nobody"] {
        for _ in 0..3 {
            log_in(name, "wrong horse").await.refused(401, "UNAUTHORIZED");
        }
        let refused = log_in(name, "correct horse").await.refused(429, "RATE_LIMIT_EXCEEDED");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((200..=300).contains(&wait), "{wait}");
    }
    log_in("bob", "correct horse").await.expect(200);
    alice.get("/api/profile").await.expect(200);
    // However the account is named, it is one.
    let carol = server.account("carol").await;
    let change = async |old: &str| carol.post("/api/password", json!({ "old": old, "new": "battery staple" })).await;
    let by_email = async |password: &str| {
        server.anyone().post("/api/login", json!({ "email": "carol@example.org", "password": password })).await
    };
    log_in("Carol", "wrong horse").await.refused(401, "UNAUTHORIZED");
    by_email("wrong horse").await.refused(401, "UNAUTHORIZED");
    change("wrong horse").await.refused(403, "FORBIDDEN");
    change("correct horse").await.refused(429, "RATE_LIMIT_EXCEEDED");
    log_in("carol", "correct horse").await.refused(429, "RATE_LIMIT_EXCEEDED");
    by_email("correct horse").await.refused(429, "RATE_LIMIT_EXCEEDED");
}

#[rstest]
#[tokio::test]
async fn searches_are_so_many_a_minute(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.searches_per_minute = 2;
    })
    .await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    for _ in 0..2 {
        alice.get("/api/users?query=b").await.expect(200);
    }
    alice.get("/api/users?query=b").await.refused(429, "RATE_LIMIT_EXCEEDED");
    bob.get("/api/users?query=a").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_profile_changes_in_what_is_given_and_keeps_the_rest(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.account("alice").await;
    let changed = alice.patch("/api/profile", json!({ "displayName": "Alice 🙂", "bio": "two\nlines" })).await;
    assert_answer!(changed, @r#"
    {
      "status": 200,
      "body": {
        "bio": "two\nlines",
        "createdAt": "[time]",
        "displayName": "Alice 🙂",
        "email": "alice@example.org",
        "emailVerified": false,
        "id": "[id 1]",
        "lastSeenFor": "everyone",
        "status": "offline",
        "username": "alice"
      }
    }
    "#);
    let changed = alice.patch("/api/profile", json!({ "bio": "" })).await.expect(200);
    assert_eq!((&changed.raw["displayName"], changed.raw.get("bio")), (&json!("Alice 🙂"), None));
    assert_eq!(alice.get("/api/profile").await.expect(200).raw, changed.raw);
    assert_eq!(alice.patch("/api/profile", json!({})).await.expect(200).raw, changed.raw, "nothing given");
    let changed = alice.patch("/api/profile", json!({ "lastSeenFor": "contacts" })).await.expect(200);
    assert_eq!((&changed.raw["lastSeenFor"], &changed.raw["displayName"]), (&json!("contacts"), &json!("Alice 🙂")));
    assert_eq!(alice.get("/api/profile").await.expect(200).raw, changed.raw);
    for bad in [
        json!({ "lastSeenFor": "friends" }),
        json!({ "displayName": "" }),
        json!({ "displayName": "x".repeat(65) }),
        json!({ "displayName": "a\nb" }),
        json!({ "bio": "x".repeat(501) }),
        json!({ "bio": "\u{0}" }),
    ] {
        alice.patch("/api/profile", bad).await.refused(400, "INVALID_MESSAGE");
    }
    assert_eq!(alice.get("/api/profile").await.expect(200).raw, changed.raw, "what was refused changed nothing");
}

#[rstest]
#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let anyone = server.anyone();
    let asked = (0..16).map(|n| {
        let name = if n % 2 == 0 { "alice" } else { "ALICE" };
        anyone.post("/api/guest", json!({ "username": name }))
    });
    let mut statuses: Vec<_> = join_all(asked).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201], vec![409; 15]].concat());
    assert_eq!(anyone.get("/health").await.expect(200).raw["totalUsers"], 1);
}
