//! `/openapi.json` says what is there, and nothing else; `/docs/` shows it.

use std::{collections::BTreeSet, fs, path::Path};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, TestServer, assert_answer};

type Route = (String, String);

/// (method, path) of everything the document describes.
fn described(document: &Value) -> BTreeSet<Route> {
    let mut all = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            all.insert((method.to_uppercase(), path.clone()));
        }
    }
    all
}

/// (method, path) of each `#[get("…")]` and its like in the sources of the routes.
fn written() -> BTreeSet<Route> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![crates.join("../web/src/observe.rs")];
    for directory in ["src/routes", "src/routes/messaging"] {
        files.extend(fs::read_dir(crates.join(directory)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let files = files.iter().filter(|path| path.is_file());
    let sources: Vec<_> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut all = BTreeSet::new();
    for line in sources.iter().flat_map(|source| source.lines()) {
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(rest) = line.strip_prefix(&format!("#[{method}(\"")) {
                all.insert((method.to_uppercase(), rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    all
}

/// (method, path) of each line of the URL table that names its route in a comment.
fn listed() -> BTreeSet<Route> {
    let tables =
        ["src/routes.rs", "src/routes/messaging.rs"].map(|file| Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let table: String = tables.iter().map(|table| fs::read_to_string(table).unwrap()).collect();
    let comment = |line: &str| line.split_once(" // ").map(|(_, comment)| comment.to_owned());
    let route = |comment: String| {
        let mut words = comment.split([' ', ',']);
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        path.starts_with('/').then_some((method, path))
    };
    table.lines().filter_map(comment).filter_map(route).collect()
}

#[tokio::test]
async fn the_document_describes_every_route_and_no_other() {
    let server = TestServer::start(Engine::Embedded).await;
    let document = server.anyone().get("/openapi.json").await.expect(200).raw;
    let (described, written, mut listed) = (described(&document), written(), listed());
    assert!(written.len() > 30, "the sources are read: {written:?}");
    assert_eq!(described, written);
    let route = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    // The document does not describe its own page; the table leaves to the web crate what every service has.
    assert!(listed.remove(&route("GET", "/docs")));
    listed.extend(["/health", "/ready", "/metrics"].map(|path| route("GET", path)));
    assert_eq!(listed, written, "the comments in routes.rs are right");
}

#[rstest]
#[tokio::test]
async fn every_route_of_the_document_is_there(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut server = TestServer::start(engine).await;
    server.add_notification_server().await;
    server.add_presence_server().await;
    let document = server.anyone().get("/openapi.json").await.expect(200).raw;
    let somewhere = uuid::Uuid::now_v7().to_string();
    for (method, path) in described(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let target = path.split('/').map(|part| if part.starts_with('{') { &somewhere } else { part });
        let target = target.collect::<Vec<_>>().join("/");
        let person = server.guest(&format!("g{}", uuid::Uuid::new_v4().simple().to_string().split_at(20).0)).await;
        for caller in [&*person, &server.anyone()] {
            let answer = caller.call(&method, &target, operation.get("requestBody").map(|_| json!({})).as_ref()).await;
            let detail = answer.raw["detail"].as_str().unwrap_or_default();
            assert!(answer.status != 405 && detail != "there is no such path", "{method} {path}: {answer:?}");
            let told = &operation["responses"][answer.status.to_string()];
            assert!(told.is_object(), "{method} {path} does not tell of {}: {answer:?}", answer.status);
        }
        let closed = server.anyone().call(&method, &target, Some(&json!({}))).await.status == 401;
        let open = ["/api/login", "/api/token/refresh"].contains(&path.as_str());
        assert!(open || closed == operation["security"].is_array(), "{method} {path}: is a token needed?");
    }
}

#[tokio::test]
async fn the_document_is_openapi_and_all_it_refers_to_is_in_it() {
    let server = TestServer::start(Engine::Embedded).await;
    let answer = server.anyone().get("/openapi.json").await.expect(200);
    let document = &answer.raw;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_answer!(json!({ "info": document["info"], "schemes": document["components"]["securitySchemes"] }), @r#"
    {
      "info": {
        "description": "Accounts, rooms, direct messages, history and notifications over REST. Errors are problem+json (RFC 9457) with a `code`. Sockets: `/chat` and `/presence`, found by `/api/registry`.",
        "title": "ChatApp api",
        "version": "0.1.0"
      },
      "schemes": {
        "bearer": {
          "description": "An access token (`POST /api/login`), or a token of a product that `auth.external` names",
          "scheme": "bearer",
          "type": "http"
        }
      }
    }
    "#);
    let mut references = Vec::new();
    collect_references(document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            check_operation(&format!("{method} {path}"), path, operation);
        }
    }
    let ids = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let ids: Vec<_> = ids.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "operationIds are unique (OpenAPI 3.1 §4.8.10): {ids:?}");
}

fn check_operation(name: &str, path: &str, operation: &Value) {
    assert!(operation["operationId"].is_string(), "{name} has no operationId");
    assert!(operation["summary"].is_string() || operation["description"].is_string(), "{name} is not described");
    assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{name} has no responses");
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path: BTreeSet<_> = in_path.collect();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let told: BTreeSet<_> = parameters
        .filter(|p| p["in"] == "path")
        .map(|p| (p["name"].as_str().unwrap(), p["required"] == true))
        .collect();
    let needed: BTreeSet<_> = in_path.into_iter().map(|name| (name, true)).collect();
    assert_eq!(told, needed, "{name}: the parameters of the path");
    for (status, response) in operation["responses"].as_object().unwrap() {
        assert!(response["description"].is_string(), "{name} {status} has no description");
        if status.starts_with(['4', '5']) {
            let content = response["content"].as_object().unwrap_or_else(|| panic!("{name} {status} has no body"));
            let kinds: Vec<_> = content.keys().map(String::as_str).collect();
            assert_eq!(kinds, ["application/problem+json"], "{name} {status}");
        }
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.push(reference.clone());
            }
            fields.values().for_each(|field| collect_references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_docs_page_is_served_from_the_binary() {
    let server = TestServer::start(Engine::Embedded).await;
    let redirect = server.anyone().get("/docs").await;
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("/docs/")));
    let page = server.anyone().get("/docs/").await.expect(200);
    assert_eq!(page.header("content-type").map(|kind| kind.starts_with("text/html")), Some(true));
    assert!(page.raw.as_str().unwrap().contains("swagger-ui"), "{page:?}");
    let start = server.anyone().get("/docs/swagger-initializer.js").await.expect(200);
    assert!(start.raw.as_str().unwrap().contains("/openapi.json"), "{start:?}");
    server.anyone().get("/docs/swagger-ui-bundle.js").await.expect(200);
    Answer::of(server.anyone().request("GET", "/docs/none.js")).await.refused(404, "NOT_FOUND");
}
