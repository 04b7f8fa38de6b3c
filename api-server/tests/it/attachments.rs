//! Files: uploaded, sent, read by those who may, and gone when nothing has them.

use std::io::Cursor;

use domain::DomainError;
use image::{DynamicImage, ImageFormat, RgbImage};
use reqwest::{RequestBuilder, Response};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Engine, Person, TestServer, assert_answer};

/// One part of a form: its name, what its file is called, and what is in it.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// A form (RFC 7578), as a browser sends it, that says of every file that it is this.
fn form(caller: &Caller, parts: &[Part], mime: &str) -> RequestBuilder {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\"\r\nContent-Type: {mime}"));
        body.extend(format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(b"--limit--\r\n");
    let request = caller.request("POST", "/api/attachments").body(body);
    request.header("content-type", "multipart/form-data; boundary=limit")
}

async fn upload(caller: &Caller, name: &str, content: &[u8]) -> Answer {
    Answer::of(form(caller, &[("file", Some(name), content)], "application/x-lie")).await
}

/// The id of a small text that was uploaded.
async fn uploaded(person: &Person) -> String {
    upload(person, "note.txt", b"hello").await.expect(201).id()
}

pub fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let pixels = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, 7]));
    let mut out = Cursor::new(Vec::new());
    DynamicImage::from(pixels).write_to(&mut out, format).unwrap();
    out.into_inner()
}

async fn send(person: &Person, room: &str, attachments: &[&str]) -> Answer {
    let input = json!({ "content": "see", "attachments": attachments });
    person.post(format!("/api/rooms/{room}/messages"), input).await
}

/// A file as it comes.
async fn fetch(caller: &Caller, url: &str) -> Response {
    caller.request("GET", url).send().await.unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}: {response:?}")).to_str().unwrap()
}

#[rstest]
#[tokio::test]
async fn an_image_is_uploaded_sent_and_read_by_members_alone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let carol = server.guest("carol").await;
    let answer = upload(&alice, "holiday.webp", &picture(640, 320, ImageFormat::WebP)).await.expect(201);
    let mut shown = answer.raw.clone();
    assert!(shown["size"].as_u64().unwrap() > 1000);
    (shown["id"], shown["size"]) = ("ID".into(), 0.into());
    let own = format!("/api/attachments/{}", answer.id());
    assert_eq!((&shown["url"], text(&shown["thumbnailUrl"])), (&json!(own), format!("{own}/thumbnail").as_str()));
    (shown["url"], shown["thumbnailUrl"]) = (json!(""), json!(""));
    assert_answer!(shown, @r#"
    {
      "height": 320,
      "id": "ID",
      "mime": "image/jpeg",
      "name": "holiday.jpg",
      "size": 0,
      "thumbnailUrl": "",
      "url": "",
      "width": 640
    }
    "#);
    for path in [&own, &format!("{own}/thumbnail")] {
        assert_eq!(fetch(&alice, path).await.status(), 200);
        bob.get(path).await.refused(404, "NOT_FOUND");
        server.anyone().get(path).await.refused(401, "UNAUTHORIZED");
    }

    let input = json!({ "attachments": [answer.id()] });
    let sent = alice.post(format!("/api/rooms/{room}/messages"), input).await.expect(201).raw;
    assert_eq!((&sent["type"], &sent["content"]), (&json!("image"), &json!("")));
    let file = &sent["attachments"][0];
    for seen in [
        bob.get(format!("/api/messages/{}", text(&sent["id"]))).await.expect(200).raw,
        bob.get(format!("/api/rooms/{room}/messages")).await.expect(200).raw["items"][0].clone(),
    ] {
        assert_eq!(&seen["attachments"][0], file);
    }
    alice.get(&own).await.refused(404, "NOT_FOUND");
    let whole = fetch(&bob, text(&file["url"])).await;
    assert_eq!(whole.status(), 200);
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "inline; filename=\"holiday.jpg\"; filename*=UTF-8''holiday.jpg"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "private, max-age=3600, immutable"),
        ("content-length", &file["size"].to_string()),
    ] {
        assert_eq!(header(&whole, name), value);
    }
    let decoded = image::load_from_memory(&whole.bytes().await.unwrap()).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (640, 320));
    let small = fetch(&bob, text(&file["thumbnailUrl"])).await.bytes().await.unwrap();
    assert_eq!(image::load_from_memory(&small).unwrap().width(), 320);
    for path in ["url", "thumbnailUrl"].map(|url| text(&file[url])) {
        carol.get(path).await.refused(404, "MESSAGE_NOT_FOUND");
        server.anyone().get(path).await.refused(401, "UNAUTHORIZED");
        bob.get(path.replace(&answer.id(), &room)).await.refused(404, "NOT_FOUND");
    }
}

