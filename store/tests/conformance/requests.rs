//! Asking somebody to be a contact, and what comes of it.

use shared::UserId;
use store::{Asked, BusEvent, Inbox, Most, Requests, Signal, Store, Topic, UserChangeBody};

use crate::{
    engine::Fixture,
    support::{at_once, fails, follow, signal, user_change},
};

const MOST: Most = Most { contacts: 9, requests: 9 };

async fn ask(store: &Store, who: UserId, whom: UserId) -> Asked {
    store.people.ask_contact(who, whom, MOST).await.unwrap()
}

/// Who is asked by this user, and who asks them.
async fn waiting(store: &Store, who: UserId) -> (Vec<UserId>, Vec<UserId>) {
    let Requests { outgoing, incoming } = store.people.requests(who).await.unwrap();
    (outgoing, incoming)
}

async fn contacts(store: &Store, who: UserId) -> Vec<UserId> {
    store.people.contacts(who).await.unwrap()
}

fn request(user: UserId, incoming: bool, pending: bool) -> UserChangeBody {
    UserChangeBody::Request { user, incoming, pending }
}

/// Nothing was told of before this.
async fn told_nothing(s: &Fixture, inbox: &mut Inbox, of: UserId) {
    let other = UserId::new();
    s.people.add_contact(of, other, 99).await.unwrap();
    assert_eq!(user_change(inbox).await, (of, UserChangeBody::Contact { user: other, added: true }));
    s.people.remove_contact(of, other).await.unwrap();
    user_change(inbox).await;
}

pub async fn a_request_waits_until_it_is_accepted(s: &Fixture) {
    let (ann, bob) = (UserId::new(), UserId::new());
    let far = s.elsewhere().await;
    let mut of_ann = follow(&far, &[Topic::User(ann)]).await;
    let mut of_bob = follow(&far, &[Topic::User(bob)]).await;
    let mut watching = follow(&far, &[Topic::Presence(ann), Topic::Presence(bob)]).await;
    assert_eq!(waiting(&s.store, ann).await, (vec![], vec![]));
    for _ in 0..2 {
        assert_eq!(ask(&s.store, ann, bob).await, Asked::Pending);
    }
    assert_eq!(waiting(&far, ann).await, (vec![bob], vec![]));
    assert_eq!(waiting(&far, bob).await, (vec![], vec![ann]));
    assert_eq!([contacts(&s.store, ann).await, contacts(&s.store, bob).await], [vec![], vec![]]);
    assert_eq!(user_change(&mut of_ann).await, (ann, request(bob, false, true)));
    assert_eq!(user_change(&mut of_bob).await, (bob, request(ann, true, true)));

    for _ in 0..2 {
        assert_eq!(ask(&far, bob, ann).await, Asked::Contact);
    }
    assert_eq!(ask(&far, ann, bob).await, Asked::Contact);
    assert_eq!([contacts(&s.store, ann).await, contacts(&s.store, bob).await], [vec![bob], vec![ann]]);
    for who in [ann, bob] {
        assert_eq!(waiting(&s.store, who).await, (vec![], vec![]));
    }
    let contact = |user| UserChangeBody::Contact { user, added: true };
    assert_eq!(user_change(&mut of_ann).await, (ann, contact(bob)), "once, though it was asked twice");
    assert_eq!(user_change(&mut of_bob).await, (bob, contact(ann)));
    let mut changed = Vec::new();
    while changed.len() < 2 {
        match signal(&mut watching).await {
            Signal::Event(BusEvent::AccessChanged { user, watcher: Some(watcher) }) => changed.push((user, watcher)),
            other => panic!("{other:?}"),
        }
    }
    changed.sort();
    let mut expected = [(ann, bob), (bob, ann)];
    expected.sort();
    assert_eq!(changed, expected);
    told_nothing(s, &mut of_ann, ann).await;
    told_nothing(s, &mut of_bob, bob).await;
}

pub async fn a_request_that_is_taken_back_or_declined_waits_no_more(s: &Fixture) {
    let (ann, bob, carol) = (UserId::new(), UserId::new(), UserId::new());
    let mut of_ann = follow(&s.store, &[Topic::User(ann)]).await;
    let mut of_bob = follow(&s.store, &[Topic::User(bob)]).await;
    ask(&s.store, carol, bob).await;
    user_change(&mut of_bob).await;
    for (who, whom) in [(ann, bob), (bob, ann)] {
        ask(&s.store, ann, bob).await;
        user_change(&mut of_ann).await;
        user_change(&mut of_bob).await;
        for _ in 0..2 {
            s.people.drop_requests(who, whom).await.unwrap();
        }
        assert_eq!(user_change(&mut of_ann).await, (ann, request(bob, false, false)));
        assert_eq!(user_change(&mut of_bob).await, (bob, request(ann, true, false)));
        assert_eq!(waiting(&s.store, ann).await, (vec![], vec![]));
        assert_eq!(waiting(&s.store, bob).await, (vec![], vec![carol]));
    }
    assert_eq!(ask(&s.store, bob, ann).await, Asked::Pending, "there is nothing to accept");
}

pub async fn who_has_one_in_their_contacts_need_not_be_asked(s: &Fixture) {
    let (ann, bob) = (UserId::new(), UserId::new());
    s.people.add_contact(bob, ann, 9).await.unwrap();
    assert_eq!(ask(&s.store, ann, bob).await, Asked::Contact);
    assert_eq!([contacts(&s.store, ann).await, contacts(&s.store, bob).await], [vec![bob], vec![ann]]);
    s.people.remove_contact(bob, ann).await.unwrap();
    assert_eq!(ask(&s.store, ann, bob).await, Asked::Contact, "she has him still");
    assert_eq!(contacts(&s.store, bob).await, [], "and it does not bring her back to him");
    for who in [ann, bob] {
        assert_eq!(waiting(&s.store, who).await, (vec![], vec![]));
    }
}

