//! The lists of people a user keeps, and who is told when they change.

use shared::UserId;
use store::{BusEvent, Inbox, Relation, Signal, Topic};

use crate::{
    engine::Fixture,
    support::{at_once, fails, follow, signal},
};

/// Who is asked about by the next event on somebody's presence topic.
async fn access(inbox: &mut Inbox) -> (UserId, UserId) {
    match signal(inbox).await {
        Signal::Event(BusEvent::AccessChanged { user, watcher }) => (user, watcher),
        other => panic!("expected a change of access, got {other:?}"),
    }
}

fn ids(count: usize) -> Vec<UserId> {
    let mut ids: Vec<UserId> = (0..count).map(|_| UserId::new()).collect();
    ids.sort();
    ids
}

pub async fn contacts_are_one_way_and_in_order_of_id(s: &Fixture) {
    let mut ids = ids(6);
    let owner = ids.remove(2);
    assert_eq!(s.people.contacts(owner).await.unwrap(), []);
    for i in [3, 0, 4, 1, 0, 2] {
        s.people.add_contact(owner, ids[i], 9).await.unwrap();
    }
    assert_eq!(s.people.contacts(owner).await.unwrap(), ids);
    assert_eq!(s.people.contacts(ids[0]).await.unwrap(), []);
    s.people.remove_contact(owner, ids[1]).await.unwrap();
    s.people.remove_contact(owner, ids[1]).await.unwrap();
    ids.remove(1);
    assert_eq!(s.people.contacts(owner).await.unwrap(), ids);
}

pub async fn a_list_of_people_is_bounded(s: &Fixture) {
    let (owner, others) = (UserId::new(), ids(20));
    let added = at_once(others.iter().copied().map(|other| {
        let people = s.people.clone();
        async move { people.add_contact(owner, other, 5).await }
    }))
    .await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 5, "{added:?}");
    let contacts = s.people.contacts(owner).await.unwrap();
    assert_eq!(contacts.len(), 5);
    let other = *others.iter().find(|other| !contacts.contains(other)).unwrap();
    fails!(s.people.add_contact(owner, other, 5).await, TooManyPeople);
    s.people.add_contact(owner, contacts[0], 5).await.unwrap();
    s.people.remove_contact(owner, contacts[0]).await.unwrap();
    s.people.add_contact(owner, other, 5).await.unwrap();
    assert_eq!(s.people.contacts(owner).await.unwrap().len(), 5);
}

pub async fn who_watches_is_told_that_access_changed_and_only_where_it_did(s: &Fixture) {
    let (owner, other, last) = (UserId::new(), UserId::new(), UserId::new());
    let far = s.elsewhere().await;
    let mut watching = follow(&far, &[Topic::Presence(owner)]).await;
    s.people.remove_contact(owner, other).await.unwrap();
    s.people.add_contact(owner, other, 9).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, other));
    s.people.add_contact(owner, other, 9).await.unwrap();
    s.people.add_contact(other, owner, 9).await.unwrap();
    s.people.remove_contact(owner, other).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, other));
    s.people.add_contact(owner, last, 9).await.unwrap();
    assert_eq!(access(&mut watching).await, (owner, last), "what changes nothing is not told");
}

pub async fn how_others_stand_to_a_viewer_is_told_in_order(s: &Fixture) {
    let (viewer, others) = (UserId::new(), ids(3));
    s.people.add_contact(others[1], viewer, 9).await.unwrap();
    s.people.add_contact(viewer, others[2], 9).await.unwrap();
    let asked = [others[2], others[1], others[0], others[1]];
    let has_me = Relation { has_me: true, blocks_me: false };
    let expected = [Relation::default(), has_me, Relation::default(), has_me];
    assert_eq!(s.people.relations(viewer, &asked).await.unwrap(), expected);
    assert_eq!(s.people.relations(viewer, &asked[1..2]).await.unwrap(), [has_me]);
    assert_eq!(s.people.relations(viewer, &[]).await.unwrap(), []);
}
