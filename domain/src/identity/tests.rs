//! Tests of whose tokens are taken, and for how long.

use shared::settings;

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
    let (token, lifetime) = identity.issue(&ann, session).await.unwrap();
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
    let (token, _) = identity.issue(&user(), SessionId::new()).await.unwrap();
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
    let (token, lifetime) = identity.issue(&user(), SessionId::new()).await.unwrap();
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
