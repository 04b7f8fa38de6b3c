//! E-mail, to a mail server that nobody here wrote, which also parses it.

use std::{path::Path, process::Stdio, time::Duration};

use domain::{
    Viewer,
    accounts::{LetterToken, ResetPassword},
};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{NotificationId, Settings, Timestamp, UserId};
use smtp_fixture::{Options, Receiver};
use store::{Job, Letter};

use crate::support::{Engine, TestServer, World, assert_answer};

const FROM: &str = "Tea & Cake <no-reply@example.org>";
const SECRET: &str = "0123456789012345678901234567890123456789012";

pub fn mail_to(receiver: &Receiver) -> impl FnOnce(&mut Settings) {
    let url = format!("smtp://127.0.0.1:{}", receiver.port);
    move |settings| {
        settings.notification.smtp_url = Some(url.parse().unwrap());
        settings.notification.smtp_from = Some(FROM.into());
        settings.auth.reset_url = Some("https://example.org/reset?a=1&token={token}".into());
    }
}

fn job(user: UserId, letter: Letter) -> Job {
    let now = Timestamp::now();
    Job {
        id: NotificationId::new(),
        user,
        title: String::new(),
        body: String::new(),
        data: None,
        category: None,
        channels: Some(vec!["email".into()]),
        collapse_key: None,
        expires_at: Some(now.after(Duration::from_secs(600))),
        created_at: now,
        message: None,
        after: 0,
        badge: None,
        letter: Some(letter),
        request_hash: None,
    }
}

fn lost_password(address: &str) -> Letter {
    Letter::ResetPassword { address: address.into(), secret: SECRET.into() }
}

/// Queues it; gives what came of it.
async fn sent(server: &TestServer, job: Job) -> Value {
    server.world.domain.store.outbox.enqueue(std::slice::from_ref(&job)).await.unwrap();
    let state = server.done(job.id).await.raw;
    assert!(!state.to_string().contains(SECRET), "{state}");
    let channel = &state["recipients"][0]["channels"][0];
    json!([channel["channel"], channel["state"], channel["detail"]])
}

#[rstest]
#[actix_web::test]
async fn letters_go_out_and_their_tokens_are_good_once(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let receiver = Receiver::start(Options::default());
    let world = World::with(engine, mail_to(&receiver)).await;
    let alice = world.account("alice").await;
    let server = world.serve().await;
    let accounts = &server.world.domain.accounts;
    let here = "127.0.0.1".into();

    let confirm = receiver.next().await;
    assert_eq!(confirm.header("Subject"), "Confirm your e-mail address");
    assert_eq!(
        (confirm.sender.as_str(), confirm.receivers.as_slice()),
        ("no-reply@example.org", &["alice@example.net".into()][..])
    );
    let token = LetterToken { token: confirm.token().into() };
    assert!(confirm.html.contains(&format!("<code>{}</code>", token.token)), "{}", confirm.html);
    accounts.verify_email(&token, &here).await.unwrap();
    assert!(accounts.verify_email(&token, &here).await.is_err(), "once");

    accounts
        .forgot_password(serde_json::from_value(json!({ "email": "ALICE@example.net" })).unwrap(), &here)
        .await
        .unwrap();
    let lost = receiver.next().await;
    assert_eq!(lost.defects, Vec::<String>::new());
    assert_eq!(lost.header("To"), "alice@example.net");
    assert_eq!(lost.header("From"), FROM);
    assert_eq!(lost.header("Subject"), "Choose a new password");
    assert_eq!(lost.header("Auto-Submitted"), "auto-generated");
    assert!(lost.header("Content-Type").starts_with("multipart/alternative"));
    let link = format!("https://example.org/reset?a=1&token={}", lost.token());
    assert!(lost.text.contains(&format!("within 30 minutes:\n{link}\n")), "{}", lost.text);
    assert!(lost.html.contains(&format!("<a href=\"{}\">", link.replace('&', "&amp;"))), "{}", lost.html);
    let reset = |password: &str| ResetPassword { token: lost.token().into(), password: password.into() };
    accounts.reset_password(reset("battery staple"), &here).await.unwrap();
    assert!(accounts.reset_password(reset("other staple"), &here).await.is_err(), "once");

    let changed = receiver.next().await;
    assert_eq!(changed.header("Subject"), "Your password was changed");
    assert!(changed.text.contains("The account alice has a new password"), "{}", changed.text);
    assert!(server.world.inbox(&alice).await.is_empty(), "letters are in no inbox");
    server.stop().await;
    assert!(receiver.left_over().await.is_none());
}

