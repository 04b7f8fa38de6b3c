//! E-mails about rooms: one for what comes while it waits, decided on when it is written, and stopped with one click.

use domain::{
    accounts::LetterToken,
    notifications::{Hours, Preferences},
};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{MessageId, NotificationId, RoomId, Settings, Timestamp, protocol::command::Mark};
use smtp_fixture::{Mail, Options, Receiver};

use crate::{
    letters::{command, mail_to},
    support::{Engine, Person, TestServer, World},
};

/// Longer than any test.
const BATCH: u64 = 600;
const WAITS: &str = "goes in one e-mail with what else comes in the room";

fn gathering(receiver: &Receiver, seconds: u64) -> impl FnOnce(&mut Settings) {
    let mail_to = mail_to(receiver);
    move |settings| {
        mail_to(settings);
        settings.notification.email_batch_seconds = seconds;
        settings.api.public_url = Some("https://chat.example.org/".into());
    }
}

/// A server, a room of Bob and Alice, and Alice's address verified.
struct Scene {
    server: TestServer,
    receiver: Receiver,
    alice: Person,
    bob: Person,
    room: RoomId,
}

impl Scene {
    async fn new(engine: Engine, options: Options<'_>) -> Self {
        let receiver = Receiver::start(options);
        let world = World::with(engine, gathering(&receiver, BATCH)).await;
        let (alice, bob) = (world.account("alice").await, world.person("bob").await);
        let room = world.room(&[&bob, &alice]).await;
        let server = world.serve().await;
        let token = LetterToken { token: receiver.next().await.token().into() };
        server.world.domain.accounts.verify_email(&token, &"127.0.0.1".into()).await.unwrap();
        Self { server, receiver, alice, bob, room }
    }

    /// Bob says something; it waits to be mailed.
    async fn say(&self, content: &str) -> MessageId {
        let message = self.server.world.send(&self.bob, self.room, content).await;
        let waits = |state: &Value| state["channel"] == "email" && state["detail"] == WAITS;
        self.server.reached(NotificationId::for_message(message), waits).await;
        message
    }

    /// What became of its e-mail, as `[state, detail]`.
    async fn told(&self, message: MessageId) -> Value {
        let done = self.server.done(NotificationId::for_message(message)).await.raw;
        let channels = done["recipients"][0]["channels"].as_array().unwrap();
        let email = channels.iter().find(|channel| channel["channel"] == "email").unwrap();
        json!([email["state"], email["detail"]])
    }

    /// The time has come: nothing is mailed, and that is why.
    async fn nothing(&self, message: MessageId) -> Value {
        self.server.world.make_due().await;
        let told = self.told(message).await;
        assert_eq!(told[0], "suppressed", "{told}");
        assert!(self.receiver.left_over().await.is_none(), "{told}");
        told[1].clone()
    }

    async fn mail(&self) -> Mail {
        self.server.world.make_due().await;
        self.receiver.next().await
    }

    async fn prefer(&self, preferences: Preferences) {
        self.server.world.domain.notifications.set_preferences(&self.alice.viewer, &preferences).await.unwrap();
    }
}

#[rstest]
#[actix_web::test]
async fn what_comes_in_a_room_for_a_while_is_one_mail(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let scene = Scene::new(engine, Options::default()).await;
    let first = scene.say("Tea?").await;
    let second = scene.say("<b>Or</b> \"coffee\"?\nTell me.").await;
    assert!(scene.receiver.left_over().await.is_none(), "it waits");
    let mail = scene.mail().await;
    assert_eq!(
        (mail.receivers.as_slice(), mail.header("Subject")),
        (&["alice@example.net".into()][..], "2 new messages in Tea")
    );
    assert!(
        mail.text.starts_with("bob:\nTea?\n\nbob:\n<b>Or</b> \"coffee\"?\nTell me.\n\nStop these"),
        "{}",
        mail.text
    );
    assert!(mail.html.contains("&lt;b&gt;Or&lt;/b&gt; &quot;coffee&quot;?<br>\nTell me."), "{}", mail.html);
    assert_eq!(mail.defects, Vec::<String>::new());
    for message in [first, second] {
        assert_eq!(scene.told(message).await, json!(["delivered", "250 OK"]), "as the mail stands that carries it");
        let delivery = scene.server.world.domain.messages.delivery(&scene.bob.viewer, message, None, None).await;
        let push = delivery.unwrap().items.remove(0).push.unwrap();
        assert_eq!(push.state, "delivered");
    }
    // What comes later is another mail, which has only that, and is shown with the first.
    let third = scene.say("Never mind").await;
    let later = scene.mail().await;
    assert_eq!(later.header("Subject"), "1 new message in Tea");
    assert!(later.text.starts_with("bob:\nNever mind\n\nStop"), "{}", later.text);
    assert_eq!(later.header("References"), mail.header("References"));
    assert_ne!(later.header("Message-ID"), mail.header("Message-ID"));
    assert_eq!(scene.told(third).await[0], "delivered");
    scene.server.stop().await;
    assert!(scene.receiver.left_over().await.is_none());
}

