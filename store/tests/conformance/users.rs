//! Accounts: what is unique, what is found, what a failed signup leaves (nothing).

use shared::{SessionId, Timestamp, UserId};
use store::{BusEvent, ProfilePatch, SessionRecord, Signal, StoreError, Topic, UserEvent, UserRecord};

use crate::{
    engine::Fixture,
    support::{account, at_once, fails, follow, signal},
};

fn with_email(name: &str, email: &str) -> UserRecord {
    UserRecord { email: Some(email.into()), ..account(name) }
}

pub async fn an_account_is_kept_as_it_was_given(s: &Fixture) {
    let full = UserRecord {
        email_verified: true,
        avatar_url: Some("https://a/é.png".into()),
        bio: Some("line\nline \0 \"quoted\" {u:1}".into()),
        created_at: Timestamp::from_millis(1_760_000_000_123),
        ..with_email("Alice.B-c_9", "Alice@Example.org")
    };
    let guest = UserRecord { guest: true, password_hash: None, ..account("guest-1") };
    s.users.create_user(&full).await.unwrap();
    s.users.create_user(&guest).await.unwrap();
    assert_eq!(s.users.user(full.id).await.unwrap(), Some(full.clone()));
    assert_eq!(s.users.user(guest.id).await.unwrap(), Some(guest.clone()));
    assert_eq!(s.users.user(UserId::new()).await.unwrap(), None);
    assert_eq!(s.users.count_users().await.unwrap(), 2);
    let ids = [guest.id, UserId::new(), full.id, guest.id];
    let expected = [Some(guest.clone()), None, Some(full), Some(guest)];
    assert_eq!(s.users.users(&ids).await.unwrap(), expected);
    assert_eq!(s.users.users(&[]).await.unwrap(), []);
}

pub async fn a_name_and_an_address_are_taken_in_any_case(s: &Fixture) {
    let first = with_email("Alice", "Alice@Example.org");
    s.users.create_user(&first).await.unwrap();
    fails!(s.users.create_user(&with_email("aLICE", "other@example.org")).await, UsernameTaken);
    fails!(s.users.create_user(&with_email("bob", "ALICE@example.ORG")).await, EmailTaken);
    for name in ["Alice", "alice", "ALICE"] {
        assert_eq!(s.users.user_id_by_name(name).await.unwrap(), Some(first.id));
    }
    for email in ["alice@example.org", "ALICE@EXAMPLE.ORG"] {
        assert_eq!(s.users.user_id_by_email(email).await.unwrap(), Some(first.id));
    }
    assert_eq!(s.users.user_id_by_name("alic").await.unwrap(), None);
    assert_eq!(s.users.user_id_by_email("alice").await.unwrap(), None);
}

pub async fn case_is_that_of_ascii_alone(s: &Fixture) {
    let (upper, lower) = (with_email("x1", "É@x.org"), with_email("x2", "é@x.org"));
    s.users.create_user(&upper).await.unwrap();
    s.users.create_user(&lower).await.unwrap();
    assert_eq!(s.users.user_id_by_email("É@X.org").await.unwrap(), Some(upper.id));
    assert_eq!(s.users.user_id_by_email("é@x.ORG").await.unwrap(), Some(lower.id));
}

pub async fn a_refused_signup_leaves_nothing_behind(s: &Fixture) {
    s.users.create_user(&with_email("alice", "alice@x.org")).await.unwrap();
    let by_name = with_email("ALICE", "free@x.org");
    let by_email = with_email("free", "ALICE@x.org");
    fails!(s.users.create_user(&by_name).await, UsernameTaken);
    fails!(s.users.create_user(&by_email).await, EmailTaken);
    assert_eq!(s.users.users(&[by_name.id, by_email.id]).await.unwrap(), [None, None]);
    assert_eq!(s.users.user_id_by_email("free@x.org").await.unwrap(), None);
    assert_eq!(s.users.user_id_by_name("free").await.unwrap(), None);
    assert_eq!(s.users.search_users("", None, 10).await.unwrap().len(), 1);
    assert_eq!(s.users.count_users().await.unwrap(), 1);
    s.users.create_user(&with_email("free", "free@x.org")).await.unwrap();
}