#[rstest]
#[tokio::test]
async fn who_may_not_see_a_message_has_none_of_its_files(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let input = json!({ "name": "Tea", "type": "public", "historyVisibility": "joined" });
    let room = alice.post("/api/rooms", input).await.expect(201).id();
    let sent = send(&alice, &room, &[&uploaded(&alice).await]).await.expect(201).raw;
    let url = text(&sent["attachments"][0]["url"]);
    let bob = server.guest("bob").await;
    bob.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
    bob.get(url).await.refused(404, "MESSAGE_NOT_FOUND");
    let later = send(&alice, &room, &[&uploaded(&alice).await]).await.expect(201).raw;
    let later = text(&later["attachments"][0]["url"]);
    assert_eq!(fetch(&bob, later).await.text().await.unwrap(), "hello");
    bob.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    bob.get(later).await.refused(404, "MESSAGE_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn what_is_no_image_is_kept_as_it_is_and_only_saved(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let page = b"<!DOCTYPE html><script>alert(document.domain)</script>";
    let id = upload(&alice, "../../r\u{e9}sum\u{e9}.html", page).await.expect(201).id();
    let sent = alice.post(format!("/api/rooms/{room}/messages"), json!({ "attachments": [id] })).await.expect(201).raw;
    let file = &sent["attachments"][0];
    assert_eq!(
        (&sent["type"], &file["name"], &file["mime"]),
        (&json!("file"), &json!("résumé.html"), &json!("text/plain"))
    );
    assert_eq!((&file["width"], &file["thumbnailUrl"]), (&Value::Null, &Value::Null));
    let got = fetch(&bob, text(&file["url"])).await;
    assert_eq!(header(&got, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        header(&got, "content-disposition"),
        "attachment; filename=\"r_sum_.html\"; filename*=UTF-8''r%C3%A9sum%C3%A9.html"
    );
    assert_eq!(got.bytes().await.unwrap()[..], page[..]);
    bob.get(format!("{}/thumbnail", text(&file["url"]))).await.refused(404, "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn a_file_is_read_in_parts_and_not_again_when_it_is_known(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let sent = send(&alice, &room, &[&uploaded(&alice).await]).await.expect(201).raw;
    let url = text(&sent["attachments"][0]["url"]);
    let tag = header(&fetch(&bob, url).await, "etag").to_owned();
    let ask = async |name: &str, value: &str| bob.request("GET", url).header(name, value).send().await.unwrap();
    for known in [tag.as_str(), "*", &format!("\"x\", W/{tag}")] {
        let answer = ask("if-none-match", known).await;
        assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (304.try_into().unwrap(), ""));
    }
    assert_eq!(ask("if-none-match", "\"x\"").await.status(), 200);
    for (range, part, told) in [("bytes=1-2", "el", "1-2"), ("bytes=3-", "lo", "3-4"), ("bytes=-1", "o", "4-4")] {
        let answer = ask("range", range).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-range")), (206, &*format!("bytes {told}/5")));
        assert_eq!(answer.text().await.unwrap(), part);
    }
    assert_eq!(ask("range", "bytes=0-0,2-2").await.text().await.unwrap(), "hello");
    let beyond = Answer::of(bob.request("GET", url).header("range", "bytes=5-")).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */5")));
}

#[rstest]
#[tokio::test]
async fn an_upload_is_for_one_message_of_its_uploader(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let (one, two) = (uploaded(&alice).await, uploaded(&alice).await);
    let ids: Vec<String> = (0..11).map(|_| shared::AttachmentId::new().to_string()).collect();
    let many: Vec<&str> = ids.iter().map(String::as_str).collect();
    for bad in [&[one.as_str(), one.as_str()][..], &[one.as_str(), &room], &[&room], &many, &["x"], &["../x"]] {
        let refused = send(&alice, &room, bad).await.refused(400, "INVALID_MESSAGE");
        assert!(refused.raw["details"].to_string().contains("ttachment"), "{refused:?}");
    }
    send(&bob, &room, &[&one]).await.refused(400, "INVALID_MESSAGE");
    send(&alice, &room, &[&one, &two]).await.expect(201);
    send(&alice, &room, &[&one]).await.refused(400, "INVALID_MESSAGE");
    let blank = json!({ "content": " ", "attachments": [] });
    alice.post(format!("/api/rooms/{room}/messages"), blank).await.refused(400, "INVALID_MESSAGE");
}

#[rstest]
#[tokio::test]
async fn a_repeat_with_attachments_gives_the_first_result(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _bob, room) = server.room().await;
    let (one, two) = (uploaded(&alice).await, uploaded(&alice).await);
    let path = format!("/api/rooms/{room}/messages");
    let keyed = |ids: &[&str]| json!({ "content": "see", "clientMessageId": "k", "attachments": ids });
    let first = alice.post(&path, keyed(&[&one])).await.expect(201);
    let again = alice.post(&path, keyed(&[&one])).await.expect(201);
    assert_eq!((&again.raw["id"], &again.raw["attachments"]), (&first.raw["id"], &first.raw["attachments"]));
    alice.post(&path, keyed(&[&two])).await.refused(409, "IDEMPOTENCY_CONFLICT");
    alice.post(&path, keyed(&[])).await.refused(409, "IDEMPOTENCY_CONFLICT");
    alice.delete(format!("/api/messages/{}", first.id())).await.expect(204);
    server.domain.files.clean().await.unwrap();
    let late = alice.post(&path, keyed(&[&one])).await.expect(201);
    assert_eq!((&late.raw["id"], &late.raw["attachments"]), (&first.raw["id"], &Value::Null));
}

#[rstest]
#[tokio::test]
async fn a_refused_message_gives_its_uploads_back(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let other = bob.post("/api/rooms", json!({ "name": "Bob's", "type": "public" })).await.expect(201).id();
    let id = uploaded(&alice).await;
    send(&alice, &other, &[&id]).await.refused(403, "NOT_A_MEMBER");
    let long = json!({ "content": "x".repeat(8001), "attachments": [id] });
    alice.post(format!("/api/rooms/{room}/messages"), long).await.refused(400, "INVALID_MESSAGE");
    let sent = send(&alice, &room, &[&id]).await.expect(201);
    // With attachments a message may be left without words, without it may not.
    let path = format!("/api/messages/{}", sent.id());
    let edited = alice.patch(&path, json!({ "content": "" })).await.expect(200);
    assert_eq!((&edited.raw["content"], &edited.raw["attachments"]), (&json!(""), &sent.raw["attachments"]));
    let plain = alice.send(&room, "words").await;
    alice
        .patch(format!("/api/messages/{}", text(&plain["id"])), json!({ "content": "" }))
        .await
        .refused(400, "INVALID_MESSAGE");
}

#[rstest]
#[tokio::test]
async fn a_deleted_message_s_files_are_served_no_more_and_go(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let image = upload(&alice, "a.png", &picture(400, 400, ImageFormat::Png)).await.expect(201).id();
    let sent = send(&alice, &room, &[&image, &uploaded(&alice).await]).await.expect(201).raw;
    let kept = send(&bob, &room, &[&uploaded(&bob).await]).await.expect(201).raw;
    server.domain.files.clean().await.unwrap();
    assert_eq!(server.files().len(), 4, "two, one of them with a thumbnail, and bob's");
    alice.delete(format!("/api/messages/{}", text(&sent["id"]))).await.expect(204);
    for file in sent["attachments"].as_array().unwrap() {
        bob.get(text(&file["url"])).await.refused(404, "NOT_FOUND");
    }
    let left = bob.get(format!("/api/messages/{}", text(&sent["id"]))).await.expect(200).raw;
    assert_eq!((&left["attachments"], left["deletedAt"].is_string()), (&Value::Null, true));
    assert_eq!(server.domain.files.clean().await.unwrap(), 2);
    assert_eq!(server.files().len(), 1);
    let url = text(&kept["attachments"][0]["url"]);
    assert_eq!(fetch(&alice, url).await.text().await.unwrap(), "hello");
    alice.delete(format!("/api/rooms/{room}")).await.expect(204);
    alice.get(url).await.refused(404, "MESSAGE_NOT_FOUND");
    server.domain.store.maintenance.sweep(shared::Timestamp::now()).await.unwrap();
    assert_eq!(server.domain.files.clean().await.unwrap(), 1);
    assert_eq!(server.files(), [""; 0]);
}

/// A PNG that says it has so many pixels.
fn bomb() -> Vec<u8> {
    let mut file = picture(1, 1, ImageFormat::Png);
    file[16..24].copy_from_slice(&[50_000u32.to_be_bytes(), 50_000u32.to_be_bytes()].concat());
    let crc = !file[12..29].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    file[29..33].copy_from_slice(&crc.to_be_bytes());
    file
}

#[rstest]
#[tokio::test]
async fn bad_uploads_are_refused_and_leave_nothing(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let png = picture(50, 50, ImageFormat::Png);
    let one: Part = ("file", Some("a.png"), &png);
    let cut = &png[..png.len() - 30];
    let large = vec![b'x'; 11 << 20];
    for (parts, status, code) in [
        (&[][..], 400, "INVALID_MESSAGE"),
        (&[("name", None, &b"a.png"[..])], 400, "INVALID_MESSAGE"),
        (&[one, one], 400, "INVALID_MESSAGE"),
        (&[one, ("else", None, b"x")], 400, "INVALID_MESSAGE"),
        (&[("file", Some("a.png"), b"")], 400, "INVALID_MESSAGE"),
        (&[("file", Some("a.png"), b"\x89PNG\r\n\x1a\nnot really")], 400, "INVALID_MESSAGE"),
        (&[("file", Some("a.png"), cut)], 400, "INVALID_MESSAGE"),
        (&[("name", None, &[b'x'; 2000]), one], 400, "INVALID_MESSAGE"),
        (&[("name", None, b"\xff"), one], 400, "INVALID_MESSAGE"),
        (&[("file", Some("a.png"), &bomb())], 413, "PAYLOAD_TOO_LARGE"),
        (&[("file", Some("a.bin"), &large)], 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let answer = Answer::of(form(&alice, parts, "image/png")).await;
        assert_eq!((answer.status, &answer.raw["code"]), (status, &json!(code)), "{}", answer.raw);
    }
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", "--x\r\n"),
        ("multipart/form-data; boundary=x", ""),
        ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ncut"),
        ("multipart/form-data; boundary=x", "garbage"),
    ] {
        let request = alice.request("POST", "/api/attachments").header("content-type", kind).body(body);
        Answer::of(request).await.refused(400, "INVALID_MESSAGE");
    }
    assert_eq!(server.files(), [""; 0]);
    let text = Answer::of(form(&alice, &[("file", Some("a.png"), b"no image at all")], "image/png")).await.expect(201);
    assert_eq!(text.raw["mime"], "text/plain", "what is said of it is not believed");
    let named = Answer::of(form(&alice, &[one, ("name", None, "/x/\u{e9}.gif".as_bytes())], "text/html")).await;
    assert_eq!(named.expect(201).raw["name"], "é.png");
}

#[rstest]
#[tokio::test]
async fn what_nobody_sends_is_bounded_and_goes_in_time(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        settings.attachments.max_bytes = 4096;
        settings.attachments.unclaimed_bytes = 5000;
    })
    .await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let first = upload(&alice, "a", &[7; 4000]).await.expect(201).id();
    upload(&alice, "b", &[7; 1001]).await.refused(429, "RATE_LIMIT_EXCEEDED");
    upload(&bob, "b", &[7; 1001]).await.expect(201);
    upload(&bob, "b", &[7; 4097]).await.refused(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(server.files().len(), 2, "what was refused is not kept");
    server.domain.files.forget_user(alice.id.parse().unwrap()).await.unwrap();
    alice.get(format!("/api/attachments/{first}")).await.refused(404, "NOT_FOUND");
    assert_eq!(server.domain.files.clean().await.unwrap(), 1);
    assert_eq!(server.files().len(), 1);
    upload(&alice, "b", &[7; 4000]).await.expect(201);
    // A day and more later.
    let later = shared::Timestamp::now().after(std::time::Duration::from_secs(25 * 3600));
    while server.domain.store.attachments.sweep_uploads(later, 100).await.unwrap() > 0 {}
    assert_eq!(server.domain.files.clean().await.unwrap(), 2);
    assert_eq!(server.files(), [""; 0]);
}

