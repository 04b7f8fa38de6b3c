//! That keys sort as they count, and that no span reaches into what is not its own.

use super::*;

fn holds(span: &Span, key: &Key) -> bool {
    span.space == key.space && span.lo <= key.bytes && key.bytes < span.hi
}

#[test]
fn numbers_and_times_sort_as_they_count() {
    let room = RoomId::new();
    assert!(message(room, 255) < message(room, 256));
    assert!(message(room, u64::from(u32::MAX)) < message(room, 1 << 32));
    let at = Timestamp::from_millis;
    assert!(due(at(-1), room) < due(at(0), room));
    assert!(due(at(0), room) < due(at(1), room));
    assert!(due(at(i64::MIN), room) < due(at(-1), room));
    assert!(due(at(1), room) < due(at(i64::MAX), room));
}

#[test]
fn a_span_of_messages_excludes_its_bounds_and_other_rooms() {
    let (room, other) = (RoomId::new(), RoomId::new());
    let span = messages_between(room, 3, 6);
    let inside: Vec<u64> = (0..10).filter(|seq| holds(&span, &message(room, *seq))).collect();
    assert_eq!(inside, [4, 5]);
    assert!(!holds(&span, &message(other, 4)));
    assert!(holds(&messages_between(room, 0, u64::MAX), &message(room, u64::MAX - 1)));
}

#[test]
fn a_time_span_includes_its_own_millisecond() {
    let (room, at) = (RoomId::new(), Timestamp::from_millis);
    assert!(holds(&due_until(at(5)), &due(at(5), room)));
    assert!(!holds(&due_until(at(5)), &due(at(6), room)));
}

#[test]
fn public_rooms_sort_by_folded_name_then_id() {
    let mut ids = [RoomId::new(), RoomId::new()];
    ids.sort();
    assert!(public_room("Tea", ids[0]) < public_room("tea", ids[1]));
    assert!(public_room("tea", ids[1]) < public_room("tea\0", ids[0]));
    assert!(public_room("tea\0", ids[1]) < public_room("tea room", ids[0]));
    assert!(holds(&public_rooms("TE", None), &public_room("tea", ids[0])));
    assert!(!holds(&public_rooms("", Some(("tea", ids[0]))), &public_room("tea", ids[0])));
    assert!(holds(&public_rooms("tea", Some(("alpha", ids[0]))), &public_room("tea", ids[0])));
    assert!(!holds(&public_rooms("tea", Some(("alpha", ids[0]))), &public_room("beta", ids[0])));
}

#[test]
fn a_search_goes_on_strictly_after_a_name_and_stays_in_its_prefix() {
    assert!(!holds(&searchable_span("al", Some("alice")), &searchable("alice")));
    assert!(holds(&searchable_span("al", Some("alice")), &searchable("alice2")));
    assert!(!holds(&searchable_span("al", Some("aaa")), &searchable("ab")));
    assert!(!holds(&searchable_span("al", None), &searchable("am")));
}

#[test]
fn no_family_reaches_into_another() {
    let (user, room) = (UserId::new(), RoomId::new());
    let spans = [
        contacts(user),
        signing_keys(),
        rooms_of(user),
        joined_after(room, 0),
        Counted::Deleted.entries(room, 0, u64::MAX),
        Counted::Naming(user).entries(room, 0, u64::MAX),
        Counted::NamingAll.entries(room, 0, u64::MAX),
        Counted::Deleted.sums(room, 1, 0, u64::MAX),
        reactions_to(room, 1),
        replies_after(room, 1, 0),
        rooms_with_retention(),
        leavings(),
        user_changes_after(user, 0),
    ];
    for (i, span) in spans.iter().enumerate() {
        assert_eq!(spans.iter().filter(|s| s.lo[0] == span.lo[0]).count(), 1, "{i}");
        assert!(span.hi[0] - span.lo[0] <= 1);
    }
}

#[test]
fn reactions_of_a_user_are_theirs_alone_and_in_order_of_the_emoji() {
    let (room, user, other) = (RoomId::new(), UserId::new(), UserId::new());
    let span = reactions_by(room, 3, user);
    assert!(holds(&span, &reaction(room, 3, user, "👍")));
    assert!(!holds(&span, &reaction(room, 3, other, "👍")));
    assert!(!holds(&span, &reaction(room, 4, user, "👍")));
    assert!(reaction(room, 3, user, "a") < reaction(room, 3, user, "b"));
    assert_eq!(emoji(&reaction(room, 3, user, "👍").bytes), Some("👍"));
    assert_eq!(emoji(b"short"), None);
}

#[test]
fn what_is_left_of_a_message_spans_its_keys_and_no_others() {
    let (room, user) = (RoomId::new(), UserId::new());
    let left = leaving(&reactions_to(room, 3));
    assert!(holds(&leavings(), &left));
    let span = left_behind(&left.bytes);
    assert!(holds(&span, &reaction(room, 3, user, "👍")));
    assert!(!holds(&span, &reaction(room, 4, user, "👍")));
    assert!(!holds(&span, &reply(room, 3, 4)));
}

#[test]
fn what_is_counted_is_apart_by_room_user_kind_and_level_and_spans_have_their_last() {
    let (user, other, room) = (UserId::new(), UserId::new(), RoomId::new());
    let naming = Counted::Naming(user);
    let span = naming.entries(room, 3, 6);
    assert_eq!((0..10).filter(|seq| holds(&span, &naming.entry(room, *seq))).collect::<Vec<_>>(), [4, 5, 6]);
    assert!(!holds(&span, &Counted::Naming(other).entry(room, 4)));
    assert!(!holds(&span, &naming.entry(RoomId::new(), 4)));
    let sums = Counted::Deleted.sums(room, 1, 0, u64::MAX);
    assert!(holds(&sums, &Counted::Deleted.sum(room, 1, u64::MAX)));
    for foreign in [Counted::Deleted.sum(room, 2, 1), Counted::NamingAll.sum(room, 1, 1), naming.sum(room, 1, 1)] {
        assert!(!holds(&sums, &foreign));
    }
}