pub async fn of_many_signups_of_one_name_at_once_exactly_one_wins(s: &Fixture) {
    let records: Vec<_> = (0..32).map(|i| with_email(["alice", "ALICE"][i % 2], &format!("a{i}@x.org"))).collect();
    let results = at_once(records.clone().into_iter().map(|record| {
        let users = s.users.clone();
        async move { users.create_user(&record).await }
    }))
    .await;
    let winners: Vec<_> = (0..32).filter(|i| results[*i].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    for (i, result) in results.into_iter().enumerate() {
        let record = &records[i];
        let won = winners.contains(&i);
        assert!(won || matches!(result, Err(StoreError::UsernameTaken)), "{result:?}");
        assert_eq!(s.users.user(record.id).await.unwrap().is_some(), won);
        let by_email = s.users.user_id_by_email(record.email.as_deref().unwrap()).await.unwrap();
        assert_eq!(by_email, won.then_some(record.id));
        if !won {
            s.users.create_user(&with_email(&format!("b{i}"), record.email.as_deref().unwrap())).await.unwrap();
        }
    }
    assert_eq!(s.users.user_id_by_name("Alice").await.unwrap(), Some(records[winners[0]].id));
    assert_eq!(s.users.count_users().await.unwrap(), 32);
}

pub async fn of_many_signups_of_one_address_at_once_exactly_one_wins(s: &Fixture) {
    let records: Vec<_> = (0..32).map(|i| with_email(&format!("user{i}"), ["a@x.org", "A@X.ORG"][i % 2])).collect();
    let results = at_once(records.clone().into_iter().map(|record| {
        let users = s.users.clone();
        async move { users.create_user(&record).await }
    }))
    .await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
    for (record, result) in records.iter().zip(&results) {
        assert!(matches!(result, Ok(()) | Err(StoreError::EmailTaken)), "{result:?}");
        let by_name = s.users.user_id_by_name(&record.username).await.unwrap();
        assert_eq!(by_name, result.is_ok().then_some(record.id));
    }
    assert_eq!(s.users.search_users("user", None, 100).await.unwrap().len(), 1);
}

pub async fn a_user_of_another_product_is_made_once(s: &Fixture) {
    let record = |n: usize| UserRecord { password_hash: None, ..with_email("ann", &format!("a{n}@x.org")) };
    assert_eq!(s.users.user_id_by_external(&[1; 32]).await.unwrap(), None);
    let elsewhere = s.elsewhere().await;
    let made = at_once((0..20).map(|n| {
        let users = if n % 2 == 0 { s.users.clone() } else { elsewhere.users.clone() };
        async move { users.provision_user(&record(n), &[1; 32]).await.unwrap() }
    }))
    .await;
    assert!(made.iter().all(|id| *id == made[0]), "{made:?}");
    assert_eq!(s.users.user_id_by_external(&[1; 32]).await.unwrap(), Some(made[0]));
    let ann = s.users.user(made[0]).await.unwrap().unwrap();
    assert_eq!(
        (s.users.user_id_by_name("ann").await.unwrap(), s.users.count_users().await.unwrap()),
        (Some(ann.id), 1)
    );
    for n in 0..20 {
        let owner = s.users.user_id_by_email(&format!("a{n}@x.org")).await.unwrap();
        assert_eq!(owner.is_some(), ann.email == Some(format!("a{n}@x.org")), "of one alone something is left");
    }
    assert_eq!(s.users.provision_user(&account("late"), &[1; 32]).await.unwrap(), ann.id);
    assert_eq!(s.users.user_id_by_name("late").await.unwrap(), None);
}

pub async fn a_user_of_another_product_whose_name_is_taken_is_not_made(s: &Fixture) {
    let there = with_email("ann", "ann@x.org");
    s.users.create_user(&there).await.unwrap();
    fails!(s.users.provision_user(&account("ANN"), &[1; 32]).await, UsernameTaken);
    fails!(s.users.provision_user(&with_email("bob", "ANN@x.org"), &[1; 32]).await, EmailTaken);
    assert_eq!(s.users.user_id_by_external(&[1; 32]).await.unwrap(), None);
    assert_eq!((s.users.user_id_by_name("bob").await.unwrap(), s.users.count_users().await.unwrap()), (None, 1));
    let bob = account("bob");
    assert_eq!(s.users.provision_user(&bob, &[1; 32]).await.unwrap(), bob.id);
    assert!(s.users.provision_user(&account("cat"), &[2; 32]).await.is_ok(), "another is another");
    assert_eq!(s.users.user(bob.id).await.unwrap(), Some(bob));
}

pub async fn a_patch_changes_what_it_names_and_no_more(s: &Fixture) {
    let alice = UserRecord { bio: Some("old".into()), ..with_email("alice", "a@x.org") };
    s.users.create_user(&alice).await.unwrap();
    assert_eq!(s.users.update_profile(alice.id, &ProfilePatch::default()).await.unwrap(), alice);
    let patch = ProfilePatch { display_name: Some("A".into()), bio: None };
    let renamed = UserRecord { display_name: "A".into(), ..alice.clone() };
    assert_eq!(s.users.update_profile(alice.id, &patch).await.unwrap(), renamed);
    let patch = ProfilePatch { display_name: None, bio: Some(Some("new".into())) };
    assert_eq!(s.users.update_profile(alice.id, &patch).await.unwrap().bio.as_deref(), Some("new"));
    let patch = ProfilePatch { display_name: None, bio: Some(None) };
    let cleared = UserRecord { bio: None, ..renamed };
    assert_eq!(s.users.update_profile(alice.id, &patch).await.unwrap(), cleared);
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(cleared));
    let nobody = UserId::new();
    fails!(s.users.update_profile(nobody, &patch).await, UserNotFound);
    assert_eq!(s.users.user(nobody).await.unwrap(), None);
}

