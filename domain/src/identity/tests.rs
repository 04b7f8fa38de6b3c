//! Tests of whose tokens are taken, and for how long.

use shared::settings;
use store::SigningKeys;

use super::*;

async fn identity() -> (Identity, Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", dir.path().display()).parse().unwrap();
    let store = store::open(&settings::Store { url, ..settings::Store::default() }).await.unwrap();
    let names = Arc::new(Names::new(store.users.clone()));
    let keys: Arc<dyn KeySource> = Arc::new(external::NoKeys);
    (Identity::new(store.clone(), &Auth::default(), names, &keys), store, dir)
}

fn user() -> UserRecord {
    UserRecord {
        id: UserId::new(),
        username: "ann".into(),
        display_name: "Ann".into(),
        email: None,
        email_verified: false,
        password_hash: None,
        avatar_url: None,
        bio: None,
        created_at: Timestamp::now(),
        guest: true,
    }
}

#[tokio::test]
async fn a_token_names_its_user_or_the_store_does() {
    let (identity, store, _dir) = identity().await;
    let (ann, session) = (user(), SessionId::new());
    let (token, lifetime) = identity.issue(&ann, session, None).await.unwrap();
    let viewer = identity.identify(&token).await.unwrap();
    let expected =
        Viewer { user: ann.id, username: "ann".into(), guest: true, login: Login::Session(session), scope: None };
    assert_eq!(viewer, expected, "the store knows no such user");
    let nameless = token::access_claims(ann.id, session, lifetime);
    let nameless = identity.signing.get().unwrap().sign(&nameless).unwrap();
    assert!(matches!(identity.identify(&nameless).await, Err(DomainError::AccountClosed)));
    store.users.create_user(&ann).await.unwrap();
    assert_eq!(identity.identify(&nameless).await.unwrap(), expected);
    store.maintenance.close().await.unwrap();
}

#[tokio::test]
async fn a_token_seen_before_is_taken_without_its_signature_and_no_other_is() {
    let (identity, store, _dir) = identity().await;
    let (token, _) = identity.issue(&user(), SessionId::new(), None).await.unwrap();
    let now = Timestamp::now();
    let first = identity.verify(&token, now).await.unwrap();
    assert!(Arc::ptr_eq(&first, &identity.verify(&token, now).await.unwrap()), "known by now");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let tampered = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    assert!(identity.verify(&tampered, now).await.is_err());
    assert!(identity.verify(&tampered, now).await.is_err(), "what was refused is not known");
    store.maintenance.close().await.unwrap();
}

#[tokio::test]
async fn a_token_seen_before_ends_in_time_and_with_its_key() {
    let (identity, store, _dir) = identity().await;
    let (token, lifetime) = identity.issue(&user(), SessionId::new(), None).await.unwrap();
    let now = Timestamp::now();
    let seen = identity.verify(&token, now).await.unwrap();
    let late = now.after(lifetime + Duration::from_secs(60));
    assert!(matches!(identity.verify(&token, late).await, Err(DomainError::Unauthorized("the token has expired"))));
    let (other, other_store, _other_dir) = self::identity().await;
    other.verified.insert(Sha256::digest(&token).into(), seen);
    assert!(other.verify(&token, now).await.is_err(), "its key is gone");
    other_store.maintenance.close().await.unwrap();
    store.maintenance.close().await.unwrap();
}

/// Notes for how long each key is published.
struct NotedKeys(Arc<dyn SigningKeys>, std::sync::Mutex<Vec<Duration>>);

#[async_trait::async_trait]
impl SigningKeys for NotedKeys {
    async fn publish_key(&self, key: &PublicKey, ttl: Duration) -> store::Result<()> {
        self.1.lock().unwrap().push(ttl);
        self.0.publish_key(key, ttl).await
    }
    async fn signing_key(&self, kid: &Kid) -> store::Result<Option<PublicKey>> {
        self.0.signing_key(kid).await
    }
    async fn signing_keys(&self) -> store::Result<Vec<PublicKey>> {
        self.0.signing_keys().await
    }
}

#[tokio::test]
async fn a_key_is_published_for_as_long_as_its_longest_token_is_good() {
    let (_, mut store, _dir) = identity().await;
    let noted = Arc::new(NotedKeys(store.signing_keys.clone(), Default::default()));
    store.signing_keys = noted.clone();
    let keys: Arc<dyn KeySource> = Arc::new(external::NoKeys);
    let identity = Identity::new(store.clone(), &Auth::default(), Arc::new(Names::new(store.users.clone())), &keys);
    let day = Duration::from_secs(24 * 3600);
    let issue = async |lifetime| identity.issue(&user(), SessionId::new(), lifetime).await.unwrap();
    assert!(issue(None).await.1 < day);
    assert!(noted.1.lock().unwrap().iter().all(|ttl| *ttl < day), "it signs short ones alone");
    let (token, lifetime) = issue(Some(day)).await;
    assert_eq!((lifetime, noted.1.lock().unwrap().last().is_some_and(|ttl| *ttl > day)), (day, true));
    issue(Some(day)).await;
    issue(None).await;
    assert_eq!(noted.1.lock().unwrap().len(), 2, "no more than is needed");
    identity.republish_key().await.unwrap();
    assert!(noted.1.lock().unwrap().last().is_some_and(|ttl| *ttl > day), "also with the next beat");
    identity.verify(&token, Timestamp::now().after(day - Duration::from_secs(60))).await.unwrap();
    store.maintenance.close().await.unwrap();
}

#[tokio::test]
async fn made_up_keys_make_few_reads_and_keys_that_were_known_are_looked_up_all_the_same() {
    let (identity, store, _dir) = identity().await;
    let key = SigningKey::generate().unwrap();
    store.signing_keys.publish_key(key.public(), Duration::from_secs(60)).await.unwrap();
    assert!(identity.find_key(&key.public().kid).await.unwrap().is_some());
    let made_up = |n: u32| Kid::parse(&format!("{n:022}")).unwrap();
    let mut most = 0;
    while identity.find_key(&made_up(most)).await.is_ok() {
        most += 1;
        assert!(most < 1000, "a read for each");
    }
    assert!(most >= 49, "{most}");
    assert!(identity.find_key(&made_up(0)).await.unwrap().is_none(), "known to be nobody's");
    identity.known.invalidate(&key.public().kid).await;
    assert!(identity.find_key(&key.public().kid).await.unwrap().is_some());
    store.maintenance.close().await.unwrap();
}

#[test]
fn strangers_are_counted_by_the_second() {
    let (strangers, start) = (Strangers::default(), Instant::now());
    let asked = |at: u64| (0..100).filter(|_| strangers.may_ask(start + Duration::from_millis(at))).count();
    assert_eq!([asked(0), asked(999), asked(1000), asked(1500), asked(9000)], [50, 0, 50, 0, 50]);
}

#[tokio::test]
async fn a_ticket_is_good_once_and_for_thirty_seconds() {
    let (identity, store, _dir) = identity().await;
    let account = user();
    store.users.create_user(&account).await.unwrap();
    let viewer = identity.viewer(account.id, Login::Session(SessionId::new()), Some("a b".into())).await.unwrap();
    tokio::time::pause();
    let (one, two) = (identity.issue_ticket(&viewer).await.unwrap(), identity.issue_ticket(&viewer).await.unwrap());
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(identity.redeem(&one).await.unwrap(), viewer);
    assert!(identity.redeem(&one).await.is_err(), "used");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(identity.redeem(&two).await.is_err(), "late");
    tokio::time::resume();
    store.maintenance.close().await.unwrap();
}
