//! Tests of reading settings, and that the documentation tells them all.

use secrecy::ExposeSecret;

use super::*;

fn load(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::layered(None, vars.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

#[test]
fn everything_has_a_default_and_the_environment_wins() {
    assert_eq!(load(&[]).unwrap().api.listen.to_string(), "127.0.0.1:3000");
    let s = load(&[
        ("CHATAPP__API__LISTEN", "0.0.0.0:80"),
        ("CHATAPP__STORE__URL", "redis://:pw@redis:6379"),
        ("CHATAPP__LIMITS__ENABLED", "false"),
        ("CHATAPP__NOTIFICATION__API_KEYS", "0123456789abcdef, 1234567890123456"),
        ("CHATAPP__STORE__KEY_PREFIX", "7"),
        ("UNRELATED", "x"),
    ])
    .unwrap();
    assert_eq!(s.api.listen.to_string(), "0.0.0.0:80");
    assert!(!s.limits.enabled);
    assert_eq!(s.notification.api_keys.len(), 2);
    assert_eq!(s.store.key_prefix, "7");
    assert!(!format!("{s:?}").contains("pw"), "a password is never shown");
}

#[test]
fn one_numeric_api_key_is_still_a_text() {
    let s = load(&[("CHATAPP__NOTIFICATION__API_KEYS", "1234567890123456")]).unwrap();
    assert_eq!(s.notification.api_keys[0].expose_secret(), "1234567890123456");
}

#[test]
fn origins_are_kept_as_browsers_write_them() {
    let s = load(&[(
        "CHATAPP__HTTP__ALLOWED_ORIGINS",
        "HTTPS://App.Example/, https://a.example:443, http://b.example:8080,capacitor://LocalHost,https://[::1]:1,*",
    )])
    .unwrap();
    let expected = ["https://app.example", "https://a.example", "http://b.example:8080", "capacitor://localhost"];
    assert_eq!(s.http.allowed_origins[..4], expected);
    assert_eq!(s.http.allowed_origins[4..], ["https://[::1]:1", "*"]);
    for bad in ["app.example", "https://", "https://a.example/x", "https://a.example?x", "https://u@a.example", "null"]
    {
        let line = load(&[("CHATAPP__HTTP__ALLOWED_ORIGINS", bad)]).unwrap_err().to_string();
        assert!(line.contains("http.allowed_origins"), "{bad}: {line}");
    }
}

#[test]
fn trusted_proxies_are_networks_or_single_addresses() {
    let s = load(&[("CHATAPP__HTTP__TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,2001:db8::/32")]).unwrap();
    let shown: Vec<String> = s.http.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
}

#[test]
fn a_bad_value_or_key_is_one_line_that_names_it() {
    for (name, value, says) in [
        ("CHATAPP__API__LISTEN", "nonsense", "api.listen"),
        ("CHATAPP__LIMITS__ENABLED", "perhaps", "limits.enabled"),
        ("CHATAPP__LIMITS__MESSAGES_BURST", "-1", "limits.messages_burst"),
        ("CHATAPP__LIMITS__MESSAGES_BURST", "0", "limits.messages_burst"),
        ("CHATAPP__STORE__URL", "mysql://x", "store.url"),
        ("CHATAPP__STORE__URL", "redis://", "store.url"),
        ("CHATAPP__STORE__URL", "embedded:", "store.url"),
        ("CHATAPP__STORE__ULR", "x", "ulr"),
        ("CHATAPP__SHOP__X", "1", "shop"),
        ("CHATAPP__LOG__FORMAT", "xml", "log.format"),
        ("CHATAPP__STORE__WAIT_REPLICAS", "1", "store.wait_replicas"),
        ("CHATAPP__STORE__WAIT_MS", "0", "store.wait_ms"),
        ("CHATAPP__NOTIFICATION__API_KEYS", "short", "notification.api_keys"),
        ("CHATAPP__NOTIFICATION__CLAIM_SECONDS", "1", "notification.claim_seconds: use 2 to 3600"),
        ("CHATAPP__ATTACHMENTS__URL", "ftp://x", "attachments.url"),
        ("CHATAPP__ATTACHMENTS__URL", "s3://", "attachments.url"),
        ("CHATAPP__ATTACHMENTS__MAX_BYTES", "0", "attachments.max_bytes"),
        ("CHATAPP__ATTACHMENTS__MAX_PER_MESSAGE", "0", "attachments.max_per_message"),
        ("CHATAPP__ATTACHMENTS__UNCLAIMED_BYTES", "1", "attachments.unclaimed_bytes"),
        ("CHATAPP__ATTACHMENTS__S3_ACCESS_KEY_ID", "x", "attachments.s3_secret_access_key"),
        ("CHATAPP__NOTIFICATION__SMTP_URL", "mail.example", "notification.smtp_url"),
        ("CHATAPP__NOTIFICATION__SMTP_URL", "smtp://mail.example", "notification.smtp_from: is needed"),
        ("CHATAPP__NOTIFICATION__SMTP_FROM", "Example", "notification.smtp_from"),
        ("CHATAPP__NOTIFICATION__SMTP_FROM", "a@x.org>\nBcc: b@x.org", "notification.smtp_from"),
        ("CHATAPP__AUTH__RESET_URL", "https://example.org/reset", "auth.reset_url"),
        ("CHATAPP__AUTH__VERIFY_URL", "/verify?token={token}", "auth.verify_url"),
        ("CHATAPP__AUTH__RESET_MINUTES", "0", "auth.reset_minutes"),
        ("CHATAPP__HTTP__TRUSTED_PROXIES", "10.0.0.0/33", "10.0.0.0/33"),
        ("CHATAPP__HTTP__TRUSTED_PROXIES", "10.0.0.1, proxy.example", "proxy.example"),
    ] {
        let line = load(&[(name, value)]).unwrap_err().to_string();
        assert!(line.contains(says), "{name}={value}: {line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn external_issuers_are_a_list_in_a_file_and_json_in_the_environment() {
    let two = r#"[{"issuer": "https://a.example", "audience": "chat", "jwks_url": "https://a.example/keys"},
        {"issuer": "https://b.example", "audience": "chat", "jwks_file": "b.json", "username_claim": "nick"}]"#;
    let s = load(&[("CHATAPP__AUTH__EXTERNAL", two)]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chatapp.toml");
    let text = r#"
        [[auth.external]]
        issuer = "https://a.example"
        audience = "chat"
        jwks_url = "https://a.example/keys"
        [[auth.external]]
        issuer = "https://b.example"
        audience = "chat"
        jwks_file = "b.json"
        username_claim = "nick"
    "#;
    std::fs::write(&file, text).unwrap();
    assert_eq!(Settings::layered(Some(&file), [].into()).unwrap().auth.external, s.auth.external);
    assert_eq!(s.auth.external[1].username_claim, "nick");
    let twice = two.replace("b.example", "a.example");
    let none_of_both = two.replace("jwks_file", "audience2");
    for (bad, says) in [
        (twice.as_str(), "there twice"),
        (&none_of_both, "audience2"),
        ("x", "expected value"),
        ("[7]", "auth.external"),
    ] {
        let line = load(&[("CHATAPP__AUTH__EXTERNAL", bad)]).unwrap_err().to_string();
        assert!(line.contains(says) && line.contains("auth.external") && !line.contains('\n'), "{bad}: {line}");
    }
}

/// The keys below one, with those of sections in it as `inner.key`.
fn leaves(keys: &serde_json::Value) -> Vec<(String, serde_json::Value)> {
    let below = |(key, value): (&String, &serde_json::Value)| match value.is_object() {
        true => leaves(value).into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)).collect(),
        false => vec![(key.clone(), value.clone())],
    };
    keys.as_object().unwrap().iter().flat_map(below).collect()
}

#[test]
fn every_key_is_in_the_documentation_with_its_default() {
    let table = include_str!("../../../docs/configuration.md");
    let example = include_str!("../../../.env.example");
    let defaults = serde_json::to_value(Settings::default()).unwrap();
    for (section, keys) in defaults.as_object().unwrap() {
        for (key, default) in leaves(keys) {
            let default = match &default {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(list) => list.iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join(","),
                other => other.to_string(),
            };
            let variable = format!("CHATAPP__{}__{}", section.to_uppercase(), key.to_uppercase().replace('.', "__"));
            assert!(example.contains(&format!("#{variable}={default}\n")), "{variable}={default} in .env.example");
            let shown = if default.is_empty() { "none".into() } else { format!("`{default}`") };
            let row = format!("| `{section}.{key}` | {shown} |");
            assert!(table.contains(&row), "{row} in docs/configuration.md");
        }
    }
    for line in example.lines().filter(|line| line.starts_with("#CHATAPP__")) {
        let (name, value) = line[1..].split_once('=').unwrap();
        load(&[(name, value)]).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
}

#[test]
fn mail_is_set_up_by_a_server_and_a_sender() {
    for from in ["no-reply@example.org", "Example Org <no-reply@example.org>"] {
        let url = ("CHATAPP__NOTIFICATION__SMTP_URL", "smtps://u:hunter2@mail.example");
        let s = load(&[url, ("CHATAPP__NOTIFICATION__SMTP_FROM", from)]).unwrap();
        assert_eq!(s.notification.smtp_from.as_deref(), Some(from));
        assert!(!format!("{s:?}").contains("hunter2"), "a password is never shown");
    }
    let s = load(&[("CHATAPP__AUTH__RESET_URL", "myapp://reset/{token}")]).unwrap();
    assert_eq!(s.auth.reset_url.as_deref(), Some("myapp://reset/{token}"));
}

#[test]
fn store_urls() {
    assert!(matches!("embedded:/x".parse(), Ok(StoreUrl::Embedded(d)) if d.as_os_str() == "/x"));
    assert!(matches!("redis+cluster://u:p@a:1,b:2".parse(), Ok(StoreUrl::RedisCluster(n))
        if n[1].expose_secret() == "redis://u:p@b:2"));
    assert!("redis+cluster://".parse::<StoreUrl>().is_err());
    for (url, server) in [
        ("embedded:/x", None),
        ("redis://u:p@h/1", Some("h:6379")),
        ("rediss://[::1]:7000", Some("[::1]:7000")),
        ("redis+cluster://u:p@a:1,b:2", Some("a:1")),
    ] {
        assert_eq!(url.parse::<StoreUrl>().unwrap().server().as_deref(), server, "{url}");
    }
}

#[test]
fn files_are_beside_the_store_or_where_the_url_says() {
    let place = |vars: &[(&str, &str)]| load(vars).unwrap().files_url().to_string();
    assert_eq!(place(&[]), "file:data/attachments");
    assert_eq!(place(&[("CHATAPP__STORE__URL", "embedded:/var/x")]), "file:/var/x/attachments");
    assert_eq!(place(&[("CHATAPP__STORE__URL", "redis://h")]), "file:data/attachments");
    for (given, kept) in [("file:///srv/a", "file:/srv/a"), ("s3://b.c/d/e/", "s3://b.c/d/e"), ("s3://b", "s3://b")] {
        assert_eq!(place(&[("CHATAPP__ATTACHMENTS__URL", given)]), kept);
    }
    let keys =
        [("CHATAPP__ATTACHMENTS__S3_ACCESS_KEY_ID", "id"), ("CHATAPP__ATTACHMENTS__S3_SECRET_ACCESS_KEY", "hush")];
    let settings = load(&keys).unwrap();
    assert!(!format!("{settings:?}{}", serde_json::to_string(&settings).unwrap()).contains("hush"));
}

#[test]
fn what_is_given_for_pushes_goes_together() {
    let set = |key: &str, value: &str| load(&[(&format!("CHATAPP__NOTIFICATION__{key}"), value)]);
    assert!(set("WEBPUSH__CONTACT", "mailto:ops@example.com").is_ok());
    for (key, value, named) in [
        ("WEBPUSH__CONTACT", "ops@example.com", "notification.webpush.contact"),
        ("APNS__KEY_ID", "KEY", "notification.apns.key_file"),
        ("APNS__KEY_FILE", "/key.p8", "notification.apns.key_id"),
        ("APNS__URL", "api.push.apple.com", "notification.apns.url"),
        ("FCM__URL", "https://fcm.example/v2", "notification.fcm.url"),
    ] {
        let line = set(key, value).unwrap_err().to_string();
        assert!(line.contains(named), "{key}={value}: {line}");
    }
}
