//! What is read of other products' keys, and when; and who their tokens name.

use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use host_fixture::{AUDIENCE, Algorithm, Host as Product, Key};
use serde_json::json;
use shared::settings::{self, Auth};
use store::{Store, UserRecord};

use super::*;
use crate::{Identity, Login, Names};

/// Making RSA keys takes long.
static PRODUCT: LazyLock<Product> = LazyLock::new(|| Product::new("https://id.example"));

/// Serves what it is told to, and counts.
#[derive(Default)]
struct Source {
    body: parking_lot::Mutex<Option<String>>,
    readings: AtomicUsize,
    /// Held: a reading waits.
    gate: Mutex<()>,
}

impl Source {
    fn with(body: Option<String>) -> Arc<Self> {
        let source = Self::default();
        *source.body.lock() = body;
        Arc::new(source)
    }

    fn serve(&self, body: Option<String>) {
        *self.body.lock() = body;
    }

    fn readings(&self) -> usize {
        self.readings.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeySource for Source {
    async fn fetch(&self, _: &KeysAt) -> anyhow::Result<Fetched> {
        self.readings.fetch_add(1, Ordering::SeqCst);
        let _gate = self.gate.lock().await;
        let body = self.body.lock().clone().ok_or_else(|| anyhow::anyhow!("away"))?;
        Ok(Fetched { body: body.into_bytes(), fresh_for: Duration::from_secs(600) })
    }
}

fn issuer(name: &str) -> ExternalIssuer {
    let (audience, username_claim) = (AUDIENCE.into(), "preferred_username".into());
    ExternalIssuer { issuer: name.into(), audience, keys: KeysAt::File("keys".into()), username_claim }
}

fn hosts(source: &Arc<Source>) -> Hosts {
    let source: Arc<dyn KeySource> = source.clone();
    Hosts::new(&[issuer("https://other.example"), issuer(&PRODUCT.issuer)], &source)
}

async fn check(hosts: &Hosts, token: &str) -> Result<Checked> {
    let host = hosts.issuer(token)?.expect("another product's");
    hosts.verify(host, token).await
}

fn is_unavailable(result: &Result<Checked>) -> bool {
    matches!(result, Err(DomainError::Unavailable(_)))
}

/// A token that names a key nobody has.
fn stranger(n: usize) -> String {
    PRODUCT.sign("ed", json!({ "kid": format!("made up {n}") }), PRODUCT.claims("ann"))
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_issuer_nobody_has_named_is_refused_unread_and_ours_is_ours() {
    let source = Source::with(Some(PRODUCT.jwks()));
    let hosts = hosts(&source);
    let other = PRODUCT.with("ann", json!({ "iss": "https://evil.example" }));
    assert!(matches!(hosts.issuer(&other), Err(DomainError::Unauthorized(_))));
    for ours in
        [PRODUCT.with("ann", json!({ "iss": "chatapp" })), "a.b.c".into(), PRODUCT.with("ann", json!({ "iss": 7 }))]
    {
        assert_eq!(hosts.issuer(&ours).unwrap(), None);
    }
    assert_eq!(source.readings(), 0);
    // The key of one issuer is none of another.
    source.serve(Some(json!({ "keys": [] }).to_string()));
    let claims = PRODUCT.with("ann", json!({ "iss": "https://other.example" }));
    assert!(matches!(check(&hosts, &claims).await, Err(DomainError::Unauthorized(_))));
    assert!(Hosts::new(&[], &(source as Arc<dyn KeySource>)).issuer(&PRODUCT.token("ann")).unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn made_up_keys_make_few_readings_and_a_new_key_is_found() {
    let source = Source::with(Some(PRODUCT.jwks()));
    let hosts = hosts(&source);
    check(&hosts, &PRODUCT.token("ann")).await.unwrap();
    for n in 0..100 {
        assert!(matches!(check(&hosts, &stranger(n)).await, Err(DomainError::Unauthorized(_))));
    }
    assert_eq!(source.readings(), 1);
    let new = Key::new("new", Algorithm::EdDSA);
    source.serve(Some(json!({ "keys": [new.jwk()] }).to_string()));
    let header = json!({ "alg": "EdDSA", "kid": "new" });
    let token = new.sign(&header, &PRODUCT.claims("ann").to_string());
    assert!(check(&hosts, &token).await.is_err(), "not so soon after the last");
    tokio::time::advance(NOT_BEFORE).await;
    check(&hosts, &token).await.unwrap();
    assert_eq!(source.readings(), 2);
    assert!(check(&hosts, &PRODUCT.token("ann")).await.is_err(), "the old key is gone");
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_never_read_are_no_verdict_and_are_asked_for_once_a_second() {
    let source = Source::with(None);
    let hosts = hosts(&source);
    for token in [PRODUCT.token("ann"), stranger(0), PRODUCT.token("bob")] {
        assert!(is_unavailable(&check(&hosts, &token).await));
    }
    assert_eq!(source.readings(), 1);
    for garbage in ["<html>".to_owned(), "x".repeat(external::MAX_SET + 1), r#"{"keys": 1}"#.to_owned()] {
        source.serve(Some(garbage));
        tokio::time::advance(SECOND).await;
        assert!(is_unavailable(&check(&hosts, &PRODUCT.token("ann")).await));
    }
    source.serve(Some(PRODUCT.jwks()));
    tokio::time::advance(SECOND).await;
    check(&hosts, &PRODUCT.token("ann")).await.unwrap();
    assert_eq!(source.readings(), 5);
}

#[tokio::test(start_paused = true)]
async fn old_keys_serve_on_while_the_product_is_away_and_change_beside_what_goes_on() {
    let source = Source::with(Some(PRODUCT.jwks()));
    let hosts = hosts(&source);
    let first = check(&hosts, &PRODUCT.token("ann")).await.unwrap().by;
    source.serve(None);
    tokio::time::advance(601 * SECOND).await;
    for _ in 0..10 {
        assert_eq!(check(&hosts, &PRODUCT.token("ann")).await.unwrap().by, first);
        tokio::task::yield_now().await;
    }
    assert_eq!(source.readings(), 2);
    assert!(is_unavailable(&check(&hosts, &stranger(0)).await), "it may be a new key");
    let two = json!({ "keys": [PRODUCT.key("ed").jwk(), PRODUCT.key("es").jwk()] }).to_string();
    source.serve(Some(two));
    tokio::time::advance(SECOND).await;
    assert!(hosts.stands(first).await.unwrap(), "and the reading began");
    while hosts.stands(first).await.unwrap() {
        tokio::task::yield_now().await;
    }
    let second = check(&hosts, &PRODUCT.token("ann")).await.unwrap().by;
    assert_ne!(first, second);
    assert_eq!(source.readings(), 3);
}

#[tokio::test]
async fn those_who_ask_at_once_make_one_reading_and_may_go_away() {
    let source = Source::with(Some(PRODUCT.jwks()));
    let hosts = Arc::new(hosts(&source));
    let gate = source.gate.lock().await;
    let ask = || {
        let hosts = hosts.clone();
        tokio::spawn(async move { check(&hosts, &PRODUCT.token("ann")).await.map(|checked| checked.by) })
    };
    let gone = ask();
    while source.readings() == 0 {
        tokio::task::yield_now().await;
    }
    let asked: Vec<_> = (0..10).map(|_| ask()).collect();
    gone.abort();
    assert!(gone.await.is_err());
    drop(gate);
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert_eq!(source.readings(), 1);
}

#[test]
fn an_id_is_of_its_issuer_and_its_subject() {
    let ids = [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), ("a", "b")].map(|(i, s)| external_id(i, s));
    for (n, id) in ids.iter().enumerate() {
        assert!(!ids[n + 1..].contains(id));
    }
}

struct World {
    identity: Identity,
    store: Store,
    source: Arc<Source>,
    _dir: tempfile::TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", dir.path().display()).parse().unwrap();
    let store = store::open(&settings::Store { url, ..settings::Store::default() }).await.unwrap();
    let source = Source::with(Some(PRODUCT.jwks()));
    let (names, keys) = (Arc::new(Names::new(store.users.clone())), source.clone() as Arc<dyn KeySource>);
    let auth = Auth { external: vec![issuer(&PRODUCT.issuer)], ..Auth::default() };
    World { identity: Identity::new(store.clone(), &auth, names, &keys), store, source, _dir: dir }
}

impl World {
    /// The account that a token of this subject with these claims names.
    async fn account(&self, sub: &str, claims: serde_json::Value) -> UserRecord {
        let viewer = self.identity.authenticate(&PRODUCT.with(sub, claims)).await.unwrap();
        self.store.users.user(viewer.user).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn who_is_seen_for_the_first_time_has_an_account_of_what_the_token_says() {
    let world = world().await;
    let mail = json!({ "name": "Ann A.", "email": "ann@example.org", "email_verified": true });
    let ann = world.account("1", host_fixture::merged(mail, json!({ "preferred_username": "ann" }))).await;
    assert_eq!((ann.username.as_str(), ann.display_name.as_str(), ann.guest), ("ann", "Ann A.", false));
    assert_eq!((ann.email.as_deref(), ann.email_verified, &ann.password_hash), (Some("ann@example.org"), true, &None));
    let renamed = world.account("1", json!({ "preferred_username": "anna", "name": "Anna" })).await;
    assert_eq!(renamed, ann, "from then on it is theirs");
    let unverified = json!({ "email": "b@example.org", "email_verified": false });
    assert_eq!(world.account("2", unverified).await.email, None);
    world.store.maintenance.close().await.unwrap();
}

#[tokio::test]
async fn a_name_or_address_makes_nobody_another() {
    let world = world().await;
    let local = UserRecord {
        email: Some("ann@example.org".into()),
        ..world.account("first", json!({ "preferred_username": "x", "email": null })).await
    };
    let local = UserRecord { id: shared::UserId::new(), username: "Ann".into(), ..local };
    world.store.users.create_user(&local).await.unwrap();
    let mail = json!({ "preferred_username": "ann", "email": "ANN@example.org", "email_verified": true });
    let [one, two] = [world.account("1", mail.clone()).await, world.account("2", mail).await];
    assert!(one.id != local.id && two.id != local.id && one.id != two.id);
    for other in [&one, &two] {
        assert!(other.username.starts_with("ann-") && other.username.len() == 10, "{}", other.username);
        assert_eq!((&other.email, other.email_verified), (&None, false));
    }
    assert_eq!(world.store.users.user(local.id).await.unwrap(), Some(local));
    world.store.maintenance.close().await.unwrap();
}

#[tokio::test]
async fn a_token_that_was_checked_is_not_checked_again_until_its_key_goes() {
    let world = world().await;
    let token = PRODUCT.token("ann");
    let viewer = world.identity.identify(&token).await.unwrap();
    let exp = PRODUCT.claims("ann")["exp"].as_i64().unwrap();
    let Login::Host { until } = viewer.login else { panic!("{viewer:?}") };
    assert!((until.as_secs() - exp - 5).abs() <= 2, "{until:?}");
    assert_eq!((viewer.username.as_str(), viewer.guest, &viewer.scope), ("ann", false, &None));
    assert_eq!(world.identity.identify(&token).await.unwrap(), viewer);
    let scoped = world.identity.identify(&PRODUCT.with("ann", json!({ "scope": "notify" }))).await.unwrap();
    assert!(!scoped.has_scope("notify"), "it is the product's scope");
    tokio::time::pause();
    world.source.serve(Some(json!({ "keys": [] }).to_string()));
    tokio::time::advance(601 * SECOND).await;
    while world.identity.identify(&token).await.is_ok() {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    world.store.maintenance.close().await.unwrap();
}

#[tokio::test]
async fn a_socket_goes_on_by_the_next_token_of_the_same_user() {
    let world = world().await;
    let viewer = world.identity.identify(&PRODUCT.ending("ann", 60)).await.unwrap();
    let renewed = world.identity.renew(&viewer, &PRODUCT.ending("ann", 600)).await.unwrap();
    assert!(matches!((renewed, viewer.login), (Login::Host { until: next }, Login::Host { until }) if next > until));
    let of_another = world.identity.renew(&viewer, &PRODUCT.token("bob")).await;
    assert!(matches!(of_another, Err(DomainError::Forbidden(_))));
    let bad = world.identity.renew(&viewer, &PRODUCT.ending("ann", -60)).await;
    assert!(matches!(bad, Err(DomainError::Unauthorized(_))));
    let ours = crate::Viewer { login: Login::Session(shared::SessionId::new()), ..viewer.clone() };
    let session = world.identity.renew(&ours, &PRODUCT.token("ann")).await;
    assert!(matches!(session, Err(DomainError::Invalid(_))), "it has a session");
    assert!(ours.session().is_ok() && matches!(viewer.session(), Err(DomainError::Forbidden(_))));
    world.store.maintenance.close().await.unwrap();
}
