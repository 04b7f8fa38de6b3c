//! Which origins browsers may call from.

use rstest::rstest;

use crate::support::{Answer, Engine, TestServer};

async fn preflight(server: &TestServer, origin: &str) -> Answer {
    let request = server.anyone().request("OPTIONS", "/api/rooms").header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    Answer::of(request.header("access-control-request-headers", "authorization,content-type,idempotency-key")).await
}

async fn get(server: &TestServer, origin: &str) -> Answer {
    Answer::of(server.anyone().request("GET", "/api/rooms").header("origin", origin)).await
}

#[rstest]
#[tokio::test]
async fn only_listed_origins_are_allowed(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let listed = ["https://a.example", "https://b.example:8443"];
    let server =
        TestServer::with(engine, |settings| settings.http.allowed_origins = listed.map(String::from).into()).await;
    for origin in listed {
        let answer = preflight(&server, origin).await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let headers = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        for name in ["authorization", "content-type", "idempotency-key"] {
            assert!(headers.contains(name), "{headers}");
        }
        let methods = answer.header("access-control-allow-methods").unwrap();
        for name in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.contains(name), "{methods}");
        }
        // A refusal is readable too, or a page would not learn why.
        let refused = get(&server, origin).await.refused(401, "UNAUTHORIZED");
        assert_eq!(refused.header("access-control-allow-origin"), Some(origin));
        let exposed = refused.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");
    }
    for origin in ["https://evil.example", "https://a.example.evil.example", "http://a.example", "null"] {
        let refused = preflight(&server, origin).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, None), "{origin}");
        assert_eq!(get(&server, origin).await.header("access-control-allow-origin"), None, "{origin}");
    }
}

#[rstest]
#[tokio::test]
async fn with_a_star_any_origin_is_allowed_but_without_credentials(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    for answer in [preflight(&server, "https://any.example").await, get(&server, "https://any.example").await] {
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}
