//! Lost passwords and unverified addresses, from asking for a letter to using its token.

use std::time::{Duration, Instant};

use client::Chat;
use domain::letters::{Mail, Written};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{InstanceId, Timestamp};
use smtp_fixture::{Options, Receiver};
use store::Letter;

use crate::support::{Answer, Engine, TestServer, assert_answer};

/// Takes the letters that are queued out of the outbox and writes them, as a notification-server does.
async fn letters(server: &TestServer) -> Vec<(Letter, Written)> {
    let (me, lease) = (InstanceId::new(), Duration::from_secs(600));
    let mut written = Vec::new();
    for claimed in server.domain.store.outbox.claim(me, Timestamp::now(), lease, 100).await.unwrap() {
        let letter = claimed.job.letter.clone().unwrap();
        written.push((letter, server.domain.letters.write(&claimed.job).await.unwrap()));
    }
    written
}

/// The mails among them.
async fn mails(server: &TestServer) -> Vec<Mail> {
    let mail = |(_, written)| if let Written::Mail(mail) = written { Some(mail) } else { None };
    letters(server).await.into_iter().filter_map(mail).collect()
}

/// The token in the only mail that is queued.
async fn token(server: &TestServer) -> String {
    let mails = mails(server).await;
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    let word = mail.text.split_whitespace().find(|word| word.len() == 80).expect("a token");
    word.to_owned()
}

async fn forgot(server: &TestServer, email: &str) -> Answer {
    server.anyone().post("/api/password/forgot", json!({ "email": email })).await
}

async fn reset(server: &TestServer, token: &str, password: &str) -> Answer {
    server.anyone().post("/api/password/reset", json!({ "token": token, "password": password })).await
}

async fn verify(server: &TestServer, token: &str) -> Answer {
    server.anyone().post("/api/email/verify", json!({ "token": token })).await
}

async fn log_in(server: &TestServer, password: &str) -> Answer {
    server.anyone().post("/api/login", json!({ "username": "alice", "password": password })).await
}

