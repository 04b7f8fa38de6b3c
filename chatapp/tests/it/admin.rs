//! What operators do: through a running process, on a stopped store, and on Redis.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use client::{
    Api,
    api::{NewRoom, Signup},
    protocol::RoomType,
};
use redis_fixture::{Append, Kind, Redis};
use serde_json::Value;

use crate::support::{Serving, run};

/// Asks, and gives what is under `kind` in the answer.
fn ask(dir: &Path, environment: &[(&str, &str)], arguments: &[&str], kind: &str) -> Value {
    let arguments = [&["admin", "--json"], arguments].concat();
    let mut answer = run(dir, environment, &arguments).done().json();
    answer[kind].take()
}

/// It must be refused, in one line that says this.
fn refused(dir: &Path, environment: &[(&str, &str)], arguments: &[&str], says: &str) {
    let ran = run(dir, environment, &[&["admin"], arguments].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.err.contains(says) && ran.err.trim_end().lines().count() == 1, "{}", ran.err);
}

async fn sign_up(api: &Api, name: &str) -> Api {
    let email = format!("{name}@example.org");
    let signup = Signup { username: name, email: &email, password: "correct horse", display_name: None };
    api.with_token(&api.signup(&signup).await.unwrap().token)
}

fn public<'a>(name: &'a str, handle: &'a str) -> NewRoom<'a> {
    NewRoom { handle: Some(handle), ..NewRoom::new(name, RoomType::Public) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_process_answers_and_a_stopped_store_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(dir, &[], &["stats"], "holds no store");
    let mut serving = Some(Serving::start(dir));
    let api = Api::new(&serving.as_ref().unwrap().api).unwrap();
    let alice = sign_up(&api, "alice").await;
    let room = alice.create_room(&public("Tea", "tea")).await.unwrap();
    let socket = dir.join("data/admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    for _ in 0..2 {
        let users = ask(dir, &[], &["users", "--query", "AL"], "users");
        assert_eq!((&users["items"][0]["username"], users["items"].as_array().unwrap().len()), (&"alice".into(), 1));
        let user = ask(dir, &[], &["user", "Alice"], "user");
        assert_eq!((&user["email"], &user["rooms"][0]), (&"alice@example.org".into(), &room.id.to_string().into()));
        let rooms = ask(dir, &[], &["rooms"], "rooms");
        assert_eq!(rooms["items"][0]["handle"], "tea");
        let of = ask(dir, &[], &["room", "tea"], "room");
        assert_eq!((&of["members"], &of["firstMembers"][0]["username"]), (&1.into(), &"alice".into()));
        let stats = ask(dir, &[], &["stats"], "stats");
        assert_eq!(
            (&stats["users"], stats["instances"].as_array().unwrap().is_empty()),
            (&1.into(), serving.is_none())
        );
        refused(dir, &[], &["user", "nobody"], "no such user");
        refused(dir, &[], &["room", "nowhere"], "no such room");
        let text = run(dir, &[], &["admin", "users"]).done();
        assert!(text.out.contains("alice@example.org"), "{}", text.out);
        if let Some(serving) = serving.take() {
            serving.stop();
            assert!(!socket.exists(), "its socket is gone");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_login_is_refused_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let serving = Serving::start(dir);
    let api = Api::new(&serving.api).unwrap();
    let first = sign_up(&api, "alice").await;
    let second = api.with_token(&api.login("alice", "correct horse").await.unwrap().token);
    let sessions = ask(dir, &[], &["sessions", "alice"], "sessions");
    assert_eq!(sessions.as_array().unwrap().len(), 2, "{sessions}");
    let oldest = sessions[0]["id"].as_str().unwrap();
    assert_eq!(ask(dir, &[], &["session", "revoke", "alice", oldest], "ended"), serde_json::json!([oldest]));
    refused(dir, &[], &["session", "revoke", "alice", oldest], "no such session");
    let gone = async |api: &Api| api.profile().await.is_err();
    while !gone(&first).await {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!gone(&second).await);
    assert_eq!(ask(dir, &[], &["session", "revoke", "alice", "--all"], "ended").as_array().unwrap().len(), 1);
    assert_eq!(ask(dir, &[], &["sessions", "alice"], "sessions"), serde_json::json!([]));
    let usage = run(dir, &[], &["admin", "session", "revoke", "alice"]);
    assert_eq!(usage.code, Some(2), "{}", usage.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_gone_and_its_name_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let serving = Serving::start(dir);
    let api = Api::new(&serving.api).unwrap();
    let alice = sign_up(&api, "alice").await;
    let id = ask(dir, &[], &["user", "alice"], "user")["id"].take();
    assert_eq!(ask(dir, &[], &["users", "delete", "ALICE"], "deleted"), id);
    refused(dir, &[], &["user", "alice"], "no such user");
    refused(dir, &[], &["users", "delete", "alice"], "no such user");
    refused(dir, &[], &["users", "delete", id.as_str().unwrap()], "no such user");
    assert!(api.login("alice", "correct horse").await.is_err());
    assert!(alice.profile().await.is_err());
    sign_up(&api, "alice").await;
    assert_ne!(ask(dir, &[], &["user", "alice"], "user")["id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_banned_and_made_an_administrator_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let serving = Serving::start(dir);
    let api = Api::new(&serving.api).unwrap();
    let alice = sign_up(&api, "alice").await;
    let id = ask(dir, &[], &["user", "alice"], "user")["id"].take();
    let guest = api.with_token(&api.guest(Some("gus")).await.unwrap().token);
    assert_eq!(ask(dir, &[], &["users", "grant", "Alice"], "granted"), id);
    assert_eq!(ask(dir, &[], &["user", "alice"], "user")["administrator"], true);
    refused(dir, &[], &["users", "grant", "gus"], "an account with a password");
    refused(dir, &[], &["users", "grant", "nobody"], "no such user");
    assert_eq!(ask(dir, &[], &["users", "ungrant", "alice"], "ungranted"), id);
    assert_eq!(ask(dir, &[], &["user", "alice"], "user")["administrator"], false);
    assert_eq!(ask(dir, &[], &["users", "ban", "alice"], "banned"), id);
    while alice.profile().await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(api.login("alice", "correct horse").await.unwrap_err().to_string().contains("banned"));
    let listed = run(dir, &[], &["admin", "users"]).done();
    assert!(listed.out.contains("  banned 2"), "{}", listed.out);
    assert_eq!(ask(dir, &[], &["users", "unban", "alice"], "unbanned"), id);
    api.login("alice", "correct horse").await.unwrap();
    guest.profile().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_notify_from_when_it_is_made_until_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let serving = Serving::start(dir);
    let api = Api::new(&serving.api).unwrap();
    let alice = sign_up(&api, "alice").await.profile().await.unwrap();
    let made = ask(dir, &[], &["keys", "create", "build server"], "created");
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let notify = async |key: &str| {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = serde_json::json!({ "userId": alice.id, "title": "Hi", "body": "there" });
        let ask = http.post(format!("{}/notify", serving.api)).bearer_auth(key).json(&body);
        ask.send().await.unwrap().status().as_u16()
    };
    assert_eq!(notify(key).await, 202);
    assert_eq!(notify(&format!("{key}x")).await, 401);
    let listed = ask(dir, &[], &["keys", "list"], "keys");
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&id.into(), &"build server".into()));
    assert!(!listed.to_string().contains(key), "the key itself is not kept");
    assert_eq!(ask(dir, &[], &["keys", "revoke", id], "revoked"), id);
    refused(dir, &[], &["keys", "revoke", id], "no key of this id");
    refused(dir, &[], &["keys", "create", ""], "name");
    // Within 5 s.
    while notify(key).await != 401 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_process_is_restored_into_a_new_directory() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let serving = Serving::start(dir);
    let alice = sign_up(&Api::new(&serving.api).unwrap(), "alice").await;
    refused(dir, &[], &["backup"], "give the directory");
    let taken = ask(dir, &[], &["backup", "copy"], "backup");
    assert!(taken["directory"]["path"].as_str().unwrap().ends_with("/copy"), "{taken}");
    assert_eq!(fs::metadata(dir.join("copy")).unwrap().permissions().mode() & 0o777, 0o700);
    refused(dir, &[], &["backup", "copy"], "there already");
    refused(dir, &[], &["restore", "copy"], "stop the server first");
    let later = alice.create_room(&public("After", "after")).await.unwrap();
    let back = [("CHATAPP__STORE__URL", "embedded:back")];
    ask(dir, &back, &["restore", "copy"], "backup");
    refused(dir, &back, &["restore", "copy"], "not empty");
    assert_eq!(ask(dir, &back, &["user", "alice"], "user")["rooms"], serde_json::json!([]));
    refused(dir, &back, &["room", &later.id.to_string()], "no such room");
    refused(dir, &[("CHATAPP__STORE__URL", "embedded:other")], &["restore", "data"], "is no backup");
    drop(serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_asked_directly() {
    let dir = tempfile::tempdir().unwrap();
    let redis = Redis::start(Kind::Node, Append::Never);
    let url = redis.url();
    let store = [("CHATAPP__STORE__URL", url.as_str())];
    assert_eq!(ask(dir.path(), &store, &["stats"], "stats")["users"], 0);
    let made = ask(dir.path(), &store, &["keys", "create", "x"], "created");
    assert_eq!(ask(dir.path(), &store, &["keys", "list"], "keys")[0]["id"], made["id"]);
    let saved = ask(dir.path(), &store, &["backup"], "backup");
    assert!(fs::exists(saved["servers"][0][1].as_str().unwrap()).unwrap(), "{saved}");
    refused(dir.path(), &store, &["backup", "copy"], "give no directory");
    refused(dir.path(), &store, &["restore", "copy"], "by its own means");
    refused(dir.path(), &[("CHATAPP__STORE__URL", "redis://127.0.0.1:1")], &["stats"], "Redis");
}