#[rstest]
#[actix_web::test]
async fn a_letter_that_is_not_taken_now_is_the_same_when_it_comes_again(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let receiver = Receiver::start(Options { answers: &["421 busy", "550 5.7.1 no such thing"], ..Options::default() });
    let world = World::with(engine, mail_to(&receiver)).await;
    let alice = world.account("alice").await;
    let server = world.serve().await;
    let [first, again] = [receiver.next().await, receiver.next().await];
    assert_eq!([first.answer.as_str(), again.answer.as_str()], ["421 busy", "550 5.7.1 no such thing"]);
    for name in ["Message-ID", "Date", "Subject", "To"] {
        assert_eq!(first.header(name), again.header(name));
    }
    assert_eq!((&first.text, &first.html), (&again.text, &again.html), "with the same token");
    let token = LetterToken { token: again.token().into() };
    server.world.domain.accounts.verify_email(&token, &"127.0.0.1".into()).await.unwrap();
    assert_eq!(sent(&server, job(alice.id, Letter::PasswordChanged)).await, json!(["email", "delivered", "250 OK"]));
    receiver.next().await;
    server.stop().await;
    assert!(receiver.left_over().await.is_none(), "what was refused for good is not sent again");
}

#[rstest]
#[actix_web::test]
async fn a_server_that_said_later_is_left_alone_for_a_minute_and_one_that_said_no_is_not_asked_again(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let receiver =
        Receiver::start(Options { answers: &["250 OK", "554 5.7.1 no", "451 4.7.1 later"], ..Options::default() });
    let world = World::with(engine, mail_to(&receiver)).await;
    let alice = world.account("alice").await;
    let server = world.serve().await;
    receiver.next().await;
    let lost = || job(UserId::new(), lost_password("alice@example.net"));
    let refused = sent(&server, lost()).await;
    assert_eq!((&refused[0], &refused[1]), (&json!("email"), &json!("failed")));
    assert!(refused[2].as_str().unwrap().contains("5.7.1 no"), "{refused}");
    receiver.next().await;
    let job = lost();
    server.world.domain.store.outbox.enqueue(std::slice::from_ref(&job)).await.unwrap();
    receiver.next().await;
    let queued = until_tried(&server, job.id).await;
    assert_eq!(queued["state"], "queued");
    assert!(queued["detail"].as_str().unwrap().contains("4.7.1 later"), "{queued}");
    let claim = |seconds| {
        let now = Timestamp::now().after(Duration::from_secs(seconds));
        server.world.domain.store.outbox.claim(server.world.domain.instance, now, Duration::from_secs(600), 10)
    };
    assert_eq!(claim(50).await.unwrap(), []);
    assert_eq!(claim(70).await.unwrap().len(), 1);
    assert!(server.world.inbox(&alice).await.is_empty());
    server.stop().await;
}