pub async fn who_is_blocked_waits_for_ever_and_is_not_seen(s: &Fixture) {
    let (ann, bob) = (UserId::new(), UserId::new());
    s.people.block(bob, ann, 9).await.unwrap();
    let mut of_bob = follow(&s.store, &[Topic::User(bob)]).await;
    for _ in 0..2 {
        assert_eq!(ask(&s.store, ann, bob).await, Asked::Pending);
    }
    s.people.drop_requests(bob, ann).await.unwrap();
    assert_eq!(waiting(&s.store, ann).await, (vec![bob], vec![]));
    assert_eq!(waiting(&s.store, bob).await, (vec![], vec![]));
    fails!(s.people.ask_contact(bob, ann, MOST).await, Blocked);
    told_nothing(s, &mut of_bob, bob).await;
    s.people.unblock(bob, ann).await.unwrap();
    assert_eq!(waiting(&s.store, bob).await, (vec![], vec![]));
    assert_eq!(ask(&s.store, bob, ann).await, Asked::Contact, "each has asked the other");
    assert_eq!([contacts(&s.store, ann).await, contacts(&s.store, bob).await], [vec![bob], vec![ann]]);
}

pub async fn a_block_ends_what_waits_between_the_two(s: &Fixture) {
    let (ann, bob) = (UserId::new(), UserId::new());
    ask(&s.store, ann, bob).await;
    s.people.block(bob, ann, 9).await.unwrap();
    assert_eq!(waiting(&s.store, bob).await, (vec![], vec![]));
    assert_eq!(waiting(&s.store, ann).await, (vec![bob], vec![]), "she does not learn of it");
    s.people.unblock(bob, ann).await.unwrap();
    s.people.drop_requests(bob, ann).await.unwrap();
    assert_eq!(waiting(&s.store, ann).await, (vec![], vec![]));

    ask(&s.store, bob, ann).await;
    s.people.block(bob, ann, 9).await.unwrap();
    assert_eq!(waiting(&s.store, bob).await, (vec![], vec![]), "what he asked for is taken back");
    assert_eq!(waiting(&s.store, ann).await, (vec![], vec![]));
}

pub async fn requests_are_bounded(s: &Fixture) {
    let (ann, bob, carol) = (UserId::new(), UserId::new(), UserId::new());
    let most = |contacts, requests| Most { contacts, requests };
    s.people.add_contact(ann, carol, 9).await.unwrap();
    fails!(s.people.ask_contact(ann, bob, most(1, 9)).await, TooManyPeople);
    s.people.ask_contact(ann, bob, most(2, 1)).await.unwrap();
    s.people.ask_contact(ann, bob, most(2, 1)).await.unwrap();
    fails!(s.people.ask_contact(ann, UserId::new(), most(2, 9)).await, TooManyPeople);
    fails!(s.people.ask_contact(ann, UserId::new(), most(9, 1)).await, TooManyPeople);
    assert_eq!(waiting(&s.store, ann).await, (vec![bob], vec![]));

    fails!(s.people.ask_contact(carol, bob, most(9, 1)).await, TooManyPeople);
    assert_eq!(waiting(&s.store, carol).await, (vec![], vec![]), "his list is full");
    assert_eq!(waiting(&s.store, bob).await, (vec![], vec![ann]));
    fails!(s.people.ask_contact(bob, ann, most(0, 9)).await, TooManyPeople);
    assert_eq!(waiting(&s.store, bob).await, (vec![], vec![ann]), "it can be accepted when there is place");
    // The place was kept for it.
    assert_eq!(s.people.ask_contact(bob, ann, most(1, 9)).await.unwrap(), Asked::Contact);
    assert_eq!(contacts(&s.store, ann).await.len(), 2);

    let asked = at_once((0..12).map(|_| {
        let people = s.people.clone();
        async move { people.ask_contact(carol, UserId::new(), Most { contacts: 9, requests: 5 }).await }
    }))
    .await;
    assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 5, "{asked:?}");
    assert_eq!(waiting(&s.store, carol).await.0.len(), 5);
}

pub async fn two_who_ask_each_other_at_once_are_contacts(s: &Fixture) {
    let far = s.elsewhere().await;
    for _ in 0..20 {
        let (ann, bob) = (UserId::new(), UserId::new());
        let asking = [(s.store.clone(), ann, bob), (far.clone(), bob, ann)];
        at_once(asking.map(|(store, who, whom)| async move { ask(&store, who, whom).await })).await;
        assert_eq!([contacts(&s.store, ann).await, contacts(&s.store, bob).await], [vec![bob], vec![ann]]);
        for who in [ann, bob] {
            assert_eq!(waiting(&s.store, who).await, (vec![], vec![]));
        }
    }
}

pub async fn asking_and_declining_at_once_leave_both_lists_agreeing(s: &Fixture) {
    let far = s.elsewhere().await;
    for _ in 0..20 {
        let (ann, bob) = (UserId::new(), UserId::new());
        at_once((0..9).map(|n| {
            let store = if n % 2 == 0 { s.store.clone() } else { far.clone() };
            async move {
                match n % 3 {
                    0 => drop(ask(&store, ann, bob).await),
                    1 => store.people.drop_requests(bob, ann).await.unwrap(),
                    _ => store.people.drop_requests(ann, bob).await.unwrap(),
                }
            }
        }))
        .await;
        let (of_ann, of_bob) = (waiting(&s.store, ann).await, waiting(&s.store, bob).await);
        assert_eq!((of_ann.0.len(), of_ann.1.len()), (of_bob.1.len(), of_bob.0.len()), "{of_ann:?} {of_bob:?}");
    }
}
