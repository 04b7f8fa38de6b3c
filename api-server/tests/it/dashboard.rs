//! What the dashboards show is what is counted.

use std::{collections::BTreeSet, fs, path::Path};

/// Names in this text that begin as ours do.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    let ends = text.match_indices("chatapp_").map(|(at, _)| {
        let name: String = text[at..].chars().take_while(|c| word(*c)).collect();
        name
    });
    ends.collect()
}

fn sources(dir: &Path, all: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_metric_of_the_dashboards_is_counted_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut code = String::new();
    for name in ["api-server", "chat-server", "presence-server", "notification-server", "domain", "socket", "web"] {
        sources(&root.join(name).join("src"), &mut code);
    }
    let dashboard = fs::read_to_string(root.join("deploy/grafana/chatapp.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    let page = fs::read_to_string(root.join("api-server/operator/metrics.js")).unwrap();
    for (what, text) in [("deploy/grafana/chatapp.json", dashboard), ("operator/metrics.js", page)] {
        let shown = names(&text);
        assert!(shown.len() > 4, "{what}: {shown:?}");
        for name in shown {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            assert!(code.contains(&format!("\"{base}\"")), "{what} shows {name}, which nobody counts");
        }
    }
}