#[rstest]
#[tokio::test]
async fn uploads_have_a_rate_and_can_be_switched_off(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.uploads_per_minute = 1;
    })
    .await;
    let alice = server.guest("alice").await;
    upload(&alice, "a", b"x").await.expect(201);
    upload(&alice, "a", b"x").await.refused(429, "RATE_LIMIT_EXCEEDED");
    let server = TestServer::with(engine, |settings| settings.attachments.enabled = false).await;
    let alice = server.guest("alice").await;
    upload(&alice, "a", b"x").await.refused(403, "FORBIDDEN");
}

#[rstest]
#[tokio::test]
async fn where_files_cannot_be_kept_nothing_is(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        // A file is where the directory should be.
        let file = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
        settings.attachments.url = Some(shared::settings::FilesUrl::Directory(file.join("x")));
    })
    .await;
    let alice = server.guest("alice").await;
    upload(&alice, "a", b"x").await.refused(503, "UNAVAILABLE");
    let settings = &server.domain.settings;
    let checked = domain::files::check_place(settings.files_url(), &settings.attachments).await;
    assert!(matches!(checked, Err(DomainError::Unavailable(_))));
    let server = TestServer::start(engine).await;
    let settings = &server.domain.settings;
    domain::files::check_place(settings.files_url(), &settings.attachments).await.unwrap();
    assert_eq!(server.files(), [""; 0]);
}
