//! Avatars: public, small, square, and one at a time.

use image::ImageFormat;
use reqwest::Response;
use rstest::rstest;
use serde_json::Value;

use super::attachments::picture;
use crate::support::{Answer, Caller, Engine, TestServer};

async fn put(caller: &Caller, body: Vec<u8>) -> Answer {
    Answer::of(caller.request("PUT", "/api/profile/avatar").header("content-type", "image/png").body(body)).await
}

async fn fetch(caller: &Caller, url: &str) -> Response {
    caller.request("GET", url).send().await.unwrap()
}

fn url(user: &Value) -> String {
    user["avatarUrl"].as_str().unwrap_or_default().to_owned()
}

#[rstest]
#[tokio::test]
async fn an_avatar_is_seen_by_all_until_another_takes_its_place(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let first = url(&put(&alice, picture(600, 300, ImageFormat::Jpeg)).await.expect(200).raw);
    assert!(first.starts_with(&format!("/api/avatars/{}/", alice.id)), "{first}");
    assert_eq!(url(&bob.get(format!("/api/users/{}", alice.id)).await.expect(200).raw), first);
    let got = fetch(&server.anyone(), &first).await;
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(got.headers()[name], value);
    }
    let made = image::load_from_memory(&got.bytes().await.unwrap()).unwrap();
    assert_eq!((made.width(), made.height()), (256, 256));
    let second = url(&put(&alice, picture(10, 10, ImageFormat::Png)).await.expect(200).raw);
    assert_ne!(second, first);
    server.anyone().get(&first).await.refused(404, "NOT_FOUND");
    assert_eq!(fetch(&bob, &second).await.status(), 200);
    assert_eq!(server.files().len(), 1);
    for _ in 0..2 {
        alice.delete("/api/profile/avatar").await.expect(204);
        assert_eq!(url(&alice.get("/api/profile").await.expect(200).raw), "");
        assert_eq!(server.files(), [""; 0]);
    }
    put(&alice, picture(10, 10, ImageFormat::Png)).await.expect(200);
    put(&bob, picture(10, 10, ImageFormat::Png)).await.expect(200);
    server.domain.files.forget_user(alice.id.parse().unwrap()).await.unwrap();
    assert_eq!(server.files().len(), 1, "bob's");
}

#[rstest]
#[tokio::test]
async fn what_is_no_picture_is_no_avatar(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let kept = url(&put(&alice, picture(10, 10, ImageFormat::Png)).await.expect(200).raw);
    let cut = picture(30, 30, ImageFormat::Png)[..60].to_vec();
    for bad in [b"".to_vec(), b"<svg onload='x()'/>".to_vec(), cut] {
        put(&alice, bad).await.refused(400, "INVALID_MESSAGE");
    }
    let mut large = picture(10, 10, ImageFormat::Png);
    large.resize((2 << 20) + 1, 0);
    put(&alice, large).await.refused(413, "PAYLOAD_TOO_LARGE");
    put(&server.anyone(), picture(10, 10, ImageFormat::Png)).await.refused(401, "UNAUTHORIZED");
    assert_eq!(url(&alice.get("/api/profile").await.expect(200).raw), kept);
    let user = &alice.id;
    for path in [format!("{user}/x.png"), format!("{user}/..%2f..%2fx"), format!("x/{}", "0".repeat(32))] {
        server.anyone().get(format!("/api/avatars/{path}")).await.refused(404, "NOT_FOUND");
    }
}