#[rstest]
#[actix_web::test]
async fn what_is_mailed_is_decided_when_it_is_written(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let scene = Scene::new(engine, Options::default()).await;
    let domain = scene.server.world.domain.clone();
    let (gone, stays) = (scene.say("a slip").await, scene.say("This stays").await);
    domain.messages.delete(&scene.bob.viewer, gone).await.unwrap();
    let mail = scene.mail().await;
    assert_eq!(mail.header("Subject"), "1 new message in Tea");
    assert!(!mail.text.contains("a slip"), "{}", mail.text);
    scene.told(stays).await;

    let deleted = scene.say("another slip").await;
    domain.messages.delete(&scene.bob.viewer, deleted).await.unwrap();
    assert_eq!(scene.nothing(deleted).await, "the messages were deleted");

    let read = scene.say("seen").await;
    domain.messages.mark_read(&scene.alice.viewer, &Mark { room_id: scene.room, seq: read.seq }).await.unwrap();
    assert_eq!(scene.nothing(read).await, "read meanwhile");

    let there = scene.say("they are back").await;
    domain.presence.connected(&scene.alice.viewer, 7, store::SocketKind::Chat).await.unwrap();
    assert_eq!(scene.nothing(there).await, "online");
    domain.presence.disconnected(scene.alice.id, 7).await.unwrap();

    let muted = scene.say("noise").await;
    let rooms = [(scene.room.to_string(), serde_json::from_value(json!({ "muted": true })).unwrap())].into();
    scene.prefer(Preferences { rooms, ..Preferences::default() }).await;
    assert_eq!(scene.nothing(muted).await, "muted");
    scene.prefer(Preferences::default()).await;

    let off = scene.say("no mail").await;
    scene.prefer(Preferences { channels: [("email".to_owned(), false)].into(), ..Preferences::default() }).await;
    assert_eq!(scene.nothing(off).await, "switched off by the user");
    scene.prefer(Preferences::default()).await;

    let blocked = scene.say("it is me").await;
    domain.people.block(&scene.alice.viewer, scene.bob.id).await.unwrap();
    assert_eq!(scene.nothing(blocked).await, "blocked");
    domain.people.unblock(&scene.alice.viewer, scene.bob.id).await.unwrap();

    let left = scene.say("bye").await;
    domain.rooms.leave(&scene.alice.viewer, scene.room).await.unwrap();
    assert_eq!(scene.nothing(left).await, "no longer a member of the room");
    scene.server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_mail_shows_twenty_messages_and_says_how_many_more_there_are(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let scene = Scene::new(engine, Options::default()).await;
    for n in 1..=24 {
        scene.server.world.send(&scene.bob, scene.room, &format!("message {n}")).await;
    }
    scene.say("message 25").await;
    let mail = scene.mail().await;
    assert_eq!(mail.header("Subject"), "25 new messages in Tea");
    assert!(mail.text.contains("\nmessage 20\n\nand 5 more\n"), "{}", mail.text);
    scene.server.stop().await;
    assert!(scene.receiver.left_over().await.is_none());
}

#[rstest]
#[actix_web::test]
async fn what_comes_in_quiet_hours_is_one_mail_after_they_end(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let scene = Scene::new(engine, Options::default()).await;
    let clock = |hours: i64| {
        let minute = (Timestamp::now().as_millis() / 60_000 + hours * 60).rem_euclid(24 * 60);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    let quiet = || Preferences {
        dnd: Some(Hours { from: clock(-1), to: clock(3), time_zone: "UTC".into() }),
        ..Preferences::default()
    };
    let held = |state: &Value| {
        let detail = state["detail"].as_str().unwrap_or_default();
        state["channel"] == "email" && state["state"] == "queued" && detail.starts_with("do not disturb until")
    };
    scene.prefer(quiet()).await;
    let mut ids = Vec::new();
    for content in ["one", "two"] {
        let message = scene.server.world.send(&scene.bob, scene.room, content).await;
        ids.push(NotificationId::for_message(message));
        scene.server.reached(ids[ids.len() - 1], held).await;
    }
    scene.prefer(Preferences::default()).await;
    scene.server.world.make_due().await;
    for id in ids {
        // Also the earlier one, of which no device is told any more.
        scene.server.reached(id, |state| state["channel"] == "email" && state["detail"] == WAITS).await;
    }
    assert_eq!(scene.mail().await.header("Subject"), "2 new messages in Tea");

    let message = scene.say("late").await;
    scene.prefer(quiet()).await;
    scene.server.world.make_due().await;
    scene.server.reached(NotificationId::for_message(message), held).await;
    assert!(scene.receiver.left_over().await.is_none(), "they begin while it waits");
    scene.prefer(Preferences::default()).await;
    assert!(scene.mail().await.text.starts_with("bob:\nlate\n"));
    scene.server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_mail_that_is_not_taken_now_is_the_same_when_it_comes_again(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let options = Options { answers: &["250 OK", "451 4.7.1 later"], ..Options::default() };
    let scene = Scene::new(engine, options).await;
    let early = scene.say("Tea?").await;
    let refused = scene.mail().await;
    let later = |state: &Value| state["detail"].as_str().is_some_and(|detail| detail.contains("4.7.1 later"));
    scene.server.reached(NotificationId::for_message(early), later).await;
    let late = scene.say("Coffee?").await;
    scene.server.world.make_due().await;
    let mails = [scene.receiver.next().await, scene.receiver.next().await];
    let again = mails.iter().find(|mail| mail.text.contains("Tea?")).unwrap();
    for name in ["Message-ID", "Date", "Subject", "To"] {
        assert_eq!(refused.header(name), again.header(name));
    }
    assert_eq!((&refused.text, &refused.html), (&again.text, &again.html));
    assert!(mails.iter().any(|mail| mail.text.contains("Coffee?") && !mail.text.contains("Tea?")), "{mails:?}");
    for message in [early, late] {
        assert_eq!(scene.told(message).await[0], "delivered");
    }
    scene.server.stop().await;
    assert!(scene.receiver.left_over().await.is_none());
}

/// `kill -9` while the mail waits: another process sends it, once.
#[actix_web::test]
async fn a_mail_that_waits_survives_the_process_that_gathered_it() {
    let receiver = Receiver::start(Options::default());
    let world = World::with(Engine::Redis, gathering(&receiver, 1)).await;
    let (alice, bob) = (world.account("alice").await, world.person("bob").await);
    let room = world.room(&[&bob, &alice]).await;
    let url = format!("smtp://127.0.0.1:{}", receiver.port);
    let start = |seconds: &str| {
        let mut command = command(&world, &url);
        command.env("CHATAPP__NOTIFICATION__EMAIL_BATCH_SECONDS", seconds);
        command.env("CHATAPP__NOTIFICATION__DELAY_MS", "0").spawn().unwrap()
    };
    let mut first = start("600");
    let token = LetterToken { token: receiver.next().await.token().into() };
    world.domain.accounts.verify_email(&token, &"127.0.0.1".into()).await.unwrap();
    for content in ["one", "two"] {
        let message = world.send(&bob, room, content).await;
        let gathered = async || {
            let states = world.domain.store.outbox.states(NotificationId::for_message(message)).await.unwrap();
            states.iter().any(|state| state.attempts.iter().any(|attempt| attempt.state == "gathered"))
        };
        while !gathered().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    first.kill().await.unwrap();
    world.make_due().await;
    let mut second = start("600");
    let mail = receiver.next().await;
    assert!(mail.text.contains("one\n") && mail.text.contains("two\n"), "{}", mail.text);
    second.kill().await.unwrap();
    assert!(receiver.left_over().await.is_none());
}

#[rstest]
#[actix_web::test]
async fn one_click_stops_the_mails_and_opening_the_link_does_not(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let scene = Scene::new(engine, Options::default()).await;
    scene.say("Tea?").await;
    let mail = scene.mail().await;
    let link = mail.header("List-Unsubscribe").trim_matches(['<', '>']).to_owned();
    assert_eq!(mail.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(mail.text.ends_with(&format!("Stop these e-mails:\n{link}\n")), "{}", mail.text);
    let path = link.strip_prefix("https://chat.example.org").unwrap();
    let http = reqwest::Client::new();
    let url = |path: &str| format!("{}{path}", scene.server.url);
    let off =
        async || scene.server.get("/api/notifications/settings", &scene.alice).await.raw["channels"]["email"] == false;

    let page = http.get(url(path)).send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()),
        (200, "text/html; charset=utf-8")
    );
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("<form method=\"post\">"));
    assert!(!off().await, "a scanner has looked at it");

    let (start, token) = path.split_once("token=").unwrap();
    let another = token.replacen(&scene.alice.id.to_string(), &scene.bob.id.to_string(), 1);
    let cut = &token[..token.len() - 1];
    for wrong in ["", "x", cut, another.as_str(), &format!("{token}A")] {
        let post = http.post(url(&format!("{start}token={wrong}"))).send().await.unwrap();
        assert_eq!(post.status(), 400, "{wrong}");
    }
    assert!(!off().await);
    for _ in 0..2 {
        let post = http.post(url(path)).header("content-type", "application/x-www-form-urlencoded");
        let post = post.body("List-Unsubscribe=One-Click").send().await.unwrap();
        assert_eq!(post.status(), 200);
    }
    assert!(off().await);
    let message = scene.server.world.send(&scene.bob, scene.room, "Still there?").await;
    assert_eq!(scene.told(message).await, json!(["suppressed", "switched off by the user"]));
    scene.server.stop().await;
    assert!(scene.receiver.left_over().await.is_none());
}