pub async fn a_password_is_changed_by_who_knows_the_old_hash_and_all_other_sessions_end(s: &Fixture) {
    let alice = UserRecord { password_hash: Some("old".into()), ..account("alice") };
    s.users.create_user(&alice).await.unwrap();
    let now = Timestamp::now();
    let sessions: Vec<SessionRecord> = (0..3)
        .map(|_| SessionRecord {
            id: SessionId::new(),
            user: alice.id,
            refresh_hash: [1; 32],
            family_hash: [9; 32],
            replaced: None,
            created_at: now,
            used_at: now,
            expires_at: now.after(std::time::Duration::from_secs(60)),
            agent: None,
            address: None,
        })
        .collect();
    for session in &sessions {
        s.sessions.create_session(session, 9, None).await.unwrap();
    }
    let mut inbox = follow(s, &[Topic::User(alice.id)]).await;
    let keep = sessions[1].id;
    let change = async |old: &str, next: &str| s.users.change_password(alice.id, old, next, keep).await.unwrap();
    assert_eq!(change("wrong", "new").await, None);
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(alice.clone()));
    assert_eq!(s.sessions.sessions(alice.id).await.unwrap().len(), 3);

    let mut expected = [sessions[0].id, sessions[2].id];
    expected.sort_unstable_by_key(|id| *id.as_bytes());
    let mut ended = change("old", "new").await.unwrap();
    ended.sort_unstable_by_key(|id| *id.as_bytes());
    assert_eq!(ended, expected);
    let mut told = Vec::new();
    while told.len() < 2 {
        match signal(&mut inbox).await {
            Signal::Event(BusEvent::User(user, event)) if user == alice.id => match *event {
                UserEvent::SessionEnded(session) => told.push(session),
                UserEvent::Change(_) | UserEvent::AccountClosed => panic!("{event:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    told.sort_unstable_by_key(|id| *id.as_bytes());
    assert_eq!(told, expected);
    let changed = UserRecord { password_hash: Some("new".into()), ..alice.clone() };
    assert_eq!(s.users.user(alice.id).await.unwrap(), Some(changed));
    assert_eq!(s.sessions.sessions(alice.id).await.unwrap(), [sessions[1].clone()]);
    assert_eq!(change("old", "newer").await, None);

    let raced = at_once((0..8).map(|n| {
        let users = s.users.clone();
        async move { users.change_password(alice.id, "new", &n.to_string(), keep).await.unwrap() }
    }))
    .await;
    assert_eq!(raced.iter().flatten().count(), 1, "{raced:?}");
    fails!(s.users.change_password(UserId::new(), "old", "new", keep).await, UserNotFound);
    let guest = UserRecord { password_hash: None, guest: true, ..account("guest") };
    s.users.create_user(&guest).await.unwrap();
    assert_eq!(s.users.change_password(guest.id, "", "new", keep).await.unwrap(), None);
}

pub async fn patches_of_two_fields_at_once_both_stay(s: &Fixture) {
    let alice = account("alice");
    s.users.create_user(&alice).await.unwrap();
    for round in 0..10 {
        let patches = [
            ProfilePatch { display_name: Some(format!("name {round}")), bio: None },
            ProfilePatch { display_name: None, bio: Some(Some(format!("bio {round}"))) },
        ];
        at_once(patches.map(|patch| {
            let users = s.users.clone();
            async move { users.update_profile(alice.id, &patch).await.unwrap() }
        }))
        .await;
        let now = s.users.user(alice.id).await.unwrap().unwrap();
        assert_eq!((now.display_name, now.bio), (format!("name {round}"), Some(format!("bio {round}"))));
    }
}

pub async fn search_goes_by_the_bytes_of_the_folded_name(s: &Fixture) {
    let names = ["ann", "Ann-b", "ann.c", "ANNA", "anne", "ann_d", "ann0", "bob", "am", "ao", "a"];
    for name in names {
        s.users.create_user(&account(name)).await.unwrap();
    }
    s.users.create_user(&UserRecord { guest: true, ..account("annguest") }).await.unwrap();
    let found = async |prefix: &str, after: Option<&str>, limit| {
        let ids = s.users.search_users(prefix, after, limit).await.unwrap();
        let users = s.users.users(&ids).await.unwrap();
        users.into_iter().map(|u| u.unwrap().username).collect::<Vec<_>>()
    };
    assert_eq!(found("ann", None, 50).await, ["ann", "Ann-b", "ann.c", "ann0", "ann_d", "ANNA", "anne"]);
    assert_eq!(found("ANN", None, 3).await, ["ann", "Ann-b", "ann.c"]);
    assert_eq!(found("ann", Some("ann.c"), 2).await, ["ann0", "ann_d"]);
    assert_eq!(found("ann", Some("ann.bb"), 1).await, ["ann.c"], "after a name nobody has");
    assert_eq!(found("ann", Some("a"), 1).await, ["ann"], "after one before the prefix");
    assert_eq!(found("ann", Some("anne"), 9).await, [""; 0]);
    assert_eq!(found("ann", Some("b"), 9).await, [""; 0], "after one behind the prefix");
    assert_eq!(found("ann_", None, 9).await, ["ann_d"]);
    assert_eq!(found("annb", None, 9).await, [""; 0]);
    assert_eq!(found("", None, 3).await, ["a", "am", "ann"]);
    for odd in ["*", "a*", "[", "ann\u{ff}", "ann\0"] {
        assert_eq!(found(odd, None, 9).await, [""; 0], "{odd:?}");
    }
}

pub async fn an_avatar_takes_the_place_of_the_one_before(s: &Fixture) {
    let alice = account("alice");
    s.users.create_user(&alice).await.unwrap();
    assert_eq!(s.users.set_avatar(alice.id, Some("/a")).await.unwrap(), None);
    assert_eq!(s.users.set_avatar(alice.id, Some("/b")).await.unwrap().as_deref(), Some("/a"));
    assert_eq!(s.users.user(alice.id).await.unwrap().unwrap().avatar_url.as_deref(), Some("/b"));
    assert_eq!(s.users.set_avatar(alice.id, None).await.unwrap().as_deref(), Some("/b"));
    assert_eq!(s.users.user(alice.id).await.unwrap().unwrap(), alice);
    fails!(s.users.set_avatar(UserId::new(), None).await, UserNotFound);
}
