//! The web chat as files: what is served, how, and that nothing in it comes from elsewhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use reqwest::{Response, StatusCode};

use crate::support::{Answer, Engine, TestServer};

async fn get(server: &TestServer, path: &str) -> Response {
    server.anyone().request("GET", path).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

/// Paths of all files below, as they are asked for.
fn files(directory: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path(), &format!("{path}/"))),
            false => drop(found.insert(path)),
        }
    }
    found
}

#[tokio::test]
async fn the_page_is_served_with_headers_that_let_nothing_else_in() {
    let server = TestServer::start(Engine::Embedded).await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/web/main.js", "text/javascript; charset=utf-8"),
        ("/web/style/base.css", "text/css; charset=utf-8"),
        ("/web/icons.svg", "image/svg+xml"),
        ("/web/app.webmanifest", "application/manifest+json"),
        ("/client/chatapp.js", "text/javascript; charset=utf-8"),
        ("/client/src/client.js", "text/javascript; charset=utf-8"),
    ] {
        let response = get(&server, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "content-type"), kind, "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&response, "cache-control"), "no-cache", "{path}");
        let policy = header(&response, "content-security-policy");
        assert!(policy.starts_with("default-src 'self'; "), "{policy}");
        for forbidden in ["unsafe", "http:", "https:", "data:", " *"] {
            assert!(!policy.contains(forbidden), "{forbidden}: {policy}");
        }
    }
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let server = TestServer::start(Engine::Embedded).await;
    let first = get(&server, "/web/main.js").await;
    let tag = header(&first, "etag").to_owned();
    let ask = |tag: &str| server.anyone().request("GET", "/web/main.js").header("if-none-match", tag).send();
    let again = ask(&tag).await.unwrap();
    assert_eq!((again.status(), header(&again, "etag")), (StatusCode::NOT_MODIFIED, &*tag));
    assert_eq!(header(&again, "content-length"), "", "a 304 has no body, and no length of one");
    assert_eq!(again.text().await.unwrap(), "");
    assert_eq!(ask("W/\"another\"").await.unwrap().status(), StatusCode::OK);
    assert_ne!(header(&get(&server, "/web/push.js").await, "etag"), tag);
}

#[tokio::test]
async fn pages_are_compressed_where_the_browser_can() {
    let server = TestServer::start(Engine::Embedded).await;
    let ask = server.anyone().request("GET", "/web/style/base.css").header("accept-encoding", "gzip");
    let packed = ask.send().await.unwrap();
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    let length = packed.bytes().await.unwrap().len();
    assert!(length < get(&server, "/web/style/base.css").await.text().await.unwrap().len() / 2);
}

#[tokio::test]
async fn every_file_is_there_and_no_other() {
    let server = TestServer::start(Engine::Embedded).await;
    let all = files(&sources(), "/web/");
    assert!(all.len() > 20, "the sources are read: {all:?}");
    for path in &all {
        assert_eq!(get(&server, path).await.status(), StatusCode::OK, "{path}");
    }
    for path in
        ["/web/", "/web/none.js", "/web/../Cargo.toml", "/web/..%2fCargo.toml", "/client/package.json", "/index.html"]
    {
        Answer::of(server.anyone().request("GET", path)).await.refused(404, "NOT_FOUND");
    }
    let refused = Answer::of(server.anyone().request("POST", "/")).await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn a_deployment_may_do_without_the_page() {
    let server = TestServer::with(Engine::Embedded, |settings| settings.api.web_chat = false).await;
    for path in ["/", "/web/main.js", "/client/chatapp.js"] {
        Answer::of(server.anyone().request("GET", path)).await.refused(404, "NOT_FOUND");
    }
}

/// What asks for a file: `import … from "…"`, `import("…")`, `href="…"`, `src="…"`.
const REFERENCES: [&str; 4] = ["from \"", "import(\"", "href=\"", "src=\""];

fn references(source: &str) -> impl Iterator<Item = &str> {
    let lines =
        source.lines().filter(|line| !line.trim_start().starts_with("//") && !line.trim_start().starts_with('*'));
    lines.flat_map(|line| REFERENCES.iter().filter_map(move |start| line.split_once(start)?.1.split('"').next()))
}

#[test]
fn all_that_a_page_needs_is_beside_it() {
    let all = files(&sources(), "/web/");
    for path in &all {
        let source = fs::read_to_string(sources().join(path.trim_start_matches("/web/"))).unwrap();
        assert!(source.lines().count() <= 480, "{path} is too long to be read");
        for forbidden in ["innerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=\"", "<script>"] {
            assert!(!source.contains(forbidden), "{path}: {forbidden}");
        }
        for reference in references(&source) {
            let target = match reference {
                "/client/chatapp.js" | "#conversation" => continue,
                absolute if absolute.starts_with('/') => absolute.to_owned(),
                relative => {
                    let mut parts: Vec<_> = path.split('/').collect();
                    parts.pop();
                    for part in relative.split('/') {
                        match part {
                            "." => {}
                            ".." => drop(parts.pop()),
                            name => parts.push(name),
                        }
                    }
                    parts.join("/")
                }
            };
            assert!(all.contains(&target), "{path} wants {reference}: {target} is not there");
        }
    }
}

/// Icons are named in the sources as `icon("…")`, `iconButton("…"`, or in a table; each of the file is one that is used.
#[test]
fn every_icon_is_drawn_and_used() {
    let drawn = fs::read_to_string(sources().join("icons.svg")).unwrap();
    let drawn: BTreeSet<_> = drawn
        .lines()
        .filter_map(|line| line.split_once("id=\"icon-")?.1.split('"').next().map(str::to_owned))
        .collect();
    let mut sources_text = String::new();
    for path in files(&sources(), "/web/").iter().filter(|path| path.ends_with(".js")) {
        sources_text += &fs::read_to_string(sources().join(path.trim_start_matches("/web/"))).unwrap();
    }
    for start in [" icon(\"", "(icon(\"", "iconButton(\""] {
        for after in sources_text.split(start).skip(1) {
            let name = after.split('"').next().unwrap();
            assert!(drawn.contains(name), "there is no icon {name}");
        }
    }
    for name in &drawn {
        assert!(sources_text.contains(&format!("\"{name}\"")), "nothing shows the icon {name}");
    }
}