#[rstest]
#[tokio::test]
async fn asking_for_a_letter_is_the_same_whoever_has_the_address(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    server.account("alice").await;
    server.account("carol").await;
    for mail in mails(&server).await.iter().filter(|mail| mail.to.starts_with("carol")) {
        let token = mail.text.split_whitespace().find(|word| word.len() == 80).unwrap();
        verify(&server, token).await.expect(204);
    }
    let mut queued = Vec::new();
    for email in ["alice@example.org", "carol@example.org", "ALICE@EXAMPLE.ORG", "nobody@example.org"] {
        let answer = forgot(&server, email).await.expect(202);
        assert_eq!((&answer.raw, answer.header("content-type")), (&Value::Null, None));
        queued.extend(letters(&server).await);
    }
    let kinds: Vec<_> = queued.iter().map(|(letter, _)| format!("{letter:?}")).collect();
    assert_eq!(kinds, ["ResetPassword"; 4], "the same is done for each");
    let to = |(_, written): &(Letter, Written)| match written {
        Written::Mail(mail) => mail.to.clone(),
        Written::Nothing(why) => (*why).to_owned(),
    };
    let to: Vec<_> = queued.iter().map(to).collect();
    assert_eq!(to, ["alice@example.org", "carol@example.org", "alice@example.org", "nobody has this address"]);
    for bad in
        ["", "alice", "Alice <alice@example.org>", "alice@example.org\r\nBcc: eve@example.org", &"x".repeat(100_000)]
    {
        forgot(&server, bad).await.refused(400, "INVALID_MESSAGE");
    }
    assert!(letters(&server).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_token_sets_a_password_once_and_every_login_ends(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut server = TestServer::start(engine).await;
    let chat = server.add_chat_server().await;
    let alice = server.account("alice").await;
    let unverified = token(&server).await;
    let (socket, mut events) = Chat::connect(&chat, alice.token.clone()).await.unwrap();
    forgot(&server, "alice@example.org").await.expect(202);
    let first = token(&server).await;
    forgot(&server, "alice@example.org").await.expect(202);
    let second = token(&server).await;

    for password in ["short", "password", &"x".repeat(129)] {
        reset(&server, &second, password).await.refused(400, "INVALID_MESSAGE");
    }
    alice.get("/api/profile").await.expect(200);
    assert_answer!(reset(&server, &second, "battery staple").await, @r#"{"status": 204}"#);
    alice.get("/api/profile").await.refused(401, "UNAUTHORIZED");
    let ended = Instant::now();
    while events.next().await.is_some() {}
    assert!(ended.elapsed() < Duration::from_secs(5), "its sockets end");
    drop(socket);
    server.anyone().post("/api/token/refresh", json!({ "refreshToken": alice.refresh_token })).await.expect(401);
    log_in(&server, "correct horse").await.expect(401);
    let user = log_in(&server, "battery staple").await.expect(200).raw["user"].clone();
    assert_eq!(user["emailVerified"], true, "who has the token has read the mail");
    for used in [&second, &first] {
        reset(&server, used, "other staple").await.refused(400, "INVALID_MESSAGE");
    }
    log_in(&server, "battery staple").await.expect(200);
    let told: Vec<_> = mails(&server).await.into_iter().map(|mail| (mail.to, mail.subject)).collect();
    assert_eq!(told, [("alice@example.org".into(), "Your password was changed".into())]);
    verify(&server, &unverified).await.expect(204);
}

#[rstest]
#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    server.account("alice").await;
    let of_address = token(&server).await;
    let bob = server.account("bob").await;
    token(&server).await;
    forgot(&server, "alice@example.org").await.expect(202);
    let good = token(&server).await;
    let (user, secret) = good.split_once('.').unwrap();
    let mut answers = Vec::new();
    for token in [
        "".to_owned(),
        "x".repeat(200_000),
        secret.to_owned(),
        format!("{user}."),
        format!("{}.{secret}", bob.id),
        format!("{}.{secret}", shared::UserId::new()),
        format!("{user}.{}", "A".repeat(43)),
        of_address.clone(),
    ] {
        answers.push(reset(&server, &token, "battery staple").await.refused(400, "INVALID_MESSAGE").body);
    }
    answers.push(verify(&server, &good).await.refused(400, "INVALID_MESSAGE").body);
    assert_answer!(answers[0], @r#"
    {
      "code": "INVALID_MESSAGE",
      "detail": "token: not valid (any more); ask for another letter",
      "details": [
        {
          "field": "token",
          "problem": "not valid (any more); ask for another letter"
        }
      ],
      "error": "token: not valid (any more); ask for another letter",
      "requestId": "[requestId]",
      "status": 400,
      "title": "Invalid input",
      "type": "about:blank"
    }
    "#);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    log_in(&server, "correct horse").await.expect(200);
    reset(&server, &good, "battery staple").await.expect(204);
    verify(&server, &of_address).await.expect(204);
}

#[rstest]
#[tokio::test]
async fn an_address_is_verified_by_the_letter_of_the_signup_or_another(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.account("alice").await;
    let verified = async || alice.get("/api/profile").await.expect(200).raw["emailVerified"].clone();
    let first = token(&server).await;
    assert_eq!(verified().await, false);
    assert_answer!(alice.call("POST", "/api/email/verification", None).await, @r#"{"status": 202}"#);
    let second = token(&server).await;
    assert_ne!(first, second);
    assert_answer!(verify(&server, &first).await, @r#"{"status": 204}"#);
    assert_eq!(verified().await, true);
    alice.call("POST", "/api/email/verification", None).await.expect(202);
    assert!(letters(&server).await.is_empty(), "there is nothing to ask any more");
    server.anyone().call("POST", "/api/email/verification", None).await.refused(401, "UNAUTHORIZED");
    let guest = server.guest("guest").await;
    guest.call("POST", "/api/email/verification", None).await.refused(403, "FORBIDDEN");
    assert!(letters(&server).await.is_empty());
    alice.post("/api/password", json!({ "old": "correct horse", "new": "battery staple" })).await.expect(204);
    assert_eq!(mails(&server).await[0].subject, "Your password was changed");
}

#[rstest]
#[tokio::test]
async fn letters_to_an_address_are_so_many_an_hour_whether_it_is_an_account_s_or_not(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.letters_per_hour = 2;
        settings.limits.resets_per_minute = 100;
    })
    .await;
    let second = if let Engine::Redis = engine { Some(server.second().await) } else { None };
    let other = second.as_ref().unwrap_or(&server);
    let alice = server.account("alice").await;
    let mut refused = Vec::new();
    for email in ["alice@example.org", "nobody@example.org"] {
        forgot(&server, email).await.expect(202);
        forgot(other, &email.to_uppercase()).await.expect(202);
        let answer = forgot(&server, email).await.refused(429, "RATE_LIMIT_EXCEEDED");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1700..=1800).contains(&wait), "half an hour for one: {wait}");
        refused.push(answer.raw["title"].clone());
    }
    assert_eq!(refused[0], refused[1]);
    alice.call("POST", "/api/email/verification", None).await.refused(429, "RATE_LIMIT_EXCEEDED");
}

#[rstest]
#[tokio::test]
async fn a_network_asks_and_tries_so_often_a_minute(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.resets_per_minute = 3;
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let ask = async |from: &str, path: &str, body: Value| {
        let request = server.anyone().request("POST", path).header("x-forwarded-for", from);
        Answer::of(request.json(&body)).await.status
    };
    let here = "2001:db8::1";
    assert_eq!(ask(here, "/api/password/forgot", json!({ "email": "a@example.org" })).await, 202);
    let token = json!({ "token": "x", "password": "battery staple" });
    assert_eq!(ask(here, "/api/password/reset", token.clone()).await, 400);
    assert_eq!(ask("2001:db8::2", "/api/email/verify", token.clone()).await, 400, "of the same network");
    for path in ["/api/password/reset", "/api/email/verify"] {
        assert_eq!(ask(here, path, token.clone()).await, 429);
    }
    assert_eq!(ask(here, "/api/password/forgot", json!({ "email": "b@example.org" })).await, 429);
    assert_eq!(ask("192.0.2.1", "/api/password/reset", token).await, 400);
}

#[rstest]
#[tokio::test]
async fn who_could_not_remember_is_not_locked_out_after_a_reset(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.wrong_passwords = 2;
    })
    .await;
    server.account("alice").await;
    token(&server).await;
    for status in [401, 401, 429] {
        log_in(&server, "wrong horse").await.expect(status);
    }
    forgot(&server, "alice@example.org").await.expect(202);
    reset(&server, &token(&server).await, "battery staple").await.expect(204);
    log_in(&server, "battery staple").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_lost_password_is_replaced_through_a_real_mail_server(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let receiver = Receiver::start(Options::default());
    let mut server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.notification.smtp_url = Some(format!("smtp://127.0.0.1:{}", receiver.port).parse().unwrap());
        settings.notification.smtp_from = Some("no-reply@example.org".into());
        settings.auth.reset_url = Some("https://example.org/#/reset/{token}".into());
    })
    .await;
    server.add_notification_server().await;
    let alice = server.account("alice").await;
    verify(&server, receiver.next().await.token()).await.expect(204);
    assert_eq!(alice.get("/api/profile").await.raw["emailVerified"], true);
    forgot(&server, "nobody@example.org").await.expect(202);
    forgot(&server, "alice@example.org").await.expect(202);
    let lost = receiver.next().await;
    assert_eq!(lost.receivers, ["alice@example.org"]);
    assert!(lost.text.contains(&format!("https://example.org/#/reset/{}", lost.token())), "{}", lost.text);
    reset(&server, lost.token(), "battery staple").await.expect(204);
    log_in(&server, "battery staple").await.expect(200);
    assert_eq!(receiver.next().await.header("Subject"), "Your password was changed");
    assert!(receiver.left_over().await.is_none());
}
