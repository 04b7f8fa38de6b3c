//! What the doctor finds, and its exit status.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use host_fixture::{Host, KeyServer};
use redis_fixture::{Append, Kind, Redis};
use serde_json::Value;

use crate::support::run;

/// The exit status, and of each finding its level and text. What depends on the disk of the machine is left out.
fn examine(dir: &Path, environment: &[(&str, &str)]) -> (Option<i32>, Vec<(String, String)>) {
    let ran = run(dir, environment, &["doctor", "--json"]);
    let report = ran.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let findings = findings.map(|finding| (text(&finding["level"]), text(&finding["what"])));
    (ran.code, findings.filter(|(_, what)| !what.contains("MiB are free")).collect())
}

#[track_caller]
fn one(found: &(Option<i32>, Vec<(String, String)>), code: i32, level: &str, what: &str) {
    let (ended, findings) = found;
    let [(of, text)] = findings.as_slice() else { panic!("one finding: {findings:?}") };
    assert!(of == level && text.contains(what), "{findings:?}");
    assert_eq!(*ended, Some(code), "{findings:?}");
}

#[test]
fn a_sound_deployment_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    one(&examine(dir.path(), &[]), 0, "note", "holds no store yet");
    assert!(!dir.path().join("data").exists(), "looking makes nothing");
    let text = run(dir.path(), &[], &["doctor"]);
    assert!(text.out.ends_with("0 errors, 0 warnings\n") || text.out.contains("MiB are free"), "{}", text.out);
}

#[test]
fn warnings_and_errors_differ_in_the_exit_status() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("CHATAPP__HTTP__ALLOWED_ORIGINS", "*"), ("CHATAPP__CHAT__LISTEN", "0.0.0.0:0")];
    let (code, findings) = examine(dir.path(), &settings);
    assert_eq!((code, findings.len()), (Some(1), 3), "{findings:?}");
    let bad = examine(dir.path(), &[("CHATAPP__LIMITS__ENABLED", "perhaps")]);
    one(&bad, 2, "error", "limits.enabled");
    let many = examine(dir.path(), &[("CHATAPP__HTTP__MAX_CONNECTIONS", "4000000000")]);
    assert!(many.1.iter().any(|(level, what)| level == "warning" && what.contains("may open")), "{many:?}");
}

#[test]
fn key_sets_of_other_products_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new("https://id.example");
    let keys = KeyServer::start(&host.jwks());
    let with = |place: &str| {
        let issuers = format!(r#"[{{"issuer": "https://id.example", "audience": "chat", {place}}}]"#);
        examine(dir.path(), &[("CHATAPP__AUTH__EXTERNAL", &issuers)])
    };
    let url = format!(r#""jwks_url": "{}""#, keys.url());
    one(&with(&url), 0, "note", "holds no store yet");
    keys.answer("200 OK", "", r#"{"keys": []}"#);
    let (code, findings) = with(&url);
    assert!(code == Some(1) && findings[0].1.contains("no key that can be used"), "{findings:?}");
    for (status, body) in [("404 Not Found", "{}"), ("200 OK", "<html>")] {
        keys.answer(status, "", body);
        let (code, findings) = with(&url);
        assert!(code == Some(2) && findings[0].1.contains("cannot be read from http"), "{findings:?}");
    }
    let (code, findings) = with(r#""jwks_file": "nowhere.json""#);
    assert!(code == Some(2) && findings[0].1.contains("nowhere.json"), "{findings:?}");
}

#[tokio::test]
async fn a_store_that_is_in_use_is_no_fault_and_a_damaged_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = store::embedded::open(&data).await.unwrap();
    one(&examine(dir.path(), &[]), 0, "note", "in use by a running instance");
    store.maintenance.close().await.unwrap();
    drop(store);
    assert_eq!(examine(dir.path(), &[]), (Some(0), vec![]));
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    one(&examine(dir.path(), &[]), 1, "warning", "can be entered by others");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(data.join("db/version"), "garbage").unwrap();
    one(&examine(dir.path(), &[]), 2, "error", "store cannot be used");
}

#[test]
fn a_port_is_free_or_ours_or_somebody_elses() {
    let dir = tempfile::tempdir().unwrap();
    for (answer, level, code, what) in [
        (r#"{"status":"healthy","instance":"i-1"}"#, "note", 0, "running instance (i-1)"),
        ("hello", "error", 2, "another program"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answering = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            let length = answer.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}").unwrap();
            listener
        });
        let (ended, findings) = examine(dir.path(), &[("CHATAPP__API__LISTEN", &address)]);
        answering.join().unwrap();
        assert!(findings.iter().any(|(of, text)| of == level && text.contains(what)), "{findings:?}");
        assert_eq!(ended, Some(code));
    }
}

#[test]
fn redis_is_looked_at_and_one_that_is_away_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let redis = Redis::start(Kind::Node, Append::EverySecond);
    let url = redis.url();
    let store = [("CHATAPP__STORE__URL", url.as_str())];
    assert_eq!(examine(dir.path(), &store), (Some(0), vec![]));
    redis.command(&["CONFIG", "SET", "appendonly", "no"]).unwrap();
    one(&examine(dir.path(), &store), 1, "warning", "append-only file");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    assert_eq!(examine(dir.path(), &store).0, Some(2));
    drop(redis);
    one(&examine(dir.path(), &store), 2, "error", "store cannot be used");
}

#[test]
fn files_need_a_place_that_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    let place = format!("file:{}", files.display());
    let settings = [("CHATAPP__ATTACHMENTS__URL", place.as_str())];
    one(&examine(dir.path(), &settings), 0, "note", "holds no store yet");
    assert!(!files.exists(), "looking makes nothing");
    fs::create_dir(&files).unwrap();
    one(&examine(dir.path(), &settings), 0, "note", "holds no store yet");
    assert_eq!(fs::read_dir(&files).unwrap().count(), 0, "nothing is left");
    fs::remove_dir(&files).unwrap();
    fs::write(&files, "no directory").unwrap();
    let (code, findings) = examine(dir.path(), &settings);
    assert!(code == Some(2) && findings.iter().any(|(_, what)| what.contains("Files cannot be kept")), "{findings:?}");
}
