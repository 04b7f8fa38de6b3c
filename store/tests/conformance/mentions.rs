//! Mentions: which of the unread messages name a member, or everybody.

use store::{Actor, Edit, Mentions, NewMessage};

use crate::{
    engine::Fixture,
    support::{
        actor, counts, edit, head, id, join, mentions_of, message, naming, room_event, room_of, send, send_numbers,
        text,
    },
};

fn to_all(room: shared::RoomId, author: &Actor, also: &[&Actor]) -> NewMessage {
    NewMessage { mentions: Mentions { all: true, ..mentions_of(also) }, ..text(room, author, "@all") }
}

pub async fn a_mention_counts_until_it_is_read(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = room_of(&s.store, &[&alice, &bob, &carol]).await;
    s.log.append(&naming(room, &alice, "@bob", &[&bob])).await.unwrap();
    send(&s.store, room, &alice, "nobody").await;
    s.log.append(&naming(room, &carol, "@bob @alice", &[&bob, &alice])).await.unwrap();
    assert_eq!(message(&s.store, room, 3).await.mentions, mentions_of(&[&bob, &alice]));
    assert_eq!(counts(&s.store, room, &bob).await, (3, 2));
    assert_eq!(counts(&s.store, room, &alice).await, (1, 1));
    assert_eq!(counts(&s.store, room, &carol).await, (0, 0));
    s.log.mark_delivered(room, bob.id, 3).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (3, 2), "delivered is not read");
    for (mark, left) in [(1, (2, 1)), (2, (1, 1)), (3, (0, 0)), (1, (0, 0))] {
        s.log.mark_read(room, bob.id, mark).await.unwrap();
        assert_eq!(counts(&s.store, room, &bob).await, left, "read up to {mark}");
    }
    assert_eq!(counts(&s.store, room, &alice).await, (1, 1), "one's reading is not another's");
}

pub async fn own_messages_are_neither_unread_nor_mentions(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    s.log.append(&naming(room, &bob, "@alice", &[&alice])).await.unwrap();
    s.log.append(&naming(room, &alice, "@alice", &[&alice])).await.unwrap();
    s.log.append(&to_all(room, &alice, &[])).await.unwrap();
    assert_eq!(counts(&s.store, room, &alice).await, (0, 0), "sending reads the room");
    assert_eq!(counts(&s.store, room, &bob).await, (2, 1));
    let again = Edit { mentions: mentions_of(&[&alice]), ..edit(id(room, 2), &alice, "@alice again") };
    s.log.edit_message(&again).await.unwrap();
    assert_eq!(counts(&s.store, room, &alice).await, (0, 0));
}

pub async fn everybody_and_a_name_in_one_message_count_once(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = room_of(&s.store, &[&alice, &bob, &carol]).await;
    s.log.append(&to_all(room, &alice, &[&bob])).await.unwrap();
    s.log.append(&naming(room, &alice, "@bob", &[&bob])).await.unwrap();
    s.log.append(&to_all(room, &alice, &[])).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (3, 3));
    assert_eq!(counts(&s.store, room, &carol).await, (3, 2));
    let kept = message(&s.store, room, 1).await.mentions;
    assert_eq!(kept, Mentions { users: vec![bob.id], all: true });
    s.log.mark_read(room, bob.id, 1).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (2, 2));
    s.log.delete_message(id(room, 1), &alice, None).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (2, 2), "of what was read nothing is taken away");
    assert_eq!(counts(&s.store, room, &carol).await, (2, 1));
}

pub async fn a_deleted_mention_does_not_count(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    s.log.append(&naming(room, &alice, "@bob", &[&bob])).await.unwrap();
    s.log.append(&to_all(room, &alice, &[])).await.unwrap();
    s.log.append(&naming(room, &alice, "@bob", &[&bob])).await.unwrap();
    for (seq, left) in [(1, (2, 2)), (2, (1, 1)), (3, (0, 0))] {
        s.log.delete_message(id(room, seq), &alice, None).await.unwrap();
        assert_eq!(counts(&s.store, room, &bob).await, left, "deleted up to {seq}");
        assert_eq!(message(&s.store, room, seq).await.mentions, Mentions::default());
    }
}

