//! Where devices are pushed to.

use futures_util::future::join_all;
use shared::{SessionId, Timestamp, UserId};
use store::{PushKind, PushSubscription, WebPushKeys};

use crate::engine::Fixture;

fn subscription(kind: PushKind, endpoint: &str) -> PushSubscription {
    PushSubscription {
        kind,
        endpoint: endpoint.into(),
        keys: None,
        secret: None,
        session: None,
        created_at: Timestamp::from_millis(1_790_000_000_000),
    }
}

fn sorted(mut all: Vec<PushSubscription>) -> Vec<PushSubscription> {
    all.sort_by_key(PushSubscription::id);
    all
}

pub async fn a_subscription_is_kept_once_as_it_was_given(s: &Fixture) {
    let (user, other) = (UserId::new(), UserId::new());
    let full = PushSubscription {
        keys: Some(WebPushKeys { p256dh: "p".into(), auth: "a".into() }),
        secret: Some("whsec_é".into()),
        session: Some(SessionId::new()),
        ..subscription(PushKind::WebPush, "https://a.example/é?x=1")
    };
    let bare = subscription(PushKind::Webhook, "https://a.example/é?x=1");
    assert_eq!(s.push.subscriptions(user).await.unwrap(), []);
    for one in [&full, &bare, &full] {
        assert!(s.push.put_subscription(user, one, 9).await.unwrap());
    }
    assert!(s.push.put_subscription(other, &subscription(PushKind::Webhook, "https://b.example/"), 9).await.unwrap());
    assert_eq!(s.push.subscriptions(user).await.unwrap(), sorted(vec![full.clone(), bare.clone()]));
    let changed = PushSubscription { session: None, ..full };
    assert!(s.push.put_subscription(user, &changed, 9).await.unwrap());
    assert_eq!(s.push.subscriptions(user).await.unwrap(), sorted(vec![changed.clone(), bare.clone()]), "replaced");
    assert!(s.push.remove_subscription(user, &changed.id()).await.unwrap());
    assert!(!s.push.remove_subscription(user, &changed.id()).await.unwrap());
    assert_eq!(s.push.subscriptions(user).await.unwrap(), [bare]);
}

pub async fn subscriptions_of_a_user_are_bounded(s: &Fixture) {
    let user = UserId::new();
    let all: Vec<_> = (0..8).map(|n| subscription(PushKind::WebPush, &format!("https://a.example/{n}"))).collect();
    let kept = join_all(all.iter().map(|one| s.push.put_subscription(user, one, 3))).await;
    assert_eq!(kept.into_iter().filter(|kept| *kept.as_ref().unwrap()).count(), 3);
    let there = s.push.subscriptions(user).await.unwrap();
    assert_eq!(there.len(), 3);
    assert!(s.push.put_subscription(user, &there[0], 3).await.unwrap(), "one of them, again");
    s.push.remove_subscription(user, &there[0].id()).await.unwrap();
    assert!(s.push.put_subscription(user, &there[0], 3).await.unwrap(), "there is a place again");
}

pub async fn an_endpoint_is_one_users(s: &Fixture) {
    let (alice, bob) = (UserId::new(), UserId::new());
    let shared = subscription(PushKind::WebPush, "https://a.example/device");
    for user in [alice, bob] {
        assert!(s.push.put_subscription(user, &shared, 9).await.unwrap());
    }
    assert_eq!(s.push.subscriptions(alice).await.unwrap(), []);
    assert_eq!(s.push.subscriptions(bob).await.unwrap(), std::slice::from_ref(&shared));
    // Who has it no more takes it from nobody.
    s.push.remove_subscription(alice, &shared.id()).await.unwrap();
    assert_eq!(s.push.subscriptions(bob).await.unwrap(), std::slice::from_ref(&shared));
    assert!(s.push.put_subscription(alice, &shared, 9).await.unwrap());
    assert_eq!(s.push.subscriptions(bob).await.unwrap(), []);
}

pub async fn the_key_for_pushes_is_made_once(s: &Fixture) {
    let candidates: Vec<Vec<u8>> = (0..8).map(|n| vec![0, 255, n]).collect();
    let got = join_all(candidates.iter().map(|candidate| s.push.push_key(candidate))).await;
    let first = got[0].as_ref().unwrap().clone();
    assert!(candidates.contains(&first));
    assert!(got.into_iter().all(|one| one.unwrap() == first));
    assert_eq!(s.push.push_key(b"later").await.unwrap(), first);
}