/// How the job stands on its channel, once it has been tried.
async fn until_tried(server: &TestServer, id: NotificationId) -> Value {
    loop {
        let state = server.state(id).await.raw;
        if state["recipients"][0]["channels"][0].is_object() {
            return state["recipients"][0]["channels"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[rstest]
#[actix_web::test]
async fn a_letter_for_nobody_or_for_no_reason_is_not_sent_and_says_why(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let receiver = Receiver::start(Options::default());
    let world = World::with(engine, mail_to(&receiver)).await;
    let (alice, bob, guest) = (world.account("alice").await, world.account("bob").await, world.person("guest").await);
    let server = world.serve().await;
    let letters = [receiver.next().await, receiver.next().await];
    let alices = letters.iter().find(|mail| mail.receivers == ["alice@example.net"]).unwrap();
    let accounts = &server.world.domain.accounts;
    accounts.verify_email(&LetterToken { token: alices.token().into() }, &"127.0.0.1".into()).await.unwrap();

    let verify = || Letter::VerifyAddress { secret: SECRET.into() };
    let late = Job { expires_at: Some(Timestamp::now()), ..job(UserId::new(), lost_password("alice@example.net")) };
    let mut answers = Vec::new();
    for job in [
        job(UserId::new(), lost_password("nobody@example.net")),
        late,
        job(alice.id, verify()),
        job(UserId::new(), verify()),
        job(guest.id, verify()),
        job(bob.id, Letter::PasswordChanged),
        job(guest.id, Letter::PasswordChanged),
        job(UserId::new(), Letter::PasswordChanged),
    ] {
        answers.push(sent(&server, job).await[2].clone());
    }
    assert_answer!(answers, @r#"
    [
      "nobody has this address",
      "expired",
      "the address is verified",
      "the account is gone",
      "the account has no address",
      "no verified e-mail address",
      "no verified e-mail address",
      "the account is gone"
    ]
    "#);
    server.stop().await;
    assert!(receiver.left_over().await.is_none());
}

#[rstest]
#[actix_web::test]
async fn a_notification_is_mailed_at_once_where_the_address_is_verified(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let receiver = Receiver::start(Options::default());
    let world = World::with(engine, mail_to(&receiver)).await;
    let alice = world.account("alice").await;
    let server = world.serve().await;
    let token = LetterToken { token: receiver.next().await.token().into() };
    let notify = async |channels: Value| {
        let body = json!({ "userId": alice.id, "title": "Grüße ☕", "body": "1 < 2\nthree", "channels": channels });
        let id = server.notify(body).await.raw["id"].as_str().unwrap().to_owned();
        let channels = server.done(&id).await.raw["recipients"][0]["channels"].clone();
        let told = |channel: &Value| json!([channel["channel"], channel["state"], channel["detail"]]);
        channels.as_array().unwrap().iter().map(told).collect::<Value>()
    };
    assert_eq!(notify(json!(["email"])).await, json!([["email", "suppressed", "no verified e-mail address"]]));
    server.world.domain.accounts.verify_email(&token, &"127.0.0.1".into()).await.unwrap();
    let all = notify(json!(null)).await;
    assert_eq!(all, json!([["inbox", "delivered", null], ["email", "delivered", "250 OK"]]));
    receiver.next().await;
    let both = notify(json!(["email", "inbox"])).await;
    assert_eq!(both, json!([["email", "delivered", "250 OK"], ["inbox", "delivered", null]]));
    let mail = receiver.next().await;
    assert_eq!((mail.header("Subject"), mail.text.as_str()), ("Grüße ☕", "1 < 2\nthree\n"));
    assert!(mail.html.contains("<p>1 &lt; 2<br>\nthree</p>"), "{}", mail.html);
    assert_eq!(mail.defects, Vec::<String>::new());
    server.stop().await;
    assert!(receiver.left_over().await.is_none());
}

#[actix_web::test]
async fn without_a_mail_server_nothing_is_sent_and_that_is_said() {
    let world = World::new(Engine::Embedded).await;
    let alice = world.account("alice").await;
    let server = world.serve().await;
    let why = "no e-mail is sent here: notification.smtp_url is not set";
    let said = sent(&server, job(alice.id, Letter::PasswordChanged)).await;
    assert_eq!(said, json!(["email", "suppressed", why]));
    server.stop().await;
}

/// A notification-server as a process of its own over the world's Redis; it trusts this certificate alone.
fn process(world: &World, smtp_url: &str, trusted: &Path) -> tokio::process::Child {
    command(world, smtp_url).env("SSL_CERT_FILE", trusted).spawn().unwrap()
}

/// To start such a process.
pub fn command(world: &World, smtp_url: &str) -> tokio::process::Command {
    let store = &world.domain.settings.store;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_notification-server"));
    command
        .env("CHATAPP__STORE__URL", world.redis.as_ref().unwrap().url())
        .env("CHATAPP__STORE__KEY_PREFIX", &store.key_prefix)
        .env("CHATAPP__NOTIFICATION__LISTEN", "127.0.0.1:0")
        .env("CHATAPP__NOTIFICATION__SMTP_URL", smtp_url)
        .env("CHATAPP__NOTIFICATION__SMTP_FROM", FROM)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// What is told of the job while it cannot be sent.
async fn told_of(world: &World, id: NotificationId) -> String {
    loop {
        let states = world.domain.store.outbox.states(id).await.unwrap();
        if let Some(detail) = states.first().and_then(|state| state.attempts.first()?.detail.clone()) {
            assert!(!states[0].done, "{detail}");
            return detail;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn a_server_is_written_to_encrypted_and_logged_in_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let [own, key] = ["pem", "key"].map(|kind| directory.path().join(format!("{name}.{kind}")));
        std::fs::write(&own, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (own, key)
    };
    let ((own, key), (foreign, _)) = (certificate("own"), certificate("foreign"));
    let tls = Some((own.as_path(), key.as_path()));
    let receiver = Receiver::start(Options { login: Some(("tea", "p@ss/word")), tls, ..Options::default() });
    let world = World::new(Engine::Redis).await;
    let alice: Viewer = world.account("alice").await.viewer;
    let outbox = &world.domain.store.outbox;
    let claimed = outbox.claim(world.domain.instance, Timestamp::now(), Duration::from_secs(600), 9).await.unwrap();
    assert_eq!(claimed.len(), 1, "the letter of the sign-up, put aside");

    let url = |login: &str, end: &str| format!("smtp://{login}127.0.0.1:{}{end}", receiver.port);
    let (right, required) = ("tea:p%40ss%2Fword@", "?tls=required");
    for (url, trusted, says) in [
        (url(right, required), &foreign, "certificate"),
        (url("tea:wrong@", required), &own, "535"),
        (url("", required), &own, "530"),
        (url(right, ""), &own, "authentication"),
    ] {
        let mut server = process(&world, &url, trusted);
        let job = job(alice.user, Letter::VerifyAddress { secret: SECRET.into() });
        outbox.enqueue(std::slice::from_ref(&job)).await.unwrap();
        let told = told_of(&world, job.id).await;
        assert!(told.contains(says), "{told}");
        assert!(!told.contains("wrong") && !told.contains("ss/word"), "{told}");
        server.kill().await.unwrap();
        assert!(receiver.left_over().await.is_none(), "{says}");
    }
    let mut server = process(&world, &url(right, required), &own);
    let mail = receiver.next().await;
    assert!(mail.encrypted);
    assert_eq!((mail.user.as_deref(), mail.token().ends_with(SECRET)), (Some("tea"), true));
    server.kill().await.unwrap();
}