pub async fn an_edit_that_adds_a_name_counts_only_while_unread(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = room_of(&s.store, &[&alice, &bob, &carol]).await;
    send_numbers(&s.store, room, &alice, 3).await;
    s.log.mark_read(room, bob.id, 2).await.unwrap();
    let mut edited = 0;
    let mut mention = async |seq, mentions: Mentions| {
        edited += 1;
        let content = format!("edit {edited}");
        let edit = Edit { mentions: mentions.clone(), ..edit(id(room, seq), &alice, &content) };
        assert_eq!(s.log.edit_message(&edit).await.unwrap().mentions, mentions);
    };
    mention(1, mentions_of(&[&bob, &carol])).await;
    assert_eq!(counts(&s.store, room, &bob).await, (1, 0), "he has read it");
    assert_eq!(counts(&s.store, room, &carol).await, (3, 1));
    mention(3, mentions_of(&[&bob])).await;
    assert_eq!(counts(&s.store, room, &bob).await, (1, 1));
    mention(3, mentions_of(&[&carol])).await;
    assert_eq!(counts(&s.store, room, &bob).await, (1, 0), "who is no longer named is not mentioned");
    assert_eq!(counts(&s.store, room, &carol).await, (3, 2));
    let all = Mentions { all: true, users: vec![] };
    mention(3, all.clone()).await;
    mention(2, all).await;
    assert_eq!(counts(&s.store, room, &bob).await, (1, 1));
    assert_eq!(counts(&s.store, room, &carol).await, (3, 3));
    mention(3, Mentions::default()).await;
    assert_eq!(counts(&s.store, room, &bob).await, (1, 0));
    assert_eq!(counts(&s.store, room, &carol).await, (3, 2));
    s.log.mark_read(room, carol.id, 3).await.unwrap();
    mention(3, mentions_of(&[&carol])).await;
    assert_eq!(counts(&s.store, room, &carol).await, (0, 0));
}

pub async fn a_mention_of_a_non_member_is_not_kept(s: &Fixture) {
    let (alice, bob, carol) = (actor("alice"), actor("bob"), actor("carol"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    let mut inbox = crate::support::follow(&s.store, &[store::Topic::Room(room)]).await;
    s.log.append(&naming(room, &alice, "@carol @bob", &[&carol, &bob])).await.unwrap();
    s.log.append(&naming(room, &alice, "@carol", &[&carol])).await.unwrap();
    for (seq, kept) in [(1, mentions_of(&[&bob])), (2, Mentions::default())] {
        assert_eq!(message(&s.store, room, seq).await.mentions, kept);
        match &room_event(&mut inbox).await.change.body {
            store::ChangeBody::Message(told) => assert_eq!(told.mentions, kept, "nor told"),
            other => panic!("{other:?}"),
        }
    }
    join(&s.store, room, &carol).await;
    assert_eq!(counts(&s.store, room, &carol).await, (0, 0));
    send(&s.store, room, &alice, "3").await;
    let naming_both = Edit { mentions: mentions_of(&[&carol, &bob]), ..edit(id(room, 3), &alice, "@carol @bob") };
    s.log.edit_message(&naming_both).await.unwrap();
    assert_eq!(counts(&s.store, room, &carol).await, (1, 1), "a member now");
    s.rooms.leave(room, &bob).await.unwrap();
    let named = message(&s.store, room, 3).await.mentions;
    assert_eq!(named, mentions_of(&[&carol, &bob]), "who leaves stays named in what was said");
    let edited = Edit { content: "@carol @bob!".into(), ..naming_both };
    assert_eq!(s.log.edit_message(&edited).await.unwrap().mentions, mentions_of(&[&carol]), "but not anew");
}

pub async fn who_comes_back_is_not_mentioned_by_what_was_said_before(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice, &bob]).await;
    s.log.append(&naming(room, &alice, "@bob", &[&bob])).await.unwrap();
    s.log.append(&to_all(room, &alice, &[])).await.unwrap();
    s.rooms.leave(room, &bob).await.unwrap();
    s.log.append(&to_all(room, &alice, &[])).await.unwrap();
    join(&s.store, room, &bob).await;
    assert_eq!(counts(&s.store, room, &bob).await, (0, 0));
    let late = Edit { mentions: mentions_of(&[&bob]), ..edit(id(room, 1), &alice, "@bob?") };
    s.log.edit_message(&late).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (0, 0));
    s.log.append(&naming(room, &alice, "@bob", &[&bob])).await.unwrap();
    assert_eq!(counts(&s.store, room, &bob).await, (1, 1));
    assert_eq!(head(&s.store, room).await.rev, 9);
}
